//! What a server needs of the application it serves.

use std::sync::Arc;

use crate::{
    message::{CellNumber, Failure, Place, Request},
    reply::{Evaluated, NeedsInput},
};

/// The application, as the server's thread sees it. Every call returns at once: none may wait for the thread of the
/// application, for Python's lock or for a lock that is held while code runs.
pub trait Application: Send + Sync + 'static {
    /// The server is about to start; this is what it is told through, as by `Server::handle`.
    fn started(&self, _handle: Arc<dyn Handle>) {}

    /// A session begins. Events and answers of it go to the server's handle.
    fn open(&self, session: &str, columns: u16);

    /// It is over: its cell is to be stopped, nothing of it is wanted any more but the `ended` of a cell that was
    /// submitted. Called once for each session, unless the application told [`Handle::closed`].
    fn close(&self, session: &str);

    /// Starts a cell, one at a time in a session: the server keeps the queue. The handle's `began` and `ended` are
    /// called for it, in this order; `ended` alone if it never runs.
    fn submit(&self, job: Job);

    /// Stops a cell that was submitted. One that has not begun is not to begin.
    fn interrupt(&self, session: &str, cell: CellNumber);

    /// The line the cell waits for; None is the end of input.
    fn input(&self, session: &str, text: Option<String>);

    /// The window of a client of the session has changed.
    fn resize(&self, session: &str, columns: u16);

    /// Whether somebody wants what the application prints.
    fn tail(&self, on: bool);

    /// Asks something that needs Python: `check`, `complete`, `inspect`, `tasks`, `cancel`, `stacks`. The answer goes to
    /// the handle with `ticket`, once, as the reply type of the request.
    fn ask(&self, ticket: u64, request: Request);

    /// Something worth a record: a connection, a cell, an interrupt. Also called from the transcript's thread.
    fn audit(&self, what: &Audit);
}

/// A cell to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its session.
    pub session: String,
    /// Its number there.
    pub cell: CellNumber,
    /// Its source.
    pub source: String,
    /// The file name in tracebacks.
    pub filename: Option<String>,
    /// The most bytes of one shown value.
    pub quota: usize,
    /// Where it runs.
    pub place: Place,
}

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audit {
    /// A client was let in: its number and where it is from (`uid 1000 pid 7`, an address).
    Connected(u64, String),
    /// A client was refused, and why.
    Refused(String),
    /// A client has gone.
    Disconnected(u64),
    /// A cell: client, session, number, source.
    Eval(u64, String, CellNumber, String),
    /// An interrupt: client, session, cell.
    Interrupt(u64, String, CellNumber),
    /// Something does not work that the service can do without, such as the transcript. For people.
    Warning(String),
}

/// Text that its owner does not change, to be read by another thread.
pub type SharedText = Box<dyn AsRef<str> + Send>;

/// What an application tells a server from any thread.
pub trait Handle: Send + Sync {
    /// A cell has begun.
    fn began(&self, session: &str, cell: CellNumber);

    /// A cell is over.
    fn ended(&self, session: &str, outcome: Evaluated);

    /// A session printed something. Cheap: no system call but to wake the server when it sleeps.
    fn output(&self, session: &str, stream: crate::event::Stream, text: &str);

    /// As [`output`](Self::output), of a long text that somebody else keeps: the server's thread copies it, so that who
    /// prints need not.
    fn output_shared(&self, session: &str, stream: crate::event::Stream, text: SharedText);

    /// The application printed something, for those who asked for it.
    fn tapped(&self, stream: crate::event::Stream, text: &str);

    /// Any other event of a session, or of the application.
    fn event(&self, session: Option<&str>, body: crate::event::Body);

    /// A cell waits for a line.
    fn needs_input(&self, session: &str, asked: NeedsInput);

    /// The answer to [`Application::ask`]: the reply as JSON.
    fn answer(&self, ticket: u64, answer: Result<serde_json::Value, Failure>);

    /// The session ends from the application's side.
    fn closed(&self, session: &str);
}
