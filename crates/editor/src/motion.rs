//! Where the cursor goes. Offsets are bytes; what is returned is on the boundary of a grapheme cluster if what came in was.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use crate::{outline::Outline, text::Text};

/// The offset one grapheme cluster to the left, over line ends; 0 at the start.
#[must_use]
pub fn left(text: &Text, offset: usize) -> usize {
    let string = text.as_str();
    let boundary = GraphemeCursor::new(offset, string.len(), true).prev_boundary(string, 0);
    boundary.ok().flatten().unwrap_or(0)
}

/// The offset one grapheme cluster to the right, over line ends; the end at the end.
#[must_use]
pub fn right(text: &Text, offset: usize) -> usize {
    let string = text.as_str();
    let boundary = GraphemeCursor::new(offset, string.len(), true).next_boundary(string, 0);
    boundary.ok().flatten().unwrap_or(string.len())
}

/// The boundary of a grapheme cluster at `offset` or before it.
#[must_use]
pub fn boundary(text: &Text, offset: usize) -> usize {
    let string = text.as_str();
    let offset = string.floor_char_boundary(offset);
    match GraphemeCursor::new(offset, string.len(), true).is_boundary(string, 0) {
        Ok(true) => offset,
        _ => left(text, offset),
    }
}

/// Words are runs of these, as in CPython's prompt.
fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The start of the word before `offset`, over whatever lies between; 0 where there is none.
#[must_use]
pub fn word_left(text: &Text, offset: usize) -> usize {
    let before = text.as_str()[..offset].trim_end_matches(|char| !is_word(char));
    boundary(text, before.trim_end_matches(is_word).len())
}

/// The end of the word after `offset`, over whatever lies between; the end where there is none.
#[must_use]
pub fn word_right(text: &Text, offset: usize) -> usize {
    let string = text.as_str();
    let after = string[offset..].trim_start_matches(|char| !is_word(char));
    let end = string.len() - after.trim_start_matches(is_word).len();
    // An accent of its own belongs to the word's last letter.
    if boundary(text, end) == end { end } else { right(text, boundary(text, end)) }
}

/// The start of the statement that `offset` is in, or of the one before it where `offset` is its start already.
#[must_use]
pub fn statement_start(text: &Text, offset: usize) -> usize {
    let before = Outline::until(text, offset);
    before.statements.iter().rev().map(|statement| statement.start).find(|start| *start < offset).unwrap_or(0)
}

/// The end of the statement that `offset` is in, or of the next one where `offset` is its end already.
#[must_use]
pub fn statement_end(text: &Text, offset: usize) -> usize {
    let outline = Outline::until(text, text.len());
    let next = outline.statements.partition_point(|statement| statement.end <= offset);
    outline.statements.get(next).map_or(text.len(), |statement| statement.end)
}

/// The line (from 0) and the grapheme cluster in it (from 0) that `offset` is before.
#[must_use]
pub fn line_col(text: &Text, offset: usize) -> (usize, usize) {
    let line = text.line_at(offset);
    let before = &text.as_str()[text.line_range(line).start..offset];
    (line, before.graphemes(true).count())
}

/// The offset in line `line` before its grapheme cluster `column`, or the line's end where it is shorter.
///
/// # Panics
/// When there is no such line.
#[must_use]
pub fn at_line_col(text: &Text, line: usize, column: usize) -> usize {
    let range = text.line_range(line);
    text.line(line).grapheme_indices(true).nth(column).map_or(range.end, |(at, _)| range.start + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `|` is the cursor, before and after.
    #[track_caller]
    fn check(motion: fn(&Text, usize) -> usize, before: &str, after: &str) {
        let cursor = before.find('|').expect("there is a cursor");
        let text = Text::from(before.replacen('|', "", 1));
        let mut moved = text.as_str().to_owned();
        moved.insert(motion(&text, cursor), '|');
        assert_eq!(moved, after);
    }

    #[test]
    fn left_and_right_move_by_clusters() {
        check(left, "e\u{301}|", "|e\u{301}");
        check(right, "|e\u{301}x", "e\u{301}|x");
        check(right, "|🏳\u{fe0f}\u{200d}🌈x", "🏳\u{fe0f}\u{200d}🌈|x");
        check(left, "a\n|b", "a|\nb");
        check(right, "a|\nb", "a\n|b");
        check(left, "|a", "|a");
        check(right, "a|", "a|");
        check(left, "🇩🇪🇫🇷|", "🇩🇪|🇫🇷");
    }

    #[test]
    fn words_stop_at_punctuation() {
        check(word_left, "os.path.join|", "os.path.|join");
        check(word_left, "foo bar|", "foo |bar");
        check(word_left, "foo.bar  |", "foo.|bar  ");
        check(word_left, "  |", "|  ");
        check(word_left, "a_b1|", "|a_b1");
        check(word_left, "a\n  |b", "|a\n  b");
        check(word_right, "foo.|bar baz", "foo.bar| baz");
        check(word_right, "foo| (bar)", "foo (bar|)");
        check(word_right, "na|ïve", "naïve|");
        check(word_right, "|cafe\u{301} x", "cafe\u{301}| x");
        check(word_right, "x| )", "x )|");
    }

    #[test]
    fn statements_have_starts_and_ends() {
        check(statement_start, "a = 1\nf(\n  2,\n  |3)", "a = 1\n|f(\n  2,\n  3)");
        check(statement_start, "a = 1\n|f(2)", "|a = 1\nf(2)");
        check(statement_start, "if a:\n    b = '''\n|\n'''", "if a:\n    |b = '''\n\n'''");
        check(statement_start, "|", "|");
        check(statement_end, "|a = (1,\n2)  # c\nb", "a = (1,\n2)|  # c\nb");
        check(statement_end, "a|\n\n  b", "a\n\n  b|");
        check(statement_end, "a|\n", "a\n|");
    }

    #[test]
    fn lines_and_columns() {
        let text = Text::from("ab\ne\u{301}x樂");
        assert_eq!(line_col(&text, 0), (0, 0));
        assert_eq!(line_col(&text, 7), (1, 2));
        assert_eq!(at_line_col(&text, 1, 2), 7);
        assert_eq!(at_line_col(&text, 0, 9), 2);
    }

    proptest! {
        #[test]
        fn motions_stay_on_boundaries(source in "[a_ .(\\n樂e\u{301}\u{200d}🏳🇩🇪\r)]{0,30}", at in any::<prop::sample::Index>()) {
            let text = Text::from(source);
            let offset = boundary(&text, at.index(text.len() + 1));
            let boundaries: Vec<usize> = text.as_str().grapheme_indices(true).map(|(at, _)| at).chain([text.len()]).collect();
            for motion in [left, right, word_left, word_right, boundary] {
                prop_assert!(boundaries.contains(&motion(&text, offset)));
            }
            prop_assert!(left(&text, offset) <= offset && right(&text, offset) >= offset);
            prop_assert!(word_left(&text, offset) <= offset && word_right(&text, offset) >= offset);
            if offset < text.len() {
                prop_assert_eq!(left(&text, right(&text, offset)), offset);
            }
            prop_assert!(statement_start(&text, offset) <= offset && statement_end(&text, offset) >= offset);
            let (line, column) = line_col(&text, offset);
            prop_assert!(at_line_col(&text, line, column) <= offset);
        }
    }
}
