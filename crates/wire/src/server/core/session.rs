//! A session: its cells, its events, who follows it.

use std::{collections::VecDeque, time::Instant};

use super::{
    Asked,
    ring::{Ring, Room},
};
use crate::{
    application::Job,
    event::{Body, State, Status},
    message::CellNumber,
    reply::NeedsInput,
};

/// Tells sessions apart, also those of one name after another.
pub(super) type SessionId = u64;

/// The longest name of a session, in bytes: a choice.
const NAME_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) name: String,
    pub(super) opened: Instant,
    pub(super) events: Ring,
    /// Cells so far.
    pub(super) cells: CellNumber,
    pub(super) running: Option<Cell>,
    pub(super) queue: VecDeque<Cell>,
    pub(super) needs_input: Option<NeedsInput>,
    pub(super) prompts: (String, String),
    /// When it ends, for nobody is attached.
    pub(super) expires: Option<Instant>,
    /// It has ended. It stays until its clients know and its cell is over.
    pub(super) over: bool,
}

/// A cell that waits or runs.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) job: Job,
    pub(super) asked: Asked,
    pub(super) began: bool,
}

impl Session {
    pub(super) fn new(name: String, prompts: (String, String), room: Room, now: Instant) -> Self {
        Session {
            name,
            opened: now,
            events: Ring::new(room),
            cells: 0,
            running: None,
            queue: VecDeque::new(),
            needs_input: None,
            prompts,
            expires: None,
            over: false,
        }
    }

    /// The cell that was submitted to the application and is not over.
    pub(super) fn current(&self) -> Option<CellNumber> {
        self.running.as_ref().map(|cell| cell.job.cell)
    }

    /// Tells that the running cell has begun or ended.
    pub(super) fn status(&mut self, state: State) {
        let Some(cell) = &self.running else { return };
        let by = match cell.asked {
            Asked::Request(client, request) => Some((client, request)),
            Asked::Plain(_) => None,
        };
        let source = (state == State::Busy).then(|| cell.job.source.clone());
        self.events.push(Body::Status(Status { state, cell: Some(cell.job.cell), by, source }));
    }

    /// Takes a cell out of the queue.
    pub(super) fn withdraw(&mut self, meant: impl Fn(&Cell) -> bool) -> Option<Cell> {
        let index = self.queue.iter().position(meant)?;
        self.queue.remove(index)
    }
}

/// Whether a session may be called so.
pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && !name.contains(char::is_control)
}
