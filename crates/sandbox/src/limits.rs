//! What a session may use.

use std::time::{Duration, Instant};

use crate::Error;

/// The limits of a session. Each is on by default, and each names itself in the error it ends a cell with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Wall time of one cell, waits and tools included; TimeoutError in the guest. None for no limit. Default 60 s.
    pub wall_time: Option<Duration>,
    /// CPU time of one cell, without time spent in tools; TimeoutError in the guest. None for no limit. Default 60 s.
    pub cpu_time: Option<Duration>,
    /// Bytes of linear memory, the 30 MB or so of the image included; MemoryError in the guest. Default 1 GiB, at
    /// most 4 GiB.
    pub memory_bytes: u64,
    /// Bytes one cell may write to stdout, stderr and display together; OutputLimitError in the guest. Default 64 MiB.
    pub output_bytes: u64,
    /// Tool calls one cell may start; RuntimeError in the guest. Default 10,000.
    pub tool_calls: u64,
    /// Files open at a time; OSError EMFILE in the guest. Default 256.
    pub open_files: usize,
    /// Bytes of scratch files in `/work` and `/tmp`; OSError ENOSPC in the guest. Default 64 MiB.
    pub scratch_bytes: u64,
    /// Network connections open at a time; OSError in the guest. Default 64.
    pub connections: usize,
    /// Bytes one cell may send over the network; OSError in the guest. Default 64 MiB.
    pub network_bytes_sent: u64,
    /// Bytes one cell may receive over the network; OSError in the guest. Default 256 MiB.
    pub network_bytes_received: u64,
    /// Time until a name is looked up, and again until a connection is made; TimeoutError in the guest. Default 30 s.
    pub connect_time: Duration,
    /// Python's recursion limit at the start. Default 1,000. The guest may raise it: its stack is bounded otherwise.
    pub recursion: u32,
    /// How long a guest has to react to an interrupt before it is stopped from outside. Default 1 s.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            wall_time: Some(Duration::from_secs(60)),
            cpu_time: Some(Duration::from_secs(60)),
            memory_bytes: 1 << 30,
            output_bytes: 64 << 20,
            tool_calls: 10_000,
            open_files: 256,
            scratch_bytes: 64 << 20,
            connections: 64,
            network_bytes_sent: 64 << 20,
            network_bytes_received: 256 << 20,
            connect_time: Duration::from_secs(30),
            recursion: 1_000,
            grace: Duration::from_secs(1),
        }
    }
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let at_least = |name, value: u64, minimum: u64| {
            if value < minimum { Err(Error::Limit { name, value, minimum }) } else { Ok(()) }
        };
        at_least("memory_bytes", self.memory_bytes, crate::image::MIN_MEMORY_BYTES)?;
        at_least("recursion", self.recursion.into(), 50)?;
        at_least("open_files", self.open_files as u64, 8)
    }

    /// Whether sessions may begin with `bytes` of memory.
    pub(crate) fn check_memory(&self, bytes: u64) -> Result<(), Error> {
        if self.memory_bytes >= bytes {
            return Ok(());
        }
        Err(Error::Limit { name: "memory_bytes", value: self.memory_bytes, minimum: bytes })
    }
}

/// A point in time that far from `now`; the clock cannot say one that is centuries away.
pub(crate) fn later(now: Instant, by: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now + by.min(FAR)
}

/// A duration as the guest's messages say it: `5 s`, `250 ms`.
pub(crate) fn duration_text(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_nanos()) {
        (seconds, 0) => format!("{seconds} s"),
        (0, nanos) if nanos % 1_000_000 == 0 => format!("{} ms", nanos / 1_000_000),
        _ => format!("{} s", duration.as_secs_f64()),
    }
}
