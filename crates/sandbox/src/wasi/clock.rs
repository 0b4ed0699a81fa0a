//! Time: the machine's, or one that only moves when it is asked or slept by.

use std::time::{Duration, Instant};

use super::{Time, abi};
use crate::{
    cpu_clock,
    fs::{EPOCH, Errno, Result, wall_clock},
};

/// How far a deterministic clock moves at each look; a choice that lets loops which wait for a time end.
const STEP: u64 = 10_000;

/// The clocks of a session.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The machine's clocks; monotonic time counts from the start of the session, also across save and load.
    Real {
        /// When this part of the session began.
        started: Instant,
        /// Nanoseconds it had lived before.
        before: u64,
        /// The last CPU time told, for a session may change threads.
        cpu: u64,
    },
    /// Nanoseconds since the session began.
    Deterministic(u64),
}

impl Clock {
    pub(crate) fn real() -> Self {
        Clock::Real { started: Instant::now(), before: 0, cpu: 0 }
    }

    /// The time on clock `id` in nanoseconds.
    pub(super) fn now(&mut self, id: u32) -> Result<u64> {
        if id > abi::CLOCK_THREAD {
            return Err(Errno::INVAL);
        }
        if let Clock::Deterministic(now) = self {
            *now = now.saturating_add(STEP);
        }
        match (&mut *self, id) {
            (_, abi::CLOCK_REALTIME) => Ok(self.file_time()),
            (Clock::Real { cpu, .. }, abi::CLOCK_PROCESS | abi::CLOCK_THREAD) => {
                *cpu = (*cpu).max(nanoseconds(cpu_clock::of_this_thread()));
                Ok(*cpu)
            }
            _ => Ok(self.monotonic()),
        }
    }

    /// Nanoseconds since the session began.
    pub(super) fn monotonic(&self) -> u64 {
        match self {
            Clock::Real { started, before, .. } => before.saturating_add(nanoseconds(started.elapsed())),
            Clock::Deterministic(now) => *now,
        }
    }

    /// The time that files made now get. Looking at it moves no clock.
    pub(super) fn file_time(&self) -> u64 {
        match self {
            Clock::Real { .. } => wall_clock(),
            Clock::Deterministic(now) => EPOCH.saturating_add(*now),
        }
    }

    /// Moves a deterministic clock; true when this is one.
    pub(super) fn advance(&mut self, duration: Duration) -> bool {
        match self {
            Clock::Deterministic(now) => {
                *now = now.saturating_add(nanoseconds(duration));
                true
            }
            Clock::Real { .. } => false,
        }
    }

    pub(super) fn save(&self, time: &mut Time) {
        time.monotonic = self.monotonic();
    }

    pub(super) fn load(&mut self, time: &Time) {
        match self {
            Clock::Real { started, before, .. } => (*started, *before) = (Instant::now(), time.monotonic),
            Clock::Deterministic(now) => *now = time.monotonic,
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
