//! The session's thread: starts the engine, runs cells, answers questions, and lets background tasks go on in between.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, Sender, TryRecvError},
    },
    thread::{self, JoinHandle},
};

use anyhow::Result;
use keelback_editor::{
    completeness::Completeness,
    edit::{Candidate, Completions, Signature},
};
use keelback_prompt::{
    backend::{Ended, Shown, Took},
    drive::Told,
    front::Run,
    show::seconds,
    tty::Waker,
};
use keelback_sandbox::{
    Cell, Completion, Engine, Event, Lines, Mime, Outcome, Report, Restored, Session, SessionOptions, Stdin,
};

use super::{
    Shared,
    backend::{Answer, Request},
};

/// Tells the prompt's thread something, and wakes it.
#[derive(Clone)]
pub(super) struct Teller {
    pub(super) told: Sender<Told>,
    pub(super) waker: Waker,
}

impl Teller {
    fn tell(&self, told: Told) {
        // A prompt that is gone wants to know nothing.
        let _ = self.told.send(told);
        self.waker.wake();
    }
}

/// What the thread begins with.
pub(super) struct Start {
    pub(super) options: SessionOptions,
    pub(super) requests: Receiver<(u64, Request)>,
    pub(super) answers: Sender<(u64, Answer)>,
    pub(super) told: Teller,
    pub(super) shared: Arc<Shared>,
}

pub(super) fn start(start: Start) -> JoinHandle<Result<()>> {
    thread::spawn(move || {
        let told = start.told.clone();
        let result = Worker::new(start).and_then(Worker::work);
        if let Err(error) = &result {
            told.tell(Told::Ended(Ended {
                message: Some(format!("keelback: error: {error:#}")),
                exit: Some(crate::EXIT_HOST),
                ..Ended::default()
            }));
        }
        result
    })
}

struct Worker {
    engine: Engine,
    session: Session,
    options: SessionOptions,
    /// Sessions that were kept, by name.
    kept: BTreeMap<String, Session>,
    requests: Receiver<(u64, Request)>,
    answers: Sender<(u64, Answer)>,
    told: Teller,
    shared: Arc<Shared>,
    /// There is a checkpoint from before a cell.
    can_undo: bool,
    /// What the last cell used.
    used: keelback_sandbox::Usage,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    fn new(start: Start) -> Result<Self> {
        let Start { mut options, requests, answers, told, shared } = start;
        let engine = Engine::with_progress(|progress| {
            if matches!(progress, keelback_sandbox::Progress::Compiling) {
                told.tell(Told::Note("compiling the guest image, once on this machine (some seconds)".into()));
            }
        })?;
        let (asked, teller) = (Arc::clone(&shared), told.clone());
        options.permissions = options.permissions.stdin(Stdin::Lines(Lines::new(move |asking| {
            let (sender, line) = tokio::sync::oneshot::channel();
            *lock(&asked.line) = Some(sender);
            teller.tell(Told::NeedsInput);
            let line = asking.until(line)?.unwrap_or(None);
            Ok(line.unwrap_or_default().into_bytes())
        })));
        let session = engine.session(options.clone())?;
        let mut worker = Worker {
            engine,
            session,
            options,
            kept: BTreeMap::new(),
            requests,
            answers,
            told,
            shared,
            can_undo: false,
            used: keelback_sandbox::Usage::default(),
        };
        worker.attach();
        worker.shared.ready.store(true, Ordering::Release);
        Ok(worker)
    }

    /// Lets the prompt hear and interrupt the session.
    fn attach(&mut self) {
        *lock(&self.shared.interrupt) = Some(self.session.interrupt_handle());
        let told = self.told.clone();
        self.session.set_sink(Some(Box::new(move |event| {
            told.tell(match event {
                Event::Output { bytes, .. } => Told::Output(bytes),
                Event::Shown { text, pretty, cut, mime } => {
                    let png = mime.0.into_iter().find_map(|(name, data)| match data {
                        Mime::Bytes(bytes) if name == "image/png" => Some(bytes),
                        _ => None,
                    });
                    Told::Shown(Shown { text, pretty, cut, png })
                }
                Event::Display(bundle) => {
                    let mut shown = Shown::default();
                    for (name, data) in bundle.0 {
                        match data {
                            Mime::Text(text) if name == "text/plain" => shown.text = text,
                            Mime::Bytes(bytes) if name == "image/png" => shown.png = Some(bytes),
                            _ => {}
                        }
                    }
                    Told::Shown(shown)
                }
                _ => return,
            });
        })));
    }

    fn work(mut self) -> Result<()> {
        loop {
            let (number, request) = match self.next_request()? {
                Some(request) => request,
                None => return Ok(()),
            };
            let answer = match request {
                Request::Run(run) => {
                    self.run(&run)?;
                    continue;
                }
                Request::Leave => {
                    let report = self.session.run(Cell::finish())?;
                    self.told.tell(Told::Ended(self.ended(report, false)));
                    return Ok(());
                }
                Request::Completeness(source) => Answer::Completeness(self.completeness(&source)),
                Request::Details(source, start, texts) => Answer::Details(self.details(&source, start, &texts)),
                Request::Complete(source, cursor) => Answer::Completions(self.complete(&source, cursor)),
                Request::Signature(source, cursor) => Answer::Signature(self.signature(&source, cursor)),
                Request::Describe(expression) => Answer::Described(self.describe(&expression)),
                Request::Defined(name) => {
                    // In the namespace: `exit` and its like are builtins too.
                    Answer::Defined(self.session.get(&name).is_ok_and(|found| found.is_some()))
                }
                Request::Command(name, argument) => Answer::Said(self.command(&name, &argument)),
            };
            if self.answers.send((number, answer)).is_err() {
                return Ok(());
            }
        }
    }

    /// The next request; until it comes, background tasks go on. None when the prompt is gone.
    fn next_request(&mut self) -> Result<Option<(u64, Request)>> {
        let handle = self.session.idle_handle();
        *lock(&self.shared.idle) = Some(handle.clone());
        // Whoever sends now finds the handle; what was sent before is found here.
        let request = match self.requests.try_recv() {
            Ok(request) => Some(request),
            Err(TryRecvError::Disconnected) => return Ok(None),
            Err(TryRecvError::Empty) => {
                let report = self.session.idle(&handle)?;
                if !matches!(report.outcome, Outcome::Done) {
                    let ended = self.ended(report, false);
                    let text = ended.traceback.or(ended.message);
                    text.into_iter().for_each(|text| self.told.tell(Told::Output(text.into_bytes())));
                }
                self.requests.recv().ok()
            }
        };
        *lock(&self.shared.idle) = None;
        Ok(request)
    }

    fn run(&mut self, run: &Run) -> Result<()> {
        let cell = if run.hidden {
            Cell::from(run.source.as_str())
        } else {
            self.session.checkpoint()?;
            self.can_undo = true;
            Cell::interactive(run.source.as_str())
        };
        let report = self.session.run(cell)?;
        self.used = report.usage;
        let mut ended = self.ended(report, run.hidden);
        ended.prompts = self.session.prompts().ok();
        self.told.tell(Told::Ended(ended));
        Ok(())
    }

    fn ended(&self, report: Report, hidden: bool) -> Ended {
        let took = Some(Took { wall: report.usage.wall, cpu: report.usage.cpu });
        let mut ended = Ended { took, ..Ended::default() };
        let mut messages = report.sync_errors;
        match report.outcome {
            Outcome::Raised(raised) | Outcome::Invalid(raised) => ended.traceback = Some(raised.traceback),
            Outcome::Incomplete => ended.incomplete = true,
            Outcome::Exit { code, message, .. } if !hidden => {
                ended.exit = Some(code);
                messages.extend(message);
            }
            Outcome::Stopped { reason, restored, .. } => {
                messages.push(reason);
                if restored == Restored::Checkpoint {
                    messages.push("The session is as it was before the cell.".into());
                }
            }
            _ => {}
        }
        ended.message = (!messages.is_empty()).then(|| messages.join("\n"));
        ended
    }

    // -- questions ----------------------------------------------------------------------------------------------

    fn completeness(&mut self, source: &str) -> Option<Completeness> {
        use keelback_sandbox::Completeness as Answered;

        Some(match self.session.completeness(source).ok()? {
            Answered::Complete => Completeness::Complete,
            Answered::Incomplete => Completeness::Incomplete,
            Answered::Invalid => Completeness::Invalid,
        })
    }

    fn complete(&mut self, source: &str, cursor: usize) -> Completions {
        let Ok(found) = self.session.complete(source, cursor, true) else { return Completions::default() };
        let candidate =
            |Completion { text, kind, detail }| Candidate { text, kind: format!("{kind:?}").to_lowercase(), detail };
        let candidates = found.matches.into_iter().map(candidate).collect();
        Completions { range: found.range, candidates, more: found.more }
    }

    fn details(&mut self, source: &str, start: usize, texts: &[String]) -> Vec<String> {
        let mut detail = |text: &String| {
            let (short, doc) = self.session.completion_detail(source, start, text).unwrap_or_default();
            [short, doc].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("  ")
        };
        texts.iter().map(&mut detail).collect()
    }

    fn signature(&mut self, source: &str, cursor: usize) -> Option<Signature> {
        let found = self.session.signature(source, cursor).ok()??;
        let active = found.active.and_then(|number| found.parameters.get(number).cloned());
        Some(Signature { text: found.text, active })
    }

    fn describe(&mut self, expression: &str) -> Option<String> {
        let known = self.session.describe(expression).ok()??;
        let mut lines: Vec<&str> =
            [&known.signature, &known.type_name, &known.file].into_iter().map(String::as_str).collect();
        lines.retain(|line| !line.is_empty());
        if !known.doc.is_empty() {
            lines.extend(["", &known.doc]);
        }
        Some(lines.join("\n"))
    }

    // -- commands -----------------------------------------------------------------------------------------------

    fn command(&mut self, name: &str, argument: &str) -> Result<String, String> {
        let wanted = |what: &str| {
            if argument.is_empty() { Err(format!("`:{name}` wants a {what}")) } else { Ok(argument.to_owned()) }
        };
        let failed = |error: keelback_sandbox::Error| error.to_string();
        match name {
            "vars" => self.variables(),
            "src" => {
                let name = wanted("name")?;
                let source = self.session.source_of(&name).map_err(failed)?;
                source.map(|source| source.text).ok_or_else(|| format!("there is no source of `{name}`"))
            }
            "undo" => {
                if !std::mem::take(&mut self.can_undo) {
                    return Err("there is no cell to go back before".into());
                }
                self.session.rollback().map_err(failed)?;
                Ok("The session is as it was before the last cell.".into())
            }
            "fork" => {
                let name = wanted("name")?;
                let fork = self.session.fork().map_err(failed)?;
                self.kept.insert(name.clone(), fork);
                Ok(format!("kept as `{name}`"))
            }
            "switch" => {
                let name = wanted("name")?;
                let next = self.kept.remove(&name).ok_or_else(|| format!("no session was kept as `{name}`"))?;
                self.change_to(next);
                Ok(format!("this is `{name}` now; the other is `last`"))
            }
            "sessions" if self.kept.is_empty() => Ok("none: `:fork NAME` keeps one".into()),
            "sessions" => Ok(self.kept.keys().cloned().collect::<Vec<_>>().join("\n")),
            "save" => {
                let path = wanted("file")?;
                self.session.save(Path::new(&path)).map_err(failed)?;
                Ok(format!("saved as `{path}`"))
            }
            "load" => {
                let path = wanted("file")?;
                let next = self.engine.load(Path::new(&path), self.options.clone()).map_err(failed)?;
                self.change_to(next);
                Ok(format!("this is `{path}` now; the session before is `last`"))
            }
            "limits" => Ok(self.limits()),
            _ => Err(format!("`:{name}` is not a command")),
        }
    }

    fn change_to(&mut self, next: Session) {
        let mut last = std::mem::replace(&mut self.session, next);
        last.set_sink(None);
        self.kept.insert("last".into(), last);
        self.can_undo = false;
        self.attach();
    }

    fn variables(&mut self) -> Result<String, String> {
        let rows = self.session.variables().map_err(|error| error.to_string())?;
        if rows.is_empty() {
            return Ok("no variables".into());
        }
        let width = |column: fn(&(String, String, String)) -> &str| {
            rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0)
        };
        let (name, kind) = (width(|row| &row.0), width(|row| &row.1));
        let line = |row: &(String, String, String)| format!("{:name$}  {:kind$}  {}", row.0, row.1, row.2);
        Ok(rows.iter().map(|row| line(row).trim_end().to_owned()).collect::<Vec<_>>().join("\n"))
    }

    fn limits(&self) -> String {
        let limits = &self.options.limits;
        let time = |limit: Option<std::time::Duration>| limit.map_or("none".into(), |limit| format!("{limit:?}"));
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        [
            format!("time of a cell      {} (last: {})", time(limits.wall_time), seconds(self.used.wall)),
            format!("computing           {} (last: {})", time(limits.cpu_time), seconds(self.used.cpu)),
            format!("memory              {} (in use: {})", mib(limits.memory_bytes), mib(self.session.memory_bytes())),
            format!("output of a cell    {} (last: {} bytes)", mib(limits.output_bytes), self.used.output_bytes),
            format!("scratch files       {}", mib(limits.scratch_bytes)),
            format!("recursion           {} calls", limits.recursion),
        ]
        .join("\n")
    }
}
