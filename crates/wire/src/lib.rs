//! A prompt at the other end of a connection: frames, messages and what both ends agree on.
//!
//! The codec owns no socket: bytes in, messages out. `docs/protocol.md` is the same for other implementations.

pub mod application;
pub mod client;
pub mod discover;
pub mod event;
pub mod frame;
pub mod message;
pub mod reply;
pub mod server;
mod system;
pub mod tls;
pub mod waker;

#[cfg(test)]
mod protocol_document;

#[cfg(test)]
extern crate self as keelback_wire; // The tests within and beside the crate share an application.
