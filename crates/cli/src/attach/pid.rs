//! A process that does not serve yet: it is prepared and waits for a signal, or its Python can be told from outside.
//! Nothing else is ever done to a process: up to Python 3.13 there is no way in that is safe.

mod inject;
mod process;

use std::{
    io::{self, IsTerminal, Write},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use keelback_wire::{
    client::Address,
    discover::{self, Served},
};
use rustix::process::Signal;

use self::process::Process;
use super::{printable, say, target::of_served, unreachable};
use crate::args::AttachArgs;

/// Between two looks at whether a program serves: a choice, nobody notices it.
const LOOK: Duration = Duration::from_millis(20);
/// After so long without an answer the user is told what is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a program that has its signal may take until it serves.
const SERVE_DEADLINE: Duration = Duration::from_secs(10);

/// The first Python that runs code it is given from outside.
const FIRST_OPEN: u32 = 14;

const PREPARE: &str = "a program is prepared by `keelback.arm()`, which waits for a signal, by `keelback.serve()`, or by \
                       KEELBACK_SERVE in its environment; Python 3.14 and later need no preparation";

/// Starts a server in a process that nobody prepared.
pub(super) fn serve(pid: u32, args: &AttachArgs) -> Result<Address> {
    let process = Process::find(pid)?;
    match process.python_minor() {
        None => Err(unreachable(format!("process {pid} ({}) runs no Python that can be seen", process.name())).into()),
        Some(minor) if minor < FIRST_OPEN => {
            Err(unreachable(format!("process {pid} runs Python 3.{minor} and is not prepared")).hint(PREPARE).into())
        }
        Some(minor) => inject::serve(&process, minor, args.package.as_deref()),
    }
}

/// Sends a prepared process its signal, and waits until it serves.
pub(super) fn wake(served: &Served, signal: i32, args: &AttachArgs) -> Result<Address> {
    let pid = served.pid;
    let process = Process::find(pid)?;
    // A number that was used again belongs to a program that nobody prepared: the signal would end it.
    let still_there = process.catches(signal) && process.began_before(served.started);
    let signal = Signal::from_named_raw(signal).filter(|_| still_there);
    let signal = signal.ok_or_else(|| unreachable(format!("process {pid} no longer waits for its signal")))?;
    let name = name(signal);
    let question = format!("send {name} to process {pid} ({}), so that it serves a prompt?", served.program);
    if !agrees(&question, args)? {
        return Err(unreachable(format!("process {pid} was left alone")).into());
    }
    rustix::process::kill_process(process.id(), signal).with_context(|| format!("process {pid}"))?;
    let mut patience = Patience::new(pid);
    // Since when it has the signal, and is about to serve.
    let mut taken = None;
    loop {
        let list = discover::list(&discover::folder()).context("the list of programs cannot be read")?;
        let known: Vec<Served> = list.into_iter().filter(|served| served.pid == pid).collect();
        if let Some(served) = known.iter().find(|served| served.armed.is_none()) {
            return of_served(served, args);
        }
        if known.is_empty() && taken.get_or_insert_with(Instant::now).elapsed() > SERVE_DEADLINE {
            return Err(unreachable(format!("process {pid} took the signal and does not serve")).into());
        }
        if !process.is_alive() {
            return Err(unreachable(format!("process {pid} has ended")).into());
        }
        thread::sleep(LOOK);
        patience.look();
    }
}

/// Whether the user agrees to something that reaches into another program.
fn agrees(question: &str, args: &AttachArgs) -> Result<bool> {
    if args.yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(unreachable(format!("{question}: nobody can be asked")).hint("--yes says yes").into());
    }
    let mut stderr = io::stderr();
    write!(stderr, "{} [y/N] ", printable::line(question))?;
    stderr.flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// What a signal is called, where it is one of those that programs choose.
fn name(signal: Signal) -> String {
    match signal {
        Signal::USR1 => "SIGUSR1".into(),
        Signal::USR2 => "SIGUSR2".into(),
        Signal::HUP => "SIGHUP".into(),
        other => format!("signal {}", other.as_raw()),
    }
}

/// Says once that a program is slow.
struct Patience {
    pid: u32,
    begun: Option<Instant>,
}

impl Patience {
    fn new(pid: u32) -> Self {
        Patience { pid, begun: Some(Instant::now()) }
    }

    fn look(&mut self) {
        if self.begun.take_if(|begun| begun.elapsed() > PATIENCE).is_some() {
            say(&format!(
                "process {} is blocked outside of Python; waiting for it to wake (Ctrl-C gives up)",
                self.pid
            ));
        }
    }
}
