//! The server without sockets, with a clock that is moved by hand.

#[allow(dead_code, reason = "each of the two test programs that share it uses a part")]
#[path = "../../../../tests/wire/fake/mod.rs"]
mod fake;

mod cells;
mod limits;
mod people;
mod random;

use std::{sync::Arc, time::Instant};

use serde_json::Value;

use self::fake::Fake;
use super::{ClientId, Core, Peer};
use crate::{
    application::Handle,
    event::{Body, Event},
    frame::{Decoder, PREFACE, encode},
    message::{Code, Eval, Failure, Hello, Op, Open, Outgoing, RequestId, VERSION},
    reply::{Opened, Received, Welcome, body, read},
    server::{
        Config,
        inbox::{Inbox, Sleep},
    },
    system::{Waker, waker_pair},
};

/// A server, its application and the time.
struct Bench {
    core: Core,
    application: Arc<Fake>,
    inbox: Arc<Inbox>,
    now: Instant,
    /// The other end of the waker, which is to stay open.
    _woken: Waker,
}

impl Bench {
    fn new(config: Config) -> Self {
        use crate::application::Application;

        let (waker, woken) = waker_pair().expect("a pair");
        waker.set_nonblocking(true).expect("a socket");
        let application = Arc::new(Fake::default());
        let inbox = Arc::new(Inbox::new(waker, config.limits.ring_bytes));
        application.started(Arc::clone(&inbox) as Arc<dyn Handle>);
        let core = Core::new(config, Arc::clone(&application) as _);
        Bench { core, application, inbox, now: Instant::now(), _woken: woken }
    }

    /// What the thread does in one turn.
    fn turn(&mut self) {
        let told = self.inbox.take();
        self.core.hear(told, self.now);
        self.core.tick(self.now);
        for client in self.core.clients() {
            self.core.pump(client, self.now);
        }
    }

    /// Moves the clock to the next deadline.
    fn wait(&mut self) {
        self.now = self.core.next_deadline().expect("something is due").max(self.now);
        self.turn();
    }

    /// A connection as from `nc -U`.
    fn person(&mut self) -> ClientId {
        let peer = Peer { name: "test".into(), token: None, plain: true };
        self.core.connect(peer, self.now).expect("room")
    }

    fn write(&mut self, client: ClientId, bytes: &[u8]) {
        self.core.receive(client, bytes, self.now);
    }

    /// Takes what a client was sent, as a client that reads all.
    fn bytes(&mut self, client: ClientId) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            self.turn();
            let Some(output) = self.core.output(client) else { return all };
            let waiting = output.waiting().to_vec();
            output.sent(waiting.len());
            all.extend(&waiting);
            if waiting.is_empty() && self.inbox.sleep(Sleep::Asleep) {
                return all;
            }
        }
    }

    fn text(&mut self, client: ClientId) -> String {
        String::from_utf8(self.bytes(client)).expect("text")
    }

    /// A client that has said nothing but the preface.
    fn silent(&mut self, peer: Peer) -> Client {
        let id = self.core.connect(peer, self.now).expect("room");
        self.write(id, &PREFACE);
        Client { id, decoder: Decoder::new(), last: 0, events: Vec::new(), responses: Vec::new() }
    }

    /// A client that has said hello.
    fn client(&mut self) -> Client {
        let mut client = self.silent(Peer::default());
        client.call(self, &Hello { version: VERSION, ..Hello::default() }).expect("let in");
        client
    }
}

/// A client and what it was told.
struct Client {
    id: ClientId,
    decoder: Decoder,
    last: RequestId,
    events: Vec<Event>,
    responses: Vec<(RequestId, Result<Value, Failure>)>,
}

impl Client {
    fn send<O: Op>(&mut self, bench: &mut Bench, request: &O) -> RequestId {
        self.last += 1;
        let mut bytes = Vec::new();
        encode(&Outgoing::new(self.last, request), &mut bytes).expect("short");
        bench.write(self.id, &bytes);
        self.last
    }

    /// Reads all there is.
    fn read(&mut self, bench: &mut Bench) {
        self.decoder.push(&bench.bytes(self.id));
        while let Some(frame) = self.decoder.next_frame().expect("frames") {
            match read(frame).expect("a message") {
                Received::Event(event) => self.events.push(event.expect("a known event")),
                Received::Response(id, result) => self.responses.push((id.expect("an id"), result)),
            }
        }
    }

    /// The response to a request, if it has come.
    fn response(&mut self, bench: &mut Bench, id: RequestId) -> Option<Result<Value, Failure>> {
        self.read(bench);
        let index = self.responses.iter().position(|(got, _)| *got == id)?;
        Some(self.responses.remove(index).1)
    }

    fn call<O: Op>(&mut self, bench: &mut Bench, request: &O) -> Result<O::Reply, Failure> {
        let id = self.send(bench, request);
        let response = self.response(bench, id).expect("an answer at once");
        response.map(|value| body(value).expect("the reply"))
    }

    fn refused<O: Op>(&mut self, bench: &mut Bench, request: &O) -> Code
    where
        O::Reply: std::fmt::Debug,
    {
        self.call(bench, request).expect_err("a failure").code
    }

    fn open(&mut self, bench: &mut Bench, name: &str) -> Opened {
        self.call(bench, &Open { name: Some(name.into()), columns: None }).expect("a session")
    }

    /// What was told since the last time: sessions, numbers and events in short.
    fn told(&mut self, bench: &mut Bench) -> Vec<String> {
        self.read(bench);
        let brief = |event: Event| {
            let text = match event.body {
                Body::Out(out) if out.text.len() > 20 => format!("{} bytes, lost {}", out.text.len(), out.dropped),
                Body::Out(out) => format!("{:?} {}", out.text, out.dropped),
                Body::Shown(shown) => shown.text,
                Body::Raised(raised) => raised.kind,
                Body::NeedInput(asked) => format!("asks {}", asked.prompt),
                Body::Status(status) => format!("{:?} {:?}", status.state, status.cell),
                Body::Held(held) => format!("held {}", held.held_s),
                Body::Interrupting(interrupting) => format!("interrupting {}", interrupting.cell),
            };
            format!("{} {} {text}", event.session.unwrap_or_default(), event.seq.unwrap_or_default())
        };
        self.events.drain(..).map(brief).collect()
    }
}

fn eval(session: &str, source: &str) -> Eval {
    Eval { session: session.into(), source: source.into(), ..Eval::default() }
}

#[test]
fn hello_comes_first_and_once() {
    let mut bench = Bench::new(Config { read_only: true, ..Config::default() });
    let mut client = bench.client();
    assert_eq!(client.refused(&mut bench, &Hello::default()), Code::BadRequest);
    let mut rude = bench.silent(Peer::default());
    assert_eq!(rude.refused(&mut bench, &Open::default()), Code::BadRequest);
    assert!(bench.core.is_done(rude.id, true) && !bench.core.reads(rude.id));
}

#[test]
fn the_welcome_says_what_the_server_is() {
    let config = Config { program: "p".into(), python: "3.13".into(), has_loop: true, ..Config::default() };
    let mut bench = Bench::new(config);
    let mut client = bench.silent(Peer::default());
    let welcome = client.call(&mut bench, &Hello { version: VERSION, ..Hello::default() }).expect("let in");
    let expected = Welcome {
        version: VERSION,
        client: 1,
        program: "p".into(),
        pid: std::process::id(),
        python: "3.13".into(),
        banner: String::new(),
        read_only: false,
        has_loop: true,
        frame_max: crate::frame::FRAME_MAX,
    };
    assert_eq!(welcome, expected);
}

#[test]
fn another_version_is_told_and_closed() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.silent(Peer::default());
    let failure = client.call(&mut bench, &Hello { version: 99, ..Hello::default() }).expect_err("refused");
    assert_eq!(failure.code, Code::Version);
    assert!(failure.message.contains("99"));
    assert!(bench.core.is_done(client.id, true));
}
