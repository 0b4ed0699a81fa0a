//! Incremental search in the history, and the list of what fits.

use super::history::{Entry, History};

/// Which way a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To what was entered before.
    Older,
    /// To what was entered after.
    Newer,
}

/// A search under way.
#[derive(Clone, Debug)]
pub struct Search {
    /// What is searched for.
    pub needle: String,
    /// Which way.
    pub direction: Direction,
    /// What was found.
    pub at: Option<Entry>,
    /// Nothing was found for the needle as it stands.
    pub failed: bool,
    /// Text and cursor from before the search.
    pub origin: (String, usize),
    /// The list, when that is open.
    pub list: Option<List>,
}

/// Entries that fit the needle best.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// The best first.
    pub entries: Vec<Entry>,
    /// Which is chosen.
    pub chosen: usize,
}

/// Entries the list holds.
const LIST_MAX: usize = 50;

impl Search {
    /// A search for nothing yet.
    #[must_use]
    pub fn new(direction: Direction, text: &str, cursor: usize) -> Self {
        let origin = (text.to_owned(), cursor);
        Search { needle: String::new(), direction, at: None, failed: false, origin, list: None }
    }

    /// `(r-search `needle') `, in place of the prompt.
    #[must_use]
    pub fn prompt(&self) -> String {
        let name = match (&self.list, self.direction) {
            (Some(_), _) => "search",
            (None, Direction::Older) => "r-search",
            (None, Direction::Newer) => "f-search",
        };
        format!("({name} `{}') ", self.needle)
    }

    /// Looks again for a needle that has changed, beginning where the search is.
    pub fn refine(&mut self, history: &dyn History) {
        if let Some(list) = &mut self.list {
            *list = List { entries: history.fuzzy(&self.needle, LIST_MAX), chosen: 0 };
            self.failed = list.entries.is_empty();
            return;
        }
        if self.needle.is_empty() {
            (self.at, self.failed) = (None, false);
            return;
        }
        if self.at.is_some_and(|at| history.text(at).contains(&self.needle)) {
            self.failed = false;
            return;
        }
        let found = match (self.direction, self.at) {
            (Direction::Newer, Some(at)) => history.search_newer(&self.needle, at),
            (_, at) => history.search_older(&self.needle, at),
        };
        self.take(found);
    }

    /// Looks for the same again after the needle has become shorter: from the newest on.
    pub fn widen(&mut self, history: &dyn History) {
        self.at = None;
        self.refine(history);
    }

    /// The next one in `direction`.
    pub fn next(&mut self, direction: Direction, history: &dyn History) {
        self.direction = direction;
        if let Some(list) = &mut self.list {
            let last = list.entries.len().saturating_sub(1);
            list.chosen = match direction {
                Direction::Older => (list.chosen + 1).min(last),
                Direction::Newer => list.chosen.saturating_sub(1),
            };
            return;
        }
        if self.needle.is_empty() {
            if direction == Direction::Older {
                self.list = Some(List::default());
                self.refine(history);
            }
            return;
        }
        let found = match (direction, self.at) {
            (Direction::Older, at) => history.search_older(&self.needle, at),
            (Direction::Newer, Some(at)) => history.search_newer(&self.needle, at),
            (Direction::Newer, None) => None,
        };
        self.take(found);
    }

    fn take(&mut self, found: Option<Entry>) {
        self.failed = found.is_none();
        self.at = found.or(self.at);
    }

    /// The text that was found, and where the needle is in it.
    #[must_use]
    pub fn found(&self, history: &dyn History) -> Option<(String, usize)> {
        if let Some(list) = &self.list {
            let text = history.text(*list.entries.get(list.chosen)?);
            let end = text.len();
            return Some((text, end));
        }
        let text = history.text(self.at?);
        let at = text.find(&self.needle).unwrap_or(0);
        Some((text, at))
    }
}
