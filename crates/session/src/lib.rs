//! What a session is, in plain types: values that cross between a program and its host, the events
//! a cell gives off while it runs and the one outcome it ends in.
//!
//! Nothing here runs Python, opens a file or reads a clock.

mod assist;
mod cell;
mod event;
mod outcome;
mod value;

pub use assist::{Completeness, Completion, CompletionKind, Completions, Description, Signature, SourceText};
pub use cell::{Cell, CellKind};
pub use event::{Event, Stream};
pub use outcome::{Frame, Limit, Mime, MimeBundle, Outcome, Raised, Restored, Usage};
pub use value::Value;
