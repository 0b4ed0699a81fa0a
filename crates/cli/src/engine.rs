//! Starts the engine, and says on stderr when that takes a while.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use keelback_sandbox::{Engine, InterruptHandle, Progress};

/// The engine; the first one on a machine compiles the guest image.
pub(crate) fn start() -> Result<Engine> {
    let mut display = None;
    let engine = Engine::with_progress(|progress| match progress {
        Progress::Compiling => display = Some(show("compiling the guest image, once on this machine")),
        Progress::Waiting => display = Some(show("another keelback compiles the guest image; waiting for it")),
        _ => display = None,
    })?;
    Ok(engine)
}

/// Shows a line; on a terminal with the seconds gone by, until what is returned is dropped.
fn show(text: &'static str) -> impl Drop {
    struct Display(Option<(mpsc::Sender<()>, thread::JoinHandle<()>)>);
    impl Drop for Display {
        fn drop(&mut self) {
            if let Some((sender, thread)) = self.0.take() {
                drop(sender);
                let _ = thread.join();
            }
        }
    }
    if !io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "keelback: {text} (some seconds)");
        return Display(None);
    }
    let (sender, receiver) = mpsc::channel();
    let started = Instant::now();
    let thread = thread::spawn(move || {
        loop {
            let _ = write!(io::stderr(), "\rkeelback: {text} ... {} s ", started.elapsed().as_secs());
            if receiver.recv_timeout(Duration::from_secs(1)) != Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = write!(io::stderr(), "\r\x1b[K");
                return;
            }
        }
    });
    Display(Some((sender, thread)))
}

/// Makes Ctrl-C interrupt the running cell. `idle` is told of one while none runs, and may end the process.
pub(crate) fn on_ctrl_c(handle: InterruptHandle, idle: impl Fn() + Send + 'static) -> Result<Arc<AtomicBool>> {
    let pressed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&pressed);
    let mut last: Option<Instant> = None;
    ctrlc::set_handler(move || {
        let again = last.is_some_and(|last| last.elapsed() < Duration::from_secs(2));
        last = Some(Instant::now());
        // First, so that whoever sees the cell end sees why.
        flag.store(true, Ordering::Relaxed);
        let running = handle.interrupt();
        if !running {
            idle();
        } else if again {
            // The first one was not enough.
            std::process::exit(130);
        }
    })?;
    Ok(pressed)
}
