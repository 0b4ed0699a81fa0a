//! Volumes and file indices, which Windows tells of open files only.

use std::{fs::File, io, os::windows::fs::MetadataExt as _, path::Path};

use cap_fs_ext::MetadataExt as _;
use cap_std::fs::Metadata;

use super::{FileId, Stamp};

pub(crate) fn of(file: &File) -> io::Result<FileId> {
    let metadata = Metadata::from_file(file)?;
    Ok((metadata.dev(), metadata.ino()))
}

pub(crate) fn of_path(path: &Path) -> io::Result<FileId> {
    of(&open(path)?)
}

pub(crate) fn stamp(path: &Path) -> io::Result<Stamp> {
    let file = open(path)?;
    let (_, index) = of(&file)?;
    let metadata = file.metadata()?;
    Ok((metadata.len(), i128::from(metadata.last_write_time()) * 100, index))
}

/// Files and folders, for what is known of them.
fn open(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;

    use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_BACKUP_SEMANTICS;

    File::options().access_mode(0).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}
