//! Files of the cache, and memory that many instances begin with, mapped.

#![expect(unsafe_code, reason = "mapped files and compiled code cannot be checked by the compiler")]

#[cfg(unix)]
#[path = "mapped/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "mapped/windows.rs"]
mod system;

use std::{fs::File, io, path::Path, sync::Arc};

pub(crate) use self::system::Shared;

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

/// Maps compiled code.
pub(crate) fn module(engine: &wasmtime::Engine, path: &Path) -> wasmtime::Result<wasmtime::Module> {
    // SAFETY: the caller checked that the file is the one this program wrote with the same engine, settings and CPU,
    // in a folder that no one else may write to.
    unsafe { wasmtime::Module::deserialize_file(engine, path) }
}
