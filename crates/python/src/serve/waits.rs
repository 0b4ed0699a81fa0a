//! Interrupts that wait for a call to return. Outside the main thread Python raises nothing in the middle of a call, and in
//! no thread in the middle of C code that looks at no signals: who has interrupted it is told soon where it is.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use keelback_wire::{event::Frame, message::CellNumber};

use super::{
    interrupts::Meant,
    signal::{Thread, block_all},
    stacks::Stacks,
};

/// After so long an interrupt has not taken effect: a choice.
const SOON: Duration = Duration::from_millis(100);

/// Tells the clients of a session that its cell is at these frames. Waits for nothing.
pub(super) type Tell = Box<dyn Fn(&Meant, Vec<Frame>) + Send + Sync>;

struct Wait {
    meant: Meant,
    since: Instant,
    /// Where the cell was when the exception was left for it; empty where none was.
    frames: Vec<Frame>,
}

#[derive(Default)]
struct State {
    waits: Vec<Wait>,
    /// The thread that runs cells, and those of cells that have one of their own.
    thread: Option<Thread>,
    threads: HashMap<Meant, Thread>,
    /// The thread that tells, while there is something to tell.
    teller: Option<JoinHandle<()>>,
    is_telling: bool,
    is_over: bool,
}

impl State {
    fn end(&mut self, session: &str, cell: CellNumber, changed: &Condvar) {
        // Mostly there is none, at the end of every cell: to wake nobody is a system call all the same.
        if !self.waits.is_empty() {
            self.waits.retain(|wait| wait.meant.0 != session || wait.meant.1 != cell);
            changed.notify_all();
        }
    }
}

pub(super) struct Waits {
    state: Mutex<State>,
    changed: Condvar,
    stacks: Arc<Stacks>,
    tell: Tell,
}

impl Waits {
    pub(super) fn new(stacks: Arc<Stacks>, tell: Tell) -> Self {
        Waits { state: Mutex::default(), changed: Condvar::new(), stacks, tell }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_thread(&self, thread: Thread) {
        self.lock().thread = Some(thread);
    }

    pub(super) fn runs_in(&self, meant: Meant, thread: Thread) {
        self.lock().threads.insert(meant, thread);
    }

    /// The cell is to be interrupted; it is at `frames` where that is known.
    pub(super) fn begin(self: &Arc<Self>, meant: Meant, frames: Vec<Frame>) {
        let mut state = self.lock();
        if state.is_over {
            return;
        }
        state.waits.retain(|wait| wait.meant != meant);
        state.waits.push(Wait { meant, since: Instant::now(), frames });
        if !state.is_telling {
            let this = Arc::clone(self);
            let spawned = thread::Builder::new().name("keelback-waits".into()).spawn(move || this.run());
            state.is_telling = spawned.is_ok();
            state.teller = spawned.ok();
        }
    }

    /// It is interrupted.
    pub(super) fn end(&self, session: &str, cell: CellNumber) {
        self.lock().end(session, cell, &self.changed);
    }

    /// It is over.
    pub(super) fn forget(&self, session: &str, cell: CellNumber) {
        let mut state = self.lock();
        state.end(session, cell, &self.changed);
        if !state.threads.is_empty() {
            state.threads.remove(&(session.to_owned(), cell));
        }
    }

    /// Forgets all; the thread, to be joined.
    pub(super) fn stop(&self) -> Option<JoinHandle<()>> {
        let mut state = self.lock();
        state.is_over = true;
        state.waits.clear();
        self.changed.notify_all();
        state.teller.take()
    }

    fn run(&self) {
        block_all();
        let mut state = self.lock();
        while let Some(first) = state.waits.first() {
            let left = SOON.saturating_sub(first.since.elapsed());
            if !left.is_zero() {
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let (meant, since) = (first.meant.clone(), first.since);
            let thread = state.threads.get(&meant).copied().or(state.thread);
            drop(state);
            let now = thread.map(|thread| self.stacks.of(thread)).unwrap_or_default();
            state = self.lock();
            let same = |wait: &Wait| wait.meant == meant && wait.since == since;
            // One that is over meanwhile is not told of; nor can it end before it is, for that takes the lock.
            if let Some(at) = state.waits.iter().position(same)
                && let Some(frames) = place(state.waits.remove(at).frames, now)
            {
                (self.tell)(&meant, frames);
            }
        }
        state.is_telling = false;
    }
}

/// Where a cell is that was at `before` when the exception was left for it, or at no known place. None if it has gone on: it
/// has caught the exception.
fn place(before: Vec<Frame>, now: Vec<Frame>) -> Option<Vec<Frame>> {
    match (before.last(), now.last()) {
        // What Python has told has the text of every line.
        (Some(then), Some(still)) => (then.line == still.line).then_some(before),
        (Some(_), None) => Some(before),
        (None, _) => Some(now),
    }
}
