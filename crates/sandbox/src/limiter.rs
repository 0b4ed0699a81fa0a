//! The limit on a session's memory.

use std::sync::Arc;

use crate::watch::RunningCell;

/// What a cell may take beyond the limit when the cells before it have left no room, so that it can give something up.
const SPARE_PER_CELL_BYTES: u64 = 1 << 20;
/// How far all cells together may get beyond the limit that way.
const SPARE_BYTES: u64 = 8 << 20;

/// Refuses growth of linear memory beyond the session's limit; CPython then raises MemoryError.
pub(crate) struct Limiter {
    max_bytes: u64,
    /// The limit of this cell.
    ceiling: u64,
    /// Whether this cell has hit it.
    pub(crate) refused: bool,
    cell: Arc<RunningCell>,
}

impl Limiter {
    pub(crate) fn new(max_bytes: u64, cell: Arc<RunningCell>) -> Self {
        Limiter { max_bytes, ceiling: max_bytes, refused: false, cell }
    }

    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Starts a cell of a guest that has `now` bytes.
    pub(crate) fn begin(&mut self, now: u64) {
        self.refused = false;
        self.ceiling = self.max_bytes.max((now + SPARE_PER_CELL_BYTES).min(self.max_bytes + SPARE_BYTES));
    }
}

impl wasmtime::ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired as u64 <= self.ceiling;
        self.refused |= !fits;
        if fits {
            self.cell.memory_grown(desired);
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 1 << 20)
    }
}
