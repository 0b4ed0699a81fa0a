//! Requests: what is answered here, and what the application is asked.

use std::time::Instant;

use serde_json::Value;

use super::{
    Asked, Core,
    cells::value_of,
    connection::{ClientId, Stage},
    session::{Cell, Session, SessionId},
};
use crate::{
    application::Audit,
    frame::FRAME_MAX,
    message::{Attach, Code, Failure, Hello, Interrupt, Request, RequestId, VERSION},
    reply::{Done, Interrupted, Opened, SessionInfo, Sessions, Welcome},
};

/// What becomes of a request.
enum Answer {
    Now(Value),
    Later,
}

impl Core {
    /// Does what a connection asks and answers it, now or later.
    pub(super) fn request(
        &mut self,
        client: ClientId,
        id: Option<RequestId>,
        request: Result<Request, Failure>,
        now: Instant,
    ) {
        let answer = match (id, request) {
            (Some(id), Ok(request)) if self.is_in(client) => self.answer(client, id, request, now),
            (Some(id), Ok(Request::Hello(hello))) => return self.hello(client, id, hello, now),
            (_, Err(failure)) if self.is_in(client) => Err(failure),
            _ => {
                if let Some(connection) = self.connections.get_mut(&client) {
                    let failure = Failure::new(Code::BadRequest, "the first request is `hello`");
                    connection.respond::<()>(id, &Err(failure));
                    connection.close(now + self.config.limits.handshake);
                }
                return;
            }
        };
        let Some(connection) = self.connections.get_mut(&client) else { return };
        match answer {
            Ok(Answer::Now(value)) => connection.respond(id, &Ok(value)),
            Ok(Answer::Later) => {}
            Err(failure) => connection.respond::<()>(id, &Err(failure)),
        }
    }

    fn hello(&mut self, client: ClientId, id: RequestId, hello: Hello, now: Instant) {
        let limits = self.config.limits;
        let Some(connection) = self.connections.get_mut(&client) else { return };
        let peer = connection.peer.name.clone();
        if hello.version != VERSION {
            let message = format!("this server speaks version {VERSION} of the protocol, not {}", hello.version);
            connection.respond::<()>(Some(id), &Err(Failure::new(Code::Version, message.clone())));
            connection.close(now + limits.handshake);
            return self.refused(format!("{peer}: {message}"));
        }
        let is_known = connection
            .peer
            .token
            .as_ref()
            .is_none_or(|token| hello.token.as_ref().is_some_and(|given| token.matches(given)));
        if !is_known {
            let failure = Failure::new(Code::Unauthorized, "the token is wrong or missing");
            connection.stage = Stage::Refused(id, failure);
            connection.deadline = Some(now + limits.refusal);
            return self.refused(format!("{peer}: wrong token"));
        }
        connection.stage = Stage::Ready;
        connection.deadline = None;
        connection.decoder.set_limit(FRAME_MAX);
        connection.application = self.events.end();
        let config = &self.config;
        let welcome = Welcome {
            version: VERSION,
            client,
            program: config.program.clone(),
            pid: std::process::id(),
            python: config.python.clone(),
            banner: config.banner.clone(),
            read_only: config.read_only,
            has_loop: config.has_loop,
            frame_max: FRAME_MAX,
        };
        connection.respond(Some(id), &Ok(welcome));
        self.application.audit(&Audit::Connected(client, peer));
    }

    fn answer(&mut self, client: ClientId, id: RequestId, request: Request, now: Instant) -> Result<Answer, Failure> {
        self.check_read_only(&request)?;
        match request {
            Request::Hello(_) => return Err(Failure::new(Code::BadRequest, "`hello` was said already")),
            Request::Open(open) => {
                let session = self.open_session(client, open.name, open.columns, now)?;
                return Ok(self.opened(session, 0, 0));
            }
            Request::Attach(attach) => return self.attach(client, attach),
            Request::Detach(detach) => {
                let session = self.find(&detach.session)?;
                if let Some(connection) = self.connections.get_mut(&client) {
                    connection.follows.retain(|(id, _)| *id != session);
                    self.unfollowed(session, now);
                }
            }
            Request::Close(close) => {
                let session = self.find(&close.session)?;
                self.end_session(session, true, now);
            }
            Request::List(_) => return Ok(Answer::Now(value_of(&self.list(now)))),
            Request::Eval(eval) => {
                let session = self.find(&eval.session)?;
                self.queue_cell(session, Asked::Request(client, id), eval)?;
                return Ok(Answer::Later);
            }
            Request::Interrupt(interrupt) => return self.interrupt_asked(client, &interrupt, now),
            Request::Input(input) => {
                let session = self.find(&input.session)?;
                self.input(session, input.text)?;
            }
            Request::Resize(resize) => {
                self.find(&resize.session)?;
                self.application.resize(&resize.session, resize.columns);
            }
            Request::Tail(tail) => {
                let end = self.events.end();
                if let Some(connection) = self.connections.get_mut(&client).filter(|known| known.tails != tail.on) {
                    connection.tails = tail.on;
                    // What was printed for others is none of its losses.
                    connection.application = end;
                    self.count_tails(if tail.on { 1 } else { -1 });
                }
            }
            request @ (Request::Check(_)
            | Request::Complete(_)
            | Request::Inspect(_)
            | Request::Tasks(_)
            | Request::Cancel(_)
            | Request::Stacks(_)) => {
                if let Some(session) = session_of(&request) {
                    self.find(session)?;
                }
                self.ask(Asked::Request(client, id), request, now);
                return Ok(Answer::Later);
            }
        }
        Ok(Answer::Now(value_of(&Done {})))
    }

    fn check_read_only(&self, request: &Request) -> Result<(), Failure> {
        let changes = matches!(
            request,
            Request::Eval(_) | Request::Input(_) | Request::Interrupt(_) | Request::Cancel(_) | Request::Close(_)
        );
        if self.config.read_only && changes {
            let message = format!("this server only lets look: `{}` is refused", request.name());
            return Err(Failure::new(Code::ReadOnly, message));
        }
        Ok(())
    }

    fn attach(&mut self, client: ClientId, attach: Attach) -> Result<Answer, Failure> {
        let id = self.find(&attach.session)?;
        let Some((session, connection)) = self.sessions.get_mut(&id).zip(self.connections.get_mut(&client)) else {
            return Ok(Answer::Later);
        };
        session.expires = None;
        let (cursor, missed) = match attach.after {
            Some(seq) => session.events.after(seq),
            None => (session.events.end(), 0),
        };
        connection.follows.retain(|(followed, _)| *followed != id);
        connection.follows.push((id, cursor));
        Ok(self.opened(id, cursor.seq, missed))
    }

    fn opened(&self, id: SessionId, seq: u64, missed: u64) -> Answer {
        let Some(session) = self.sessions.get(&id) else { return Answer::Later };
        Answer::Now(value_of(&Opened {
            session: session.name.clone(),
            seq,
            last: session.events.end().seq,
            missed,
            running: session.current(),
            needs_input: session.needs_input.clone(),
            prompts: Some(session.prompts.clone()),
        }))
    }

    fn list(&self, now: Instant) -> Sessions {
        let info = |(id, session): (&SessionId, &Session)| SessionInfo {
            name: session.name.clone(),
            age_s: now.saturating_duration_since(session.opened).as_secs_f64(),
            clients: self.connections.values().filter(|connection| connection.follows(*id)).count() as u64,
            cells: session.cells,
            running: session.current(),
            expires_s: session.expires.map(|at| at.saturating_duration_since(now).as_secs_f64()),
        };
        Sessions { sessions: self.sessions.iter().filter(|(_, session)| !session.over).map(info).collect() }
    }

    fn interrupt_asked(&mut self, client: ClientId, interrupt: &Interrupt, now: Instant) -> Result<Answer, Failure> {
        let session = self.find(&interrupt.session)?;
        let by_request = interrupt.request.map(|request| Asked::Request(client, request));
        let meant = |cell: &Cell| {
            interrupt.cell.is_none_or(|number| number == cell.job.cell)
                && by_request.is_none_or(|asked| asked == cell.asked)
        };
        let names_one = interrupt.cell.is_some() || by_request.is_some();
        let state = self.interrupt(client, session, names_one.then_some(&meant), now);
        Ok(Answer::Now(value_of(&Interrupted { state })))
    }

    /// A line for the cell that waits for one.
    pub(super) fn input(&mut self, id: SessionId, text: Option<String>) -> Result<(), Failure> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if session.needs_input.take().is_none() {
            let message = format!("no cell of session `{}` waits for input", session.name);
            return Err(Failure::new(Code::Unknown, message));
        }
        self.application.input(&session.name, text);
        Ok(())
    }
}

/// The session a question is about.
fn session_of(request: &Request) -> Option<&str> {
    match request {
        Request::Check(check) => Some(&check.session),
        Request::Complete(complete) => Some(&complete.session),
        Request::Inspect(inspect) => Some(&inspect.session),
        _ => None,
    }
}
