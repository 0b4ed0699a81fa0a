//! What the editor asks while it handles a key.

use keelback_editor::{
    completeness::{Completeness, guess},
    edit::{History, Host, history::Entries},
};

use super::Record;
use crate::{
    backend::Backend,
    words::{self, Submission},
};

/// The session and the history, for one key.
pub(super) struct Judge<'a, B, R> {
    pub(super) backend: &'a mut B,
    pub(super) record: &'a R,
    /// Lines are no cells now.
    pub(super) help: bool,
}

impl<B: Backend, R: Record> Host for Judge<'_, B, R> {
    fn history(&self) -> &dyn History {
        if self.help { &NO_HISTORY } else { self.record.as_history() }
    }

    fn completeness(&mut self, source: &str) -> Completeness {
        if let Submission::Command { name, argument } = words::read(source) {
            if name != "time" || argument.is_empty() {
                return Completeness::Complete;
            }
            // As the cell it times: a block ends at an empty line.
            let blank = &source[source.trim_end().len()..];
            let cell = format!("{argument}{blank}");
            return self.backend.completeness(&cell).unwrap_or_else(|| guess(&cell));
        }
        self.backend.completeness(source).unwrap_or_else(|| guess(source))
    }
}

/// Help mode has none.
static NO_HISTORY: Entries = Entries(Vec::new());
