//! A session that outlives its connection: when that breaks, it is made again, and what was missed comes after all.

mod again;
mod told;

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex,
        mpsc::{RecvTimeoutError, channel},
    },
    time::Duration,
};

use super::{Address, CallError, Client, ConnectError, HELLO_DEADLINE, Incoming, Lost, lock};
use crate::{
    event::Event,
    message::{Attach, CellNumber, Close, Code, Detach, Eval, Input, Interrupt, List, Op, Open, RequestId, Tail},
    reply::{Evaluated, Interrupted, Opened, Sessions, Welcome},
};

/// How long the end of a session is waited for; it ends without the answer, too.
const LEAVE_DEADLINE: Duration = Duration::from_secs(1);

/// Which session to be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// One that is not there yet; without a name the server makes one.
    New(Option<String>),
    /// The one of this name, which is opened if it is not there.
    Join {
        /// Its name.
        name: String,
        /// Whether the events that the server keeps of it come first.
        replay: bool,
    },
}

/// What comes without being asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The session is open; its events follow.
    Entered(Opened),
    /// An event of the session or of the application.
    Event {
        /// What happened.
        event: Event,
        /// It names the cell that was sent from here and is not over.
        own: bool,
    },
    /// There is no connection for now.
    Away(Lost),
    /// There is one again. The missed events follow, but for so many that the server no longer has.
    Back {
        /// How many.
        missed: u64,
    },
    /// There will be none: why. Nothing follows, and a cell that was to be answered is not.
    Gone(String),
}

/// What became of a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It ended.
    Ended(Evaluated),
    /// It was not run.
    Refused(CallError),
    /// It ended, or was lost, while there was no connection.
    Unseen,
}

type Then = Box<dyn FnOnce(Verdict) + Send>;

/// A session of a server. Dropping it closes the connection; the session goes on for as long as the server keeps it.
pub struct Session(Arc<Inner>);

struct Inner {
    address: Address,
    client_name: String,
    tell: Box<dyn Fn(News) + Send + Sync>,
    state: Mutex<State>,
    /// `left` has become true.
    leaving: Condvar,
}

#[derive(Default)]
struct State {
    client: Option<Client>,
    welcome: Welcome,
    name: String,
    /// The number of the last event that came.
    seq: u64,
    /// The cell that is to be answered.
    cell: Option<Pending>,
    /// Counts the cells of this session, to tell a late answer from the present one.
    serial: u64,
    columns: Option<u16>,
    tail: bool,
    /// In the session, so that a connection that breaks is made again; not while one is being made.
    settled: bool,
    left: bool,
}

struct Pending {
    serial: u64,
    by: Option<(u64, RequestId)>,
    number: Option<CellNumber>,
    then: Then,
    /// Its connection broke: no answer will come, only events.
    orphan: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("address", &self.0.address).finish_non_exhaustive()
    }
}

/// Why a session cannot be had.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum OpenError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Session {
    /// Connects to a server and opens a session there. `tell` is called in the connection's thread, in order; it must
    /// not wait for answers.
    ///
    /// # Errors
    /// There is no server, it refuses, or there is no such session.
    pub fn open(
        address: Address,
        client_name: &str,
        how: &How,
        columns: Option<u16>,
        tell: impl Fn(News) + Send + Sync + 'static,
    ) -> Result<(Session, Opened), OpenError> {
        let session = Session(Arc::new(Inner {
            address,
            client_name: client_name.to_owned(),
            tell: Box::new(tell),
            state: Mutex::new(State { columns, ..State::default() }),
            leaving: Condvar::new(),
        }));
        let client = session.0.connect()?;
        lock(&session.0.state).client = Some(client.clone());
        let open = |name: Option<String>| session.0.enter(&client, &Open { name, columns });
        let opened = match how {
            How::New(name) => open(name.clone()),
            How::Join { name, replay } => {
                let attach = Attach { session: name.clone(), after: replay.then_some(0) };
                match session.0.enter(&client, &attach) {
                    Err(CallError::Refused(failure)) if failure.code == Code::Unknown => open(Some(name.clone())),
                    opened => opened,
                }
            }
        }?;
        Ok((session, opened))
    }

    /// What the server said of itself.
    #[must_use]
    pub fn welcome(&self) -> Welcome {
        lock(&self.0.state).welcome.clone()
    }

    /// The session's name.
    #[must_use]
    pub fn name(&self) -> String {
        lock(&self.0.state).name.clone()
    }

    /// The connection there is now, for requests of other kinds.
    ///
    /// # Errors
    /// There is none.
    pub fn client(&self) -> Result<Client, CallError> {
        lock(&self.0.state).client.clone().ok_or(CallError::Lost(Lost::Closed))
    }

    /// [`Client::call`] on the connection there is now.
    ///
    /// # Errors
    /// As there.
    pub fn call<O: Op>(&self, request: &O, deadline: Duration) -> Result<O::Reply, CallError> {
        self.client()?.call(request, deadline)
    }

    /// Runs a cell; `then` is called once in the connection's thread, unless [`News::Gone`] comes. One at a time.
    ///
    /// # Errors
    /// It cannot be sent: `then` is not called.
    pub fn eval(
        &self,
        source: String,
        filename: Option<String>,
        then: impl FnOnce(Verdict) + Send + 'static,
    ) -> Result<(), CallError> {
        let inner = &self.0;
        let (client, number, serial, request) = {
            let mut state = lock(&inner.state);
            let client = state.client.clone().ok_or(Lost::Closed)?;
            state.serial += 1;
            let serial = state.serial;
            state.cell = Some(Pending { serial, by: None, number: None, then: Box::new(then), orphan: false });
            let request = Eval { session: state.name.clone(), source, filename, ..Eval::default() };
            (client, state.welcome.client, serial, request)
        };
        let answered = Arc::clone(inner);
        let sent = client.send(&request, move |answer| answered.answered(serial, answer));
        let mut state = lock(&inner.state);
        let pending = state.cell.as_mut().filter(|pending| pending.serial == serial);
        match (sent, pending) {
            (Ok(id), Some(pending)) => pending.by = Some((number, id)),
            (Ok(_), None) => {}
            (Err(error), _) => {
                state.cell = None;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Stops the cell that [`eval`](Self::eval) waits for, or else `cell`. `then` is told what became of that.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn interrupt(
        &self,
        cell: Option<CellNumber>,
        then: impl FnOnce(Result<Interrupted, CallError>) + Send + 'static,
    ) -> Result<(), CallError> {
        let request = {
            let state = lock(&self.0.state);
            let pending = state.cell.as_ref();
            let cell = pending.map_or(cell, |pending| pending.number);
            let own = pending.and_then(|pending| pending.by).filter(|(client, _)| *client == state.welcome.client);
            let request = own.filter(|_| cell.is_none()).map(|(_, id)| id);
            Interrupt { session: state.name.clone(), cell, request }
        };
        self.client()?.send(&request, then).map(drop)
    }

    /// The line that a cell waits for, with its end; None is the end of input.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn input(&self, text: Option<String>) -> Result<(), CallError> {
        // Another client of the session may have been faster, which its cell shows.
        self.client()?.send(&Input { session: self.name(), text }, drop).map(drop)
    }

    /// The window has another size.
    pub fn resize(&self, columns: u16) {
        lock(&self.0.state).columns = Some(columns);
        self.0.send_settings(false);
    }

    /// Whether the application's own output is wanted.
    ///
    /// # Errors
    /// The server refuses or cannot be asked.
    pub fn tail(&self, on: bool, deadline: Duration) -> Result<(), CallError> {
        self.call(&Tail { on }, deadline)?;
        lock(&self.0.state).tail = on;
        Ok(())
    }

    /// Leaves the session to itself. Returns for how many seconds the server keeps it, where it says.
    pub fn detach(&self) -> Option<f64> {
        let name = self.name();
        self.leave();
        self.call(&Detach { session: name.clone() }, LEAVE_DEADLINE).ok()?;
        let Sessions { sessions } = self.call(&List {}, LEAVE_DEADLINE).ok()?;
        sessions.into_iter().find(|session| session.name == name)?.expires_s
    }

    /// Ends the session, and the cell that runs in it.
    ///
    /// # Errors
    /// The server refuses, or cannot be asked.
    pub fn close(&self) -> Result<(), CallError> {
        let name = self.name();
        self.leave();
        self.call(&Close { session: name }, LEAVE_DEADLINE).map(drop)
    }

    fn leave(&self) {
        lock(&self.0.state).left = true;
        self.0.leaving.notify_all();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
        let client = lock(&self.0.state).client.take();
        if let Some(client) = client {
            client.close();
        }
    }
}

impl Inner {
    fn connect(self: &Arc<Self>) -> Result<Client, OpenError> {
        let stream = self.address.connect()?;
        let inner = Arc::clone(self);
        let (client, welcome) = Client::start(stream, &self.client_name, move |incoming| match incoming {
            Incoming::Event(event) => inner.event(event),
            Incoming::Lost(why) => inner.lost(why),
        })?;
        let mut state = lock(&self.state);
        if state.welcome.pid != 0 && state.welcome.pid != welcome.pid {
            let message = format!("another program serves there now, pid {}", welcome.pid);
            return Err(CallError::Refused(crate::message::Failure::new(Code::Closed, message)).into());
        }
        state.welcome = welcome;
        Ok(client)
    }

    /// Opens the session or attaches to it: its state is known before the first of its events.
    fn enter<O: Op<Reply = Opened>>(self: &Arc<Self>, client: &Client, request: &O) -> Result<Opened, CallError> {
        let (sender, answer) = channel();
        let inner = Arc::clone(self);
        client.send(request, move |opened| {
            if let Ok(opened) = &opened {
                inner.entered(opened);
            }
            drop(sender.send(opened));
        })?;
        answer.recv_timeout(HELLO_DEADLINE).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => Err(CallError::Timeout { op: O::NAME, deadline: HELLO_DEADLINE }),
            RecvTimeoutError::Disconnected => Err(Lost::Closed.into()),
        })
    }
}
