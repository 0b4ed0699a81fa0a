//! The line of output above the prompt that has no end yet: later output goes on with it.

use unicode_width::UnicodeWidthChar;

/// Bytes that are kept. A line that is longer is not gone on with.
const MAX: usize = 4096;
/// Terminals have a tab stop in every eighth column.
const TAB: usize = 8;

/// What was written since the last line end.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    bytes: Vec<u8>,
    /// It was too long to be kept.
    cut: bool,
}

/// What a line looks like in a window.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    rows: usize,
    /// Columns of the last row before the cursor.
    column: usize,
    /// Text of the last row, with all styles up to there.
    last: String,
    /// It moves the cursor in ways that are not followed here, or shows an image.
    moves: bool,
    /// It ends within an escape sequence.
    open: bool,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.cut = false;
    }

    /// Adds bytes without a line end.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > MAX {
            // A progress bar writes its line again and again: what is before a CR is gone by then.
            if let Some(at) = memchr::memrchr(b'\r', &self.bytes) {
                self.bytes.drain(..at);
            }
            self.cut |= self.bytes.len() > MAX;
            self.bytes.truncate(MAX);
        }
    }

    /// Whether it ends within an escape sequence, which would swallow what is written next.
    pub(super) fn is_open(&self) -> bool {
        self.shape(usize::MAX).open
    }

    /// The rows it takes; None when it cannot be written again.
    pub(super) fn rows(&self, columns: u16) -> Option<usize> {
        let shape = self.shape(usize::from(columns.max(1)));
        (!self.cut && !shape.moves).then_some(shape.rows)
    }

    /// The part of it in the row of the cursor. None when nobody knows, or there is no room behind it.
    pub(super) fn last_row(&self, columns: u16) -> Option<String> {
        let columns = usize::from(columns.max(1));
        let shape = self.shape(columns);
        (!self.cut && !shape.moves && !shape.open && shape.column < columns).then_some(shape.last)
    }

    fn shape(&self, columns: usize) -> Shape {
        let text = String::from_utf8_lossy(&self.bytes);
        let mut shape = Shape { rows: 1, ..Shape::default() };
        let mut styles = String::new();
        let mut rest = text.as_ref();
        while let Some(char) = rest.chars().next() {
            if char == '\x1b' {
                match escape(rest) {
                    Escape::Open => {
                        shape.open = true;
                        return shape;
                    }
                    Escape::Style(len) => {
                        styles.push_str(&rest[..len]);
                        shape.last.push_str(&rest[..len]);
                        rest = &rest[len..];
                    }
                    Escape::Other { len, moves } => {
                        shape.moves |= moves;
                        rest = &rest[len..];
                    }
                }
                continue;
            }
            rest = &rest[char.len_utf8()..];
            let width = match char {
                '\r' => {
                    shape.column = 0;
                    shape.last.clone_from(&styles);
                    continue;
                }
                // A tab goes to the last column at most.
                '\t' => {
                    let to = (shape.column / TAB + 1) * TAB;
                    let width = to.min(columns - 1).saturating_sub(shape.column);
                    shape.last.extend(std::iter::repeat_n(' ', width));
                    shape.column += width;
                    continue;
                }
                '\x08' | '\x0b' | '\x0c' => {
                    shape.moves = true;
                    continue;
                }
                _ => char.width().unwrap_or(0),
            };
            if shape.column + width > columns {
                shape.rows += 1;
                shape.column = 0;
                shape.last.clone_from(&styles);
            }
            shape.column += width;
            shape.last.push(char);
        }
        shape
    }
}

enum Escape {
    /// It goes on in what is not written yet.
    Open,
    /// SGR, of so many bytes.
    Style(usize),
    Other {
        len: usize,
        moves: bool,
    },
}

/// The escape sequence that `text` begins with.
fn escape(text: &str) -> Escape {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        None => Escape::Open,
        Some(b'[') => match bytes[2..].iter().position(|byte| (0x40..=0x7e).contains(byte)) {
            None => Escape::Open,
            Some(at) => {
                let len = at + 3;
                match bytes[len - 1] {
                    b'm' => Escape::Style(len),
                    // Erasing in the line leaves the cursor where it is, and modes do too.
                    last => Escape::Other { len, moves: !matches!(last, b'K' | b'h' | b'l') },
                }
            }
        },
        Some(introducer @ (b']' | b'P' | b'_' | b'^' | b'X')) => {
            let bell = memchr::memchr(0x07, bytes).map(|at| at + 1);
            let end = text.find("\x1b\\").map(|at| at + 2);
            match bell.into_iter().chain(end).min() {
                None => Escape::Open,
                // Links and titles take no place; images do.
                Some(len) => Escape::Other { len, moves: *introducer != b']' || text.starts_with("\x1b]1337;") },
            }
        }
        Some(_) => {
            let len = 1 + text[1..].chars().next().map_or(0, char::len_utf8);
            Escape::Other { len, moves: true }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8]) -> Line {
        let mut line = Line::default();
        line.push(text);
        line
    }

    #[track_caller]
    fn check(text: &str, columns: u16, rows: Option<usize>, last: Option<&str>) {
        let line = line(text.as_bytes());
        assert_eq!((line.rows(columns), line.last_row(columns).as_deref()), (rows, last));
    }

    #[test]
    fn rows_are_those_of_the_window() {
        check("abc", 4, Some(1), Some("abc"));
        check("abcd", 4, Some(1), None);
        check("abcde", 4, Some(2), Some("e"));
        check("abc樂", 4, Some(2), Some("樂"));
        check("a\tb", 20, Some(1), Some("a       b"));
        check("ab\rcd", 20, Some(1), Some("cd"));
    }

    #[test]
    fn styles_go_on_over_rows() {
        check("\x1b[1;31mabcd", 3, Some(2), Some("\x1b[1;31md"));
        check("\x1b]8;;http://x\x1b\\ab\x1b]8;;\x07", 3, Some(1), Some("ab"));
    }

    #[test]
    fn what_moves_the_cursor_is_not_followed() {
        for text in
            ["a\x1b[2A", "a\x08b", "a\x1b7", "\x1b_Gm=0;AAAA\x1b\\", "\x1bPq#0~\x1b\\", "\x1b]1337;File=:AA\x07"]
        {
            check(text, 80, None, None);
        }
    }

    #[test]
    fn sequences_that_go_on_are_known() {
        for (text, open) in
            [("a\x1b", true), ("a\x1b[3", true), ("a\x1b[3m", false), ("\x1b_Gm=0;AA", true), ("é", false)]
        {
            assert_eq!(line(text.as_bytes()).is_open(), open, "{text:?}");
        }
    }

    #[test]
    fn long_lines_are_given_up_and_progress_bars_are_not() {
        assert_eq!(line(&[b'a'; MAX + 1]).rows(80), None);
        let mut bar = Line::default();
        for percent in 0..10_000 {
            bar.push(format!("\r{percent} done").as_bytes());
        }
        assert_eq!(bar.last_row(80).as_deref(), Some("9999 done"));
    }
}
