//! Windows sends no signals to threads: cells are interrupted by a call into the interpreter, and nobody's stack is asked
//! for. `keelback._signals` reserves no signal there.

use std::thread::{self, ThreadId};

/// A thread of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thread(ThreadId);

impl Thread {
    /// The one that calls.
    pub(super) fn current() -> Self {
        Thread(thread::current().id())
    }

    /// There is nothing to send.
    pub(super) fn kill(self, _signal: i32) {}
}

/// None is delivered to a thread.
pub(super) fn block_all() {}
