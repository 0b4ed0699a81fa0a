//! Calls that take a path: metadata, making, removing, moving.

use super::{
    ChangeKind, FileSystem, MountKind,
    errno::{Errno, Result},
    resolve::{MAX_PATH, Place, Spot},
    scratch::{Kind, Tree},
    stat::{FileType, Stat, Times},
};

impl FileSystem {
    /// Metadata of a path relative to the directory `base`.
    pub(crate) fn stat(&mut self, base: &str, path: &str, follow: bool) -> Result<Stat> {
        let place = self.resolve(base, path, follow)?;
        self.stat_place(&place, follow)
    }

    /// The mount of a place whose name may be made, taken away or moved, and the place's path below it.
    fn changeable<'a>(&self, place: &'a Place) -> Result<(usize, &'a str)> {
        if self.is_above_mount(&place.path) || self.mount_at(&place.path).is_some() {
            return Err(Errno::BUSY);
        }
        match (place.spot, place.mount) {
            (Spot::Tree { .. } | Spot::Host, Some(mount)) => Ok((mount, self.relative(mount, &place.path))),
            _ => Err(Errno::ACCES),
        }
    }

    /// As [`Self::changeable`], for something that is there.
    fn removable<'a>(&self, place: &'a Place) -> Result<(usize, &'a str)> {
        if matches!(place.spot, Spot::Nothing | Spot::Library(None) | Spot::Tree { node: None, .. }) {
            return Err(Errno::NOENT);
        }
        self.changeable(place)
    }

    /// As [`Self::changeable`], for something new.
    fn creatable<'a>(&self, place: &'a Place) -> Result<(usize, &'a str)> {
        match place.spot {
            Spot::Virtual | Spot::Library(Some(_)) | Spot::Tree { node: Some(_), .. } => Err(Errno::EXIST),
            Spot::Host if self.mount_at(&place.path).is_some() => Err(Errno::EXIST),
            _ => self.changeable(place),
        }
    }

    pub(crate) fn create_directory(&mut self, base: &str, path: &str) -> Result<()> {
        let place = self.resolve(base, path, false)?;
        let (mount, relative) = self.creatable(&place)?;
        match place.spot {
            Spot::Tree { parent, .. } => {
                self.tree.create(parent, place.name(), Tree::empty_directory(), self.now)?;
            }
            _ => self.host(mount)?.create_directory(relative)?,
        }
        self.note(place.mount, &place.path, ChangeKind::Created);
        Ok(())
    }

    pub(crate) fn remove_directory(&mut self, base: &str, path: &str) -> Result<()> {
        let place = self.resolve(base, path, false)?;
        let (mount, relative) = self.removable(&place)?;
        match place.spot {
            Spot::Tree { parent, node: Some(node) } => {
                self.expand(node)?;
                self.tree.remove_directory(parent, place.name(), self.now)?;
            }
            _ => self.host(mount)?.remove_directory(relative)?,
        }
        self.note(place.mount, &place.path, ChangeKind::Deleted);
        Ok(())
    }

    pub(crate) fn unlink(&mut self, base: &str, path: &str) -> Result<()> {
        let place = self.resolve(base, path, false)?;
        if place.directory {
            self.stat_place(&place, false)?;
            return Err(Errno::ISDIR);
        }
        let (mount, relative) = self.removable(&place)?;
        match place.spot {
            Spot::Tree { parent, .. } => self.tree.unlink(parent, place.name(), self.now)?,
            _ => {
                let host = self.host(mount)?;
                if host.stat(relative, false)?.file_type == FileType::Directory {
                    return Err(Errno::ISDIR);
                }
                host.remove_file(relative)?;
            }
        }
        self.note(place.mount, &place.path, ChangeKind::Deleted);
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: (&str, &str), to: (&str, &str)) -> Result<()> {
        let from = self.resolve(from.0, from.1, false)?;
        let to = self.resolve(to.0, to.1, false)?;
        let (mount, old) = self.removable(&from)?;
        let (other, new) = self.changeable(&to)?;
        if mount != other {
            return Err(Errno::XDEV);
        }
        if from.directory || to.directory {
            let stat = self.stat_place(&from, false)?;
            if stat.file_type != FileType::Directory {
                return Err(Errno::NOTDIR);
            }
        }
        let replaced = self.stat_place(&to, false).is_ok();
        match (from.spot, to.spot) {
            (Spot::Tree { parent, .. }, Spot::Tree { parent: target, node }) => {
                if let Some(node) = node
                    && self.tree.directory(node).is_ok()
                {
                    self.expand(node)?;
                }
                self.tree.rename((parent, from.name()), (target, to.name()), self.now)?;
            }
            (Spot::Host, Spot::Host) => self.host(mount)?.rename(old, new)?,
            _ => return Err(Errno::XDEV),
        }
        if from.path != to.path {
            self.note(from.mount, &from.path, ChangeKind::Deleted);
            self.note(to.mount, &to.path, if replaced { ChangeKind::Modified } else { ChangeKind::Created });
        }
        Ok(())
    }

    /// A second name for a file, in the same mount.
    pub(crate) fn link(&mut self, from: (&str, &str), follow: bool, to: (&str, &str)) -> Result<()> {
        let from = self.resolve(from.0, from.1, follow)?;
        let to = self.resolve(to.0, to.1, false)?;
        let (mount, old) = self.removable(&from)?;
        let (other, new) = self.creatable(&to)?;
        if mount != other {
            return Err(Errno::XDEV);
        }
        match (from.spot, to.spot) {
            (Spot::Tree { node: Some(node), .. }, Spot::Tree { parent, .. }) => {
                self.tree.link(node, parent, to.name(), self.now)?;
            }
            (Spot::Host, Spot::Host) => self.host(mount)?.link(old, new)?,
            _ => return Err(Errno::XDEV),
        }
        self.note(to.mount, &to.path, ChangeKind::Created);
        Ok(())
    }

    pub(crate) fn symlink(&mut self, target: &str, base: &str, path: &str) -> Result<()> {
        if target.is_empty() {
            return Err(Errno::NOENT);
        }
        if target.len() > MAX_PATH {
            return Err(Errno::NAMETOOLONG);
        }
        if target.contains('\0') {
            return Err(Errno::INVAL);
        }
        let place = self.resolve(base, path, false)?;
        let (mount, relative) = self.creatable(&place)?;
        match place.spot {
            Spot::Tree { parent, .. } => {
                // A copy that will be written back refuses what the host would refuse then.
                if matches!(self.mounts[mount].kind, MountKind::Copy { .. }) {
                    let parent = relative.rsplit_once('/').map_or("", |(parent, _)| parent);
                    if !super::grant::stays_inside(parent, target) {
                        return Err(Errno::ACCES);
                    }
                }
                self.tree.create(parent, place.name(), Kind::Symlink(target.into()), self.now)?;
            }
            _ => self.host(mount)?.symlink(target, relative)?,
        }
        self.note(place.mount, &place.path, ChangeKind::Created);
        Ok(())
    }

    pub(crate) fn read_link(&mut self, base: &str, path: &str) -> Result<String> {
        let place = self.resolve(base, path, false)?;
        match (place.spot, place.mount) {
            (Spot::Host, Some(mount)) => self.host(mount)?.read_link(self.relative(mount, &place.path)),
            (Spot::Tree { node: Some(node), .. }, _) => match &self.tree.node(node)?.kind {
                Kind::Symlink(target) => Ok(target.to_string()),
                _ => Err(Errno::INVAL),
            },
            _ => self.stat_place(&place, false).and(Err(Errno::INVAL)),
        }
    }

    pub(crate) fn set_times(&mut self, base: &str, path: &str, times: Times, follow: bool) -> Result<()> {
        let place = self.resolve(base, path, follow)?;
        let stat = self.stat_place(&place, follow)?;
        match (place.spot, place.mount) {
            (Spot::Tree { node: Some(node), .. }, _) => self.tree.set_times(node, times),
            (Spot::Host, Some(mount)) if stat.file_type != FileType::Symlink => {
                self.host(mount)?.set_times(self.relative(mount, &place.path), times)
            }
            (Spot::Host, _) => Err(Errno::NOTSUP),
            _ => Err(Errno::ACCES),
        }
    }
}
