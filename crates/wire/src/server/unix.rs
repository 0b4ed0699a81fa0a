//! What Unix has for a server: descriptors that a forked child inherits, signals, sockets in the file system.

pub(super) mod descriptors;
pub(super) mod peer;
pub(super) mod signals;
pub(super) mod socket;
