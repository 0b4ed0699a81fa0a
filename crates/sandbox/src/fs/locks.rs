//! Advisory locks on granted files, which SQLite wants. They keep other processes out; a guest is one process and keeps
//! its own connections apart.

use std::{collections::HashMap, fs::File, sync::Arc};

use super::{
    FileSystem,
    errno::{Errno, Result},
    grant::Opened,
    stat::OpenHow,
    table::Object,
};
use crate::file_id::{self, FileId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockKind {
    Shared,
    Exclusive,
    Unlock,
    /// Whether another process holds a lock there.
    Query,
}

/// By device and inode, as POSIX has it: what one descriptor locked another may unlock. The file is opened for this
/// alone, so that the locks last until the last descriptor is closed.
pub(super) type Locks = HashMap<FileId, File>;

fn key(file: &File) -> Result<FileId> {
    file_id::of(file).map_err(Errno::from)
}

impl FileSystem {
    /// Locks `len` bytes at `start`, 0 for all from there on. [`Errno::AGAIN`] when another process is in the way.
    pub(crate) fn lock(&mut self, fd: u32, kind: LockKind, start: u64, len: u64) -> Result<()> {
        let descriptor = self.table.get(fd)?;
        let Object::Host { file, mount } = &descriptor.object else {
            return Ok(()); // nobody else sees it
        };
        let key = key(file)?;
        if !self.locks.contains_key(&key) {
            if kind == LockKind::Unlock {
                return Ok(());
            }
            let (mount, path) = (*mount, Arc::clone(&descriptor.path));
            let file = match self.open_again(mount, &path) {
                // Who may only read a file does not keep others from writing it.
                Err(Errno::ACCES) => return Ok(()),
                file => file?,
            };
            if self::key(&file)? != key {
                return Err(Errno::NOENT); // replaced meanwhile
            }
            self.locks.insert(key, file);
        }
        lock(&self.locks[&key], kind, start, len)
    }

    fn open_again(&self, mount: usize, path: &str) -> Result<File> {
        let relative = path.strip_prefix(self.mounts[mount].guest.as_str()).unwrap_or(path).trim_start_matches('/');
        match self.host(mount)?.open(relative, OpenHow { read: true, write: true, ..OpenHow::default() })? {
            Opened::File { file, .. } => Ok(file),
            Opened::Directory => Err(Errno::ISDIR),
        }
    }

    /// Gives the locks of a file back when its last descriptor is closed.
    pub(super) fn unlock_closed(&mut self, object: &Object) {
        if self.locks.is_empty() {
            return;
        }
        let Object::Host { file, .. } = object else {
            return;
        };
        let Ok(key) = key(file) else {
            return;
        };
        let open = |object: &Object| matches!(object, Object::Host { file, .. } if self::key(file) == Ok(key));
        if !self.table.slots.iter().flatten().any(|descriptor| open(&descriptor.object)) {
            self.locks.remove(&key);
        }
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "locks of open file descriptions have no safe wrapper here")]
fn lock(file: &File, kind: LockKind, start: u64, len: u64) -> Result<()> {
    use std::os::fd::AsRawFd;

    let (Ok(start), Ok(len)) = (i64::try_from(start), i64::try_from(len)) else {
        return Err(Errno::INVAL);
    };
    let lock_type = match kind {
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive | LockKind::Query => libc::F_WRLCK,
        LockKind::Unlock => libc::F_UNLCK,
    };
    let whence = libc::SEEK_SET as i16;
    let mut lock = libc::flock { l_type: lock_type as i16, l_whence: whence, l_start: start, l_len: len, l_pid: 0 };
    let command = if kind == LockKind::Query { libc::F_OFD_GETLK } else { libc::F_OFD_SETLK };
    // SAFETY: the descriptor is open while `file` lives, and the command reads and writes one `flock`.
    if unsafe { libc::fcntl(file.as_raw_fd(), command, &mut lock) } != 0 {
        return Err(Errno::from(std::io::Error::last_os_error()));
    }
    if kind == LockKind::Query && i32::from(lock.l_type) != libc::F_UNLCK { Err(Errno::AGAIN) } else { Ok(()) }
}

/// Elsewhere locks belong to a whole process, in which other sessions run: they would not keep those out. On Windows they
/// would keep out the guest itself, which reads and writes through other handles than this one.
#[cfg(not(target_os = "linux"))]
fn lock(_: &File, _: LockKind, _: u64, _: u64) -> Result<()> {
    Ok(())
}
