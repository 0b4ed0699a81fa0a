//! The descriptors of a server, so that a forked child can close them without its thread and without its locks.
#![expect(unsafe_code, reason = "a descriptor is closed that another, vanished, thread owns")]

use std::{
    os::fd::{AsRawFd, BorrowedFd},
    sync::atomic::{AtomicI32, Ordering},
};

/// A place without a descriptor.
const NONE: i32 = -1;

/// Open descriptors. What does not fit is not remembered, and stays open in a forked child.
#[derive(Debug)]
pub(super) struct Descriptors {
    places: Box<[AtomicI32]>,
}

impl Descriptors {
    pub(super) fn new(count: usize) -> Self {
        Descriptors { places: (0..count).map(|_| AtomicI32::new(NONE)).collect() }
    }

    /// A descriptor was opened.
    pub(super) fn add(&self, descriptor: BorrowedFd<'_>) {
        self.replace(NONE, descriptor.as_raw_fd());
    }

    /// A descriptor will be closed.
    pub(super) fn remove(&self, descriptor: BorrowedFd<'_>) {
        self.replace(descriptor.as_raw_fd(), NONE);
    }

    fn replace(&self, old: i32, new: i32) {
        let change =
            |place: &&AtomicI32| place.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        let _ = self.places.iter().find(change);
    }

    /// Closes all, in a forked child, where the threads that own them do not exist.
    pub(super) fn close_all(&self) {
        for place in &self.places {
            let descriptor = place.swap(NONE, Ordering::Relaxed);
            if descriptor != NONE {
                // SAFETY: it is open, for its owner removes it here before closing it, and the owner is a thread that a
                // forked child does not have, so that nobody uses it or closes it again.
                unsafe { rustix::io::close(descriptor) };
            }
        }
    }
}
