//! What a server answers, and how a client reads that.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    event::{Event, Frame},
    message::{CellNumber, Failure, RequestId},
};

/// The answer to [`Hello`](crate::message::Hello).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version of the protocol the server speaks.
    pub version: u32,
    /// The number of this connection, which events name.
    pub client: u64,
    /// The name of the served program.
    pub program: String,
    /// Its process id.
    pub pid: u32,
    /// The version of its Python, such as `3.13.0`.
    pub python: String,
    /// What to show before the first prompt.
    pub banner: String,
    /// Whether cells are refused.
    pub read_only: bool,
    /// Whether there is an event loop: top-level await works.
    pub has_loop: bool,
    /// The longest frame the server accepts, in bytes.
    pub frame_max: usize,
}

/// The answer to `open` and `attach`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The name of the session.
    pub session: String,
    /// The sequence number of its last event before those that follow; the first one has 1.
    pub seq: u64,
    /// The sequence number of the last event there is: up to it, those that follow tell what has been.
    #[serde(default)]
    pub last: u64,
    /// How many events between `after` and the first that follows are no longer kept.
    pub missed: u64,
    /// The cell that runs.
    pub running: Option<CellNumber>,
    /// The cell that waits for a line of input.
    pub needs_input: Option<NeedsInput>,
    /// `str(sys.ps1)` and `str(sys.ps2)`.
    pub prompts: Option<(String, String)>,
}

/// What a cell asks its user for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedsInput {
    /// The cell.
    pub cell: CellNumber,
    /// What to show before the line.
    pub prompt: String,
    /// The line is not to be seen: a password.
    pub hidden: bool,
}

/// The answer to `list`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// All sessions, the oldest first.
    pub sessions: Vec<SessionInfo>,
}

/// One of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Its name.
    pub name: String,
    /// Seconds since it was opened.
    pub age_s: f64,
    /// Connections that are attached to it.
    pub clients: u64,
    /// Cells so far.
    pub cells: u64,
    /// The cell that runs.
    pub running: Option<CellNumber>,
    /// Seconds until it ends by itself because nobody is attached.
    pub expires_s: Option<f64>,
}

/// The answer to `eval`, when the cell is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// Its number; 0 of a cell that never ran.
    pub cell: CellNumber,
    /// How it ended.
    pub outcome: Outcome,
    /// Seconds on the clock.
    pub wall_s: f64,
    /// Seconds of processor time of its thread.
    pub cpu_s: f64,
    /// `str(sys.ps1)` and `str(sys.ps2)` after it.
    pub prompts: Option<(String, String)>,
}

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It came to its end. What it showed came in `value` events.
    Done,
    /// An exception left it, which an `error` event told.
    Raised,
    /// It was interrupted.
    Interrupted,
    /// It was interrupted and goes on nevertheless, as the named task; the session has its prompt back.
    Stubborn(String),
    /// `SystemExit`: the session is over.
    Exit {
        /// The exit status a process would have.
        status: u8,
        /// What python3 would print.
        message: Option<String>,
    },
    /// Further lines could make it a cell.
    Incomplete,
    /// No further line could: an `error` event told it.
    Invalid,
}

/// The answer to `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Completeness {
    Complete,
    Incomplete,
    Invalid,
}

/// The answer to `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// What the source is.
    pub completeness: Completeness,
}

/// The answer to `complete`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// The bytes of the source a match stands for.
    pub start: usize,
    /// Their end.
    pub end: usize,
    /// The matches, best first.
    pub matches: Vec<Match>,
    /// Whether there are further ones.
    pub more: bool,
}

/// A completion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The text to insert.
    pub text: String,
    /// What it is: `function`, `module`, `keyword`, `file` ...
    pub kind: String,
    /// Its type or signature, and the first line of its documentation.
    pub detail: String,
}

/// The answer to `inspect`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    /// Whether there is something to say.
    pub found: bool,
    /// The text: documentation, source, the table of names, or the signature on one line.
    pub text: String,
    /// For a signature: the bytes of the parameters in `text`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<(usize, usize)>,
    /// For a signature: the parameter that is being given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<usize>,
    /// For a signature: the first line of the documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// The answer to `interrupt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupted {
    /// What became of it.
    pub state: InterruptState,
}

/// What an interrupt found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterruptState {
    /// The cell was told.
    Sent,
    /// It had not begun yet and will not.
    Withdrawn,
    /// No cell runs.
    Idle,
    /// Another cell runs.
    Mismatch,
}

/// The answer to `tasks`: the tasks of the loop, parents before children.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskList {
    /// All tasks that are not done.
    pub tasks: Vec<TaskInfo>,
    /// Whether there are more than are told.
    pub more: bool,
}

/// A task of the event loop.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Names it in `cancel`; not used again while the server runs.
    pub id: u64,
    /// `Task.get_name()`.
    pub name: String,
    /// The function of its coroutine.
    pub coroutine: String,
    /// The tasks that await it.
    pub awaited_by: Vec<u64>,
    /// The session it was started in.
    pub session: Option<String>,
    /// Where it waits, the outermost first.
    pub frames: Vec<Frame>,
    /// Seconds since the server saw it first: it is at least so old.
    pub age_s: f64,
    /// Seconds since the server looked and it was not there: it is not older. None if it was there at the first look.
    #[serde(default)]
    pub age_max_s: Option<f64>,
}

impl TaskInfo {
    /// Whether `age_s` is its age, to a second; otherwise it may be older.
    #[must_use]
    pub fn is_age_known(&self) -> bool {
        self.age_max_s.is_some_and(|max| max - self.age_s <= 1.0)
    }
}

/// The answer to `stacks`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StackList {
    /// One entry for a thread; that of the loop first.
    pub threads: Vec<Stack>,
}

/// What a thread does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// The name of the thread.
    pub thread: String,
    /// Whether the event loop runs in it.
    pub is_loop: bool,
    /// The outermost first.
    pub frames: Vec<Frame>,
}

/// An answer that says only that it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// A response as a server sends it; encode it with [`crate::frame::encode`].
#[derive(Debug, Serialize)]
pub struct Response<'a, T> {
    /// The number of the request; null where it could not be read.
    pub id: Option<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<&'a T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
}

impl<'a, T: Serialize> Response<'a, T> {
    /// The response to request `id`.
    pub fn new(id: Option<RequestId>, result: &'a Result<T, Failure>) -> Self {
        Response { id, ok: result.as_ref().ok(), error: result.as_ref().err() }
    }
}

/// What a client receives.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A response, whose body [`body`] reads.
    Response(Option<RequestId>, Result<Value, Failure>),
    /// An event; None is one this version does not know.
    Event(Option<Event>),
}

/// Reads what a server sent. None is no message of the protocol: the connection is to be closed.
#[must_use]
pub fn read(frame: &[u8]) -> Option<Received> {
    let mut fields: Map<String, Value> = serde_json::from_slice(frame).ok()?;
    if fields.contains_key("event") {
        return Some(Received::Event(Event::of(fields)));
    }
    let id = fields.get("id")?.as_u64();
    if let Some(ok) = fields.remove("ok") {
        return Some(Received::Response(id, Ok(ok)));
    }
    let failure = serde_json::from_value(fields.remove("error")?).ok()?;
    Some(Received::Response(id, Err(failure)))
}

/// The body of a response.
///
/// # Errors
/// Of a body that is not a `T`.
pub fn body<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value)
}
