//! Errors of Unix that have no kind of their own in Rust.

use rustix::io::Errno as Raw;

use super::Errno;

pub(super) fn errno(raw: i32) -> Option<Errno> {
    match Raw::from_raw_os_error(raw) {
        Raw::LOOP => Some(Errno::LOOP),
        Raw::NAMETOOLONG => Some(Errno::NAMETOOLONG),
        Raw::NXIO => Some(Errno::ACCES),
        Raw::MFILE | Raw::NFILE => Some(Errno::MFILE),
        _ => None,
    }
}
