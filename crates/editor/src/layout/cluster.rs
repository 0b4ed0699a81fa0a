//! How one grapheme cluster is shown: as it is, as spaces, or as an escape; and how wide that is.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns between tab stops, as in Python's own rules for indents.
const TAB: usize = 8;

/// A grapheme cluster of a line and what stands for it on the screen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cluster<'a> {
    /// Byte offset in the line.
    pub(super) start: usize,
    /// Byte offset in the line, after the cluster.
    pub(super) end: usize,
    /// What is written for it.
    pub(super) shown: Cow<'a, str>,
    /// Columns that takes: at least 1.
    pub(super) width: usize,
    /// Whether something else is written than the cluster.
    pub(super) escaped: bool,
}

/// Whether each byte is a character of one column that never joins another.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x20..0x7f))
}

/// The clusters of `line` from byte `start` on, which is `column` columns into the line (that decides how wide a tab
/// is). None is wider than `most` columns.
pub(super) fn clusters(line: &str, start: usize, column: usize, most: usize) -> Clusters<'_> {
    Clusters { line, at: start, column, most: most.max(1) }
}

/// See [`clusters`].
pub(super) struct Clusters<'a> {
    line: &'a str,
    at: usize,
    column: usize,
    most: usize,
}

impl<'a> Iterator for Clusters<'a> {
    type Item = Cluster<'a>;

    fn next(&mut self) -> Option<Cluster<'a>> {
        let rest = &self.line[self.at..];
        let text = &rest[..first_len(rest)?];
        let (start, end) = (self.at, self.at + text.len());
        let cluster = if matches!(text.as_bytes(), [0x20..0x7f]) {
            Cluster { start, end, shown: Cow::Borrowed(text), width: 1, escaped: false }
        } else {
            let (shown, width) = show(text, self.column, self.most);
            let escaped = shown != text;
            Cluster { start, end, shown, width, escaped }
        };
        self.at = cluster.end;
        self.column += cluster.width;
        Some(cluster)
    }
}

/// The bytes of the first cluster, quickly between ASCII characters.
pub(super) fn first_len(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [] => None,
        [0x20..0x7f] => Some(1),
        [0x20..0x7f, next, ..] if next.is_ascii() => Some(1),
        _ => text.graphemes(true).next().map(str::len),
    }
}

fn show(text: &str, column: usize, most: usize) -> (Cow<'_, str>, usize) {
    let mut escaped = String::new();
    let width = width(text);
    if text == "\t" {
        escaped.extend(std::iter::repeat_n(' ', TAB - column % TAB));
    } else if text.chars().all(is_invisible) || width == 0 {
        // A terminal would obey it or show nothing, and what cannot be seen can deceive.
        for char in text.chars() {
            escaped.push_str(&match char {
                '\0'..' ' => format!("^{}", char::from(char as u8 + b'@')),
                '\x7f' => "^?".to_owned(),
                '\u{80}'..='\u{ff}' => format!("\\x{:02x}", u32::from(char)),
                '\u{100}'..='\u{ffff}' => format!("\\u{:04x}", u32::from(char)),
                _ => format!("\\U{:08x}", u32::from(char)),
            });
        }
    } else if width > most {
        escaped.push('?');
    } else {
        return (Cow::Borrowed(text), width);
    }
    escaped.truncate(most);
    let width = escaped.len();
    (Cow::Owned(escaped), width)
}

fn is_invisible(char: char) -> bool {
    // Terminals do not agree whether a soft hyphen and the separators take a column.
    char.is_control() || matches!(char, '\u{ad}' | '\u{2028}' | '\u{2029}') || char.width().unwrap_or(0) == 0
}

/// The columns that a cluster takes; 0 for marks without a character below them.
pub(super) fn width(cluster: &str) -> usize {
    if cluster.len() == 1 { 1 } else { cluster.width() }
}

/// Whether terminals disagree about the width of a cluster: joined and varied emoji, flags, scripts whose characters
/// melt into one, and emoji as a whole, of which every terminal knows another year's.
pub(crate) fn is_doubtful(cluster: &str) -> bool {
    if cluster.len() <= 2 {
        return false;
    }
    let mut sum = 0;
    for char in cluster.chars() {
        if matches!(char, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f000}'..) {
            return true;
        }
        sum += char.width().unwrap_or(0);
    }
    sum != width(cluster)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[(&str, usize)]) {
        let all: Vec<_> = clusters(line, 0, 0, 10).map(|cluster| (cluster.shown.into_owned(), cluster.width)).collect();
        assert_eq!(all, expected.iter().map(|(text, width)| ((*text).to_owned(), *width)).collect::<Vec<_>>());
    }

    #[test]
    fn a_cluster_is_one_whatever_it_is_made_of() {
        check("ae\u{301}樂", &[("a", 1), ("e\u{301}", 1), ("樂", 2)]);
        check("\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}.", &[("\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}", 2), (".", 1)]);
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        check("\x1b[\x7f\u{9b}", &[("^[", 2), ("[", 1), ("^?", 2), ("\\x9b", 4)]);
        check("\u{301}a\u{202e}", &[("\\u0301", 6), ("a", 1), ("\\u202e", 6)]);
        check("\u{e0001}", &[("\\U000e0001", 10)]);
    }

    #[test]
    fn tabs_reach_the_next_stop() {
        check("\ta\t", &[("        ", 8), ("a", 1), ("       ", 7)]);
    }

    #[test]
    fn nothing_is_wider_than_there_is_room() {
        let shown: Vec<_> = clusters("樂\u{200b}", 0, 0, 1).map(|cluster| cluster.shown.into_owned()).collect();
        assert_eq!(shown, ["?", "\\"]);
    }

    #[test]
    fn doubtful_is_what_terminals_disagree_about() {
        for (cluster, doubtful) in [
            ("a", false),
            ("樂", false),
            ("e\u{301}", false),
            ("❤\u{fe0f}", true),
            ("🇩🇪", true),
            ("👩\u{200d}🚀", true),
        ] {
            assert_eq!(is_doubtful(cluster), doubtful, "{cluster}");
        }
    }
}
