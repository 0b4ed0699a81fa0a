//! What a guest path means. Names are followed one by one through the virtual tree, whose root, `..` and symlinks are
//! the guest's own; what is left below a granted host folder goes to `grant.rs`, which cannot leave that folder.

use std::borrow::Cow;

use super::{
    FileSystem, MountKind,
    errno::{Errno, Result},
    grant::Host,
    library::Record,
    scratch::{Kind, NodeId},
    stat::FileType,
};

/// Bytes of a path, as in Linux.
pub(crate) const MAX_PATH: usize = 4096;
const MAX_NAME: usize = 255;
const MAX_SYMLINKS: usize = 32;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// A directory that is there because grants are below it.
    Virtual,
    /// Nothing, where nothing can be made.
    Nothing,
    Library(Option<Record>),
    /// In memory. `parent` is the node itself at the root of a mount.
    Tree {
        parent: NodeId,
        node: Option<NodeId>,
    },
    /// On the host; not looked at yet.
    Host,
}

/// A resolved path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Absolute, without `.`, `..` and symlinks of the guest; `/` for the root.
    pub(crate) path: String,
    pub(crate) mount: Option<usize>,
    pub(crate) spot: Spot,
    /// Written with a `/` or `.` at its end: only a directory will do.
    pub(crate) directory: bool,
}

impl Place {
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(_, name)| name)
    }
}

struct Walk {
    /// As in [`Place`], but empty for the root.
    path: String,
    mount: Option<usize>,
    spot: Spot,
}

impl FileSystem {
    /// Resolves `path`, relative to the directory `base`. With `follow` a symlink at the end is followed, too.
    pub(crate) fn resolve(&mut self, base: &str, path: &str, follow: bool) -> Result<Place> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        if path.len() > MAX_PATH {
            return Err(Errno::NAMETOOLONG);
        }
        if path.contains('\0') {
            return Err(Errno::INVAL);
        }
        let mut rest = if path.starts_with('/') || base == "/" {
            Cow::Borrowed(path)
        } else {
            Cow::Owned(format!("{base}/{path}"))
        };
        let mut walk = Walk { path: String::with_capacity(64), mount: None, spot: Spot::Virtual };
        let (mut at, mut symlinks, mut directory) = (0, 0, false);
        loop {
            let tail = rest[at..].trim_start_matches('/');
            if tail.is_empty() {
                break;
            }
            let start = rest.len() - tail.len();
            let end = tail.find('/').map_or(rest.len(), |len| start + len);
            let last = rest[end..].trim_start_matches('/').is_empty();
            at = end;
            match &rest[start..end] {
                "." => {
                    self.enter(&mut walk)?;
                    directory |= last;
                }
                ".." => {
                    self.enter(&mut walk)?;
                    self.go_up(&mut walk)?;
                    directory |= last;
                }
                name => {
                    directory |= last && end < rest.len();
                    let follow = !last || follow || directory;
                    let name = name.to_owned();
                    if let Some(target) = self.step(&mut walk, &name, last, follow)? {
                        symlinks += 1;
                        if symlinks > MAX_SYMLINKS {
                            return Err(Errno::LOOP);
                        }
                        let next = format!("{target}{}", &rest[end..]);
                        if next.len() > 2 * MAX_PATH {
                            return Err(Errno::NAMETOOLONG);
                        }
                        if target.starts_with('/') {
                            walk = Walk { path: String::new(), mount: None, spot: Spot::Virtual };
                        }
                        (rest, at) = (Cow::Owned(next), 0);
                    }
                }
            }
        }
        let path = if walk.path.is_empty() { "/".to_owned() } else { walk.path };
        Ok(Place { path, mount: walk.mount, spot: walk.spot, directory })
    }

    /// Where the walk stands must be a directory, as far as is known without asking the host.
    fn enter(&mut self, walk: &mut Walk) -> Result<()> {
        match walk.spot {
            Spot::Virtual | Spot::Host => Ok(()),
            Spot::Nothing | Spot::Library(None) | Spot::Tree { node: None, .. } => Err(Errno::NOENT),
            Spot::Library(Some(record)) if record.is_directory => Ok(()),
            Spot::Library(Some(_)) => Err(Errno::NOTDIR),
            Spot::Tree { node: Some(node), .. } => self.tree.directory(node).map(drop),
        }
    }

    /// Takes one name. Returns the target of a symlink instead of following it.
    fn step(&mut self, walk: &mut Walk, name: &str, last: bool, follow: bool) -> Result<Option<String>> {
        self.enter(walk)?;
        if name.len() > MAX_NAME {
            return Err(Errno::NAMETOOLONG);
        }
        let len = walk.path.len();
        walk.path.push('/');
        walk.path.push_str(name);
        if walk.path.len() > MAX_PATH {
            return Err(Errno::NAMETOOLONG);
        }
        if let Some(mount) = self.mount_at(&walk.path) {
            (walk.mount, walk.spot) = (Some(mount), self.mount_spot(mount));
            return Ok(None);
        }
        walk.spot = match walk.spot {
            Spot::Library(_) => Spot::Library(self.library.find(&walk.path)),
            Spot::Tree { node: Some(parent), .. } => {
                self.expand(parent)?;
                let node = self.tree.child(parent, name)?;
                if follow
                    && let Some(node) = node
                    && let Kind::Symlink(target) = &self.tree.node(node)?.kind
                {
                    let target = target.to_string();
                    walk.path.truncate(len);
                    return Ok(Some(target));
                }
                Spot::Tree { parent, node }
            }
            Spot::Host => Spot::Host,
            _ => Spot::Nothing,
        };
        let found = !matches!(walk.spot, Spot::Nothing | Spot::Tree { node: None, .. });
        if !found && self.is_above_mount(&walk.path) {
            (walk.mount, walk.spot) = (None, Spot::Virtual);
        } else if !found && !last {
            return Err(Errno::NOENT);
        }
        Ok(None)
    }

    fn go_up(&mut self, walk: &mut Walk) -> Result<()> {
        if let (Spot::Host, Some(mount)) = (walk.spot, walk.mount) {
            let relative = self.relative(mount, &walk.path).to_owned();
            // `..` after a symlink is the parent of its target; the host knows which, inside the grant.
            if !relative.is_empty() && !self.is_above_mount(&walk.path) {
                let host = self.host(mount)?;
                if host.stat(&relative, true)?.file_type != FileType::Directory {
                    return Err(Errno::NOTDIR);
                }
                let canonical = host.canonical(&relative)?;
                walk.path.truncate(self.mounts[mount].guest.len());
                if canonical.is_empty() {
                    // The symlink led to the grant itself, whose parent is virtual.
                } else {
                    walk.path.push('/');
                    walk.path.push_str(&canonical);
                }
            }
        }
        let parent = walk.path.rfind('/').unwrap_or(0);
        walk.path.truncate(parent);
        let path = std::mem::take(&mut walk.path);
        *walk = self.stand_at(path)?;
        Ok(())
    }

    /// Where a path without symlinks leads.
    fn stand_at(&mut self, path: String) -> Result<Walk> {
        let below = |guest: &str| path.strip_prefix(guest).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let mounts = self.mounts.iter().enumerate().filter(|(_, mount)| below(&mount.guest));
        let Some((mount, _)) = mounts.max_by_key(|(_, mount)| mount.guest.len()) else {
            return Ok(Walk { path, mount: None, spot: Spot::Virtual });
        };
        let mut spot = self.mount_spot(mount);
        if let Spot::Library(_) = spot {
            spot = Spot::Library(self.library.find(&path));
        }
        if let Spot::Tree { .. } = spot {
            let relative = self.relative(mount, &path).to_owned();
            for name in relative.split('/').filter(|name| !name.is_empty()) {
                let Spot::Tree { node: Some(parent), .. } = spot else {
                    return Err(Errno::NOENT);
                };
                self.expand(parent)?;
                spot = Spot::Tree { parent, node: self.tree.child(parent, name)? };
            }
            if matches!(spot, Spot::Tree { node: None, .. }) && self.is_above_mount(&path) {
                return Ok(Walk { path, mount: None, spot: Spot::Virtual });
            }
        }
        Ok(Walk { path, mount: Some(mount), spot })
    }

    fn mount_spot(&self, mount: usize) -> Spot {
        match &self.mounts[mount].kind {
            MountKind::Library => Spot::Library(self.library.find(&self.mounts[mount].guest)),
            MountKind::Scratch(root) | MountKind::Copy { root, .. } => Spot::Tree { parent: *root, node: Some(*root) },
            MountKind::Host(_) => Spot::Host,
        }
    }

    /// The mount exactly at a path.
    pub(crate) fn mount_at(&self, path: &str) -> Option<usize> {
        self.mounts.iter().position(|mount| mount.guest == path)
    }

    /// Whether a path is that of a directory that mounts lie below.
    pub(crate) fn is_above_mount(&self, path: &str) -> bool {
        let below = |mount: &super::Mount| mount.guest.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        path == "/" || self.mounts.iter().any(below)
    }

    /// A path below the root of its mount.
    pub(crate) fn relative<'a>(&self, mount: usize, path: &'a str) -> &'a str {
        path.get(self.mounts[mount].guest.len()..).unwrap_or_default().trim_start_matches('/')
    }

    /// The host's side of a mount.
    pub(crate) fn host(&self, mount: usize) -> Result<&Host> {
        match &self.mounts[mount].kind {
            MountKind::Host(host) | MountKind::Copy { host, .. } => Ok(host),
            _ => Err(Errno::IO),
        }
    }
}
