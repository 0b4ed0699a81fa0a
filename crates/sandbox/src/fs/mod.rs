//! The files a guest sees: one tree of mounts under a virtual root, and the table of open files. Nothing of the host is
//! in it but what was granted.
//!
//! `resolve.rs` says what a path means and `grant.rs` is every access to the host; both decide about permission and
//! nothing else here does. `paths.rs` has the calls that take a path, `table.rs` those that take an open file.

mod content;
mod errno;
mod grant;
mod library;
mod locks;
mod paths;
mod resolve;
mod saved;
mod scratch;
mod stat;
mod sync;
mod table;
#[cfg(test)]
mod tests;
mod visit;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

pub(crate) use errno::{Errno, Result};
pub use grant::GrantError;
pub(crate) use grant::wall_clock;
pub(crate) use grant::{Access, Grant};
pub(crate) use library::Library;
pub(crate) use locks::LockKind;
pub use saved::FilesError;
pub(crate) use saved::FilesSnapshot;
pub(crate) use stat::{EPOCH, FileType, OpenHow, Stat, Times};
pub(crate) use table::Stdio;
pub use visit::{FileInfo, ReadError};

use grant::Host;
use locks::Locks;
use scratch::{Data, FileNode, Kind, Lower, NodeId, Tree};
use stat::Entry;
use table::Table;

/// Granted paths a cell changed are remembered up to this many; a choice.
const MAX_CHANGES: usize = 65_536;

/// What a file system may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FsLimits {
    /// Bytes of files in memory, with 512 for each name.
    pub(crate) max_scratch_bytes: u64,
    /// Open files, standard streams and the preopen included.
    pub(crate) max_open_files: usize,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It has other bytes.
    Modified,
    /// It is gone.
    Deleted,
}

/// A granted file that a cell changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path in the guest.
    pub guest_path: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// Its size now; 0 when it is gone.
    pub bytes: u64,
}

enum MountKind {
    Library,
    Scratch(NodeId),
    Host(Host),
    /// A copy of a granted file or folder in the tree, read from the host as it is needed.
    Copy {
        host: Host,
        root: NodeId,
    },
}

struct Mount {
    /// Absolute, canonical, never `/`.
    guest: String,
    kind: MountKind,
}

/// The files of one session.
pub(crate) struct FileSystem {
    library: Library,
    mounts: Arc<Vec<Mount>>,
    tree: Tree,
    table: Table,
    locks: Locks,
    /// Listings of directories being read, the newest last; see `table.rs`.
    listings: VecDeque<(u32, Arc<Vec<Entry>>)>,
    /// Granted paths changed since the cell began.
    changes: BTreeMap<String, ChangeKind>,
    /// Counts cells, so that an open file is noted once in each.
    cell: u32,
    /// Time for what is made or changed next, in nanoseconds since 1970.
    pub(crate) now: u64,
}

impl FileSystem {
    /// Scratch folders, the library and `grants`. Opens nothing but the granted paths.
    pub(crate) fn new(
        library: Library,
        grants: &[Grant],
        limits: FsLimits,
    ) -> std::result::Result<FileSystem, GrantError> {
        let mut tree = Tree::new(limits.max_scratch_bytes);
        let mut mounts = Vec::with_capacity(3 + grants.len());
        mounts.push(Mount { guest: library::LIBRARY_PATH.to_owned(), kind: MountKind::Library });
        for (index, grant) in grants.iter().enumerate() {
            let guest = grant::guest_path(&grant.guest)?;
            if let Some(earlier) = mounts.iter().position(|mount: &Mount| mount.guest == guest) {
                let first = grants[earlier - 1].host.clone();
                return Err(GrantError::Twice { guest, first, second: grant.host.clone() });
            }
            let host = Host::open_grant(grant, index)?;
            let kind = match grant.access {
                Access::Read | Access::Write => MountKind::Host(host),
                Access::WriteSync | Access::WriteCopy => {
                    let root = copy_root(&mut tree, &host, mounts.len());
                    let failed = |_| GrantError::Open {
                        host: grant.host.clone(),
                        guest: guest.clone(),
                        source: std::io::ErrorKind::Other.into(),
                    };
                    MountKind::Copy { host, root: root.map_err(failed)? }
                }
            };
            mounts.push(Mount { guest, kind });
        }
        for outer in &mounts {
            let (MountKind::Host(host) | MountKind::Copy { host, .. }) = &outer.kind else {
                continue;
            };
            let below = |guest: &str| guest.strip_prefix(&outer.guest).is_some_and(|rest| rest.starts_with('/'));
            if !grant::NAMES_ARE_EXACT
                && matches!(outer.kind, MountKind::Host(_))
                && let Some(inner) = mounts.iter().find(|inner| below(&inner.guest))
            {
                return Err(GrantError::Nested { inner: inner.guest.clone(), outer: outer.guest.clone() });
            }
            if !host.is_folder()
                && let Some(inner) = mounts.iter().find(|inner| below(&inner.guest))
            {
                let host = grants.iter().find(|grant| grant::guest_path(&grant.guest).is_ok_and(|g| g == outer.guest));
                let host = host.map(|grant| grant.host.clone()).unwrap_or_default();
                return Err(GrantError::BelowFile { inner: inner.guest.clone(), outer: outer.guest.clone(), host });
            }
        }
        for scratch in ["/work", "/tmp"] {
            if !mounts.iter().any(|mount| mount.guest == scratch) {
                let root = tree.add_root(Tree::empty_directory(), EPOCH);
                mounts.push(Mount { guest: scratch.to_owned(), kind: MountKind::Scratch(root) });
            }
        }
        let mut fs = FileSystem {
            library,
            mounts: Arc::new(mounts),
            tree,
            table: Table::new(limits.max_open_files),
            locks: Locks::new(),
            listings: VecDeque::new(),
            changes: BTreeMap::new(),
            cell: 0,
            now: EPOCH,
        };
        fs.make_ways();
        Ok(fs)
    }

    /// Scratch directories on the way to grants below `/work` and `/tmp`, so that files can be made there, too.
    fn make_ways(&mut self) {
        let mounts = Arc::clone(&self.mounts);
        for outer in mounts.iter() {
            let MountKind::Scratch(root) = outer.kind else {
                continue;
            };
            for inner in mounts.iter() {
                let rest = inner.guest.strip_prefix(&outer.guest).and_then(|rest| rest.strip_prefix('/'));
                let Some((way, _)) = rest.and_then(|rest| rest.rsplit_once('/')) else {
                    continue;
                };
                let mut directory = root;
                for name in way.split('/') {
                    let made = match self.tree.child(directory, name) {
                        Ok(Some(there)) => Ok(there),
                        _ => self.tree.create(directory, name, Tree::empty_directory(), EPOCH),
                    };
                    // Without room for it the way is a virtual directory.
                    let Ok(made) = made else { break };
                    directory = made;
                }
            }
        }
    }

    /// Reads the names of a directory copied from the host, unless that is done.
    fn expand(&mut self, id: NodeId) -> Result<()> {
        let directory = self.tree.directory(id)?;
        if directory.expanded {
            return Ok(());
        }
        let Some(lower) = directory.lower.clone() else {
            return Ok(());
        };
        let host = self.host(lower.mount)?;
        let mut names = Vec::new();
        for (name, stat) in host.list(&lower.relative)? {
            let relative = if lower.relative.is_empty() { name.clone() } else { format!("{}/{name}", lower.relative) };
            let kind = match stat.file_type {
                FileType::Symlink => match host.read_link(&relative) {
                    Ok(target) => Kind::Symlink(target.into()),
                    Err(_) => continue,
                },
                _ => copied_kind(lower.mount, relative, &stat),
            };
            names.push((name, kind, stat));
        }
        self.tree.expand(id, names)
    }

    /// What is known of a place. Symlinks of the host are followed with `follow`.
    pub(crate) fn stat_place(&self, place: &Place, follow: bool) -> Result<Stat> {
        let stat = match place.spot {
            Spot::Virtual => virtual_stat(&place.path),
            Spot::Nothing | Spot::Library(None) | Spot::Tree { node: None, .. } => {
                return Err(Errno::NOENT);
            }
            Spot::Library(Some(record)) => record.stat(),
            Spot::Tree { node: Some(node), .. } => self.tree.node(node)?.stat(),
            Spot::Host => {
                let mount = place.mount.ok_or(Errno::IO)?;
                let relative = self.relative(mount, &place.path);
                match self.host(mount)?.stat(relative, follow || place.directory) {
                    Err(Errno::NOENT) if self.is_above_mount(&place.path) => virtual_stat(&place.path),
                    result => result?,
                }
            }
        };
        if place.directory && stat.file_type != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        Ok(stat)
    }

    /// The names in the directory at a path, mounts below it included, sorted.
    fn list(&mut self, path: &str) -> Result<Vec<Entry>> {
        let place = self.resolve("/", path, true)?;
        let mut entries = match place.spot {
            Spot::Virtual => Vec::new(),
            Spot::Library(Some(_)) => self.library.list(&place.path)?,
            Spot::Tree { node: Some(node), .. } => {
                self.expand(node)?;
                let children = self.tree.directory(node)?.children.iter();
                let entry = |(name, link): (&Arc<str>, &scratch::Link)| {
                    let stat = self.tree.node(link.node).ok()?.stat();
                    Some(Entry { name: name.to_string(), inode: stat.inode, file_type: stat.file_type })
                };
                children.filter_map(entry).collect()
            }
            Spot::Host => {
                let mount = place.mount.ok_or(Errno::IO)?;
                let relative = self.relative(mount, &place.path);
                let names = match self.host(mount)?.list(relative) {
                    Err(Errno::NOENT) if self.is_above_mount(&place.path) => Vec::new(),
                    result => result?,
                };
                let entry = |(name, stat): (String, Stat)| Entry { name, inode: stat.inode, file_type: stat.file_type };
                names.into_iter().map(entry).collect()
            }
            Spot::Nothing | Spot::Library(None) | Spot::Tree { node: None, .. } => {
                return Err(Errno::NOENT);
            }
        };
        let prefix = if place.path == "/" { "/".to_owned() } else { format!("{}/", place.path) };
        let mounts = Arc::clone(&self.mounts);
        for rest in mounts.iter().filter_map(|mount| mount.guest.strip_prefix(&prefix)) {
            let name = rest.split('/').next().unwrap_or_default();
            let child =
                Place { path: format!("{prefix}{name}"), ..self.resolve("/", &format!("{prefix}{name}"), false)? };
            let Ok(stat) = self.stat_place(&child, true) else {
                continue;
            };
            entries.retain(|entry| entry.name != name);
            entries.push(Entry { name: name.to_owned(), inode: stat.inode, file_type: stat.file_type });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Nothing but the library and room for no file.
    pub(crate) fn without_grants(library: Library) -> FileSystem {
        let limits = FsLimits { max_scratch_bytes: 0, max_open_files: 4 };
        FileSystem::new(library, &[], limits).expect("without grants there is none to refuse")
    }

    /// Starts counting the changes of a cell.
    pub(crate) fn begin_changes(&mut self) {
        self.cell = self.cell.wrapping_add(1);
        self.changes.clear();
    }

    /// Granted files changed since, by guest path.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        let changes = self.changes.clone();
        let size = |path: &str, fs: &mut Self| {
            let place = fs.resolve("/", path, false).ok()?;
            fs.stat_place(&place, false).ok().map(|stat| stat.size)
        };
        let change = |(guest_path, kind): (String, ChangeKind)| {
            let bytes = if kind == ChangeKind::Deleted { 0 } else { size(&guest_path, self).unwrap_or(0) };
            Change { guest_path, kind, bytes }
        };
        changes.into_iter().map(change).collect()
    }

    /// Notes a change to something granted.
    fn note(&mut self, mount: Option<usize>, path: &str, kind: ChangeKind) {
        use ChangeKind::{Created, Deleted, Modified};
        let granted = mount.map(|mount| &self.mounts[mount].kind);
        if !matches!(granted, Some(MountKind::Host(_) | MountKind::Copy { .. })) {
            return;
        }
        let kind = match (self.changes.get(path), kind) {
            (Some(Created), Modified) => Created,
            (Some(Created), Deleted) => {
                self.changes.remove(path);
                return;
            }
            (Some(Deleted), Created) => Modified,
            (_, kind) => kind,
        };
        if self.changes.len() < MAX_CHANGES || self.changes.contains_key(path) {
            self.changes.insert(path.to_owned(), kind);
        }
    }
}

use resolve::{Place, Spot};

fn virtual_stat(path: &str) -> Stat {
    // FNV-1a: the number only has to differ between paths and stay the same.
    let hash = path
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Stat { links: 2, ..Stat::new(1, hash, FileType::Directory) }
}

/// The node for something on the host that is not a symlink.
fn copied_kind(mount: usize, relative: String, stat: &Stat) -> Kind {
    let lower = Arc::new(Lower { mount, relative, len: stat.size, modified: stat.modified });
    match (stat.file_type, Tree::empty_directory()) {
        (FileType::File, _) => Kind::File(FileNode { data: Data::Lower, lower: Some(lower), dirty: false }),
        (FileType::Directory, Kind::Directory(mut directory)) => {
            (directory.lower, directory.expanded) = (Some(lower), false);
            Kind::Directory(directory)
        }
        _ => Kind::Special,
    }
}

fn copy_root(tree: &mut Tree, host: &Host, mount: usize) -> Result<NodeId> {
    let stat = host.stat("", true)?;
    Ok(tree.add_root(copied_kind(mount, String::new(), &stat), stat.modified))
}
