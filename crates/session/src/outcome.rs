//! How a cell ends.

use std::{fmt, time::Duration};

use crate::Value;

/// The one thing a cell ends in. What the user's own code did wrong is here, not an error of the host.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The cell ended; its last statement was not an expression, or its value was None.
    Done,
    /// The value of the expression the cell ended with.
    Value {
        /// `repr(value)`.
        repr: String,
        /// The name of its type.
        type_name: String,
        /// The value itself, where it is plain data.
        data: Option<Value>,
        /// Its rich forms, from `_repr_mimebundle_` and `_repr_*_`.
        mime: MimeBundle,
    },
    /// A tool ended the cell.
    Final {
        /// Its name.
        tool: String,
        /// What it returned.
        value: Value,
    },
    /// An exception left the cell.
    Raised(Raised),
    /// `SystemExit` left the cell.
    Exit {
        /// The exit status, 0 to 255.
        code: u8,
        /// What python3 would print to stderr: `sys.exit("message")`.
        message: Option<String>,
        /// The name of the exception's type, when that is a subclass of SystemExit.
        type_name: Option<String>,
    },
    /// The source is not a cell yet; further lines could make it one.
    Incomplete,
    /// No further line could make the source a cell: the SyntaxError.
    Invalid(Raised),
    /// The guest did not react to an interrupt within the grace period and was stopped from outside, or it broke down.
    /// `finally:` blocks did not run.
    Stopped {
        /// The limit that was hit, if one was.
        limit: Option<Limit>,
        /// What happened, in a sentence without a full stop.
        reason: String,
        /// Where the session goes on.
        restored: Restored,
    },
}

/// Where a session goes on after a cell was stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// At its last checkpoint.
    Checkpoint,
    /// At its start: there was no checkpoint.
    Start,
}

/// A limit that ended a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Wall time of a cell.
    WallTime(Duration),
    /// CPU time of a cell, without time spent in tools.
    CpuTime(Duration),
    /// Bytes of linear memory of a session.
    Memory(u64),
    /// Bytes a cell may write to stdout, stderr and display together.
    Output(u64),
    /// Tool calls of a cell.
    ToolCalls(u64),
    /// Network connections of a session, open at a time.
    Connections(u64),
    /// Bytes a cell may send over the network.
    NetworkSent(u64),
    /// Bytes a cell may receive over the network.
    NetworkReceived(u64),
    /// Time until a name is looked up or a connection is made.
    ConnectTime(Duration),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::WallTime(limit) => write!(f, "{limit:?} of wall time"),
            Limit::CpuTime(limit) => write!(f, "{limit:?} of CPU time"),
            Limit::Memory(limit) => write!(f, "{limit} bytes of memory"),
            Limit::Output(limit) => write!(f, "{limit} bytes of output"),
            Limit::ToolCalls(limit) => write!(f, "{limit} tool calls"),
            Limit::Connections(limit) => write!(f, "{limit} connections"),
            Limit::NetworkSent(limit) => write!(f, "{limit} bytes sent over the network"),
            Limit::NetworkReceived(limit) => write!(f, "{limit} bytes received over the network"),
            Limit::ConnectTime(limit) => write!(f, "{limit:?} of time to connect"),
        }
    }
}

/// An exception that left a cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Raised {
    /// `type(exception).__qualname__`.
    pub type_name: String,
    /// `type(exception).__module__`; `builtins` for builtin ones.
    pub module: String,
    /// `str(exception)`.
    pub message: String,
    /// `exception.args`: for each its repr and, where it is plain data, the value.
    pub args: Vec<(String, Option<Value>)>,
    /// The traceback as python3 prints it, without the image's own frames, with its final newline.
    pub traceback: String,
    /// The frames of the traceback, outermost first.
    pub frames: Vec<Frame>,
    /// `exception.__notes__`.
    pub notes: Vec<String>,
    /// The limit that raised it, when one did.
    pub limit: Option<Limit>,
}

/// One frame of a traceback.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The file, as the guest names it: `<cell 3>` or a guest path.
    pub filename: String,
    /// First line of the failing expression, from 1.
    pub line: u32,
    /// Last line of it, from 1.
    pub end_line: u32,
    /// First column of it, in UTF-8 bytes from 0; None when CPython does not know.
    pub column: Option<u32>,
    /// Column after its end.
    pub end_column: Option<u32>,
    /// The name of the function, or `<module>`.
    pub name: String,
    /// The text of the first line, where it is known.
    pub source: String,
}

/// One rich form of a value: text, or bytes for images.
#[derive(Debug, Clone, PartialEq)]
pub enum Mime {
    /// Text (`text/html`, `image/svg+xml`).
    Text(String),
    /// Bytes (`image/png`).
    Bytes(Vec<u8>),
    /// Data (`application/json`).
    Data(Value),
}

/// MIME types with the forms a value has in them, in the order in which the guest named them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MimeBundle(pub Vec<(String, Mime)>);

/// What a cell used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Time from the call to the outcome.
    pub wall: Duration,
    /// CPU time the guest used, without tools and waits.
    pub cpu: Duration,
    /// The size of linear memory after the cell, in bytes; it never shrinks, so this is its peak.
    pub peak_memory_bytes: u64,
    /// Bytes written to stdout, stderr and display.
    pub output_bytes: u64,
    /// Tool calls started.
    pub tool_calls: u64,
}
