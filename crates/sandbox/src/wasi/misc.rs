//! Everything that is no file: arguments, clocks, waiting, randomness, and the sockets there are none of.

use std::time::Duration;

use super::{
    Failure, Paused, WasiCtx,
    abi::{self, bytes_mut, load, load_u32, offset, store, store_u32, store_u64},
};
use crate::fs::{Errno, Result};

/// Random bytes at a time: one call must not hold its thread for long.
const MAX_RANDOM_BYTES: u32 = 16 << 20;

/// The guest gets its arguments with its first request, so here there are none.
pub(super) fn args_get(_: &mut WasiCtx, _: &mut [u8], _argv: u32, _buffer: u32) -> Result<()> {
    Ok(())
}

pub(super) fn args_sizes_get(_: &mut WasiCtx, memory: &mut [u8], count: u32, len: u32) -> Result<()> {
    store_u32(memory, count, 0)?;
    store_u32(memory, len, 0)
}

/// Likewise variables.
pub(super) fn environ_get(_: &mut WasiCtx, _: &mut [u8], _environ: u32, _buffer: u32) -> Result<()> {
    Ok(())
}

pub(super) fn environ_sizes_get(ctx: &mut WasiCtx, memory: &mut [u8], count: u32, len: u32) -> Result<()> {
    args_sizes_get(ctx, memory, count, len)
}

pub(super) fn clock_res_get(_: &mut WasiCtx, memory: &mut [u8], id: u32, resolution: u32) -> Result<()> {
    if id > abi::CLOCK_THREAD {
        return Err(Errno::INVAL);
    }
    store_u64(memory, resolution, 1)
}

pub(super) fn clock_time_get(ctx: &mut WasiCtx, memory: &mut [u8], id: u32, _precision: u64, time: u32) -> Result<()> {
    let now = ctx.clock.now(id)?;
    store_u64(memory, time, now)
}

pub(super) fn proc_raise(_: &mut WasiCtx, _: &mut [u8], _signal: u32) -> Result<()> {
    Err(Errno::NOTSUP)
}

pub(super) fn random_get(ctx: &mut WasiCtx, memory: &mut [u8], buffer: u32, len: u32) -> Result<()> {
    if len > MAX_RANDOM_BYTES {
        return Err(Errno::INVAL);
    }
    ctx.random.fill(bytes_mut(memory, buffer, len)?)
}

pub(super) fn sched_yield(_: &mut WasiCtx, _: &mut [u8]) -> Result<()> {
    Ok(())
}

pub(super) fn sock_accept(ctx: &mut WasiCtx, _: &mut [u8], fd: u32, _flags: u32, _accepted: u32) -> Result<()> {
    no_socket(ctx, fd)
}

#[expect(clippy::too_many_arguments, reason = "WASI's")]
pub(super) fn sock_recv(
    ctx: &mut WasiCtx,
    _: &mut [u8],
    fd: u32,
    _buffers: u32,
    _count: u32,
    _flags: u32,
    _len: u32,
    _out_flags: u32,
) -> Result<()> {
    no_socket(ctx, fd)
}

pub(super) fn sock_send(
    ctx: &mut WasiCtx,
    _: &mut [u8],
    fd: u32,
    _buffers: u32,
    _count: u32,
    _flags: u32,
    _len: u32,
) -> Result<()> {
    no_socket(ctx, fd)
}

pub(super) fn sock_shutdown(ctx: &mut WasiCtx, _: &mut [u8], fd: u32, _how: u32) -> Result<()> {
    no_socket(ctx, fd)
}

fn no_socket(ctx: &WasiCtx, fd: u32) -> Result<()> {
    ctx.fs.stdio(fd).and(Err(Errno::NOTSOCK))
}

struct Event {
    user_data: u64,
    kind: u8,
    error: u16,
}

/// What a call of `poll_oneoff` waits for. Files are always ready, so that is time.
pub(super) struct Poll {
    ready: Vec<Event>,
    timers: Vec<(u64, Event)>,
    wait: u64,
    events: u32,
    happened: u32,
}

/// The first half of `poll_oneoff`: what to wait for, and for how long.
pub(super) fn poll_begin(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    subscriptions: u32,
    events: u32,
    count: u32,
    happened: u32,
) -> Result<(Poll, Duration)> {
    if count == 0 || count > abi::MAX_SUBSCRIPTIONS {
        return Err(Errno::INVAL);
    }
    bytes_mut(memory, events, count * abi::EVENT_BYTES)?;
    bytes_mut(memory, happened, 4)?;
    let (mut ready, mut timers) = (Vec::new(), Vec::new());
    for index in 0..count {
        let at = offset(subscriptions, index * abi::SUBSCRIPTION_BYTES)?;
        let subscription: [u8; abi::SUBSCRIPTION_BYTES as usize] = load(memory, at)?;
        let user_data = u64::from_le_bytes(load(&subscription, 0)?);
        let (kind, id) = (subscription[8], load_u32(&subscription, 16)?);
        match kind {
            abi::EVENT_CLOCK => {
                let timeout = u64::from_le_bytes(load(&subscription, 24)?);
                let absolute = u16::from_le_bytes(load(&subscription, 40)?) & abi::CLOCK_ABSOLUTE != 0;
                let timeout = match id {
                    abi::CLOCK_REALTIME if absolute => timeout.saturating_sub(ctx.clock.file_time()),
                    abi::CLOCK_MONOTONIC if absolute => timeout.saturating_sub(ctx.clock.monotonic()),
                    abi::CLOCK_REALTIME | abi::CLOCK_MONOTONIC => timeout,
                    _ => {
                        ready.push(Event { user_data, kind, error: Errno::NOTSUP.0 });
                        continue;
                    }
                };
                timers.push((timeout, Event { user_data, kind, error: 0 }));
            }
            abi::EVENT_READ | abi::EVENT_WRITE => {
                let error = ctx.fs.stdio(id).err().map_or(0, |Errno(number)| number);
                ready.push(Event { user_data, kind, error });
            }
            _ => return Err(Errno::INVAL),
        }
    }
    let wait = if ready.is_empty() { timers.iter().map(|(timeout, _)| *timeout).min().unwrap_or(0) } else { 0 };
    let duration = Duration::from_nanos(wait);
    let duration = if ctx.clock.advance(duration) { Duration::ZERO } else { duration };
    Ok((Poll { ready, timers, wait, events, happened }, duration))
}

/// The second half: what has happened, once the time is over.
pub(super) fn poll_end(memory: &mut [u8], poll: Poll, paused: Paused) -> std::result::Result<(), Failure> {
    match paused {
        Paused::Elapsed => {}
        Paused::Interrupted => return Err(Errno::INTR.into()),
        Paused::Stopped => return Err(Failure::Stopped),
    }
    let Poll { mut ready, timers, wait, events, happened } = poll;
    ready.extend(timers.into_iter().filter(|(timeout, _)| *timeout <= wait).map(|(_, event)| event));
    for (index, event) in (0..).zip(&ready) {
        let mut bytes = [0; abi::EVENT_BYTES as usize];
        bytes[..8].copy_from_slice(&event.user_data.to_le_bytes());
        bytes[8..10].copy_from_slice(&event.error.to_le_bytes());
        bytes[10] = event.kind;
        store(memory, offset(events, index * abi::EVENT_BYTES)?, &bytes)?;
    }
    store_u32(memory, happened, ready.len() as u32)?;
    Ok(())
}
