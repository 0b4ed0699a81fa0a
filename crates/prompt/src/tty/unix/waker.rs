//! A pipe that ends a wait: other threads and signal handlers write to it.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::fs::{OFlags, fcntl_setfl};

/// Ends [`Tty::wait`](super::Tty::wait) from any thread. Wakes that come before the wait are not lost; many count as
/// one.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    woken: AtomicBool,
    write: Arc<OwnedFd>,
}

impl Waker {
    /// Ends the wait that is going on, or else the next one.
    pub fn wake(&self) {
        if !self.0.woken.swap(true, Ordering::AcqRel) {
            // A pipe that is full wakes as well, and one without a reader has nobody to wake.
            let _ = rustix::io::write(&*self.0.write, &[0]);
        }
    }
}

/// A byte written here ends the wait as a signal of somebody else's does: a place for their handlers to write to, as
/// Python's `signal.set_wakeup_fd`. It never blocks.
impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.write.as_fd()
    }
}

#[derive(Debug)]
pub(super) struct WakePipe {
    read: OwnedFd,
    waker: Waker,
}

impl WakePipe {
    pub(super) fn new() -> io::Result<Self> {
        let (read, write) = io::pipe()?;
        let (read, write) = (OwnedFd::from(read), OwnedFd::from(write));
        fcntl_setfl(&read, OFlags::NONBLOCK)?;
        fcntl_setfl(&write, OFlags::NONBLOCK)?;
        Ok(WakePipe { read, waker: Waker(Arc::new(Shared { woken: AtomicBool::new(false), write: Arc::new(write) })) })
    }

    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    pub(super) fn writer(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.waker.0.write)
    }

    pub(super) fn drain(&self) {
        let mut bytes = [0; 64];
        while rustix::io::read(&self.read, &mut bytes).is_ok_and(|length| length == bytes.len()) {}
    }

    /// Whether a waker was used since the last call. Asked after the pipe is drained: a wake between the two is seen
    /// here, one after this writes a new byte.
    pub(super) fn take(&self) -> bool {
        self.waker.0.woken.swap(false, Ordering::AcqRel)
    }
}

impl AsFd for WakePipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}
