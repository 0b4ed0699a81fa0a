//! The change of one row of the screen into another.

use super::terminal::{Place, Terminal};
use crate::{
    layout::{Cell, Row, is_doubtful},
    style::Style,
    theme::Theme,
};

/// Cells looked ahead for where the old text goes on; a choice.
const INSERTED: usize = 16;
/// Unchanged columns that are written again rather than skipped: a skip is three bytes or more.
const GAP: usize = 3;
/// In-place changes that are shorter are not worth a search for something better.
const SHORT: usize = 4;

/// Turns row number `row` from `old` into `new`. The shortest way is one that counts the way to `cursor`, where the
/// cursor is wanted in the end.
pub(super) fn change(
    terminal: &mut Terminal,
    (row, old, new): (usize, &Row, &Row),
    cursor: Place,
    theme: &Theme,
    out: &mut Vec<u8>,
) {
    if let (0, Some(runs)) = (old.columns(), new.plain_runs()) {
        terminal.go(Place { row, column: 0 }, out);
        for (text, look) in runs {
            terminal.style(look.style(theme), out);
            out.extend_from_slice(text.as_bytes());
            terminal.at.column += text.len();
        }
        return;
    }
    let old: Vec<_> = old.cells().collect();
    let new: Vec<_> = new.cells().collect();
    let start = out.len();
    let before = terminal.clone();
    in_place(terminal, row, &old, &new, theme, out);
    let mut shortest = cost(terminal, row, cursor, out.len() - start);
    if shortest <= SHORT {
        return;
    }
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    if same == old.len() || old[same..].iter().chain(&new[same..]).any(|cell| is_doubtful(cell.text)) {
        return;
    }
    for shift in [
        inserted(&old[same..], &new[same..]).map(Shift::Insert),
        inserted(&new[same..], &old[same..]).map(Shift::Delete),
    ]
    .into_iter()
    .flatten()
    {
        let mut other = before.clone();
        let mut bytes = Vec::new();
        let column = old[same].column;
        let Some(shifted) = shift.apply(&old, &new, same, before.columns) else { continue };
        other.go(Place { row, column }, &mut bytes);
        match shift {
            Shift::Insert(cells) => other.blank(width(&new[same..same + cells]), '@', &mut bytes),
            Shift::Delete(cells) => other.blank(width(&old[same..same + cells]), 'P', &mut bytes),
        }
        in_place(&mut other, row, &shifted, &new, theme, &mut bytes);
        let length = cost(&other, row, cursor, bytes.len());
        if length < shortest {
            shortest = length;
            out.truncate(start);
            out.extend_from_slice(&bytes);
            *terminal = other;
        }
    }
}

fn cost(terminal: &Terminal, row: usize, cursor: Place, length: usize) -> usize {
    let mut way = Vec::new();
    if row == cursor.row {
        let mut terminal = terminal.clone();
        terminal.style(Style::default(), &mut way);
        terminal.go(cursor, &mut way);
    }
    length + way.len()
}

/// A number of cells that are in the new row and not in the old one, or the other way round.
#[derive(Clone, Copy)]
enum Shift {
    Insert(usize),
    Delete(usize),
}

impl Shift {
    /// The old row after the terminal has moved what is after the first `same` cells. Nothing when a wide character
    /// would be cut at the right edge, as what is left of it then is up to the terminal.
    fn apply<'a>(self, old: &[Cell<'a>], new: &[Cell<'a>], same: usize, columns: usize) -> Option<Vec<Cell<'a>>> {
        let mut shifted = old[..same].to_vec();
        match self {
            Shift::Insert(cells) => {
                let by = width(&new[same..same + cells]);
                shifted.extend(old[same..].iter().map(|cell| Cell { column: cell.column + by, ..*cell }));
                while let Some(cell) = shifted.pop_if(|cell| cell.column + cell.width > columns) {
                    if cell.column < columns {
                        return None;
                    }
                }
            }
            Shift::Delete(cells) => {
                let by = width(&old[same..same + cells]);
                shifted.extend(old[same + cells..].iter().map(|cell| Cell { column: cell.column - by, ..*cell }));
            }
        }
        Some(shifted)
    }
}

fn width(cells: &[Cell<'_>]) -> usize {
    cells.iter().map(|cell| cell.width).sum()
}

fn is_like(one: &Cell<'_>, other: &Cell<'_>) -> bool {
    one.text == other.text && one.look == other.look
}

/// How many cells were put before `old` in `new`: where most of `old` is found again.
fn inserted(old: &[Cell<'_>], new: &[Cell<'_>]) -> Option<usize> {
    (1..=INSERTED.min(new.len().saturating_sub(1)))
        .map(|count| (count, old.iter().zip(&new[count..]).take_while(|(old, new)| is_like(old, new)).count()))
        .max_by_key(|(count, run)| (*run, usize::MAX - count))
        .filter(|(_, run)| *run > 0)
        .map(|(count, _)| count)
}

/// Writes the cells that differ from what is at their place, and erases what is beyond.
fn in_place(terminal: &mut Terminal, row: usize, old: &[Cell<'_>], new: &[Cell<'_>], theme: &Theme, out: &mut Vec<u8>) {
    let mut behind = old.iter().peekable();
    // Unchanged cells after the last one that was written.
    let mut skipped = 0;
    // A terminal that shows a cluster wider than it is here writes over what is after it.
    let mut doubtful = false;
    for (index, cell) in new.iter().enumerate() {
        while behind.next_if(|old| old.column < cell.column).is_some() {}
        if behind.peek() == Some(&cell) && !doubtful {
            skipped += 1;
            continue;
        }
        let gap = &new[index - skipped..index];
        let near = terminal.at.row == row
            && gap.first().is_some_and(|first| first.column == terminal.at.column)
            && gap.iter().all(|cell| cell.look.style(theme) == terminal.pen && cell.text.len() == 1)
            && gap.len() <= GAP;
        if near {
            gap.iter().for_each(|cell| terminal.put(*cell, theme, out));
        } else {
            terminal.go(Place { row, column: cell.column }, out);
        }
        terminal.put(*cell, theme, out);
        doubtful |= is_doubtful(cell.text);
        skipped = 0;
    }
    let end = new.last().map_or(0, |cell| cell.column + cell.width);
    let old_end = old.last().map_or(0, |cell| cell.column + cell.width);
    if old_end > end || (doubtful && end < terminal.columns) {
        terminal.go(Place { row, column: end }, out);
        terminal.blank(1, 'K', out);
    }
}
