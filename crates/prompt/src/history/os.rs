//! What the history needs of files and the systems do each in their own way.

#[cfg(unix)]
pub(super) use self::unix::{Identity, private, read_at};
#[cfg(windows)]
pub(super) use self::windows::{Identity, private, read_at};

#[cfg(unix)]
mod unix {
    use std::{
        fs::{self, File, Metadata, OpenOptions},
        io,
        os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
        path::Path,
    };

    /// Which file it is, wherever it is named.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) struct Identity {
        volume: u64,
        number: u64,
    }

    impl Identity {
        fn of(metadata: &Metadata) -> Self {
            Identity { volume: metadata.dev(), number: metadata.ino() }
        }

        pub(in super::super) fn of_file(file: &File) -> io::Result<Self> {
            Ok(Identity::of(&file.metadata()?))
        }

        /// With the file's length.
        pub(in super::super) fn of_path(path: &Path) -> io::Result<(Self, u64)> {
            let metadata = fs::metadata(path)?;
            Ok((Identity::of(&metadata), metadata.len()))
        }
    }

    /// Files that are made with these options are the user's alone.
    pub(in super::super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
        options.mode(0o600)
    }

    pub(in super::super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }
}

#[cfg(windows)]
#[expect(unsafe_code, reason = "the standard library does not yet tell which file a handle is of")]
mod windows {
    use std::{
        fs::{File, OpenOptions},
        io, mem,
        os::windows::{fs::FileExt as _, io::AsRawHandle as _},
        path::Path,
        thread,
        time::{Duration, Instant},
    };

    use windows_sys::Win32::{
        Foundation::ERROR_LOCK_VIOLATION,
        Storage::FileSystem::{BY_HANDLE_FILE_INFORMATION, GetFileInformationByHandle},
    };

    use super::super::file::LOCK_TIMEOUT;

    /// Which file it is, wherever it is named.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) struct Identity {
        volume: u32,
        number: u64,
    }

    impl Identity {
        pub(in super::super) fn of_file(file: &File) -> io::Result<Self> {
            // SAFETY: zero is a valid value of the structure, the handle is open, and the call only writes to `found`.
            let (done, found) = unsafe {
                let mut found: BY_HANDLE_FILE_INFORMATION = mem::zeroed();
                (GetFileInformationByHandle(file.as_raw_handle(), &mut found), found)
            };
            if done == 0 {
                return Err(io::Error::last_os_error());
            }
            let number = u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow);
            Ok(Identity { volume: found.dwVolumeSerialNumber, number })
        }

        /// With the file's length.
        pub(in super::super) fn of_path(path: &Path) -> io::Result<(Self, u64)> {
            let file = File::open(path)?;
            Ok((Identity::of_file(&file)?, file.metadata()?.len()))
        }
    }

    /// Nothing: the user's own folders are the user's alone.
    pub(in super::super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
        options
    }

    /// Waits for the lock of another prompt, which here keeps others from reading too.
    pub(in super::super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = Instant::now();
        loop {
            match file.seek_read(buffer, offset) {
                Err(error)
                    if error.raw_os_error() == Some(ERROR_LOCK_VIOLATION as i32) && start.elapsed() < LOCK_TIMEOUT =>
                {
                    thread::sleep(Duration::from_micros(200));
                }
                read => return read,
            }
        }
    }
}
