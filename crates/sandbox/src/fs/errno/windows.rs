//! Errors of Windows that have no kind of their own in Rust.

use windows_sys::Win32::Foundation as win32;

use super::Errno;

pub(super) fn errno(raw: i32) -> Option<Errno> {
    match raw.cast_unsigned() {
        win32::ERROR_CANT_RESOLVE_FILENAME | win32::ERROR_STOPPED_ON_SYMLINK => Some(Errno::LOOP),
        win32::ERROR_PRIVILEGE_NOT_HELD => Some(Errno::PERM),
        win32::ERROR_SHARING_VIOLATION | win32::ERROR_LOCK_VIOLATION => Some(Errno::BUSY),
        win32::ERROR_TOO_MANY_OPEN_FILES => Some(Errno::MFILE),
        _ => None,
    }
}
