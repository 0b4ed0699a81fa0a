//! The history file as the editor asks for it.

use std::{borrow::Cow, cell::RefCell};

use keelback_editor::edit::{Entry, History as Asked};

use crate::{
    front::Record,
    history::{Cursor, History, Place},
};

/// A history, and the entries of it that the editor was told of.
#[derive(Debug)]
pub struct Kept {
    history: History,
    told: RefCell<Vec<Reference>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reference {
    /// On the walk with Up and Down.
    Place(Place),
    /// Found by a search.
    Cursor(Cursor),
}

impl From<History> for Kept {
    fn from(history: History) -> Self {
        Kept { history, told: RefCell::default() }
    }
}

impl Kept {
    fn tell(&self, reference: Reference) -> Entry {
        let mut told = self.told.borrow_mut();
        let number = told.iter().rposition(|known| *known == reference).unwrap_or_else(|| {
            told.push(reference);
            told.len() - 1
        });
        Entry(number as u64)
    }

    fn reference(&self, entry: Entry) -> Reference {
        self.told.borrow()[entry.0 as usize]
    }

    fn found(&self, cursor: Option<Cursor>) -> Option<Entry> {
        cursor.map(|cursor| self.tell(Reference::Cursor(cursor)))
    }

    fn placed(&self, place: Option<Place>) -> Option<Entry> {
        place.map(|place| self.tell(Reference::Place(place)))
    }

    fn cursor(&self, entry: Option<Entry>) -> Option<Cursor> {
        match self.reference(entry?) {
            Reference::Cursor(cursor) => Some(cursor),
            Reference::Place(_) => None,
        }
    }
}

impl Asked for Kept {
    fn older(&self, entry: Option<Entry>) -> Option<Entry> {
        self.prefix_older("", entry)
    }

    fn newer(&self, entry: Entry) -> Option<Entry> {
        self.prefix_newer("", entry)
    }

    fn text(&self, entry: Entry) -> String {
        match self.reference(entry) {
            Reference::Place(place) => self.history.at(place),
            Reference::Cursor(cursor) => self.history.text(cursor),
        }
        // CPython keeps the empty line that ended a block.
        .trim_end()
        .to_owned()
    }

    fn search_older(&self, needle: &str, before: Option<Entry>) -> Option<Entry> {
        // What is shown again would look as if the key had done nothing.
        let shown = before.map(|entry| self.text(entry));
        let mut at = self.cursor(before);
        loop {
            at = Some(self.history.search_back(needle, at)?);
            if at.is_some_and(|at| Some(&*self.history.text(at)) != shown.as_deref()) {
                return self.found(at);
            }
        }
    }

    fn search_newer(&self, needle: &str, after: Entry) -> Option<Entry> {
        let shown = self.text(after);
        let mut at = self.cursor(Some(after))?;
        loop {
            at = self.history.search_forward(needle, at)?;
            if self.history.text(at) != shown {
                return self.found(Some(at));
            }
        }
    }

    fn prefix_older(&self, prefix: &str, before: Option<Entry>) -> Option<Entry> {
        match before.map(|entry| self.reference(entry)) {
            Some(Reference::Cursor(mut cursor)) => loop {
                cursor = self.history.search_back(prefix, Some(cursor))?;
                if self.history.text(cursor).starts_with(prefix) {
                    return self.found(Some(cursor));
                }
            },
            Some(Reference::Place(place)) => self.placed(self.history.older(prefix, Some(place))),
            None => self.placed(self.history.older(prefix, None)),
        }
    }

    fn prefix_newer(&self, prefix: &str, after: Entry) -> Option<Entry> {
        match self.reference(after) {
            Reference::Cursor(mut cursor) => loop {
                cursor = self.history.search_forward(prefix, cursor)?;
                if self.history.text(cursor).starts_with(prefix) {
                    return self.found(Some(cursor));
                }
            },
            Reference::Place(place) => self.placed(self.history.newer(prefix, place)),
        }
    }

    fn fuzzy(&self, needle: &str, count: usize) -> Vec<Entry> {
        self.history.fuzzy(needle, count).into_iter().map(|cursor| self.tell(Reference::Cursor(cursor))).collect()
    }

    fn suggest(&self, prefix: &str) -> Option<String> {
        self.history.suggest(prefix).map(Cow::into_owned)
    }
}

impl Record for Kept {
    fn record(&mut self, source: &str) -> Option<String> {
        self.history.push(source);
        self.history.take_trouble()
    }

    fn begin_cell(&mut self, kept: Option<Entry>) -> Option<Entry> {
        let kept = kept.map(|entry| self.reference(entry));
        self.history.refresh();
        self.told.borrow_mut().clear();
        kept.map(|reference| self.tell(reference))
    }

    fn listing(&self) -> String {
        let mut entries: Vec<_> = self.history.entries().collect();
        entries.reverse();
        let mut text = String::new();
        for entry in entries {
            text.push_str(&self.history.text(entry));
            text.push('\n');
        }
        text
    }

    fn end(&mut self) {
        self.history.tidy();
    }

    fn as_history(&self) -> &dyn Asked {
        self
    }
}
