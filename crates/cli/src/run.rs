//! `keelback run`: one program in a session of its own.

use std::{
    fmt,
    io::{self, BufWriter, IsTerminal, Read, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use keelback_sandbox::{
    Cell, Error, Event, Limit, Outcome, Raised, Report, SessionOptions, SnapshotError, Stdin, Stream,
};

use crate::{args::RunArgs, engine, json, system};

const EXIT_TIME: u8 = 124;
const EXIT_INTERRUPT: u8 = 130;
const EXIT_MEMORY: u8 = 137;
const EXIT_PIPE: u8 = 141;

/// A command line that makes no sense.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// What a user can do about an error.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    if error.is::<Usage>() {
        return Some("keelback run --help lists the options, as it does for mcp and attach".into());
    }
    if let Some(unreachable) = error.downcast_ref::<crate::attach::Unreachable>() {
        return unreachable.hint.clone();
    }
    match error.downcast_ref::<Error>()? {
        Error::Grant(_) => Some("a grant is PATH or PATH:GUEST, where PATH is there and GUEST is absolute".into()),
        Error::Network(_) => Some("write for example --allow-net api.example.org:443".into()),
        Error::Limit { name: "memory_bytes", .. } => Some("write for example --memory 256MiB".into()),
        Error::Snapshot(SnapshotError::OtherImage { .. } | SnapshotError::Version { .. }) => {
            Some("load it with the version of keelback that saved it".into())
        }
        Error::Snapshot(SnapshotError::Memory { .. }) => Some("allow more with --memory".into()),
        Error::Cache { .. } | Error::NoCacheDirectory => {
            Some("KEELBACK_CACHE names a folder of your own for compiled code".into())
        }
        _ => None,
    }
}

/// Runs what the arguments name; the exit status.
pub(crate) fn run(args: &RunArgs) -> Result<u8> {
    let (cell, arguments) = program(args)?;
    let options = options(args, arguments)?;
    let engine = engine::start()?;
    let mut session = match &args.resume {
        Some(path) => engine.load(path, options)?,
        None => engine.session(options)?,
    };
    let interrupted = engine::on_ctrl_c(session.interrupt_handle(), || std::process::exit(EXIT_INTERRUPT.into()))?;
    let out = Out::new();
    session.set_sink(Some(if args.json { out.json_sink() } else { out.sink() }));
    let mut report = session.run(cell)?;
    out.flush();
    if !args.json {
        explain(&report)?;
    }
    let mut code = exit_status(&report.outcome, &interrupted);
    let stopped = matches!(report.outcome, Outcome::Stopped { .. });
    if let Some(path) = &args.save {
        if !stopped {
            session.save(path).with_context(|| format!("cannot save the session to `{}`", path.display()))?;
        }
    } else if !stopped {
        let end = session.run(Cell::finish())?;
        out.flush();
        if args.json {
            let mut files: Vec<_> = report.files.into_iter().filter(|file| !end.files.contains(file)).collect();
            files.extend(end.files);
            report.files = files;
            report.sync_errors.extend(end.sync_errors);
        } else {
            explain(&end)?;
        }
        if code == 0 {
            code = exit_status(&end.outcome, &interrupted);
        }
    }
    if args.json {
        out.line(&json::report(&report, code).to_string());
        out.flush();
    }
    Ok(code)
}

/// Runs the program on standard input, as `python3 -` does.
pub(crate) fn run_stdin() -> Result<u8> {
    let cli = <crate::args::Cli as clap::Parser>::try_parse_from(["keelback", "run", "-"])?;
    match cli.command {
        Some(crate::args::Command::Run(args)) => run(&args),
        _ => Ok(2),
    }
}

/// What to run, and `sys.argv`.
fn program(args: &RunArgs) -> Result<(Cell, Vec<String>)> {
    let rest = args.program.iter().cloned();
    if let Some(code) = &args.code {
        return Ok((Cell::program(code.as_str(), "<string>"), std::iter::once("-c".into()).chain(rest).collect()));
    }
    if let Some(module) = &args.module {
        return Ok((Cell::module(module.as_str()), std::iter::once("-m".into()).chain(rest).collect()));
    }
    let Some(file) = args.program.first() else {
        return Err(Usage("there is nothing to run: name a FILE, -c CODE, -m MODULE or -".into()).into());
    };
    let mut source = Vec::new();
    let filename = if file == "-" {
        if args.stdin {
            return Err(Usage("standard input is the program: it cannot be its input too (--stdin)".into()).into());
        }
        io::stdin().read_to_end(&mut source).context("cannot read standard input")?;
        "<stdin>"
    } else {
        source = std::fs::read(file).map_err(|error| Usage(format!("cannot read `{file}`: {error}")))?;
        file
    };
    let source = String::from_utf8(source).map_err(|_| Usage(format!("`{file}` is not UTF-8")))?;
    let source = source.strip_prefix('\u{feff}').unwrap_or(&source);
    Ok((Cell::program(source, filename), rest.collect()))
}

fn options(args: &RunArgs, arguments: Vec<String>) -> Result<SessionOptions> {
    let mut options = args.grants.options()?.arguments(arguments);
    if args.stdin {
        options.permissions = options.permissions.stdin(Stdin::Inherit);
    }
    Ok(options)
}

/// The exit status for an outcome.
fn exit_status(outcome: &Outcome, interrupted: &AtomicBool) -> u8 {
    let interrupted = interrupted.load(Ordering::Relaxed);
    let limit_status = |limit: Option<Limit>| match limit {
        Some(Limit::WallTime(_) | Limit::CpuTime(_)) => EXIT_TIME,
        Some(Limit::Memory(_)) => EXIT_MEMORY,
        _ => 1,
    };
    match outcome {
        Outcome::Exit { code, .. } => *code,
        Outcome::Raised(Raised { type_name, .. }) if interrupted && type_name == "KeyboardInterrupt" => EXIT_INTERRUPT,
        Outcome::Raised(raised) => limit_status(raised.limit),
        Outcome::Stopped { limit: None, .. } if interrupted => EXIT_INTERRUPT,
        Outcome::Stopped { limit, .. } => limit_status(*limit),
        Outcome::Invalid(_) | Outcome::Incomplete => 1,
        _ => 0,
    }
}

/// Says on stderr what python3 would say, and what it could not.
pub(crate) fn explain(report: &Report) -> Result<()> {
    let mut stderr = io::stderr();
    match &report.outcome {
        Outcome::Raised(raised) | Outcome::Invalid(raised) => write!(stderr, "{}", raised.traceback)?,
        Outcome::Exit { message: Some(message), .. } => writeln!(stderr, "{message}")?,
        Outcome::Stopped { reason, .. } => writeln!(stderr, "keelback: error: {reason}")?,
        _ => {}
    }
    for error in &report.sync_errors {
        writeln!(stderr, "keelback: error: {error}")?;
    }
    Ok(())
}

/// Where events go: both streams in order, stdout in large pieces unless somebody watches.
#[derive(Clone)]
pub(crate) struct Out(Arc<(Mutex<Inner>, Condvar)>);

struct Inner {
    stdout: BufWriter<system::Output>,
    watched: bool,
    flushed: Instant,
    /// When what is held has to go out; the thread that sees to it waits for this.
    due: Option<Instant>,
    thread: bool,
}

/// How long output may stay here.
const HOLD: Duration = Duration::from_millis(10);

impl Out {
    pub(crate) fn new() -> Self {
        let stdout = io::stdout();
        let inner = Inner {
            stdout: BufWriter::with_capacity(64 << 10, system::output()),
            watched: stdout.is_terminal(),
            flushed: Instant::now(),
            due: None,
            thread: false,
        };
        Out(Arc::new((Mutex::new(inner), Condvar::new())))
    }

    pub(crate) fn sink(&self) -> keelback_sandbox::Sink {
        let out = self.clone();
        Box::new(move |event| match event {
            Event::Output { stream: Stream::Stdout, bytes } => out.write(&bytes),
            Event::Output { bytes, .. } => {
                out.flush();
                let _ = io::stderr().write_all(&bytes);
            }
            Event::Display(bundle) => {
                let plain = bundle.0.iter().find(|(name, _)| name == "text/plain");
                if let Some((_, keelback_sandbox::Mime::Text(text))) = plain {
                    out.write(format!("{text}\n").as_bytes());
                }
            }
            _ => {}
        })
    }

    fn json_sink(&self) -> keelback_sandbox::Sink {
        let out = self.clone();
        Box::new(move |event| out.line(&json::event(event).to_string()))
    }

    fn line(&self, text: &str) {
        self.write(format!("{text}\n").as_bytes());
    }

    fn write(&self, bytes: &[u8]) {
        let mut inner = self.lock();
        let mut result = inner.stdout.write_all(bytes);
        let now = Instant::now();
        if result.is_ok() && (inner.watched || now - inner.flushed > HOLD) {
            result = inner.flush(now);
        } else if inner.due.is_none() {
            inner.due = Some(now + HOLD);
            if inner.thread {
                self.0.1.notify_one();
            } else {
                inner.thread = true;
                let out = self.clone();
                thread::spawn(move || out.flush_what_is_due());
            }
        }
        drop(inner);
        end_without_reader(result);
    }

    pub(crate) fn flush(&self) {
        let result = self.lock().flush(Instant::now());
        end_without_reader(result);
    }

    fn flush_what_is_due(&self) {
        let mut inner = self.lock();
        loop {
            let now = Instant::now();
            inner = match inner.due {
                Some(due) if due <= now => {
                    let result = inner.flush(now);
                    drop(inner);
                    end_without_reader(result);
                    self.lock()
                }
                Some(due) => self.0.1.wait_timeout(inner, due - now).unwrap_or_else(PoisonError::into_inner).0,
                None => self.0.1.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn flush(&mut self, now: Instant) -> io::Result<()> {
        (self.flushed, self.due) = (now, None);
        self.stdout.flush()
    }
}

/// As a program that SIGPIPE ends.
fn end_without_reader(result: io::Result<()>) {
    if result.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        std::process::exit(EXIT_PIPE.into());
    }
}
