//! `keelback attach`, as a person runs it, before a server whose program is no Python.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod eval;
mod faults;
mod list;
mod program;
mod prompt;
mod window;
