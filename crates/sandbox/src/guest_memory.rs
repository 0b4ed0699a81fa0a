//! The linear memory of a running guest, as another thread may touch it: to set CPython's signal flags, and to stop a
//! guest that does not react to them ([`Stopper`]).

#![expect(unsafe_code, reason = "another thread's view of memory that the engine owns")]

use std::{
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::stop::Stopper;

/// Where CPython keeps its signal flags in linear memory: the same in every instance of an image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probes {
    pub(crate) eval_breaker: u32,
    pub(crate) pending_bit: u32,
    pub(crate) is_tripped: u32,
    pub(crate) tripped: u32,
    pub(crate) stride: u32,
}

impl Probes {
    /// False when an address lies outside the first `len` bytes or is not that of a u32.
    pub(crate) fn fit(&self, len: usize) -> bool {
        [self.eval_breaker, self.is_tripped, self.tripped + 64 * self.stride]
            .iter()
            .all(|address| address % 4 == 0 && (*address as usize) < len.saturating_sub(4))
    }
}

/// A signal of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Signal {
    /// SIGINT: KeyboardInterrupt.
    Interrupt = 2,
    /// SIGUSR1: the prompt wants the session back.
    Idle = 10,
    /// SIGALRM: TimeoutError for wall time.
    WallTime = 14,
    /// SIGXCPU: TimeoutError for CPU time.
    CpuTime = 24,
}

/// The address range of a guest's linear memory. Whoever uses it makes sure that the memory is still there: the
/// session keeps it behind a lock which it takes before the memory goes away.
pub(crate) struct GuestMemory {
    base: usize,
    len: usize,
    probes: Probes,
    stopper: Stopper,
}

impl GuestMemory {
    /// `base` is the address of the linear memory, `len` its size now; `probes` must fit it.
    pub(crate) fn new(base: *mut u8, len: usize, probes: Probes, stopper: Stopper) -> Self {
        assert!(probes.fit(len), "checked when the image was loaded");
        GuestMemory { base: base as usize, len, probes, stopper }
    }

    pub(crate) fn grown(&mut self, len: usize) {
        self.len = len;
    }

    fn word(&self, address: u32) -> &AtomicU32 {
        // SAFETY: `new` checked that the address is aligned and within the memory, and the owner of `self` keeps the
        // memory mapped. The guest's plain accesses to the word are to memory that Rust code never borrows meanwhile.
        unsafe { AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(self.base + address as usize)) }
    }

    /// Sets the flags that `PyErr_SetInterruptEx` would set.
    pub(crate) fn raise(&self, signal: Signal) {
        self.word(self.probes.tripped + self.probes.stride * signal as u32).store(1, Ordering::Relaxed);
        self.word(self.probes.is_tripped).store(1, Ordering::Relaxed);
        // The guest changes other bits of this word without a lock, so this may be lost: callers repeat it.
        self.word(self.probes.eval_breaker).fetch_or(self.probes.pending_bit, Ordering::Relaxed);
    }

    /// Reports whether CPython has not yet called its handler for `signal`.
    pub(crate) fn is_pending(&self, signal: Signal) -> bool {
        self.word(self.probes.tripped + self.probes.stride * signal as u32).load(Ordering::Relaxed) != 0
    }

    /// Takes back a signal that no one has seen, so that it cannot hit a later cell.
    pub(crate) fn clear(&self, signal: Signal) {
        self.word(self.probes.tripped + self.probes.stride * signal as u32).store(0, Ordering::Relaxed);
    }

    /// Stops the guest: it traps at its next step.
    pub(crate) fn revoke(&self) {
        self.stopper.stop(self.base, self.len);
    }

    /// Lets it run again.
    pub(crate) fn restore(&self) {
        self.stopper.release(self.base, self.len);
    }
}
