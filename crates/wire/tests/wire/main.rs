//! A server over real sockets, with an application that is none.

#[allow(dead_code, reason = "each of the two test programs that share it uses a part")]
mod fake;
mod peer;

mod faults;
mod fork;
mod sockets;
mod tcp;
