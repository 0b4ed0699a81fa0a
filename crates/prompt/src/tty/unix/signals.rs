//! Signal handlers that last as long as raw mode, and putting the terminal back where nothing else runs any more.
//!
//! A handler sets a bit and writes to a pipe. Only a second SIGTERM or SIGHUP, which nobody has heeded the first of,
//! restores the terminal in the handler and ends the process. SIGTERM and SIGHUP that the process ignores or handles
//! itself are left alone.

#![expect(unsafe_code, reason = "sigaction and what is allowed in a handler have no safe wrapper")]

use std::{
    io, mem,
    os::fd::{AsRawFd, OwnedFd},
    panic, ptr,
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering},
    },
    thread::{self, ThreadId},
};

use super::{LEAVE, Ready};

const SIGNALS: [i32; 5] = [libc::SIGWINCH, libc::SIGTSTP, libc::SIGCONT, libc::SIGTERM, libc::SIGHUP];

/// Signals that came and were not taken, a bit for each of [`SIGNALS`].
static PENDING: AtomicU32 = AtomicU32::new(0);
static PIPE: AtomicI32 = AtomicI32::new(-1);
static INSTALLED: AtomicBool = AtomicBool::new(false);
static ENTERED: AtomicBool = AtomicBool::new(false);
static EMERGENCY: AtomicPtr<Emergency> = AtomicPtr::new(ptr::null_mut());

/// Moves the signals that came into `ready`.
pub(super) fn take(ready: &mut Ready) {
    // Read first: as a rule nothing came, and the line stays shared.
    if PENDING.load(Ordering::Acquire) == 0 {
        return;
    }
    // Requests to end stay, so that the handler knows the second.
    let pending = PENDING.fetch_and(!0b111, Ordering::AcqRel);
    let came = |index: usize| pending & (1 << index) != 0;
    ready.resized |= came(0) || came(2);
    ready.stop |= came(1);
    ready.resumed |= came(2);
    ready.terminated = [3, 4].into_iter().find(|index| came(*index)).map(|index| SIGNALS[index]);
}

/// Handlers, until dropped.
#[derive(Debug)]
pub(super) struct Signals {
    before: Vec<(i32, Action)>,
    emergency: &'static Emergency,
}

struct Action(libc::sigaction);

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Action").field(&self.0.sa_sigaction).finish()
    }
}

impl Signals {
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if there are some already.
    pub(super) fn install(pipe: &OwnedFd, emergency: &'static Emergency) -> io::Result<Self> {
        if INSTALLED.swap(true, Ordering::AcqRel) {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "this process has a prompt open already"));
        }
        restore_on_panic();
        PENDING.store(0, Ordering::Release);
        PIPE.store(pipe.as_raw_fd(), Ordering::Release);
        EMERGENCY.store(ptr::from_ref(emergency).cast_mut(), Ordering::Release);
        let mut signals = Signals { before: Vec::with_capacity(SIGNALS.len()), emergency };
        for signal in SIGNALS {
            let before = action_of(signal);
            let ours_to_take = match signal {
                libc::SIGWINCH | libc::SIGCONT => true,
                libc::SIGTSTP => before.sa_sigaction != libc::SIG_IGN,
                _ => before.sa_sigaction == libc::SIG_DFL,
            };
            if ours_to_take {
                set_action(signal, &handling());
                signals.before.push((signal, Action(before)));
            }
        }
        Ok(signals)
    }

    /// Puts the earlier handlers back; what is returned installs them again.
    pub(super) fn remove(self) -> &'static Emergency {
        self.emergency
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, before) in self.before.drain(..) {
            // Whoever has taken the signal since keeps it.
            if action_of(signal).sa_sigaction == handling().sa_sigaction {
                set_action(signal, &before.0);
            }
        }
        EMERGENCY.store(ptr::null_mut(), Ordering::Release);
        PIPE.store(-1, Ordering::Release);
        INSTALLED.store(false, Ordering::Release);
    }
}

fn handling() -> libc::sigaction {
    // SAFETY: all zero is a valid `sigaction`: the default, an empty mask, no flags.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handle as extern "C" fn(libc::c_int) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    action
}

fn action_of(signal: i32) -> libc::sigaction {
    // SAFETY: zero is a valid `sigaction`, and the call only writes to it.
    unsafe {
        let mut action = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &mut action);
        action
    }
}

fn set_action(signal: i32, action: &libc::sigaction) {
    // SAFETY: `action` is either `handling`, whose handler does only what handlers may do, or what was there before.
    unsafe { libc::sigaction(signal, action, ptr::null_mut()) };
}

extern "C" fn handle(signal: libc::c_int) {
    let Some(index) = SIGNALS.iter().position(|known| *known == signal) else { return };
    let before = PENDING.fetch_or(1 << index, Ordering::AcqRel);
    if index >= 3 && before & 0b11000 != 0 {
        if let Some(emergency) = current() {
            emergency.restore();
        }
        // SAFETY: both calls are allowed in handlers; the signal ends the process when this handler returns.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        return;
    }
    let pipe = PIPE.load(Ordering::Acquire);
    if pipe >= 0 {
        // SAFETY: write is allowed in handlers and reads one byte that is there; errno is put back for the code that was
        // interrupted.
        unsafe {
            let errno = errno();
            let error = *errno;
            libc::write(pipe, [0u8].as_ptr().cast(), 1);
            *errno = error;
        }
    }
}

/// Stops the process group by SIGTSTP, and returns when it goes on.
///
/// A signal to a group may be taken by any thread of this process, and this one would run on for a while. So it has one
/// of its own pending meanwhile: either that one stops the process here, or the SIGCONT after the other's removes it.
pub(super) fn stop_group() {
    // SAFETY: zero is a valid set, all pointers are to sets that live here, and none of the calls has other conditions.
    unsafe {
        let mut stop: libc::sigset_t = mem::zeroed();
        let mut before: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut stop);
        libc::sigaddset(&mut stop, libc::SIGTSTP);
        libc::pthread_sigmask(libc::SIG_BLOCK, &stop, &mut before);
        libc::pthread_kill(libc::pthread_self(), libc::SIGTSTP);
        libc::kill(0, libc::SIGTSTP);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &stop, ptr::null_mut());
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut());
    }
}

/// The error number of this thread; valid as long as the thread.
unsafe fn errno() -> *mut libc::c_int {
    // SAFETY: both calls have no conditions.
    #[cfg(any(target_os = "linux", target_os = "emscripten"))]
    return unsafe { libc::__errno_location() };
    #[cfg(not(any(target_os = "linux", target_os = "emscripten")))]
    return unsafe { libc::__error() };
}

/// How to put a terminal back from a handler or a panic. Those that were used are never freed, as a handler may still
/// read one.
pub(super) struct Emergency {
    input: libc::c_int,
    output: libc::c_int,
    before: libc::termios,
    thread: ThreadId,
}

impl std::fmt::Debug for Emergency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emergency").field("input", &self.input).finish_non_exhaustive()
    }
}

impl Emergency {
    /// The way back to the modes the terminal has now.
    pub(super) fn new(input: &OwnedFd, output: &OwnedFd) -> io::Result<&'static Self> {
        // One is kept for each terminal and state it was found in, however often raw mode is left and entered.
        static KNOWN: Mutex<Vec<&'static Emergency>> = Mutex::new(Vec::new());
        // SAFETY: zero is a valid `termios`, the call only writes to it, and the descriptor is open.
        let before = unsafe {
            let mut before = mem::zeroed();
            if libc::tcgetattr(input.as_raw_fd(), &mut before) != 0 {
                return Err(io::Error::last_os_error());
            }
            before
        };
        let new =
            Emergency { input: input.as_raw_fd(), output: output.as_raw_fd(), before, thread: thread::current().id() };
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.iter().find(|emergency| emergency.same(&new)) {
            return Ok(same);
        }
        known.push(Box::leak(Box::new(new)));
        Ok(known[known.len() - 1])
    }

    /// Notes whether LEAVE is owed to the terminal, and returns whether it was.
    pub(super) fn set_entered(entered: bool) -> bool {
        ENTERED.swap(entered, Ordering::AcqRel)
    }

    fn same(&self, other: &Emergency) -> bool {
        let modes = |termios: &libc::termios| {
            (termios.c_iflag, termios.c_oflag, termios.c_cflag, termios.c_lflag, termios.c_cc)
        };
        (self.input, self.output, self.thread, modes(&self.before))
            == (other.input, other.output, other.thread, modes(&other.before))
    }

    /// Does only what is allowed in a handler.
    fn restore(&self) {
        // SAFETY: the descriptors are open while this is in `EMERGENCY`, and both calls read what is passed.
        unsafe {
            if ENTERED.swap(false, Ordering::AcqRel) {
                libc::write(self.output, LEAVE.as_ptr().cast(), LEAVE.len());
            }
            libc::tcsetattr(self.input, libc::TCSANOW, &self.before);
        }
    }
}

fn current() -> Option<&'static Emergency> {
    // SAFETY: the pointer is null or from a `&'static`.
    unsafe { EMERGENCY.load(Ordering::Acquire).as_ref() }
}

/// Shows the message of a panic on a terminal that is as it was. Panics of other threads change nothing: the editor goes
/// on. A panic that is caught with raw mode alive needs a [`renew`](super::RawMode::renew).
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Some(emergency) = current().filter(|emergency| emergency.thread == thread::current().id()) {
                emergency.restore();
            }
            before(info);
        }));
    });
}
