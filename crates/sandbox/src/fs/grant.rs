//! Host files and folders: what may be granted, and every access to them. Reviewed together with `resolve.rs`, which
//! decides what a guest path means. Folders are reached through cap-std, which never leaves them, whatever symlinks are
//! in the way; single files by their last name, never through a symlink.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, Metadata, OpenOptions},
};

use super::{
    errno::{Errno, Result},
    library::LIBRARY_PATH,
    stat::{FileType, OpenHow, Stat, Times},
};
use crate::file_id;

#[cfg(any(windows, test))]
mod names;
#[cfg(unix)]
#[path = "grant/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "grant/windows.rs"]
mod system;

pub(super) use self::system::{NAMES_ARE_EXACT, copy_permissions, create_symlink};
pub(crate) use self::system::{read_at, write_at};

/// What a guest may do with a granted path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// Read.
    Read,
    /// Read and change; the host's files change at once.
    Write,
    /// Change a copy that is written back when a cell ends well.
    WriteSync,
    /// Change a copy that never reaches the host.
    WriteCopy,
}

/// One host file or folder at a guest path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// On the host. A symlink is followed once, when the grant is made.
    pub(crate) host: PathBuf,
    /// Absolute path the guest sees.
    pub(crate) guest: String,
    /// What the guest may do there.
    pub(crate) access: Access,
}

/// Why something cannot be granted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum GrantError {
    #[error("cannot open `{}` for guest path `{guest}`", host.display())]
    Open { host: PathBuf, guest: String, source: io::Error },
    #[error("`{}` is neither a file nor a folder", host.display())]
    Special { host: PathBuf },
    #[error("guest path `{guest}` must be absolute, without `..`, and shorter than 4096 bytes")]
    GuestPath { guest: String },
    #[error("guest path `{guest}` is taken by the sandbox itself (`{taken}`)")]
    Reserved { guest: String, taken: &'static str },
    #[error("guest path `{guest}` is granted twice: `{}` and `{}`", first.display(), second.display())]
    Twice { guest: String, first: PathBuf, second: PathBuf },
    #[error(
        "guest path `{inner}` lies below `{outer}`, from which it keeps nothing: names have several spellings here"
    )]
    Nested { inner: String, outer: String },
    #[error("guest path `{inner}` lies below `{outer}`, which is a file (`{}`)", host.display())]
    BelowFile { inner: String, outer: String, host: PathBuf },
}

/// The canonical form of a grant's guest path.
pub(crate) fn guest_path(guest: &str) -> std::result::Result<String, GrantError> {
    let wrong = || GrantError::GuestPath { guest: guest.to_owned() };
    let mut path = String::new();
    for name in guest.strip_prefix('/').ok_or_else(wrong)?.split('/').filter(|name| !matches!(*name, "" | ".")) {
        if name == ".." || name.len() > 255 || name.contains('\0') {
            return Err(wrong());
        }
        path.push('/');
        path.push_str(name);
    }
    if path.len() >= 4096 {
        return Err(wrong());
    }
    if path.is_empty() {
        return Err(GrantError::Reserved { guest: guest.to_owned(), taken: "/" });
    }
    if path.strip_prefix(LIBRARY_PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(GrantError::Reserved { guest: guest.to_owned(), taken: LIBRARY_PATH });
    }
    Ok(path)
}

/// What the system knows of a file besides its type and size. Times in nanoseconds since 1970.
struct Known {
    device: u64,
    inode: u64,
    links: u64,
    accessed: u64,
    modified: u64,
    changed: u64,
}

enum Root {
    Folder(Dir),
    File { parent: Dir, name: String },
}

/// A granted file or folder: the live handle. All paths are relative to it; `""` is the grant itself.
pub(crate) struct Host {
    root: Root,
    pub(crate) access: Access,
    /// Shown to the guest as device number, in place of the host's.
    device: u64,
    root_device: u64,
}

/// What opening gave.
pub(crate) enum Opened {
    Directory,
    File { file: File, created: bool },
}

impl Host {
    pub(crate) fn open_grant(grant: &Grant, index: usize) -> std::result::Result<Self, GrantError> {
        let failed = |source| GrantError::Open { host: grant.host.clone(), guest: grant.guest.clone(), source };
        let path = grant.host.canonicalize().map_err(failed)?;
        let metadata = path.metadata().map_err(failed)?;
        let root = if metadata.is_dir() {
            Root::Folder(Dir::open_ambient_dir(&path, ambient_authority()).map_err(failed)?)
        } else if metadata.is_file() {
            let name = path.file_name().and_then(|name| name.to_str());
            let (Some(parent), Some(name)) = (path.parent(), name) else {
                return Err(failed(io::ErrorKind::InvalidFilename.into()));
            };
            Root::File {
                parent: Dir::open_ambient_dir(parent, ambient_authority()).map_err(failed)?,
                name: name.into(),
            }
        } else {
            return Err(GrantError::Special { host: grant.host.clone() });
        };
        let (root_device, _) = file_id::of_path(&path).map_err(failed)?;
        let host = Host { root, access: grant.access, device: 16 + index as u64, root_device };
        if let Root::File { .. } = host.root {
            let how = OpenHow { read: true, write: grant.access == Access::Write, ..OpenHow::default() };
            host.open_any("", how).map_err(failed)?;
        }
        Ok(host)
    }

    pub(crate) fn is_folder(&self) -> bool {
        matches!(self.root, Root::Folder(_))
    }

    /// The folder and the path in it; cap-std wants `.` for the folder itself.
    fn at<'a>(&self, relative: &'a str) -> Result<(&Dir, &'a Path)> {
        match &self.root {
            Root::Folder(dir) => Ok((dir, system::path(if relative.is_empty() { "." } else { relative })?)),
            Root::File { .. } => Err(Errno::NOTDIR),
        }
    }

    /// As [`Host::at`], for changes.
    fn change<'a>(&self, relative: &'a str) -> Result<(&Dir, &'a Path)> {
        if self.access == Access::Write { self.at(relative) } else { Err(Errno::ACCES) }
    }

    pub(crate) fn stat(&self, relative: &str, follow: bool) -> Result<Stat> {
        let metadata = match &self.root {
            Root::Folder(dir) if relative.is_empty() => dir.dir_metadata()?,
            Root::File { parent, name } if relative.is_empty() => parent.symlink_metadata(name)?,
            _ if follow => self.at(relative).and_then(|(dir, path)| Ok(dir.metadata(path)?))?,
            _ => self.at(relative).and_then(|(dir, path)| Ok(dir.symlink_metadata(path)?))?,
        };
        Ok(self.describe(&metadata))
    }

    fn describe(&self, metadata: &Metadata) -> Stat {
        let file_type = match metadata.file_type() {
            kind if kind.is_dir() => FileType::Directory,
            kind if kind.is_file() => FileType::File,
            kind if kind.is_symlink() => FileType::Symlink,
            _ => FileType::Special,
        };
        // A grant may span file systems; folded in, their device numbers keep inode numbers apart.
        let known = system::known(metadata);
        let inode = known.inode ^ (known.device ^ self.root_device).rotate_left(32);
        Stat {
            links: known.links,
            size: if file_type == FileType::Special { 0 } else { metadata.len() },
            accessed: known.accessed,
            modified: known.modified,
            changed: known.changed,
            ..Stat::new(self.device, inode, file_type)
        }
    }

    pub(crate) fn stat_file(&self, file: &File) -> Result<Stat> {
        Ok(self.describe(&Metadata::from_file(file)?))
    }

    /// Opens a file, or finds a directory. Never blocks, whatever is there.
    pub(crate) fn open(&self, relative: &str, how: OpenHow) -> Result<Opened> {
        if how.changes() && self.access != Access::Write {
            return Err(Errno::ACCES);
        }
        let (existed, metadata) = match self.stat(relative, true) {
            Ok(stat) => (true, Some(stat)),
            Err(Errno::NOENT) if how.create => (false, None),
            Err(error) => return Err(error),
        };
        if existed && how.create && how.exclusive {
            return Err(Errno::EXIST);
        }
        match metadata.map(|stat| stat.file_type) {
            Some(FileType::Directory) if how.write || how.append || how.truncate => {
                return Err(Errno::ISDIR);
            }
            Some(FileType::Directory) => return Ok(Opened::Directory),
            // Looked at before it is opened, since opening a device may do things; and again after, see below.
            Some(FileType::Special) => return Err(Errno::ACCES),
            Some(FileType::Symlink) => return Err(Errno::LOOP),
            _ if how.directory => return Err(Errno::NOTDIR),
            _ => {}
        }
        let file = self.open_any(relative, how)?;
        if how.truncate {
            file.set_len(0)?;
        }
        Ok(Opened::File { file, created: !existed })
    }

    fn open_any(&self, relative: &str, how: OpenHow) -> io::Result<File> {
        let file = match &self.root {
            Root::File { parent, name } if relative.is_empty() => {
                // One name, no symlink followed: nothing beside the file can be reached.
                system::open_name(parent, name, how)?
            }
            Root::File { .. } => return Err(io::ErrorKind::NotADirectory.into()),
            Root::Folder(dir) => {
                let write = how.write || how.truncate || (how.create && !how.append);
                let mut options = OpenOptions::new();
                options.read(how.read || !(write || how.append)).write(write).append(how.append);
                options.create(how.create).create_new(how.create && how.exclusive);
                system::never_block(&mut options);
                dir.open_with(system::path(relative)?, &options)?.into_std()
            }
        };
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(file)
    }

    /// The names in a directory, sorted; those that are not UTF-8 are left out.
    pub(crate) fn list(&self, relative: &str) -> Result<Vec<(String, Stat)>> {
        let (dir, path) = self.at(relative)?;
        let mut entries = Vec::new();
        for entry in dir.read_dir(path)? {
            let entry = entry?;
            // Names that go away meanwhile are no error.
            if let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), system::entry_metadata(&entry)) {
                entries.push((name, self.describe(&metadata)));
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    /// `relative` without symlinks, still below the grant.
    pub(crate) fn canonical(&self, relative: &str) -> Result<String> {
        let (dir, path) = self.at(relative)?;
        let path = system::guest_path(dir.canonicalize(path)?)?;
        Ok(if path == "." { String::new() } else { path })
    }

    pub(crate) fn read_link(&self, relative: &str) -> Result<String> {
        let (dir, path) = self.at(relative)?;
        system::guest_path(dir.read_link_contents(path)?)
    }

    pub(crate) fn create_directory(&self, relative: &str) -> Result<()> {
        let (dir, path) = self.change(relative)?;
        Ok(dir.create_dir(path)?)
    }

    pub(crate) fn remove_directory(&self, relative: &str) -> Result<()> {
        let (dir, path) = self.change(relative)?;
        Ok(dir.remove_dir(path)?)
    }

    pub(crate) fn remove_file(&self, relative: &str) -> Result<()> {
        let (dir, path) = self.change(relative)?;
        Ok(dir.remove_file(path)?)
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (dir, from) = self.change(from)?;
        Ok(dir.rename(from, dir, to)?)
    }

    pub(crate) fn link(&self, from: &str, to: &str) -> Result<()> {
        // The second name of a symlink could stand where the symlink leads out.
        if self.stat(from, false)?.file_type != FileType::File {
            return Err(Errno::PERM);
        }
        let (dir, from) = self.change(from)?;
        Ok(dir.hard_link(from, dir, to)?)
    }

    /// Only symlinks that stay inside: others would not lead this guest out, but programs of the host that follow them.
    pub(crate) fn symlink(&self, target: &str, relative: &str) -> Result<()> {
        let (dir, path) = self.change(relative)?;
        let parent = relative.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !stays_inside(&self.canonical(parent)?, target) {
            return Err(Errno::ACCES);
        }
        Ok(create_symlink(dir, target, path)?)
    }

    pub(crate) fn set_times(&self, relative: &str, times: Times) -> Result<()> {
        if self.access != Access::Write {
            return Err(Errno::ACCES);
        }
        if self.stat(relative, true)?.file_type == FileType::Directory {
            let (dir, path) = self.at(relative)?;
            return Ok(system::set_directory_times(dir, path, times)?);
        }
        let how = OpenHow { read: true, write: system::SETTING_TIMES_WRITES, ..OpenHow::default() };
        let file = self.open_any(relative, how)?;
        self.set_file_times(&file, times)
    }

    pub(crate) fn set_file_times(&self, file: &File, times: Times) -> Result<()> {
        if self.access != Access::Write {
            return Err(Errno::ACCES);
        }
        Ok(system::set_times(file, times)?)
    }

    /// The folder that takes temporary files, and the path in it of what `relative` names. For `sync.rs` alone, which
    /// writes copies back; nothing a guest calls comes here.
    pub(super) fn sync_target<'a>(&'a self, relative: &'a str) -> io::Result<(&'a Dir, &'a Path)> {
        match &self.root {
            Root::Folder(dir) if !relative.is_empty() => Ok((dir, system::path(relative)?)),
            Root::File { parent, name } if relative.is_empty() => Ok((parent, Path::new(name))),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

/// Whether a symlink in `parent` with this target leads, name by name, to something in the same grant.
pub(super) fn stays_inside(parent: &str, target: &str) -> bool {
    let mut depth = parent.split('/').filter(|name| !name.is_empty()).count();
    if target.starts_with('/') || target.is_empty() {
        return false;
    }
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    true
}

/// The time now, for what has no clock of its own.
pub(crate) fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
