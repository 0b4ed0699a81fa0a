//! A cell from the command line or from standard input, without a prompt.

use std::{
    io::{self, BufRead, Write},
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
};

use anyhow::{Context, Result};
use keelback_wire::{
    client::{Address, How, News, Session, Verdict},
    event::{Body, NeedInput, State, Stream},
    reply::{Evaluated, Outcome},
};
use serde_json::json;

use super::{cannot_open, ctrl_c, printable, say, unreachable};
use crate::system;

/// What is run.
pub(super) enum Program<'a> {
    /// Code from the command line: standard input is its own.
    Code(&'a str),
    /// All of standard input.
    Stdin(&'a str),
}

enum Step {
    News(News),
    Over(Verdict),
}

/// Runs the program in a session; the exit status.
pub(super) fn run(address: Address, how: &How, program: Program<'_>, json: bool) -> Result<u8> {
    let (sender, steps) = channel();
    let news = sender.clone();
    let tell = move |message| drop(news.send(Step::News(message)));
    let opened = Session::open(address.clone(), "keelback attach", how, None, tell);
    let (session, _) = opened.map_err(|error| cannot_open(&address, error))?;
    let session = Arc::new(session);
    let _interrupt = on_ctrl_c(&session)?;
    send(&session, &program, sender)?;
    let mut output = Output { json, running: false };
    let verdict = loop {
        match steps.recv().context("the connection's thread has ended")? {
            Step::Over(verdict) => break verdict,
            Step::News(News::Entered(_)) => {}
            Step::News(News::Event { event, own }) => {
                let asked = match &event.body {
                    Body::NeedInput(asked) if own => Some(asked.clone()),
                    _ => None,
                };
                output.event(event, own)?;
                if let Some(asked) = asked {
                    answer(&session, &program, &asked, json)?;
                }
            }
            Step::News(News::Away(why)) => say(&format!("keelback: {why}; trying again")),
            Step::News(News::Back { missed: 0 }) => say("keelback: connected again"),
            Step::News(News::Back { missed }) => say(&format!("keelback: connected again; {missed} events are lost")),
            Step::News(News::Gone(why)) => return Err(unreachable(why).into()),
        }
    };
    let status = match verdict {
        Verdict::Ended(evaluated) => output.outcome(&evaluated)?,
        Verdict::Refused(error) => return Err(unreachable(error.to_string()).into()),
        Verdict::Unseen => return Err(unreachable("the cell is over; how it ended was not seen").into()),
    };
    match how {
        // It has ended by itself.
        _ if session.client().is_err() => {}
        How::New(None) => drop(session.close()),
        _ => drop(session.detach()),
    }
    Ok(status)
}

fn send(session: &Session, program: &Program<'_>, over: Sender<Step>) -> Result<()> {
    let (source, filename) = match program {
        Program::Code(code) => (*code, "<string>"),
        Program::Stdin(source) => (*source, "<stdin>"),
    };
    let then = move |verdict| drop(over.send(Step::Over(verdict)));
    let sent = session.eval(source.to_owned(), Some(filename.to_owned()), then);
    sent.map_err(|error| unreachable(error.to_string()).into())
}

/// The first Ctrl-C interrupts the cell, a second one leaves it alone.
fn on_ctrl_c(session: &Arc<Session>) -> Result<ctrl_c::During> {
    let session = Arc::downgrade(session);
    let mut pressed = false;
    ctrl_c::during(move || {
        let sent = session.upgrade().is_some_and(|session| session.interrupt(None, drop).is_ok());
        if std::mem::replace(&mut pressed, true) || !sent {
            std::process::exit(ctrl_c::EXIT.into());
        }
    })
}

/// A line of standard input for the cell, where that is not the program itself.
fn answer(session: &Session, program: &Program<'_>, asked: &NeedInput, json: bool) -> Result<()> {
    if !json {
        let mut stdout = io::stdout();
        stdout.write_all(asked.prompt.as_bytes())?;
        stdout.flush()?;
    }
    let mut line = String::new();
    if matches!(program, Program::Code(_)) {
        let _unseen = if asked.hidden { system::Unseen::new()? } else { None };
        io::stdin().lock().read_line(&mut line)?;
    }
    let line = (!line.is_empty()).then_some(line);
    // A connection that is lost is told by the news.
    drop(session.input(line));
    Ok(())
}

/// Where events go.
struct Output {
    json: bool,
    /// The cell has begun: what the session printed before is not its own.
    running: bool,
}

impl Output {
    fn event(&mut self, event: keelback_wire::event::Event, own: bool) -> io::Result<()> {
        if let Body::Status(status) = &event.body {
            self.running |= own && status.state == State::Busy;
        }
        if !self.running {
            return Ok(());
        }
        let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
        if self.json {
            serde_json::to_writer(&mut stdout, &event)?;
            return stdout.write_all(b"\n");
        }
        match event.body {
            Body::Out(out) => {
                if out.dropped > 0 {
                    writeln!(stderr, "keelback: {} bytes of output are lost", out.dropped)?;
                }
                match out.stream {
                    Stream::Out => {
                        stdout.write_all(out.text.as_bytes())?;
                        stdout.flush()?;
                    }
                    Stream::Err => stderr.write_all(out.text.as_bytes())?,
                }
            }
            Body::Shown(shown) if own => {
                writeln!(stdout, "{}", shown.text)?;
                if shown.cut {
                    writeln!(stderr, "keelback: the value is not all of it")?;
                }
            }
            Body::Raised(raised) if own => stderr.write_all(raised.traceback.as_bytes())?,
            Body::Interrupting(interrupting) if own => {
                writeln!(stderr, "keelback: {}", printable::line(&interrupting.to_string()))?;
            }
            Body::Held(held) => writeln!(stderr, "keelback: {}", printable::line(&held.to_string()))?,
            _ => {}
        }
        Ok(())
    }

    /// The last line, and the exit status.
    fn outcome(&self, evaluated: &Evaluated) -> Result<u8> {
        let mut stderr = io::stderr();
        let status = match &evaluated.outcome {
            Outcome::Done => 0,
            Outcome::Raised | Outcome::Invalid => 1,
            Outcome::Incomplete => {
                if !self.json {
                    writeln!(stderr, "SyntaxError: the program is not complete")?;
                }
                1
            }
            Outcome::Interrupted => ctrl_c::EXIT,
            Outcome::Stubborn(task) => {
                if !self.json {
                    writeln!(stderr, "keelback: interrupted, and goes on as task `{task}`")?;
                }
                ctrl_c::EXIT
            }
            Outcome::Exit { status, message } => {
                if let (false, Some(message)) = (self.json, message) {
                    writeln!(stderr, "{message}")?;
                }
                *status
            }
        };
        if self.json {
            let mut line = json!({"event": "outcome", "exit_status": status});
            if let (Some(line), serde_json::Value::Object(fields)) = (line.as_object_mut(), json!(evaluated)) {
                line.extend(fields);
            }
            writeln!(io::stdout(), "{line}")?;
        }
        Ok(status)
    }
}
