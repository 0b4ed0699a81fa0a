//! What a server does, without sockets and clocks: bytes of connections and words of the application in, bytes out.

mod cells;
mod connection;
mod plain;
mod request;
pub(super) mod ring;
mod session;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use self::{
    connection::{Connection, Stage},
    plain::Plain,
    ring::{Ring, Room},
    session::{Session, SessionId},
};
use super::{
    Config,
    inbox::{Note, Told},
    transcript::Transcript,
};
use crate::{
    application::{Application, Audit},
    frame::{FrameError, PREFACE},
    message::{Code, Failure, RequestId, read_request},
};

pub(super) use self::connection::{ClientId, Output, Peer};

/// The state of a server.
pub(super) struct Core {
    application: Arc<dyn Application>,
    config: Config,
    transcript: Option<Transcript>,
    connections: BTreeMap<ClientId, Connection>,
    sessions: BTreeMap<SessionId, Session>,
    names: HashMap<String, SessionId>,
    /// Events without a session.
    events: Ring,
    /// What the application was asked, by ticket. All have the same time, so the first one is due first.
    asks: BTreeMap<u64, (Asked, Instant)>,
    last_client: ClientId,
    last_session: SessionId,
    last_ticket: u64,
    /// Connections that want what the application prints.
    tails: usize,
    /// Whether the application was given a cell since it was last asked about.
    submitted: bool,
    /// How long the last cell took.
    last_took: Duration,
}

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Request(ClientId, RequestId),
    Plain(ClientId),
}

impl Core {
    pub(super) fn new(config: Config, application: Arc<dyn Application>) -> Self {
        Core {
            application,
            events: Ring::new(Room::of(&config.limits)),
            config,
            transcript: None,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            names: HashMap::new(),
            asks: BTreeMap::new(),
            last_client: 0,
            last_session: 0,
            last_ticket: 0,
            tails: 0,
            submitted: false,
            last_took: Duration::MAX,
        }
    }

    /// Writes a transcript from now on.
    pub(super) fn record_in(&mut self, transcript: Transcript) {
        self.transcript = Some(transcript);
    }

    /// A connection has come. None if there are too many.
    pub(super) fn connect(&mut self, peer: Peer, now: Instant) -> Option<ClientId> {
        if self.connections.len() >= self.config.limits.connections {
            self.refused(format!("{}: too many connections", peer.name));
            return None;
        }
        // Who has no token yet cannot keep out those who have, or need none.
        let is_unknown =
            |connection: &&Connection| connection.peer.token.is_some() && !matches!(connection.stage, Stage::Ready);
        let unknown = self.connections.values().filter(is_unknown).count();
        if peer.token.is_some() && unknown >= self.config.limits.connections.div_ceil(2) {
            self.refused(format!("{}: too many connections without a token", peer.name));
            return None;
        }
        self.last_client += 1;
        let limits = &self.config.limits;
        let patience = if peer.plain { limits.silence } else { limits.handshake };
        self.connections.insert(self.last_client, Connection::new(peer, self.events.end(), now + patience));
        Some(self.last_client)
    }

    /// Somebody was not let in.
    pub(super) fn refused(&self, why: String) {
        self.application.audit(&Audit::Refused(why));
    }

    /// Something does not work.
    pub(super) fn warn(&self, what: String) {
        self.application.audit(&Audit::Warning(what));
    }

    /// Bytes of a connection have come.
    pub(super) fn receive(&mut self, client: ClientId, bytes: &[u8], now: Instant) {
        let Some(connection) = self.connections.get_mut(&client) else { return };
        let speaks = bytes.first() == Some(&PREFACE[0]);
        match &mut connection.stage {
            Stage::Fresh if speaks => connection.greet(now + self.config.limits.handshake),
            Stage::Fresh if connection.peer.plain => self.greet_person(client),
            Stage::Fresh => {
                connection.dropped = true;
                let why = format!("{}: {}", connection.peer.name, FrameError::NoPreface);
                return self.refused(why);
            }
            // A client that was slow and got the greeting for people.
            Stage::Plain(plain) if speaks && !plain.is_used() => {
                connection.greet(now + self.config.limits.handshake);
            }
            _ => {}
        }
        let Some(connection) = self.connections.get_mut(&client) else { return };
        match &mut connection.stage {
            Stage::Plain(plain) => {
                if !plain.is_used() {
                    self.application.audit(&Audit::Connected(client, connection.peer.name.clone()));
                }
                plain.push(bytes);
            }
            _ => connection.decoder.push(bytes),
        }
        self.pump(client, now);
    }

    /// A connection sends nothing more.
    pub(super) fn end_of_input(&mut self, client: ClientId, now: Instant) {
        if let Some(connection) = self.connections.get_mut(&client) {
            match &mut connection.stage {
                // `echo 1+1 | nc -U` wants its answer.
                Stage::Plain(plain) if plain.is_used() => plain.end(),
                _ => connection.dropped = true,
            }
            self.pump(client, now);
        }
    }

    /// A connection is closed.
    pub(super) fn gone(&mut self, client: ClientId, now: Instant) {
        let Some(connection) = self.connections.remove(&client) else { return };
        if connection.tails {
            self.count_tails(-1);
        }
        for (session, _) in connection.follows {
            self.unfollowed(session, now);
        }
        let was_in = match &connection.stage {
            Stage::Plain(plain) => plain.is_used(),
            stage => matches!(stage, Stage::Ready),
        };
        if was_in {
            self.application.audit(&Audit::Disconnected(client));
        }
    }

    /// Whether a connection is to be read.
    pub(super) fn reads(&self, client: ClientId) -> bool {
        self.connections.get(&client).is_some_and(|connection| {
            let limits = &self.config.limits;
            let has_room = connection.asks < limits.asks && connection.has_room(limits.buffer_bytes);
            has_room
                && !connection.closing
                && match &connection.stage {
                    Stage::Refused(..) => false,
                    Stage::Plain(plain) => plain.reads(),
                    _ => true,
                }
        })
    }

    /// Whether a connection is to be closed, if its transport holds nothing back.
    pub(super) fn is_done(&self, client: ClientId, is_flushed: bool) -> bool {
        self.connections
            .get(&client)
            .is_none_or(|connection| connection.dropped || connection.closing && is_flushed && connection.is_sent())
    }

    /// What a connection is to be sent.
    pub(super) fn output(&mut self, client: ClientId) -> Option<&mut Output> {
        self.connections.get_mut(&client).map(|connection| &mut connection.output)
    }

    /// The connections.
    pub(super) fn clients(&self) -> Vec<ClientId> {
        self.connections.keys().copied().collect()
    }

    /// Does what can be done for a connection: requests that have come, events, answers.
    pub(super) fn pump(&mut self, client: ClientId, now: Instant) {
        loop {
            self.read_frames(client, now);
            self.leave_ended(client);
            self.step_plain(client, now);
            let limit = self.config.limits.buffer_bytes;
            let Some(connection) = self.connections.get_mut(&client) else { return };
            let any = connection.tell(&mut self.sessions, &mut self.events, limit);
            let due = connection.due();
            if !any && due.is_empty() {
                break;
            }
            for due in due {
                self.answer_due(client, due, now);
            }
        }
    }

    fn read_frames(&mut self, client: ClientId, now: Instant) {
        while self.reads(client) {
            let Some(connection) = self.connections.get_mut(&client) else { return };
            if !matches!(connection.stage, Stage::Greeting | Stage::Ready) {
                return;
            }
            match connection.decoder.next_frame() {
                Ok(None) => return,
                Ok(Some(frame)) => {
                    let (id, request) = read_request(frame);
                    self.request(client, id, request, now);
                }
                Err(error) => {
                    let code = if error == FrameError::NoPreface { Code::BadRequest } else { Code::Limit };
                    connection.respond::<()>(None, &Err(Failure::new(code, error.to_string())));
                    connection.close(now + self.config.limits.handshake);
                }
            }
        }
    }

    /// What the application told.
    pub(super) fn hear(&mut self, told: Told, now: Instant) {
        for note in told.application {
            match note {
                Note::Event(body) => self.events.push(body),
                Note::Lost { events, bytes } => self.events.lose(events, bytes),
                _ => {}
            }
        }
        for (name, notes) in told.sessions {
            let Some(&session) = self.names.get(&name) else { continue };
            for note in notes {
                self.hear_session(session, note, now);
            }
        }
        for (ticket, answer) in told.answers {
            self.answered(ticket, answer, now);
        }
    }

    /// The application has answered, or has not in time.
    fn answered(&mut self, ticket: u64, answer: Result<Value, Failure>, now: Instant) {
        match self.asks.remove(&ticket) {
            Some((Asked::Request(client, id), _)) => {
                if let Some(connection) = self.connections.get_mut(&client) {
                    connection.asks -= 1;
                    connection.respond(Some(id), &answer);
                }
            }
            Some((Asked::Plain(client), _)) => self.checked_plain(client, answer, now),
            None => {}
        }
    }

    /// Whether the application was given a cell since the last call.
    pub(super) fn take_submitted(&mut self) -> bool {
        std::mem::take(&mut self.submitted)
    }

    /// How long the last cell took.
    pub(super) fn last_took(&self) -> Duration {
        self.last_took
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some((&ticket, _)) = self.asks.first_key_value().filter(|(_, (_, deadline))| *deadline <= now) {
            let time = self.config.limits.answer.as_secs_f64();
            let failure = Failure::new(Code::Timeout, format!("no answer from the program within {time} s"));
            self.answered(ticket, Err(failure), now);
        }
        for client in self.clients() {
            if self.connections[&client].deadline.is_some_and(|deadline| deadline <= now) {
                self.deadline_of(client, now);
            }
        }
        let expired = |session: &Session| session.expires.is_some_and(|expires| expires <= now);
        let expired: Vec<SessionId> =
            self.sessions.iter().filter(|(_, session)| expired(session)).map(|(id, _)| *id).collect();
        for session in expired {
            self.end_session(session, true, now);
        }
    }

    fn deadline_of(&mut self, client: ClientId, now: Instant) {
        let Some(connection) = self.connections.get_mut(&client) else { return };
        connection.deadline = None;
        match &connection.stage {
            _ if connection.closing => connection.dropped = true,
            Stage::Fresh if connection.peer.plain => self.greet_person(client),
            Stage::Fresh | Stage::Greeting => connection.dropped = true,
            Stage::Refused(id, failure) => {
                let (id, failure) = (*id, failure.clone());
                connection.respond::<()>(Some(id), &Err(failure));
                connection.close(now + self.config.limits.handshake);
            }
            Stage::Ready | Stage::Plain(_) => {}
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let asks = self.asks.first_key_value().map(|(_, (_, deadline))| *deadline);
        let connections = self.connections.values().filter_map(|connection| connection.deadline);
        let sessions = self.sessions.values().filter_map(|session| session.expires);
        connections.chain(sessions).chain(asks).min()
    }

    /// Ends all sessions. What can be told is then in the outputs.
    pub(super) fn shut_down(&mut self, now: Instant) {
        for session in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.end_session(session, true, now);
        }
        for client in self.clients() {
            self.pump(client, now);
        }
    }

    fn greet_person(&mut self, client: ClientId) {
        let Some(connection) = self.connections.get_mut(&client) else { return };
        connection.deadline = None;
        connection.stage = Stage::Plain(Plain::default());
        // A client that was slow looks for the preface behind this.
        let banner = self.config.banner.replace('\0', "");
        if !banner.is_empty() {
            connection.output.text(&format!("{banner}\n"));
        }
        connection.output.text(&self.config.prompts.0);
    }

    fn count_tails(&mut self, change: isize) {
        let before = self.tails;
        self.tails = self.tails.saturating_add_signed(change);
        if (before == 0) != (self.tails == 0) {
            self.application.tail(self.tails > 0);
        }
    }
}
