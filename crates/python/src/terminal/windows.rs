//! The console is no socket, and nothing else can be waited for by its number on Windows.

use std::io;

use keelback_prompt::tty::{Tty, Waker};

pub(super) fn fds(_: &Tty) -> io::Result<Vec<i32>> {
    let message = "an event loop cannot wait for the console of Windows: use the prompt outside of one";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

pub(super) fn wake_fd(_: &Waker) -> i32 {
    -1
}
