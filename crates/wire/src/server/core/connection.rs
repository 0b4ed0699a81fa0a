//! One connection: what has come of it, what waits to be sent, what it follows.

use std::{collections::BTreeMap, time::Instant};

use serde::Serialize;
use serde_json::Value;

use super::{
    plain::Plain,
    ring::{Cursor, Entry, Ring, out},
    session::{Session, SessionId},
};
use crate::{
    event::{Body, Event, Out, Stream},
    frame::{Decoder, FrameError, PREFACE, encode},
    message::{Code, Failure, RequestId},
    reply::{Outcome, Response},
    tls::Token,
};

/// Tells connections apart.
pub(in crate::server) type ClientId = u64;

/// Where a connection comes from and how it may come in.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Peer {
    /// For records: `uid 1000 pid 7`, an address.
    pub(in crate::server) name: String,
    /// What its hello must name.
    pub(in crate::server) token: Option<Token>,
    /// Whether people may type at it without a client.
    pub(in crate::server) plain: bool,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: Peer,
    pub(super) stage: Stage,
    pub(super) decoder: Decoder,
    pub(super) output: Output,
    /// Responses that come before further events. They have a room of their own: a client is read, and its interrupts
    /// with it, as long as it takes its answers, however far behind it is with events.
    answers: Vec<u8>,
    /// Sessions it is attached to.
    pub(super) follows: Vec<(SessionId, Cursor)>,
    /// Responses that come after events.
    pub(super) later: Vec<Later>,
    /// Requests the application has not answered yet.
    pub(super) asks: usize,
    /// How far it knows what the application prints, and whether it wants to.
    pub(super) application: Cursor,
    pub(super) tails: bool,
    /// When it is closed, or taken for a person, or told that it is refused.
    pub(super) deadline: Option<Instant>,
    /// Closed when all is sent.
    pub(super) closing: bool,
    /// Closed now.
    pub(super) dropped: bool,
}

/// How far it has come in.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has said nothing.
    Fresh,
    /// It speaks the protocol and has not said hello.
    Greeting,
    /// It is in.
    Ready,
    /// It said a wrong hello, which is answered at the deadline.
    Refused(RequestId, Failure),
    /// A person types.
    Plain(Plain),
}

/// What comes after the events of a session up to `seq`.
#[derive(Debug)]
pub(super) struct Later {
    pub(super) session: SessionId,
    pub(super) seq: u64,
    pub(super) what: Due,
}

/// What a cell's end is answered with.
#[derive(Debug)]
pub(super) enum Due {
    Response(RequestId, Result<Value, Failure>),
    Plain(Result<Outcome, Failure>),
}

/// Bytes that wait to be sent.
#[derive(Debug, Default)]
pub(in crate::server) struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

impl Output {
    /// What is to be sent next.
    pub(in crate::server) fn waiting(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// So many bytes were sent.
    pub(in crate::server) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    fn frame<T: Serialize>(&mut self, message: &T) -> Result<(), FrameError> {
        encode(message, &mut self.bytes)
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

impl Connection {
    pub(super) fn new(peer: Peer, application: Cursor, deadline: Instant) -> Self {
        Connection {
            peer,
            stage: Stage::Fresh,
            decoder: Decoder::of_server(),
            output: Output::default(),
            answers: Vec::new(),
            follows: Vec::new(),
            later: Vec::new(),
            asks: 0,
            application,
            tails: false,
            deadline: Some(deadline),
            closing: false,
            dropped: false,
        }
    }

    /// It speaks the protocol.
    pub(super) fn greet(&mut self, deadline: Instant) {
        self.stage = Stage::Greeting;
        self.deadline = Some(deadline);
        self.output.bytes.extend_from_slice(&PREFACE);
    }

    /// Closes it when all is sent, or at the deadline.
    pub(super) fn close(&mut self, deadline: Instant) {
        self.closing = true;
        self.deadline = Some(deadline);
    }

    /// The response to a request.
    pub(super) fn respond<T: Serialize>(&mut self, id: Option<RequestId>, result: &Result<T, Failure>) {
        if let Err(error) = encode(&Response::new(id, result), &mut self.answers) {
            let failure = Failure::new(Code::Limit, format!("the answer is too long: {error}"));
            encode(&Response::<()>::new(id, &Err(failure)), &mut self.answers).expect("a failure is short");
        }
    }

    /// Whether so little waits that further requests may be answered.
    pub(super) fn has_room(&self, limit: usize) -> bool {
        self.answers.len() < limit
    }

    /// Whether all is sent.
    pub(super) fn is_sent(&self) -> bool {
        self.output.waiting().is_empty() && self.answers.is_empty()
    }

    /// Writes answers and events until there are none or `limit` bytes wait. False if there was no event.
    pub(super) fn tell(
        &mut self,
        sessions: &mut BTreeMap<SessionId, Session>,
        application: &mut Ring,
        limit: usize,
    ) -> bool {
        let is_plain = matches!(self.stage, Stage::Plain(_));
        if self.output.waiting().len() < limit {
            self.output.bytes.append(&mut self.answers);
        }
        let mut any = false;
        for (id, cursor) in &mut self.follows {
            let Some(session) = sessions.get_mut(id) else { continue };
            while self.output.waiting().len() < limit
                && let Some((entry, lost, next)) = session.events.next(*cursor)
            {
                if is_plain {
                    self.output.text(&super::plain::text_of(&entry.body, lost));
                } else {
                    write_event(&mut self.output, Some(&session.name), entry, lost);
                }
                (*cursor, any) = (next, true);
            }
        }
        if !matches!(self.stage, Stage::Ready) {
            return any;
        }
        while self.output.waiting().len() < limit
            && let Some((entry, lost, next)) = application.next(self.application)
        {
            if self.tails || !matches!(entry.body, Body::Out(_)) {
                write_event(&mut self.output, None, entry, lost);
            }
            (self.application, any) = (next, true);
        }
        any
    }

    /// The answers whose events were all told.
    pub(super) fn due(&mut self) -> Vec<Due> {
        let mut due = Vec::new();
        let mut index = 0;
        while let Some(later) = self.later.get(index) {
            let behind = |(id, cursor): &(SessionId, Cursor)| *id == later.session && cursor.seq < later.seq;
            if self.follows.iter().any(behind) {
                index += 1;
            } else {
                due.push(self.later.remove(index).what);
            }
        }
        due
    }

    pub(super) fn follows(&self, session: SessionId) -> bool {
        self.follows.iter().any(|(id, _)| *id == session)
    }
}

/// Writes an event with what is told to one client alone: how much it has lost.
fn write_event(output: &mut Output, session: Option<&str>, entry: &Entry, lost: u64) {
    let mut body = entry.body.clone();
    if let Body::Out(Out { dropped, .. }) = &mut body {
        *dropped = lost;
    }
    let mut event = Event { session: session.map(str::to_owned), seq: session.map(|_| entry.seq), body };
    if let Err(error) = output.frame(&event) {
        event.body = out(Stream::Err, format!("[{error}]\n"));
        output.frame(&event).expect("short");
    }
}
