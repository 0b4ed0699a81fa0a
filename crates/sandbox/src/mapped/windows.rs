//! Memory that many instances begin with, as bytes that each copies: a view of a file cannot take the place of memory that
//! the engine has reserved.

use std::io;

/// Bytes that are copied to many places.
pub(crate) struct Shared(Box<[u8]>);

impl Shared {
    pub(crate) fn new(bytes: &[u8]) -> io::Result<Self> {
        Ok(Shared(bytes.into()))
    }

    /// Makes `target`, of the same length, a copy.
    pub(crate) fn map_over(&self, target: &mut [u8]) -> io::Result<()> {
        if target.len() != self.0.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        target.copy_from_slice(&self.0);
        Ok(())
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
