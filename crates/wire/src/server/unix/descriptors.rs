//! The descriptors of a server, so that a forked child can close them without its thread and without its locks.
#![expect(unsafe_code, reason = "a descriptor is closed that another, vanished, thread owns")]

use std::{
    os::fd::{AsFd, AsRawFd},
    sync::atomic::{AtomicI32, Ordering},
};

/// A place without a descriptor.
const NONE: i32 = -1;

/// Open descriptors. What does not fit is not remembered, and stays open in a forked child.
#[derive(Debug)]
pub(in super::super) struct Descriptors {
    places: Box<[AtomicI32]>,
}

impl Descriptors {
    pub(in super::super) fn new(count: usize) -> Self {
        Descriptors { places: (0..count).map(|_| AtomicI32::new(NONE)).collect() }
    }

    /// A descriptor was opened.
    pub(in super::super) fn add(&self, descriptor: impl AsFd) {
        self.replace(NONE, descriptor.as_fd().as_raw_fd());
    }

    /// A descriptor will be closed.
    pub(in super::super) fn remove(&self, descriptor: impl AsFd) {
        self.replace(descriptor.as_fd().as_raw_fd(), NONE);
    }

    fn replace(&self, old: i32, new: i32) {
        let change =
            |place: &&AtomicI32| place.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        let _ = self.places.iter().find(change);
    }

    /// Closes all, in a forked child, where the threads that own them do not exist.
    pub(in super::super) fn close_all(&self) {
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
