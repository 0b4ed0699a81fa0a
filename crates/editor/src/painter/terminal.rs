//! What is known of the terminal while bytes for it are written: the place of its cursor, its style, its rows.

use std::io::Write;

use super::pen;
use crate::{
    layout::{Cell, is_doubtful},
    style::Style,
    theme::Theme,
};

/// Where the terminal's cursor is, in rows and columns of the region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) row: usize,
    /// The number of columns of the window after something was written in the last one: terminals do not agree where
    /// the cursor is then, and only CR leads to a known place.
    pub(super) column: usize,
}

/// Writes what moves the cursor from one place of the region to another, never to an absolute one.
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    pub(super) at: Place,
    pub(super) columns: usize,
    /// Rows of the region, and blank ones below it, that are known to be in the window.
    pub(super) extent: usize,
    pub(super) pen: Style,
}

impl Terminal {
    pub(super) fn new(columns: usize) -> Self {
        Terminal { at: Place::default(), columns, extent: 1, pen: Style::default() }
    }

    /// Moves the cursor; below what is known to be there, the window is scrolled as far as it takes.
    pub(super) fn go(&mut self, to: Place, out: &mut Vec<u8>) {
        if self.at.column >= self.columns && self.at != to {
            out.push(b'\r');
            self.at.column = 0;
        }
        if to.row < self.at.row {
            csi(self.at.row - to.row, 'A', out);
        } else if to.row > self.at.row {
            let down = to.row - self.at.row;
            let straight = csi_len(down) + self.sideways_len(self.at.column, to.column);
            let new_lines = 2 * down + self.sideways_len(0, to.column);
            if to.row < self.extent && straight < new_lines {
                csi(down, 'B', out);
            } else {
                for _ in 0..down {
                    out.extend_from_slice(b"\r\n");
                }
                self.at.column = 0;
                self.extent = self.extent.max(to.row + 1);
            }
        }
        self.at.row = to.row;
        self.sideways(to.column, out);
    }

    fn sideways_len(&self, from: usize, to: usize) -> usize {
        match (from, to) {
            _ if from == to => 0,
            (_, 0) => 1,
            _ if from < to => csi_len(to - from),
            _ => (from - to).min(csi_len(from - to)).min(1 + csi_len(to)),
        }
    }

    fn sideways(&mut self, to: usize, out: &mut Vec<u8>) {
        let from = self.at.column;
        self.at.column = to;
        if from == to {
            return;
        }
        if to == 0 {
            out.push(b'\r');
        } else if from < to {
            csi(to - from, 'C', out);
        } else if from - to <= csi_len(from - to).min(1 + csi_len(to)) {
            out.extend(std::iter::repeat_n(b'\x08', from - to));
        } else if csi_len(from - to) <= 1 + csi_len(to) {
            csi(from - to, 'D', out);
        } else {
            out.push(b'\r');
            csi(to, 'C', out);
        }
    }

    /// Writes a cell where the cursor is.
    pub(super) fn put(&mut self, cell: Cell<'_>, theme: &Theme, out: &mut Vec<u8>) {
        self.style(cell.look.style(theme), out);
        self.at.column += cell.width;
        if !is_doubtful(cell.text) {
            out.extend_from_slice(cell.text.as_bytes());
            return;
        }
        // No terminal takes more than two columns for a character; what would go over the edge must not wrap.
        let near_edge = self.at.column - cell.width + 2 * cell.text.chars().count() > self.columns;
        if near_edge {
            out.extend_from_slice(b"\x1b[?7l");
        }
        out.extend_from_slice(cell.text.as_bytes());
        if near_edge {
            out.extend_from_slice(b"\x1b[?7h");
        }
        if self.at.column < self.columns {
            out.push(b'\r');
            csi(self.at.column, 'C', out);
        }
    }

    pub(super) fn style(&mut self, style: Style, out: &mut Vec<u8>) {
        pen::change(self.pen, style, out);
        self.pen = style;
    }

    /// A control sequence that leaves blanks: without a style, as they take the colour of the background.
    pub(super) fn blank(&mut self, count: usize, end: char, out: &mut Vec<u8>) {
        self.style(Style::default(), out);
        csi(count, end, out);
    }
}

/// A control sequence with a count, which is left out when it is 1.
pub(super) fn csi(count: usize, end: char, out: &mut Vec<u8>) {
    if count == 1 { write!(out, "\x1b[{end}") } else { write!(out, "\x1b[{count}{end}") }.expect("a vector takes all");
}

fn csi_len(count: usize) -> usize {
    match count {
        0 => 0,
        1 => 3,
        _ => 4 + count.ilog10() as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: (usize, usize), to: (usize, usize), expected: &str) {
        let mut terminal = Terminal::new(80);
        terminal.extent = 10;
        terminal.at = Place { row: from.0, column: from.1 };
        let mut out = Vec::new();
        terminal.go(Place { row: to.0, column: to.1 }, &mut out);
        assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
        assert_eq!(terminal.at, Place { row: to.0, column: to.1 });
    }

    #[test]
    fn the_shortest_way_is_taken() {
        check((2, 5), (2, 5), "");
        check((2, 5), (2, 3), "\x08\x08");
        check((2, 15), (2, 7), "\x1b[8D");
        check((2, 60), (2, 2), "\x1b[58D");
        check((2, 70), (2, 1), "\r\x1b[C");
        check((2, 5), (2, 6), "\x1b[C");
        check((2, 5), (0, 5), "\x1b[2A");
        check((2, 5), (3, 0), "\r\n");
        check((2, 30), (3, 30), "\x1b[B");
        check((2, 5), (7, 5), "\x1b[5B");
    }

    #[test]
    fn rows_that_may_not_be_there_are_made() {
        check((8, 5), (10, 5), "\r\n\r\n\x1b[5C");
    }

    #[test]
    fn after_the_last_column_only_a_carriage_return_is_safe() {
        check((2, 80), (2, 78), "\r\x1b[78C");
        check((2, 80), (1, 0), "\r\x1b[A");
        check((2, 80), (2, 80), "");
    }
}
