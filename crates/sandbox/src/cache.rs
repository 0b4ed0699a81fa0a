//! The folder of compiled images: where it is, whose it is, who builds in it, and what of it nobody uses any more.
//!
//! Each image, engine and CPU has an entry of its own there, a folder named by a key. An entry is built and removed only
//! by who holds its lock.

use std::{
    env, fs,
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{Error, file_id, image::Progress};

#[cfg(unix)]
#[path = "cache/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "cache/windows.rs"]
mod system;

/// The file of an entry that is written last. Its time says when the entry was used.
pub(crate) const MANIFEST: &str = "manifest";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Entries that were not used for so long are removed. A choice: compiling takes seconds, an entry is some 100 MB.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// An error of the cache, of an action on a path.
pub(crate) fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + use<'a> {
    move |source| Error::Cache { action, path: path.to_owned(), source }
}

/// The folder that has all entries.
pub(crate) fn folder() -> Result<PathBuf, Error> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("KEELBACK_CACHE").or_else(|| system::default_folder(set)).ok_or(Error::NoCacheDirectory)
}

/// Makes an entry, and refuses one that others may write to.
pub(crate) fn private_folder(folder: &Path) -> Result<(), Error> {
    system::create_private(folder).map_err(failed("create", folder))?;
    if system::is_private(folder).map_err(failed("read", folder))? {
        return Ok(());
    }
    Err(failed("trust", folder)(io::Error::new(io::ErrorKind::PermissionDenied, system::NOT_PRIVATE)))
}

/// Holds the lock of an entry, which is made if need be, until the file is dropped.
pub(crate) fn lock(folder: &Path, progress: &mut dyn FnMut(Progress)) -> Result<File, Error> {
    let path = folder.join("lock");
    loop {
        private_folder(folder)?;
        let lock = match File::create(&path) {
            // Removed between the two lines.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => continue,
            lock => lock.map_err(failed("create", &path))?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress(Progress::Waiting);
                lock.lock().map_err(failed("lock", &path))?;
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
        }
        // The lock of an entry that was removed in the meantime protects nothing.
        let locked = file_id::of(&lock).map_err(failed("read", &path))?;
        if file_id::of_path(&path).is_ok_and(|now| now == locked) {
            return Ok(lock);
        }
    }
}

/// Notes that an entry is in use, once a day. Where that cannot be written, the entry counts as old some day and is then
/// built again.
pub(crate) fn mark_used(folder: &Path) {
    let manifest = folder.join(MANIFEST);
    if age(&manifest).is_some_and(|age| age > DAY) {
        let _ = system::open_for_times(&manifest).and_then(|file| file.set_modified(SystemTime::now()));
    }
}

/// Removes entries but `own` that were not used for a month. What cannot be removed stays: this is housekeeping.
pub(crate) fn remove_unused(root: &Path, own: &str) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && name != own {
            if is_key(name) {
                let _ = remove_if_unused(&entry.path());
            } else if name.strip_suffix(".old").is_some_and(is_key) {
                // Left by a process that was stopped while it removed it.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn is_key(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Removes the entry while its lock is held, so that who waits for the lock makes a new one.
fn remove_if_unused(folder: &Path) -> io::Result<()> {
    let unused = || age(&folder.join(MANIFEST)).or_else(|| age(folder)).is_some_and(|age| age > KEPT);
    if !unused() {
        return Ok(());
    }
    let lock = File::create(folder.join("lock"))?;
    if lock.try_lock().is_err() || !unused() {
        return Ok(());
    }
    system::remove_locked(folder)
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "00000000000000aa";
    const OTHER: &str = "00000000000000bb";

    /// A cache with an entry of that name, last used so many days ago.
    fn with_entry(name: &str, days: u32) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().expect("a temporary folder");
        let entry = root.path().join(name);
        private_folder(&entry).expect("an entry");
        for file in ["code", MANIFEST, "lock"] {
            fs::write(entry.join(file), file).expect("a file");
        }
        used(&entry, days);
        (root, entry)
    }

    fn used(entry: &Path, days: u32) {
        let manifest = File::open(entry.join(MANIFEST)).expect("it is there");
        manifest.set_modified(SystemTime::now() - DAY * days).expect("own file");
    }

    fn names(root: &Path) -> usize {
        fs::read_dir(root).expect("a folder").count()
    }

    #[test]
    fn an_entry_that_nobody_used_for_a_month_is_removed() {
        for (name, days, kept) in [
            (OTHER, 31, false),
            (OTHER, 29, true),
            (OWN, 400, true),
            ("notes", 400, true),
            ("00000000000000bb.old", 0, false),
            ("notes.old", 400, true),
        ] {
            let (root, entry) = with_entry(name, days);
            remove_unused(root.path(), OWN);
            assert_eq!((entry.exists(), names(root.path())), (kept, usize::from(kept)), "{name} after {days} days");
        }
    }

    #[test]
    fn use_keeps_an_entry() {
        let (root, entry) = with_entry(OTHER, 31);
        mark_used(&entry);
        remove_unused(root.path(), OWN);
        assert!(entry.exists());
    }

    #[test]
    fn an_entry_whose_lock_is_held_stays() {
        let (root, entry) = with_entry(OTHER, 31);
        let held = lock(&entry, &mut |_| {}).expect("nobody has it");
        remove_unused(root.path(), OWN);
        assert!(entry.exists());
        drop(held);
        remove_unused(root.path(), OWN);
        assert!(!entry.exists());
    }

    #[test]
    fn a_link_is_not_followed() {
        let (elsewhere, entry) = with_entry(OTHER, 31);
        let root = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::symlink(&entry, root.path().join(OTHER)).expect("a link");
        remove_unused(root.path(), OWN);
        assert!(entry.exists() && elsewhere.path().exists());
    }

    /// A waiter may hold the lock of an entry that was removed while it waited.
    #[test]
    fn who_waited_for_an_entry_that_is_removed_gets_a_new_one() {
        let (root, entry) = with_entry(OTHER, 31);
        let held = lock(&entry, &mut |_| {}).expect("nobody has it");
        let (send, waiting) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| lock(&entry, &mut |_| send.send(()).expect("it is waited for")));
            waiting.recv().expect("it waits");
            let aside = entry.with_extension("old");
            fs::rename(&entry, &aside).expect("own folder");
            fs::remove_dir_all(aside).expect("own folder");
            drop(held);
            let lock = waiter.join().expect("no panic").expect("it has the lock");
            let there = file_id::of_path(&entry.join("lock")).expect("a new entry");
            assert_eq!(file_id::of(&lock).expect("open"), there);
        });
        assert_eq!(names(root.path()), 1);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(private_folder(&folder.path().join("new")).is_ok());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("own folder");
        assert!(private_folder(folder.path()).is_err());
    }
}
