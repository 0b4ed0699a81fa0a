//! Writing changed copies back to the host, or dropping them.
//!
//! First everything that can go wrong is tried: the host's files must be as they were when the guest first saw them,
//! and all new bytes are written to temporary files. Only then names change, each file's at once by a rename.

use std::{
    fs::File,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cap_std::fs::OpenOptions;

use super::{
    Access, FileSystem, MountKind,
    errno::Errno,
    grant::{self, Host},
    resolve::MAX_PATH,
    scratch::{Kind, Lower, NodeId},
    stat::{FileType, Stat},
};

/// Why a changed copy did not reach the host. Paths are the guest's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error("`{path}` changed on the host since the session read it")]
    Conflict { path: String },
    #[error("cannot write `{path}`: {reason}")]
    Write { path: String, reason: String },
}

/// What has to be done in one grant; paths are below its root.
#[derive(Default)]
struct Plan {
    /// Names of the host that go away or are replaced, as they were.
    old: Vec<(String, Stat)>,
    /// Names that must not be there yet.
    new: Vec<String>,
    directories: Vec<String>,
    files: Vec<(String, NodeId)>,
    symlinks: Vec<(String, Arc<str>)>,
}

impl Plan {
    fn is_empty(&self) -> bool {
        self.old.is_empty() && self.directories.is_empty() && self.files.is_empty() && self.symlinks.is_empty()
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

impl FileSystem {
    /// Writes changed copies of [`Access::WriteSync`] grants back. When one of a grant's files conflicts, nothing of
    /// that grant is written and its copy stays changed.
    pub(crate) fn commit(&mut self) -> Result<(), Vec<SyncError>> {
        let mut errors = Vec::new();
        for (mount, root) in self.synced() {
            let guest = self.mounts[mount].guest.clone();
            let named = |relative: &str| {
                if relative.is_empty() { guest.clone() } else { format!("{guest}/{relative}") }
            };
            let failed = |relative: &str, reason: String| SyncError::Write { path: named(relative), reason };
            let plan = match self.plan(mount, root) {
                Ok(plan) => plan,
                Err(error) => {
                    errors.push(failed("", io_text(error)));
                    continue;
                }
            };
            if plan.is_empty() {
                continue;
            }
            let Ok(host) = self.host(mount) else { continue };
            let conflicts = plan.conflicts(host);
            if !conflicts.is_empty() {
                errors.extend(conflicts.iter().map(|relative| SyncError::Conflict { path: named(relative) }));
                continue;
            }
            let staged = match self.stage(host, &plan) {
                Ok(staged) => staged,
                Err((relative, error)) => {
                    errors.push(failed(&relative, error.to_string()));
                    continue;
                }
            };
            for (relative, error) in plan.carry_out(host, staged) {
                errors.push(failed(&relative, error.to_string()));
            }
            if self.rebase(mount, root).is_err() {
                errors.push(failed("", "it cannot be read again".to_owned()));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Drops changed copies of [`Access::WriteSync`] grants: the guest sees the host's files again. What it still has
    /// open there goes nowhere.
    pub(crate) fn discard(&mut self) {
        for (mount, root) in self.synced() {
            let changed = self.plan(mount, root).map_or(true, |plan| !plan.is_empty());
            if changed {
                // Nothing in it can fail but reading the host, which the next access reports.
                let _ = self.reset(root);
            }
        }
    }

    fn synced(&self) -> Vec<(usize, NodeId)> {
        let mounts = self.mounts.iter().enumerate();
        let synced = mounts.filter_map(|(index, mount)| match &mount.kind {
            MountKind::Copy { host, root } if host.access == Access::WriteSync => Some((index, *root)),
            _ => None,
        });
        synced.collect()
    }

    fn plan(&mut self, mount: usize, root: NodeId) -> super::Result<Plan> {
        let mut plan = Plan::default();
        if let Kind::File(file) = &self.tree.node(root)?.kind {
            if file.dirty {
                let lower = file.lower.as_ref().ok_or(Errno::IO)?;
                let stat = Stat { size: lower.len, modified: lower.modified, ..Stat::new(0, 0, FileType::File) };
                plan.old.push((String::new(), stat));
                plan.files.push((String::new(), root));
            }
            return Ok(plan);
        }
        let mut waiting = vec![(root, String::new())];
        while let Some((id, path)) = waiting.pop() {
            if path.len() > MAX_PATH {
                return Err(Errno::NAMETOOLONG);
            }
            let directory = self.tree.directory(id)?;
            let lower = directory.lower.as_ref();
            let in_place = lower.is_some_and(|lower| lower.mount == mount && lower.relative == path);
            if in_place && !directory.expanded {
                continue;
            }
            self.expand(id)?;
            let directory = self.tree.directory(id)?;
            let base = if in_place { Arc::clone(&directory.base) } else { Arc::default() };
            for (name, (inode, stat)) in base.iter() {
                let child = directory.children.get(name).and_then(|link| self.tree.node(link.node).ok());
                if child.is_none_or(|node| node.inode != *inode) {
                    plan.old.push((join(&path, name), *stat));
                }
            }
            for (name, link) in &directory.children {
                let child = join(&path, name);
                let node = self.tree.node(link.node)?;
                let before = base.get(name);
                let kept = before.filter(|(inode, _)| *inode == node.inode);
                if before.is_none() && in_place {
                    plan.new.push(child.clone());
                }
                match (&node.kind, kept) {
                    (Kind::Directory(_), Some(_)) => waiting.push((link.node, child)),
                    (Kind::Directory(_), None) => {
                        plan.directories.push(child.clone());
                        waiting.push((link.node, child));
                    }
                    (Kind::File(file), Some((_, stat))) if file.dirty => {
                        plan.old.push((child.clone(), *stat));
                        plan.files.push((child, link.node));
                    }
                    (Kind::File(_), None) => plan.files.push((child, link.node)),
                    (Kind::Symlink(target), None) => plan.symlinks.push((child, Arc::clone(target))),
                    _ => {}
                }
            }
        }
        Ok(plan)
    }

    /// Writes the bytes of all files of a plan to temporary files; removes them again when one fails.
    fn stage(&self, host: &Host, plan: &Plan) -> Result<Vec<String>, (String, io::Error)> {
        let mut staged = Vec::new();
        for (relative, node) in &plan.files {
            let result = self.stage_file(host, relative, *node, &mut staged);
            if let Err(error) = result {
                unstage(host, relative, &staged);
                return Err((relative.clone(), error));
            }
        }
        Ok(staged)
    }

    fn stage_file(&self, host: &Host, relative: &str, node: NodeId, staged: &mut Vec<String>) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (dir, path) = host.sync_target(relative)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".keelback-{}-{number}.tmp", std::process::id());
        let mut file = dir.open_with(&name, OpenOptions::new().write(true).create_new(true))?.into_std();
        staged.push(name);
        let io_error = |error| io::Error::other(io_text(error));
        let content = self.tree.content(node).map_err(io_error)?;
        let lower: Option<Arc<File>> = match content {
            None => Some(self.open_lower(node).map_err(io_error)?),
            Some(_) => None,
        };
        let (mut buffer, mut offset) = (vec![0; 64 << 10], 0);
        loop {
            let len = match (content, &lower) {
                (Some(content), _) => content.read(offset, &mut buffer),
                (None, Some(lower)) => grant::read_at(lower, offset, &mut buffer).map_err(io_error)?,
                (None, None) => 0,
            };
            if len == 0 {
                break;
            }
            offset += len as u64;
            if buffer[..len].iter().all(|byte| *byte == 0) {
                // A hole must not fill the host's disk with the zeros that it reads as.
                io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
            } else {
                file.write_all(&buffer[..len])?;
            }
        }
        file.set_len(offset)?;
        if let Ok(metadata) = dir.symlink_metadata(path)
            && metadata.is_file()
        {
            grant::copy_permissions(&metadata, &file)?;
        }
        Ok(())
    }

    /// After a commit the copy is what is on the host.
    fn rebase(&mut self, mount: usize, root: NodeId) -> super::Result<()> {
        if !self.tree.any_open(root) {
            return self.reset(root);
        }
        let mut waiting = vec![(root, String::new())];
        while let Some((id, path)) = waiting.pop() {
            let stat = self.host(mount)?.stat(&path, false)?;
            let lower = Arc::new(Lower { mount, relative: path.clone(), len: stat.size, modified: stat.modified });
            if self.tree.directory(id).is_err() {
                let keep =
                    self.tree.node(id)?.opens > 0 && self.tree.content(id).is_ok_and(|content| content.is_some());
                self.tree.set_lower(id, Some(lower), keep)?;
                continue;
            }
            let children: Vec<(Arc<str>, NodeId, bool)> = {
                let children = self.tree.directory(id)?.children.iter();
                children.map(|(name, link)| (Arc::clone(name), link.node, link.charged)).collect()
            };
            let mut base = std::collections::BTreeMap::new();
            for (name, node, charged) in children {
                let child = join(&path, &name);
                if charged {
                    let cost = self.tree.entry_cost(&name, node);
                    self.tree.budget.give_back(cost);
                }
                if let Ok(stat) = self.host(mount)?.stat(&child, false) {
                    base.insert(name, (self.tree.node(node)?.inode, stat));
                    waiting.push((node, child));
                }
            }
            let directory = self.tree.directory_mut(id)?;
            directory.children.values_mut().for_each(|link| link.charged = false);
            directory.lower = Some(lower);
            if directory.expanded {
                directory.base = Arc::new(base);
            }
        }
        Ok(())
    }

    /// Forgets a copy; it is read from the host again.
    fn reset(&mut self, root: NodeId) -> super::Result<()> {
        if self.tree.directory(root).is_ok() {
            self.tree.clear(root)?;
            let directory = self.tree.directory_mut(root)?;
            directory.expanded = false;
            directory.base = Arc::default();
            return Ok(());
        }
        let Kind::File(file) = &self.tree.node(root)?.kind else {
            return Ok(());
        };
        let Some(lower) = file.lower.clone() else {
            return Ok(());
        };
        let stat = self.host(lower.mount)?.stat("", true)?;
        let lower = Lower { len: stat.size, modified: stat.modified, ..(*lower).clone() };
        self.tree.set_lower(root, Some(Arc::new(lower)), false)
    }
}

impl Plan {
    /// Paths where the host is not as the guest saw it.
    fn conflicts(&self, host: &Host) -> Vec<String> {
        let mut conflicts = Vec::new();
        for (relative, before) in &self.old {
            if let Ok(now) = host.stat(relative, false) {
                let same_file = now.size == before.size && now.modified == before.modified;
                if now.file_type != before.file_type || (now.file_type == FileType::File && !same_file) {
                    conflicts.push(relative.clone());
                }
            }
        }
        conflicts.extend(self.new.iter().filter(|relative| host.stat(relative, false).is_ok()).cloned());
        conflicts
    }

    fn carry_out(&self, host: &Host, staged: Vec<String>) -> Vec<(String, io::Error)> {
        let mut errors = Vec::new();
        let mut attempt = |relative: &str, action: &dyn Fn() -> io::Result<()>| {
            if let Err(error) = action() {
                errors.push((relative.to_owned(), error));
            }
        };
        let replaced = |relative: &String| self.files.iter().any(|(file, _)| file == relative);
        for (relative, before) in &self.old {
            let in_the_way = before.file_type == FileType::Directory || !replaced(relative);
            if in_the_way {
                attempt(relative, &|| remove(host, relative));
            }
        }
        for relative in &self.directories {
            attempt(relative, &|| {
                let (dir, path) = host.sync_target(relative)?;
                dir.create_dir(path)
            });
        }
        for ((relative, _), temporary) in self.files.iter().zip(&staged) {
            attempt(relative, &|| {
                let (dir, path) = host.sync_target(relative)?;
                dir.rename(temporary, dir, path).inspect_err(|_| _ = dir.remove_file(temporary))
            });
        }
        for (relative, target) in &self.symlinks {
            attempt(relative, &|| {
                // Checked once more where it will stand: directories may have moved around it.
                let parent = relative.rsplit_once('/').map_or("", |(parent, _)| parent);
                if !grant::stays_inside(parent, target) {
                    return Err(io::ErrorKind::PermissionDenied.into());
                }
                let (dir, path) = host.sync_target(relative)?;
                grant::create_symlink(dir, target, path)
            });
        }
        errors
    }
}

fn remove(host: &Host, relative: &str) -> io::Result<()> {
    let (dir, path) = host.sync_target(relative)?;
    let result = match dir.symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => dir.remove_dir_all(path),
        Ok(_) => dir.remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn unstage(host: &Host, relative: &str, staged: &[String]) {
    if let Ok((dir, _)) = host.sync_target(relative) {
        staged.iter().for_each(|name| _ = dir.remove_file(name));
    }
}

fn io_text(error: Errno) -> String {
    match error {
        Errno::ACCES => "permission denied".to_owned(),
        Errno::NOENT => "no such file or directory".to_owned(),
        Errno::NAMETOOLONG => "its path is too long".to_owned(),
        Errno(number) => format!("WASI error {number}"),
    }
}
