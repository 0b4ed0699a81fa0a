//! The prompt for people without a client, as with `nc -U`: lines in, text out.

use std::{borrow::Cow, collections::VecDeque, time::Instant};

use serde_json::Value;

use super::{
    Asked, Core,
    connection::{ClientId, Stage},
    session::SessionId,
};
use crate::{
    event::Body,
    message::{Check, Eval, Failure, Request},
    reply::{Checked, Completeness, Outcome, body},
};

/// The longest line, and the longest cell, in bytes: a choice.
const TEXT_MAX: usize = 1 << 20;

/// How many bytes of lines may wait for those before them.
const AHEAD_MAX: usize = 64 << 10;

/// What a person has typed.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// Whole lines, without their ends.
    lines: VecDeque<String>,
    /// The bytes of `lines`.
    ahead: usize,
    /// The begin of the next line.
    rest: Vec<u8>,
    /// The lines of the cell so far.
    source: String,
    session: Option<SessionId>,
    waits: Waits,
    is_used: bool,
    /// Nothing more is typed.
    ended: bool,
}

/// What the next line is for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// The cell.
    #[default]
    Source,
    /// It waits until it is known whether the cell is whole.
    Check,
    /// It waits for the end of the cell, or is its input.
    Cell,
}

impl Plain {
    /// Whether anything was typed.
    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.is_used = true;
        let mut parts = bytes.split(|byte| *byte == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.rest.extend_from_slice(part);
            self.take_line();
        }
        self.rest.extend_from_slice(last);
    }

    fn take_line(&mut self) {
        let bytes = std::mem::take(&mut self.rest);
        let line = String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(&bytes)).into_owned();
        self.ahead += line.len() + 1;
        self.lines.push_back(line);
    }

    pub(super) fn end(&mut self) {
        if !self.rest.is_empty() {
            self.take_line();
        }
        self.ended = true;
    }

    /// Whether further bytes are wanted.
    pub(super) fn reads(&self) -> bool {
        !self.ended && self.ahead < AHEAD_MAX
    }

    fn next_line(&mut self) -> Option<String> {
        let line = self.lines.pop_front()?;
        self.ahead -= line.len() + 1;
        Some(line)
    }
}

impl Core {
    fn plain(&mut self, client: ClientId) -> Option<&mut Plain> {
        match &mut self.connections.get_mut(&client)?.stage {
            Stage::Plain(plain) => Some(plain),
            _ => None,
        }
    }

    fn say(&mut self, client: ClientId, text: &str) {
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.output.text(text);
        }
    }

    /// Takes the lines that can be taken now.
    pub(super) fn step_plain(&mut self, client: ClientId, now: Instant) {
        loop {
            let Some(connection) = self.connections.get(&client) else { return };
            let is_full = connection.output.waiting().len() >= self.config.limits.buffer_bytes;
            if connection.closing || is_full {
                return;
            }
            let Some(plain) = self.plain(client) else { return };
            if plain.rest.len() > TEXT_MAX || plain.source.len() > TEXT_MAX {
                self.say(client, &format!("\na cell has at most {TEXT_MAX} bytes\n"));
                return self.leave_plain(client, now);
            }
            if let Some(session) = plain.session
                && !self.connections.get(&client).is_some_and(|connection| connection.follows(session))
            {
                self.say(client, "\nthe session has ended\n");
                return self.leave_plain(client, now);
            }
            let Some(plain) = self.plain(client) else { return };
            match plain.waits {
                Waits::Check => return,
                Waits::Cell => {
                    let Some(session) = plain.session else { return };
                    let wants = self.sessions.get(&session).is_some_and(|session| session.needs_input.is_some());
                    let Some(plain) = self.plain(client).filter(|_| wants) else { return };
                    let line = plain.next_line().map(|line| line + "\n");
                    if line.is_none() && !plain.ended {
                        return;
                    }
                    // It waits for a line, so there is nothing to refuse.
                    let _ = self.input(session, line);
                }
                Waits::Source => match plain.next_line() {
                    Some(line) => self.source_line(client, &line, now),
                    None if !plain.ended => return,
                    None if plain.source.is_empty() => return self.leave_plain(client, now),
                    // The end of the input ends a block.
                    None => self.run_plain(client, now),
                },
            }
        }
    }

    fn source_line(&mut self, client: ClientId, line: &str, now: Instant) {
        let prompt = self.config.prompts.0.clone();
        let Some(plain) = self.plain(client) else { return };
        if plain.session.is_none() && is_http(line) {
            // Its body would be run.
            return self.leave_plain(client, now);
        }
        if plain.source.is_empty() && line.trim().is_empty() {
            let session = plain.session;
            let prompts = session.and_then(|session| self.sessions.get(&session)).map(|session| &session.prompts.0);
            let prompt = prompts.cloned().unwrap_or(prompt);
            return self.say(client, &prompt);
        }
        plain.source.push_str(line);
        let Some(session) = self.session_plain(client, now) else { return };
        let name = self.sessions.get(&session).map(|session| session.name.clone()).unwrap_or_default();
        let Some(plain) = self.plain(client) else { return };
        plain.waits = Waits::Check;
        let check = Check { session: name, source: plain.source.clone(), lines: true };
        self.ask(Asked::Plain(client), Request::Check(check), now);
    }

    /// The session, which begins with the first line.
    fn session_plain(&mut self, client: ClientId, now: Instant) -> Option<SessionId> {
        if let Some(session) = self.plain(client)?.session {
            return Some(session);
        }
        match self.open_session(client, None, None, now) {
            Ok(session) => {
                self.plain(client)?.session = Some(session);
                Some(session)
            }
            Err(failure) => {
                self.say(client, &format!("{failure}\n"));
                self.leave_plain(client, now);
                None
            }
        }
    }

    /// The application has said whether the cell is whole, or has not in time.
    pub(super) fn checked_plain(&mut self, client: ClientId, answer: Result<Value, Failure>, now: Instant) {
        let Some(plain) = self.plain(client) else { return };
        plain.waits = Waits::Source;
        match answer.map(body::<Checked>) {
            Ok(Ok(Checked { completeness: Completeness::Incomplete })) => {
                plain.source.push('\n');
                let session = plain.session;
                let prompts = session.and_then(|session| self.sessions.get(&session)).map(|session| &session.prompts);
                let prompt = prompts.unwrap_or(&self.config.prompts).1.clone();
                self.say(client, &prompt);
            }
            // An error is told as that of the cell.
            Ok(Ok(_)) => self.run_plain(client, now),
            Ok(Err(error)) => self.refuse_plain(client, &format!("the program's answer is wrong: {error}")),
            Err(failure) => self.refuse_plain(client, &failure.message),
        }
    }

    fn run_plain(&mut self, client: ClientId, _now: Instant) {
        let Some(plain) = self.plain(client) else { return };
        let source = std::mem::take(&mut plain.source);
        let Some(session) = plain.session else { return };
        plain.waits = Waits::Cell;
        if let Err(failure) = self.queue_cell(session, Asked::Plain(client), Eval { source, ..Eval::default() }) {
            self.refuse_plain(client, &failure.message);
        }
    }

    /// Says why a cell is not run, and asks for another one.
    fn refuse_plain(&mut self, client: ClientId, why: &str) {
        let Some(plain) = self.plain(client) else { return };
        plain.source.clear();
        plain.waits = Waits::Source;
        let prompt = self.config.prompts.0.clone();
        self.say(client, &format!("{why}\n{prompt}"));
    }

    /// The cell is over and its output written.
    pub(super) fn cell_over_plain(&mut self, client: ClientId, result: Result<Outcome, Failure>, now: Instant) {
        let Some(plain) = self.plain(client) else { return };
        plain.waits = Waits::Source;
        let session = plain.session;
        match result {
            Ok(Outcome::Exit { message, .. }) => {
                if let Some(message) = message {
                    self.say(client, &format!("{message}\n"));
                }
                return self.leave_plain(client, now);
            }
            Ok(Outcome::Stubborn(task)) => self.say(client, &format!("it goes on as task {task}\n")),
            Ok(_) => {}
            Err(failure) => {
                self.say(client, &format!("{failure}\n"));
                return self.leave_plain(client, now);
            }
        }
        let prompts = session.and_then(|session| self.sessions.get(&session)).map(|session| &session.prompts);
        let prompt = prompts.unwrap_or(&self.config.prompts).0.clone();
        self.say(client, &prompt);
    }

    /// Ends the session and the connection.
    fn leave_plain(&mut self, client: ClientId, now: Instant) {
        let session = self.plain(client).and_then(|plain| plain.session);
        let patience = self.config.limits.handshake;
        let Some(connection) = self.connections.get_mut(&client) else { return };
        connection.close(now + patience);
        // Its own end is no news.
        connection.follows.clear();
        if let Some(session) = session {
            self.end_session(session, true, now);
            self.forget(session);
        }
    }
}

/// Whether a line is the first of an HTTP request, which is never Python.
fn is_http(line: &str) -> bool {
    line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0")
}

/// An event as text, after `lost` bytes that are not there any more.
pub(super) fn text_of(body: &Body, lost: u64) -> Cow<'_, str> {
    match body {
        Body::Out(out) if lost > 0 => format!("\n[{lost} bytes are lost]\n{}", out.text).into(),
        Body::Out(out) => out.text.as_str().into(),
        Body::Shown(shown) => format!("{}\n", shown.text).into(),
        Body::Raised(raised) if raised.traceback.ends_with('\n') => raised.traceback.as_str().into(),
        Body::Raised(raised) => format!("{}\n", raised.traceback).into(),
        Body::NeedInput(asked) => asked.prompt.as_str().into(),
        Body::Interrupting(interrupting) => format!("[{interrupting}]\n").into(),
        Body::Status(_) | Body::Held(_) => "".into(),
    }
}
