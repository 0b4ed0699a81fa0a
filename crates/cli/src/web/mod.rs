//! `keelback attach --web`: the prompt, the tasks and the output of a served program as a page on loopback.
//!
//! `guard.rs` is who may come in, `files.rs` what is served, `server.rs` both over HTTP. `tab.rs` is one web socket of a
//! page, `terminal.rs` the prompt behind it, `terminals.rs` which page has which, `hub.rs` what all pages see alike,
//! `program.rs` the program as the protocol has it.

mod browser;
mod files;
mod guard;
mod hub;
mod program;
mod server;
mod tab;
mod terminal;
mod terminals;
#[cfg(test)]
mod tests;

use std::sync::{Arc, mpsc::Receiver};

use keelback_editor::edit::Size;
use keelback_prompt::{
    backend::{Backend, Told},
    front::{Front, Run},
    record::Kept,
};
use keelback_wire::{event::Body, reply::TaskList};
use serde::Serialize;

pub(crate) use self::{program::Program, server::run, terminal::Wake};

/// A served program, as pages need it.
pub(crate) trait Application: Send + Sync + 'static {
    /// The session behind a prompt.
    type Backend: Cells + Send + 'static;

    /// What is known of it.
    fn about(&self) -> About;

    /// A prompt on a session; `wake` is called whenever there is something to receive.
    ///
    /// # Errors
    /// A message for the user.
    fn open(&self, size: Size, wake: Wake) -> Result<Opened<Self::Backend>, String>;

    /// The tasks of its loop.
    ///
    /// # Errors
    /// A message for the user.
    fn tasks(&self) -> Result<TaskList, String>;

    /// Cancels one of them.
    ///
    /// # Errors
    /// A message for the user.
    fn cancel(&self, task: u64) -> Result<(), String>;

    /// Tells `sink` what the program itself prints and when it is gone.
    ///
    /// # Errors
    /// A message for the user.
    fn watch(&self, sink: Sink) -> Result<(), String>;
}

/// Takes what [`Application::watch`] sees.
pub(crate) type Sink = Box<dyn FnMut(Seen) + Send>;

/// What is seen of a program.
#[derive(Debug)]
pub(crate) enum Seen {
    /// An event that belongs to no session.
    Event(Body),
    /// The program or the connection has ended, for this reason; nothing follows.
    Gone(String),
}

/// What is known of a program.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct About {
    /// Its name.
    pub(crate) program: String,
    /// Its process id.
    pub(crate) pid: u32,
    /// The version of its Python.
    pub(crate) python: String,
    /// Whether cells are refused.
    pub(crate) read_only: bool,
}

/// A prompt that has begun.
pub(crate) struct Opened<B> {
    /// It.
    pub(crate) front: Front<B, Kept>,
    /// What its session tells.
    pub(crate) told: Receiver<Told>,
}

/// A session that runs the cells of a prompt.
pub(crate) trait Cells: Backend {
    /// Begins a cell; `Told::Ended` follows.
    fn run(&mut self, run: Run);

    /// The prompt has ended. What is to be said of that.
    fn leave(&mut self) -> Option<String>;
}

/// How the page is served.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// The port; 0 takes a free one.
    pub(crate) port: u16,
    /// Open the page in the user's browser.
    pub(crate) open: bool,
}

/// What a server and its pages share.
struct Shared<A: Application> {
    guard: guard::Guard,
    hub: Arc<hub::Hub<A>>,
    terminals: terminals::Terminals,
}
