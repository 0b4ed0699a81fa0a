//! WASI preview 1 for one guest: what CPython and wasi-libc import, done by this program itself. Functions take guest
//! memory as bytes and check every address and length; `mod.rs` joins them to the engine. Sockets are left out.

mod abi;
mod clock;
mod files;
mod misc;
mod paths;
mod random;
#[cfg(test)]
mod tests;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use keelback_session::Stream;
use serde::{Deserialize, Serialize};
use wasmtime::{Caller, Extern, Linker, Memory};

use crate::{
    fs::{Errno, FileSystem, Result},
    output::Output,
    permissions::Stdin,
};

use clock::Clock;
use random::Random;

/// The guest asked to end with this status.
#[derive(Debug, thiserror::Error)]
#[error("guest exited with status {0}")]
pub(crate) struct ProcExit(pub(crate) i32);

/// The guest was stopped while it slept.
#[derive(Debug, thiserror::Error)]
#[error("guest was stopped")]
pub(crate) struct Stopped;

/// How a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paused {
    /// All of it passed.
    Elapsed,
    /// A signal is pending: the guest has to look at its signals.
    Interrupted,
    /// The guest is to run no more.
    Stopped,
}

/// Sleeps for a guest until time has passed or the guest is wanted.
pub(crate) trait Pause: Send + Sync {
    /// Waits; not at all for a duration of zero, which still reports a pending signal.
    fn pause(&self, duration: Duration) -> Pin<Box<dyn Future<Output = Paused> + Send>>;
}

/// The part of a guest's clock and randomness that a saved session goes on from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Time {
    /// Nanoseconds the session has lived.
    monotonic: u64,
    /// Words taken from a seeded stream of random numbers.
    random: u128,
}

/// What a session gets besides its files.
pub(crate) struct Options {
    /// Pins clock and randomness.
    pub(crate) seed: Option<u64>,
    pub(crate) stdin: Stdin,
    pub(crate) output: Output,
    pub(crate) pause: Arc<dyn Pause>,
}

/// The WASI state of one guest. It belongs to one store for good, since it remembers that store's memory.
pub(crate) struct WasiCtx {
    pub(crate) fs: FileSystem,
    clock: Clock,
    random: Random,
    stdin: Stdin,
    output: Output,
    pause: Arc<dyn Pause>,
    memory: Option<Memory>,
}

/// Why a function does not return to the guest with success.
#[derive(Debug)]
enum Failure {
    Errno(Errno),
    Stopped,
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        Failure::Errno(error)
    }
}

impl WasiCtx {
    pub(crate) fn new(fs: FileSystem, options: Options) -> Self {
        let Options { seed, stdin, output, pause } = options;
        let (clock, random) = match seed {
            Some(seed) => (Clock::Deterministic(0), Random::seeded(seed)),
            None => (Clock::real(), Random::System),
        };
        WasiCtx { fs, clock, random, stdin, output, pause, memory: None }
    }

    /// The time to go on from.
    pub(crate) fn time(&self) -> Time {
        let mut time = Time { monotonic: 0, random: self.random.position() };
        self.clock.save(&mut time);
        time
    }

    pub(crate) fn set_time(&mut self, time: Time) {
        self.clock.load(&time);
        self.random.set_position(time.random);
    }

    /// Moves a deterministic clock as a sleep would; does nothing to a real one.
    pub(crate) fn advance(&mut self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// The files, for a call that changes them now.
    fn changing(&mut self) -> &mut FileSystem {
        self.fs.now = self.clock.file_time();
        &mut self.fs
    }

    fn write_output(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize> {
        self.output.write(stream, bytes).map_err(|_| Errno::NOSPC)?;
        Ok(bytes.len())
    }
}

/// Runs one function on the guest's memory and the context, and turns what it returns into what the guest gets.
fn run<T: 'static>(
    caller: &mut Caller<'_, T>,
    get: impl Fn(&mut T) -> &mut WasiCtx,
    function: impl FnOnce(&mut WasiCtx, &mut [u8]) -> std::result::Result<(), Failure>,
) -> wasmtime::Result<u32> {
    let (bytes, state) = borrow(caller, &get)?;
    errno(function(get(state), bytes))
}

fn borrow<'a, T: 'static>(
    caller: &'a mut Caller<'_, T>,
    get: &impl Fn(&mut T) -> &mut WasiCtx,
) -> wasmtime::Result<(&'a mut [u8], &'a mut T)> {
    let known = get(caller.data_mut()).memory;
    let memory = match known {
        Some(memory) => memory,
        None => {
            let export = caller.get_export("memory").and_then(Extern::into_memory);
            let memory = export.ok_or_else(|| wasmtime::Error::msg("guest exports no memory"))?;
            get(caller.data_mut()).memory = Some(memory);
            memory
        }
    };
    Ok(memory.data_and_store_mut(caller))
}

fn errno(result: std::result::Result<(), Failure>) -> wasmtime::Result<u32> {
    match result {
        Ok(()) => Ok(0),
        Err(Failure::Errno(Errno(number))) => Ok(number.into()),
        Err(Failure::Stopped) => Err(Stopped.into()),
    }
}

/// Adds all of `wasi_snapshot_preview1` to a linker; `get` finds the context in the store's data.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    macro_rules! add {
        ($($module:ident::$function:ident($($argument:ident: $type:ty),*);)*) => {$(
            linker.func_wrap(
                abi::MODULE,
                stringify!($function),
                move |mut caller: Caller<'_, T>, $($argument: $type),*| -> wasmtime::Result<u32> {
                    run(&mut caller, get, |ctx, memory| {
                        $module::$function(ctx, memory, $($argument),*).map_err(Failure::from)
                    })
                },
            )?;
        )*};
    }
    add! {
        misc::args_get(argv: u32, buffer: u32);
        misc::args_sizes_get(count: u32, len: u32);
        misc::environ_get(environ: u32, buffer: u32);
        misc::environ_sizes_get(count: u32, len: u32);
        misc::clock_res_get(id: u32, resolution: u32);
        misc::clock_time_get(id: u32, precision: u64, time: u32);
        misc::proc_raise(signal: u32);
        misc::random_get(buffer: u32, len: u32);
        misc::sched_yield();
        misc::sock_accept(fd: u32, flags: u32, accepted: u32);
        misc::sock_recv(fd: u32, buffers: u32, count: u32, flags: u32, len: u32, out_flags: u32);
        misc::sock_send(fd: u32, buffers: u32, count: u32, flags: u32, len: u32);
        misc::sock_shutdown(fd: u32, how: u32);
        files::fd_advise(fd: u32, offset: u64, len: u64, advice: u32);
        files::fd_allocate(fd: u32, offset: u64, len: u64);
        files::fd_close(fd: u32);
        files::fd_datasync(fd: u32);
        files::fd_fdstat_get(fd: u32, stat: u32);
        files::fd_fdstat_set_flags(fd: u32, flags: u32);
        files::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
        files::fd_filestat_get(fd: u32, stat: u32);
        files::fd_filestat_set_size(fd: u32, len: u64);
        files::fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32);
        files::fd_pread(fd: u32, buffers: u32, count: u32, offset: u64, len: u32);
        files::fd_prestat_get(fd: u32, prestat: u32);
        files::fd_prestat_dir_name(fd: u32, path: u32, len: u32);
        files::fd_pwrite(fd: u32, buffers: u32, count: u32, offset: u64, len: u32);
        files::fd_read(fd: u32, buffers: u32, count: u32, len: u32);
        files::fd_readdir(fd: u32, buffer: u32, len: u32, cookie: u64, used: u32);
        files::fd_renumber(from: u32, to: u32);
        files::fd_seek(fd: u32, offset: i64, whence: u32, position: u32);
        files::fd_sync(fd: u32);
        files::fd_tell(fd: u32, position: u32);
        files::fd_write(fd: u32, buffers: u32, count: u32, len: u32);
        paths::path_create_directory(fd: u32, path: u32, len: u32);
        paths::path_filestat_get(fd: u32, flags: u32, path: u32, len: u32, stat: u32);
        paths::path_filestat_set_times(fd: u32, flags: u32, path: u32, len: u32, accessed: u64, modified: u64, set: u32);
        paths::path_link(fd: u32, flags: u32, path: u32, len: u32, new_fd: u32, new_path: u32, new_len: u32);
        paths::path_open(fd: u32, flags: u32, path: u32, len: u32, open: u32, rights: u64, inheriting: u64, fd_flags: u32, opened: u32);
        paths::path_readlink(fd: u32, path: u32, len: u32, buffer: u32, buffer_len: u32, used: u32);
        paths::path_remove_directory(fd: u32, path: u32, len: u32);
        paths::path_rename(fd: u32, path: u32, len: u32, new_fd: u32, new_path: u32, new_len: u32);
        paths::path_symlink(target: u32, target_len: u32, fd: u32, path: u32, len: u32);
        paths::path_unlink_file(fd: u32, path: u32, len: u32);
    }
    linker.func_wrap_async(
        abi::MODULE,
        "poll_oneoff",
        move |mut caller: Caller<'_, T>, (subscriptions, events, count, happened): (u32, u32, u32, u32)| {
            Box::new(async move {
                let (memory, state) = borrow(&mut caller, &get)?;
                let ctx = get(state);
                let (poll, duration) = match misc::poll_begin(ctx, memory, subscriptions, events, count, happened) {
                    Ok(poll) => poll,
                    Err(error) => return errno(Err(error.into())),
                };
                let paused = ctx.pause.pause(duration).await;
                let (memory, _) = borrow(&mut caller, &get)?;
                errno(misc::poll_end(memory, poll, paused))
            })
        },
    )?;
    linker.func_wrap(abi::MODULE, "proc_exit", |_: Caller<'_, T>, status: i32| -> wasmtime::Result<()> {
        Err(ProcExit(status).into())
    })?;
    Ok(())
}
