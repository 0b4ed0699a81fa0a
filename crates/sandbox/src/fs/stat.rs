//! What is known of a file, whatever it lives on.

/// 2025-06-11 00:00 UTC in nanoseconds: the time of everything that has none of its own, and the start of a
/// deterministic clock.
pub(crate) const EPOCH: u64 = 1_749_600_000_000_000_000;

/// Kinds of files, with WASI's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FileType {
    /// Pipes and devices, which a guest can only see.
    Special = 0,
    Directory = 3,
    File = 4,
    Symlink = 7,
}

/// Metadata; times in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) file_type: FileType,
    pub(crate) links: u64,
    pub(crate) size: u64,
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    pub(crate) changed: u64,
}

impl Stat {
    /// One link, no bytes, all times at [`EPOCH`].
    pub(crate) fn new(device: u64, inode: u64, file_type: FileType) -> Self {
        Stat { device, inode, file_type, links: 1, size: 0, accessed: EPOCH, modified: EPOCH, changed: EPOCH }
    }
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) inode: u64,
    pub(crate) file_type: FileType,
}

/// New times; None leaves a time as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    pub(crate) accessed: Option<u64>,
    pub(crate) modified: Option<u64>,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OpenHow {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) create: bool,
    /// With `create`: the file must be new.
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    pub(crate) directory: bool,
}

impl OpenHow {
    /// Whether the file or its directory would change.
    pub(crate) fn changes(self) -> bool {
        self.write || self.append || self.create || self.truncate
    }
}
