//! Runs the guest: once for pre-initialisation, and for timing.

use anyhow::{Context as _, Result, ensure};
use rand::{SeedableRng as _, rngs::StdRng};
use std::path::Path;
use std::time::{Duration, Instant};
use wasmtime::{Caller, Config, Engine, Linker, Memory, Module, Store, TypedFunc};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, HostMonotonicClock, HostWallClock, WasiCtxBuilder};

pub(crate) const NATIVE_STACK_BYTES: usize = 64 << 20;

/// 2025-06-11, the time of every file in the library: the image must not depend on when it was made.
const BUILD_TIME: Duration = Duration::from_secs(1_749_600_000);

struct FixedClock;

impl HostWallClock for FixedClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        BUILD_TIME
    }
}

impl HostMonotonicClock for FixedClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        1_000_000_000
    }
}

fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.max_wasm_stack(NATIVE_STACK_BYTES);
    config.async_stack_size(NATIVE_STACK_BYTES + (16 << 20));
    config.memory_guaranteed_dense_image_size(256 << 20);
    Ok(Engine::new(&config)?)
}

fn memory_of(caller: &mut Caller<'_, WasiP1Ctx>) -> Result<Memory> {
    caller.get_export("memory").and_then(wasmtime::Extern::into_memory).context("the guest exports no memory")
}

fn add_imports(linker: &mut Linker<WasiP1Ctx>) -> Result<()> {
    linker.func_wrap("keelback", "emit", |mut caller: Caller<'_, WasiP1Ctx>, kind: i32, at: i32, length: i32| {
        use std::io::Write as _;
        let memory = memory_of(&mut caller).map_err(wasmtime::Error::from_anyhow)?;
        let text = memory.data(&caller).get(at as usize..).and_then(|rest| rest.get(..length as usize));
        let text = text.ok_or_else(|| wasmtime::Error::msg("emit: outside of memory"))?;
        let sent = if kind == 1 { std::io::stdout().write_all(text) } else { std::io::stderr().write_all(text) };
        sent.map_err(wasmtime::Error::new)?;
        wasmtime::Result::Ok(0)
    })?;
    linker.func_wrap("keelback", "call", |_at: i32, _length: i32| -> wasmtime::Result<i32> {
        Err(wasmtime::Error::msg("no host calls here"))
    })?;
    linker.func_wrap("keelback", "take", |_at: i32| {})?;
    linker.func_wrap(
        "keelback",
        "sha256",
        |mut caller: Caller<'_, WasiP1Ctx>, state: i32, data: i32, blocks: i32| {
            let memory = memory_of(&mut caller).map_err(wasmtime::Error::from_anyhow)?;
            let bytes = memory.data_mut(&mut caller);
            let (state, data) = (state as usize, data as usize);
            let outside = || wasmtime::Error::msg("sha256: outside of memory");
            let input = bytes.get(data..data + 64 * blocks as usize).ok_or_else(outside)?;
            let (input, _) = input.as_chunks::<64>();
            let input: Vec<_> = input.iter().map(|block| (*block).into()).collect();
            let words = bytes.get_mut(state..state + 32).ok_or_else(outside)?;
            let mut hash = [0u32; 8];
            for (word, bytes) in hash.iter_mut().zip(words.as_chunks::<4>().0) {
                *word = u32::from_le_bytes(*bytes);
            }
            sha2::compress256(&mut hash, &input);
            for (word, bytes) in hash.iter().zip(words.as_chunks_mut::<4>().0) {
                *bytes = word.to_le_bytes();
            }
            wasmtime::Result::Ok(())
        },
    )?;
    Ok(())
}

/// Runs `wizer-initialize` of `module` with `root` as its only directory and writes the resulting module to `image`.
pub(crate) fn preinitialise(module: &Path, root: &Path, image: &Path) -> Result<()> {
    let engine = engine()?;
    let mut linker = Linker::new(&engine);
    p1::add_to_linker_async(&mut linker, |context| context)?;
    add_imports(&mut linker)?;
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stdout().inherit_stderr();
    wasi.preopened_dir(root, "/", FsPerms::ReadWrite)?;
    // Neither the moment nor chance may reach the image; instances reseed what is frozen into it.
    wasi.wall_clock(FixedClock).monotonic_clock(FixedClock);
    wasi.secure_random(StdRng::seed_from_u64(0)).insecure_random(StdRng::seed_from_u64(1));
    let mut store = Store::new(&engine, wasi.build_p1());
    let wasm = std::fs::read(module).with_context(|| format!("cannot read `{}`", module.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let bytes = runtime.block_on(wasmtime_wizer::Wizer::new().run(&mut store, &wasm, async |store, module| {
        linker.instantiate_async(store, module).await
    }))?;
    std::fs::write(image, bytes).with_context(|| format!("cannot write `{}`", image.display()))
}

struct Instance {
    store: Store<WasiP1Ctx>,
    memory: Memory,
    alloc: TypedFunc<i32, i32>,
    request: TypedFunc<(i32, i32), i32>,
    result: TypedFunc<(), i32>,
}

impl Instance {
    fn send(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let at = self.alloc.call(&mut self.store, i32::try_from(request.len())?)?;
        self.memory.write(&mut self.store, at as usize, request)?;
        let length = self.request.call(&mut self.store, (at, i32::try_from(request.len())?))?;
        ensure!(length >= 0, "the guest failed to answer");
        let at = self.result.call(&mut self.store, ())? as usize;
        Ok(self.memory.data(&self.store)[at..at + length as usize].to_vec())
    }

    fn run(&mut self, source: &str, mode: &str) -> Result<Vec<u8>> {
        self.send(&marshal(&["run", source, "<cell>", mode]))
    }
}

/// A tuple of str in marshal format.
fn marshal(items: &[&str]) -> Vec<u8> {
    let mut out = vec![b'('];
    out.extend((items.len() as u32).to_le_bytes());
    for item in items {
        out.push(b'u');
        out.extend((item.len() as u32).to_le_bytes());
        out.extend(item.as_bytes());
    }
    out
}

/// `("start", options)` with the defaults.
fn start_request() -> Vec<u8> {
    let mut out = b"(\x02\0\0\0u\x05\0\0\0start{".to_vec();
    for (name, value) in [
        ("argv", &b"[\x01\0\0\0u\0\0\0\0"[..]),
        ("env", b"{0"),
        ("random_seed", b"s\x04\0\0\0seed"),
        ("deterministic", b"F"),
        ("limits", b"{0"),
        ("recursion_limit", b"i\xe8\x03\0\0"),
    ] {
        out.push(b'u');
        out.extend((name.len() as u32).to_le_bytes());
        out.extend(name.as_bytes());
        out.extend(value);
    }
    out.push(b'0');
    out
}

/// Times fresh instances and warm cells, then runs each of `programs` in one fresh instance; their output says the rest.
pub(crate) fn bench(image: &Path, root: &Path, programs: &[&str]) -> Result<()> {
    let engine = engine()?;
    let mut linker = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |context| context)?;
    add_imports(&mut linker)?;
    let compiled = image.with_extension("cwasm");
    let started = Instant::now();
    let bytes = engine.precompile_module(&std::fs::read(image)?)?;
    std::fs::write(&compiled, bytes)?;
    eprintln!("compile {:?}", started.elapsed());
    // Mapped from a file, as the product does: compiled in memory it would not be shared copy-on-write.
    // SAFETY: the file was written by this engine three lines above.
    let module = unsafe { Module::deserialize_file(&engine, &compiled)? };
    let prepared = linker.instantiate_pre(&module)?;
    let fresh = || -> Result<Instance> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.inherit_stdio().preopened_dir(root, "/", FsPerms::ReadWrite)?;
        let mut store = Store::new(&engine, wasi.build_p1());
        let instance = prepared.instantiate(&mut store)?;
        let mut instance = Instance {
            memory: instance.get_memory(&mut store, "memory").context("no memory")?,
            alloc: instance.get_typed_func(&mut store, "kb_alloc")?,
            request: instance.get_typed_func(&mut store, "kb_request")?,
            result: instance.get_typed_func(&mut store, "kb_result")?,
            store,
        };
        instance.send(&start_request())?;
        Ok(instance)
    };
    if programs.is_empty() {
        for round in 0..20 {
            let t = Instant::now();
            let mut instance = fresh()?;
            let ready = t.elapsed();
            let answer = instance.run("1+1", "cell")?;
            let first = t.elapsed();
            let before = std::fs::read_to_string("/proc/self/smaps_rollup")?;
            let t = Instant::now();
            for _ in 0..1000 {
                instance.run("1+1", "cell")?;
            }
            let warm = t.elapsed() / 1000;
            if round % 5 == 0 {
                let private = before.lines().find(|line| line.starts_with("Private_Dirty")).unwrap_or_default();
                eprintln!("started {ready:?} first answer {first:?} warm {warm:?} {private} {}", answer.escape_ascii());
            }
            std::mem::forget(instance); // alive, so that the next line's memory tells the cost of each
        }
    }
    for program in programs {
        let source = std::fs::read_to_string(program).with_context(|| format!("cannot read `{program}`"))?;
        let mut instance = fresh()?;
        let answer = instance.run(&source, "program")?;
        if answer.len() > 12 {
            eprintln!("{}", String::from_utf8_lossy(&answer));
        }
    }
    Ok(())
}
