//! Pre-initialisation: runs a guest module's start once and writes the module that remembers it. Only the builder of
//! the image uses this (guest/builder); clock and randomness are pinned, so that the same sources give the same image.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use keelback_session::Event;
use wasmtime::{Linker, Store};

use crate::{
    Error,
    engine::config,
    fs::{FileSystem, FsLimits, Library},
    host::{self, Host, State},
    limiter::Limiter,
    output::Output,
    permissions::Stdin,
    wasi::{self, WasiCtx},
    watch::{RunningCell, Sleeper, Watch},
};

/// Instantiates `module` with `library` (the archive of docs/guest-abi.md) as its only files, calls its
/// `wizer-initialize` and returns the module in the state after it. What it prints goes to `log`.
///
/// # Errors
/// [`Error::Engine`] when the module traps or cannot be written.
pub fn preinitialise(module: &[u8], library: Vec<u8>, log: impl Write + Send + 'static) -> Result<Vec<u8>, Error> {
    let engine = wasmtime::Engine::new(&config()).map_err(Error::engine)?;
    let mut linker = Linker::new(&engine);
    wasi::add_to_linker(&mut linker, |state: &mut State| &mut state.wasi).map_err(Error::engine)?;
    host::add_to_linker(&mut linker).map_err(Error::engine)?;
    let output = Output::new(u64::MAX);
    let log = Mutex::new(log);
    output.set_sink(Some(Box::new(move |event| {
        if let (Event::Output { bytes, .. }, Ok(mut log)) = (event, log.lock()) {
            let _ = log.write_all(&bytes);
        }
    })));
    let cell = RunningCell::new();
    let limits = FsLimits { max_scratch_bytes: 1 << 20, max_open_files: 64 };
    let fs = FileSystem::new(Library::new(Arc::new(library)), &[], limits)?;
    let watch = Watch::start().map_err(|error| Error::Engine(format!("cannot start a thread: {error}")))?;
    let pause = Arc::new(Sleeper { cell: Arc::clone(&cell), watch: watch.clone() });
    let options = wasi::Options { seed: Some(0), stdin: Stdin::Closed, output: output.clone(), pause };
    let host = Host::new(output, Arc::clone(&cell), watch, Arc::default(), 0, true);
    let limiter = Limiter::new(1 << 32, cell);
    let mut store = Store::new(&engine, State { wasi: WasiCtx::new(fs, options), host, limiter });
    let wizer = wasmtime_wizer::Wizer::new();
    let image = wizer.run(&mut store, module, async |store, module| linker.instantiate_async(store, module).await);
    pollster::block_on(image).map_err(Error::engine)
}
