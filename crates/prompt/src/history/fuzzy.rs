//! The best cells for a few letters.
//!
//! Matching all of 100,000 cells well takes longer than a key may. So all are matched roughly, by how close together
//! the letters are, and the best of those exactly.

use std::{
    cmp::{Ordering, Reverse},
    collections::HashSet,
};

use memchr::{memchr, memmem::Finder, memrchr};
use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{AtomKind, CaseMatching, Normalization, Pattern},
};

use super::{Cursor, store::Store};

/// As much of a cell as is looked at: nobody remembers a cell by what is after that.
const MAX_CELL_BYTES: usize = 1024;

/// How many cells are matched exactly. A choice: about a millisecond.
const MAX_EXACT: usize = 1000;

/// All cells, as they are searched roughly.
#[derive(Debug)]
pub(super) struct Index {
    /// The starts of cells one after the other, ASCII in lower case.
    lower: Vec<u8>,
    /// The newest first.
    cells: Vec<Cell>,
}

#[derive(Debug)]
struct Cell {
    cursor: Cursor,
    /// Where it ends in `lower`.
    end: usize,
    letters: u64,
}

impl Index {
    pub(super) fn new(store: &Store) -> Self {
        let mut index = Index {
            lower: Vec::with_capacity(store.end() as usize),
            cells: Vec::with_capacity(store.end() as usize / 32),
        };
        let mut at = store.end();
        while let Some(cursor) = store.before(at) {
            at = cursor.start;
            let cell = store.cell(cursor);
            let start = index.lower.len();
            index.lower.extend_from_slice(&cell[..cell.len().min(MAX_CELL_BYTES)]);
            let lower = &mut index.lower[start..];
            lower.make_ascii_lowercase();
            let letters = if lower.is_ascii() { letters(lower) } else { u64::MAX };
            index.cells.push(Cell { cursor, end: index.lower.len(), letters });
        }
        index
    }
}

/// Which letters there are, roughly: a bit stands for two of ASCII, as in a Bloom filter.
fn letters(text: &[u8]) -> u64 {
    text.iter().fold(0, |letters, byte| letters | 1 << (byte & 63))
}

pub(super) fn best(store: &Store, needle: &str, limit: usize) -> Vec<Cursor> {
    let index = store.index();
    let lower = needle.to_ascii_lowercase();
    let words: Vec<_> = lower.split_whitespace().map(|word| (word.as_bytes(), Finder::new(word))).collect();
    let mut close = Vec::with_capacity(index.cells.len());
    let mut start = 0;
    let needed = words.iter().fold(0, |needed, (word, _)| needed | letters(word));
    for (number, Cell { end, letters, .. }) in index.cells.iter().enumerate() {
        let cell = &index.lower[start..*end];
        start = *end;
        if letters & needed != needed {
            continue;
        }
        let spread: Option<usize> = words.iter().map(|(word, finder)| spread(cell, word, finder)).sum();
        if let Some(spread) = spread {
            close.push((spread, number));
        }
    }
    // Repetitions are dropped after this, so there is some room for them.
    let exact = MAX_EXACT.max(limit.saturating_mul(4));
    if close.len() > exact {
        close.select_nth_unstable(exact);
        close.truncate(exact);
    }
    let pattern = Pattern::new(needle, CaseMatching::Smart, Normalization::Smart, AtomKind::Fuzzy);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut chars = Vec::new();
    let mut scored: Vec<_> = close
        .into_iter()
        .filter_map(|(_, number)| {
            let cursor = index.cells[number].cursor;
            let cell = store.cell(cursor);
            let text = String::from_utf8_lossy(&cell[..cell.len().min(MAX_CELL_BYTES)]);
            Some((Reverse(pattern.score(Utf32Str::new(&text, &mut chars), &mut matcher)?), number))
        })
        .collect();
    scored.sort_unstable();
    let mut seen = HashSet::new();
    let cursors = scored.into_iter().map(|(_, number)| index.cells[number].cursor);
    cursors.filter(|cursor| seen.insert(store.cell(*cursor))).take(limit).collect()
}

/// How far apart the letters of `word` are in `cell`; None if they are not there in this order.
fn spread(cell: &[u8], word: &[u8], finder: &Finder<'_>) -> Option<usize> {
    match word.len().cmp(&1) {
        Ordering::Less => return Some(0),
        Ordering::Equal => return memchr(word[0], cell).map(|_| 1).or_else(|| unknown(cell)),
        Ordering::Greater => {}
    }
    if finder.find(cell).is_some() {
        return Some(word.len());
    }
    let mut end = 0;
    for byte in word {
        match memchr(*byte, &cell[end..]) {
            Some(at) => end += at + 1,
            None => return unknown(cell),
        }
    }
    let mut start = end;
    for byte in word.iter().rev() {
        start = memrchr(*byte, &cell[..start])?;
    }
    Some(end - start)
}

/// Letters with accents may stand for those without: what is not ASCII is left to the exact match.
fn unknown(cell: &[u8]) -> Option<usize> {
    (!cell.is_ascii()).then_some(cell.len())
}
