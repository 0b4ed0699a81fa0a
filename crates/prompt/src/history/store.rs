//! The bytes of a history file: its end at once, the rest when it is asked for.

use std::{borrow::Cow, cell::OnceCell, fs::File, io};

use memchr::memmem;

use super::{Cursor, Format, format::whole, fuzzy::Index, os};

/// What is read of a file before the first prompt: more cells than anybody goes through with Up. A choice.
const TAIL_BYTES: u64 = 64 << 10;

/// How much is searched at once on the way back; searching forward in a block is much faster than backward.
const BLOCK_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Store {
    format: Format,
    /// None if there is no more to read than what is here.
    file: Option<File>,
    /// Where `tail` begins in the file, at the start of a record.
    base: u64,
    head: OnceCell<Vec<u8>>,
    tail: Vec<u8>,
    /// For fuzzy searches, once there was one.
    index: OnceCell<Index>,
}

impl Store {
    pub(super) fn empty(format: Format) -> Self {
        Store { format, file: None, base: 0, head: OnceCell::new(), tail: Vec::new(), index: OnceCell::new() }
    }

    pub(super) fn load(file: &File, format: Format) -> io::Result<Self> {
        let mut store = Store { file: Some(file.try_clone()?), ..Store::empty(format) };
        let length = file.metadata()?.len();
        store.base = length.saturating_sub(TAIL_BYTES);
        store.tail = read(file, store.base, length)?;
        if store.base > 0 {
            // The first byte's predecessor is not known, so no boundary is looked for at it.
            match format.boundary(&store.tail, 1).filter(|start| *start < store.tail.len()) {
                Some(start) => {
                    store.tail.drain(..start);
                    store.base += start as u64;
                }
                None => {
                    store.base = 0;
                    store.tail = read(file, 0, length)?;
                }
            }
        }
        store.tail.truncate(whole(format, &store.tail));
        Ok(store)
    }

    /// Where the last whole record ends.
    pub(super) fn end(&self) -> u64 {
        self.base + self.tail.len() as u64
    }

    /// Takes in what was appended to the file. Returns what is after the last whole record.
    pub(super) fn extend(&mut self) -> io::Result<Vec<u8>> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let length = file.metadata()?.len();
        if length <= self.end() {
            return Ok(Vec::new());
        }
        let mut new = read(file, self.end(), length)?;
        let torn = new.split_off(whole(self.format, &new));
        self.tail.extend_from_slice(&new);
        self.index.take();
        Ok(torn)
    }

    /// Goes on in memory alone.
    pub(super) fn detach(&mut self, record: &[u8]) {
        self.head();
        self.file = None;
        self.tail.extend_from_slice(record);
        self.index.take();
    }

    pub(super) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(self))
    }

    fn head(&self) -> &[u8] {
        self.head.get_or_init(|| match &self.file {
            Some(file) if self.base > 0 => {
                // A file that was made shorter meanwhile leaves a gap that no record crosses.
                let mut bytes = read(file, 0, self.base).unwrap_or_default();
                bytes.truncate(whole(self.format, &bytes));
                bytes
            }
            _ => Vec::new(),
        })
    }

    /// The part of the file that holds what ends at `at`, or begins there, and where it begins.
    fn part(&self, at: u64, ends: bool) -> (&[u8], u64) {
        if at > self.base || (at == self.base && !ends) { (&self.tail, self.base) } else { (self.head(), 0) }
    }

    pub(super) fn record(&self, cursor: Cursor) -> &[u8] {
        let (bytes, base) = self.part(cursor.start, false);
        bytes.get((cursor.start - base) as usize..(cursor.end - base) as usize).unwrap_or_default()
    }

    pub(super) fn cell(&self, cursor: Cursor) -> &[u8] {
        self.format.cell(self.record(cursor)).unwrap_or_default()
    }

    pub(super) fn text(&self, cursor: Cursor) -> Cow<'_, str> {
        self.format.text(self.cell(cursor))
    }

    /// The cell that ends at `at` or last before it.
    pub(super) fn before(&self, mut at: u64) -> Option<Cursor> {
        while at > 0 {
            let (bytes, base) = self.part(at, true);
            let end = ((at - base) as usize).min(bytes.len());
            // Back over the mark of the end, whose bytes are looked at again below.
            let start = self.format.boundary_back(bytes, end.saturating_sub(1));
            if self.format.cell(&bytes[start..end]).is_some() {
                return Some(Cursor { start: base + start as u64, end: base + end as u64 });
            }
            at = base + start as u64;
        }
        None
    }

    /// The cell that begins at `at` or first after it.
    pub(super) fn after(&self, mut at: u64) -> Option<Cursor> {
        while at < self.end() {
            let (bytes, base) = self.part(at, false);
            let start = (at - base) as usize;
            match bytes.get(start..).and_then(|_| self.format.boundary(bytes, start)) {
                Some(end) if self.format.cell(&bytes[start..end]).is_some() => {
                    return Some(Cursor { start: at, end: base + end as u64 });
                }
                Some(end) => at = base + end as u64,
                None if base == self.base => return None,
                None => at = self.base,
            }
        }
        None
    }

    /// The newest cell that ends at or before `at` and has `needle` in it.
    pub(super) fn containing_back(&self, needle: &str, mut at: u64) -> Option<Cursor> {
        if needle.is_empty() {
            return self.before(at);
        }
        let needle = self.format.needle(needle);
        let finder = memmem::Finder::new(&needle);
        while at > 0 {
            let (bytes, base) = self.part(at, true);
            let end = ((at - base) as usize).min(bytes.len());
            let Some(hit) = rfind(&finder, &bytes[..end]) else {
                at = base;
                continue;
            };
            let cursor = self.around(bytes, base, hit);
            let found = base + (hit + needle.len()) as u64;
            if self.holds(cursor, found) {
                return Some(cursor);
            }
            // Not in a cell, but there may be another hit before it in the same one.
            at = (found - 1).max(base);
        }
        None
    }

    /// The oldest cell that begins at or after `at` and has `needle` in it.
    pub(super) fn containing_forward(&self, needle: &str, mut at: u64) -> Option<Cursor> {
        if needle.is_empty() {
            return self.after(at);
        }
        let needle = self.format.needle(needle);
        let finder = memmem::Finder::new(&needle);
        while at < self.end() {
            let (bytes, base) = self.part(at, false);
            let start = ((at - base) as usize).min(bytes.len());
            let Some(hit) = finder.find(&bytes[start..]).map(|hit| start + hit) else {
                if base == self.base {
                    return None;
                }
                at = self.base;
                continue;
            };
            let cursor = self.around(bytes, base, hit);
            if self.holds(cursor, base + (hit + needle.len()) as u64) {
                return Some(cursor);
            }
            at = base + hit as u64 + 1;
        }
        None
    }

    /// The newest cell that ends at or before `at` and begins with `prefix`.
    pub(super) fn starting_back(&self, prefix: &str, mut at: u64) -> Option<Cursor> {
        if prefix.is_empty() {
            return self.before(at);
        }
        let mark = self.format.end_mark();
        let needle = [mark, &self.format.needle(prefix)].concat();
        let finder = memmem::Finder::new(&needle);
        while at > 0 {
            let (bytes, base) = self.part(at, true);
            let end = ((at - base) as usize).min(bytes.len());
            // The first record of a part has no mark before it.
            let (hit, start) = match rfind(&finder, &bytes[..end]) {
                Some(hit) => (hit, hit + mark.len()),
                None if end > 0 && bytes.starts_with(&needle[mark.len()..]) => (0, 0),
                None => {
                    at = base;
                    continue;
                }
            };
            let cursor = self.around(bytes, base, start);
            if cursor.start == base + start as u64
                && self.holds(cursor, base + (start + needle.len() - mark.len()) as u64)
            {
                return Some(cursor);
            }
            // In the format of CPython the line may go on one before. The next hit may overlap this one.
            at = if start == 0 { base } else { base + (hit + needle.len() - 1) as u64 };
        }
        None
    }

    /// The record around a place in a part.
    fn around(&self, bytes: &[u8], base: u64, at: usize) -> Cursor {
        let start = self.format.boundary_back(bytes, at);
        // From the start, as the place may be in the middle of the mark.
        let end = self.format.boundary(bytes, start).unwrap_or(bytes.len());
        Cursor { start: base + start as u64, end: base + end as u64 }
    }

    /// Whether a hit that ends at `end` is in the cell of the record, rather than in the mark of its end.
    fn holds(&self, cursor: Cursor, end: u64) -> bool {
        self.format.cell(self.record(cursor)).is_some_and(|cell| end <= cursor.start + cell.len() as u64)
    }
}

/// The last hit, block by block.
fn rfind(finder: &memmem::Finder<'_>, bytes: &[u8]) -> Option<usize> {
    let overlap = finder.needle().len() - 1;
    let mut end = bytes.len();
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        let block = &bytes[start..(end + overlap).min(bytes.len())];
        if let Some(mut hit) = finder.find(block) {
            // Hits may overlap: the last one counts.
            while let Some(next) = finder.find(&block[hit + 1..]) {
                hit += 1 + next;
            }
            return Some(start + hit);
        }
        end = start;
    }
    None
}

fn read(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match os::read_at(file, &mut bytes[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
