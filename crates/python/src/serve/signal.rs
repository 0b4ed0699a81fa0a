//! Signals to one thread of the process.

#![expect(unsafe_code, reason = "threads are named and signalled by the C library")]

/// A thread of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thread {
    #[cfg(target_os = "linux")]
    id: libc::pid_t,
    #[cfg(not(target_os = "linux"))]
    id: libc::pthread_t,
}

impl Thread {
    /// The one that calls.
    #[cfg(target_os = "linux")]
    pub(super) fn current() -> Self {
        // SAFETY: no arguments, no failure.
        Thread { id: unsafe { libc::gettid() } }
    }

    /// The one that calls.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn current() -> Self {
        // SAFETY: no arguments, no failure.
        Thread { id: unsafe { libc::pthread_self() } }
    }

    /// Sends it a signal. Nothing happens when it has ended.
    #[cfg(target_os = "linux")]
    pub(super) fn kill(self, signal: i32) {
        // SAFETY: plain numbers; a thread that is gone is an error that says so. A signal without a handler would end
        // the process: who stops handling it first stops sending it.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.id, signal) };
    }

    /// Sends it a signal.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn kill(self, signal: i32) {
        // SAFETY: the thread is the main thread, or one that stops the server before it ends.
        unsafe { libc::pthread_kill(self.id, signal) };
    }
}

/// Blocks all signals in the calling thread: they are for the program's threads, whose calls they are to interrupt.
pub(super) fn block_all() {
    // SAFETY: the set is plain data which `sigfillset` fills and `pthread_sigmask` reads; nobody wants the old mask.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
    }
}
