//! Who is at the other end of a Unix socket.
#![expect(unsafe_code, reason = "the kernel's word has no safe form that allows for a peer without a pid")]

use std::{
    io,
    os::{fd::AsRawFd, unix::net::UnixStream},
};

/// What the kernel knows of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Credentials {
    uid: u32,
    /// Where the kernel tells it, and the peer is not in another pid namespace.
    pid: Option<i32>,
}

impl std::fmt::Display for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "uid {}", self.uid)?;
        self.pid.map_or(Ok(()), |pid| write!(formatter, " pid {pid}"))
    }
}

/// The name of a peer that may connect, or why it may not.
pub(in super::super) fn admit(stream: &UnixStream) -> io::Result<Result<String, String>> {
    let known = credentials(stream)?;
    let admitted = may_connect(known.uid, rustix::process::geteuid().as_raw());
    Ok(if admitted { Ok(known.to_string()) } else { Err(format!("{known}: another user")) })
}

/// Whether a user may connect: the owner of this process, and root, who could read its memory anyway.
fn may_connect(peer_uid: u32, own_uid: u32) -> bool {
    peer_uid == own_uid || peer_uid == 0
}

/// The credentials a peer had when it connected.
#[cfg(target_os = "linux")]
fn credentials(stream: &UnixStream) -> io::Result<Credentials> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let size = size_of::<libc::ucred>();
    let mut length = libc::socklen_t::try_from(size).expect("a few bytes");
    // SAFETY: the descriptor is open while `stream` is borrowed; the option's value is a `ucred`, and `length` says how
    // much room there is.
    let result = unsafe {
        let value = (&raw mut found).cast();
        libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, value, &raw mut length)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if length as usize != size {
        return Err(io::Error::other("the kernel tells no credentials"));
    }
    Ok(Credentials { uid: found.uid, pid: Some(found.pid).filter(|pid| *pid > 0) })
}

/// The credentials a peer had when it connected.
#[cfg(not(target_os = "linux"))]
fn credentials(stream: &UnixStream) -> io::Result<Credentials> {
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
