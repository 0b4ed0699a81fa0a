//! Constants and layouts of WASI preview 1, and checked access to guest memory.

use crate::fs::{Errno, Result, Stat};

pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// Buffers in one read or write; IOV_MAX of Linux.
pub(super) const MAX_IOVECS: u32 = 1024;
/// Subscriptions in one poll, at most; a choice.
pub(super) const MAX_SUBSCRIPTIONS: u32 = 4096;
/// Bytes of a path, before it is looked at.
const MAX_PATH: u32 = 4096;

pub(super) const LOOKUP_FOLLOW: u32 = 1;

pub(super) const OPEN_CREATE: u32 = 1;
pub(super) const OPEN_DIRECTORY: u32 = 2;
pub(super) const OPEN_EXCLUSIVE: u32 = 4;
pub(super) const OPEN_TRUNCATE: u32 = 8;

pub(super) const FLAG_APPEND: u32 = 1;

pub(super) const SET_ACCESSED: u32 = 1;
pub(super) const SET_ACCESSED_NOW: u32 = 2;
pub(super) const SET_MODIFIED: u32 = 4;
pub(super) const SET_MODIFIED_NOW: u32 = 8;

pub(super) const RIGHT_READ: u64 = 1 << 1;
pub(super) const RIGHT_SEEK: u64 = 1 << 2;
pub(super) const RIGHT_TELL: u64 = 1 << 5;
pub(super) const RIGHT_WRITE: u64 = 1 << 6;
pub(super) const RIGHT_ALLOCATE: u64 = 1 << 8;
pub(super) const RIGHT_SET_SIZE: u64 = 1 << 22;
/// All rights there are: 0 to 29.
pub(super) const RIGHTS: u64 = (1 << 30) - 1;

pub(super) const CLOCK_REALTIME: u32 = 0;
pub(super) const CLOCK_MONOTONIC: u32 = 1;
pub(super) const CLOCK_PROCESS: u32 = 2;
pub(super) const CLOCK_THREAD: u32 = 3;

pub(super) const EVENT_CLOCK: u8 = 0;
pub(super) const EVENT_READ: u8 = 1;
pub(super) const EVENT_WRITE: u8 = 2;
pub(super) const CLOCK_ABSOLUTE: u16 = 1;
pub(super) const SUBSCRIPTION_BYTES: u32 = 48;
pub(super) const EVENT_BYTES: u32 = 32;

pub(super) const DIRENT_BYTES: usize = 24;

/// `len` bytes at `address`.
pub(super) fn bytes(memory: &[u8], address: u32, len: u32) -> Result<&[u8]> {
    let start = address as usize;
    start.checked_add(len as usize).and_then(|end| memory.get(start..end)).ok_or(Errno::FAULT)
}

/// `len` bytes at `address`, to be written.
pub(super) fn bytes_mut(memory: &mut [u8], address: u32, len: u32) -> Result<&mut [u8]> {
    let start = address as usize;
    start.checked_add(len as usize).and_then(|end| memory.get_mut(start..end)).ok_or(Errno::FAULT)
}

/// Little-endian numbers.
pub(super) fn load<const N: usize>(memory: &[u8], address: u32) -> Result<[u8; N]> {
    bytes(memory, address, N as u32)?.try_into().map_err(|_| Errno::FAULT)
}

pub(super) fn load_u32(memory: &[u8], address: u32) -> Result<u32> {
    load(memory, address).map(u32::from_le_bytes)
}

pub(super) fn store(memory: &mut [u8], address: u32, value: &[u8]) -> Result<()> {
    let len = u32::try_from(value.len()).map_err(|_| Errno::FAULT)?;
    bytes_mut(memory, address, len)?.copy_from_slice(value);
    Ok(())
}

pub(super) fn store_u32(memory: &mut [u8], address: u32, value: u32) -> Result<()> {
    store(memory, address, &value.to_le_bytes())
}

pub(super) fn store_u64(memory: &mut [u8], address: u32, value: u64) -> Result<()> {
    store(memory, address, &value.to_le_bytes())
}

/// The path at `address`.
pub(super) fn path(memory: &[u8], address: u32, len: u32) -> Result<&str> {
    let bytes = bytes(memory, address, len)?;
    if len > MAX_PATH {
        return Err(Errno::NAMETOOLONG);
    }
    std::str::from_utf8(bytes).map_err(|_| Errno::ILSEQ)
}

/// `address` plus `offset`, for arrays: an address beyond memory's 4 GiB is none.
pub(super) fn offset(address: u32, offset: u32) -> Result<u32> {
    address.checked_add(offset).ok_or(Errno::FAULT)
}

/// One buffer of a read or write: address and length.
pub(super) fn iovec(memory: &[u8], iovecs: u32, index: u32) -> Result<(u32, u32)> {
    let at = offset(iovecs, index * 8)?;
    Ok((load_u32(memory, at)?, load_u32(memory, offset(at, 4)?)?))
}

/// `__wasi_filestat_t`.
pub(super) fn filestat(stat: &Stat) -> [u8; 64] {
    let mut bytes = [0; 64];
    let numbers = [
        (0, stat.device),
        (8, stat.inode),
        (16, stat.file_type as u64),
        (24, stat.links),
        (32, stat.size),
        (40, stat.accessed),
        (48, stat.modified),
        (56, stat.changed),
    ];
    for (at, number) in numbers {
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    bytes
}
