//! The times of Windows threads. They move in steps of the scheduler's clock, some 16 ms.

#![expect(unsafe_code, reason = "GetThreadTimes has no safe wrapper")]

use std::{
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    time::Duration,
};

use windows_sys::Win32::{
    Foundation::{FILETIME, HANDLE},
    System::Threading::{
        GetCurrentThread, GetCurrentThreadId, GetThreadTimes, OpenThread, THREAD_QUERY_LIMITED_INFORMATION,
    },
};

/// A thread, by its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadClock(u32);

impl ThreadClock {
    /// The clock of the calling thread.
    pub(crate) fn current() -> Self {
        // SAFETY: takes nothing and cannot fail.
        ThreadClock(unsafe { GetCurrentThreadId() })
    }

    /// Zero when the thread is no more.
    pub(crate) fn now(self) -> Duration {
        // SAFETY: takes nothing and cannot fail.
        if self.0 == unsafe { GetCurrentThreadId() } {
            return of_this_thread();
        }
        // SAFETY: plain values; what comes back is checked below.
        let handle = unsafe { OpenThread(THREAD_QUERY_LIMITED_INFORMATION, 0, self.0) };
        if handle.is_null() {
            return Duration::ZERO;
        }
        // SAFETY: a handle that was just opened, and that nobody else has.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        times(handle.as_raw_handle())
    }
}

/// The CPU time of the calling thread.
pub(crate) fn of_this_thread() -> Duration {
    // SAFETY: a constant that stands for the calling thread.
    times(unsafe { GetCurrentThread() })
}

fn times(thread: HANDLE) -> Duration {
    let none = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let (mut created, mut exited, mut kernel, mut user) = (none, none, none, none);
    // SAFETY: the handle is open, and the four are valid places for the results; a failure leaves them at zero.
    unsafe { GetThreadTimes(thread, &mut created, &mut exited, &mut kernel, &mut user) };
    let ticks = |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Duration::from_nanos((ticks(kernel) + ticks(user)).saturating_mul(100))
}
