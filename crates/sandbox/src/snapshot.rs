//! The state of a session as data: in memory for forks and checkpoints, in a file for other processes. Images with
//! imports have files of the same form.
//!
//! A file is a header (magic and version, image, length and hash of the rest) and the rest in postcard's format. It is
//! trusted with no more than a guest is: a file made up by an enemy can at worst be a hostile guest.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    Limits,
    fs::{FileSystem, FilesError, FilesSnapshot},
    image,
    imports::{Image, ImageName, SavedImage},
    pages::PAGE,
    wasi::Time,
};

/// Magic and version; the version changes with what follows it.
const MAGIC: &[u8; 8] = b"KBSNAP\x00\x02";
/// The same for images with imports.
const IMAGE_MAGIC: &[u8; 8] = b"KBIMAG\x00\x01";
const HEADER_BYTES: usize = 8 + 16 + 8 + 16;
/// Bytes of linear memory an image may have; a choice, as each process keeps them.
const IMAGE_BYTES_MAX: u64 = 1 << 30;

/// The linear memory where it differs from the image, and the registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemoryImage {
    /// Bytes of linear memory.
    pub(crate) len: u64,
    pub(crate) stack_pointer: i32,
    /// Indices of the pages kept, ascending.
    pub(crate) pages: Vec<u32>,
    /// Their bytes, one after the other.
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
}

/// What a session goes back to.
pub(crate) struct Checkpoint {
    pub(crate) memory: Arc<MemoryImage>,
    pub(crate) fs: FileSystem,
    pub(crate) time: Time,
    pub(crate) cells: u64,
}

/// What is saved to a file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) memory: Arc<MemoryImage>,
    pub(crate) files: FilesSnapshot,
    pub(crate) time: Time,
    pub(crate) cells: u64,
    /// What `memory` differs from; None for the plain image.
    pub(crate) image: Option<ImageName>,
}

/// Why a session cannot be saved, forked or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum SnapshotError {
    #[error("a call of tool `{name}` is under way, which cannot be in two places")]
    ToolCall { name: String },
    #[error("a network connection to `{name}` is open, which cannot be in two places")]
    Connection { name: String },
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("cannot {action} `{}`", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("`{}` is not a snapshot of a session", path.display())]
    Foreign { path: PathBuf },
    #[error("`{}` is not an image with imports", path.display())]
    NoImage { path: PathBuf },
    #[error("`{}` was saved by another version: its format is {found}, this program's is {expected}", path.display())]
    Version { path: PathBuf, found: u8, expected: u8 },
    #[error("`{}` was saved with another guest image", path.display())]
    OtherImage { path: PathBuf },
    #[error("`{}` was saved with {saved}, and is to be loaded with {given}", path.display())]
    OtherImports { path: PathBuf, saved: String, given: String },
    #[error("`{}` ends after {found} of {expected} bytes", path.display())]
    Truncated { path: PathBuf, found: u64, expected: u64 },
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: &'static str },
    #[error("the session needs {needed} bytes of memory; the limit is {limit}")]
    Memory { needed: u64, limit: u64 },
}

impl Snapshot {
    /// Writes a new file and moves it into place.
    pub(crate) fn write(&self, path: &Path) -> Result<(), SnapshotError> {
        write_file(path, MAGIC, self)
    }

    /// Reads a file; refuses what is not whole and this version's, and what needs more memory than `limits` allow.
    pub(crate) fn read(path: &Path, limits: &Limits) -> Result<Self, SnapshotError> {
        // Memory, scratch files and what describes them cannot be more than this.
        let bytes = read_file(path, (limits.memory_bytes.saturating_add(limits.scratch_bytes)).saturating_mul(2))?;
        Self::decode(&bytes, path, limits)
    }

    fn decode(bytes: &[u8], path: &Path, limits: &Limits) -> Result<Self, SnapshotError> {
        let foreign = || SnapshotError::Foreign { path: path.to_owned() };
        let snapshot: Snapshot = decode(bytes, path, MAGIC, foreign)?;
        snapshot.memory.check(path, limits.memory_bytes)?;
        Ok(snapshot)
    }

    /// Refuses any image but the one the session was saved with: what is saved is the difference.
    pub(crate) fn check_image(&self, path: &Path, given: Option<&Image>) -> Result<(), SnapshotError> {
        let given = given.map(Image::name);
        if self.image.as_ref() == given {
            return Ok(());
        }
        let text = |name: Option<&ImageName>| name.map_or("the plain image".to_owned(), ToString::to_string);
        let (saved, given) = (text(self.image.as_ref()), text(given));
        Err(SnapshotError::OtherImports { path: path.to_owned(), saved, given })
    }
}

impl SavedImage {
    /// As [`Snapshot::write`].
    pub(crate) fn write(&self, path: &Path) -> Result<(), SnapshotError> {
        write_file(path, IMAGE_MAGIC, self)
    }

    /// As [`Snapshot::read`].
    pub(crate) fn read(path: &Path) -> Result<Self, SnapshotError> {
        let bytes = read_file(path, IMAGE_BYTES_MAX * 2)?;
        let foreign = || SnapshotError::NoImage { path: path.to_owned() };
        let image: SavedImage = decode(&bytes, path, IMAGE_MAGIC, foreign)?;
        image.memory.check(path, IMAGE_BYTES_MAX)?;
        Ok(image)
    }
}

impl MemoryImage {
    /// Whether it makes sense: nothing in it can be relied on before.
    fn check(&self, path: &Path, limit: u64) -> Result<(), SnapshotError> {
        if self.len > limit {
            return Err(SnapshotError::Memory { needed: self.len, limit });
        }
        let ascending = self.pages.is_sorted_by(|a, b| a < b);
        let within = self.pages.last().is_none_or(|last| (u64::from(*last) + 1) * PAGE as u64 <= self.len);
        let fits = self.len.is_multiple_of(1 << 16) && self.bytes.len() == self.pages.len() * PAGE;
        if ascending && within && fits {
            return Ok(());
        }
        Err(SnapshotError::Damaged { path: path.to_owned(), reason: "its pages do not fit its memory" })
    }
}

fn write_file(path: &Path, magic: &[u8; 8], content: &impl Serialize) -> Result<(), SnapshotError> {
    let failed = |action| move |source| SnapshotError::File { action, path: path.to_owned(), source };
    let mut bytes = vec![0; HEADER_BYTES];
    bytes = postcard::to_extend(content, bytes)
        .map_err(|_| SnapshotError::Damaged { path: path.to_owned(), reason: "it cannot be written" })?;
    let (header, body) = bytes.split_at_mut(HEADER_BYTES);
    header[..8].copy_from_slice(magic);
    header[8..24].copy_from_slice(&image::id().to_le_bytes());
    header[24..32].copy_from_slice(&(body.len() as u64).to_le_bytes());
    header[32..48].copy_from_slice(&xxh3_128(body).to_le_bytes());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || {
        File::create(&temporary)?.write_all(&bytes)?;
        std::fs::rename(&temporary, path)
    };
    write().inspect_err(|_| _ = std::fs::remove_file(&temporary)).map_err(failed("write"))
}

fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, SnapshotError> {
    let failed = |action| move |source| SnapshotError::File { action, path: path.to_owned(), source };
    let file = File::open(path).map_err(failed("open"))?;
    let len = file.metadata().map_err(failed("read"))?.len();
    if len > most {
        return Err(SnapshotError::Memory { needed: len, limit: most });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
    file.take(most).read_to_end(&mut bytes).map_err(failed("read"))?;
    Ok(bytes)
}

/// What follows a header that is right in every respect.
fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    path: &Path,
    magic: &[u8; 8],
    foreign: impl Fn() -> SnapshotError,
) -> Result<T, SnapshotError> {
    let path = || path.to_owned();
    let damaged = |reason| SnapshotError::Damaged { path: path(), reason };
    if bytes.len() < 8 || bytes[..7] != magic[..7] {
        return Err(foreign());
    }
    if bytes[7] != magic[7] {
        return Err(SnapshotError::Version { path: path(), found: bytes[7], expected: magic[7] });
    }
    let truncated = |expected: usize| SnapshotError::Truncated {
        path: path(),
        found: bytes.len() as u64,
        expected: expected as u64,
    };
    let (header, body) = bytes.split_at_checked(HEADER_BYTES).ok_or_else(|| truncated(HEADER_BYTES))?;
    let word = |range: std::ops::Range<usize>| {
        header[range].iter().rev().fold(0u128, |word, byte| word << 8 | u128::from(*byte))
    };
    if word(8..24) != image::id() {
        return Err(SnapshotError::OtherImage { path: path() });
    }
    let len = usize::try_from(word(24..32)).unwrap_or(usize::MAX);
    if body.len() < len {
        return Err(truncated(len.saturating_add(HEADER_BYTES)));
    }
    if body.len() > len {
        return Err(damaged("it goes on after its end"));
    }
    if xxh3_128(body) != word(32..48) {
        return Err(damaged("its checksum is another"));
    }
    postcard::from_bytes(body).map_err(|_| damaged("it cannot be read"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Vec<u8> {
        let memory = MemoryImage { len: 1 << 16, stack_pointer: 7, pages: vec![1, 3], bytes: vec![5; 2 * PAGE] };
        let (files, time) = (FilesSnapshot::default(), Time::default());
        let snapshot = Snapshot { memory: Arc::new(memory), files, time, cells: 4, image: None };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("s.kbs");
        snapshot.write(&path).expect("it can be written");
        std::fs::read(&path).expect("it was written")
    }

    fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
        Snapshot::decode(bytes, Path::new("s.kbs"), &Limits::default())
    }

    #[test]
    fn a_file_comes_back() {
        let snapshot = decode(&sample()).expect("whole");
        assert_eq!((snapshot.cells, snapshot.memory.pages.as_slice()), (4, &[1, 3][..]));
    }

    #[track_caller]
    fn refused(bytes: &[u8], reason: &str) {
        let error = decode(bytes).err().expect("it is refused").to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn what_is_not_whole_is_refused_with_the_reason() {
        let bytes = sample();
        refused(b"PK\x03\x04 something else", "is not a snapshot");
        refused(&bytes[..20], "ends after 20 of 48 bytes");
        refused(&bytes[..bytes.len() - 1], "ends after");
        refused(&[&bytes[..], b"x"].concat(), "goes on after its end");
        let changed = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            bytes
        };
        refused(&changed(7), "another version: its format is 3");
        refused(&changed(8), "another guest image");
        refused(&changed(200), "checksum");
        let small = Limits { memory_bytes: 1 << 15, ..Limits::default() };
        assert!(Snapshot::decode(&bytes, Path::new("s"), &small).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_with_a_right_header_are_a_snapshot_or_an_error(
            body in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut bytes = sample()[..HEADER_BYTES].to_vec();
            bytes[24..32].copy_from_slice(&(body.len() as u64).to_le_bytes());
            bytes[32..48].copy_from_slice(&xxh3_128(&body).to_le_bytes());
            bytes.extend(body);
            let _ = decode(&bytes);
        }
    }
}
