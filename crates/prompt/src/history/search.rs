//! Ctrl-R and Ctrl-S: a search that leaves repetitions out.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use super::{Cursor, History};

/// A search for cells with `needle` in them, from the newest back, each once. Ends with the next
/// [`History::push`] or [`History::refresh`].
#[derive(Debug)]
pub struct Search {
    needle: String,
    /// The cells that were found, the newest first, and which of them is shown.
    found: Vec<Cursor>,
    shown: Option<usize>,
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Search {
    /// A search that has found nothing yet.
    #[must_use]
    pub fn new(needle: &str) -> Self {
        Search {
            needle: needle.to_owned(),
            found: Vec::new(),
            shown: None,
            seen: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// The next older cell. None if there is none, and the one that was found last stays.
    pub fn back(&mut self, history: &History) -> Option<Cursor> {
        let next = self.shown.map_or(0, |shown| shown + 1);
        if next == self.found.len() {
            let mut from = self.found.last().copied();
            loop {
                let cursor = history.search_back(&self.needle, from)?;
                if self.seen.insert(self.hasher.hash_one(history.current.cell(cursor))) {
                    self.found.push(cursor);
                    break;
                }
                from = Some(cursor);
            }
        }
        self.shown = Some(next);
        self.found.get(next).copied()
    }

    /// The next newer of the cells that were found; None at the newest.
    pub fn forward(&mut self) -> Option<Cursor> {
        let next = self.shown?.checked_sub(1)?;
        self.shown = Some(next);
        self.found.get(next).copied()
    }
}
