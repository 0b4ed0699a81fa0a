//! Unix: sockets in the file system, owners, modes and process numbers.

use std::{
    env,
    fs::{File, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

pub(crate) use std::os::unix::net::UnixStream;

/// An end of a pair by which one thread wakes another.
pub type Waker = UnixStream;

/// Both ends.
///
/// # Errors
/// When there are no sockets to be had.
pub fn waker_pair() -> io::Result<(Waker, Waker)> {
    UnixStream::pair()
}

/// The folder in which servers are found: below `XDG_RUNTIME_DIR`, else one of the user's own among temporary files.
pub(crate) fn runtime_folder() -> PathBuf {
    let named = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute() && path.is_dir());
    match named {
        Some(path) => path.join("keelback"),
        None => env::temp_dir().join(format!("keelback-{}", rustix::process::getuid().as_raw())),
    }
}

/// Whether only the user can change what is in the folder of which this is known.
pub(crate) fn is_private(_: &Path, known: &Metadata) -> io::Result<bool> {
    Ok(known.uid() == rustix::process::geteuid().as_raw() && known.mode() & 0o022 == 0)
}

/// Opens a file to append to. One that is new has mode 0600; that of one which is there is its owner's choice.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // The umask may have taken something away.
            file.set_permissions(Permissions::from_mode(0o600))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.create(true).open(path),
        Err(error) => Err(error),
    }
}

pub(crate) fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}
