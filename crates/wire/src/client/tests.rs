//! The client before a server that a test plays, frame by frame.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::*;
use crate::{
    event::{Body, State},
    message::{Check, Code, Failure, List},
    reply::{Completeness, Opened, Outcome},
};

/// Long: only a test that fails waits for it.
const LONG: Duration = Duration::from_secs(60);

/// The server's end of a connection.
struct Fake {
    stream: UnixStream,
    decoder: Decoder,
}

impl Fake {
    fn new(stream: UnixStream) -> Fake {
        stream.set_read_timeout(Some(LONG)).expect("a time");
        let mut fake = Fake { stream, decoder: Decoder::of_server() };
        // A client that has gone already is found out by what is expected of it.
        drop(fake.stream.write_all(&PREFACE));
        fake
    }

    /// The next request, which is to be `op`: its number and fields.
    fn expect(&mut self, op: &str) -> (u64, Map<String, Value>) {
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("a frame") {
                let mut fields: Map<String, Value> = serde_json::from_slice(frame).expect("a request");
                assert_eq!(fields.remove("op"), Some(op.into()), "{fields:?}");
                let id = fields.remove("id").and_then(|id| id.as_u64()).expect("a number");
                self.decoder.set_limit(crate::frame::FRAME_MAX);
                return (id, fields);
            }
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).expect("bytes");
            assert!(count > 0, "the client has gone before `{op}`");
            self.decoder.push(&bytes[..count]);
        }
    }

    fn send(&mut self, message: &Value) {
        let mut bytes = Vec::new();
        encode(message, &mut bytes).expect("short");
        self.stream.write_all(&bytes).expect("a client");
    }

    fn answer(&mut self, id: u64, ok: Value) {
        self.send(&json!({"id": id, "ok": ok}));
    }

    fn refuse(&mut self, id: u64, code: Code) {
        self.send(&json!({"id": id, "error": Failure::new(code, "no")}));
    }

    fn welcome(&mut self) {
        let (id, fields) = self.expect("hello");
        assert_eq!(fields["version"], VERSION);
        self.answer(id, welcome(7));
    }

    /// Whether the client has closed its end.
    fn is_left(&mut self) -> bool {
        self.stream.read(&mut [0; 64]).is_ok_and(|count| count == 0)
    }
}

fn welcome(pid: u32) -> Value {
    json!({"version": 1, "client": 1, "program": "app.py", "pid": pid, "python": "3.13.0", "banner": "",
           "read_only": false, "has_loop": true, "frame_max": 1000})
}

fn opened(seq: u64, missed: u64, running: Option<u64>) -> Value {
    json!({"session": "a", "seq": seq, "missed": missed, "running": running, "needs_input": null,
           "prompts": [">>> ", "... "]})
}

fn evaluated(cell: u64) -> Value {
    json!({"cell": cell, "outcome": "done", "wall_s": 0.5, "cpu_s": 0.25, "prompts": null})
}

fn out(seq: u64, text: &str) -> Value {
    json!({"event": "out", "session": "a", "seq": seq, "stream": "out", "text": text})
}

fn status(seq: u64, state: &str, cell: u64, by: Option<(u64, u64)>) -> Value {
    json!({"event": "status", "session": "a", "seq": seq, "state": state, "cell": cell, "by": by})
}

/// A client, or why there is none.
type Started = Result<(Client, Welcome), CallError>;

/// A client before a server that does `play`.
fn with<T: Send + 'static>(
    play: impl FnOnce(Fake) -> T + Send + 'static,
) -> (Started, Receiver<Incoming>, thread::JoinHandle<T>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let server = thread::spawn(move || play(Fake::new(theirs)));
    let (sender, incoming) = channel();
    let stream = Stream::try_from(ours).expect("a stream");
    let client = Client::start(stream, "test", move |message| drop(sender.send(message)));
    (client, incoming, server)
}

fn check(source: &str) -> Check {
    Check { session: "a".into(), source: source.into(), lines: false }
}

#[test]
fn answers_find_their_calls_in_any_order() {
    let (client, _, server) = with(|mut fake| {
        fake.welcome();
        let (first, _) = fake.expect("check");
        let (second, _) = fake.expect("list");
        fake.answer(99, json!({})); // nobody asked
        fake.send(&json!({"event": "of a later version"}));
        fake.answer(second, json!({"sessions": []}));
        fake.answer(first, json!({"completeness": "invalid"}));
    });
    let (client, welcome) = client.expect("a server");
    assert_eq!((welcome.pid, welcome.program.as_str()), (7, "app.py"));
    let (sender, checked) = channel();
    client.send(&check("("), move |answer| drop(sender.send(answer))).expect("sent");
    assert_eq!(client.call(&List {}, LONG).expect("a list").sessions, []);
    let checked = checked.recv_timeout(LONG).expect("an answer").expect("no failure");
    assert_eq!(checked.completeness, Completeness::Invalid);
    server.join().expect("the server");
}

#[test]
fn an_answer_that_is_late_is_dropped() {
    let (client, incoming, server) = with(|mut fake| {
        fake.welcome();
        let (late, _) = fake.expect("list");
        let (id, _) = fake.expect("check");
        fake.answer(late, json!({"sessions": []}));
        fake.answer(id, json!({"completeness": "complete"}));
        assert!(fake.is_left());
    });
    let (client, _) = client.expect("a server");
    let error = client.call(&List {}, Duration::ZERO).expect_err("no time");
    assert!(matches!(error, CallError::Timeout { op: "list", .. }), "{error}");
    assert_eq!(client.call(&check("1"), LONG).expect("an answer").completeness, Completeness::Complete);
    client.close();
    assert_eq!(incoming.recv_timeout(LONG), Ok(Incoming::Lost(Lost::GivenUp)));
    server.join().expect("the server");
}

#[test]
fn dropping_the_last_client_closes() {
    let (client, incoming, server) = with(|mut fake| {
        fake.welcome();
        fake.is_left()
    });
    let (client, _) = client.expect("a server");
    drop(client.clone());
    assert_eq!(client.lost(), None);
    drop(client);
    assert!(server.join().expect("the server"));
    assert_eq!(incoming.recv_timeout(LONG), Ok(Incoming::Lost(Lost::GivenUp)));
}

#[test]
fn a_server_that_refuses_says_why() {
    for code in [Code::Version, Code::Unauthorized] {
        let (client, ..) = with(move |mut fake| {
            let (id, _) = fake.expect("hello");
            fake.refuse(id, code);
        });
        assert_eq!(client.expect_err("refused"), CallError::Refused(Failure::new(code, "no")));
    }
}

#[test]
fn what_is_no_server_is_told_apart() {
    let garbage: [(&[u8], &str); 3] = [
        (b"\0\0\0\x02{}", "a frame is no message"),
        (b"\0\0\0\x02\xff\xff", "a frame is no message"),
        (b"\xff\xff\xff\xff", "a frame of 4294967295 bytes is longer than the limit"),
    ];
    for (bytes, why) in garbage {
        let (client, ..) = with(move |mut fake| {
            fake.expect("hello");
            fake.stream.write_all(bytes).expect("a client");
            fake.is_left()
        });
        let error = client.expect_err("no server").to_string();
        assert!(error.contains(why), "{error}");
    }
    let (client, ..) = with(drop);
    assert!(matches!(client, Err(CallError::Lost(_))));
}

#[test]
fn what_greets_is_waited_for_and_what_only_talks_is_none() {
    let play = |before: Vec<u8>| {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let server = thread::spawn(move || {
            // The client leaves as soon as it knows that this is no server.
            let sent = theirs.write_all(&before);
            let mut fake = Fake::new(theirs);
            if sent.is_ok() && before.ends_with(b">>> ") {
                fake.welcome();
            }
            fake.is_left()
        });
        let stream = Stream::try_from(ours).expect("a stream");
        let started = Client::start(stream, "test", drop).map(drop);
        server.join().expect("the server");
        started
    };
    assert_eq!(play(b"Python 3.13\n>>> ".to_vec()), Ok(()));
    let talk = play(vec![b'x'; crate::frame::GREETING_MAX + 1]).expect_err("no server");
    assert!(talk.to_string().contains("does not begin with the protocol's preface"), "{talk}");
    assert!(play(b"\0elf".to_vec()).is_err());
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let (client, _, server) = with(|mut fake| {
        fake.expect("hello");
        fake.is_left()
    });
    assert!(matches!(client, Err(CallError::Timeout { op: "hello", .. })));
    assert!(server.join().expect("the server"));
}

#[test]
fn an_answer_of_another_shape_is_an_error_of_its_call_alone() {
    let (client, _, server) = with(|mut fake| {
        fake.welcome();
        let (id, _) = fake.expect("list");
        fake.answer(id, json!({"sessions": 3}));
        let (id, _) = fake.expect("list");
        fake.answer(id, json!({"sessions": []}));
    });
    let (client, _) = client.expect("a server");
    assert!(matches!(client.call(&List {}, LONG), Err(CallError::Answer { op: "list", .. })));
    assert!(client.call(&List {}, LONG).is_ok());
    server.join().expect("the server");
}

#[test]
fn what_the_server_would_not_take_is_not_sent() {
    let (client, _, server) = with(|mut fake| {
        fake.welcome();
        let (id, _) = fake.expect("list");
        fake.answer(id, json!({"sessions": []}));
    });
    let (client, _) = client.expect("a server");
    let error = client.call(&check(&"x".repeat(2000)), LONG).expect_err("too long");
    assert!(matches!(error, CallError::TooLong { op: "check", limit: 1000, .. }), "{error}");
    assert!(client.call(&List {}, LONG).is_ok());
    server.join().expect("the server");
}

#[test]
fn calls_that_wait_are_told_when_the_server_goes() {
    let (client, incoming, server) = with(|mut fake| {
        fake.welcome();
        fake.expect("check");
        fake.expect("list");
    });
    let (client, _) = client.expect("a server");
    let (sender, checked) = channel();
    client.send(&check("1"), move |answer| drop(sender.send(answer))).expect("sent");
    assert!(matches!(client.call(&List {}, LONG), Err(CallError::Lost(_))));
    assert!(matches!(checked.recv_timeout(LONG), Ok(Err(CallError::Lost(_)))));
    assert!(matches!(incoming.recv_timeout(LONG), Ok(Incoming::Lost(_))));
    assert!(matches!(client.call(&List {}, LONG), Err(CallError::Lost(_))));
    server.join().expect("the server");
}

// -- sessions ---------------------------------------------------------------------------------------------------------

/// A session before a server that does `play` with its listener.
struct Stage {
    session: Result<(Session, Opened), OpenError>,
    news: Receiver<News>,
    server: thread::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

fn stage(how: How, play: impl FnOnce(&dyn Fn() -> Fake, UnixListener) + Send + 'static) -> Stage {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("a socket");
    let gone = path.clone();
    let server = thread::spawn(move || {
        let other = listener.try_clone().expect("a descriptor");
        let accept = move || Fake::new(other.accept().expect("a client").0);
        play(&accept, listener);
        // As a program that has ended.
        drop(std::fs::remove_file(gone));
    });
    let (sender, news) = channel();
    let session = Session::open(Address::Unix(path), "test", &how, Some(80), move |message| drop(sender.send(message)));
    Stage { session, news, server, _folder: folder }
}

fn new() -> How {
    How::New(None)
}

fn enter(fake: &mut Fake) {
    fake.welcome();
    let (id, fields) = fake.expect("open");
    assert_eq!(fields["columns"], 80);
    fake.answer(id, opened(0, 0, None));
}

fn attach(fake: &mut Fake, after: u64, answer: Value) {
    fake.welcome();
    let (id, fields) = fake.expect("attach");
    assert_eq!((fields["session"].as_str(), fields["after"].as_u64()), (Some("a"), Some(after)));
    fake.answer(id, answer);
    fake.expect("resize");
}

impl Stage {
    /// Whether the session was told to be open before all else.
    fn entered(self) -> Self {
        assert!(matches!(self.next(), News::Entered(_)));
        self
    }

    fn session(&self) -> &Session {
        &self.session.as_ref().expect("a session").0
    }

    fn next(&self) -> News {
        self.news.recv_timeout(LONG).expect("news")
    }

    fn text(&self) -> String {
        match self.next() {
            News::Event { event, .. } => match event.body {
                Body::Out(out) => out.text,
                Body::Status(status) => format!("{:?}", status.state).to_lowercase(),
                body => panic!("{body:?}"),
            },
            news => format!("{news:?}").to_lowercase().chars().take(4).collect(),
        }
    }

    fn eval(&self) -> Receiver<Verdict> {
        let (sender, verdict) = channel();
        self.session().eval("x".into(), None, move |verdict| drop(sender.send(verdict))).expect("sent");
        verdict
    }
}

#[test]
fn a_cell_is_answered_after_what_it_printed() {
    let stage = stage(new(), |accept, _| {
        let mut fake = accept();
        enter(&mut fake);
        let (id, fields) = fake.expect("eval");
        assert_eq!(fields["source"], "x");
        fake.send(&status(1, "busy", 1, Some((1, id))));
        fake.send(&out(2, "hello\n"));
        fake.answer(id, evaluated(1));
        assert!(fake.is_left());
    })
    .entered();
    let verdict = stage.eval();
    assert!(matches!(verdict.recv_timeout(LONG), Ok(Verdict::Ended(ended)) if ended.outcome == Outcome::Done));
    assert!(matches!(stage.next(), News::Event { own: true, .. }));
    assert_eq!(stage.text(), "hello\n");
    let Stage { session, server, .. } = stage;
    drop(session);
    server.join().expect("the server");
}

#[test]
fn a_session_that_is_there_or_not() {
    let attached = stage(How::Join { name: "a".into(), replay: true }, |accept, _| {
        let mut fake = accept();
        fake.welcome();
        let (id, fields) = fake.expect("attach");
        assert_eq!(fields["after"], 0);
        fake.answer(id, opened(0, 0, Some(3)));
        assert!(fake.is_left());
    })
    .entered();
    assert_eq!(attached.session.as_ref().expect("a session").1.running, Some(3));
    drop(attached.session);
    attached.server.join().expect("the server");
    let opened_anew = stage(How::Join { name: "a".into(), replay: true }, |accept, _| {
        let mut fake = accept();
        fake.welcome();
        let (id, _) = fake.expect("attach");
        fake.refuse(id, Code::Unknown);
        let (id, fields) = fake.expect("open");
        assert_eq!(fields["name"], "a");
        fake.answer(id, opened(0, 0, None));
        assert!(fake.is_left());
    })
    .entered();
    assert_eq!(opened_anew.session().name(), "a");
    drop(opened_anew.session);
    opened_anew.server.join().expect("the server");
}

#[test]
fn what_is_missed_while_away_comes_after_all() {
    let stage = stage(new(), |accept, _| {
        let mut fake = accept();
        enter(&mut fake);
        fake.send(&out(1, "one"));
        drop(fake);
        let mut fake = accept();
        attach(&mut fake, 1, opened(4, 3, None));
        fake.send(&out(5, "five"));
        assert!(fake.is_left());
    })
    .entered();
    assert_eq!([stage.text(), stage.text()], ["one", "away"]);
    assert_eq!(stage.next(), News::Back { missed: 3 });
    assert_eq!(stage.text(), "five");
    let Stage { session, server, .. } = stage;
    drop(session);
    server.join().expect("the server");
}

#[test]
fn a_cell_that_ran_on_while_away_is_told_to_be_over() {
    let stage = stage(new(), |accept, _| {
        let mut fake = accept();
        enter(&mut fake);
        let (id, _) = fake.expect("eval");
        fake.send(&status(1, "busy", 4, Some((1, id))));
        drop(fake);
        let mut fake = accept();
        attach(&mut fake, 1, opened(1, 0, Some(4)));
        let (id, _) = fake.expect("list");
        fake.answer(
            id,
            json!({"sessions": [{"name": "a", "age_s": 1.0, "clients": 1, "cells": 4, "running": 4,
                                             "expires_s": null}]}),
        );
        fake.send(&out(2, "on"));
        // It stops nobody else's cell.
        let (id, fields) = fake.expect("interrupt");
        assert_eq!((fields["cell"].as_u64(), fields.get("request")), (Some(4), None));
        fake.answer(id, json!({"state": "sent"}));
        fake.send(&status(3, "idle", 3, None));
        fake.send(&status(4, "idle", 4, None));
        assert!(fake.is_left());
    })
    .entered();
    let verdict = stage.eval();
    assert_eq!([stage.text(), stage.text(), stage.text()], ["busy", "away", "back"]);
    assert_eq!(stage.text(), "on");
    assert!(verdict.try_recv().is_err());
    let (sender, interrupted) = channel();
    stage.session().interrupt(None, move |answer| drop(sender.send(answer))).expect("sent");
    assert!(interrupted.recv_timeout(LONG).expect("an answer").is_ok());
    assert_eq!(verdict.recv_timeout(LONG), Ok(Verdict::Unseen));
    let Stage { session, server, .. } = stage;
    drop(session);
    server.join().expect("the server");
}

#[test]
fn a_cell_that_never_arrived_is_not_waited_for() {
    let stage = stage(new(), |accept, _| {
        let mut fake = accept();
        enter(&mut fake);
        fake.expect("eval");
        drop(fake);
        let mut fake = accept();
        attach(&mut fake, 0, opened(0, 0, None));
        let (id, _) = fake.expect("list");
        fake.answer(id, json!({"sessions": []}));
        assert!(fake.is_left());
    })
    .entered();
    assert_eq!(stage.eval().recv_timeout(LONG), Ok(Verdict::Unseen));
    let Stage { session, server, .. } = stage;
    drop(session);
    server.join().expect("the server");
}

#[test]
fn a_program_that_ends_is_told_at_once() {
    let stage = stage(new(), |accept, listener| {
        let mut fake = accept();
        enter(&mut fake);
        fake.expect("eval");
        // The socket refuses before the connection is gone, as both do at once when a process is killed.
        rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).expect("a listener");
    })
    .entered();
    let verdict = stage.eval();
    assert_eq!(stage.text(), "away");
    assert_eq!(stage.next(), News::Gone("the program has ended".into()));
    assert!(verdict.recv_timeout(LONG).is_err());
    stage.server.join().expect("the server");
}

#[test]
fn nothing_is_tried_again_where_that_is_in_vain() {
    type Play = fn(&mut Fake);
    let cases: [(Play, &str); 3] = [
        (
            |fake| {
                let (id, _) = fake.expect("hello");
                fake.answer(id, welcome(8));
            },
            "another program serves there now, pid 8",
        ),
        (
            |fake| {
                fake.welcome();
                let (id, _) = fake.expect("attach");
                fake.refuse(id, Code::Unknown);
            },
            "the session has ended",
        ),
        (
            |fake| {
                let (id, _) = fake.expect("hello");
                fake.refuse(id, Code::Version);
            },
            "no",
        ),
    ];
    for (play, why) in cases {
        let stage = stage(new(), move |accept, _| {
            let mut fake = accept();
            enter(&mut fake);
            drop(fake);
            let mut fake = accept();
            play(&mut fake);
            assert!(fake.is_left());
        })
        .entered();
        assert_eq!(stage.text(), "away");
        assert_eq!(stage.next(), News::Gone(why.into()));
        stage.server.join().expect("the server");
    }
}

#[test]
fn garbage_ends_a_session() {
    let stage = stage(new(), |accept, _| {
        let mut fake = accept();
        enter(&mut fake);
        fake.stream.write_all(b"\0\0\0\x01[").expect("a client");
        assert!(fake.is_left());
    })
    .entered();
    let why = "what the server sent is not the protocol: a frame is no message";
    assert_eq!(stage.next(), News::Gone(why.into()));
    stage.server.join().expect("the server");
}

#[test]
fn leaving_says_how_long_the_session_is_kept() {
    let stage = stage(new(), |accept, _| {
        let mut fake = accept();
        enter(&mut fake);
        fake.send(&json!({"event": "status", "session": "a", "seq": 1, "state": "closed"}));
        let (id, _) = fake.expect("detach");
        fake.answer(id, json!({}));
        let (id, _) = fake.expect("list");
        fake.answer(
            id,
            json!({"sessions": [{"name": "a", "age_s": 1.0, "clients": 0, "cells": 1, "running": null,
                                             "expires_s": 60.0}]}),
        );
    })
    .entered();
    assert!(
        matches!(stage.next(), News::Event { event, .. } if matches!(&event.body, Body::Status(s) if s.state == State::Closed))
    );
    assert_eq!(stage.session().detach(), Some(60.0));
    stage.server.join().expect("the server");
    // The server closes, and nobody tries to come back.
    assert!(stage.news.recv_timeout(Duration::ZERO).is_err());
}

#[test]
fn there_is_no_session_without_a_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = Address::Unix(folder.path().join("none"));
    let error = Session::open(address, "test", &new(), None, drop).expect_err("nobody");
    assert!(matches!(error, OpenError::Connect(ConnectError::Nobody { .. })), "{error}");
}
