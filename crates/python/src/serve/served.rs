//! The application as the server's thread sees it: nothing here waits for Python.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use keelback_wire::{
    application::{Application, Audit, Handle, Job},
    event::{Body, Held as HeldEvent, Interrupting},
    message::{CellNumber, Code, Failure, Request},
};
use pyo3::prelude::*;

use super::{
    guard::{Guard, Held},
    interrupts::{Interrupts, Meant},
    lines::Lines,
    post::{Post, Posted},
    questions::Questions,
    stacks::Stacks,
};

/// What the two sides of a served program share.
pub(super) struct Served {
    pub(super) post: Arc<Post>,
    pub(super) lines: Lines,
    pub(super) interrupts: Arc<Interrupts>,
    pub(super) questions: Questions,
    pub(super) stacks: Arc<Stacks>,
    /// None when nobody is to watch over the loop.
    pub(super) guard: Option<Arc<Guard>>,
    /// Set before the server starts.
    handle: Arc<OnceLock<Arc<dyn Handle>>>,
    /// What answers questions; None once the server is closed.
    pub(super) owner: Mutex<Option<Arc<Py<PyAny>>>>,
    /// The cell of each session that was submitted and has not ended.
    running: Mutex<HashMap<String, CellNumber>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Served {
    pub(super) fn new(post: Post, stacks: Arc<Stacks>, guard: Option<Guard>, owner: Py<PyAny>) -> Self {
        let handle: Arc<OnceLock<Arc<dyn Handle>>> = Arc::default();
        let told = Arc::clone(&handle);
        let tell = move |(session, cell): &Meant, frames| {
            if let Some(handle) = told.get() {
                handle.event(Some(session), Body::Interrupting(Interrupting { cell: *cell, frames }));
            }
        };
        Served {
            post: Arc::new(post),
            lines: Lines::default(),
            interrupts: Arc::new(Interrupts::new(Arc::clone(&stacks), Box::new(tell))),
            questions: Questions::default(),
            stacks,
            guard: guard.map(Arc::new),
            handle,
            owner: Mutex::new(Some(Arc::new(owner))),
            running: Mutex::default(),
        }
    }

    /// The server.
    pub(super) fn handle(&self) -> &Arc<dyn Handle> {
        self.handle.get().expect("set before the server starts")
    }

    /// Nothing is posted nor waited for any more. Also for a child of fork: no lock is waited for.
    pub(super) fn close_descriptors(&self) {
        self.post.close();
        self.lines.forget();
        self.stacks.close();
    }

    /// The cell is over.
    pub(super) fn forget(&self, session: &str, cell: CellNumber) {
        let mut running = lock(&self.running);
        if running.get(session) == Some(&cell) {
            running.remove(session);
        }
        drop(running);
        self.interrupts.forget(session, cell);
    }

    /// The session whose cell runs, if only one has one.
    fn only_running(&self) -> Option<String> {
        let running = lock(&self.running);
        let mut sessions = running.keys();
        sessions.next().filter(|_| running.len() == 1).cloned()
    }
}

fn held_event(held: &Held, by: Option<String>, pumped: bool) -> Body {
    Body::Held(HeldEvent { held_s: held.since.elapsed().as_secs_f64(), by, pumped, frames: held.frames.clone() })
}

/// What is given to the server.
pub(super) struct Front(pub(super) Arc<Served>);

impl Application for Front {
    fn started(&self, handle: Arc<dyn Handle>) {
        let _ = self.0.handle.set(handle);
    }

    fn open(&self, session: &str, columns: u16) {
        self.0.post.post(Posted::Open { session: session.into(), columns });
    }

    fn close(&self, session: &str) {
        let running = lock(&self.0.running).get(session).copied();
        self.0.lines.close(session);
        if let Some(cell) = running {
            self.interrupt(session, cell);
        }
        self.0.post.post(Posted::Close { session: session.into() });
    }

    fn submit(&self, job: Job) {
        lock(&self.0.running).insert(job.session.clone(), job.cell);
        self.0.post.post(Posted::Cell(job));
    }

    fn interrupt(&self, session: &str, cell: CellNumber) {
        if !self.0.lines.interrupt(session, cell) {
            // The lock is held, and given back before `forget` takes what was sent: nobody takes it for a cell that is over,
            // and it would be sent again for ever.
            let running = lock(&self.0.running);
            if running.get(session) != Some(&cell) {
                return;
            }
            self.0.interrupts.send((session.into(), cell));
            drop(running);
            self.0.post.post(Posted::Interrupt { session: session.into(), cell });
        }
    }

    fn input(&self, session: &str, text: Option<String>) {
        self.0.lines.line(session, text);
    }

    fn resize(&self, session: &str, columns: u16) {
        self.0.post.post(Posted::Resize { session: session.into(), columns });
    }

    fn tail(&self, on: bool) {
        self.0.post.post(Posted::Tail(on));
    }

    fn ask(&self, ticket: u64, request: Request) {
        let handle = self.0.handle();
        match &*lock(&self.0.owner) {
            Some(owner) => self.0.questions.ask(owner, handle, ticket, request),
            None => handle.answer(ticket, Err(Failure::new(Code::Closed, "the server is closed"))),
        }
    }

    fn audit(&self, what: &Audit) {
        if let Some(guard) = &self.0.guard {
            match what {
                Audit::Connected(..) => {
                    let served = Arc::downgrade(&self.0);
                    let pumped = guard.is_pumped;
                    guard.joined(&self.0.post, move |held| {
                        if let Some(served) = served.upgrade() {
                            // Between two calls of `pump` no cell runs.
                            let by = if pumped { None } else { served.only_running() };
                            served.handle().event(None, held_event(held, by, pumped));
                        }
                    });
                }
                Audit::Disconnected(_) => guard.left(),
                _ => {}
            }
        }
        // A cell is told when it begins, where a hook can refuse it.
        if !matches!(what, Audit::Eval(..)) {
            self.0.post.post(Posted::Audit(what.clone()));
        }
    }
}
