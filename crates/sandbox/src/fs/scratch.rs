//! Files in memory: `/work`, `/tmp` and the copies of granted folders, all in one tree with one budget. Nodes live in a
//! table, so a fork is a copy of the table; nothing here recurses, however deep a guest nests its directories.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    content::{Budget, Content},
    errno::{Errno, Result},
    stat::{FileType, Stat, Times},
};

/// What a name costs besides its bytes: about what the host spends on a node and its entry.
pub(crate) const ENTRY_COST: u64 = 512;
const DEVICE: u64 = 3;

/// Index of a node in the table; meaningful while something links to the node or has it open.
pub(crate) type NodeId = u32;

/// A file of the host that a node stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lower {
    pub(crate) mount: usize,
    /// Path below the root of the grant.
    pub(crate) relative: String,
    pub(crate) len: u64,
    pub(crate) modified: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Data {
    Memory(Content),
    /// Still as on the host; read from there.
    Lower,
}

#[derive(Debug, Clone)]
pub(crate) struct FileNode {
    pub(crate) data: Data,
    pub(crate) lower: Option<Arc<Lower>>,
    /// Changed since it was copied from `lower`.
    pub(crate) dirty: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) node: NodeId,
    /// Names that came from the host are not counted.
    pub(super) charged: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct DirectoryNode {
    pub(crate) children: BTreeMap<Arc<str>, Link>,
    /// Itself in a root.
    pub(crate) parent: NodeId,
    /// Set in copies of host directories, whose names are read from the host when first needed.
    pub(crate) lower: Option<Arc<Lower>>,
    pub(crate) expanded: bool,
    /// The names as they were on the host, each with the inode number of its node.
    pub(crate) base: Arc<BTreeMap<Arc<str>, (u64, Stat)>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    File(FileNode),
    Directory(DirectoryNode),
    Symlink(Arc<str>),
    Special,
}

impl Kind {
    pub(crate) fn empty_file() -> Self {
        Kind::File(FileNode { data: Data::Memory(Content::default()), lower: None, dirty: true })
    }

    pub(crate) fn file_type(&self) -> FileType {
        match self {
            Kind::File(_) => FileType::File,
            Kind::Directory(_) => FileType::Directory,
            Kind::Symlink(_) => FileType::Symlink,
            Kind::Special => FileType::Special,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Never used again for another node.
    pub(crate) inode: u64,
    pub(crate) kind: Kind,
    pub(crate) links: u32,
    pub(crate) opens: u32,
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
}

impl Node {
    pub(super) fn content_cost(&self) -> u64 {
        match &self.kind {
            Kind::File(FileNode { data: Data::Memory(content), .. }) => content.cost(),
            _ => 0,
        }
    }

    pub(crate) fn stat(&self) -> Stat {
        let size = match &self.kind {
            Kind::File(FileNode { data: Data::Memory(content), .. }) => content.len(),
            Kind::File(file) => file.lower.as_ref().map_or(0, |lower| lower.len),
            Kind::Symlink(target) => target.len() as u64,
            _ => 0,
        };
        Stat {
            size,
            links: self.links.into(),
            accessed: self.accessed,
            modified: self.modified,
            changed: self.modified,
            ..Stat::new(DEVICE, self.inode, self.kind.file_type())
        }
    }
}

/// The table of nodes.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(super) nodes: Vec<Option<Node>>,
    pub(super) free: Vec<NodeId>,
    pub(crate) budget: Budget,
    pub(super) next_inode: u64,
}

impl Tree {
    pub(crate) fn new(max_bytes: u64) -> Self {
        let budget = Budget { used: 0, max: max_bytes };
        Tree { nodes: Vec::new(), free: Vec::new(), budget, next_inode: 1 }
    }

    pub(crate) fn add_root(&mut self, kind: Kind, modified: u64) -> NodeId {
        let id = self.insert(kind, modified);
        let node = self.nodes[id as usize].as_mut().expect("inserted above");
        node.links = 1;
        if let Kind::Directory(directory) = &mut node.kind {
            directory.parent = id;
        }
        id
    }

    /// An empty directory, for [`Tree::create`] and [`Tree::add_root`].
    pub(crate) fn empty_directory() -> Kind {
        let (children, base) = (BTreeMap::new(), Arc::default());
        Kind::Directory(DirectoryNode { children, parent: 0, lower: None, expanded: true, base })
    }

    fn insert(&mut self, kind: Kind, now: u64) -> NodeId {
        let inode = self.next_inode;
        self.next_inode += 1;
        let node = Some(Node { inode, kind, links: 0, opens: 0, accessed: now, modified: now });
        match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = node;
                id
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as NodeId
            }
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> Result<&Node> {
        self.nodes.get(id as usize).and_then(Option::as_ref).ok_or(Errno::NOENT)
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> Result<&mut Node> {
        self.nodes.get_mut(id as usize).and_then(Option::as_mut).ok_or(Errno::NOENT)
    }

    pub(crate) fn directory(&self, id: NodeId) -> Result<&DirectoryNode> {
        match &self.node(id)?.kind {
            Kind::Directory(directory) => Ok(directory),
            _ => Err(Errno::NOTDIR),
        }
    }

    pub(crate) fn directory_mut(&mut self, id: NodeId) -> Result<&mut DirectoryNode> {
        match &mut self.node_mut(id)?.kind {
            Kind::Directory(directory) => Ok(directory),
            _ => Err(Errno::NOTDIR),
        }
    }

    pub(crate) fn child(&self, directory: NodeId, name: &str) -> Result<Option<NodeId>> {
        Ok(self.directory(directory)?.children.get(name).map(|link| link.node))
    }

    pub(super) fn entry_cost(&self, name: &str, node: NodeId) -> u64 {
        let target = match self.node(node).map(|node| &node.kind) {
            Ok(Kind::Symlink(target)) => target.len(),
            _ => 0,
        };
        ENTRY_COST + name.len() as u64 + target as u64
    }

    /// Makes a node with a name that must be new.
    pub(crate) fn create(&mut self, directory: NodeId, name: &str, mut kind: Kind, now: u64) -> Result<NodeId> {
        if self.child(directory, name)?.is_some() {
            return Err(Errno::EXIST);
        }
        if self.node(directory)?.links == 0 {
            return Err(Errno::NOENT);
        }
        if let Kind::Directory(new) = &mut kind {
            new.parent = directory;
        }
        let target = if let Kind::Symlink(target) = &kind { target.len() } else { 0 };
        self.budget.take(ENTRY_COST + name.len() as u64 + target as u64)?;
        let id = self.insert(kind, now);
        self.attach(directory, name, Link { node: id, charged: true }, now)?;
        Ok(id)
    }

    fn attach(&mut self, directory: NodeId, name: &str, link: Link, now: u64) -> Result<()> {
        self.node_mut(link.node)?.links += 1;
        if let Kind::Directory(moved) = &mut self.node_mut(link.node)?.kind {
            moved.parent = directory;
        }
        self.node_mut(directory)?.modified = now;
        self.directory_mut(directory)?.children.insert(name.into(), link);
        Ok(())
    }

    /// Takes a name away and gives its cost back; the node stays while it is linked or open.
    fn detach(&mut self, directory: NodeId, name: &str, now: u64) -> Result<Link> {
        let link = self.directory_mut(directory)?.children.remove(name).ok_or(Errno::NOENT)?;
        self.node_mut(directory)?.modified = now;
        if link.charged {
            self.budget.give_back(self.entry_cost(name, link.node));
        }
        self.node_mut(link.node)?.links -= 1;
        Ok(link)
    }

    pub(super) fn release(&mut self, id: NodeId) {
        if let Some(slot) = self.nodes.get_mut(id as usize)
            && let Some(node) = slot
            && node.links == 0
            && node.opens == 0
        {
            self.budget.give_back(node.content_cost());
            *slot = None;
            self.free.push(id);
        }
    }

    /// Names what the host has in a directory copied from there.
    pub(crate) fn expand(&mut self, id: NodeId, names: Vec<(String, Kind, Stat)>) -> Result<()> {
        let mut base = BTreeMap::new();
        for (name, kind, stat) in names {
            let node = self.insert(kind, stat.modified);
            let name: Arc<str> = name.into();
            base.insert(Arc::clone(&name), (self.node(node)?.inode, stat));
            let modified = self.node(id)?.modified;
            self.attach(id, &name, Link { node, charged: false }, modified)?;
        }
        let directory = self.directory_mut(id)?;
        directory.expanded = true;
        directory.base = Arc::new(base);
        Ok(())
    }

    pub(crate) fn unlink(&mut self, directory: NodeId, name: &str, now: u64) -> Result<()> {
        let id = self.child(directory, name)?.ok_or(Errno::NOENT)?;
        if self.directory(id).is_ok() {
            return Err(Errno::ISDIR);
        }
        self.detach(directory, name, now)?;
        self.release(id);
        Ok(())
    }

    /// Removes an empty directory, which the caller has expanded.
    pub(crate) fn remove_directory(&mut self, directory: NodeId, name: &str, now: u64) -> Result<()> {
        let id = self.child(directory, name)?.ok_or(Errno::NOENT)?;
        if !self.directory(id)?.children.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.detach(directory, name, now)?;
        self.release(id);
        Ok(())
    }

    pub(crate) fn link(&mut self, node: NodeId, directory: NodeId, name: &str, now: u64) -> Result<()> {
        if !matches!(self.node(node)?.kind, Kind::File(_)) {
            return Err(Errno::PERM);
        }
        if self.child(directory, name)?.is_some() {
            return Err(Errno::EXIST);
        }
        self.budget.take(self.entry_cost(name, node))?;
        self.attach(directory, name, Link { node, charged: true }, now)
    }

    /// Moves a name; directories in the way are expanded by the caller.
    pub(crate) fn rename(&mut self, from: (NodeId, &str), to: (NodeId, &str), now: u64) -> Result<()> {
        let moved = self.child(from.0, from.1)?.ok_or(Errno::NOENT)?;
        let replaced = self.child(to.0, to.1)?;
        if replaced == Some(moved) {
            return Ok(());
        }
        if self.directory(moved).is_ok() {
            let mut above = to.0;
            loop {
                if above == moved {
                    return Err(Errno::INVAL);
                }
                let parent = self.directory(above)?.parent;
                if parent == above {
                    break;
                }
                above = parent;
            }
        }
        if let Some(replaced) = replaced {
            match (self.directory(moved).is_ok(), self.directory(replaced)) {
                (true, Ok(directory)) if !directory.children.is_empty() => {
                    return Err(Errno::NOTEMPTY);
                }
                (true, Err(_)) => return Err(Errno::NOTDIR),
                (false, Ok(_)) => return Err(Errno::ISDIR),
                _ => {}
            }
        }
        let link = self.directory(from.0)?.children.get(from.1).copied().ok_or(Errno::NOENT)?;
        // The new name is paid for before the old one is given back, so that failing changes nothing; a name from the
        // host moves for nothing.
        if link.charged {
            self.budget.take(self.entry_cost(to.1, moved))?;
        }
        if let Some(replaced) = replaced {
            self.detach(to.0, to.1, now)?;
            self.release(replaced);
        }
        self.detach(from.0, from.1, now)?;
        self.attach(to.0, to.1, link, now)
    }

    pub(crate) fn opened(&mut self, id: NodeId) -> Result<()> {
        self.node_mut(id)?.opens += 1;
        Ok(())
    }

    pub(crate) fn closed(&mut self, id: NodeId) {
        if let Ok(node) = self.node_mut(id) {
            node.opens = node.opens.saturating_sub(1);
        }
        self.release(id);
    }

    /// The content of a file that is in memory.
    pub(crate) fn content(&self, id: NodeId) -> Result<Option<&Content>> {
        match &self.node(id)?.kind {
            Kind::File(FileNode { data: Data::Memory(content), .. }) => Ok(Some(content)),
            Kind::File(_) => Ok(None),
            _ => Err(Errno::INVAL),
        }
    }

    /// Gives a file other bytes, which the budget has paid for.
    pub(crate) fn set_content(&mut self, id: NodeId, content: Content) -> Result<()> {
        let node = self.node_mut(id)?;
        let before = node.content_cost();
        let Kind::File(file) = &mut node.kind else {
            return Err(Errno::INVAL);
        };
        file.data = Data::Memory(content);
        self.budget.give_back(before);
        Ok(())
    }

    /// Changes the bytes of a file that is in memory.
    pub(crate) fn edit<R>(
        &mut self,
        id: NodeId,
        now: u64,
        edit: impl FnOnce(&mut Content, &mut Budget) -> Result<R>,
    ) -> Result<R> {
        let node = self.nodes.get_mut(id as usize).and_then(Option::as_mut).ok_or(Errno::NOENT)?;
        let Kind::File(FileNode { data: Data::Memory(content), dirty, .. }) = &mut node.kind else {
            return Err(Errno::INVAL);
        };
        let result = edit(content, &mut self.budget)?;
        *dirty = true;
        node.modified = now;
        Ok(result)
    }

    /// Has a file read from the host again.
    pub(crate) fn set_lower(&mut self, id: NodeId, lower: Option<Arc<Lower>>, keep: bool) -> Result<()> {
        let node = self.node_mut(id)?;
        let cost = node.content_cost();
        let Kind::File(file) = &mut node.kind else {
            return Ok(());
        };
        file.dirty = false;
        file.lower = lower.or(file.lower.take());
        if !keep {
            file.data = Data::Lower;
            self.budget.give_back(cost);
        }
        Ok(())
    }

    /// Whether anything below a node, or it itself, is open.
    pub(crate) fn any_open(&self, id: NodeId) -> bool {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            let Ok(node) = self.node(id) else { continue };
            if node.opens > 0 {
                return true;
            }
            if let Kind::Directory(directory) = &node.kind {
                waiting.extend(directory.children.values().map(|link| link.node));
            }
        }
        false
    }

    pub(crate) fn set_times(&mut self, id: NodeId, times: Times) -> Result<()> {
        let node = self.node_mut(id)?;
        node.accessed = times.accessed.unwrap_or(node.accessed);
        node.modified = times.modified.unwrap_or(node.modified);
        Ok(())
    }

    /// Drops all names below a directory. Open files live on without one.
    pub(crate) fn clear(&mut self, id: NodeId) -> Result<()> {
        let mut directories = vec![id];
        while let Some(directory) = directories.pop() {
            let names: Vec<Arc<str>> = self.directory(directory)?.children.keys().cloned().collect();
            for name in names {
                let link = self.detach(directory, &name, 0)?;
                if self.directory(link.node).is_ok() { directories.push(link.node) } else { self.release(link.node) }
            }
            if directory != id {
                self.release(directory);
            }
        }
        Ok(())
    }
}
