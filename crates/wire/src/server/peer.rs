//! Who is at the other end of a Unix socket.
#![cfg_attr(not(target_os = "linux"), expect(unsafe_code, reason = "getpeereid has no safe form"))]

use std::{io, os::unix::net::UnixStream};

/// What the kernel knows of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) uid: u32,
    /// Where the kernel tells it.
    pub(super) pid: Option<i32>,
}

impl std::fmt::Display for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "uid {}", self.uid)?;
        self.pid.map_or(Ok(()), |pid| write!(formatter, " pid {pid}"))
    }
}

/// Whether a user may connect: the owner of this process, and root, who could read its memory anyway.
pub(super) fn may_connect(peer_uid: u32, own_uid: u32) -> bool {
    peer_uid == own_uid || peer_uid == 0
}

/// The credentials a peer had when it connected.
#[cfg(target_os = "linux")]
pub(super) fn credentials(stream: &UnixStream) -> io::Result<Credentials> {
    let found = rustix::net::sockopt::socket_peercred(stream)?;
    Ok(Credentials { uid: found.uid.as_raw(), pid: Some(found.pid.as_raw_nonzero().get()) })
}

/// The credentials a peer had when it connected.
#[cfg(not(target_os = "linux"))]
pub(super) fn credentials(stream: &UnixStream) -> io::Result<Credentials> {
    use std::os::fd::AsRawFd;

    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the descriptor is open while `stream` is borrowed, and both pointers are to live integers.
    let result = unsafe { libc::getpeereid(stream.as_raw_fd(), &raw mut uid, &raw mut gid) };
    if result == 0 { Ok(Credentials { uid, pid: None }) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_and_root_may_connect() {
        assert!(may_connect(1000, 1000) && may_connect(0, 1000) && may_connect(0, 0));
        assert!(!may_connect(1001, 1000) && !may_connect(1000, 0) && !may_connect(65534, 1000));
    }

    #[test]
    fn the_kernel_knows_a_peer() {
        let (one, _other) = UnixStream::pair().expect("a pair");
        let known = credentials(&one).expect("credentials");
        assert_eq!(known.uid, rustix::process::geteuid().as_raw());
    }
}
