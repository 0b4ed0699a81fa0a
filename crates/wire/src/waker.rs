//! A pair of connected sockets by which one thread wakes another that waits for sockets: a Unix socket, or on Windows one
//! of loopback.

pub use crate::system::{Waker, waker_pair as pair};
