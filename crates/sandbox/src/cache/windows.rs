//! The cache on Windows: a folder is trusted when it lies in the user's profile, which other users may not write to unless
//! its owner lets them. Rights are lists there, inherited from above; they are not read here.

use std::{
    env,
    fs::{self, File},
    io,
    os::windows::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use windows_sys::Win32::Storage::FileSystem::FILE_WRITE_ATTRIBUTES;

/// Why a folder is not trusted.
pub(super) const NOT_PRIVATE: &str = "it is not in your profile folder, so others may write to it";

/// The folder where none is named; *set* looks variables up.
pub(super) fn default_folder(set: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let local = set("LOCALAPPDATA").or_else(|| env::home_dir().map(|home| home.join("AppData").join("Local")));
    local.map(|path| path.join("keelback").join("cache"))
}

pub(super) fn create_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Whether it lies in the profile of the user, once links on the way are followed.
pub(super) fn is_private(folder: &Path) -> io::Result<bool> {
    let profile = env::home_dir().ok_or(io::ErrorKind::NotFound)?.canonicalize()?;
    Ok(folder.canonicalize()?.starts_with(profile))
}

/// Opens a file to set its times.
pub(super) fn open_for_times(path: &Path) -> io::Result<File> {
    File::options().access_mode(FILE_WRITE_ATTRIBUTES).open(path)
}

/// A folder with an open file cannot be renamed, and the lock is one. So its files go first, the lock after them: who waits
/// for it finds its name gone and makes a new entry. The folder stays when one has been made already.
pub(super) fn remove_locked(folder: &Path) -> io::Result<()> {
    let lock = folder.join("lock");
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path != lock {
            fs::remove_file(path)?;
        }
    }
    fs::remove_file(lock)?;
    fs::remove_dir(folder)
}
