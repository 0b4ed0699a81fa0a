//! The cache on Unix: a folder is trusted by its owner and its mode.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

/// Why a folder is not trusted.
pub(super) const NOT_PRIVATE: &str = "others may write to it";

/// The folder where none is named; *set* looks variables up.
pub(super) fn default_folder(set: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|path| path.join(".cache")));
    cache.map(|path| path.join("keelback"))
}

pub(super) fn create_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether it is the user's, and nobody else's to write to.
pub(super) fn is_private(folder: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(folder)?;
    Ok(metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0)
}

/// Opens a file to set its times, for which its owner needs no other right.
pub(super) fn open_for_times(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Takes the entry out of sight in one step.
pub(super) fn remove_locked(folder: &Path) -> io::Result<()> {
    let aside = folder.with_extension("old");
    fs::rename(folder, &aside)?;
    fs::remove_dir_all(aside)
}
