//! Random bytes: the machine's, or the same ones for the same seed.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::fs::{Errno, Result};

/// Where random bytes come from.
#[derive(Debug)]
pub(crate) enum Random {
    /// The operating system.
    System,
    /// A stream that its seed and position determine.
    Seeded(Box<ChaCha20Rng>),
}

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Random::Seeded(Box::new(ChaCha20Rng::seed_from_u64(seed)))
    }

    pub(super) fn fill(&mut self, target: &mut [u8]) -> Result<()> {
        match self {
            Random::System => getrandom::fill(target).map_err(|_| Errno::IO),
            Random::Seeded(stream) => {
                stream.fill_bytes(target);
                Ok(())
            }
        }
    }

    /// How much of a stream is used up.
    pub(super) fn position(&self) -> u128 {
        match self {
            Random::System => 0,
            Random::Seeded(stream) => stream.get_word_pos(),
        }
    }

    pub(super) fn set_position(&mut self, position: u128) {
        if let Random::Seeded(stream) = self {
            stream.set_word_pos(position);
        }
    }
}
