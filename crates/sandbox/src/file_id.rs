//! What tells files of the host apart, and whether one is still as it was.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::{of, of_path, stamp};
#[cfg(windows)]
pub(crate) use self::windows::{of, of_path, stamp};

/// Two names or handles with the same are of one file: the device and the number of the file there.
pub(crate) type FileId = (u64, u64);

/// Size, time of the last change in nanoseconds, and number of a file.
pub(crate) type Stamp = (u64, i128, u64);
