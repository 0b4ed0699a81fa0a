//! A server over real sockets, with an application that is none.

mod fake;
mod peer;

mod sockets;
