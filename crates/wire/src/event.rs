//! What a server tells without being asked: `{"event": "out", "session": "a", "seq": 12, ...}`.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::message::{CellNumber, RequestId};

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// The session; None is the application itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Counts the events of the session, from 1. None without a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// Declares the kinds of events.
macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident $wire:literal { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        })*

        /// Any event.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(tag = "event")]
        #[expect(missing_docs, reason = "each is documented at its struct")]
        pub enum Body {
            $(#[serde(rename = $wire)] $name($name),)*
        }

        impl Body {
            /// The names of all events.
            pub const NAMES: &[&str] = &[$($wire),*];

            fn of(kind: &str, fields: Map<String, Value>) -> Option<Body> {
                match kind {
                    $($wire => serde_json::from_value(Value::Object(fields)).ok().map(Body::$name),)*
                    _ => None,
                }
            }
        }
    };
}

bodies! {
    /// Something was printed.
    Out "out" {
        /// Where to.
        stream: Stream,
        /// The text.
        text: String,
        /// Bytes that were printed before it and are lost, because nobody read them in time.
        #[serde(default)]
        dropped: u64,
    }
    /// A cell shows a value.
    Shown "value" {
        /// The cell.
        cell: CellNumber,
        /// Its `repr`, perhaps cut.
        text: String,
        /// The same over several lines, where it is longer than the window is wide.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pretty: Option<String>,
        /// Whether it was cut to the quota.
        #[serde(default)]
        cut: bool,
        /// Whether `pretty` leaves out some of the value, as too much for a screen.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        shortened: bool,
        /// A PNG image of it, in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        png: Option<String>,
    }
    /// An exception left a cell, or the cell is no Python.
    Raised "error" {
        /// The cell.
        cell: CellNumber,
        /// The name of its class.
        kind: String,
        /// The module of its class.
        module: String,
        /// `str(exception)`.
        message: String,
        /// The text python3 would print.
        traceback: String,
        /// Its frames, the outermost first.
        frames: Vec<Frame>,
    }
    /// A cell waits for a line.
    NeedInput "need-input" {
        /// The cell.
        cell: CellNumber,
        /// What to show before the line.
        prompt: String,
        /// The line is not to be seen: a password.
        #[serde(default)]
        hidden: bool,
    }
    /// The session has begun or ended a cell, or is over.
    Status "status" {
        /// What it does now.
        state: State,
        /// The cell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cell: Option<CellNumber>,
        /// The connection that sent the cell, and its id there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<(u64, RequestId)>,
        /// For a cell that begins: its source, for other clients of the session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    }
    /// A cell is to be interrupted, and will be when what it does there returns: it lets nothing in between.
    Interrupting "interrupting" {
        /// The cell.
        cell: CellNumber,
        /// What its thread does, the outermost first. Perhaps code of others, which keeps the loop from the cell.
        frames: Vec<Frame>,
    }
    /// The loop of the application has been held for long.
    Held "held" {
        /// For how long until now, in seconds.
        held_s: f64,
        /// The session whose cell holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// It is a loop that the program turns now and then, and has not.
        #[serde(default, skip_serializing_if = "is_false")]
        pumped: bool,
        /// What the loop's thread does, the outermost first.
        frames: Vec<Frame>,
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Where a program prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Stream {
    Out,
    Err,
}

/// What a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A cell has begun.
    Busy,
    /// The last cell is over.
    Idle,
    /// The session is over; nothing follows.
    Closed,
}

/// A line of a traceback or a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 where it is unknown.
    pub line: u32,
    /// The function.
    pub function: String,
    /// The text of the line, stripped.
    #[serde(default)]
    pub text: String,
}

impl fmt::Display for Frame {
    /// `app.py:3 in work: time.sleep(60)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = Path::new(&self.file).file_name().map_or(self.file.as_str().into(), |name| name.to_string_lossy());
        write!(f, "{file}:{} in {}", self.line, self.function)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl fmt::Display for Held {
    /// What holds the loop, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.pumped { "the program has not called `pump`" } else { "the event loop is held" };
        write!(f, "{what} for {:.1} s", self.held_s)?;
        if let Some(session) = &self.by {
            write!(f, " by session `{session}`")?;
        }
        self.frames.last().map_or(Ok(()), |frame| write!(f, ": {frame}"))
    }
}

impl fmt::Display for Interrupting {
    /// What the interrupt waits for, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cell {} is interrupted when ", self.cell)?;
        match self.frames.last() {
            Some(frame) => write!(f, "this returns: {frame}"),
            None => f.write_str("the call it is in returns"),
        }
    }
}

impl Event {
    /// Reads an event; None of a kind that is not known.
    pub(crate) fn of(mut fields: Map<String, Value>) -> Option<Event> {
        let session = match fields.remove("session") {
            Some(Value::String(name)) => Some(name),
            _ => None,
        };
        let seq = fields.remove("seq").and_then(|seq| seq.as_u64());
        let Some(Value::String(kind)) = fields.remove("event") else { return None };
        Some(Event { session, seq, body: Body::of(&kind, fields)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Received, read};

    #[test]
    fn an_event_comes_as_it_was_sent() {
        let frame = Frame { file: "a.py".into(), line: 3, function: "f".into(), text: "x".into() };
        for body in [
            Body::Out(Out { stream: Stream::Err, text: "é\n".into(), dropped: 3 }),
            Body::Held(Held { held_s: 0.25, by: None, pumped: true, frames: vec![frame] }),
            Body::Status(Status { state: State::Busy, cell: Some(2), by: Some((1, 9)), source: None }),
        ] {
            let event = Event { session: Some("a".into()), seq: Some(4), body };
            let bytes = serde_json::to_vec(&event).expect("plain data");
            assert_eq!(read(&bytes), Some(Received::Event(Some(event))));
        }
    }

    #[test]
    fn an_unknown_event_is_no_error() {
        assert_eq!(read(br#"{"event":"later","x":1}"#), Some(Received::Event(None)));
        assert_eq!(read(b"{}"), None);
    }
}
