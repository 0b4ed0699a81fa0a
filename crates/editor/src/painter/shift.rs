//! Rows that are still on the screen, only further up or down.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
};

use super::terminal::{Place, Terminal};
use crate::layout::Row;

/// Bytes that a move costs, about: two sequences and the ways to them.
const COST: usize = 24;

/// Rows `from..from + count` of what is shown become rows `to..to + count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Move {
    from: usize,
    to: usize,
    count: usize,
}

/// Moves what is shown to where it is in `new`, where that is shorter than to write it again.
///
/// Lines are only ever pushed out of the region at its bottom end where it has blank ones: nothing goes to the scrollback.
pub(super) fn apply(terminal: &mut Terminal, shown: &mut Vec<Row>, new: &[Row], out: &mut Vec<u8>) {
    let Some(Move { from, to, count }) = find(shown, new) else { return };
    let by = from.abs_diff(to);
    if from > to {
        delete(terminal, shown, to..from, out);
        if to + count < new.len().min(shown.len()) {
            insert(terminal, shown, to + count, by, out);
        }
    } else {
        // First so many rows that nothing is pushed out of the window; blank ones may never have been gone to.
        if new.len() > terminal.extent {
            terminal.go(Place { row: new.len() - 1, column: 0 }, out);
        }
        let grown = new.len().saturating_sub(shown.len());
        if by > grown {
            let after = from + count;
            delete(terminal, shown, after..(after + by - grown).min(shown.len()), out);
        }
        insert(terminal, shown, from, by, out);
    }
}

fn delete(terminal: &mut Terminal, shown: &mut Vec<Row>, rows: Range<usize>, out: &mut Vec<u8>) {
    if !rows.is_empty() {
        terminal.go(Place { row: rows.start, column: 0 }, out);
        terminal.blank(rows.len(), 'M', out);
        shown.drain(rows);
    }
}

fn insert(terminal: &mut Terminal, shown: &mut Vec<Row>, row: usize, count: usize, out: &mut Vec<u8>) {
    terminal.go(Place { row, column: 0 }, out);
    terminal.blank(count, 'L', out);
    shown.splice(row..row, std::iter::repeat_with(Row::default).take(count));
}

/// The move that saves most, if any is worth it.
fn find(shown: &[Row], new: &[Row]) -> Option<Move> {
    let top = shown.iter().zip(new).take_while(|(shown, new)| shown == new).count();
    let shown_hashes = hashes(&shown[top..]);
    let new_hashes = hashes(&new[top..]);
    if shown_hashes.len() < 2 && new_hashes.len() < 2 {
        return None;
    }
    // What stays in place anyway is not worth moving.
    let stays = |row: usize| shown.get(row) == new.get(row);
    let mut best = (COST, None);
    for by in 1..shown_hashes.len().max(new_hashes.len()) {
        for down in [false, true] {
            let (shown_skip, new_skip) = if down { (0, by) } else { (by, 0) };
            let pairs = shown_hashes.iter().skip(shown_skip).zip(new_hashes.iter().skip(new_skip));
            let mut saved = 0;
            let mut start = 0;
            for (index, (one, other)) in pairs.enumerate() {
                if one != other || shown[top + shown_skip + index] != new[top + new_skip + index] {
                    (saved, start) = (0, index + 1);
                    continue;
                }
                let to = top + new_skip + index;
                if !stays(to) {
                    saved += new[to].text().len();
                }
                if saved > best.0 {
                    let from = top + shown_skip + start;
                    best = (saved, Some(Move { from, to: top + new_skip + start, count: index + 1 - start }));
                }
            }
        }
    }
    best.1
}

fn hashes(rows: &[Row]) -> Vec<u64> {
    rows.iter()
        .map(|row| {
            let mut hasher = DefaultHasher::new();
            row.text().hash(&mut hasher);
            hasher.finish()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{layout::Styled, style::Kind};

    fn rows(text: &str) -> Vec<Row> {
        text.chars().map(|char| Styled::plain(char.to_string().repeat(30), Kind::Text).row(80)).collect()
    }

    #[track_caller]
    fn check(shown: &str, new: &str, bytes: &str, after: &str) {
        let mut shown = rows(shown);
        let mut terminal = Terminal::new(80);
        terminal.extent = shown.len();
        let mut out = Vec::new();
        apply(&mut terminal, &mut shown, &rows(new), &mut out);
        let after: Vec<_> = after
            .chars()
            .map(|char| if char == ' ' { Row::default() } else { rows(&char.to_string()).remove(0) })
            .collect();
        assert_eq!(String::from_utf8(out).expect("ASCII"), bytes);
        assert_eq!(shown, after);
    }

    #[test]
    fn rows_move_and_those_below_them_stay() {
        check("abcd", "bcde", "\x1b[M", "bcd");
        check("abcd", "zabc", "\x1b[3B\x1b[M\x1b[3A\x1b[L", " abc");
        check("abcd-", "bcde-", "\x1b[M\x1b[3B\x1b[L", "bcd -");
        check("abcd", "abxcd", "\r\n\r\n\r\n\r\n\x1b[2A\x1b[L", "ab cd");
        check("abcd", "abd", "\r\n\r\n\x1b[M", "abd");
        check("abcd", "abcx", "", "abcd");
    }
}
