//! Ctrl-C while Python's main thread is in a cell: Python's own handler only sets a flag that nobody looks at then. Windows
//! calls handlers in a thread of their own, the newest first; this one interrupts the cell and leaves the rest to Python's.

#![expect(unsafe_code, reason = "handlers of the console are set by the system")]

use std::sync::{Mutex, Once, PoisonError};

use keelback_sandbox::InterruptHandle;
use windows_sys::{
    Win32::System::Console::{CTRL_C_EVENT, SetConsoleCtrlHandler},
    core::BOOL,
};

/// The cell that runs on the main thread.
static RUNNING: Mutex<Option<InterruptHandle>> = Mutex::new(None);

unsafe extern "system" fn handler(event: u32) -> BOOL {
    if event == CTRL_C_EVENT
        && let Some(handle) = &*RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
    {
        handle.interrupt();
    }
    0
}

/// While it lives, Ctrl-C interrupts the cell.
pub(crate) struct Guard {
    /// The cell whose tool runs this one.
    outer: Option<InterruptHandle>,
}

impl Guard {
    /// For the main thread only.
    pub(crate) fn new(handle: InterruptHandle) -> Self {
        static SET: Once = Once::new();
        // SAFETY: the handler stays for good, and takes what the system gives it.
        SET.call_once(|| _ = unsafe { SetConsoleCtrlHandler(Some(handler), 1) });
        let outer = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).replace(handle);
        Guard { outer }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = self.outer.take();
    }
}
