//! Where the lines of a text are broken into rows, and the way between byte offsets and places on the screen.

use super::{
    cluster::{clusters, is_plain},
    row::Row,
    styled::Styled,
};
use crate::text::Text;

/// Columns that a prompt leaves for the text.
const LEAST: usize = 4;

/// What decides where lines are broken.
#[derive(Clone, Copy, Debug)]
pub struct Geometry<'a> {
    /// Of the window.
    pub columns: u16,
    /// Before the first line.
    pub prompt: &'a Styled,
    /// Before each further line.
    pub continuation: &'a Styled,
    /// The text.
    pub text: &'a Text,
}

/// A byte offset reached by going up or down, and the column that was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Byte offset in the text.
    pub offset: usize,
    /// To be given to the next step, which then comes back to this column after a shorter row.
    pub goal: usize,
}

impl Geometry<'_> {
    /// One row up on the screen from `cursor`, or nothing in the first row.
    #[must_use]
    pub fn row_above(&self, cursor: usize, goal: Option<usize>) -> Option<Step> {
        self.step(cursor, goal, false)
    }

    /// One row down on the screen from `cursor`, or nothing in the last row.
    #[must_use]
    pub fn row_below(&self, cursor: usize, goal: Option<usize>) -> Option<Step> {
        self.step(cursor, goal, true)
    }

    fn step(&self, cursor: usize, goal: Option<usize>, down: bool) -> Option<Step> {
        let grid = Grid::new(self);
        let mut line = self.text.line_at(cursor);
        let mut wrapped = grid.wrap(line, self.text.line(line));
        let (mut index, column) = wrapped.locate(self.text.line(line), cursor - self.text.line_range(line).start);
        let goal = goal.unwrap_or(column);
        loop {
            if down && index + 1 < wrapped.rows.len() {
                index += 1;
            } else if !down && index > 0 {
                index -= 1;
            } else {
                line = if down { line + 1 } else { line.checked_sub(1)? };
                if line == self.text.line_count() {
                    return None;
                }
                wrapped = grid.wrap(line, self.text.line(line));
                index = if down { 0 } else { wrapped.rows.len() - 1 };
            }
            let row = wrapped.rows[index];
            // A row that holds a prompt and no room for the first character has no place of its own.
            if row.start < row.end || index + 1 == wrapped.rows.len() {
                let offset = wrapped.offset_at(self.text.line(line), index, goal);
                return Some(Step { offset: self.text.line_range(line).start + offset, goal });
            }
        }
    }
}

/// The numbers that matter for wrapping.
#[derive(Debug)]
pub(super) struct Grid {
    /// Columns of the window, at least 1.
    pub(super) columns: usize,
    /// Columns of a row that text may take; one less than the window has, for the mark and for the cursor.
    pub(super) room: usize,
    /// Rows of the prompt above its last.
    pub(super) above: Vec<Row>,
    /// The last row of the prompt.
    pub(super) first: Row,
    /// The continuation prompt.
    pub(super) further: Row,
}

/// A row of a line, as byte offsets in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Columns that a prompt takes before it.
    pub(super) indent: usize,
    /// Columns of the line before it.
    pub(super) column: usize,
}

/// A line broken into rows: at least one.
#[derive(Debug)]
pub(super) struct Wrapped {
    pub(super) rows: Vec<Piece>,
    pub(super) plain: bool,
    room: usize,
}

impl Grid {
    pub(super) fn new(geometry: &Geometry<'_>) -> Self {
        let columns = usize::from(geometry.columns).max(1);
        let most = columns.saturating_sub(LEAST);
        let (above, first) = geometry.prompt.rows(columns, most);
        let (_, further) = geometry.continuation.rows(columns, most);
        Grid { columns, room: (columns - 1).max(1), above, first, further }
    }

    /// The prompt before line `line`.
    pub(super) fn prompt(&self, line: usize) -> &Row {
        if line == 0 { &self.first } else { &self.further }
    }

    /// How many rows a line takes, with those of the prompt.
    pub(super) fn height(&self, line: usize, text: &str) -> usize {
        let above = if line == 0 { self.above.len() } else { 0 };
        let indent = self.prompt(line).columns();
        if text.len() + indent <= self.room && is_plain(text) {
            return above + 1;
        }
        above + self.wrap(line, text).rows.len()
    }

    /// Breaks the text of line `line`.
    pub(super) fn wrap(&self, line: usize, text: &str) -> Wrapped {
        let indent = self.prompt(line).columns();
        let plain = is_plain(text);
        let mut rows = Vec::with_capacity(if plain { (text.len() + indent) / self.room + 1 } else { 1 });
        let mut piece = Piece { start: 0, end: 0, indent, column: 0 };
        if plain {
            while text.len() - piece.start > self.room - piece.indent {
                let end = piece.start + self.room - piece.indent;
                rows.push(Piece { end, ..piece });
                piece = Piece { start: end, end, indent: 0, column: end };
            }
        } else {
            let mut used = indent;
            let mut column = 0;
            for cluster in clusters(text, 0, 0, self.room) {
                if used + cluster.width > self.room {
                    rows.push(Piece { end: cluster.start, ..piece });
                    piece = Piece { start: cluster.start, end: cluster.start, indent: 0, column };
                    used = 0;
                }
                used += cluster.width;
                column += cluster.width;
            }
        }
        rows.push(Piece { end: text.len(), ..piece });
        Wrapped { rows, plain, room: self.room }
    }
}

impl Wrapped {
    /// The row and the column of byte `offset` of the line; within a cluster that of its start.
    pub(super) fn locate(&self, line: &str, offset: usize) -> (usize, usize) {
        let index = self.rows.partition_point(|piece| piece.start <= offset) - 1;
        let piece = self.rows[index];
        if self.plain {
            return (index, piece.indent + offset.min(piece.end) - piece.start);
        }
        let before = clusters(line, piece.start, piece.column, self.room).take_while(|cluster| cluster.end <= offset);
        (index, piece.indent + before.map(|cluster| cluster.width).sum::<usize>())
    }

    /// The byte offset in the line nearest to `column` of row `index`.
    pub(super) fn offset_at(&self, line: &str, index: usize, column: usize) -> usize {
        let piece = self.rows[index];
        let mut used = piece.indent;
        let mut last = piece.start;
        for cluster in clusters(line, piece.start, piece.column, self.room) {
            if cluster.start >= piece.end {
                break;
            }
            last = cluster.start;
            used += cluster.width;
            if used > column {
                return last;
            }
        }
        // The place after the last character of a broken row is the start of the next.
        if index + 1 == self.rows.len() { piece.end } else { last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::Kind;

    fn with<T>(columns: u16, text: &str, test: impl FnOnce(&Geometry<'_>) -> T) -> T {
        let prompt = Styled::plain(">>> ", Kind::Prompt);
        let continuation = Styled::plain("... ", Kind::Continuation);
        test(&Geometry { columns, prompt: &prompt, continuation: &continuation, text: &Text::from(text) })
    }

    #[track_caller]
    fn check(columns: u16, text: &str, expected: &[&str]) {
        with(columns, text, |geometry| {
            let grid = Grid::new(geometry);
            let pieces: Vec<_> = (0..geometry.text.line_count())
                .flat_map(|line| {
                    let text = geometry.text.line(line);
                    let rows = grid.wrap(line, text).rows;
                    assert_eq!(rows.len(), grid.height(line, text));
                    rows.into_iter().map(move |piece| text[piece.start..piece.end].to_owned())
                })
                .collect();
            assert_eq!(pieces, expected);
        });
    }

    #[test]
    fn lines_are_broken_before_the_last_column() {
        check(20, "aaaaabbbbbcccccddddd", &["aaaaabbbbbccccc", "ddddd"]);
        check(20, "aaaaabbbbbccccc", &["aaaaabbbbbccccc"]);
        check(12, "aaaaaa樂", &["aaaaaa", "樂"]);
        check(
            10,
            "if some_condition:\n    some_function()",
            &["if so", "me_condit", "ion:", "    s", "ome_funct", "ion()"],
        );
        check(4, "abcd", &["abc", "d"]);
        check(1, "ab", &["a", "b"]);
        check(1, "樂e\u{301}\t", &["樂", "e\u{301}", "\t"]);
        check(6, "樂樂\n", &["樂", "樂", ""]);
    }

    #[test]
    fn tabs_stop_where_they_do_in_python() {
        check(20, "a\tb\tcd", &["a\tb", "\tcd"]);
    }

    #[track_caller]
    fn walk(columns: u16, text: &str, expected: &[usize]) {
        with(columns, text, |geometry| {
            let mut at = Step { offset: expected[0], goal: 0 };
            let mut goal = None;
            for offset in &expected[1..] {
                at = geometry.row_below(at.offset, goal).expect("a row below");
                assert_eq!(at.offset, *offset);
                goal = Some(at.goal);
            }
            assert_eq!(geometry.row_below(at.offset, goal), None);
            for offset in expected[..expected.len() - 1].iter().rev() {
                at = geometry.row_above(at.offset, goal).expect("a row above");
                assert_eq!(at.offset, *offset);
            }
            assert_eq!(geometry.row_above(at.offset, goal), None);
        });
    }

    #[test]
    fn up_and_down_go_by_rows_and_keep_the_column() {
        walk(20, "aaaaabbbbbcccccddddd", &[1, 20]);
        walk(10, "abcde\n\nxyz", &[3, 6, 10]);
        walk(10, "aaaaabbbbbbbbbcc", &[3, 12, 16]);
        // A row that is full ends before its last character: after it is the next row.
        walk(10, "aaaaa\naaaaab", &[5, 10, 12]);
        walk(10, "a樂b\na樂b", &[1, 7]);
        walk(5, "樂\nx", &[0, 4]);
    }

    #[test]
    fn a_prompt_without_room_after_it_is_passed_over() {
        // Six columns for the escape, three beside the prompt.
        with(8, "a\n\u{200b}x", |geometry| {
            assert_eq!(geometry.row_above(5, None), Some(Step { offset: 1, goal: 6 }));
            assert_eq!(geometry.row_below(0, None), Some(Step { offset: 2, goal: 4 }));
            assert_eq!(geometry.row_below(2, None), None);
        });
    }
}
