//! A socket in the file system that only its owner reaches.

use std::{
    fs::{self, DirBuilder, File, Metadata, Permissions},
    io::{self, ErrorKind},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::super::listen::ListenError;

pub(in super::super) use std::os::unix::net::UnixListener;

/// The longest path of a socket, in bytes: what `sockaddr_un` holds on macOS, with a zero; Linux has four more.
pub(in super::super) const PATH_MAX: usize = 103;

/// A socket in the file system, to be removed while it is the one that was made.
#[derive(Debug)]
pub(in super::super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    pub(in super::super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the socket, unless something else has taken its place.
    pub(in super::super) fn remove(&self) {
        let is_ours = |found: Metadata| found.dev() == self.device && found.ino() == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`, in a folder that only the user can change.
pub(in super::super) fn listen(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    let own = |source| ListenError::Socket { path: path.into(), source };
    if path.as_os_str().len() > PATH_MAX {
        return Err(ListenError::TooLong { path: path.into() });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let opened = private_folder(folder)?;
    // Two servers that start at once must not both find the same stale socket. Without locks on this file system
    // the check is as good as it can be.
    let _ = flock(&opened, FlockOperation::LockExclusive);
    remove_stale(path)?;
    let listener = bind(path).map_err(own)?;
    let made = fs::symlink_metadata(path).map_err(own)?;
    let file = SocketFile { path: path.into(), device: made.dev(), inode: made.ino() };
    Ok((listener, file))
}

/// The folder of a socket, made if it is missing; only its owner can change what is in it.
fn private_folder(path: &Path) -> Result<File, ListenError> {
    let failed = |source| ListenError::Folder { path: path.into(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let folder = File::open(path).map_err(failed)?;
    let found = folder.metadata().map_err(failed)?;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(ListenError::ForeignFolder { path: path.into(), uid: found.uid() });
    }
    if found.mode() & 0o022 != 0 {
        return Err(ListenError::OpenFolder { path: path.into(), mode: found.mode() & 0o7777 });
    }
    Ok(folder)
}

/// Removes a socket on which nobody listens.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |source| ListenError::Socket { path: path.into(), source };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !found.file_type().is_socket() {
        return Err(ListenError::NoSocket { path: path.into() });
    }
    match try_connect(path) {
        Err(rustix::io::Errno::CONNREFUSED) => fs::remove_file(path).map_err(failed),
        // Accepted, or too many wait to be: somebody listens.
        Ok(()) | Err(rustix::io::Errno::AGAIN) => Err(ListenError::InUse { path: path.into() }),
        Err(error) => Err(failed(error.into())),
    }
}

fn try_connect(path: &Path) -> rustix::io::Result<()> {
    let stream = socket()?;
    rustix::net::connect(&stream, &rustix::net::SocketAddrUnix::new(path.as_os_str().as_bytes())?)
}

/// A Unix socket that does not block.
fn socket() -> rustix::io::Result<UnixStream> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket.into())
}

/// A socket that only its owner can connect to, from its beginning.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let socket = socket()?;
    // Linux makes the file with the mode of the socket; elsewhere the folder protects it for the moment until chmod.
    #[cfg(target_os = "linux")]
    rustix::fs::fchmod(&socket, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(path.as_os_str().as_bytes())?)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, 128)?;
    Ok(std::os::fd::OwnedFd::from(socket).into())
}

#[cfg(test)]
mod tests {
    use super::{super::super::listen::Listener, *};

    /// A folder for sockets; its path is short.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::Builder::new().prefix("kb").tempdir().expect("a folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("own folder");
        folder
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("there").mode() & 0o777
    }

    #[test]
    fn folder_and_socket_are_for_their_owner() {
        let outer = folder();
        let path = outer.path().join("new/socket");
        let listener = Listener::unix(&path).expect("listens");
        assert_eq!((mode(path.parent().expect("a folder")), mode(&path)), (0o700, 0o600));
        assert_eq!((listener.address(), listener.key()), (path.display().to_string(), None));
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let folder = folder();
        for (open, is_refused) in [(0o770, true), (0o702, true), (0o755, false), (0o700, false)] {
            fs::set_permissions(folder.path(), Permissions::from_mode(open)).expect("own folder");
            let result = Listener::unix(&folder.path().join(format!("{open:o}")));
            assert_eq!(matches!(result, Err(ListenError::OpenFolder { .. })), is_refused, "{open:o}: {result:?}");
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else() {
        let folder = folder();
        let path = folder.path().join("s");
        let first = Listener::unix(&path).expect("listens");
        assert!(matches!(Listener::unix(&path), Err(ListenError::InUse { .. })));
        drop(first);
        let second = Listener::unix(&path).expect("replaces what nobody listens on");
        drop(second);
        fs::remove_file(&path).expect("there");
        fs::write(&path, "precious").expect("own folder");
        assert!(matches!(Listener::unix(&path), Err(ListenError::NoSocket { .. })));
        assert_eq!(fs::read(&path).expect("still there"), b"precious");
        let long = folder.path().join("x".repeat(200));
        assert!(matches!(Listener::unix(&long), Err(ListenError::TooLong { .. })));
    }

    #[test]
    fn only_its_own_socket_is_removed() {
        let folder = folder();
        let path = folder.path().join("s");
        let (_listener, file) = listen(&path).expect("listens");
        fs::rename(&path, folder.path().join("aside")).expect("own folder");
        fs::write(&path, "another").expect("own folder");
        file.remove();
        assert!(path.exists());
        fs::rename(folder.path().join("aside"), &path).expect("own folder");
        file.remove();
        assert!(!path.exists());
    }
}
