//! Text with an index of its lines.

use std::ops::Range;

/// A change of text: `removed` bytes at `start` gave way to `inserted` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Byte offset.
    pub start: usize,
    /// Bytes.
    pub removed: usize,
    /// Bytes.
    pub inserted: usize,
}

/// Text, and where its lines begin. Lines end in `\n` only; there is always at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    string: String,
    starts: Vec<usize>,
}

impl Default for Text {
    fn default() -> Self {
        Text { string: String::new(), starts: vec![0] }
    }
}

impl From<String> for Text {
    fn from(string: String) -> Self {
        let starts = std::iter::once(0).chain(newlines(&string).map(|at| at + 1)).collect();
        Text { string, starts }
    }
}

impl From<&str> for Text {
    fn from(string: &str) -> Self {
        Text::from(string.to_owned())
    }
}

fn newlines(string: &str) -> impl Iterator<Item = usize> {
    string.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at)
}

impl Text {
    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.string
    }

    /// Bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.string.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.string.is_empty()
    }

    /// At least 1.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.starts.len()
    }

    /// The line (from 0) that byte `offset` is in; an offset after the end is in the last line.
    #[must_use]
    pub fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }

    /// The bytes of line `line`, without its line end.
    ///
    /// # Panics
    /// When there is no such line.
    #[must_use]
    pub fn line_range(&self, line: usize) -> Range<usize> {
        let end = self.starts.get(line + 1).map_or(self.string.len(), |next| next - 1);
        self.starts[line]..end
    }

    /// The text of line `line`, without its line end.
    ///
    /// # Panics
    /// When there is no such line.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        &self.string[self.line_range(line)]
    }

    /// Puts `new` in the place of the bytes in `range`.
    ///
    /// # Panics
    /// When `range` is not within the text or cuts a character.
    pub fn replace(&mut self, range: Range<usize>, new: &str) -> Change {
        let first = self.line_at(range.start);
        let last = self.line_at(range.end);
        let change = Change { start: range.start, removed: range.len(), inserted: new.len() };
        let inserted = newlines(new).map(|at| range.start + at + 1);
        if first == last && !new.contains('\n') {
            for start in &mut self.starts[first + 1..] {
                *start = *start - change.removed + change.inserted;
            }
        } else {
            let from = first + 1 + newlines(new).count();
            self.starts.splice(first + 1..=last, inserted);
            for start in &mut self.starts[from..] {
                *start = *start - change.removed + change.inserted;
            }
        }
        self.string.replace_range(range, new);
        change
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_have_no_line_ends() {
        let text = Text::from("a\nbc\n");
        assert_eq!((text.line_count(), text.line(0), text.line(1), text.line(2)), (3, "a", "bc", ""));
        assert_eq!((text.line_at(0), text.line_at(1), text.line_at(2), text.line_at(5)), (0, 0, 1, 2));
    }

    proptest! {
        #[test]
        fn the_index_is_that_of_the_text(edits in prop::collection::vec((0usize..40, 0usize..10, "[a\n樂]{0,6}"), 0..20)) {
            let mut text = Text::default();
            for (start, len, new) in edits {
                let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.as_str().is_char_boundary(*at)).unwrap_or(0);
                let range = boundary(start)..boundary(start + len);
                text.replace(range, &new);
                prop_assert_eq!(&text, &Text::from(text.as_str()));
            }
        }
    }
}
