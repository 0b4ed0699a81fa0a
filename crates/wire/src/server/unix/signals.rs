//! Signals of the program are not for the server's thread.
#![expect(unsafe_code, reason = "a thread's signal mask has no safe form")]

use std::{mem::MaybeUninit, ptr};

/// Blocks all signals in the calling thread. The program's threads get them, whose calls they are to interrupt.
pub(in super::super) fn block_all() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: `sigfillset` initialises the set it is given, which `pthread_sigmask` then reads; a null pointer means
    // that the old mask is not wanted.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), ptr::null_mut());
    }
}
