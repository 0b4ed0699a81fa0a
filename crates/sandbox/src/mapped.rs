//! Files of the cache, and memory that many instances begin with, mapped.

#![expect(unsafe_code, reason = "mapped files and compiled code cannot be checked by the compiler")]

use std::{fs::File, io, os::unix::fs::FileExt, path::Path, sync::Arc};

use rustix::mm::{MapFlags, ProtFlags};

/// A file mapped read-only. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Mapped(Arc<memmap2::Mmap>);

impl Mapped {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the file is in the user's private cache, where files are only ever replaced, never changed in place
        // (image.rs); a user who does so breaks their own process only.
        Ok(Mapped(Arc::new(unsafe { memmap2::Mmap::map(&file)? })))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes that are mapped copy-on-write in many places. They are in a file without a name.
pub(crate) struct Shared {
    file: File,
    map: Mapped,
}

/// Bytes written at a time; a choice.
const WRITE_BYTES: usize = 64 << 10;

impl Shared {
    pub(crate) fn new(bytes: &[u8]) -> io::Result<Self> {
        let file = nameless_file()?;
        file.set_len(bytes.len() as u64)?;
        for (index, piece) in bytes.chunks(WRITE_BYTES).enumerate() {
            if piece.iter().any(|byte| *byte != 0) {
                file.write_all_at(piece, (index * WRITE_BYTES) as u64)?;
            }
        }
        // SAFETY: the file has no name, and nothing but this value has its descriptor, which is not written to again.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Shared { file, map: Mapped(Arc::new(map)) })
    }

    /// Makes `target`, of the same length, a private copy: pages are copied when they are written to.
    pub(crate) fn map_over(&self, target: &mut [u8]) -> io::Result<()> {
        if target.len() != self.as_ref().len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let page = rustix::param::page_size();
        if !target.as_ptr().addr().is_multiple_of(page) || !target.len().is_multiple_of(page) {
            // Memory that was not mapped, but allocated.
            target.copy_from_slice(self.as_ref());
            return Ok(());
        }
        let (start, len) = (target.as_mut_ptr().cast(), target.len());
        let (rights, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::FIXED);
        // SAFETY: the whole pages of a slice that is borrowed mutably are replaced by others of the same rights, all of
        // them initialised; whoever mapped the range unmaps it by its address as before.
        let mapped = unsafe { rustix::mm::mmap(start, len, rights, flags, &self.file, 0) };
        mapped.map(drop).map_err(Into::into)
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.map.as_ref()
    }
}

/// A file of this process alone, in memory where the system offers that.
fn nameless_file() -> io::Result<File> {
    #[cfg(target_os = "linux")]
    if let Ok(file) = rustix::fs::memfd_create("keelback-image", rustix::fs::MemfdFlags::CLOEXEC) {
        return Ok(file.into());
    }
    tempfile::tempfile()
}

/// Maps compiled code.
pub(crate) fn module(engine: &wasmtime::Engine, path: &Path) -> wasmtime::Result<wasmtime::Module> {
    // SAFETY: the caller checked that the file is the one this program wrote with the same engine, settings and CPU,
    // in a folder that no one else may write to.
    unsafe { wasmtime::Module::deserialize_file(engine, path) }
}
