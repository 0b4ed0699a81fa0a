//! The terminal's descriptors.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

use keelback_prompt::tty::{Tty, Waker};

pub(super) fn fds(tty: &Tty) -> io::Result<Vec<i32>> {
    Ok(tty.fds().iter().map(AsRawFd::as_raw_fd).collect())
}

pub(super) fn wake_fd(waker: &Waker) -> i32 {
    waker.as_fd().as_raw_fd()
}
