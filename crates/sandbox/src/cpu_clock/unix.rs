//! The clocks of POSIX threads.

#![expect(unsafe_code, reason = "pthread_getcpuclockid has no safe wrapper")]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// The clock of the calling thread.
    #[cfg(target_os = "linux")]
    pub(crate) fn current() -> Self {
        let mut id = libc::CLOCK_THREAD_CPUTIME_ID;
        // SAFETY: the calling thread is alive, and `id` is a valid place for the result.
        unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut id) };
        ThreadClock(id)
    }

    /// Other systems have no clock of one thread for another; there the clock of the process stands in, which is never
    /// behind it.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn current() -> Self {
        ThreadClock(libc::CLOCK_PROCESS_CPUTIME_ID)
    }

    pub(crate) fn now(self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid place for the result; an unknown clock leaves it at zero.
        unsafe { libc::clock_gettime(self.0, &mut time) };
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
    }
}

/// The CPU time of the calling thread.
pub(crate) fn of_this_thread() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}
