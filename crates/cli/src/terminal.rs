//! The full prompt on a sandboxed session: the prompt has this thread, the session one of its own, so that keys are
//! taken from the first moment, while the engine still starts.

mod backend;
mod worker;

use std::sync::{Arc, Mutex, mpsc::channel};

use anyhow::Result;
use keelback_prompt::{
    drive::{Driver, Told},
    front::{Flow, Front, Record},
    setup::Setup,
    tty::Tty,
};

use crate::{args::PromptArgs, terminal::backend::Asked};

/// What both threads hold.
#[derive(Default)]
struct Shared {
    /// Interrupts the cell that runs.
    interrupt: Mutex<Option<keelback_sandbox::InterruptHandle>>,
    /// Ends the time that background tasks have while the prompt waits.
    idle: Mutex<Option<keelback_sandbox::IdleHandle>>,
    /// Where the line goes that `input()` waits for.
    line: Mutex<Option<tokio::sync::oneshot::Sender<Option<String>>>>,
    /// There is a session to ask.
    ready: std::sync::atomic::AtomicBool,
}

/// Opens the prompt; the exit status.
pub(crate) fn open(args: &PromptArgs) -> Result<u8> {
    let tty = Tty::open()?;
    let setup = Setup::of_environment(&tty, None);
    let size = setup.options.size;
    let (tell, told) = channel();
    let (request, requests) = channel();
    let (answer, answers) = channel();
    let shared = Arc::new(Shared::default());
    let mut options = args.grants.interactive_options(size)?;
    options.synchronous = args.awaiting.no_async;
    let worker = worker::start(worker::Start {
        options,
        requests,
        answers: answer,
        told: worker::Teller { told: tell, waker: tty.waker() },
        shared: Arc::clone(&shared),
    });
    let asked = Asked::new(request, answers, Arc::clone(&shared));
    let mut front = Front::new(asked, setup.history, setup.options);
    front.tell_note(&format!(
        "keelback {}, Python 3.13 in a sandbox; :help lists commands, Ctrl-D leaves",
        env!("CARGO_PKG_VERSION")
    ));
    for note in &setup.notes {
        front.tell_note(note);
    }
    front.begin((">>> ".into(), "... ".into()));
    let mut driver = Driver::new(tty);
    let code = loop {
        match driver.wait(&mut front, &told)? {
            Flow::Run(run) => front.backend.run(run),
            Flow::Leave(code) => break code,
            _ => {}
        }
    };
    driver.release();
    front.record.end();
    front.backend.leave();
    // What exit functions and files that are closed have to say.
    let mut status = code;
    for last in told {
        match last {
            Told::Output(bytes) => driver.tty().write_all(&bytes)?,
            Told::Ended(ended) => {
                if let Some(text) = ended.traceback.or(ended.message) {
                    driver.tty().write_all(text.as_bytes())?;
                }
                if let (0, Some(code)) = (status, ended.exit) {
                    status = code;
                }
            }
            _ => {}
        }
    }
    worker.join().map_err(|_| anyhow::anyhow!("the session's thread failed"))??;
    Ok(status)
}
