//! Memory that many instances begin with, as a file that each maps for itself.

use std::{fs::File, io, os::unix::fs::FileExt};

use memmap2::Mmap;
use rustix::mm::{MapFlags, ProtFlags};

/// Bytes that are mapped copy-on-write in many places. They are in a file without a name.
pub(crate) struct Shared {
    file: File,
    map: Mmap,
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
        let map = unsafe { Mmap::map(&file)? };
        Ok(Shared { file, map })
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
        &self.map
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
