//! For Windows: the guest's code looks at the engine's epoch in each function and loop. When the epoch moves, every guest that runs asks
//! whether it is the one to stop. The code is slower for it (decision 2); in return nothing here is unsafe, and no handler
//! of faults is added to a process that may have its own.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use wasmtime::{Config, Engine, Store, UpdateDeadline};

pub(crate) fn configure(config: &mut Config) {
    config.epoch_interruption(true);
}

/// Nothing to install.
pub(crate) fn install() -> io::Result<()> {
    Ok(())
}

/// What stops one guest.
#[derive(Clone)]
pub(crate) struct Stopper {
    engine: Engine,
    stopped: Arc<AtomicBool>,
}

impl Stopper {
    pub(crate) fn new<T>(store: &mut Store<T>) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stopped);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            let stopped = asked.load(Ordering::SeqCst);
            Ok(if stopped { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) })
        });
        Stopper { engine: store.engine().clone(), stopped }
    }

    /// The guest traps at the next function or loop it enters.
    pub(crate) fn stop(&self, _base: usize, _len: usize) {
        self.stopped.store(true, Ordering::SeqCst);
        self.engine.increment_epoch();
    }

    /// Lets it run again.
    pub(crate) fn release(&self, _base: usize, _len: usize) {
        self.stopped.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use wasmtime::{Instance, Module, Trap};

    use super::*;

    /// `(module (func (export "f") (loop br 0)))`
    const FOREVER: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x05\x01\x01f\0\0\
        \x0a\x09\x01\x07\0\x03\x40\x0c\0\x0b\x0b";

    #[test]
    fn only_the_guest_that_is_meant_stops() {
        install().expect("there is nothing to install");
        let mut config = Config::new();
        configure(&mut config);
        let engine = Engine::new(&config).expect("an engine");
        let module = Module::new(&engine, FOREVER).expect("a module");
        let guest = || {
            let mut store = Store::new(&engine, ());
            let stopper = Stopper::new(&mut store);
            let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
            let forever = instance.get_typed_func::<(), ()>(&mut store, "f").expect("its function");
            let run = thread::spawn(move || forever.call(&mut store, ()).expect_err("it has no end"));
            (stopper, run)
        };
        let ((first, first_run), (second, second_run)) = (guest(), guest());
        while !first_run.is_finished() {
            first.stop(0, 0);
            thread::yield_now();
        }
        assert_eq!(first_run.join().expect("no panic").downcast_ref(), Some(&Trap::Interrupt));
        assert!(!second_run.is_finished());
        second.stop(0, 0);
        second.release(0, 0);
        while !second_run.is_finished() {
            second.stop(0, 0);
            thread::yield_now();
        }
        assert_eq!(second_run.join().expect("no panic").downcast_ref(), Some(&Trap::Interrupt));
    }
}
