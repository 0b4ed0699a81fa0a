//! The error numbers of WASI preview 1, and how errors of the host become them.

use std::io;

#[cfg(unix)]
#[path = "errno/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "errno/windows.rs"]
mod system;

/// What a failed call tells the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) u16);

// Numbers: `errno` in WASI preview 1 (witx, typenames).
impl Errno {
    pub(crate) const ACCES: Self = Errno(2);
    pub(crate) const AGAIN: Self = Errno(6);
    pub(crate) const BADF: Self = Errno(8);
    pub(crate) const BUSY: Self = Errno(10);
    pub(crate) const EXIST: Self = Errno(20);
    pub(crate) const FAULT: Self = Errno(21);
    pub(crate) const FBIG: Self = Errno(22);
    pub(crate) const ILSEQ: Self = Errno(25);
    pub(crate) const INTR: Self = Errno(27);
    pub(crate) const INVAL: Self = Errno(28);
    pub(crate) const IO: Self = Errno(29);
    pub(crate) const ISDIR: Self = Errno(31);
    pub(crate) const LOOP: Self = Errno(32);
    pub(crate) const MFILE: Self = Errno(33);
    pub(crate) const NAMETOOLONG: Self = Errno(37);
    pub(crate) const NOENT: Self = Errno(44);
    pub(crate) const NOSPC: Self = Errno(51);
    pub(crate) const NOTDIR: Self = Errno(54);
    pub(crate) const NOTEMPTY: Self = Errno(55);
    pub(crate) const NOTSOCK: Self = Errno(57);
    pub(crate) const NOTSUP: Self = Errno(58);
    pub(crate) const PERM: Self = Errno(63);
    pub(crate) const SPIPE: Self = Errno(70);
    pub(crate) const XDEV: Self = Errno(75);
}

pub(crate) type Result<T> = std::result::Result<T, Errno>;

impl From<io::Error> for Errno {
    /// Only the kind of an error crosses to the guest: its text may name host paths.
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::NotFound => Errno::NOENT,
            // Also what cap-std answers when a path would lead out of its folder.
            Kind::PermissionDenied => Errno::ACCES,
            Kind::AlreadyExists => Errno::EXIST,
            Kind::InvalidInput | Kind::InvalidFilename => Errno::INVAL,
            Kind::Interrupted => Errno::INTR,
            Kind::NotADirectory => Errno::NOTDIR,
            Kind::IsADirectory => Errno::ISDIR,
            Kind::DirectoryNotEmpty => Errno::NOTEMPTY,
            Kind::ReadOnlyFilesystem => Errno::ACCES,
            Kind::StorageFull | Kind::QuotaExceeded => Errno::NOSPC,
            Kind::FileTooLarge => Errno::FBIG,
            Kind::ResourceBusy => Errno::BUSY,
            Kind::WouldBlock => Errno::AGAIN,
            Kind::CrossesDevices => Errno::XDEV,
            Kind::Unsupported => Errno::NOTSUP,
            _ => error.raw_os_error().and_then(system::errno).unwrap_or(Errno::IO),
        }
    }
}
