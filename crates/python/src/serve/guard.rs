//! Watches over the loop while a client is there: does it still come to what was posted? When it does not for too long,
//! its thread is asked what it does, without Python's lock, which a held loop may not give up.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle, ThreadId},
    time::{Duration, Instant},
};

use keelback_wire::event::Frame;

use super::{
    post::{Post, Posted},
    signal::{Thread, block_all},
    stacks::Stacks,
};

/// A loop that has not come to what was posted.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) since: Instant,
    /// What its thread does, the outermost first.
    pub(super) frames: Vec<Frame>,
}

#[derive(Default)]
struct State {
    clients: usize,
    /// The thread of the loop, also by the id that costs no system call; None is not watched.
    watched: Option<(Thread, ThreadId)>,
    /// Since when the loop is asked whether it still comes.
    asked: Option<Instant>,
    stopped: bool,
    /// What the loop is to be told when it is back.
    held: Option<Held>,
    thread: Option<JoinHandle<()>>,
}

pub(super) struct Guard {
    state: Mutex<State>,
    changed: Condvar,
    limit: Duration,
    stacks: Arc<Stacks>,
    /// The loop is one that the program turns, by `Server.pump`.
    pub(super) is_pumped: bool,
}

impl Guard {
    pub(super) fn new(limit: Duration, is_pumped: bool, stacks: Arc<Stacks>) -> Self {
        Guard { state: Mutex::default(), changed: Condvar::new(), limit, stacks, is_pumped }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop is in the thread that calls, and has come.
    pub(super) fn watch(&self) {
        let mut state = self.lock();
        state.watched = Some((Thread::current(), thread::current().id()));
        state.asked = None;
        drop(state);
        self.changed.notify_all();
    }

    /// The thread that calls has come; what held the loop until now, told once. None from other threads than that of the
    /// loop.
    pub(super) fn came(&self) -> Option<Held> {
        let here = thread::current().id();
        let mut state = self.lock();
        if state.watched.is_none_or(|(_, watched)| watched != here) {
            return None;
        }
        state.asked = None;
        state.held.take()
    }

    /// A client has come: the thread begins with the first one, and sleeps while there is none.
    pub(super) fn joined(self: &Arc<Self>, post: &Arc<Post>, tell: impl Fn(&Held) + Send + 'static) {
        let mut state = self.lock();
        state.clients += 1;
        if state.thread.is_none() && !state.stopped {
            let (this, post) = (Arc::clone(self), Arc::clone(post));
            let run = move || this.run(&post, &tell);
            state.thread = thread::Builder::new().name("keelback-guard".into()).spawn(run).ok();
        }
        self.changed.notify_all();
    }

    pub(super) fn left(&self) {
        let mut state = self.lock();
        state.clients = state.clients.saturating_sub(1);
    }

    /// The end; the thread, to be joined.
    pub(super) fn stop(&self) -> Option<JoinHandle<()>> {
        let mut state = self.lock();
        state.stopped = true;
        state.watched = None;
        self.changed.notify_all();
        state.thread.take()
    }

    fn run(&self, post: &Post, tell: &dyn Fn(&Held)) {
        block_all();
        let mut told: Option<Instant> = None;
        let mut state = self.lock();
        while !state.stopped {
            let Some((thread, id)) = state.watched.filter(|_| state.clients > 0) else {
                state.asked = None;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            // What is posted may be taken by another thread for that of the loop, which has to come itself.
            match post.waits_since().into_iter().chain(state.asked).min() {
                None => {
                    state.asked = Some(Instant::now());
                    drop(state);
                    post.post(Posted::Ping);
                }
                Some(since) if told != Some(since) && since.elapsed() >= self.limit => {
                    told = Some(since);
                    drop(state);
                    let held = Held { since, frames: self.stacks.of(thread) };
                    let mut state = self.lock();
                    // It may have gone on meanwhile, and its stack be one of waiting.
                    if state.watched == Some((thread, id))
                        && post.waits_since().into_iter().chain(state.asked).min() == Some(since)
                    {
                        state.held = Some(held.clone());
                        drop(state);
                        // In case it is back in this moment: it is to take that.
                        post.post(Posted::Ping);
                        tell(&held);
                    }
                }
                Some(_) => {
                    drop(state);
                    // The loop that was asked may have ended, and another one be there that has not heard of it.
                    post.post(Posted::Ping);
                }
            }
            state = self.lock();
            if !state.stopped {
                state = self.changed.wait_timeout(state, self.limit / 2).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}
