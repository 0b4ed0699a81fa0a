//! The guest's memory is taken away with `mprotect`. Its own accesses then fault at instructions that the engine knows as
//! trapping, and end as a trap. The host's accesses (a host call, the engine's `memory.copy`) fault elsewhere; for those a
//! signal handler gives the memory back, and whoever took it tries again a moment later. The handler is installed before
//! the engine installs its own, which hands every fault that is not the guest's to it.

#![expect(unsafe_code, reason = "memory that the engine owns, and a signal handler")]

use std::{
    io, mem, ptr,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::{Config, Store};

/// Nothing to set: compiled code is as fast as it can be.
pub(crate) fn configure(_: &mut Config) {}

/// What stops one guest.
#[derive(Debug, Clone)]
pub(crate) struct Stopper;

impl Stopper {
    pub(crate) fn new<T>(_: &mut Store<T>) -> Self {
        Stopper
    }

    /// Takes the memory away: the guest's next access to it traps.
    pub(crate) fn stop(&self, base: usize, len: usize) {
        revoked::insert(base, len);
        protect(base, len, MprotectFlags::empty());
    }

    /// Gives it back.
    pub(crate) fn release(&self, base: usize, len: usize) {
        protect(base, len, MprotectFlags::READ | MprotectFlags::WRITE);
        revoked::remove(base);
    }
}

/// Failing is harmless in both directions: a guest keeps its memory and is tried again, or keeps trapping.
fn protect(base: usize, len: usize, flags: MprotectFlags) {
    // SAFETY: the range is the accessible part of a linear memory, which the owner of the `GuestMemory` keeps mapped.
    // No Rust reference into it is used while it is away: host code that runs at that moment faults and gets it back.
    let _ = unsafe { mprotect(ptr::with_exposed_provenance_mut(base), len, flags) };
}

/// The ranges that are away now, readable from a signal handler: no locks, no allocation.
mod revoked {
    use super::{AtomicUsize, Ordering};

    static BASES: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];
    static LENS: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];

    /// With all places taken the memory is not entered, and a host access to it would be fatal; so wait for a place:
    /// one is free as soon as any of 64 guests that are being stopped has stopped.
    pub(super) fn insert(base: usize, len: usize) {
        loop {
            for (slot, slot_len) in BASES.iter().zip(&LENS) {
                let taken = slot.load(Ordering::SeqCst);
                if taken == base {
                    slot_len.store(len, Ordering::SeqCst);
                    return;
                }
                if taken == 0 && slot.compare_exchange(0, base, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                    slot_len.store(len, Ordering::SeqCst);
                    return;
                }
            }
            std::thread::yield_now();
        }
    }

    pub(super) fn remove(base: usize) {
        for (slot, len) in BASES.iter().zip(&LENS) {
            if slot.load(Ordering::SeqCst) == base {
                len.store(0, Ordering::SeqCst);
                slot.store(0, Ordering::SeqCst);
            }
        }
    }

    /// The range that holds `address`.
    pub(super) fn find(address: usize) -> Option<(usize, usize)> {
        BASES.iter().zip(&LENS).find_map(|(slot, len)| {
            let (base, len) = (slot.load(Ordering::SeqCst), len.load(Ordering::SeqCst));
            (base != 0 && (base..base + len).contains(&address)).then_some((base, len))
        })
    }
}

static PREVIOUS: [OnceLock<libc::sigaction>; 2] = [OnceLock::new(), OnceLock::new()];
const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Installs the fault handler, once in a process, before the first engine is made.
pub(crate) fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let result = INSTALLED.get_or_init(|| {
        for (signal, previous) in SIGNALS.iter().zip(&PREVIOUS) {
            // SAFETY: plain calls with valid pointers; the handler only uses what is allowed in one. The old action is
            // stored before the new one is in place, for a fault may come at once.
            unsafe {
                let mut old: libc::sigaction = mem::zeroed();
                if libc::sigaction(*signal, ptr::null(), &mut old) != 0 {
                    return Err(io::Error::last_os_error().raw_os_error().unwrap_or(0));
                }
                let _ = previous.set(old);
                let mut action: libc::sigaction = mem::zeroed();
                action.sa_sigaction = on_fault as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
                libc::sigemptyset(&mut action.sa_mask);
                if libc::sigaction(*signal, &action, ptr::null_mut()) != 0 {
                    return Err(io::Error::last_os_error().raw_os_error().unwrap_or(0));
                }
            }
        }
        Ok(())
    });
    result.map_err(io::Error::from_raw_os_error)
}

extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands a valid siginfo to a handler installed with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() } as usize;
    if let Some((base, len)) = revoked::find(address) {
        protect(base, len, MprotectFlags::READ | MprotectFlags::WRITE);
        return;
    }
    let index = SIGNALS.iter().position(|known| *known == signal).unwrap_or(0);
    let Some(previous) = PREVIOUS[index].get() else {
        return;
    };
    // SAFETY: hands the fault to the handler that was there before, in the form it was registered with; without one,
    // the default action is put back and the faulting instruction runs again.
    unsafe {
        if previous.sa_sigaction == libc::SIG_DFL || previous.sa_sigaction == libc::SIG_IGN {
            libc::sigaction(signal, previous, ptr::null_mut());
        } else if previous.sa_flags & libc::SA_SIGINFO != 0 {
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                mem::transmute(previous.sa_sigaction);
            handler(signal, info, context);
        } else {
            let handler: extern "C" fn(libc::c_int) = mem::transmute(previous.sa_sigaction);
            handler(signal);
        }
    }
}
