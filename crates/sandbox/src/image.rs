//! The guest image: unpacked and compiled once on a machine, then mapped.
//!
//! The cache holds native code, so it is trusted only when it is the user's own folder and each file is as it was
//! written: same size, time and inode as the manifest says, or else the same hash. Whatever is damaged, cut off or
//! foreign is built again. Concurrent starts build once: the others wait at a lock.

use std::{
    fs,
    fs::File,
    hash::{BuildHasher, Hash, Hasher},
    io::{self, Read, Write},
    path::Path,
};

use wasmparser::{DataKind, Operator, Parser, Payload};
use xxhash_rust::xxh3::{Xxh3, Xxh3Builder, xxh3_128};

use crate::{Error, cache, file_id, mapped::Mapped};

/// The image needs 48 MiB to itself and a first cell.
pub(crate) const MIN_MEMORY_BYTES: u64 = 48 << 20;

static PYTHON: &[u8] = include_bytes!("../../../guest/artefact/python.wasm.zst");
static LIBRARY: &[u8] = include_bytes!("../../../guest/artefact/library.pack.zst");
/// Names the image in snapshots and in the cache.
static CHECKSUMS: &str = include_str!("../../../guest/artefact/SHA256SUMS");

/// What the preparation of an engine does, for those who show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Another process compiles the image; this one waits for it.
    Waiting,
    /// The image is being compiled, which takes up to a minute, once on a machine.
    Compiling,
    /// It is done.
    Compiled,
}

/// The guest image, compiled.
pub(crate) struct Compiled {
    pub(crate) module: wasmtime::Module,
    pub(crate) library: Mapped,
    /// Linear memory as a fresh instance has it.
    pub(crate) memory: Mapped,
}

/// A number that names the image: two engines with the same number run each other's snapshots.
pub(crate) fn id() -> u128 {
    xxh3_128(CHECKSUMS.as_bytes())
}

/// Loads the image from the cache, or builds it there.
pub(crate) fn load(engine: &wasmtime::Engine, progress: &mut dyn FnMut(Progress)) -> Result<Compiled, Error> {
    let (root, key) = (cache::folder()?, key(engine));
    let folder = root.join(&key);
    cache::private_folder(&folder)?;
    let manifest = folder.join(cache::MANIFEST);
    if Manifest::read(&manifest).is_some_and(|manifest| manifest.holds(&folder))
        && let Ok(image) = open(engine, &folder)
    {
        cache::mark_used(&folder);
        return Ok(image);
    }
    let _lock = cache::lock(&folder, progress)?;
    // Whoever held the lock may have built it.
    if Manifest::read(&manifest).is_some_and(|manifest| manifest.holds_by_hash(&folder))
        && let Ok(image) = open(engine, &folder)
    {
        write_whole(&manifest, Manifest::of(&folder)?.text().as_bytes())?;
        return Ok(image);
    }
    progress(Progress::Compiling);
    let python = unpack(PYTHON)?;
    let code = engine.precompile_module(&python).map_err(Error::engine)?;
    write_whole(&folder.join("code"), &code)?;
    write_whole(&folder.join("library"), &unpack(LIBRARY)?)?;
    write_whole(&folder.join("memory"), &initial_memory(&python)?)?;
    write_whole(&manifest, Manifest::of(&folder)?.text().as_bytes())?;
    progress(Progress::Compiled);
    // A new version has come: the entries of old ones are of no use any more.
    cache::remove_unused(&root, &key);
    open(engine, &folder)
}

/// The linear memory that a module starts with: its data segments over zeros.
fn initial_memory(module: &[u8]) -> Result<Vec<u8>, Error> {
    let damaged = |reason: &str| Error::Image { reason: reason.to_owned() };
    let mut memory = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| damaged(error.message()))? {
            Payload::MemorySection(section) => {
                let first = section.into_iter().next().ok_or_else(|| damaged("it has no memory"))?;
                let pages = first.map_err(|error| damaged(error.message()))?.initial;
                memory = vec![0; usize::try_from(pages << 16).map_err(|_| damaged("its memory is too large"))?];
            }
            Payload::DataSection(section) => {
                for segment in section {
                    let segment = segment.map_err(|error| damaged(error.message()))?;
                    let DataKind::Active { offset_expr, .. } = segment.kind else {
                        continue;
                    };
                    let Ok(Operator::I32Const { value }) = offset_expr.get_operators_reader().read() else {
                        return Err(damaged("a data segment has no constant place"));
                    };
                    let start = value as u32 as usize;
                    let place = memory.get_mut(start..start.saturating_add(segment.data.len()));
                    place.ok_or_else(|| damaged("a data segment lies outside memory"))?.copy_from_slice(segment.data);
                }
            }
            _ => {}
        }
    }
    Ok(memory)
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, Error> {
    zstd::decode_all(packed).map_err(|error| Error::Image { reason: error.to_string() })
}

fn open(engine: &wasmtime::Engine, folder: &Path) -> Result<Compiled, Error> {
    let module = crate::mapped::module(engine, &folder.join("code")).map_err(Error::engine)?;
    let map = |name| {
        let path = folder.join(name);
        Mapped::open(&path).map_err(cache::failed("open", &path))
    };
    Ok(Compiled { module, library: map("library")?, memory: map("memory")? })
}

/// Image, engine version, its settings and the CPU's features, all of which compiled code depends on.
fn key(engine: &wasmtime::Engine) -> String {
    let mut hasher = Xxh3Builder::new().build_hasher();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.write_u128(id());
    format!("{:016x}", hasher.finish())
}

/// Writes to a new file and renames it, so that no reader sees half of it and mappings of the old one stay.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(cache::failed("write", path))
}

const FILES: [&str; 3] = ["code", "library", "memory"];

/// Size, hash and identity of each file; a hash of the whole at its end.
#[derive(Debug, PartialEq, Eq)]
struct Manifest([Entry; 3]);

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    len: u64,
    hash: u128,
    modified: i128,
    inode: u64,
}

impl Manifest {
    fn of(folder: &Path) -> Result<Self, Error> {
        let entry = |name: &str| {
            let path = folder.join(name);
            Entry::of(&path).map_err(cache::failed("read", &path))
        };
        Ok(Manifest([entry(FILES[0])?, entry(FILES[1])?, entry(FILES[2])?]))
    }

    fn text(&self) -> String {
        let lines = self.0.iter().map(|e| format!("{} {:032x} {} {}\n", e.len, e.hash, e.modified, e.inode));
        let body: String = lines.collect();
        format!("{body}{:032x}\n", xxh3_128(body.as_bytes()))
    }

    /// None when there is none or it is damaged.
    fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let mut entries = text.lines().map(|line| {
            let mut words = line.split(' ');
            Some(Entry {
                len: words.next()?.parse().ok()?,
                hash: u128::from_str_radix(words.next()?, 16).ok()?,
                modified: words.next()?.parse().ok()?,
                inode: words.next()?.parse().ok()?,
            })
        });
        let manifest = Manifest([entries.next()??, entries.next()??, entries.next()??]);
        (manifest.text() == text).then_some(manifest)
    }

    /// Whether the files are the very ones it was written for, by size, time and inode.
    fn holds(&self, folder: &Path) -> bool {
        let mut pairs = self.0.iter().zip(FILES);
        pairs.all(|(entry, name)| file_id::stamp(&folder.join(name)).is_ok_and(|stamp| stamp == entry.stamped()))
    }

    /// Whether they have the same content, read whole.
    fn holds_by_hash(&self, folder: &Path) -> bool {
        self.0.iter().zip(FILES).all(|(entry, name)| entry.hash_is(&folder.join(name)))
    }
}

impl Entry {
    fn of(path: &Path) -> io::Result<Self> {
        let (len, modified, inode) = file_id::stamp(path)?;
        Ok(Entry { len, hash: hash(path)?, modified, inode })
    }

    fn stamped(&self) -> file_id::Stamp {
        (self.len, self.modified, self.inode)
    }

    fn hash_is(&self, path: &Path) -> bool {
        hash(path).is_ok_and(|hash| hash == self.hash)
    }
}

fn hash(path: &Path) -> io::Result<u128> {
    let mut file = File::open(path)?;
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.digest128()),
            len => hasher.update(&buffer[..len]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with_files() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in FILES {
            fs::write(folder.path().join(name), name).expect("a file");
        }
        folder
    }

    #[test]
    fn a_manifest_holds_for_the_files_it_was_written_for() {
        let folder = folder_with_files();
        let manifest = Manifest::of(folder.path()).expect("files are there");
        assert!(manifest.holds(folder.path()) && manifest.holds_by_hash(folder.path()));
        fs::write(folder.path().join("code"), "cod_").expect("a file");
        assert!(!manifest.holds(folder.path()) && !manifest.holds_by_hash(folder.path()));
        // A copy of the right content is a different file, found right by its hash.
        fs::rename(folder.path().join("code"), folder.path().join("old")).expect("a file");
        fs::write(folder.path().join("code"), "code").expect("a file");
        assert!(!manifest.holds(folder.path()) && manifest.holds_by_hash(folder.path()));
        fs::remove_file(folder.path().join("library")).expect("a file");
        assert!(!manifest.holds(folder.path()));
    }

    #[test]
    fn a_damaged_manifest_counts_as_none() {
        let folder = folder_with_files();
        let manifest = Manifest::of(folder.path()).expect("files are there");
        let path = folder.path().join("manifest");
        let text = manifest.text();
        fs::write(&path, &text).expect("a file");
        assert_eq!(Manifest::read(&path), Some(manifest));
        for damaged in ["", &text[..text.len() - 1], &text.replacen('4', "5", 1)] {
            fs::write(&path, damaged).expect("a file");
            assert_eq!(Manifest::read(&path), None, "{damaged:?}");
        }
    }
}
