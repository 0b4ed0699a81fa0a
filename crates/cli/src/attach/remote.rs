//! A prompt before a session of another program. What stands in front of it, a terminal or a web page, is the caller's:
//! bytes of keys go into the front, bytes for the screen come out, and `told` is handed to it as it comes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::Sender},
    time::Duration,
};

use keelback_editor::{
    completeness::Completeness,
    edit::{Candidate, Completions, Signature},
};
use keelback_prompt::{
    backend::{Backend, Ended, Told},
    front::{Front, Options, Record, Run},
};
use keelback_wire::{
    client::{Address, CallError, How, OpenError, Session},
    message::{Aspect, CellNumber, Check, Complete, Inspect, Op},
    reply::{self, InterruptState, NeedsInput},
};

use super::{commands, news::Pump, printable};

/// How long keys wait for an answer: longer is felt.
const DEADLINE: Duration = Duration::from_millis(50);
/// How long Tab and F1 wait: whoever asks has the patience.
const ASKED_DEADLINE: Duration = Duration::from_millis(500);
/// How long commands wait: over the server's own deadline, whose message says more.
const COMMAND_DEADLINE: Duration = Duration::from_secs(5);
/// So many Ctrl-C leave a cell that does not stop.
const PRESSES: u32 = 3;

/// Hands on what a session tells, and wakes whoever waits for it.
#[derive(Clone)]
pub(crate) struct Teller {
    told: Sender<Told>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Teller {
    pub(crate) fn new(told: Sender<Told>, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Teller { told, wake: Arc::new(wake) }
    }

    pub(super) fn tell(&self, told: Told) {
        // A prompt that is gone wants to know nothing.
        let _ = self.told.send(told);
        (self.wake)();
    }
}

/// What the prompt and the connection's thread both know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// A cell that was sent from here runs or is to run.
    pub(super) waiting: bool,
    /// A cell that ran already when the prompt opened, and that it waits for.
    pub(super) watched: Option<CellNumber>,
    /// What a cell asked for when the session was joined.
    pub(super) asked: Option<NeedsInput>,
    /// Events up to this number are of the time before.
    pub(super) past: u64,
    /// The cell whose exception came last.
    pub(super) raised: Option<CellNumber>,
    /// The session is over or out of reach: there is nothing to detach from.
    pub(super) over: bool,
    /// Ctrl-C during the present cell.
    presses: u32,
    /// Something was run here: the session is worth keeping.
    used: bool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session of another program, as a prompt asks for it.
pub(crate) struct Remote {
    /// The session.
    pub(crate) session: Session,
    teller: Teller,
    shared: Arc<Mutex<Shared>>,
    /// It was there before: it is left as it was found.
    joined: bool,
    left: Option<u8>,
}

/// A prompt before a session at `address`.
///
/// # Errors
/// There is no server, it refuses, or there is no such session.
pub(crate) fn open<R: Record>(
    address: Address,
    how: &How,
    record: R,
    options: Options,
    teller: Teller,
) -> Result<Front<Remote, R>, OpenError> {
    let columns = Some(options.size.columns);
    let shared = Arc::new(Mutex::new(Shared::default()));
    let pump = Pump::new(teller.clone(), Arc::clone(&shared));
    let (session, opened) = Session::open(address, "keelback attach", how, columns, move |news| pump.take(news))?;
    let welcome = session.welcome();
    let remote = Remote { session, teller, shared, joined: *how != How::New(None), left: None };
    let mut front = Front::new(remote, record, options);
    let prompts = opened.prompts.unwrap_or_else(|| (">>> ".into(), "... ".into()));
    for line in welcome.banner.lines() {
        front.tell_note(&printable::line(line));
    }
    front.tell_note(if welcome.read_only {
        "the server only lets look; :help lists commands, Ctrl-D leaves"
    } else {
        ":help lists commands, Ctrl-D leaves"
    });
    match opened.running {
        Some(_) => front.begin_running(prompts),
        None => front.begin(prompts),
    }
    Ok(front)
}

impl Remote {
    /// Runs a cell; that it ended is told.
    pub(crate) fn run(&mut self, run: Run) {
        {
            let mut shared = lock(&self.shared);
            (shared.waiting, shared.presses) = (true, 0);
            shared.used |= !run.hidden;
        }
        let pump = Pump::new(self.teller.clone(), Arc::clone(&self.shared));
        if let Err(error) = self.session.eval(run.source, None, move |verdict| pump.judge(verdict)) {
            lock(&self.shared).waiting = false;
            self.teller.tell(Told::Ended(Ended { message: Some(format!("error: {error}")), ..Ended::default() }));
        }
    }

    /// Leaves the session as the user asked for it. What is to be said of that.
    pub(crate) fn leave(&mut self) -> Option<String> {
        let (over, used) = {
            let shared = lock(&self.shared);
            (shared.over, shared.used)
        };
        if over || self.session.client().is_err() {
            return None;
        }
        if !used && !self.joined {
            // Nobody comes back to a session in which nothing was done. One that may not be closed ends with its grace.
            drop(self.session.close());
            return None;
        }
        let name = self.session.name();
        let kept = self.session.detach();
        let for_how_long = kept.map_or(String::new(), |seconds| format!(" for {seconds:.0} s"));
        Some(format!("detached: session `{name}` goes on{for_how_long}, `--session {name}` comes back to it"))
    }

    fn ask<O: Op>(&self, request: &O) -> Option<O::Reply> {
        self.session.call(request, DEADLINE).ok()
    }

    fn inspect(
        &self,
        what: Aspect,
        source: &str,
        cursor: usize,
        deadline: Duration,
    ) -> Result<reply::Inspected, CallError> {
        self.session.call(&Inspect { session: self.session.name(), what, source: source.to_owned(), cursor }, deadline)
    }
}

impl Backend for Remote {
    fn completeness(&mut self, source: &str) -> Option<Completeness> {
        let checked = self.ask(&Check { session: self.session.name(), source: source.to_owned(), lines: false })?;
        Some(match checked.completeness {
            reply::Completeness::Complete => Completeness::Complete,
            reply::Completeness::Incomplete => Completeness::Incomplete,
            reply::Completeness::Invalid => Completeness::Invalid,
        })
    }

    fn complete(&mut self, source: &str, cursor: usize) -> Completions {
        let request = Complete { session: self.session.name(), source: source.to_owned(), cursor };
        let Ok(found) = self.session.call(&request, ASKED_DEADLINE) else { return Completions::default() };
        let whole = found.start <= found.end && source.get(found.start..found.end).is_some();
        if !whole {
            return Completions::default(); // of another source
        }
        let candidates = found.matches.into_iter().map(|found| Candidate {
            text: found.text,
            kind: found.kind,
            detail: found.detail,
        });
        Completions { range: found.start..found.end, candidates: candidates.collect(), more: found.more }
    }

    fn signature(&mut self, source: &str, cursor: usize) -> Option<Signature> {
        let found = self.inspect(Aspect::Signature, source, cursor, DEADLINE).ok().filter(|found| found.found)?;
        let active = found.active.and_then(|number| found.parameters.get(number).copied());
        Some(Signature { text: found.text, active: active.map(|(start, end)| start..end) })
    }

    fn describe(&mut self, expression: &str) -> Option<String> {
        let found = self.inspect(Aspect::Doc, expression, 0, ASKED_DEADLINE).ok()?;
        found.found.then_some(found.text)
    }

    fn defined(&mut self, name: &str) -> bool {
        self.inspect(Aspect::Defined, name, 0, DEADLINE).is_ok_and(|found| found.found)
    }

    fn command(&mut self, name: &str, argument: &str) -> Result<String, String> {
        let failed = |error: CallError| error.to_string();
        let wanted = |what: &str| {
            if argument.is_empty() { Err(format!("`:{name}` wants a {what}")) } else { Ok(argument) }
        };
        match name {
            "vars" => {
                let found = self.inspect(Aspect::Vars, "", 0, COMMAND_DEADLINE).map_err(failed)?;
                Ok(if found.text.is_empty() { "no variables".into() } else { found.text })
            }
            "src" => {
                let name = wanted("name")?;
                let found = self.inspect(Aspect::Source, name, 0, COMMAND_DEADLINE).map_err(failed)?;
                if found.found { Ok(found.text) } else { Err(format!("there is no source of `{name}`")) }
            }
            "tail" => {
                let on = match argument {
                    "on" | "" => true,
                    "off" => false,
                    _ => return Err("`:tail` is `on` or `off`".into()),
                };
                self.session.tail(on, COMMAND_DEADLINE).map_err(failed)?;
                Ok(String::new())
            }
            "detach" => {
                self.left = Some(0);
                Ok(String::new())
            }
            "close" => {
                // Before the call: the event of the end may come before its answer.
                lock(&self.shared).over = true;
                if let Err(error) = self.session.close() {
                    lock(&self.shared).over = false;
                    return Err(failed(error));
                }
                self.left = Some(0);
                Ok(String::new())
            }
            _ => commands::run(&self.session, name, argument, COMMAND_DEADLINE),
        }
    }

    fn commands(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        keelback_prompt::commands::SERVED
    }

    fn interrupt(&mut self) {
        let (presses, watched) = {
            let mut shared = lock(&self.shared);
            shared.presses += 1;
            (shared.presses, shared.watched)
        };
        if presses >= PRESSES {
            // Interrupted by hand, as shells tell of SIGINT.
            let ended = Ended { message: Some("the cell goes on".into()), exit: Some(130), ..Ended::default() };
            return self.teller.tell(Told::Ended(ended));
        }
        let teller = self.teller.clone();
        let sent = self.session.interrupt(watched, move |answer| {
            if let Ok(reply::Interrupted { state: InterruptState::Mismatch }) = answer {
                teller.tell(Told::Note("another cell runs".into()));
            }
        });
        if let Err(error) = sent {
            self.teller.tell(Told::Note(format!("error: {error}")));
        }
        if presses > 1 {
            self.teller.tell(Told::Note("the cell still runs; once more leaves the prompt".into()));
        }
    }

    fn reply(&mut self, line: Option<String>) {
        if let Err(error) = self.session.input(line) {
            self.teller.tell(Told::Note(format!("error: {error}")));
        }
    }

    fn left(&mut self) -> Option<u8> {
        self.left
    }

    fn resized(&mut self, columns: u16) {
        self.session.resize(columns);
    }
}
