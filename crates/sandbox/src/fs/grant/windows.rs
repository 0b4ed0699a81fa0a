//! Files of Windows: which names a guest may use, what opening files takes, what is known of them.

use std::{
    fs::{File, FileTimes},
    io,
    os::windows::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use cap_fs_ext::{
    DirEntryExt as _, DirExt as _, FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _, SystemTimeSpec,
};
use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt as _, OpenOptions};

use super::{
    super::{
        errno::{Errno, Result},
        stat::{OpenHow, Times},
    },
    Known, names,
};

/// `Data`, `data` and `DATA~1` may be the same folder: a grant below it would hide nothing of it from a guest.
pub(in super::super) const NAMES_ARE_EXACT: bool = false;

/// Who only reads a file cannot set its times.
pub(super) const SETTING_TIMES_WRITES: bool = true;

/// A path below a grant, as the system takes it; refused where it would mean something else (`names.rs`).
pub(super) fn path(relative: &str) -> io::Result<&Path> {
    if names::are_plain(relative) { Ok(Path::new(relative)) } else { Err(io::ErrorKind::InvalidFilename.into()) }
}

/// A path of the system, as a guest sees it.
pub(super) fn guest_path(path: PathBuf) -> Result<String> {
    let path = path.into_os_string().into_string().map_err(|_| Errno::ILSEQ)?;
    Ok(path.replace('\\', "/"))
}

/// Opens one name of a folder, and follows no symlink.
pub(super) fn open_name(parent: &Dir, name: &str, how: OpenHow) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let write = how.write || how.truncate;
    options.read(how.read || !(write || how.append)).write(write).append(how.append);
    options.follow(FollowSymlinks::No);
    Ok(parent.open_with(name, &options)?.into_std())
}

/// Pipes have a place of their own here, outside all folders.
pub(super) fn never_block(_: &mut OpenOptions) {}

/// All of it, for which the file is opened: a folder knows neither the number nor the links of a file.
pub(super) fn entry_metadata(entry: &DirEntry) -> io::Result<Metadata> {
    entry.full_metadata()
}

pub(super) fn known(metadata: &Metadata) -> Known {
    let modified = nanoseconds(metadata.last_write_time());
    Known {
        device: metadata.dev(),
        inode: metadata.ino(),
        links: metadata.nlink(),
        accessed: nanoseconds(metadata.last_access_time()),
        modified,
        // There is no such time here.
        changed: modified,
    }
}

/// Windows counts steps of 100 ns since 1601.
fn nanoseconds(ticks: u64) -> u64 {
    const TICKS_TO_1970: u64 = 11_644_473_600 * 10_000_000;
    ticks.saturating_sub(TICKS_TO_1970).saturating_mul(100)
}

/// Symlinks take a privilege here, and programs follow them by other rules than a guest.
pub(in super::super) fn create_symlink(_: &Dir, _: &str, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A new file has the rights that its folder gives, as one has that an editor writes.
pub(in super::super) fn copy_permissions(_: &Metadata, _: &File) -> io::Result<()> {
    Ok(())
}

pub(super) fn set_directory_times(dir: &Dir, path: &Path, times: Times) -> io::Result<()> {
    let spec = |time: Option<u64>| {
        let time = cap_std::time::SystemTime::from_std(moment(time?));
        Some(SystemTimeSpec::Absolute(time))
    };
    dir.set_times(path, spec(times.accessed), spec(times.modified))
}

pub(super) fn set_times(file: &File, times: Times) -> io::Result<()> {
    let mut stamps = FileTimes::new();
    if let Some(time) = times.accessed {
        stamps = stamps.set_accessed(moment(time));
    }
    if let Some(time) = times.modified {
        stamps = stamps.set_modified(moment(time));
    }
    file.set_times(stamps)
}

fn moment(nanoseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

/// Reads from a file of the host at an offset of our own, so that handles can be shared.
pub(crate) fn read_at(file: &File, offset: u64, target: &mut [u8]) -> Result<usize> {
    Ok(file.seek_read(target, offset)?)
}

/// Writes likewise; the handle of an appending descriptor was opened so.
pub(crate) fn write_at(file: &File, offset: u64, source: &[u8]) -> Result<usize> {
    Ok(file.seek_write(source, offset)?)
}
