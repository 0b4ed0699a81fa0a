//! The functions as a guest calls them: on bytes, with arguments of its choice.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use wasmtime::{Config, Engine, Instance, Module, Store, Val};

use super::*;
use crate::fs::{FsLimits, Library};

struct Awake(Paused);

impl Pause for Awake {
    fn pause(&self, _: Duration) -> Pin<Box<dyn Future<Output = Paused> + Send>> {
        Box::pin(std::future::ready(self.0))
    }
}

fn context(seed: Option<u64>) -> WasiCtx {
    let limits = FsLimits { max_scratch_bytes: 1 << 20, max_open_files: 16 };
    let fs = FileSystem::new(Library::new(Arc::new(Vec::new())), &[], limits).expect("no grants");
    let pause = Arc::new(Awake(Paused::Elapsed));
    WasiCtx::new(fs, Options { seed, stdin: Stdin::Closed, output: Output::new(1 << 20), pause })
}

/// `poll_oneoff` as the linker puts it together.
fn poll_oneoff(
    ctx: &mut WasiCtx,
    memory: &mut [u8],
    subscriptions: u32,
    events: u32,
    count: u32,
    happened: u32,
) -> std::result::Result<(), Failure> {
    let (poll, duration) = misc::poll_begin(ctx, memory, subscriptions, events, count, happened)?;
    misc::poll_end(memory, poll, pollster::block_on(ctx.pause.pause(duration)))
}

fn put(memory: &mut [u8], at: usize, bytes: &[u8]) {
    memory[at..at + bytes.len()].copy_from_slice(bytes);
}

fn number(memory: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(memory[at..at + 8].try_into().expect("eight bytes"))
}

/// Opens `path` and returns the descriptor.
fn open(ctx: &mut WasiCtx, memory: &mut [u8], path: &str, flags: u32, rights: u64) -> Result<u32> {
    put(memory, 512, path.as_bytes());
    paths::path_open(ctx, memory, 3, 1, 512, path.len() as u32, flags, rights, 0, 0, 500)?;
    abi::load_u32(memory, 500)
}

#[test]
fn buffers_are_filled_in_turn() {
    let (mut ctx, mut memory) = (context(None), vec![0; 1024]);
    let fd = open(&mut ctx, &mut memory, "work/x", abi::OPEN_CREATE, u64::MAX).expect("room");
    put(&mut memory, 100, b"hello");
    // Two buffers: 100..103 and 103..105.
    put(&mut memory, 0, &[100, 0, 0, 0, 3, 0, 0, 0, 103, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(files::fd_write(&mut ctx, &mut memory, fd, 0, 2, 64), Ok(()));
    assert_eq!(number(&memory, 64) as u32, 5);
    assert_eq!(files::fd_seek(&mut ctx, &mut memory, fd, -4, 2, 64), Ok(()));
    put(&mut memory, 0, &[200, 0, 0, 0, 3, 0, 0, 0, 210, 0, 0, 0, 9, 0, 0, 0]);
    assert_eq!(files::fd_read(&mut ctx, &mut memory, fd, 0, 2, 64), Ok(()));
    assert_eq!((number(&memory, 64) as u32, &memory[200..203], &memory[210..211]), (4, &b"ell"[..], &b"o"[..]));
    assert_eq!(files::fd_filestat_get(&mut ctx, &mut memory, fd, 300), Ok(()));
    assert_eq!((memory[316], number(&memory, 332)), (4, 5));
}

#[test]
fn addresses_outside_memory_are_faults() {
    let (mut ctx, mut memory) = (context(None), vec![0; 64]);
    assert_eq!(files::fd_write(&mut ctx, &mut memory, 1, 60, 1, 0), Err(Errno::FAULT));
    assert_eq!(files::fd_write(&mut ctx, &mut memory, 1, u32::MAX, 1, 0), Err(Errno::FAULT));
    put(&mut memory, 0, &[60, 0, 0, 0, 5, 0, 0, 0]);
    assert_eq!(files::fd_write(&mut ctx, &mut memory, 1, 0, 1, 32), Err(Errno::FAULT));
    assert_eq!(files::fd_write(&mut ctx, &mut memory, 1, 0, abi::MAX_IOVECS + 1, 32), Err(Errno::INVAL));
    put(&mut memory, 0, &[60, 0, 0, 0, 4, 0, 0, 0]);
    assert_eq!(files::fd_write(&mut ctx, &mut memory, 1, 0, 1, 32), Ok(()));
}

#[test]
fn a_listing_goes_on_from_its_cookie() {
    let (mut ctx, mut memory) = (context(None), vec![0; 4096]);
    for index in 0..100 {
        let fd = open(&mut ctx, &mut memory, &format!("work/{index:03}"), abi::OPEN_CREATE, u64::MAX).expect("room");
        ctx.fs.close(fd).expect("it is open");
    }
    let fd = open(&mut ctx, &mut memory, "work", abi::OPEN_DIRECTORY, abi::RIGHT_READ).expect("a directory");
    let (mut cookie, mut names) = (0, Vec::new());
    loop {
        files::fd_readdir(&mut ctx, &mut memory, fd, 1000, 200, cookie, 0).expect("a directory");
        let used = number(&memory, 0) as u32 as usize;
        let mut at = 1000;
        while at + 24 + 3 <= 1000 + used {
            cookie = number(&memory, at);
            names.push(String::from_utf8_lossy(&memory[at + 24..at + 27]).into_owned());
            at += 27;
        }
        if used < 200 {
            break;
        }
    }
    assert_eq!(names.len(), 100);
    assert!(names.is_sorted());
}

/// One relative timer of `nanoseconds` at address 0.
fn timer(memory: &mut [u8], nanoseconds: u64) {
    put(memory, 0, &[0; 48]);
    put(memory, 0, &7u64.to_le_bytes());
    put(memory, 16, &abi::CLOCK_MONOTONIC.to_le_bytes());
    put(memory, 24, &nanoseconds.to_le_bytes());
}

#[test]
fn sleeping_moves_a_pinned_clock_and_no_other() {
    let (mut ctx, mut memory) = (context(Some(1)), vec![0; 256]);
    timer(&mut memory, 3_000_000_000_000);
    let before = Instant::now();
    let start = ctx.time().monotonic;
    assert!(poll_oneoff(&mut ctx, &mut memory, 0, 64, 1, 128).is_ok());
    assert_eq!((number(&memory, 64), number(&memory, 128) as u32), (7, 1));
    assert_eq!(ctx.time().monotonic - start, 3_000_000_000_000);
    assert!(before.elapsed() < Duration::from_secs(60));
    // Interrupted, the guest looks at its signals; stopped, it does not get to.
    ctx.pause = Arc::new(Awake(Paused::Interrupted));
    let result = poll_oneoff(&mut ctx, &mut memory, 0, 64, 1, 128);
    assert!(matches!(result, Err(Failure::Errno(Errno::INTR))));
    ctx.pause = Arc::new(Awake(Paused::Stopped));
    assert!(matches!(poll_oneoff(&mut ctx, &mut memory, 0, 64, 1, 128), Err(Failure::Stopped)));
}

#[test]
fn a_seed_pins_clock_and_random_bytes_and_time_goes_on() {
    let take = |ctx: &mut WasiCtx| {
        let mut memory = vec![0; 64];
        misc::random_get(ctx, &mut memory, 0, 16).expect("in memory");
        misc::clock_time_get(ctx, &mut memory, abi::CLOCK_REALTIME, 0, 16).expect("a clock");
        misc::clock_time_get(ctx, &mut memory, abi::CLOCK_MONOTONIC, 0, 24).expect("a clock");
        memory
    };
    let (mut one, mut two) = (context(Some(5)), context(Some(5)));
    assert_eq!(take(&mut one), take(&mut two));
    let mut later = context(Some(5));
    later.set_time(one.time());
    assert_eq!(take(&mut later), take(&mut one));
    assert_ne!(take(&mut context(Some(6)))[..16], take(&mut two)[..16]);
    let mut real = context(None);
    real.set_time(one.time());
    assert!(real.time().monotonic >= one.time().monotonic);
}

/// Assembled from
/// ```wat
/// (module
///   (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
///   (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
///   (memory (export "memory") 1)
///   (data (i32.const 8) "\10\00\00\00\02\00\00\00hi")
///   (func (export "write") (param i32) (result i32)
///     (call $write (i32.const 1) (local.get 0) (i32.const 1) (i32.const 0)))
///   (func (export "exit") (call $exit (i32.const 3))))
/// ```
const MODULE: &[u8] =
    b"\x00asm\x01\x00\x00\x00\x01\x15\x04`\x04\x7f\x7f\x7f\x7f\x01\x7f`\x01\x7f\x00`\x01\x7f\x01\x7f`\x00\
    \x00\x02F\x02\x16wasi_snapshot_preview1\x08fd_write\x00\x00\x16wasi_snapshot_preview1\tproc_exit\x00\
    \x01\x03\x03\x02\x02\x03\x05\x03\x01\x00\x01\x07\x19\x03\x06memory\x02\x00\x05write\x00\x02\x04exit\
    \x00\x03\n\x15\x02\x0c\x00A\x01 \x00A\x01A\x00\x10\x00\x0b\x06\x00A\x03\x10\x01\x0b\x0b\x10\x01\x00A\
    \x08\x0b\n\x10\x00\x00\x00\x02\x00\x00\x00hi\x00\x15\x04name\x01\x0e\x02\x00\x05write\x01\x04exit";

#[test]
fn a_module_calls_through_the_linker() {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let mut linker = Linker::<WasiCtx>::new(&engine);
    add_to_linker(&mut linker, |ctx| ctx).expect("no name twice");
    let module = Module::new(&engine, MODULE).expect("a module");
    let mut store = Store::new(&engine, context(None));
    let instance: Instance = linker.instantiate(&mut store, &module).expect("all imports are there");
    let write = instance.get_typed_func::<i32, i32>(&mut store, "write").expect("exported");
    assert_eq!(write.call(&mut store, 8).expect("no trap"), 0);
    assert_eq!(write.call(&mut store, -1).expect("no trap"), i32::from(Errno::FAULT.0));
    let exit = instance.get_func(&mut store, "exit").expect("exported");
    let error = exit.call(&mut store, &[], &mut [] as &mut [Val]).expect_err("it exits");
    assert_eq!(error.downcast_ref::<ProcExit>().map(|exit| exit.0), Some(3));
}

/// Numbers a hostile guest would try.
fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..16,
        4 => 0u64..512,
        1 => Just(u64::MAX),
        1 => Just(u64::from(u32::MAX)),
        1 => Just(1 << 31),
        1 => Just(i64::MAX as u64),
        1 => any::<u64>(),
    ]
}

/// Calls function number `index`.
fn call(ctx: &mut WasiCtx, memory: &mut [u8], index: usize, a: &[u64]) {
    let n = |i: usize| a[i] as u32;
    let _ = match index {
        0 => files::fd_read(ctx, memory, n(0), n(1), n(2), n(3)),
        1 => files::fd_write(ctx, memory, n(0), n(1), n(2), n(3)),
        2 => files::fd_pread(ctx, memory, n(0), n(1), n(2), a[3], n(4)),
        3 => files::fd_pwrite(ctx, memory, n(0), n(1), n(2), a[3], n(4)),
        4 => files::fd_readdir(ctx, memory, n(0), n(1), n(2), a[3], n(4)),
        5 => files::fd_seek(ctx, memory, n(0), a[1] as i64, n(2), n(3)),
        6 => files::fd_allocate(ctx, memory, n(0), a[1], a[2]),
        7 => files::fd_filestat_set_size(ctx, memory, n(0), a[1]),
        8 => files::fd_filestat_set_times(ctx, memory, n(0), a[1], a[2], n(3)),
        9 => files::fd_fdstat_get(ctx, memory, n(0), n(1)),
        10 => files::fd_filestat_get(ctx, memory, n(0), n(1)),
        11 => files::fd_close(ctx, memory, n(0)),
        12 => files::fd_renumber(ctx, memory, n(0), n(1)),
        13 => files::fd_prestat_dir_name(ctx, memory, n(0), n(1), n(2)),
        14 => files::fd_tell(ctx, memory, n(0), n(1)),
        15 => paths::path_open(ctx, memory, n(0), n(1), n(2), n(3), n(4), a[5], a[6], n(7), n(8)),
        16 => paths::path_create_directory(ctx, memory, n(0), n(1), n(2)),
        17 => paths::path_filestat_get(ctx, memory, n(0), n(1), n(2), n(3), n(4)),
        18 => paths::path_filestat_set_times(ctx, memory, n(0), n(1), n(2), n(3), a[4], a[5], n(6)),
        19 => paths::path_link(ctx, memory, n(0), n(1), n(2), n(3), n(4), n(5), n(6)),
        20 => paths::path_readlink(ctx, memory, n(0), n(1), n(2), n(3), n(4), n(5)),
        21 => paths::path_remove_directory(ctx, memory, n(0), n(1), n(2)),
        22 => paths::path_rename(ctx, memory, n(0), n(1), n(2), n(3), n(4), n(5)),
        23 => paths::path_symlink(ctx, memory, n(0), n(1), n(2), n(3), n(4)),
        24 => paths::path_unlink_file(ctx, memory, n(0), n(1), n(2)),
        25 => poll_oneoff(ctx, memory, n(0), n(1), n(2), n(3)).map_err(|_| Errno::INTR),
        26 => misc::random_get(ctx, memory, n(0), n(1)),
        27 => misc::clock_time_get(ctx, memory, n(0), a[1], n(2)),
        28 => misc::clock_res_get(ctx, memory, n(0), n(1)),
        29 => misc::args_sizes_get(ctx, memory, n(0), n(1)),
        30 => files::fd_fdstat_set_flags(ctx, memory, n(0), n(1)),
        31 => files::fd_prestat_get(ctx, memory, n(0), n(1)),
        32 => files::fd_sync(ctx, memory, n(0)),
        _ => files::fd_advise(ctx, memory, n(0), a[1], a[2], n(3)),
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn no_arguments_panic(
        calls in proptest::collection::vec((0usize..34, proptest::collection::vec(argument(), 9)), 1..60),
        bytes in proptest::collection::vec(any::<u8>(), 256),
    ) {
        let mut memory = bytes;
        memory.extend_from_slice(b"work/a\0work/b/c\0../tmp/x\0work/b\0/work/../tmp//y/\0");
        memory.resize(512, b'w');
        let mut ctx = context(Some(1));
        ctx.fs.create_directory("/", "work/b").expect("room");
        for (index, arguments) in calls {
            call(&mut ctx, &mut memory, index, &arguments);
        }
        prop_assert!(ctx.fs.fork().is_ok());
    }

    #[test]
    fn files_from_likely_arguments(
        calls in proptest::collection::vec((0usize..34, prop::sample::select(vec![(256u64, 6u64), (263, 8), (272, 8), (281, 6)]), 3u64..10, argument()), 1..60),
    ) {
        let mut memory = vec![0; 256];
        memory.extend_from_slice(b"work/a\0work/b/c\0../tmp/x\0work/b\0/work/../tmp//y/\0");
        memory.resize(512, b'w');
        put(&mut memory, 0, &[64, 0, 0, 0, 100, 0, 0, 0]);
        let mut ctx = context(Some(1));
        ctx.fs.create_directory("/", "work/b").expect("room");
        for (index, (path, len), fd, other) in calls {
            let arguments = match index {
                15 => vec![3, 1, path, len, other % 16, u64::MAX, 0, other % 2, 8],
                16 | 21 | 24 => vec![3, path, len, 0, 0, 0, 0, 0, 0],
                17 => vec![3, 1, path, len, 64, 0, 0, 0, 0],
                19 => vec![3, 0, path, len, 3, 256, 6, 0, 0],
                22 => vec![3, path, len, 3, 272, 8, 0, 0, 0],
                23 => vec![path, len, 3, 256, 6, 0, 0, 0, 0],
                _ => vec![fd, other, other, other, 8, 0, 0, 0, 0],
            };
            call(&mut ctx, &mut memory, index, &arguments);
        }
        prop_assert!(ctx.fs.fork().is_ok());
    }
}
