//! Open files: descriptors and what is done through them.

use std::{fs::File, sync::Arc};

use super::{
    ChangeKind, FileSystem,
    content::Content,
    errno::{Errno, Result},
    grant::{self, Opened},
    library::Record,
    resolve::{Place, Spot},
    scratch::{Kind, NodeId, Tree},
    stat::{Entry, FileType, OpenHow, Stat, Times},
};

/// Directories whose listing is kept while a guest reads them in pieces; a choice that bounds memory.
const MAX_LISTINGS: usize = 4;
/// Bytes copied at a time from a file of the host.
const COPY_BYTES: usize = 64 << 10;

/// A standard stream; its bytes are not the file system's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdio {
    Input,
    Output,
    Error,
}

#[derive(Debug, Clone)]
pub(super) enum Object {
    Stdio(Stdio),
    /// The preopen; cannot be closed.
    Root,
    Directory,
    Library(Record),
    Node {
        node: NodeId,
        lower: Option<Arc<File>>,
    },
    Host {
        file: Arc<File>,
        mount: usize,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Descriptor {
    pub(super) object: Object,
    /// Canonical guest path it was opened by.
    pub(super) path: Arc<str>,
    pub(super) mount: Option<usize>,
    pub(super) offset: u64,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) append: bool,
    /// The cell in which a change through it was noted last.
    pub(super) noted: u32,
}

/// The table of descriptors.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) slots: Vec<Option<Descriptor>>,
    pub(super) max: usize,
    open: usize,
}

impl Table {
    pub(super) fn new(max: usize) -> Self {
        let descriptor = |object, path: &str, read, write| {
            let (path, append) = (path.into(), false);
            Some(Descriptor { object, path, mount: None, offset: 0, read, write, append, noted: 0 })
        };
        let slots = vec![
            descriptor(Object::Stdio(Stdio::Input), "", true, false),
            descriptor(Object::Stdio(Stdio::Output), "", false, true),
            descriptor(Object::Stdio(Stdio::Error), "", false, true),
            descriptor(Object::Root, "/", true, false),
        ];
        Table { open: slots.len(), slots, max }
    }

    pub(super) fn empty(max: usize) -> Self {
        Table { slots: Vec::new(), max, open: 0 }
    }

    pub(super) fn get(&self, fd: u32) -> Result<&Descriptor> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::BADF)
    }

    fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BADF)
    }

    fn check_room(&self) -> Result<()> {
        if self.open < self.max { Ok(()) } else { Err(Errno::MFILE) }
    }

    /// Takes the lowest free number.
    pub(super) fn insert(&mut self, descriptor: Descriptor) -> Result<u32> {
        self.check_room()?;
        let free = self.slots.iter().position(Option::is_none);
        let fd = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.put(fd, descriptor);
        Ok(fd as u32)
    }

    pub(super) fn put(&mut self, fd: usize, descriptor: Descriptor) {
        if fd >= self.slots.len() {
            self.slots.resize(fd + 1, None);
        }
        self.open += usize::from(self.slots[fd].is_none());
        self.slots[fd] = Some(descriptor);
    }

    pub(super) fn take(&mut self, fd: u32) -> Result<Descriptor> {
        let taken = self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::BADF)?;
        self.open -= 1;
        Ok(taken)
    }
}

/// What `fd_fdstat_get` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FdInfo {
    pub(crate) file_type: FileType,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) seekable: bool,
}

impl FileSystem {
    /// The path of a file or directory that is open besides the standard streams and the preopen.
    pub(crate) fn open_path(&self) -> Option<&str> {
        let is_own = |object: &Object| matches!(object, Object::Stdio(_) | Object::Root);
        let mut open = self.table.slots.iter().flatten().filter(|descriptor| !is_own(&descriptor.object));
        open.next().map(|descriptor| &*descriptor.path)
    }

    /// The standard stream a descriptor is, if it is one.
    pub(crate) fn stdio(&self, fd: u32) -> Result<Option<Stdio>> {
        match self.table.get(fd)?.object {
            Object::Stdio(stdio) => Ok(Some(stdio)),
            _ => Ok(None),
        }
    }

    /// The path of a directory that is open.
    pub(crate) fn directory_path(&self, fd: u32) -> Result<Arc<str>> {
        let descriptor = self.table.get(fd)?;
        match descriptor.object {
            Object::Root | Object::Directory => Ok(Arc::clone(&descriptor.path)),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// Whether a descriptor is the preopen.
    pub(crate) fn is_preopen(&self, fd: u32) -> Result<bool> {
        Ok(matches!(self.table.get(fd)?.object, Object::Root))
    }

    /// Opens a path relative to a directory that is open; returns the new descriptor.
    pub(crate) fn open(&mut self, fd: u32, path: &str, how: OpenHow, follow: bool) -> Result<u32> {
        let base = self.directory_path(fd)?;
        // Before anything is made or cut off.
        self.table.check_room()?;
        let exclusive = how.create && how.exclusive;
        let place = self.resolve(&base, path, follow && !exclusive)?;
        let object = self.open_place(&place, how, follow && !exclusive)?;
        if let Object::Node { node, .. } = object {
            self.tree.opened(node)?;
        }
        let file = !matches!(object, Object::Directory);
        self.table.insert(Descriptor {
            object,
            path: place.path.into(),
            mount: place.mount,
            offset: 0,
            read: how.read || !how.write,
            write: how.write && file,
            append: how.append,
            noted: self.cell.wrapping_sub(1),
        })
    }

    fn open_place(&mut self, place: &Place, how: OpenHow, follow: bool) -> Result<Object> {
        if let Spot::Tree { parent, node } = place.spot {
            return self.open_node(place, parent, node, how);
        }
        if let (Spot::Host, Some(mount)) = (place.spot, place.mount)
            && !(self.is_above_mount(&place.path) && !how.changes() && self.stat_place(place, true).is_ok())
        {
            if !follow && self.host(mount)?.stat(self.relative(mount, &place.path), false).is_ok_and(is_symlink) {
                return Err(Errno::LOOP);
            }
            let how = OpenHow { directory: how.directory || place.directory, ..how };
            return match self.host(mount)?.open(self.relative(mount, &place.path), how)? {
                Opened::Directory => Ok(Object::Directory),
                Opened::File { file, created } => {
                    if created {
                        self.note(place.mount, &place.path, ChangeKind::Created);
                    } else if how.truncate {
                        self.note(place.mount, &place.path, ChangeKind::Modified);
                    }
                    Ok(Object::Host { file: Arc::new(file), mount })
                }
            };
        }
        let stat = match self.stat_place(place, true) {
            Err(Errno::NOENT) if how.create => return Err(Errno::ACCES),
            result => result?,
        };
        let directory = stat.file_type == FileType::Directory;
        match place.spot {
            _ if how.create && how.exclusive => Err(Errno::EXIST),
            _ if directory && (how.write || how.truncate) => Err(Errno::ISDIR),
            _ if directory => Ok(Object::Directory),
            _ if how.directory => Err(Errno::NOTDIR),
            _ if how.changes() => Err(Errno::ACCES),
            Spot::Library(Some(record)) => Ok(Object::Library(record)),
            _ => Err(Errno::NOENT),
        }
    }

    fn open_node(&mut self, place: &Place, parent: NodeId, node: Option<NodeId>, how: OpenHow) -> Result<Object> {
        let Some(node) = node else {
            if !how.create {
                return Err(Errno::NOENT);
            }
            if place.directory {
                return Err(Errno::ISDIR);
            }
            let node = self.tree.create(parent, place.name(), Kind::empty_file(), self.now)?;
            self.note(place.mount, &place.path, ChangeKind::Created);
            return Ok(Object::Node { node, lower: None });
        };
        if how.create && how.exclusive {
            return Err(Errno::EXIST);
        }
        match &self.tree.node(node)?.kind {
            Kind::Directory(_) if how.write || how.truncate => return Err(Errno::ISDIR),
            Kind::Directory(_) => return Ok(Object::Directory),
            Kind::Symlink(_) => return Err(Errno::LOOP),
            Kind::Special => return Err(Errno::ACCES),
            Kind::File(_) if how.directory || place.directory => return Err(Errno::NOTDIR),
            Kind::File(_) => {}
        }
        if how.truncate {
            self.truncate_node(node, 0)?;
            self.note(place.mount, &place.path, ChangeKind::Modified);
        }
        let lower = if self.tree.content(node)?.is_none() { Some(self.open_lower(node)?) } else { None };
        Ok(Object::Node { node, lower })
    }

    /// The host's file behind a node.
    pub(super) fn open_lower(&self, node: NodeId) -> Result<Arc<File>> {
        let Kind::File(file) = &self.tree.node(node)?.kind else {
            return Err(Errno::INVAL);
        };
        let lower = file.lower.as_ref().ok_or(Errno::IO)?;
        let how = OpenHow { read: true, ..OpenHow::default() };
        match self.host(lower.mount)?.open(&lower.relative, how)? {
            Opened::File { file, .. } => Ok(Arc::new(file)),
            Opened::Directory => Err(Errno::ISDIR),
        }
    }

    fn truncate_node(&mut self, node: NodeId, len: u64) -> Result<()> {
        if len == 0 && self.tree.content(node)?.is_none() {
            self.tree.set_content(node, Content::default())?;
        } else {
            self.copy_up(node, None)?;
        }
        self.tree.edit(node, self.now, |content, budget| content.set_len(len, budget))
    }

    /// Brings a file of the host into memory before it changes.
    pub(super) fn copy_up(&mut self, node: NodeId, lower: Option<&Arc<File>>) -> Result<()> {
        if self.tree.content(node)?.is_some() {
            return Ok(());
        }
        let file = match lower {
            Some(file) => Arc::clone(file),
            None => self.open_lower(node)?,
        };
        let (mut content, mut buffer, mut offset) = (Content::default(), vec![0; COPY_BYTES], 0);
        let mut copy = |tree: &mut Tree| loop {
            let len = grant::read_at(&file, offset, &mut buffer)?;
            if len == 0 {
                return Ok(());
            }
            if content.write(offset, &buffer[..len], &mut tree.budget)? != len {
                return Err(Errno::NOSPC);
            }
            offset += len as u64;
        };
        if let Err(error) = copy(&mut self.tree) {
            self.tree.budget.give_back(content.cost());
            return Err(error);
        }
        self.tree.set_content(node, content)
    }

    /// Closes a descriptor. The preopen stays.
    pub(crate) fn close(&mut self, fd: u32) -> Result<()> {
        if self.is_preopen(fd)? {
            return Err(Errno::NOTSUP);
        }
        let descriptor = self.table.take(fd)?;
        self.listings.retain(|(listed, _)| *listed != fd);
        if let Object::Node { node, .. } = &descriptor.object {
            self.tree.closed(*node);
        }
        self.unlock_closed(&descriptor.object);
        Ok(())
    }

    /// Moves a descriptor to another number, closing what was there.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<()> {
        if self.is_preopen(from)? || self.is_preopen(to)? {
            return Err(Errno::NOTSUP);
        }
        if from != to {
            self.close(to)?;
            let descriptor = self.table.take(from)?;
            self.listings.retain(|(listed, _)| *listed != from);
            self.table.put(to as usize, descriptor);
        }
        Ok(())
    }

    /// Reads at the descriptor's offset, or at `at` without moving it. At the end of the file: 0.
    pub(crate) fn read(&mut self, fd: u32, at: Option<u64>, target: &mut [u8]) -> Result<usize> {
        if let Object::Node { node, lower: None } = self.table.get(fd)?.object
            && self.tree.content(node)?.is_none()
        {
            // Opened while in memory and written back or dropped since.
            let file = self.open_lower(node)?;
            self.table.get_mut(fd)?.object = Object::Node { node, lower: Some(file) };
        }
        let descriptor = self.table.get_mut(fd)?;
        if !descriptor.read {
            return Err(Errno::BADF);
        }
        let offset = at.unwrap_or(descriptor.offset);
        let len = match &descriptor.object {
            Object::Library(record) => self.library.read(record, offset, target),
            Object::Node { node, lower } => match (self.tree.content(*node)?, lower) {
                (Some(content), _) => content.read(offset, target),
                (None, Some(file)) => grant::read_at(file, offset, target)?,
                (None, None) => return Err(Errno::IO),
            },
            Object::Host { file, .. } => grant::read_at(file, offset, target)?,
            Object::Directory | Object::Root => return Err(Errno::ISDIR),
            Object::Stdio(_) => return Err(Errno::SPIPE),
        };
        if at.is_none() {
            descriptor.offset = offset.saturating_add(len as u64);
        }
        Ok(len)
    }

    /// Writes at the descriptor's offset, or at `at` without moving it; returns how many bytes fitted.
    pub(crate) fn write(&mut self, fd: u32, at: Option<u64>, source: &[u8]) -> Result<usize> {
        let descriptor = self.table.get(fd)?;
        if matches!(descriptor.object, Object::Directory | Object::Root) {
            return Err(Errno::ISDIR);
        }
        if !descriptor.write {
            return Err(Errno::BADF);
        }
        let append = descriptor.append && at.is_none();
        let offset = at.unwrap_or(descriptor.offset);
        // A loop over small writes must not clone the handle each time: only what was never copied up needs it.
        let pristine = match &descriptor.object {
            Object::Node { node, lower } if self.tree.content(*node)?.is_none() => Some((*node, lower.clone())),
            _ => None,
        };
        if let Some((node, lower)) = pristine {
            self.copy_up(node, lower.as_ref())?;
        }
        let descriptor = self.table.get(fd)?;
        let (offset, len) = match &descriptor.object {
            Object::Node { node, .. } => {
                let (node, end) = (*node, self.tree.content(*node)?.map_or(0, Content::len));
                let offset = if append { end } else { offset };
                let write = |content: &mut Content, budget: &mut _| content.write(offset, source, budget);
                (offset, self.tree.edit(node, self.now, write)?)
            }
            Object::Host { file, .. } => {
                let offset = if append { file.metadata()?.len() } else { offset };
                (offset, grant::write_at(file, offset, source)?)
            }
            _ => return Err(Errno::BADF),
        };
        if at.is_none() {
            self.table.get_mut(fd)?.offset = offset.saturating_add(len as u64);
        }
        self.note_fd(fd)?;
        Ok(len)
    }

    fn note_fd(&mut self, fd: u32) -> Result<()> {
        let descriptor = self.table.get_mut(fd)?;
        if descriptor.noted != self.cell {
            descriptor.noted = self.cell;
            let (mount, path) = (descriptor.mount, Arc::clone(&descriptor.path));
            self.note(mount, &path, ChangeKind::Modified);
        }
        Ok(())
    }

    /// Moves the offset; `whence` as in WASI: 0 from the start, 1 from here, 2 from the end.
    pub(crate) fn seek(&mut self, fd: u32, offset: i64, whence: u8) -> Result<u64> {
        let descriptor = self.table.get(fd)?;
        if !descriptor.is_file() {
            return Err(if descriptor.is_directory() { Errno::ISDIR } else { Errno::SPIPE });
        }
        let base = match whence {
            0 => 0,
            1 => descriptor.offset,
            2 => self.stat_fd(fd)?.size,
            _ => return Err(Errno::INVAL),
        };
        let position = base.checked_add_signed(offset).filter(|position| *position <= i64::MAX as u64);
        let position = position.ok_or(Errno::INVAL)?;
        self.table.get_mut(fd)?.offset = position;
        Ok(position)
    }

    pub(crate) fn stat_fd(&mut self, fd: u32) -> Result<Stat> {
        let descriptor = self.table.get(fd)?;
        match &descriptor.object {
            Object::Stdio(stdio) => Ok(Stat::new(0, *stdio as u64 + 1, FileType::Special)),
            Object::Library(record) => Ok(record.stat()),
            Object::Node { node, .. } => Ok(self.tree.node(*node)?.stat()),
            Object::Host { file, mount } => self.host(*mount)?.stat_file(file),
            Object::Root | Object::Directory => {
                let path = Arc::clone(&descriptor.path);
                let place = self.resolve("/", &path, true)?;
                self.stat_place(&place, true)
            }
        }
    }

    pub(crate) fn info(&self, fd: u32) -> Result<FdInfo> {
        let descriptor = self.table.get(fd)?;
        let file_type = match descriptor.object {
            Object::Stdio(_) => FileType::Special,
            Object::Root | Object::Directory => FileType::Directory,
            _ => FileType::File,
        };
        let Descriptor { read, write, append, .. } = *descriptor;
        Ok(FdInfo { file_type, read, write, append, seekable: descriptor.is_file() })
    }

    pub(crate) fn set_append(&mut self, fd: u32, append: bool) -> Result<()> {
        self.table.get_mut(fd)?.append = append;
        Ok(())
    }

    pub(crate) fn set_len(&mut self, fd: u32, len: u64) -> Result<()> {
        let descriptor = self.table.get(fd)?;
        if !descriptor.write {
            return Err(if descriptor.is_directory() { Errno::ISDIR } else { Errno::BADF });
        }
        match &descriptor.object {
            Object::Node { node, .. } => self.truncate_node(*node, len)?,
            Object::Host { file, .. } => file.set_len(len)?,
            _ => return Err(Errno::INVAL),
        }
        self.note_fd(fd)
    }

    /// Makes a file in memory at least `len` bytes long. The host's disk is not reserved for a guest.
    pub(crate) fn allocate(&mut self, fd: u32, len: u64) -> Result<()> {
        if !matches!(self.table.get(fd)?.object, Object::Node { .. }) {
            return Err(Errno::NOTSUP);
        }
        if self.stat_fd(fd)?.size < len { self.set_len(fd, len) } else { Ok(()) }
    }

    pub(crate) fn set_times_fd(&mut self, fd: u32, times: Times) -> Result<()> {
        let descriptor = self.table.get(fd)?;
        match &descriptor.object {
            Object::Node { node, .. } => self.tree.set_times(*node, times),
            Object::Host { file, mount } => self.host(*mount)?.set_file_times(file, times),
            Object::Root | Object::Directory => {
                let path = Arc::clone(&descriptor.path);
                self.set_times("/", &path, times, true)
            }
            _ => Err(Errno::ACCES),
        }
    }

    pub(crate) fn sync_fd(&mut self, fd: u32) -> Result<()> {
        match &self.table.get(fd)?.object {
            Object::Host { file, .. } => Ok(file.sync_all()?),
            Object::Stdio(_) => Err(Errno::INVAL),
            _ => Ok(()),
        }
    }

    pub(crate) fn tell(&self, fd: u32) -> Result<u64> {
        let descriptor = self.table.get(fd)?;
        if descriptor.is_file() { Ok(descriptor.offset) } else { Err(Errno::SPIPE) }
    }

    /// The listing of a directory that is open. The same one while its guest goes on reading: `from_start` begins anew.
    pub(crate) fn listing(&mut self, fd: u32, from_start: bool) -> Result<Arc<Vec<Entry>>> {
        let path = self.directory_path(fd)?;
        if let Some(index) = self.listings.iter().position(|(listed, _)| *listed == fd) {
            if !from_start {
                return Ok(Arc::clone(&self.listings[index].1));
            }
            self.listings.remove(index);
        }
        let entries = Arc::new(self.list(&path)?);
        if self.listings.len() == MAX_LISTINGS {
            self.listings.pop_front();
        }
        self.listings.push_back((fd, Arc::clone(&entries)));
        Ok(entries)
    }
}

impl Descriptor {
    fn is_file(&self) -> bool {
        matches!(self.object, Object::Library(_) | Object::Node { .. } | Object::Host { .. })
    }

    fn is_directory(&self) -> bool {
        matches!(self.object, Object::Root | Object::Directory)
    }
}

fn is_symlink(stat: Stat) -> bool {
    stat.file_type == FileType::Symlink
}
