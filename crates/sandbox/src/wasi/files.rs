//! Functions on open files. Bytes go straight between guest memory and the file.

use std::{
    io::{ErrorKind, Read},
    sync::PoisonError,
};

use keelback_session::Stream;

use super::{
    WasiCtx,
    abi::{self, bytes, bytes_mut, iovec, store, store_u32, store_u64},
};
use crate::{
    fs::{Errno, FileType, Result, Stdio, Times},
    permissions::Stdin,
};

pub(super) fn fd_advise(ctx: &mut WasiCtx, _: &mut [u8], fd: u32, _offset: u64, _len: u64, advice: u32) -> Result<()> {
    if ctx.fs.info(fd)?.file_type == FileType::Directory {
        return Err(Errno::BADF);
    }
    if advice <= 5 { Ok(()) } else { Err(Errno::INVAL) }
}

pub(super) fn fd_allocate(ctx: &mut WasiCtx, _: &mut [u8], fd: u32, offset: u64, len: u64) -> Result<()> {
    let end = offset.checked_add(len).filter(|_| len > 0).ok_or(Errno::INVAL)?;
    ctx.changing().allocate(fd, end)
}

pub(super) fn fd_close(ctx: &mut WasiCtx, _: &mut [u8], fd: u32) -> Result<()> {
    ctx.fs.close(fd)
}

pub(super) fn fd_datasync(ctx: &mut WasiCtx, _: &mut [u8], fd: u32) -> Result<()> {
    ctx.fs.sync_fd(fd)
}

pub(super) fn fd_sync(ctx: &mut WasiCtx, _: &mut [u8], fd: u32) -> Result<()> {
    ctx.fs.sync_fd(fd)
}

pub(super) fn fd_fdstat_get(ctx: &mut WasiCtx, memory: &mut [u8], fd: u32, stat: u32) -> Result<()> {
    let info = ctx.fs.info(fd)?;
    let mut rights = abi::RIGHTS;
    if info.file_type != FileType::Directory {
        let refused = [
            (info.read, abi::RIGHT_READ),
            (info.write, abi::RIGHT_WRITE | abi::RIGHT_ALLOCATE | abi::RIGHT_SET_SIZE),
            (info.seekable, abi::RIGHT_SEEK | abi::RIGHT_TELL),
        ];
        rights = refused.iter().filter(|(allowed, _)| !allowed).fold(rights, |rights, (_, right)| rights & !right);
    }
    let mut bytes = [0; 24];
    bytes[0] = info.file_type as u8;
    bytes[2] = if info.append { abi::FLAG_APPEND as u8 } else { 0 };
    bytes[8..16].copy_from_slice(&rights.to_le_bytes());
    bytes[16..24].copy_from_slice(&abi::RIGHTS.to_le_bytes());
    store(memory, stat, &bytes)
}

pub(super) fn fd_fdstat_set_flags(ctx: &mut WasiCtx, _: &mut [u8], fd: u32, flags: u32) -> Result<()> {
    ctx.fs.set_append(fd, flags & abi::FLAG_APPEND != 0)
}

/// Rights are what a descriptor was opened with; giving some up is accepted and changes nothing.
pub(super) fn fd_fdstat_set_rights(
    ctx: &mut WasiCtx,
    _: &mut [u8],
    fd: u32,
    _base: u64,
    _inheriting: u64,
) -> Result<()> {
    ctx.fs.info(fd).map(drop)
}

pub(super) fn fd_filestat_get(ctx: &mut WasiCtx, memory: &mut [u8], fd: u32, stat: u32) -> Result<()> {
    let found = ctx.fs.stat_fd(fd)?;
    store(memory, stat, &abi::filestat(&found))
}

pub(super) fn fd_filestat_set_size(ctx: &mut WasiCtx, _: &mut [u8], fd: u32, len: u64) -> Result<()> {
    if len > i64::MAX as u64 {
        return Err(Errno::INVAL);
    }
    ctx.changing().set_len(fd, len)
}

pub(super) fn fd_filestat_set_times(
    ctx: &mut WasiCtx,
    _: &mut [u8],
    fd: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Result<()> {
    let times = times(ctx, accessed, modified, flags)?;
    ctx.changing().set_times_fd(fd, times)
}

/// The times that flags choose.
pub(super) fn times(ctx: &WasiCtx, accessed: u64, modified: u64, flags: u32) -> Result<Times> {
    let choose = |set: u32, set_now: u32, time: u64| match (flags & set != 0, flags & set_now != 0) {
        (true, true) => Err(Errno::INVAL),
        (true, false) => Ok(Some(time)),
        (false, true) => Ok(Some(ctx.clock.file_time())),
        (false, false) => Ok(None),
    };
    Ok(Times {
        accessed: choose(abi::SET_ACCESSED, abi::SET_ACCESSED_NOW, accessed)?,
        modified: choose(abi::SET_MODIFIED, abi::SET_MODIFIED_NOW, modified)?,
    })
}

pub(super) fn fd_prestat_get(ctx: &mut WasiCtx, memory: &mut [u8], fd: u32, prestat: u32) -> Result<()> {
    if !ctx.fs.is_preopen(fd)? {
        return Err(Errno::BADF);
    }
    // A directory whose name is one byte long.
    store(memory, prestat, &[0, 0, 0, 0, 1, 0, 0, 0])
}

pub(super) fn fd_prestat_dir_name(ctx: &mut WasiCtx, memory: &mut [u8], fd: u32, path: u32, len: u32) -> Result<()> {
    if !ctx.fs.is_preopen(fd)? {
        return Err(Errno::BADF);
    }
    if len < 1 {
        return Err(Errno::NAMETOOLONG);
    }
    store(memory, path, b"/")
}

pub(super) fn fd_renumber(ctx: &mut WasiCtx, _: &mut [u8], from: u32, to: u32) -> Result<()> {
    ctx.fs.renumber(from, to)
}

pub(super) fn fd_seek(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    offset: i64,
    whence: u32,
    position: u32,
) -> Result<()> {
    bytes_mut(memory, position, 8)?;
    let found = ctx.fs.seek(fd, offset, u8::try_from(whence).map_err(|_| Errno::INVAL)?)?;
    store_u64(memory, position, found)
}

pub(super) fn fd_tell(ctx: &mut WasiCtx, memory: &mut [u8], fd: u32, position: u32) -> Result<()> {
    let found = ctx.fs.tell(fd)?;
    store_u64(memory, position, found)
}

pub(super) fn fd_read(ctx: &mut WasiCtx, memory: &mut [u8], fd: u32, buffers: u32, count: u32, len: u32) -> Result<()> {
    let stdio = ctx.fs.stdio(fd)?;
    transfer(memory, buffers, count, len, |memory, address, len| {
        let target = bytes_mut(memory, address, len)?;
        match stdio {
            Some(Stdio::Input) => read_stdin(&ctx.stdin, target),
            Some(_) => Err(Errno::BADF),
            None => ctx.fs.read(fd, None, target),
        }
    })
}

pub(super) fn fd_pread(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    buffers: u32,
    count: u32,
    offset: u64,
    len: u32,
) -> Result<()> {
    let mut at = checked_offset(offset)?;
    transfer(memory, buffers, count, len, |memory, address, len| {
        let done = ctx.fs.read(fd, Some(at), bytes_mut(memory, address, len)?)?;
        at = at.saturating_add(done as u64);
        Ok(done)
    })
}

pub(super) fn fd_write(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    buffers: u32,
    count: u32,
    len: u32,
) -> Result<()> {
    let stdio = ctx.fs.stdio(fd)?;
    if stdio.is_none() {
        ctx.changing();
    }
    transfer(memory, buffers, count, len, |memory, address, len| {
        let source = bytes(memory, address, len)?;
        match stdio {
            Some(Stdio::Output) => ctx.write_output(Stream::Stdout, source),
            Some(Stdio::Error) => ctx.write_output(Stream::Stderr, source),
            Some(Stdio::Input) => Err(Errno::BADF),
            None => ctx.fs.write(fd, None, source),
        }
    })
}

pub(super) fn fd_pwrite(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    buffers: u32,
    count: u32,
    offset: u64,
    len: u32,
) -> Result<()> {
    let mut at = checked_offset(offset)?;
    if ctx.fs.stdio(fd)?.is_some() {
        return Err(Errno::SPIPE);
    }
    ctx.changing();
    transfer(memory, buffers, count, len, |memory, address, len| {
        let done = ctx.fs.write(fd, Some(at), bytes(memory, address, len)?)?;
        at = at.saturating_add(done as u64);
        Ok(done)
    })
}

fn checked_offset(offset: u64) -> Result<u64> {
    if offset <= i64::MAX as u64 { Ok(offset) } else { Err(Errno::INVAL) }
}

/// Goes through buffers until one is not filled, and stores the number of bytes done. An error after the first bytes is
/// left for the next call.
fn transfer(
    memory: &mut [u8],
    buffers: u32,
    count: u32,
    done_at: u32,
    mut piece: impl FnMut(&mut [u8], u32, u32) -> Result<usize>,
) -> Result<()> {
    if count > abi::MAX_IOVECS {
        return Err(Errno::INVAL);
    }
    bytes(memory, buffers, count * 8)?;
    bytes(memory, done_at, 4)?;
    let mut done = 0u32;
    for index in 0..count {
        let (address, len) = iovec(memory, buffers, index)?;
        if done.checked_add(len).is_none() {
            break;
        }
        // An empty buffer still asks whether the file can be read or written at all.
        if len == 0 && count > 1 {
            continue;
        }
        match piece(memory, address, len) {
            Ok(piece) => {
                done += piece as u32;
                if piece < len as usize {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    store_u32(memory, done_at, done)
}

fn read_stdin(stdin: &Stdin, target: &mut [u8]) -> Result<usize> {
    let result = loop {
        let result = match stdin {
            Stdin::Closed => Ok(0),
            Stdin::Inherit => std::io::stdin().read(target),
            Stdin::Reader(reader) => reader.lock().unwrap_or_else(PoisonError::into_inner).read(target),
            Stdin::Lines(lines) => match lines.read(target) {
                // Not tried again here: the guest looks at its signals first.
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(Errno::INTR),
                result => result,
            },
        };
        if !result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
            break result;
        }
    };
    // A reader of someone else's may count wrong.
    result.map(|len| len.min(target.len())).map_err(|_| Errno::IO)
}

/// Entries from the one numbered `cookie` on. The last one may be cut off, which tells the guest that there are more.
pub(super) fn fd_readdir(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    buffer: u32,
    len: u32,
    cookie: u64,
    used: u32,
) -> Result<()> {
    let entries = ctx.fs.listing(fd, cookie == 0)?;
    bytes(memory, used, 4)?;
    let target = bytes_mut(memory, buffer, len)?;
    let mut at = 0;
    let start = usize::try_from(cookie).unwrap_or(usize::MAX).min(entries.len());
    for (index, entry) in (start + 1..).zip(&entries[start..]) {
        let mut header = [0; abi::DIRENT_BYTES];
        header[..8].copy_from_slice(&(index as u64).to_le_bytes());
        header[8..16].copy_from_slice(&entry.inode.to_le_bytes());
        header[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
        header[20] = entry.file_type as u8;
        for bytes in [&header[..], entry.name.as_bytes()] {
            let fitting = bytes.len().min(target.len() - at);
            target[at..at + fitting].copy_from_slice(&bytes[..fitting]);
            at += fitting;
        }
        if at == target.len() {
            break;
        }
    }
    store_u32(memory, used, at as u32)
}
