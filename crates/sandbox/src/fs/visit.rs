//! What the host may look at: a session's files as its guest sees them, without the library and the packages.

use super::{FileSystem, FileType, MountKind, OpenHow, errno::Errno, library::LIBRARY_PATH};
use crate::packages::PACKAGES_PATH;

/// The preopen, as in `wasi/`: paths are absolute all the same.
const ROOT_FD: u32 = 3;

/// Paths that are looked at for each file that may be found; a choice.
const LOOKS_A_FILE: usize = 10;

/// A file of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// Its absolute path in the guest.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub modified: u64,
}

/// Why a file of a session could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ReadError {
    #[error("there is no file `{path}`")]
    NotFound { path: String },
    #[error("`{path}` is {bytes} bytes long, more than the {limit} that may be read at once")]
    TooLarge { path: String, bytes: u64, limit: u64 },
    #[error("cannot read `{path}` (errno {errno})")]
    Failed { path: String, errno: u16 },
}

impl FileSystem {
    /// Files in scratch folders and granted ones, sorted by path within each folder, at most `max` of them. Symlinks are
    /// not followed.
    pub(crate) fn files(&mut self, max: usize) -> Vec<FileInfo> {
        let hidden = |path: &str| {
            [LIBRARY_PATH, PACKAGES_PATH]
                .iter()
                .any(|hidden| path.strip_prefix(hidden).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        };
        let scratch_first = |mount: &super::Mount| (!matches!(mount.kind, MountKind::Scratch(_)), mount.guest.clone());
        let mut roots: Vec<_> = self.mounts.iter().map(scratch_first).filter(|(_, path)| !hidden(path)).collect();
        roots.sort();
        let (mut found, mut looked_at) = (Vec::new(), 0);
        for (_, root) in &roots {
            let mut folders = vec![root.clone()];
            while let Some(path) = folders.pop() {
                // A tree of folders without files ends the search as well.
                looked_at += 1;
                if found.len() >= max || looked_at > LOOKS_A_FILE.saturating_mul(max) {
                    return found;
                }
                let Ok(stat) = self.stat("/", &path, false) else { continue };
                match stat.file_type {
                    FileType::File => found.push(FileInfo { path, bytes: stat.size, modified: stat.modified }),
                    FileType::Directory => {
                        let entries = self.list(&path).unwrap_or_default();
                        let children = entries.iter().rev().map(|entry| format!("{path}/{}", entry.name));
                        // A mount below another is a root itself.
                        folders.extend(children.filter(|child| !roots.iter().any(|(_, root)| root == child)));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// The bytes of a file, at most `max`. The library and packages can be read as by the guest.
    pub(crate) fn read_file(&mut self, path: &str, max: u64) -> Result<Vec<u8>, ReadError> {
        let failed = |errno: Errno| match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::INVAL => ReadError::NotFound { path: path.to_owned() },
            errno => ReadError::Failed { path: path.to_owned(), errno: errno.0 },
        };
        let stat = self.stat("/", path, true).map_err(failed)?;
        if stat.file_type != FileType::File || !path.starts_with('/') {
            return Err(ReadError::NotFound { path: path.to_owned() });
        }
        if stat.size > max {
            return Err(ReadError::TooLarge { path: path.to_owned(), bytes: stat.size, limit: max });
        }
        let fd = self.open(ROOT_FD, path, OpenHow { read: true, ..OpenHow::default() }, true).map_err(failed)?;
        let mut bytes = vec![0; stat.size as usize];
        let mut len = 0;
        let result = loop {
            match self.read(fd, Some(len as u64), &mut bytes[len..]) {
                Ok(0) => break Ok(()),
                Ok(read) => len += read,
                Err(errno) => break Err(failed(errno)),
            }
        };
        let _ = self.close(fd);
        bytes.truncate(len);
        result.map(|()| bytes)
    }
}
