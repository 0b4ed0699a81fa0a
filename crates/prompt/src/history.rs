//! A history of cells that outlives the process and is shared by all prompts of a user.
//!
//! # The file
//! Text in UTF-8, only ever appended to. Each record is a cell, with `\n` between its lines, and then the bytes NUL and
//! LF. A record that ends in the byte 01 is no cell: the first one, `keelback history 1`, names the version, and one
//! that a crash has cut short gets this end from the next prompt that writes. In [`Format::CPython`] the file is that of
//! CPython's own prompt: a cell's lines end in CR LF but for the last, which ends in LF.
//!
//! Each cell is one write under an exclusive lock, then `fdatasync`. [`History::tidy`] replaces the file by renaming a
//! new one over it, under the lock of the old one; who waits for that lock sees that the path now leads elsewhere, and
//! opens it again.
//!
//! The file is not mapped: another program may truncate it, which for a mapping is SIGBUS. Its end is read at once, and
//! the rest when it is first asked for. Neither a read-only disk nor a missing directory is an error: the history is
//! then in memory, and [`History::take_trouble`] says why, once.

mod file;
mod format;
mod fuzzy;
mod os;
mod search;
mod store;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, path::Path};

use self::{file::Shared, store::Store};
pub use self::{format::Format, search::Search};

/// Cells above which [`History::tidy`] drops the oldest. A choice.
pub const MAX_ENTRIES: usize = 100_000;

/// The cells of this session, and those of all others.
#[derive(Debug)]
pub struct History {
    format: Format,
    /// The file as it is now, with what others have written.
    current: Store,
    /// The file as it was found, if it was replaced since.
    found: Option<Store>,
    /// Where the file ended when it was found.
    found_end: u64,
    own: Vec<String>,
    shared: Option<Shared>,
    trouble: Option<String>,
}

/// A cell in the file, until the next [`History::push`] or [`History::refresh`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    start: u64,
    end: u64,
}

/// A cell on the walk with Up and Down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(Walk);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    Own(usize),
    Found(Cursor),
}

impl History {
    /// A history that ends with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        History {
            format: Format::Native,
            current: Store::empty(Format::Native),
            found: None,
            found_end: 0,
            own: Vec::new(),
            shared: None,
            trouble: None,
        }
    }

    /// The history in the file at `path`. A file that is made now begins with the cells of `import`, a history file of
    /// CPython, which is only read.
    #[must_use]
    pub fn open(path: &Path, format: Format, import: Option<&Path>) -> Self {
        let mut history = History { format, current: Store::empty(format), ..History::in_memory() };
        match Shared::open(path, format, import) {
            Ok((shared, store)) => {
                history.found_end = store.end();
                history.current = store;
                history.trouble = shared.trouble();
                history.shared = Some(shared).filter(Shared::writable);
            }
            Err(error) => history.trouble = Some(trouble(path, &error)),
        }
        history
    }

    /// Why cells are not kept after this session, the first time it is asked.
    pub fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Records a cell. When this returns true, it is on the disk, or in memory after [trouble](Self::take_trouble).
    /// Cells that are empty, begin with a space or repeat the last one are not recorded.
    pub fn push(&mut self, cell: &str) -> bool {
        let cell = format::normalized(cell);
        if cell.trim().is_empty() || cell.starts_with(' ') || self.is_last(&cell) {
            return false;
        }
        let record = self.format.record(&cell);
        if let Some(shared) = &mut self.shared {
            match shared.append(&record, &mut self.current) {
                Ok(replaced) => self.replace(replaced),
                Err(error) => {
                    self.trouble = Some(trouble(shared.path(), &error));
                    self.shared = None;
                    self.current.detach(&record);
                }
            }
        } else {
            self.current.detach(&record);
        }
        self.own.push(cell.into_owned());
        true
    }

    /// Takes in what other prompts have recorded. Costs a `stat` if there is nothing.
    pub fn refresh(&mut self) {
        if let Some(shared) = &mut self.shared
            && let Ok(replaced) = shared.refresh(&mut self.current)
        {
            self.replace(replaced);
        }
    }

    /// Rewrites a file that has grown above [`MAX_ENTRIES`] cells or is mostly repetition, each cell once. For the end
    /// of a session: reads the whole file. A file of CPython is never rewritten.
    pub fn tidy(&mut self) {
        if let Some(shared) = &mut self.shared
            && self.format == Format::Native
            && let Ok(replaced) = shared.tidy(&mut self.current, MAX_ENTRIES)
        {
            self.replace(replaced);
        }
    }

    /// The cell before `from` on the walk with Up, or the newest: the session's own, then those that were in the file
    /// when it was opened. Only cells that begin with `prefix`.
    #[must_use]
    pub fn older(&self, prefix: &str, from: Option<Place>) -> Option<Place> {
        let (own, found) = match from {
            None => (self.own.len(), self.found_end),
            Some(Place(Walk::Own(index))) => (index, self.found_end),
            Some(Place(Walk::Found(cursor))) => (0, cursor.start),
        };
        match self.own[..own].iter().rposition(|cell| cell.starts_with(prefix)) {
            Some(index) => Some(Place(Walk::Own(index))),
            None => self.walked().starting_back(prefix, found).map(|cursor| Place(Walk::Found(cursor))),
        }
    }

    /// The cell after `from` on the walk with Down; None after the newest.
    #[must_use]
    pub fn newer(&self, prefix: &str, from: Place) -> Option<Place> {
        let own = match from.0 {
            Walk::Own(index) => index + 1,
            Walk::Found(cursor) => {
                let mut at = cursor.end;
                while let Some(cursor) = self.walked().after(at).filter(|cursor| cursor.end <= self.found_end) {
                    if self.walked().text(cursor).starts_with(prefix) {
                        return Some(Place(Walk::Found(cursor)));
                    }
                    at = cursor.end;
                }
                0
            }
        };
        let found = self.own[own..].iter().position(|cell| cell.starts_with(prefix))?;
        Some(Place(Walk::Own(own + found)))
    }

    /// The cell at a place of the walk.
    #[must_use]
    pub fn at(&self, place: Place) -> Cow<'_, str> {
        match place.0 {
            Walk::Own(index) => Cow::Borrowed(&self.own[index]),
            Walk::Found(cursor) => self.walked().text(cursor),
        }
    }

    /// The cell a search has found.
    #[must_use]
    pub fn text(&self, cursor: Cursor) -> Cow<'_, str> {
        self.current.text(cursor)
    }

    /// The newest cell before `before`, or of all, with `needle` in it. See [`Search`] for one that leaves repetitions
    /// out.
    #[must_use]
    pub fn search_back(&self, needle: &str, before: Option<Cursor>) -> Option<Cursor> {
        self.current.containing_back(needle, before.map_or(self.current.end(), |cursor| cursor.start))
    }

    /// The oldest cell after `after` with `needle` in it.
    #[must_use]
    pub fn search_forward(&self, needle: &str, after: Cursor) -> Option<Cursor> {
        self.current.containing_forward(needle, after.end)
    }

    /// The newest cell that begins with `prefix` and goes on.
    #[must_use]
    pub fn suggest(&self, prefix: &str) -> Option<Cow<'_, str>> {
        let mut at = self.current.end();
        while let Some(cursor) = self.current.starting_back(prefix, at) {
            let text = self.current.text(cursor);
            if text.len() > prefix.len() {
                return Some(text);
            }
            at = cursor.start;
        }
        None
    }

    /// The cells that match `needle` best as fuzzy finders match, the best first and each once; newer ones first among
    /// equals.
    #[must_use]
    pub fn fuzzy(&self, needle: &str, limit: usize) -> Vec<Cursor> {
        fuzzy::best(&self.current, needle, limit)
    }

    /// All cells, the newest first.
    pub fn entries(&self) -> impl Iterator<Item = Cursor> + '_ {
        let mut at = self.current.end();
        std::iter::from_fn(move || {
            let cursor = self.current.before(at)?;
            at = cursor.start;
            Some(cursor)
        })
    }

    fn walked(&self) -> &Store {
        self.found.as_ref().unwrap_or(&self.current)
    }

    fn is_last(&self, cell: &str) -> bool {
        match self.own.last() {
            Some(last) => last == cell,
            None => self.walked().before(self.found_end).is_some_and(|last| self.walked().text(last) == cell),
        }
    }

    fn replace(&mut self, new: Option<Store>) {
        if let Some(new) = new {
            let old = std::mem::replace(&mut self.current, new);
            self.found.get_or_insert(old);
        }
    }
}

fn trouble(path: &Path, error: &std::io::Error) -> String {
    format!("history is not kept after this session: `{}`: {error}", path.display())
}
