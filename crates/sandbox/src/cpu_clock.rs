//! The CPU time of a thread, readable from another thread while it lives.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::{ThreadClock, of_this_thread};
#[cfg(windows)]
pub(crate) use self::windows::{ThreadClock, of_this_thread};
