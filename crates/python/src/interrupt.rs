//! Ctrl-C while Python's main thread is in a cell: Python's own handler only sets a flag that nobody looks at then. A
//! handler before it interrupts the cell too.

#![expect(unsafe_code, reason = "signal handlers are set by the C library")]

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use keelback_sandbox::InterruptHandle;

/// The process that has the thread and the pipe; a child of fork has neither.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// The cell that runs on the main thread, and its number.
static RUNNING: Mutex<Option<(u64, InterruptHandle)>> = Mutex::new(None);
/// The number of that cell, for the handler: the thread may come late, when the next cell runs.
static CURRENT: AtomicU64 = AtomicU64::new(0);
static NEXT: AtomicU64 = AtomicU64::new(1);
/// The handler that was there before, and is called first.
static BEFORE: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);
/// The writing end of the pipe to the thread that interrupts.
static PIPE: AtomicUsize = AtomicUsize::new(usize::MAX);

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let before = BEFORE.load(Ordering::Relaxed);
    if before != libc::SIG_DFL && before != libc::SIG_IGN {
        // SAFETY: the address came from sigaction as that of a handler for signals of this kind; one that takes a
        // single argument ignores the others in the C calling conventions of the systems this runs on.
        let before: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { std::mem::transmute(before) };
        before(signal, info, context);
    }
    // SAFETY: getpid is async-signal-safe.
    if OWNER.load(Ordering::Relaxed) != unsafe { libc::getpid() } {
        return; // the pipe leads to the parent's cells
    }
    let number = CURRENT.load(Ordering::Acquire).to_ne_bytes();
    // SAFETY: write is async-signal-safe; the descriptor stays open for good, and the bytes are as many as are named.
    unsafe { libc::write(PIPE.load(Ordering::Relaxed) as libc::c_int, number.as_ptr().cast(), number.len()) };
}

/// For the main thread only.
fn start_thread() {
    // SAFETY: no arguments, no failure.
    let process = unsafe { libc::getpid() };
    if OWNER.load(Ordering::Relaxed) == process {
        return;
    }
    let mut ends = [0; 2];
    // SAFETY: the array has room for both descriptors.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
        return;
    }
    for end in ends {
        // SAFETY: the descriptor was just made.
        unsafe { libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    PIPE.store(ends[1] as usize, Ordering::Relaxed);
    OWNER.store(process, Ordering::Relaxed);
    let _ = thread::Builder::new().name("keelback-interrupt".into()).spawn(move || {
        let mut number = [0u8; 8];
        // Eight bytes at once are not split: POSIX keeps writes to a pipe that are this short whole.
        // SAFETY: there is room for what is asked for; the descriptor stays open for good.
        while unsafe { libc::read(ends[0], number.as_mut_ptr().cast(), number.len()) } == 8 {
            match &*RUNNING.lock().unwrap_or_else(PoisonError::into_inner) {
                Some((running, handle)) if *running == u64::from_ne_bytes(number) => {
                    handle.interrupt();
                }
                _ => {}
            }
        }
    });
}

/// While it lives, SIGINT interrupts the cell.
pub(crate) struct Guard {
    /// The cell whose tool runs this one.
    outer: Option<(u64, InterruptHandle)>,
}

impl Guard {
    /// For the main thread only.
    pub(crate) fn new(handle: InterruptHandle) -> Self {
        start_thread();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let outer = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).replace((number, handle));
        CURRENT.store(number, Ordering::Release);
        // SAFETY: plain structs of the C library, filled by it.
        unsafe {
            let mut now: libc::sigaction = std::mem::zeroed();
            let ours = handler as *const () as usize;
            // Programs may have set a handler of their own since.
            if libc::sigaction(libc::SIGINT, std::ptr::null(), &mut now) == 0
                && now.sa_sigaction != ours
                && now.sa_sigaction != libc::SIG_DFL
                && now.sa_sigaction != libc::SIG_IGN
            {
                BEFORE.store(now.sa_sigaction, Ordering::Relaxed);
                now.sa_sigaction = ours;
                now.sa_flags |= libc::SA_SIGINFO;
                libc::sigaction(libc::SIGINT, &now, std::ptr::null_mut());
            }
        }
        Guard { outer }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let outer = self.outer.take();
        CURRENT.store(outer.as_ref().map_or(0, |(number, _)| *number), Ordering::Release);
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = outer;
    }
}
