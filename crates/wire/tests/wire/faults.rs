//! What goes wrong: clients that die, stall, flood or talk nonsense, and a disk that is full.

use std::{
    io::{Read, Write},
    thread,
};

use keelback_wire::{
    application::Audit,
    event::{Body, Stream},
    frame::{FRAME_MAX, PREFACE},
    message::{Attach, Code, Hello, List},
    reply::{Outcome, Received},
    server::{Config, Limits},
};

use crate::peer::{Client, eval, serve};

#[test]
fn a_client_that_dies_in_the_middle_of_output_leaves_its_session() {
    let served = serve(Config::default());
    let mut client = served.client();
    let session = client.open().session;
    client.send(&eval(&session, "flood 20000"));
    // The flood has begun; nobody reads the rest.
    client.next();
    drop(client);
    let mut again = served.client();
    again.call(&Attach { session: session.clone(), after: None }).expect("it outlives its client");
    assert_eq!(again.eval(&session, "1+1").outcome, Outcome::Done);
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_and_goes_on_later() {
    let served = serve(Config::default());
    let (mut lazy, mut busy) = (served.client(), served.client());
    let session = lazy.open().session;
    busy.call(&Attach { session: session.clone(), after: None }).expect("there");
    for _ in 0..4 {
        let outcome = busy.eval(&session, "flood 5000");
        assert_eq!(outcome.outcome, Outcome::Done);
    }
    let asked = lazy.send(&List {});
    lazy.response(asked).expect("it reads again");
    let outs = |client: &Client<_>| -> (usize, u64) {
        let outs = client.events.iter().filter_map(|event| match &event.body {
            Body::Out(out) => Some((out.text.len(), out.dropped)),
            _ => None,
        });
        outs.fold((0, 0), |(bytes, lost), out| (bytes + out.0, lost + out.1))
    };
    served.application.handle().output(&session, Stream::Out, "end");
    while !lazy.events.last().is_some_and(|event| matches!(&event.body, Body::Out(out) if out.text == "end")) {
        lazy.next_event();
    }
    let (bytes, lost) = outs(&lazy);
    assert_eq!(bytes + usize::try_from(lost).expect("bytes"), 4 * 5000 * 1024 + 3);
    assert!(lost > 0, "more than a socket, a buffer and the ring hold");
}

#[test]
fn a_hundred_clients_at_once() {
    let served = serve(Config { limits: Limits { sessions: 100, ..Limits::default() }, ..Config::default() });
    thread::scope(|scope| {
        for number in 0..100 {
            let served = &served;
            scope.spawn(move || {
                let mut client = served.client();
                let session = client.open().session;
                client.eval(&session, &format!("print {number}"));
                assert_eq!(client.text(), format!("{number}\n"));
            });
        }
    });
    assert_eq!(served.client().call(&List {}).expect("a list").sessions.len(), 100);
}

#[test]
fn more_connections_than_allowed_are_closed() {
    let served = serve(Config { limits: Limits { connections: 2, ..Limits::default() }, ..Config::default() });
    let (_one, two) = (served.client(), served.client());
    let mut third = served.connect();
    assert_eq!(third.read(&mut [0; 1]).expect("closed"), 0);
    drop(two);
    // The place is free once the server has seen the end.
    while !served.application.audits().contains(&Audit::Disconnected(2)) {
        thread::yield_now();
    }
    served.client();
}

#[test]
fn slow_and_half_open_connections_hold_up_nobody() {
    let served = serve(Config::default());
    let _silent: Vec<_> = (0..50).map(|_| served.connect()).collect();
    let mut half = served.connect();
    half.write_all(&PREFACE[..3]).expect("the server reads");
    let mut slow = Client::silent(served.connect());
    let mut client = served.client();
    let session = client.open().session;
    for byte in PREFACE {
        slow.write(&[byte]);
        assert_eq!(client.eval(&session, "1+1").outcome, Outcome::Done);
    }
    slow.call(&Hello { version: 1, ..Hello::default() }).expect("slow is no fault");
}

#[test]
fn half_open_connections_are_closed_in_time() {
    let limits = Limits { handshake: std::time::Duration::from_millis(1), ..Limits::default() };
    let served = serve(Config { limits, ..Config::default() });
    let mut half = served.connect();
    half.write_all(&PREFACE).expect("the server reads");
    let mut got = Vec::new();
    half.read_to_end(&mut got).expect("the end");
    assert_eq!(got, PREFACE);
}

#[test]
fn garbage_and_long_frames_end_a_connection_and_no_other() {
    let served = serve(Config::default());
    let mut client = served.client();
    let session = client.open().session;
    let longer = u32::try_from(FRAME_MAX + 1).expect("four bytes").to_be_bytes();
    let mut known = served.client();
    known.write(&longer);
    match known.next() {
        Some(Received::Response(None, Err(failure))) => assert_eq!(failure.code, Code::Limit),
        other => panic!("{other:?}"),
    }
    assert!(known.next().is_none());
    for garbage in [[&PREFACE[..], &[0xff; 64]].concat(), [&PREFACE[..], &[0, 0, 0, 2], b"[]"].concat(), vec![0; 300]] {
        let mut stream = served.connect();
        stream.write_all(&garbage).expect("the server reads");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.starts_with(&PREFACE));
    }
    assert_eq!(client.eval(&session, "1+1").outcome, Outcome::Done);
}

#[test]
fn another_version_is_told() {
    let served = serve(Config::default());
    let mut client = Client::silent(served.connect());
    client.write(&PREFACE);
    let failure = client.call(&Hello { version: 2, ..Hello::default() }).expect_err("another version");
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (Code::Version, "this server speaks version 1 of the protocol, not 2")
    );
    assert!(client.next().is_none());
}

#[cfg(target_os = "linux")] // Elsewhere there is no device that is always full.
#[test]
fn a_full_disk_is_told_once_and_the_service_goes_on() {
    let served = serve(Config { transcript: Some("/dev/full".into()), ..Config::default() });
    let mut client = served.client();
    let session = client.open().session;
    for _ in 0..5 {
        assert_eq!(client.eval(&session, "1+1").outcome, Outcome::Done);
    }
    served.server.stop();
    let audits = served.application.audits();
    let warnings: Vec<_> = audits.iter().filter(|audit| matches!(audit, Audit::Warning(_))).collect();
    assert_eq!(warnings, [&Audit::Warning("transcript `/dev/full`: No space left on device (os error 28)".into())]);
}
