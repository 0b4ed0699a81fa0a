//! The life of sessions and their cells.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    Asked, Core,
    connection::{ClientId, Due, Later, Stage},
    ring::Room,
    session::{Cell, Session, SessionId, is_name},
};
use crate::{
    application::{Audit, Job},
    event::{Body, NeedInput, State, Status},
    message::{CellNumber, Code, Eval, Failure, Request},
    reply::{Evaluated, InterruptState, Outcome},
    server::{inbox::Note, transcript::Record},
};

/// The most bytes of one shown value, whatever a client asks for: frames hold it, escaped and in both forms.
const QUOTA_MAX: usize = 512 << 10;

impl Core {
    /// A session by its name.
    pub(super) fn find(&self, name: &str) -> Result<SessionId, Failure> {
        let live = |id: &&SessionId| self.sessions.get(id).is_some_and(|session| !session.over);
        let missing = || Failure::new(Code::Unknown, format!("no session `{}`", name.escape_debug()));
        self.names.get(name).filter(live).copied().ok_or_else(missing)
    }

    /// A new session that `client` is attached to.
    pub(super) fn open_session(
        &mut self,
        client: ClientId,
        name: Option<String>,
        columns: Option<u16>,
        now: Instant,
    ) -> Result<SessionId, Failure> {
        let max = self.config.limits.sessions;
        if self.sessions.len() >= max {
            return Err(Failure::new(Code::Limit, format!("there are {max} sessions, the limit")));
        }
        self.last_session += 1;
        let name = match name {
            Some(name) if !is_name(&name) => {
                let message = "the name of a session has 1 to 64 bytes and no control characters";
                return Err(Failure::new(Code::BadRequest, message));
            }
            Some(name) if self.names.contains_key(&name) => {
                return Err(Failure::new(Code::BadRequest, format!("there is a session `{name}` already")));
            }
            Some(name) => name,
            None => self.free_name(),
        };
        let id = self.last_session;
        let session = Session::new(name.clone(), self.config.prompts.clone(), Room::of(&self.config.limits), now);
        if let Some(connection) = self.connections.get_mut(&client) {
            connection.follows.push((id, session.events.end()));
        }
        self.application.open(&name, columns.unwrap_or(80));
        self.names.insert(name, id);
        self.sessions.insert(id, session);
        Ok(id)
    }

    fn free_name(&self) -> String {
        let mut number = self.last_session;
        while self.names.contains_key(&number.to_string()) {
            number += 1;
        }
        number.to_string()
    }

    /// Ends a session. Its clients are told when they have read what came before.
    pub(super) fn end_session(&mut self, id: SessionId, tell_application: bool, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.over) else { return };
        session.over = true;
        session.expires = None;
        session.needs_input = None;
        let body = Body::Status(Status { state: State::Closed, cell: session.current(), by: None, source: None });
        session.events.push(body);
        let queued: Vec<Asked> = session.queue.drain(..).map(|cell| cell.asked).collect();
        let running = session.running.as_ref().map(|cell| cell.asked);
        let failure = || Failure::new(Code::Closed, format!("session `{}` has ended", session.name));
        let answers: Vec<_> = running.into_iter().chain(queued).map(|asked| (asked, failure())).collect();
        if tell_application {
            self.application.close(&session.name);
        }
        for (asked, failure) in answers {
            self.answer_eval(id, asked, Err(failure), now);
        }
        self.forget(id);
    }

    /// Drops what is left of a session once it has ended, its cell is over and its clients know.
    pub(super) fn forget(&mut self, id: SessionId) {
        let is_followed = self.connections.values().any(|connection| connection.follows(id));
        let ended = |session: &&Session| session.over && session.running.is_none();
        if let Some(session) = self.sessions.get(&id).filter(ended) {
            self.names.remove(&session.name);
            if !is_followed {
                self.sessions.remove(&id);
            }
        }
    }

    /// A client does not follow a session any more.
    pub(super) fn unfollowed(&mut self, id: SessionId, now: Instant) {
        if !self.connections.values().any(|connection| connection.follows(id))
            && let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.over)
        {
            // A time that no clock reaches is none.
            session.expires = self.config.limits.grace.and_then(|grace| now.checked_add(grace));
        }
        self.forget(id);
    }

    /// Takes a connection off the sessions that have ended and of which it knows all.
    pub(super) fn leave_ended(&mut self, client: ClientId) {
        let Some(connection) = self.connections.get_mut(&client) else { return };
        let sessions = &self.sessions;
        let knows = |id: SessionId, seq: u64| {
            sessions.get(&id).is_none_or(|session| session.over && session.events.last() <= seq)
        };
        let ended: Vec<_> =
            connection.follows.extract_if(.., |(id, cursor)| knows(*id, cursor.seq)).map(|(id, _)| id).collect();
        for session in ended {
            self.forget(session);
        }
    }

    /// Queues a cell. Its number.
    pub(super) fn queue_cell(&mut self, id: SessionId, asked: Asked, eval: Eval) -> Result<CellNumber, Failure> {
        if self.config.read_only {
            return Err(Failure::new(Code::ReadOnly, "this server only lets look: no cell is run"));
        }
        let max = self.config.limits.cells;
        let quota = eval.quota.unwrap_or(self.config.limits.quota).min(QUOTA_MAX);
        let Some(session) = self.sessions.get_mut(&id) else {
            return Err(Failure::new(Code::Unknown, "the session has ended"));
        };
        if session.queue.len() >= max {
            return Err(Failure::new(
                Code::Limit,
                format!("{max} cells of session `{}` wait, the limit", session.name),
            ));
        }
        session.cells += 1;
        let Eval { source, filename, place, .. } = eval;
        let job = Job { session: session.name.clone(), cell: session.cells, source, filename, quota, place };
        let number = job.cell;
        session.queue.push_back(Cell { job, asked, began: false });
        self.start_next(id);
        Ok(number)
    }

    fn start_next(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.over || session.running.is_some() {
            return;
        }
        let Some(cell) = session.queue.pop_front() else { return };
        let client = client_of(cell.asked);
        let job = cell.job.clone();
        session.running = Some(cell);
        let audit = Audit::Eval(client, job.session.clone(), job.cell, job.source.clone());
        self.record(&Record::begin(client, &job));
        self.application.audit(&audit);
        self.application.submit(job);
        self.submitted = true;
    }

    fn record(&mut self, record: &Record) {
        if self.transcript.as_mut().is_some_and(|transcript| transcript.write(record)) {
            self.warn("the transcript has lost lines: the disk is too slow".into());
        }
    }

    /// What the application told of a session.
    pub(super) fn hear_session(&mut self, id: SessionId, note: Note, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match note {
            Note::Ended(outcome) => self.cell_ended(id, outcome, now),
            Note::Closed => self.end_session(id, false, now),
            // An ended session has nothing to tell.
            _ if session.over => {}
            Note::Began(number) => {
                if let Some(cell) = session.running.as_mut().filter(|cell| cell.job.cell == number && !cell.began) {
                    cell.began = true;
                    session.status(State::Busy);
                }
            }
            Note::Event(body) => session.events.push(body),
            Note::Lost { events, bytes } => session.events.lose(events, bytes),
            Note::NeedsInput(asked) => {
                let body = NeedInput { cell: asked.cell, prompt: asked.prompt.clone(), hidden: asked.hidden };
                session.events.push(Body::NeedInput(body));
                session.needs_input = Some(asked);
            }
        }
    }

    fn cell_ended(&mut self, id: SessionId, outcome: Evaluated, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.current() != Some(outcome.cell) {
            return;
        }
        if session.running.as_ref().is_some_and(|cell| cell.began) && !session.over {
            session.status(State::Idle);
        }
        let Some(cell) = session.running.take() else { return };
        session.needs_input = None;
        if let Some(prompts) = &outcome.prompts {
            session.prompts.clone_from(prompts);
        }
        let was_over = session.over;
        self.last_took = Duration::try_from_secs_f64(outcome.wall_s).unwrap_or(Duration::MAX);
        self.record(&Record::end(client_of(cell.asked), &cell.job, &outcome.outcome));
        if was_over {
            return self.forget(id);
        }
        let exits = matches!(outcome.outcome, Outcome::Exit { .. });
        self.answer_eval(id, cell.asked, Ok(outcome), now);
        if exits {
            self.end_session(id, true, now);
        } else {
            self.start_next(id);
        }
    }

    /// Answers an `eval`, for clients of the session after all its events so far.
    fn answer_eval(&mut self, id: SessionId, asked: Asked, result: Result<Evaluated, Failure>, now: Instant) {
        let client = client_of(asked);
        let due = match asked {
            Asked::Request(_, request) => Due::Response(request, result.map(|outcome| value_of(&outcome))),
            Asked::Plain(_) => Due::Plain(result.map(|outcome| outcome.outcome)),
        };
        let seq = self.sessions.get(&id).map_or(0, |session| session.events.last());
        let Some(connection) = self.connections.get_mut(&client) else { return };
        if connection.follows(id) {
            connection.later.push(Later { session: id, seq, what: due });
        } else {
            self.answer_due(client, due, now);
        }
    }

    /// Answers what is due.
    pub(super) fn answer_due(&mut self, client: ClientId, due: Due, now: Instant) {
        match due {
            Due::Response(request, result) => {
                if let Some(connection) = self.connections.get_mut(&client) {
                    connection.respond(Some(request), &result);
                }
            }
            Due::Plain(result) => self.cell_over_plain(client, result, now),
        }
    }

    /// Asks the application something.
    pub(super) fn ask(&mut self, asked: Asked, request: Request, now: Instant) {
        self.last_ticket += 1;
        self.asks.insert(self.last_ticket, (asked, now + self.config.limits.answer));
        if let Asked::Request(client, _) = asked
            && let Some(connection) = self.connections.get_mut(&client)
        {
            connection.asks += 1;
        }
        self.application.ask(self.last_ticket, request);
    }

    /// Stops a cell, or takes it out of the queue.
    pub(super) fn interrupt(
        &mut self,
        client: ClientId,
        id: SessionId,
        meant: Option<&dyn Fn(&Cell) -> bool>,
        now: Instant,
    ) -> InterruptState {
        let Some(session) = self.sessions.get_mut(&id) else { return InterruptState::Idle };
        let name = session.name.clone();
        let is_meant = |cell: &Cell| meant.is_none_or(|meant| meant(cell));
        let (number, state) = match &session.running {
            Some(cell) if is_meant(cell) => (cell.job.cell, InterruptState::Sent),
            running => {
                let state = if running.is_some() { InterruptState::Mismatch } else { InterruptState::Idle };
                let Some(cell) = session.withdraw(is_meant) else { return state };
                let outcome = Outcome::Interrupted;
                let prompts = Some(session.prompts.clone());
                let never_ran = Evaluated { cell: 0, outcome, wall_s: 0.0, cpu_s: 0.0, prompts };
                self.answer_eval(id, cell.asked, Ok(never_ran), now);
                (cell.job.cell, InterruptState::Withdrawn)
            }
        };
        self.application.audit(&Audit::Interrupt(client, name.clone(), number));
        if state == InterruptState::Sent {
            self.application.interrupt(&name, number);
        }
        state
    }

    /// Whether a connection has said hello or types.
    pub(super) fn is_in(&self, client: ClientId) -> bool {
        self.connections
            .get(&client)
            .is_some_and(|connection| matches!(connection.stage, Stage::Ready | Stage::Plain(_)))
    }
}

fn client_of(asked: Asked) -> ClientId {
    match asked {
        Asked::Request(client, _) | Asked::Plain(client) => client,
    }
}

/// A reply as JSON.
pub(super) fn value_of<T: serde::Serialize>(reply: &T) -> Value {
    serde_json::to_value(reply).expect("replies are structs of plain data")
}
