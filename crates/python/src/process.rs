//! What there is once in a process. The engine has threads that watch over limits, and a child of fork has only the thread
//! that forked: it gets everything anew, and takes no lock that the parent may have held.

#![expect(unsafe_code, reason = "a pointer that is replaced after a fork, where a lock could be held for good")]

use std::{
    process, ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use keelback_sandbox::{Engine, Error, InterruptHandle};

/// How long the end of the interpreter waits for guests; a choice.
const SHUT_DOWN_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Process {
    id: u32,
    engine: Mutex<Option<&'static Engine>>,
    uses: Mutex<Vec<(u64, InterruptHandle)>>,
    next_use: AtomicU64,
    over: AtomicBool,
}

impl Process {
    pub(crate) fn current() -> &'static Self {
        static CURRENT: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());
        let found = CURRENT.load(Ordering::Acquire);
        // SAFETY: null, or from Box::leak below.
        if let Some(process) = unsafe { found.as_ref() }
            && process.is_this()
        {
            return process;
        }
        let made = Box::leak(Box::new(Process {
            id: process::id(),
            engine: Mutex::default(),
            uses: Mutex::default(),
            next_use: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }));
        match CURRENT.compare_exchange(found, made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => made,
            Err(_) => Self::current(),
        }
    }

    /// False in a child of fork.
    pub(crate) fn is_this(&self) -> bool {
        self.id == process::id()
    }

    pub(crate) fn engine(&self) -> Result<&'static Engine, Error> {
        let mut slot = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        match *slot {
            Some(engine) => Ok(engine),
            None => {
                let engine = Box::leak(Box::new(Engine::new()?));
                Ok(slot.insert(engine))
            }
        }
    }

    /// Says that a thread is in a session, until the guard is dropped, with the interpreter's lock held again.
    pub(crate) fn enter(&'static self, handle: &InterruptHandle) -> Use {
        let id = self.next_use.fetch_add(1, Ordering::Relaxed);
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).push((id, handle.clone()));
        Use { process: self, id }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn shut_down(&self) {
        self.over.store(true, Ordering::Relaxed);
        let end = Instant::now() + SHUT_DOWN_MAX;
        let mut interrupted = Vec::new();
        while Instant::now() < end {
            let uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
            if uses.is_empty() {
                return;
            }
            for (id, handle) in uses.iter() {
                if !interrupted.contains(id) && handle.interrupt() {
                    interrupted.push(*id);
                }
            }
            drop(uses);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

pub(crate) struct Use {
    process: &'static Process,
    id: u64,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.process.uses.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _)| *id != self.id);
    }
}
