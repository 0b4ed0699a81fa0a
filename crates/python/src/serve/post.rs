//! What the server's thread leaves for the application's: a queue, and a descriptor that is readable while there is
//! something in it. Neither side waits for the other, and no lock of Python's is needed to post.

use std::{
    io::{self, Read, Write},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use keelback_wire::{
    application::{Audit, Job},
    message::CellNumber,
    waker::{self, Waker},
};
use rustix::fd::{AsRawFd, RawFd};

/// Something for the application's thread.
#[derive(Debug)]
pub(super) enum Posted {
    Open {
        session: String,
        columns: u16,
    },
    Close {
        session: String,
    },
    Cell(Job),
    Interrupt {
        session: String,
        cell: CellNumber,
    },
    Resize {
        session: String,
        columns: u16,
    },
    Tail(bool),
    Audit(Audit),
    /// Nothing: to see whether the loop still comes to it.
    Ping,
}

#[derive(Debug)]
struct State {
    items: Vec<Posted>,
    /// When the oldest item was posted that has not been taken; None while there is none.
    since: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Post {
    state: Mutex<State>,
    /// The first is written to when the queue is no longer empty; the application waits for the other. None once it is
    /// closed.
    ends: Mutex<Option<(Waker, Waker)>>,
    fd: RawFd,
}

impl Post {
    pub(super) fn new() -> io::Result<Self> {
        let (bell, door) = waker::pair()?;
        bell.set_nonblocking(true)?;
        door.set_nonblocking(true)?;
        Ok(Post {
            state: Mutex::new(State { items: Vec::new(), since: None }),
            fd: door.as_raw_fd(),
            ends: Mutex::new(Some((bell, door))),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self) -> MutexGuard<'_, Option<(Waker, Waker)>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn post(&self, item: Posted) {
        let mut state = self.lock();
        let first = state.since.is_none();
        if first {
            state.since = Some(Instant::now());
        }
        if !matches!(item, Posted::Ping) {
            state.items.push(item);
        }
        drop(state);
        if first && let Some((bell, _)) = &*self.ends() {
            // It can only fail when bytes are waiting already.
            let _ = (&*bell).write(&[1]);
        }
    }

    /// All there is. The descriptor is read first: what is posted in between is taken with the rest, or rings again.
    pub(super) fn take(&self) -> Vec<Posted> {
        if let Some((_, door)) = &*self.ends() {
            let _ = (&*door).read(&mut [0; 64]);
        }
        let mut state = self.lock();
        state.since = None;
        mem::take(&mut state.items)
    }

    /// Since when something waits to be taken.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.lock().since
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Closes the descriptors. No lock is waited for, which in a child of fork may never be given back.
    pub(super) fn close(&self) {
        if let Ok(mut ends) = self.ends.try_lock() {
            *ends = None;
        }
    }
}
