//! Functions on paths.

use super::{
    WasiCtx,
    abi::{self, bytes, bytes_mut, path as text, store, store_u32},
    files,
};
use crate::fs::{Errno, OpenHow, Result};

pub(super) fn path_create_directory(ctx: &mut WasiCtx, memory: &mut [u8], fd: u32, path: u32, len: u32) -> Result<()> {
    let base = ctx.fs.directory_path(fd)?;
    ctx.changing().create_directory(&base, text(memory, path, len)?)
}

pub(super) fn path_remove_directory(ctx: &mut WasiCtx, memory: &mut [u8], fd: u32, path: u32, len: u32) -> Result<()> {
    let base = ctx.fs.directory_path(fd)?;
    ctx.changing().remove_directory(&base, text(memory, path, len)?)
}

pub(super) fn path_unlink_file(ctx: &mut WasiCtx, memory: &mut [u8], fd: u32, path: u32, len: u32) -> Result<()> {
    let base = ctx.fs.directory_path(fd)?;
    ctx.changing().unlink(&base, text(memory, path, len)?)
}

pub(super) fn path_filestat_get(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    stat: u32,
) -> Result<()> {
    let base = ctx.fs.directory_path(fd)?;
    let found = ctx.fs.stat(&base, text(memory, path, len)?, flags & abi::LOOKUP_FOLLOW != 0)?;
    store(memory, stat, &abi::filestat(&found))
}

#[expect(clippy::too_many_arguments, reason = "WASI's")]
pub(super) fn path_filestat_set_times(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    accessed: u64,
    modified: u64,
    set: u32,
) -> Result<()> {
    let times = files::times(ctx, accessed, modified, set)?;
    let base = ctx.fs.directory_path(fd)?;
    let path = text(memory, path, len)?;
    ctx.changing().set_times(&base, path, times, flags & abi::LOOKUP_FOLLOW != 0)
}

#[expect(clippy::too_many_arguments, reason = "WASI's")]
pub(super) fn path_link(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    new_fd: u32,
    new_path: u32,
    new_len: u32,
) -> Result<()> {
    let (old, new) = (ctx.fs.directory_path(fd)?, ctx.fs.directory_path(new_fd)?);
    let (path, new_path) = (text(memory, path, len)?, text(memory, new_path, new_len)?);
    ctx.changing().link((&old, path), flags & abi::LOOKUP_FOLLOW != 0, (&new, new_path))
}

#[expect(clippy::too_many_arguments, reason = "WASI's")]
pub(super) fn path_open(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    open: u32,
    rights: u64,
    _inheriting: u64,
    fd_flags: u32,
    opened: u32,
) -> Result<()> {
    bytes(memory, opened, 4)?;
    let how = OpenHow {
        read: rights & abi::RIGHT_READ != 0,
        write: rights & abi::RIGHT_WRITE != 0,
        append: fd_flags & abi::FLAG_APPEND != 0 && rights & abi::RIGHT_WRITE != 0,
        create: open & abi::OPEN_CREATE != 0,
        exclusive: open & abi::OPEN_EXCLUSIVE != 0,
        truncate: open & abi::OPEN_TRUNCATE != 0,
        directory: open & abi::OPEN_DIRECTORY != 0,
    };
    let path = text(memory, path, len)?;
    let new = ctx.changing().open(fd, path, how, flags & abi::LOOKUP_FOLLOW != 0)?;
    store_u32(memory, opened, new)
}

#[expect(clippy::too_many_arguments, reason = "WASI's")]
pub(super) fn path_readlink(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    path: u32,
    len: u32,
    buffer: u32,
    buffer_len: u32,
    used: u32,
) -> Result<()> {
    let base = ctx.fs.directory_path(fd)?;
    let target = ctx.fs.read_link(&base, text(memory, path, len)?)?;
    let len = target.len().min(buffer_len as usize);
    bytes_mut(memory, buffer, len as u32)?.copy_from_slice(&target.as_bytes()[..len]);
    store_u32(memory, used, len as u32)
}

#[expect(clippy::too_many_arguments, reason = "WASI's")]
pub(super) fn path_rename(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    fd: u32,
    path: u32,
    len: u32,
    new_fd: u32,
    new_path: u32,
    new_len: u32,
) -> Result<()> {
    let (old, new) = (ctx.fs.directory_path(fd)?, ctx.fs.directory_path(new_fd)?);
    let (path, new_path) = (text(memory, path, len)?, text(memory, new_path, new_len)?);
    ctx.changing().rename((&old, path), (&new, new_path))
}

pub(super) fn path_symlink(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    target: u32,
    target_len: u32,
    fd: u32,
    path: u32,
    len: u32,
) -> Result<()> {
    let base = ctx.fs.directory_path(fd)?;
    let (target, path) = (text(memory, target, target_len)?, text(memory, path, len)?);
    if target.is_empty() {
        return Err(Errno::NOENT);
    }
    ctx.changing().symlink(target, &base, path)
}
