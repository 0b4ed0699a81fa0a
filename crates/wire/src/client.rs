//! The client's side: a connection with typed calls from any thread, and events in order.
//!
//! One thread reads; it hands events and answers on in the order they came, so an `eval` is answered after all that its
//! cell printed. Nothing here waits without a limit but that thread.

mod session;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    event::Event,
    frame::{Decoder, PREFACE, encode},
    message::{Failure, Hello, Op, Outgoing, RequestId, VERSION},
    reply::{self, Received, Welcome},
};

pub use self::{
    session::{How, News, OpenError, Session, Verdict},
    stream::{Address, ConnectError, Distrust, Stream},
};

/// How long a server has for its first answer: a choice, over what a busy machine and a far network take.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(5);

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum Lost {
    #[error("the server closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("what the server sent is not the protocol: {0}")]
    Garbage(String),
    #[error("the connection was given up")]
    GivenUp,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum CallError {
    #[error(transparent)]
    Refused(#[from] Failure),
    #[error("no answer to `{op}` within {deadline:?}")]
    Timeout { op: &'static str, deadline: Duration },
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("the answer to `{op}` is not understood: {why}")]
    Answer { op: &'static str, why: String },
    #[error("`{op}` has {length} bytes, over the server's limit of {limit}")]
    TooLong { op: &'static str, length: usize, limit: usize },
}

/// What comes without being asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// An event.
    Event(Event),
    /// The connection is over; nothing follows.
    Lost(Lost),
}

/// Takes an answer, in the reading thread.
type Then = Box<dyn FnOnce(Result<Value, CallError>) + Send>;

/// A connection to a server. Clones are the same connection; it closes with [`close`](Self::close) or with the last of
/// them.
#[derive(Clone)]
pub struct Client(Arc<Handle>);

/// Closes the connection when nobody has a [`Client`] any more.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lose(Lost::GivenUp);
    }
}

struct Shared {
    stream: Stream,
    state: Mutex<State>,
    /// Held while a request is sent: requests are whole on the wire, and in the order of their numbers.
    sending: Mutex<Vec<u8>>,
}

struct State {
    next: RequestId,
    waiting: HashMap<RequestId, Then>,
    lost: Option<Lost>,
    frame_max: usize,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    /// Says hello on `stream` as the client called `name`. Events go to `incoming`, in a thread of the connection's own.
    ///
    /// # Errors
    /// The server refuses, does not answer in [`HELLO_DEADLINE`], or is none.
    pub fn start(
        stream: Stream,
        name: &str,
        incoming: impl FnMut(Incoming) + Send + 'static,
    ) -> Result<(Client, Welcome), CallError> {
        let token = stream.token();
        let shared = Arc::new(Shared {
            stream,
            state: Mutex::new(State {
                next: 1,
                waiting: HashMap::new(),
                lost: None,
                frame_max: crate::frame::HELLO_MAX,
            }),
            sending: Mutex::new(PREFACE.to_vec()),
        });
        let reader = Arc::clone(&shared);
        thread::Builder::new()
            .name("keelback-client".into())
            .spawn(move || reader.read(incoming))
            .map_err(|error| Lost::Broken(error.to_string()))?;
        let client = Client(Arc::new(Handle(shared)));
        let hello = Hello { version: VERSION, client: name.to_owned(), token };
        let welcome = client.call(&hello, HELLO_DEADLINE)?;
        lock(&client.shared().state).frame_max = welcome.frame_max.min(crate::frame::FRAME_MAX);
        Ok((client, welcome))
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub fn lost(&self) -> Option<Lost> {
        lock(&self.shared().state).lost.clone()
    }

    /// Ends the connection; calls that wait are answered with [`Lost::GivenUp`].
    pub fn close(&self) {
        self.shared().lose(Lost::GivenUp);
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The server refuses, or there is no answer within the deadline: one that comes later is dropped.
    pub fn call<O: Op>(&self, request: &O, deadline: Duration) -> Result<O::Reply, CallError> {
        let (sender, answer) = channel();
        let id = self.send_raw(request, Box::new(move |answer| drop(sender.send(answer))))?;
        match answer.recv_timeout(deadline) {
            Ok(answer) => body::<O>(answer),
            Err(RecvTimeoutError::Timeout) => {
                lock(&self.shared().state).waiting.remove(&id);
                Err(CallError::Timeout { op: O::NAME, deadline })
            }
            Err(RecvTimeoutError::Disconnected) => Err(Lost::Closed.into()),
        }
    }

    /// Asks; `then` is given the answer in the reading thread, exactly once. The number of the request.
    ///
    /// # Errors
    /// The request cannot be sent: `then` is not called.
    pub fn send<O: Op>(
        &self,
        request: &O,
        then: impl FnOnce(Result<O::Reply, CallError>) + Send + 'static,
    ) -> Result<RequestId, CallError> {
        self.send_raw(request, Box::new(move |answer| then(body::<O>(answer))))
    }

    fn send_raw<O: Op>(&self, request: &O, then: Then) -> Result<RequestId, CallError> {
        let shared = self.shared();
        let mut bytes = lock(&shared.sending);
        let before = bytes.len();
        let (id, limit) = {
            let mut state = lock(&shared.state);
            if let Some(lost) = &state.lost {
                return Err(lost.clone().into());
            }
            state.next += 1;
            (state.next - 1, state.frame_max)
        };
        let too_long = |length| CallError::TooLong { op: O::NAME, length, limit };
        encode(&Outgoing::new(id, request), &mut bytes).map_err(|error| match error {
            crate::frame::FrameError::TooLong { length, .. } => too_long(length),
            crate::frame::FrameError::NoPreface => too_long(0),
        })?;
        let length = bytes.len() - before - 4;
        if length > limit {
            bytes.truncate(before);
            return Err(too_long(length));
        }
        {
            // Before it is sent: the answer may be there before the call comes back.
            let mut state = lock(&shared.state);
            if let Some(lost) = &state.lost {
                return Err(lost.clone().into());
            }
            state.waiting.insert(id, then);
        }
        let sent = shared.stream.write_all(&bytes);
        bytes.clear();
        drop(bytes);
        if let Err(error) = sent {
            // Half a request may be on the wire: nothing can follow it. `then` is told with all the others.
            shared.lose(Lost::Broken(error.to_string()));
        }
        Ok(id)
    }
}

fn body<O: Op>(answer: Result<Value, CallError>) -> Result<O::Reply, CallError> {
    reply::body(answer?).map_err(|error| CallError::Answer { op: O::NAME, why: error.to_string() })
}

impl Shared {
    /// Ends the connection, for the first reason that is given, and answers all that wait.
    fn lose(&self, why: Lost) -> Lost {
        let (why, waiting) = {
            let mut state = lock(&self.state);
            let why = state.lost.get_or_insert(why).clone();
            (why, std::mem::take(&mut state.waiting))
        };
        self.stream.shutdown();
        for then in waiting.into_values() {
            then(Err(why.clone().into()));
        }
        why
    }

    fn read(&self, mut incoming: impl FnMut(Incoming)) {
        let why = self.read_until_lost(&mut incoming);
        let why = self.lose(why);
        incoming(Incoming::Lost(why));
    }

    fn read_until_lost(&self, incoming: &mut impl FnMut(Incoming)) -> Lost {
        let mut decoder = Decoder::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Lost::Closed,
                Ok(count) => decoder.push(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Lost::Broken(error.to_string()),
            }
            loop {
                match decoder.next_frame() {
                    Ok(None) => break,
                    Ok(Some(frame)) => match reply::read(frame) {
                        Some(received) => self.receive(received, incoming),
                        None => return Lost::Garbage("a frame is no message".into()),
                    },
                    Err(error) => return Lost::Garbage(error.to_string()),
                }
            }
        }
    }

    fn receive(&self, received: Received, incoming: &mut impl FnMut(Incoming)) {
        match received {
            Received::Event(Some(event)) => incoming(Incoming::Event(event)),
            // Of a later version of the protocol.
            Received::Event(None) => {}
            Received::Response(id, answer) => {
                // One without a number is about something the server could not read: nobody waits for it by number.
                let then = id.and_then(|id| lock(&self.state).waiting.remove(&id));
                if let Some(then) = then {
                    then(answer.map_err(CallError::Refused));
                }
            }
        }
    }
}
