//! Limits and deadlines.

use std::time::Duration;

use super::*;
use crate::{
    application::Audit,
    event::Stream,
    message::{Attach, Check, Interrupt, List},
    server::{Limits, core::ring::CHUNK},
    tls::Token,
};

fn silent(session: &str) -> Check {
    Check { session: session.into(), source: "silent".into(), lines: false }
}

fn limited(change: impl FnOnce(&mut Limits)) -> Bench {
    let mut config = Config::default();
    change(&mut config.limits);
    Bench::new(config)
}

#[test]
fn who_does_not_say_hello_is_closed() {
    let mut bench = Bench::new(Config::default());
    let started = bench.now;
    let mute = bench.core.connect(Peer::default(), bench.now).expect("room");
    let half = bench.silent(Peer { plain: true, ..Peer::default() });
    bench.write(half.id, &[0, 0]);
    bench.wait();
    assert!(bench.core.is_done(mute, true) && bench.core.is_done(half.id, true));
    assert_eq!(bench.now - started, Limits::default().handshake);
}

#[test]
fn a_wrong_token_waits_and_holds_up_nobody() {
    let mut bench = Bench::new(Config::default());
    let token = Token::generate().expect("random bytes");
    let peer = Peer { name: "far".into(), token: Some(token.clone()), plain: false };
    let hello = |token| Hello { version: VERSION, token, ..Hello::default() };
    for wrong in [None, Some("00".repeat(32)), Some(String::new())] {
        let mut client = bench.silent(peer.clone());
        let asked = client.send(&mut bench, &hello(wrong));
        assert_eq!(client.response(&mut bench, asked), None);
        assert!(!bench.core.reads(client.id) && !bench.core.is_done(client.id, true));
        bench.client();
        bench.wait();
        let failure = client.response(&mut bench, asked).expect("answered").expect_err("refused");
        assert_eq!(failure.code, Code::Unauthorized);
        assert!(bench.core.is_done(client.id, true));
    }
    assert!(bench.application.audits().contains(&Audit::Refused("far: wrong token".into())));
    bench.silent(peer).call(&mut bench, &hello(Some(token.to_hex()))).expect("let in");
}

#[test]
fn an_application_that_does_not_answer_is_not_waited_for() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    let asked = client.send(&mut bench, &silent("a"));
    assert_eq!(client.response(&mut bench, asked), None);
    client.call(&mut bench, &List {}).expect("others are answered");
    bench.wait();
    let failure = client.response(&mut bench, asked).expect("answered").expect_err("too late");
    assert_eq!((failure.code, failure.message.as_str()), (Code::Timeout, "no answer from the program within 2 s"));
    let ticket = bench.application.tickets()[0];
    bench.application.handle().answer(ticket, Ok(Value::Null));
    bench.application.handle().answer(99, Ok(Value::Null));
    client.read(&mut bench);
    assert!(client.responses.is_empty());
}

#[test]
fn requests_are_read_no_faster_than_they_are_answered() {
    let mut bench = limited(|limits| limits.asks = 3);
    let mut client = bench.client();
    client.open(&mut bench, "a");
    let asked: Vec<_> = (0..10).map(|_| client.send(&mut bench, &silent("a"))).collect();
    client.read(&mut bench);
    assert!(!bench.core.reads(client.id));
    assert_eq!(bench.application.tickets().len(), 3);
    for ticket in 1..=2 {
        bench.application.handle().answer(ticket, Ok(Value::Null));
    }
    client.read(&mut bench);
    assert_eq!((client.responses.len(), bench.application.tickets().len()), (2, 5));
    for _ in 0..3 {
        bench.wait();
    }
    for id in asked.into_iter().skip(2) {
        assert!(client.response(&mut bench, id).is_some(), "{id}");
    }
}

#[test]
fn a_client_that_does_not_read_costs_a_buffer_and_loses_the_oldest() {
    let mut bench = limited(|limits| limits.ring_bytes = 1 << 20);
    let mut client = bench.client();
    let mut other = bench.client();
    client.open(&mut bench, "a");
    other.call(&mut bench, &Attach { session: "a".into(), after: None }).expect("there");
    let mut read = 0;
    for _ in 0..64 {
        bench.application.handle().output("a", Stream::Out, &"x".repeat(CHUNK));
        bench.turn();
        // The other one reads, and loses nothing for it.
        other.read(&mut bench);
        read += other.told(&mut bench).len();
        let waiting = bench.core.output(client.id).expect("there").waiting().len();
        assert!(waiting < Limits::default().buffer_bytes + CHUNK + 200, "{waiting}");
    }
    assert_eq!(read, 64);
    let told = client.told(&mut bench);
    let lost: usize =
        told.iter().map(|event| event.rsplit(' ').next().expect("a number").parse::<usize>().expect("bytes")).sum();
    assert_eq!(told.len() + lost / CHUNK, 64);
    assert!(told.len() > 16, "the buffer and the ring: {}", told.len());
}

#[test]
fn an_interrupt_is_read_from_a_client_that_is_behind() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    client.send(&mut bench, &eval("a", "wait"));
    bench.turn();
    for _ in 0..20 {
        bench.application.handle().output("a", Stream::Out, &"x".repeat(CHUNK));
        bench.turn();
    }
    assert!(bench.core.reads(client.id));
    client.send(&mut bench, &Interrupt { session: "a".into(), cell: None, request: None });
    assert_eq!(bench.application.calls(), ["open a 80", "interrupt a 1"]);
}

#[test]
fn a_client_that_does_not_take_its_answers_is_not_read() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    let mut sent = 0;
    while bench.core.reads(client.id) {
        client.send(&mut bench, &List {});
        sent += 1;
    }
    assert!(sent < 2 * Limits::default().buffer_bytes / 30, "{sent}");
    client.read(&mut bench);
    assert_eq!(client.responses.len(), sent);
    assert!(bench.core.reads(client.id));
}

#[test]
fn what_fell_out_is_told_to_who_comes_back() {
    let mut bench = limited(|limits| limits.ring_bytes = 1 << 20);
    let mut client = bench.client();
    client.open(&mut bench, "a");
    for _ in 0..64 {
        bench.application.handle().output("a", Stream::Out, &"x".repeat(CHUNK));
        client.told(&mut bench);
    }
    let mut late = bench.client();
    let opened = late.call(&mut bench, &Attach { session: "a".into(), after: Some(10) }).expect("there");
    let told = late.told(&mut bench);
    assert_eq!((opened.seq, opened.missed as usize + told.len()), (10, 54));
    assert!(told[0].ends_with("lost 0"), "`missed` tells it already: {}", told[0]);
}

#[test]
fn a_flood_of_one_cell_leaves_others_alone() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    client.open(&mut bench, "b");
    bench.application.handle().output("b", Stream::Out, "quiet");
    client.call(&mut bench, &eval("a", "flood 20000")).expect("it runs");
    let told = client.told(&mut bench);
    assert!(told.contains(&"b 1 \"quiet\" 0".to_owned()));
    let lost = |event: &String| event.rsplit_once("lost ").and_then(|(_, lost)| lost.parse::<usize>().ok());
    let bytes = |event: &String| event.split(' ').nth(2).and_then(|bytes| bytes.parse::<usize>().ok());
    let told: Vec<_> = told.iter().filter(|event| event.starts_with("a ") && event.contains("lost")).collect();
    let total: usize = told.iter().map(|event| lost(event).expect("lost") + bytes(event).expect("bytes")).sum();
    assert_eq!(total, 20_000 * 1024);
}

#[test]
fn connections_sessions_and_cells_are_counted() {
    let mut bench = limited(|limits| (limits.connections, limits.sessions, limits.cells) = (2, 2, 3));
    let mut client = bench.client();
    bench.client();
    assert!(bench.core.connect(Peer { name: "third".into(), ..Peer::default() }, bench.now).is_none());
    assert_eq!(bench.application.audits().last(), Some(&Audit::Refused("third: too many connections".into())));
    client.open(&mut bench, "a");
    client.call(&mut bench, &Open::default()).expect("a second one");
    assert_eq!(client.refused(&mut bench, &Open::default()), Code::Limit);
    for _ in 0..4 {
        client.send(&mut bench, &eval("a", "wait"));
    }
    assert_eq!(client.refused(&mut bench, &eval("a", "1+1")), Code::Limit);
    let stop = Interrupt { session: "a".into(), cell: Some(4), request: None };
    client.call(&mut bench, &stop).expect("there");
    client.send(&mut bench, &eval("a", "wait"));
    client.read(&mut bench);
    assert_eq!(client.refused(&mut bench, &eval("a", "1+1")), Code::Limit);
}

#[test]
fn strangers_cannot_take_all_connections() {
    let mut bench = limited(|limits| limits.connections = 4);
    let token = Some(Token::generate().expect("random bytes"));
    let stranger = || Peer { token: token.clone(), ..Peer::default() };
    assert!(bench.core.connect(stranger(), bench.now).is_some());
    assert!(bench.core.connect(stranger(), bench.now).is_some());
    assert!(bench.core.connect(stranger(), bench.now).is_none());
    bench.client();
    bench.client();
}

#[test]
fn names_of_sessions_are_short_and_their_own() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    let open = |name: &str| Open { name: Some(name.into()), columns: Some(100) };
    for bad in ["", "a\nb", &"x".repeat(65)] {
        assert_eq!(client.refused(&mut bench, &open(bad)), Code::BadRequest);
    }
    client.call(&mut bench, &open("2")).expect("free");
    assert_eq!(client.refused(&mut bench, &open("2")), Code::BadRequest);
    for _ in 0..3 {
        client.call(&mut bench, &Open::default()).expect("a free name");
    }
    assert_eq!(bench.core.names.len(), 4);
}

#[test]
fn a_frame_that_is_too_long_ends_the_connection() {
    let mut bench = Bench::new(Config::default());
    for (length, is_in) in [(5000_u32, false), (u32::MAX, true)] {
        let client = if is_in { bench.client() } else { bench.silent(Peer::default()) };
        bench.write(client.id, &length.to_be_bytes());
        let text = String::from_utf8_lossy(&bench.bytes(client.id)).into_owned();
        assert!(text.contains("limit") && text.contains(&length.to_string()), "{text}");
        assert!(bench.core.is_done(client.id, true));
    }
}

#[test]
fn an_idle_server_has_nothing_to_wait_for() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    client.call(&mut bench, &eval("a", "1+1")).expect("it runs");
    let person = bench.person();
    bench.now += Duration::from_secs(1);
    bench.turn();
    assert!(bench.text(person).ends_with(">>> "));
    assert_eq!(bench.core.next_deadline(), None);
}
