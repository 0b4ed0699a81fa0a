//! What comes of a cell.

use keelback_session::{Event, Outcome, Usage};

use crate::fs::Change;

/// What came of a cell.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// What it wrote, in order; empty when the session has a sink.
    pub events: Vec<Event>,
    /// Granted files it changed, by guest path.
    pub files: Vec<Change>,
    /// Why changed copies of granted files did not reach the host, one line each.
    pub sync_errors: Vec<String>,
    /// Whether the session went back to where it was before the cell.
    pub rolled_back: bool,
    /// What it used.
    pub usage: Usage,
}

impl Report {
    /// Of a cell that did nothing.
    pub(crate) fn empty() -> Self {
        Report {
            outcome: Outcome::Done,
            events: Vec::new(),
            files: Vec::new(),
            sync_errors: Vec::new(),
            rolled_back: false,
            usage: Usage::default(),
        }
    }

    /// All it wrote to one stream, as text.
    #[must_use]
    pub fn text(&self, stream: keelback_session::Stream) -> String {
        let mut bytes = Vec::new();
        for event in &self.events {
            if let Event::Output { stream: written, bytes: piece } = event
                && *written == stream
            {
                bytes.extend_from_slice(piece);
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
