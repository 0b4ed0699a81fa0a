//! The file that prompts share: locks, appending, and replacing it.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{
    Cursor, Format,
    format::{HEADER, read_cpython},
    os::{self, Identity},
    store::Store,
};

/// How long another prompt may hold the lock. One that was stopped with it must not stop all others: a single write to
/// a file opened for appending stays whole without the lock.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the file may be replaced while we wait for its lock, before that is an error.
const MAX_REPLACED: usize = 16;

#[derive(Debug)]
pub(super) struct Shared {
    path: PathBuf,
    file: File,
    format: Format,
    read_only: Option<String>,
}

impl Shared {
    pub(super) fn open(path: &Path, format: Format, import: Option<&Path>) -> io::Result<(Self, Store)> {
        // Behind a symbolic link, the file is what is to be replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let (file, read_only) = match open_to_append(&path) {
            Ok(file) => (file, None),
            Err(error) => match File::open(&path) {
                Ok(file) => (file, Some(super::trouble(&path, &error))),
                Err(_) => return Err(error),
            },
        };
        if read_only.is_none() && file.metadata()?.len() == 0 {
            let _lock = lock(&file);
            if file.metadata()?.len() == 0 {
                let mut bytes = format.header().to_vec();
                if let Some(import) = import.and_then(|path| fs::read(path).ok()) {
                    bytes.extend(read_cpython(&import).iter().flat_map(|cell| format.record(cell)));
                }
                (&file).write_all(&bytes)?;
                file.sync_data()?;
            }
        }
        check_version(&file, format)?;
        let store = Store::load(&file, format)?;
        Ok((Shared { path, file, format, read_only }, store))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn writable(&self) -> bool {
        self.read_only.is_none()
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.read_only.clone()
    }

    /// Appends a record and takes in what came before it. Returns the new store if the file was replaced.
    pub(super) fn append(&mut self, record: &[u8], current: &mut Store) -> io::Result<Option<Store>> {
        let mut replaced = None;
        for _ in 0..MAX_REPLACED {
            if !self.is_current(replaced.as_ref().unwrap_or(current))? {
                self.reopen()?;
                replaced = Some(Store::load(&self.file, self.format)?);
            }
            let guard = lock(&self.file);
            let store = replaced.as_mut().unwrap_or(current);
            if guard.is_some() && !self.is_current(store)? {
                continue;
            }
            let torn = store.extend()?;
            let mut bytes = Vec::new();
            if !torn.is_empty() {
                bytes.extend_from_slice(self.format.mend(&torn, store.end() == 0));
            } else if store.end() == 0 {
                bytes.extend_from_slice(self.format.header());
            }
            bytes.extend_from_slice(record);
            (&self.file).write_all(&bytes)?;
            self.file.sync_data()?;
            store.extend()?;
            let locked = guard.is_some();
            drop(guard);
            if locked || self.is_current(store)? {
                return Ok(replaced);
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "the file is replaced all the time"))
    }

    pub(super) fn refresh(&mut self, current: &mut Store) -> io::Result<Option<Store>> {
        if self.is_current(current)? {
            current.extend()?;
            return Ok(None);
        }
        self.reopen()?;
        Store::load(&self.file, self.format).map(Some)
    }

    /// Rewrites the file if it is worth it. Returns the new store if so, or if another prompt has.
    pub(super) fn tidy(&mut self, current: &mut Store, max: usize) -> io::Result<Option<Store>> {
        let replaced = self.refresh(current)?;
        let store = replaced.as_ref().unwrap_or(current);
        if kept(store, max).is_none() {
            return Ok(replaced);
        }
        let old = self.file.try_clone()?;
        let Some(_lock) = lock(&old) else { return Ok(replaced) };
        if !self.is_current(store)? {
            return Ok(replaced);
        }
        let store = Store::load(&self.file, self.format)?;
        let Some(keep) = kept(&store, max) else { return Ok(replaced) };
        let mut bytes = HEADER.to_vec();
        for cursor in keep.iter().rev() {
            bytes.extend_from_slice(store.record(*cursor));
        }
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        // Under the lock nobody else writes it; what a crash has left is overwritten.
        let new = self.path.with_file_name(name);
        let mut file = os::private(OpenOptions::new().write(true).create(true).truncate(true)).open(&new)?;
        file.set_permissions(self.file.metadata()?.permissions())?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        if let Some(folder) = self.path.parent() {
            // Some file systems cannot; then the rename is as safe as they make it.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        self.reopen()?;
        Store::load(&self.file, self.format).map(Some)
    }

    /// Whether the path still leads to our file, and nobody has made that shorter.
    fn is_current(&self, store: &Store) -> io::Result<bool> {
        let ours = Identity::of_file(&self.file)?;
        match Identity::of_path(&self.path) {
            Ok((named, length)) => Ok(named == ours && length >= store.end()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = open_to_append(&self.path)?;
        check_version(&file, self.format)?;
        self.file = file;
        Ok(())
    }
}

/// The cells to keep of a file that is too long or mostly repetition, the newest first.
fn kept(store: &Store, max: usize) -> Option<Vec<Cursor>> {
    let (mut seen, mut keep, mut count, mut at) = (HashSet::new(), Vec::new(), 0, store.end());
    while let Some(cursor) = store.before(at) {
        at = cursor.start;
        count += 1;
        if seen.insert(store.cell(cursor)) {
            keep.push(cursor);
        }
    }
    let too_long = count > max;
    let repetitive = count > max / 100 && count > 2 * keep.len();
    if too_long {
        // Some room, so that the next sessions need not do it again.
        keep.truncate(max - max / 5);
    }
    (too_long || repetitive).then_some(keep)
}

fn open_to_append(path: &Path) -> io::Result<File> {
    os::private(OpenOptions::new().read(true).append(true).create(true)).open(path)
}

fn check_version(file: &File, format: Format) -> io::Result<()> {
    let mut start = [0; HEADER.len()];
    if format == Format::Native {
        let length = os::read_at(file, &mut start, 0)?;
        if !HEADER.starts_with(&start[..length]) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a history this version knows"));
        }
    }
    Ok(())
}

/// The lock of a file, until dropped.
struct Lock<'a>(&'a File);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// None if it cannot be had in time, or the file system has no locks.
fn lock(file: &File) -> Option<Lock<'_>> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Some(Lock(file)),
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_TIMEOUT => {
                thread::sleep(Duration::from_micros(200));
            }
            Err(_) => return None,
        }
    }
}
