//! The bytes of a file in memory: chunks that forks share until one of them writes, and holes that take no room.

use std::sync::Arc;

use super::errno::{Errno, Result};

/// Small enough that the first write after a fork copies little, large enough that the table stays small.
const CHUNK: usize = 64 << 10;
/// Holes included; bounds the table of chunks, which the budget pays for.
const MAX_LEN: u64 = 16 << 30;
const TABLE_ENTRY_BYTES: u64 = size_of::<Option<Arc<Vec<u8>>>>() as u64;

/// A budget of bytes that files draw on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) used: u64,
    pub(crate) max: u64,
}

impl Budget {
    pub(crate) fn take(&mut self, bytes: u64) -> Result<()> {
        let used = self.used.checked_add(bytes).filter(|used| *used <= self.max).ok_or(Errno::NOSPC)?;
        self.used = used;
        Ok(())
    }

    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }
}

/// A file's bytes. A chunk holds a prefix of its 64 KiB; what is beyond it, and a missing chunk, reads as zeros.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    len: u64,
    chunks: Vec<Option<Arc<Vec<u8>>>>,
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// What it takes from a budget: allocated chunks and the table of them.
    pub(crate) fn cost(&self) -> u64 {
        let chunks: usize = self.chunks.iter().flatten().map(|chunk| chunk.capacity()).sum();
        chunks as u64 + self.chunks.len() as u64 * TABLE_ENTRY_BYTES
    }

    /// Copies bytes from `offset` on; returns how many.
    pub(crate) fn read(&self, offset: u64, target: &mut [u8]) -> usize {
        let len = self.len.saturating_sub(offset).min(target.len() as u64) as usize;
        let mut done = 0;
        while done < len {
            let (index, start) = position(offset + done as u64);
            let piece = &mut target[done..len.min(done + CHUNK - start)];
            let bytes = self.chunks.get(index).and_then(Option::as_deref).map_or(&[][..], Vec::as_slice);
            let bytes = bytes.get(start..).unwrap_or_default();
            let filled = bytes.len().min(piece.len());
            piece[..filled].copy_from_slice(&bytes[..filled]);
            piece[filled..].fill(0);
            done += piece.len();
        }
        len
    }

    /// Writes bytes at `offset`; returns how many fitted, at least one.
    pub(crate) fn write(&mut self, offset: u64, source: &[u8], budget: &mut Budget) -> Result<usize> {
        if source.is_empty() {
            return Ok(0);
        }
        if offset.checked_add(source.len() as u64).is_none_or(|end| end > MAX_LEN) {
            return Err(Errno::FBIG);
        }
        let mut done = 0;
        while done < source.len() {
            let (index, start) = position(offset.checked_add(done as u64).ok_or(Errno::FBIG)?);
            let end = source.len().min(done + CHUNK - start);
            match self.write_chunk(index, start, &source[done..end], budget) {
                Ok(()) => done = end,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            self.len = self.len.max(offset + done as u64);
        }
        Ok(done)
    }

    fn write_chunk(&mut self, index: usize, start: usize, source: &[u8], budget: &mut Budget) -> Result<()> {
        self.grow_table(index + 1, budget)?;
        let slot = &mut self.chunks[index];
        let mut chunk = slot.take().unwrap_or_default();
        let result = fill_chunk(&mut chunk, start, source, budget);
        *slot = (chunk.capacity() > 0).then_some(chunk);
        result
    }

    fn grow_table(&mut self, len: usize, budget: &mut Budget) -> Result<()> {
        if len > self.chunks.len() {
            budget.take((len - self.chunks.len()) as u64 * TABLE_ENTRY_BYTES)?;
            self.chunks.resize(len, None);
        }
        Ok(())
    }

    /// Cuts or extends with a hole.
    pub(crate) fn set_len(&mut self, len: u64, budget: &mut Budget) -> Result<()> {
        if len > self.len {
            if len > MAX_LEN {
                return Err(Errno::FBIG);
            }
            self.grow_table(len.div_ceil(CHUNK as u64) as usize, budget)?;
        } else {
            let before = self.cost();
            let (index, start) = position(len);
            self.chunks.truncate(index + usize::from(start > 0));
            if start > 0
                && let Some(Some(chunk)) = self.chunks.get_mut(index)
                && chunk.len() > start
            {
                // A shorter copy, so that what was cut off is neither kept nor read again.
                *chunk = Arc::new(chunk[..start].to_vec());
            }
            budget.give_back(before.saturating_sub(self.cost()));
        }
        self.len = len;
        Ok(())
    }

    /// The chunks that are no holes, with their indices.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let chunks = self.chunks.iter().enumerate();
        chunks.filter_map(|(index, chunk)| chunk.as_ref().map(|chunk| (index as u32, chunk.as_slice())))
    }

    /// The reverse of [`Content::pieces`], for bytes from anywhere.
    pub(crate) fn from_pieces<'a>(
        len: u64,
        pieces: impl Iterator<Item = (u32, &'a [u8])>,
        budget: &mut Budget,
    ) -> Result<Self> {
        let mut content = Content::default();
        content.set_len(len, budget)?;
        for (index, bytes) in pieces {
            let start = u64::from(index) * CHUNK as u64;
            if bytes.len() > CHUNK || start.checked_add(bytes.len() as u64).is_none_or(|end| end > len) {
                return Err(Errno::INVAL);
            }
            if content.write(start, bytes, budget)? != bytes.len() {
                return Err(Errno::NOSPC);
            }
        }
        Ok(content)
    }
}

fn position(offset: u64) -> (usize, usize) {
    // Offsets are bounded before they come here; on 32-bit hosts saturate rather than wrap.
    (usize::try_from(offset / CHUNK as u64).unwrap_or(usize::MAX - 1), (offset % CHUNK as u64) as usize)
}

fn fill_chunk(chunk: &mut Arc<Vec<u8>>, start: usize, source: &[u8], budget: &mut Budget) -> Result<()> {
    let end = start + source.len();
    let capacity = chunk.capacity();
    if end > capacity {
        let doubled = end.max(capacity * 2).clamp(64, CHUNK);
        let wanted = [doubled, end].into_iter().find(|wanted| budget.take((wanted - capacity) as u64).is_ok());
        let mut grown = Vec::with_capacity(wanted.ok_or(Errno::NOSPC)?);
        grown.extend_from_slice(chunk);
        *chunk = Arc::new(grown);
    } else if Arc::get_mut(chunk).is_none() {
        // Shared with a fork: a copy of the same capacity, so that what the budget counts stays true.
        let mut copy = Vec::with_capacity(capacity);
        copy.extend_from_slice(chunk);
        *chunk = Arc::new(copy);
    }
    let bytes = Arc::get_mut(chunk).ok_or(Errno::IO)?;
    if bytes.len() < start {
        bytes.resize(start, 0);
    }
    let overlap = (bytes.len() - start).min(source.len());
    bytes[start..start + overlap].copy_from_slice(&source[..overlap]);
    bytes.extend_from_slice(&source[overlap..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(max: u64) -> Budget {
        Budget { used: 0, max }
    }

    #[test]
    fn holes_take_no_room_and_read_as_zeros() {
        let mut budget = budget(10 << 20);
        let mut content = Content::default();
        content.set_len(9 << 20, &mut budget).expect("within the budget");
        assert!(budget.used < 10_000, "{budget:?}");
        assert_eq!(content.set_len(1 << 40, &mut budget), Err(Errno::FBIG));
        content.write(5 << 20, b"x", &mut budget).expect("within the budget");
        let mut target = [1; 3];
        assert_eq!(content.read((5 << 20) - 1, &mut target), 3);
        assert_eq!(target, [0, b'x', 0]);
    }

    #[test]
    fn a_write_stops_at_the_end_of_the_budget() {
        let mut budget = budget(100_000);
        let mut content = Content::default();
        let written = content.write(0, &[7; 200_000], &mut budget).expect("some fit");
        assert_eq!(written, CHUNK);
        assert_eq!(content.write(CHUNK as u64, &[7; 200_000], &mut budget), Err(Errno::NOSPC));
        assert_eq!(content.len(), CHUNK as u64);
        content.set_len(0, &mut budget).expect("shrinking always works");
        assert_eq!(budget.used, 0);
    }

    proptest! {
        #[test]
        fn reads_what_was_written(steps in proptest::collection::vec((0u64..200_000, 0usize..90_000, any::<u8>(), 0..6), 1..12)) {
            let mut budget = budget(1 << 30);
            let mut content = Content::default();
            let mut model: Vec<u8> = Vec::new();
            let mut forks: Vec<(Content, Vec<u8>)> = Vec::new();
            for (offset, len, byte, kind) in steps {
                match kind {
                    0 => {
                        content.set_len(offset, &mut budget).expect("room");
                        model.resize(offset as usize, 0);
                    }
                    1 => forks.push((content.clone(), model.clone())),
                    _ if len > 0 => {
                        content.write(offset, &vec![byte; len], &mut budget).expect("room");
                        model.resize(model.len().max(offset as usize + len), 0);
                        model[offset as usize..offset as usize + len].fill(byte);
                    }
                    _ => {}
                }
                prop_assert_eq!(budget.used, content.cost());
            }
            forks.push((content, model));
            for (content, model) in forks {
                let mut bytes = vec![1; model.len() + 10];
                prop_assert_eq!(content.read(0, &mut bytes), model.len());
                prop_assert!(bytes[..model.len()] == model[..]);
                let copy = Content::from_pieces(content.len(), content.pieces(), &mut budget).expect("room");
                let mut again = vec![1; model.len()];
                copy.read(0, &mut again);
                prop_assert!(again == model);
            }
        }
    }
}
