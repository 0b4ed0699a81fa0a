//! A server in a folder of its own, and clients that block.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use keelback_wire::{
    event::{Body, Event},
    frame::{Decoder, PREFACE, encode},
    message::{Eval, Failure, Hello, Op, Open, Outgoing, RequestId, VERSION},
    reply::{Evaluated, Opened, Received, Welcome, body, read},
    server::{Config, Listener, Server, StartError},
};
use serde_json::Value;

use crate::fake::Fake;

/// A server on a Unix socket.
pub(crate) struct Served {
    pub(crate) server: Server,
    pub(crate) application: Arc<Fake>,
    pub(crate) path: PathBuf,
    pub(crate) _folder: tempfile::TempDir,
}

pub(crate) fn serve(config: Config) -> Served {
    try_serve(config).expect("starts")
}

pub(crate) fn try_serve(config: Config) -> Result<Served, StartError> {
    let folder = tempfile::Builder::new().prefix("kb").tempdir().expect("a folder");
    let path = folder.path().join("s/socket");
    let application = Arc::new(Fake::default());
    let listener = Listener::unix(&path).expect("listens");
    let server = Server::start(config, vec![listener], Arc::clone(&application) as _)?;
    Ok(Served { server, application, path, _folder: folder })
}

impl Served {
    /// A stream that fails a test instead of holding it for ever.
    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        stream
    }

    pub(crate) fn client(&self) -> Client<UnixStream> {
        Client::new(self.connect()).0
    }
}

/// A client that waits for what it wants and keeps what came before.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    decoder: Decoder,
    last: RequestId,
    pub(crate) events: Vec<Event>,
}

impl<S: Read + Write> Client<S> {
    /// A client that has said hello.
    pub(crate) fn new(stream: S) -> (Self, Welcome) {
        let mut client = Client::silent(stream);
        client.write(&PREFACE);
        let hello = Hello { version: VERSION, ..Hello::default() };
        let welcome = client.call(&hello).expect("let in");
        (client, welcome)
    }

    pub(crate) fn silent(stream: S) -> Self {
        Client { stream, decoder: Decoder::new(), last: 0, events: Vec::new() }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    pub(crate) fn send<O: Op>(&mut self, request: &O) -> RequestId {
        self.last += 1;
        let mut bytes = Vec::new();
        encode(&Outgoing::new(self.last, request), &mut bytes).expect("short");
        self.write(&bytes);
        self.last
    }

    /// What comes next; None at the end.
    pub(crate) fn next(&mut self) -> Option<Received> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("frames") {
                return Some(read(frame).expect("a message"));
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.decoder.push(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) fn response(&mut self, id: RequestId) -> Result<Value, Failure> {
        loop {
            match self.next().expect("the server is there") {
                Received::Response(got, result) if got == Some(id) => return result,
                Received::Event(Some(event)) => self.events.push(event),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn call<O: Op>(&mut self, request: &O) -> Result<O::Reply, Failure> {
        let id = self.send(request);
        self.response(id).map(|value| body(value).expect("the reply"))
    }

    pub(crate) fn open(&mut self) -> Opened {
        self.call(&Open::default()).expect("a session")
    }

    pub(crate) fn eval(&mut self, session: &str, source: &str) -> Evaluated {
        self.call(&eval(session, source)).expect("it runs")
    }

    /// Waits for an event.
    pub(crate) fn next_event(&mut self) {
        match self.next().expect("the server is there") {
            Received::Event(Some(event)) => self.events.push(event),
            other => panic!("{other:?}"),
        }
    }

    /// What was shown and printed.
    pub(crate) fn text_so_far(&self) -> String {
        let text = |event: &Event| match &event.body {
            Body::Out(out) => out.text.clone(),
            Body::Shown(shown) => shown.text.clone(),
            Body::Raised(raised) => raised.traceback.clone(),
            _ => String::new(),
        };
        self.events.iter().map(text).collect()
    }

    /// The same, once.
    pub(crate) fn text(&mut self) -> String {
        let text = self.text_so_far();
        self.events.clear();
        text
    }
}

pub(crate) fn eval(session: &str, source: &str) -> Eval {
    Eval { session: session.into(), source: source.into(), ..Eval::default() }
}
