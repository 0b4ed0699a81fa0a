//! The state of a session as data: in memory for forks and checkpoints, in a file for other processes. Images with
//! imports have files of the same form.
//!
//! A file is a header (magic and version, image, length and hash of the rest) and the rest in postcard's format. It is
//! trusted with no more than a guest is: a file made up by an enemy can at worst be a hostile guest.

use std::{
    fs::File,
    io::{self, IoSlice, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::{
    Limits,
    fs::{FileSystem, FilesError, FilesSnapshot},
    image,
    imports::{About, Image, ImageName},
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

/// Where the linear memory differs from the image, and the registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemoryMap {
    /// Bytes of linear memory.
    pub(crate) len: u64,
    pub(crate) stack_pointer: i32,
    /// Indices of the pages kept, ascending.
    pub(crate) pages: Vec<u32>,
}

impl MemoryMap {
    /// The pages kept, as few slices of `memory`, which is the whole of it.
    fn slices<'a>(&self, memory: &'a [u8]) -> Vec<&'a [u8]> {
        let runs = self.pages.chunk_by(|page, next| page + 1 == *next);
        runs.map(|run| &memory[run[0] as usize * PAGE..][..run.len() * PAGE]).collect()
    }
}

/// A state of the linear memory and the registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemoryImage<'a> {
    pub(crate) map: &'a MemoryMap,
    /// The bytes of its pages, one after the other.
    pub(crate) bytes: &'a [u8],
}

/// What a session goes back to.
pub(crate) struct Checkpoint {
    pub(crate) memory: Arc<(MemoryMap, Vec<u8>)>,
    pub(crate) fs: FileSystem,
    pub(crate) time: Time,
    pub(crate) cells: u64,
}

/// What is in a file. The bytes of the pages stay where they were read: there are many of them.
#[derive(Deserialize)]
pub(crate) struct Snapshot<'a> {
    pub(crate) map: MemoryMap,
    #[serde(borrow, with = "serde_bytes")]
    pub(crate) bytes: &'a [u8],
    pub(crate) files: FilesSnapshot,
    pub(crate) time: Time,
    pub(crate) cells: u64,
    /// What the memory differs from; None for the plain image.
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

/// What is written to a file. The memory is that of the guest itself: a copy would cost as much as the file.
pub(crate) struct Saved<'a> {
    pub(crate) map: MemoryMap,
    /// All of it.
    pub(crate) memory: &'a [u8],
    pub(crate) files: FilesSnapshot,
    pub(crate) time: Time,
    pub(crate) cells: u64,
    pub(crate) image: Option<&'a ImageName>,
}

impl Saved<'_> {
    /// Writes a new file and moves it into place. What follows the header is a [`Snapshot`] as postcard has it.
    pub(crate) fn write(&self, path: &Path) -> Result<(), SnapshotError> {
        let rest = (&self.files, &self.time, self.cells, self.image);
        write_file(path, MAGIC, &self.map, self.memory, &rest)
    }
}

/// Reads a file, unless what it holds must need more memory than `limits` allow.
pub(crate) fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, SnapshotError> {
    // Memory, scratch files and what describes them cannot be more than this.
    read_file(path, limits.memory_bytes.saturating_add(limits.scratch_bytes).saturating_mul(2))
}

impl<'a> Snapshot<'a> {
    /// Refuses what is not whole and this version's, and what needs more memory than `limits` allow. `path` is for
    /// messages.
    pub(crate) fn decode(bytes: &'a [u8], path: &Path, limits: &Limits) -> Result<Self, SnapshotError> {
        let foreign = || SnapshotError::Foreign { path: path.to_owned() };
        let snapshot: Snapshot<'a> = decode(bytes, path, MAGIC, foreign)?;
        MemoryImage { map: &snapshot.map, bytes: snapshot.bytes }.check(path, limits.memory_bytes)?;
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

/// What is in a file of an image with imports.
#[derive(Deserialize)]
pub(crate) struct SavedImage<'a> {
    pub(crate) map: MemoryMap,
    #[serde(borrow, with = "serde_bytes")]
    pub(crate) bytes: &'a [u8],
    pub(crate) about: About,
}

/// As [`Saved::write`], for a [`SavedImage`] of which `memory` is all the memory.
pub(crate) fn write_image(path: &Path, map: &MemoryMap, memory: &[u8], about: &About) -> Result<(), SnapshotError> {
    write_file(path, IMAGE_MAGIC, map, memory, about)
}

/// As [`read`].
pub(crate) fn read_image(path: &Path) -> Result<Vec<u8>, SnapshotError> {
    read_file(path, IMAGE_BYTES_MAX * 2)
}

impl<'a> SavedImage<'a> {
    /// As [`Snapshot::decode`].
    pub(crate) fn decode(bytes: &'a [u8], path: &Path) -> Result<Self, SnapshotError> {
        let foreign = || SnapshotError::NoImage { path: path.to_owned() };
        let image: SavedImage<'a> = decode(bytes, path, IMAGE_MAGIC, foreign)?;
        MemoryImage { map: &image.map, bytes: image.bytes }.check(path, IMAGE_BYTES_MAX)?;
        Ok(image)
    }
}

impl MemoryImage<'_> {
    /// Whether it makes sense: nothing in it can be relied on before.
    fn check(&self, path: &Path, limit: u64) -> Result<(), SnapshotError> {
        let MemoryMap { len, pages, .. } = self.map;
        if *len > limit {
            return Err(SnapshotError::Memory { needed: *len, limit });
        }
        let ascending = pages.is_sorted_by(|a, b| a < b);
        let within = pages.last().is_none_or(|last| (u64::from(*last) + 1) * PAGE as u64 <= *len);
        let fits = len.is_multiple_of(1 << 16) && self.bytes.len() == pages.len() * PAGE;
        if ascending && within && fits {
            return Ok(());
        }
        Err(SnapshotError::Damaged { path: path.to_owned(), reason: "its pages do not fit its memory" })
    }
}

/// Writes a header, and behind it what postcard makes of `map`, the bytes of its pages and `rest`.
fn write_file(
    path: &Path,
    magic: &[u8; 8],
    map: &MemoryMap,
    memory: &[u8],
    rest: &impl Serialize,
) -> Result<(), SnapshotError> {
    let failed = |action| move |source| SnapshotError::File { action, path: path.to_owned(), source };
    let unwritten = |_| SnapshotError::Damaged { path: path.to_owned(), reason: "it cannot be written" };
    let pages = map.slices(memory);
    let pages_len: usize = pages.iter().map(|slice| slice.len()).sum();
    let mut front = postcard::to_extend(map, vec![0; HEADER_BYTES]).map_err(unwritten)?;
    front = postcard::to_extend(&pages_len, front).map_err(unwritten)?;
    let back = postcard::to_allocvec(rest).map_err(unwritten)?;
    let (header, map) = front.split_at_mut(HEADER_BYTES);
    let mut hasher = Xxh3::new();
    [&*map].iter().chain(&pages).chain([&back.as_slice()]).for_each(|slice| hasher.update(slice));
    let len = map.len() + pages_len + back.len();
    header[..8].copy_from_slice(magic);
    header[8..24].copy_from_slice(&image::id().to_le_bytes());
    header[24..32].copy_from_slice(&(len as u64).to_le_bytes());
    header[32..48].copy_from_slice(&hasher.digest128().to_le_bytes());
    let slices = [front.as_slice()].into_iter().chain(pages).chain([back.as_slice()]);
    let mut slices: Vec<IoSlice<'_>> = slices.map(IoSlice::new).collect();
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut write = || {
        write_slices(&mut File::create(&temporary)?, &mut slices)?;
        std::fs::rename(&temporary, path)
    };
    write().inspect_err(|_| _ = std::fs::remove_file(&temporary)).map_err(failed("write"))
}

/// Writes all of `slices`.
fn write_slices(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut slices, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
fn decode<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
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
        let map = MemoryMap { len: 1 << 16, stack_pointer: 7, pages: vec![1, 3, 4] };
        let memory: Vec<u8> = (0..1 << 16).map(|at| (at / PAGE) as u8).collect();
        let (files, time) = (FilesSnapshot::default(), Time::default());
        let saved = Saved { map, memory: &memory, files, time, cells: 4, image: None };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("s.kbs");
        saved.write(&path).expect("it can be written");
        std::fs::read(&path).expect("it was written")
    }

    fn decode(bytes: &[u8]) -> Result<Snapshot<'_>, SnapshotError> {
        Snapshot::decode(bytes, Path::new("s.kbs"), &Limits::default())
    }

    #[test]
    fn a_file_comes_back() {
        let file = sample();
        let Snapshot { map, bytes, cells, .. } = decode(&file).expect("whole");
        assert_eq!((cells, map.len, map.stack_pointer, map.pages), (4, 1 << 16, 7, vec![1, 3, 4]));
        assert!(bytes.chunks(PAGE).zip([1, 3, 4]).all(|(page, index)| page == [index; PAGE]));
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
