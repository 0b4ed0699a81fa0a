//! Files of Unix: what opening them takes, what is known of them.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, PermissionsExt as _},
    path::{Path, PathBuf},
};

use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _, PermissionsExt as _};
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};

use super::{
    super::{
        errno::{Errno, Result},
        stat::{OpenHow, Times},
    },
    Known,
};

/// Grants may lie in one another: a name has one spelling.
pub(in super::super) const NAMES_ARE_EXACT: bool = true;

/// Times may be set on a file that is open in any way.
pub(super) const SETTING_TIMES_WRITES: bool = false;

/// A path below a grant, as the system takes it.
pub(super) fn path(relative: &str) -> io::Result<&Path> {
    Ok(Path::new(relative))
}

/// A path of the system, as a guest sees it.
pub(super) fn guest_path(path: PathBuf) -> Result<String> {
    path.into_os_string().into_string().map_err(|_| Errno::ILSEQ)
}

/// Opens one name of a folder, and follows no symlink.
pub(super) fn open_name(parent: &Dir, name: &str, how: OpenHow) -> io::Result<File> {
    let access = match (how.read, how.write || how.append || how.truncate) {
        (_, false) => OFlags::RDONLY,
        (false, true) => OFlags::WRONLY,
        (true, true) => OFlags::RDWR,
    };
    let append = if how.append { OFlags::APPEND } else { OFlags::empty() };
    let flags = access | append | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(parent, name, flags, Mode::empty())?))
}

/// A pipe with nobody at its other end must not block.
pub(super) fn never_block(options: &mut OpenOptions) {
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
}

pub(super) fn entry_metadata(entry: &DirEntry) -> io::Result<Metadata> {
    entry.metadata()
}

pub(super) fn known(metadata: &Metadata) -> Known {
    Known {
        device: metadata.dev(),
        inode: metadata.ino(),
        links: metadata.nlink(),
        accessed: nanoseconds(metadata.atime(), metadata.atime_nsec()),
        modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(nanoseconds.max(0).unsigned_abs())
}

pub(in super::super) fn create_symlink(dir: &Dir, target: &str, path: &Path) -> io::Result<()> {
    dir.symlink_contents(target, path)
}

/// Gives a file the permission bits of the one it replaces.
pub(in super::super) fn copy_permissions(metadata: &Metadata, file: &File) -> io::Result<()> {
    let mode = metadata.permissions().mode() & 0o777;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

pub(super) fn set_directory_times(dir: &Dir, path: &Path, times: Times) -> io::Result<()> {
    // `.` in it, for the handle itself may be one that only names the directory.
    let dir = dir.open_dir(path)?;
    Ok(rustix::fs::utimensat(&dir, ".", &timestamps(times), AtFlags::empty())?)
}

pub(super) fn set_times(file: &File, times: Times) -> io::Result<()> {
    Ok(rustix::fs::futimens(file, &timestamps(times))?)
}

fn timestamps(times: Times) -> Timestamps {
    let stamp = |time: Option<u64>| match time {
        Some(time) => Timespec { tv_sec: (time / 1_000_000_000) as i64, tv_nsec: (time % 1_000_000_000) as _ },
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    };
    Timestamps { last_access: stamp(times.accessed), last_modification: stamp(times.modified) }
}

/// Reads from a file of the host at an offset of our own, so that handles can be shared.
pub(crate) fn read_at(file: &File, offset: u64, target: &mut [u8]) -> Result<usize> {
    Ok(file.read_at(target, offset)?)
}

/// Writes likewise; the handle of an appending descriptor was opened so.
pub(crate) fn write_at(file: &File, offset: u64, source: &[u8]) -> Result<usize> {
    Ok(file.write_at(source, offset)?)
}
