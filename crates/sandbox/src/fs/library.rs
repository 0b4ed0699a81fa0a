//! The read-only archive the standard library travels in (docs/guest-abi.md). Nothing is parsed before it is asked for:
//! a lookup is a binary search in the bytes.

use std::{cmp::Ordering, sync::Arc};

use super::{
    errno::{Errno, Result},
    stat::{Entry, FileType, Stat},
};

const MAGIC: &[u8; 8] = b"KBLIB001";
const HEADER_BYTES: usize = 12;
const RECORD_BYTES: usize = 20;
const DEVICE: u64 = 2;

/// Where the guest sees it.
pub(crate) const LIBRARY_PATH: &str = "/usr/lib/python3.13";

/// An archive. Cheap to clone. Bytes that are none make an empty one; out-of-range offsets make empty files.
#[derive(Clone)]
pub(crate) struct Library(Arc<dyn AsRef<[u8]> + Send + Sync>);

/// One file or directory of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) index: u32,
    pub(crate) is_directory: bool,
    start: u32,
    len: u32,
}

impl Record {
    pub(crate) fn stat(&self) -> Stat {
        let file_type = if self.is_directory { FileType::Directory } else { FileType::File };
        Stat { size: self.len.into(), ..Stat::new(DEVICE, u64::from(self.index) + 1, file_type) }
    }
}

impl Library {
    pub(crate) fn new(bytes: Arc<impl AsRef<[u8]> + Send + Sync + 'static>) -> Self {
        Library(bytes)
    }

    fn bytes(&self) -> &[u8] {
        (*self.0).as_ref()
    }

    fn count(&self) -> u32 {
        let bytes = self.bytes();
        if !bytes.starts_with(MAGIC) {
            return 0;
        }
        let records = (bytes.len().saturating_sub(HEADER_BYTES) / RECORD_BYTES) as u32;
        word(bytes, 8).min(records)
    }

    fn words(&self, index: u32) -> [u32; 5] {
        let start = HEADER_BYTES + index as usize * RECORD_BYTES;
        std::array::from_fn(|word_index| word(self.bytes(), start + word_index * 4))
    }

    fn path(&self, index: u32) -> &[u8] {
        let [start, len, ..] = self.words(index);
        self.slice(start, len)
    }

    fn slice(&self, start: u32, len: u32) -> &[u8] {
        let (start, len) = (start as usize, len as usize);
        start.checked_add(len).and_then(|end| self.bytes().get(start..end)).unwrap_or_default()
    }

    fn record(&self, index: u32) -> Record {
        let [_, _, kind, start, len] = self.words(index);
        let is_directory = kind == 1;
        // A length beyond the archive is no length.
        let len = if is_directory { 0 } else { self.slice(start, len).len() as u32 };
        Record { index, is_directory, start, len }
    }

    /// The first record at or after `path` in the order of the archive.
    fn lower_bound(&self, compare: impl Fn(&[u8]) -> Ordering) -> u32 {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if compare(self.path(middle)) == Ordering::Less { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// What is at `path`, an absolute guest path.
    pub(crate) fn find(&self, path: &str) -> Option<Record> {
        let key = path.trim_start_matches('/').as_bytes();
        let index = self.lower_bound(|other| other.cmp(key));
        (index < self.count() && self.path(index) == key).then(|| self.record(index))
    }

    /// Copies bytes of a file from `offset` on; returns how many.
    pub(crate) fn read(&self, record: &Record, offset: u64, target: &mut [u8]) -> usize {
        let bytes = self.slice(record.start, record.len);
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        let len = rest.len().min(target.len());
        target[..len].copy_from_slice(&rest[..len]);
        len
    }

    /// The names in a directory.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Entry>> {
        if !self.find(path).is_some_and(|record| record.is_directory) {
            return Err(Errno::NOTDIR);
        }
        let mut prefix = path.trim_start_matches('/').as_bytes().to_vec();
        prefix.push(b'/');
        let mut entries = Vec::new();
        let mut index = self.lower_bound(|other| other.cmp(&prefix));
        while index < self.count()
            && let Some(name) = self.path(index).strip_prefix(prefix.as_slice())
        {
            if !name.contains(&b'/')
                && let Ok(name) = std::str::from_utf8(name)
            {
                let stat = self.record(index).stat();
                entries.push(Entry { name: name.to_owned(), inode: stat.inode, file_type: stat.file_type });
            }
            index += 1;
        }
        Ok(entries)
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Packs files and directories, for tests.
#[cfg(test)]
pub(crate) fn pack(entries: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut sorted = entries.to_vec();
    sorted.sort();
    let mut bytes = MAGIC.to_vec();
    bytes.extend((sorted.len() as u32).to_le_bytes());
    let mut heap: Vec<u8> = Vec::new();
    let base = HEADER_BYTES + sorted.len() * RECORD_BYTES;
    for (path, content) in &sorted {
        let path_start = base + heap.len();
        heap.extend(path.as_bytes());
        let data_start = base + heap.len();
        heap.extend(content.unwrap_or_default().as_bytes());
        let kind = usize::from(content.is_none());
        for number in [path_start, path.len(), kind, data_start, content.unwrap_or_default().len()] {
            bytes.extend((number as u32).to_le_bytes());
        }
    }
    bytes.extend(heap);
    bytes
}

/// A small library, for tests.
#[cfg(test)]
pub(crate) fn sample() -> Library {
    Library::new(Arc::new(pack(&[
        ("usr", None),
        ("usr/lib", None),
        ("usr/lib/python3.13", None),
        ("usr/lib/python3.13/os.py", Some("import abc\n")),
        ("usr/lib/python3.13/json", None),
        ("usr/lib/python3.13/json/__init__.py", Some("x")),
        ("usr/lib/python3.13/json-like.py", Some("")),
    ])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_are_found_and_read_by_path() {
        let library = sample();
        let record = library.find("/usr/lib/python3.13/os.py").expect("it is packed");
        let mut target = [0; 32];
        assert_eq!(library.read(&record, 7, &mut target), 4);
        assert_eq!(&target[..4], b"abc\n");
        assert_eq!(library.read(&record, u64::MAX, &mut target), 0);
        assert_eq!(library.find("/usr/lib/python3.13/os"), None);
        assert_eq!(library.find("/"), None);
    }

    #[test]
    fn a_listing_has_the_names_of_one_level() {
        let names = |path| {
            let entries = sample().list(path).expect("a directory");
            entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
        };
        assert_eq!(names("/usr/lib/python3.13"), ["json", "json-like.py", "os.py"]);
        assert_eq!(names("/usr/lib/python3.13/json"), ["__init__.py"]);
        assert_eq!(sample().list("/usr/lib/python3.13/os.py"), Err(Errno::NOTDIR));
    }

    proptest! {
        #[test]
        fn damaged_archives_give_wrong_answers_at_worst(at in 0usize..200, byte: u8, cut in 0usize..400) {
            let mut bytes = pack(&[("usr", None), ("usr/a", Some("text")), ("usr/b", Some(""))]);
            if let Some(target) = bytes.get_mut(at) { *target = byte }
            bytes.truncate(cut);
            let library = Library::new(Arc::new(bytes));
            for path in ["/usr", "/usr/a", "/usr/b", "/x"] {
                if let Some(record) = library.find(path) {
                    library.read(&record, 1, &mut [0; 9]);
                }
                let _ = library.list(path);
            }
        }
    }
}
