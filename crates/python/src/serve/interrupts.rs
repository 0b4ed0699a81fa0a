//! Interrupts of cells that compute. The server's thread cannot wait for Python's lock, which such a cell may not give up
//! for minutes (a regular expression), so it sends a signal to the main thread, as Ctrl-C would; the handler in Python
//! raises only if the cell that is meant is the innermost thing that runs. In other threads no handlers run: there
//! Python's lock is waited for, by a thread of its own, and the exception comes at the next instruction of Python.
//!
//! A signal may come in a moment in which nothing may be raised, so it is sent again until the interrupt was taken: by the
//! handler, or by the loop, which cancels a cell that awaits.
//!
//! A call that does not let itself be interrupted is told to the clients, with its line (`waits.rs`).

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use keelback_wire::{event::Frame, message::CellNumber};

use super::{
    signal::{Thread, block_all},
    stacks::Stacks,
    waits::{Tell, Waits},
};

/// A cell that is to be interrupted.
pub(super) type Meant = (String, CellNumber);

/// How a thread is reached.
#[derive(Clone)]
pub(super) enum Reach {
    /// By a signal.
    Signal(Thread, i32),
    /// By a call that waits for Python's lock.
    Call(Thread, Arc<dyn Fn(&Meant) + Send + Sync>),
}

impl Reach {
    fn thread(&self) -> Thread {
        match self {
            Reach::Signal(thread, _) | Reach::Call(thread, _) => *thread,
        }
    }
}

/// The first and the longest time between two tries: choices.
const AGAIN_FIRST: Duration = Duration::from_millis(2);
const AGAIN_MAX: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    meant: Vec<Meant>,
    reach: Option<Reach>,
    /// The thread that tries again, while there is something to try.
    sender: Option<JoinHandle<()>>,
    is_sending: bool,
    /// The end of the server interrupts the cells that run: nobody would take that any more.
    is_over: bool,
}

pub(super) struct Interrupts {
    state: Mutex<State>,
    changed: Condvar,
    waits: Arc<Waits>,
}

impl Interrupts {
    pub(super) fn new(stacks: Arc<Stacks>, tell: Tell) -> Self {
        Interrupts { state: Mutex::default(), changed: Condvar::new(), waits: Arc::new(Waits::new(stacks, tell)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the thread that runs cells is reached from now on.
    pub(super) fn set_reach(&self, reach: Reach) {
        self.waits.set_thread(reach.thread());
        self.lock().reach = Some(reach);
    }

    /// The cell runs in a thread of its own.
    pub(super) fn runs_in(&self, meant: Meant, thread: Thread) {
        self.waits.runs_in(meant, thread);
    }

    pub(super) fn send(self: &Arc<Self>, meant: Meant) {
        let mut state = self.lock();
        if state.is_over {
            return;
        }
        self.waits.begin(meant.clone(), Vec::new());
        if !state.meant.contains(&meant) {
            state.meant.push(meant);
        }
        if let Some(Reach::Signal(thread, signal)) = &state.reach {
            thread.kill(*signal);
        }
        if !state.is_sending {
            let this = Arc::clone(self);
            let spawned = thread::Builder::new().name("keelback-interrupt".into()).spawn(move || this.repeat());
            state.is_sending = spawned.is_ok();
            state.sender = spawned.ok();
        }
    }

    /// The exception waits for the thread of a cell to come to its next instruction; it is at `frames` now.
    pub(super) fn raised(&self, meant: Meant, frames: Vec<Frame>) {
        if !self.lock().is_over {
            self.waits.begin(meant, frames);
        }
    }

    fn repeat(&self) {
        block_all();
        let mut state = self.lock();
        let mut pause = AGAIN_FIRST;
        while !state.meant.is_empty() {
            let (meant, reach) = (state.meant.clone(), state.reach.clone());
            if let Some(Reach::Call(_, call)) = reach {
                drop(state);
                meant.iter().for_each(|meant| call(meant));
                state = self.lock();
                if state.meant.is_empty() {
                    break;
                }
            }
            let woken = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
            state = woken.0;
            pause = (pause * 2).min(AGAIN_MAX);
            if let (false, Some(Reach::Signal(thread, signal))) = (state.meant.is_empty(), &state.reach) {
                thread.kill(*signal);
            }
        }
        state.is_sending = false;
    }

    /// Whether this cell is to be interrupted; the caller does it.
    pub(super) fn take(&self, session: &str, cell: CellNumber) -> bool {
        let mut state = self.lock();
        let before = state.meant.len();
        state.meant.retain(|meant| meant.0 != session || meant.1 != cell);
        let taken = state.meant.len() < before;
        drop(state);
        if taken {
            self.waits.end(session, cell);
            self.changed.notify_all();
        }
        taken
    }

    /// The cell is over.
    pub(super) fn forget(&self, session: &str, cell: CellNumber) {
        self.take(session, cell);
        self.waits.forget(session, cell);
    }

    /// Forgets all; the threads, to be joined.
    pub(super) fn stop(&self) -> [Option<JoinHandle<()>>; 2] {
        let mut state = self.lock();
        state.is_over = true;
        state.meant.clear();
        state.reach = None;
        self.changed.notify_all();
        [state.sender.take(), self.waits.stop()]
    }
}
