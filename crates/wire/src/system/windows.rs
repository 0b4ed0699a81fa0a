//! Windows: its Unix sockets do not tell who is at their other end, so there are none here; files are protected by where
//! they are.

#![expect(unsafe_code, reason = "whether a process lives has no safe form")]

use std::{
    env,
    fs::{File, Metadata, OpenOptions},
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::windows::io::{AsSocket, BorrowedSocket, FromRawHandle, OwnedHandle},
    path::{Path, PathBuf},
    time::Duration,
};

use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION};

/// A connection over a Unix socket, of which there are none.
#[derive(Debug)]
pub enum UnixStream {}

impl UnixStream {
    pub(crate) fn connect(_: impl AsRef<Path>) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "Unix sockets do not tell on Windows who connects: use a server on TCP, which has TLS and a token",
        ))
    }

    pub(crate) fn set_nonblocking(&self, _: bool) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        match *self {}
    }
}

impl Read for UnixStream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl Read for &UnixStream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match **self {}
    }
}

impl Write for UnixStream {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match *self {}
    }
}

impl Write for &UnixStream {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match **self {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match **self {}
    }
}

impl AsSocket for UnixStream {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        match *self {}
    }
}

/// An end of a pair by which one thread wakes another.
pub type Waker = TcpStream;

/// Both ends, over loopback: sockets are all that can be waited for together with sockets.
///
/// # Errors
/// When there are no sockets to be had.
pub fn waker_pair() -> io::Result<(Waker, Waker)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    one.set_nodelay(true)?;
    let own = one.local_addr()?;
    loop {
        // Others could connect to the port as well.
        let (other, from) = listener.accept()?;
        if from == own {
            return Ok((one, other));
        }
    }
}

/// The folder in which servers are found.
pub(crate) fn runtime_folder() -> PathBuf {
    let local = env::var_os("LOCALAPPDATA").filter(|value| !value.is_empty()).map(PathBuf::from);
    let local = local.or_else(|| env::home_dir().map(|home| home.join("AppData").join("Local")));
    local.unwrap_or_else(env::temp_dir).join("keelback").join("run")
}

/// Whether a folder lies in the user's profile, which other users may not write to unless its owner lets them.
pub(crate) fn is_private(folder: &Path, _: &Metadata) -> io::Result<bool> {
    is_in_profile(folder)
}

fn is_in_profile(path: &Path) -> io::Result<bool> {
    let profile = env::home_dir().ok_or(io::ErrorKind::NotFound)?.canonicalize()?;
    Ok(path.canonicalize()?.starts_with(profile))
}

/// Opens a file to append to. It has the rights that its folder gives: it can be read by the user alone in the user's
/// profile, and is refused elsewhere.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if is_in_profile(folder)? {
        return OpenOptions::new().append(true).create(true).open(path);
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not in your profile folder, so others may read it"))
}

/// The number of a process that has ended may still be held by who waits for it.
pub(crate) fn is_alive(pid: u32) -> bool {
    // SAFETY: plain values; the handle, if there is one, is nobody else's.
    unsafe {
        let handle = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid);
        if handle.is_null() {
            return false;
        }
        drop(OwnedHandle::from_raw_handle(handle));
        true
    }
}
