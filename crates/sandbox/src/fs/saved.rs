//! Forks of a file system, and its form as data: files in memory and what is open. What is loaded may come from an
//! enemy, so everything in it is checked; host paths in it are still resolved below what this process granted.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{
    EPOCH, FileSystem, MountKind,
    content::{Budget, Content},
    copy_root,
    errno::Errno,
    grant::Opened,
    resolve::Spot,
    scratch::{Data, DirectoryNode, FileNode, Kind, Link, Lower, Node, NodeId, Tree},
    stat::{FileType, OpenHow, Stat},
    table::{Descriptor, Object, Stdio, Table},
};

/// Why the files of a session cannot be in two places, or not come back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum FilesError {
    #[error("`{path}` is open for writing on the host, which cannot be in two places")]
    OpenForWriting { path: String },
    #[error("`{path}` was open when the session was saved and cannot be opened now")]
    Reopen { path: String },
    #[error("`{path}` was granted when the session was saved and is not now")]
    MissingGrant { path: String },
    #[error("files of the session do not fit {limit} bytes")]
    Room { limit: u64 },
    #[error("more than {limit} files were open when the session was saved")]
    TooManyOpen { limit: usize },
    #[error("saved files are damaged: {reason}")]
    Damaged { reason: &'static str },
}

/// The files of a session as data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilesSnapshot {
    /// Guest paths of the mounts, with the root node of those in memory.
    mounts: Vec<(String, Option<u32>)>,
    nodes: Vec<Option<SavedNode>>,
    open: Vec<(u32, SavedDescriptor)>,
    next_inode: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedNode {
    inode: u64,
    accessed: u64,
    modified: u64,
    kind: SavedKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum SavedKind {
    File { data: Option<(u64, Vec<(u32, ByteBuf)>)>, lower: Option<SavedLower>, dirty: bool },
    Directory(SavedDirectory),
    Symlink(String),
    Special,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedDirectory {
    children: Vec<(String, u32, bool)>,
    lower: Option<SavedLower>,
    expanded: bool,
    /// Name, inode, kind, size, time of change.
    base: Vec<(String, u64, u8, u64, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedLower {
    mount: u32,
    relative: String,
    len: u64,
    modified: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedDescriptor {
    object: SavedObject,
    path: String,
    offset: u64,
    read: bool,
    write: bool,
    append: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SavedObject {
    Stdio(u8),
    Root,
    Directory,
    Library,
    Node(u32),
    Host,
}

type Result<T> = std::result::Result<T, FilesError>;

fn damaged<T>(reason: &'static str) -> Result<T> {
    Err(FilesError::Damaged { reason })
}

impl FileSystem {
    /// A second file system in the same state. Both go on by themselves; they share bytes until one writes.
    ///
    /// # Errors
    /// [`FilesError::OpenForWriting`] naming a host file that is open for writing.
    pub(crate) fn fork(&self) -> Result<FileSystem> {
        self.check_descriptors()?;
        Ok(FileSystem {
            library: self.library.clone(),
            mounts: Arc::clone(&self.mounts),
            tree: self.tree.clone(),
            // Handles of host files are shared: reading goes by the descriptor's own offset.
            table: self.table.clone(),
            locks: super::Locks::new(), // what is locked cannot be forked
            listings: self.listings.clone(),
            changes: self.changes.clone(),
            cell: self.cell,
            now: self.now,
        })
    }

    fn check_descriptors(&self) -> Result<()> {
        let mut open = self.table.slots.iter().flatten();
        match open.find(|descriptor| descriptor.write && matches!(descriptor.object, Object::Host { .. })) {
            Some(descriptor) => Err(FilesError::OpenForWriting { path: descriptor.path.to_string() }),
            None => Ok(()),
        }
    }

    /// The files as data.
    ///
    /// # Errors
    /// As [`FileSystem::fork`].
    pub(crate) fn to_snapshot(&self) -> Result<FilesSnapshot> {
        self.check_descriptors()?;
        let mounts = self.mounts.iter().map(|mount| {
            let root = match mount.kind {
                MountKind::Scratch(root) | MountKind::Copy { root, .. } => Some(root),
                _ => None,
            };
            (mount.guest.clone(), root)
        });
        let open = self.table.slots.iter().enumerate().filter_map(|(fd, descriptor)| {
            descriptor.as_ref().map(|descriptor| (fd as u32, save_descriptor(descriptor)))
        });
        let nodes = self.tree.nodes.iter().map(|node| node.as_ref().map(save_node));
        Ok(FilesSnapshot {
            mounts: mounts.collect(),
            nodes: nodes.collect(),
            open: open.collect(),
            next_inode: self.tree.next_inode,
        })
    }

    /// Puts a new file system into the state of a saved one.
    ///
    /// # Errors
    /// [`FilesError`] naming what is missing or no longer fits, or saying that the data makes no sense.
    pub(crate) fn with_snapshot(mut self, saved: &FilesSnapshot) -> Result<FileSystem> {
        if saved.nodes.is_empty() && saved.open.is_empty() {
            return Ok(self);
        }
        let budget = Budget { used: 0, max: self.tree.budget.max };
        let mut tree = Tree { nodes: Vec::new(), free: Vec::new(), budget, next_inode: saved.next_inode };
        for node in &saved.nodes {
            let node = node.as_ref().map(|node| self.load_node(saved, node, &mut tree.budget)).transpose()?;
            tree.nodes.push(node);
        }
        let mounts = Arc::get_mut(&mut self.mounts).ok_or(FilesError::Damaged { reason: "files are in use" })?;
        let mut roots = Vec::new();
        for (index, mount) in mounts.iter_mut().enumerate() {
            let known = saved.mounts.iter().find(|(guest, _)| *guest == mount.guest).and_then(|(_, root)| *root);
            let root = match (&mut mount.kind, known) {
                (MountKind::Scratch(root) | MountKind::Copy { root, .. }, Some(known)) => {
                    *root = known;
                    known
                }
                (MountKind::Scratch(root), None) => {
                    *root = tree.add_root(Tree::empty_directory(), EPOCH);
                    *root
                }
                (MountKind::Copy { root, host }, None) => {
                    let failed = |_| FilesError::Reopen { path: mount.guest.clone() };
                    *root = copy_root(&mut tree, host, index).map_err(failed)?;
                    *root
                }
                _ => continue,
            };
            roots.push(root);
        }
        link_up(&mut tree, &roots)?;
        self.tree = tree;
        self.load_descriptors(saved)?;
        // What neither a name nor a descriptor leads to.
        (0..self.tree.nodes.len() as NodeId).for_each(|id| self.tree.release(id));
        self.tree.free = (0..).zip(&self.tree.nodes).filter(|(_, node)| node.is_none()).map(|(id, _)| id).collect();
        Ok(self)
    }

    fn load_lower(&self, saved: &FilesSnapshot, lower: Option<&SavedLower>) -> Result<Option<Arc<Lower>>> {
        let Some(lower) = lower else { return Ok(None) };
        let Some((guest, _)) = saved.mounts.get(lower.mount as usize) else {
            return damaged("a file has no grant");
        };
        let mount = self.mount_at(guest).filter(|mount| matches!(self.mounts[*mount].kind, MountKind::Copy { .. }));
        let mount = mount.ok_or_else(|| FilesError::MissingGrant { path: guest.clone() })?;
        let SavedLower { relative, len, modified, .. } = lower.clone();
        Ok(Some(Arc::new(Lower { mount, relative, len, modified })))
    }

    fn load_node(&self, saved: &FilesSnapshot, node: &SavedNode, budget: &mut Budget) -> Result<Node> {
        let room = FilesError::Room { limit: budget.max };
        let kind = match &node.kind {
            SavedKind::Special => Kind::Special,
            SavedKind::Symlink(target) if target.len() <= super::resolve::MAX_PATH => {
                Kind::Symlink(target.as_str().into())
            }
            SavedKind::Symlink(_) => return damaged("a symlink is too long"),
            SavedKind::File { data, lower, dirty } => {
                let lower = self.load_lower(saved, lower.as_ref())?;
                let data = match data {
                    Some((len, pieces)) => {
                        let pieces = pieces.iter().map(|(index, bytes)| (*index, bytes.as_slice()));
                        Data::Memory(Content::from_pieces(*len, pieces, budget).map_err(|_| room)?)
                    }
                    None if lower.is_some() => Data::Lower,
                    None => return damaged("a file has no bytes"),
                };
                Kind::File(FileNode { data, lower, dirty: *dirty })
            }
            SavedKind::Directory(directory) => {
                let mut children = BTreeMap::new();
                for (name, node, charged) in &directory.children {
                    if name.is_empty()
                        || name.len() > 255
                        || name.contains(['/', '\0'])
                        || matches!(&**name, "." | "..")
                    {
                        return damaged("a file has no proper name");
                    }
                    children.insert(name.as_str().into(), Link { node: *node, charged: *charged });
                }
                let lower = self.load_lower(saved, directory.lower.as_ref())?;
                let base = directory.base.iter().map(|(name, inode, kind, size, modified)| {
                    let stat = Stat { size: *size, modified: *modified, ..Stat::new(0, 0, file_type(*kind)) };
                    (name.as_str().into(), (*inode, stat))
                });
                let base = Arc::new(base.collect());
                Kind::Directory(DirectoryNode { children, parent: 0, lower, expanded: directory.expanded, base })
            }
        };
        let SavedNode { inode, accessed, modified, .. } = *node;
        Ok(Node { inode, kind, links: 0, opens: 0, accessed, modified })
    }

    fn load_descriptors(&mut self, saved: &FilesSnapshot) -> Result<()> {
        let max = self.table.max;
        self.table = Table::empty(max);
        for (fd, open) in &saved.open {
            if saved.open.len() > max || *fd as usize >= max.saturating_mul(2) + 4 {
                return Err(FilesError::TooManyOpen { limit: max });
            }
            if self.table.get(*fd).is_ok() {
                return damaged("a descriptor is there twice");
            }
            let missing = || FilesError::Reopen { path: open.path.clone() };
            let mut mount = None;
            let object = match open.object {
                SavedObject::Stdio(0) => Object::Stdio(Stdio::Input),
                SavedObject::Stdio(1) => Object::Stdio(Stdio::Output),
                SavedObject::Stdio(_) => Object::Stdio(Stdio::Error),
                SavedObject::Root if open.path == "/" => Object::Root,
                SavedObject::Root => return damaged("the root is elsewhere"),
                SavedObject::Directory => Object::Directory,
                SavedObject::Library => Object::Library(self.library.find(&open.path).ok_or_else(missing)?),
                SavedObject::Node(node) => {
                    if self.tree.content(node).is_err() || self.tree.opened(node).is_err() {
                        return damaged("a descriptor is of no file");
                    }
                    let lower = match self.tree.content(node) {
                        Ok(None) => Some(self.open_lower(node).map_err(|_| missing())?),
                        _ => None,
                    };
                    mount = self.resolve("/", &open.path, false).ok().and_then(|place| place.mount);
                    Object::Node { node, lower }
                }
                SavedObject::Host => self.reopen(&open.path, &mut mount).map_err(|_| missing())?,
            };
            let (path, write) = (open.path.as_str().into(), open.write && open.object != SavedObject::Host);
            let SavedDescriptor { read, append, .. } = *open;
            let (offset, noted) = (open.offset.min(i64::MAX as u64), self.cell.wrapping_sub(1));
            self.table.put(*fd as usize, Descriptor { object, path, mount, offset, read, write, append, noted });
        }
        Ok(())
    }

    fn reopen(&mut self, path: &str, mount: &mut Option<usize>) -> super::Result<Object> {
        let place = self.resolve("/", path, true)?;
        *mount = place.mount;
        let (Spot::Host, Some(mount)) = (place.spot, place.mount) else {
            return Err(Errno::NOENT);
        };
        let how = OpenHow { read: true, ..OpenHow::default() };
        match self.host(mount)?.open(self.relative(mount, &place.path), how)? {
            Opened::File { file, .. } => Ok(Object::Host { file: Arc::new(file), mount }),
            Opened::Directory => Err(Errno::ISDIR),
        }
    }
}

fn file_type(number: u8) -> FileType {
    [FileType::Directory, FileType::File, FileType::Symlink]
        .into_iter()
        .find(|kind| *kind as u8 == number)
        .unwrap_or(FileType::Special)
}

/// Counts links, sets parents and takes the cost of names; every directory must hang from one root, once.
fn link_up(tree: &mut Tree, roots: &[NodeId]) -> Result<()> {
    let mut seen = vec![false; tree.nodes.len()];
    let mut waiting = Vec::new();
    for root in roots {
        let Ok(node) = tree.node_mut(*root) else {
            return damaged("a root is missing");
        };
        node.links += 1;
        if std::mem::replace(&mut seen[*root as usize], true) {
            return damaged("a root is there twice");
        }
        if let Kind::Directory(directory) = &mut node.kind {
            directory.parent = *root;
            waiting.push(*root);
        }
    }
    while let Some(id) = waiting.pop() {
        let Ok(directory) = tree.directory(id) else {
            return damaged("a directory is none");
        };
        let children: Vec<(Arc<str>, Link)> =
            directory.children.iter().map(|(name, link)| (Arc::clone(name), *link)).collect();
        for (name, link) in children {
            // A name the host gave costs nothing; that is only believed where there is a host.
            let free = !link.charged && tree.directory(id).is_ok_and(|directory| directory.lower.is_some());
            if tree.node(link.node).is_err() {
                return damaged("a name leads nowhere");
            }
            if !free {
                let cost = tree.entry_cost(&name, link.node);
                tree.budget.take(cost).map_err(|_| FilesError::Room { limit: tree.budget.max })?;
                if let Some(link) = tree.directory_mut(id).ok().and_then(|directory| directory.children.get_mut(&name))
                {
                    link.charged = true;
                }
            }
            let Ok(node) = tree.node_mut(link.node) else {
                return damaged("a name leads nowhere");
            };
            node.links += 1;
            if let Kind::Directory(directory) = &mut node.kind {
                directory.parent = id;
                if std::mem::replace(&mut seen[link.node as usize], true) {
                    return damaged("a directory is in two places");
                }
                waiting.push(link.node);
            }
        }
    }
    for (id, node) in tree.nodes.iter().enumerate() {
        if !seen[id] && node.as_ref().is_some_and(|node| matches!(node.kind, Kind::Directory(_))) {
            return damaged("a directory is in no place");
        }
    }
    Ok(())
}

fn save_lower(lower: Option<&Arc<Lower>>) -> Option<SavedLower> {
    lower.map(|lower| SavedLower {
        mount: lower.mount as u32,
        relative: lower.relative.clone(),
        len: lower.len,
        modified: lower.modified,
    })
}

fn save_node(node: &Node) -> SavedNode {
    let kind = match &node.kind {
        Kind::File(FileNode { data, lower, dirty }) => {
            let data = match data {
                Data::Memory(content) => {
                    let pieces = content.pieces().map(|(index, bytes)| (index, ByteBuf::from(bytes)));
                    Some((content.len(), pieces.collect()))
                }
                Data::Lower => None,
            };
            SavedKind::File { data, lower: save_lower(lower.as_ref()), dirty: *dirty }
        }
        Kind::Directory(directory) => {
            let children = directory.children.iter();
            let base = directory.base.iter();
            SavedKind::Directory(SavedDirectory {
                children: children.map(|(name, link)| (name.to_string(), link.node, link.charged)).collect(),
                lower: save_lower(directory.lower.as_ref()),
                expanded: directory.expanded,
                base: base
                    .map(|(name, (inode, stat))| {
                        (name.to_string(), *inode, stat.file_type as u8, stat.size, stat.modified)
                    })
                    .collect(),
            })
        }
        Kind::Symlink(target) => SavedKind::Symlink(target.to_string()),
        Kind::Special => SavedKind::Special,
    };
    SavedNode { inode: node.inode, accessed: node.accessed, modified: node.modified, kind }
}

fn save_descriptor(descriptor: &Descriptor) -> SavedDescriptor {
    let object = match &descriptor.object {
        Object::Stdio(stdio) => SavedObject::Stdio(*stdio as u8),
        Object::Root => SavedObject::Root,
        Object::Directory => SavedObject::Directory,
        Object::Library(_) => SavedObject::Library,
        Object::Node { node, .. } => SavedObject::Node(*node),
        Object::Host { .. } => SavedObject::Host,
    };
    let Descriptor { offset, read, write, append, .. } = *descriptor;
    SavedDescriptor { object, path: descriptor.path.to_string(), offset, read, write, append }
}
