//! `docs/protocol.md` says what the code does: its examples are read by it, and nothing is left out.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    event::Body,
    message::{Code, Request, read_request},
    reply::{Received, read},
    server::Limits,
};

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

/// Examples that one side sends.
fn examples(arrow: &str) -> impl Iterator<Item = &str> {
    DOCUMENT.lines().filter_map(move |line| line.strip_prefix(arrow))
}

/// The first column of the rows of a table whose header begins with `title`.
fn column(title: &str) -> BTreeSet<&'static str> {
    let header = format!("| {title} |");
    let (_, table) = DOCUMENT.split_once(&header).expect("the table is there");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).expect("a name in backticks")).collect()
}

#[test]
fn every_request_has_an_example_and_an_answer() {
    let mut sent: Vec<(u64, &str)> = Vec::new();
    for example in examples("> ") {
        let (id, request) = read_request(example.as_bytes());
        sent.push((id.expect("an id"), request.expect(example).name()));
    }
    let mut answered = BTreeSet::new();
    for example in examples("< ").filter(|example| !example.contains("\"event\"")) {
        match read(example.as_bytes()) {
            Some(Received::Response(id, Ok(reply))) => {
                let (_, op) = sent.iter().find(|(sent, _)| Some(*sent) == id).expect(example);
                assert!(Request::has_reply(op, reply), "{example}");
                answered.insert(*op);
            }
            Some(Received::Response(_, Err(_))) => {}
            other => panic!("{example}: {other:?}"),
        }
    }
    let all: BTreeSet<&str> = Request::NAMES.iter().copied().collect();
    assert_eq!(answered, all);
    assert_eq!(column("request"), all);
}

#[test]
fn every_event_has_an_example() {
    let mut told = BTreeSet::new();
    for example in examples("< ").filter(|example| example.contains("\"event\"")) {
        assert!(matches!(read(example.as_bytes()), Some(Received::Event(Some(_)))), "{example}");
        let event: Value = serde_json::from_str(example).expect("JSON");
        told.insert(event["event"].as_str().expect("a name").to_owned());
    }
    let all: BTreeSet<&str> = Body::NAMES.iter().copied().collect();
    assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), all);
    assert_eq!(column("event"), all);
}

#[test]
fn every_code_is_there() {
    let all = [
        Code::Version,
        Code::Unauthorized,
        Code::BadRequest,
        Code::UnknownOp,
        Code::Unknown,
        Code::Limit,
        Code::ReadOnly,
        Code::Timeout,
        Code::Unsupported,
        Code::Closed,
    ];
    let names = all.map(|code| serde_json::to_string(&code).expect("plain data").trim_matches('"').to_owned());
    assert_eq!(column("code"), names.iter().map(String::as_str).collect());
}

#[test]
fn the_limits_are_those_of_the_code() {
    let limits = Limits::default();
    for (name, value) in [
        ("connections", limits.connections.to_string()),
        ("sessions", limits.sessions.to_string()),
        ("cells that wait, in a session", limits.cells.to_string()),
        ("requests that wait for the program, of a connection", limits.asks.to_string()),
        ("events of a session that no client has", format!("{} MiB", limits.ring_bytes >> 20)),
        ("events kept of a session that some client has", format!("{} MiB", limits.told_bytes >> 20)),
        ("bytes waiting for a connection", format!("{} KiB", limits.buffer_bytes >> 10)),
        ("a shown value", format!("{} KiB", limits.quota >> 10)),
        ("a session without connections", format!("{} s", limits.grace.expect("by default").as_secs())),
        ("a connection until its `hello`", format!("{} s", limits.handshake.as_secs())),
        ("an answer of the program", format!("{} s", limits.answer.as_secs())),
        ("a frame", format!("{} MiB", crate::frame::FRAME_MAX >> 20)),
        ("a frame before `hello` is answered", format!("{} KiB", crate::frame::HELLO_MAX >> 10)),
        ("text a client skips before the preface", format!("{} KiB", crate::frame::GREETING_MAX >> 10)),
    ] {
        assert!(DOCUMENT.contains(&format!("| {name} | {value} |")), "{name}: {value}");
    }
}
