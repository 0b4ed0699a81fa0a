//! Sessions and cells.

use std::time::Duration;

use super::*;
use crate::{
    application::Audit,
    event::{Held, Stream},
    message::{Attach, Cancel, Check, Close, Detach, Input, Interrupt, List, Resize, Tail, Tasks},
    reply::{Evaluated, InterruptState, Outcome},
    server::Limits,
};

fn interrupt(cell: Option<u64>, request: Option<u64>) -> Interrupt {
    Interrupt { session: "a".into(), cell, request }
}

#[test]
fn events_come_in_order_and_before_the_answer() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    let opened = client.open(&mut bench, "a");
    assert_eq!((opened.session.as_str(), opened.seq, opened.running), ("a", 0, None));
    let reply = client.call(&mut bench, &eval("a", "1+1")).expect("it runs");
    assert_eq!((reply.cell, reply.outcome), (1, Outcome::Done));
    client.call(&mut bench, &eval("a", "raise")).expect("it runs");
    let expected = ["a 1 Busy Some(1)", "a 2 2", "a 3 Idle Some(1)", "a 4 Busy Some(2)", "a 5 E", "a 6 Idle Some(2)"];
    assert_eq!(client.told(&mut bench), expected);
}

#[test]
fn two_clients_share_a_session_and_others_are_independent() {
    let mut bench = Bench::new(Config::default());
    let (mut one, mut two) = (bench.client(), bench.client());
    one.open(&mut bench, "a");
    one.open(&mut bench, "b");
    two.call(&mut bench, &Attach { session: "a".into(), after: None }).expect("there");
    one.send(&mut bench, &eval("b", "wait"));
    two.call(&mut bench, &eval("a", "print hi")).expect("b does not hold it");
    let expected = ["a 1 Busy Some(1)", "a 2 \"hi\\n\" 0", "a 3 Idle Some(1)"];
    assert_eq!(two.told(&mut bench), expected);
    let told = one.told(&mut bench);
    assert!(expected.iter().all(|event| told.contains(&(*event).to_owned())), "{told:?}");
    two.call(&mut bench, &Detach { session: "a".into() }).expect("there");
    one.call(&mut bench, &eval("a", "1+1")).expect("it runs");
    assert!(two.told(&mut bench).is_empty());
    let sessions = one.call(&mut bench, &List {}).expect("a list").sessions;
    let brief: Vec<_> = sessions.iter().map(|info| (&*info.name, info.clients, info.cells, info.running)).collect();
    assert_eq!(brief, [("a", 1, 2, None), ("b", 1, 1, Some(1))]);
}

#[test]
fn a_client_that_comes_back_gets_what_it_missed() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    client.call(&mut bench, &eval("a", "1+1")).expect("it runs");
    bench.core.gone(client.id, bench.now);
    let handle = bench.application.handle();
    handle.output("a", Stream::Out, "late");
    let mut again = bench.client();
    let opened = again.call(&mut bench, &Attach { session: "a".into(), after: Some(2) }).expect("there");
    assert_eq!((opened.seq, opened.missed), (2, 0));
    assert_eq!(again.told(&mut bench), ["a 3 Idle Some(1)", "a 4 \"late\" 0"]);
    assert!(bench.core.next_deadline().is_none(), "somebody is attached");
}

#[test]
fn a_session_ends_after_its_grace() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    client.send(&mut bench, &eval("a", "wait"));
    bench.turn();
    bench.core.gone(client.id, bench.now);
    let mut other = bench.client();
    assert_eq!(other.call(&mut bench, &List {}).expect("a list").sessions[0].expires_s, Some(60.0));
    bench.wait();
    assert_eq!(bench.application.calls(), ["open a 80", "close a"]);
    assert!(other.call(&mut bench, &List {}).expect("a list").sessions.is_empty());
    assert!(bench.core.next_deadline().is_none());
    assert!(bench.core.sessions.is_empty() && bench.core.names.is_empty());
}

#[test]
fn without_a_grace_sessions_are_kept() {
    for grace in [None, Some(Duration::MAX)] {
        let limits = Limits { grace, ..Limits::default() };
        let mut bench = Bench::new(Config { limits, ..Config::default() });
        let mut client = bench.client();
        client.open(&mut bench, "a");
        bench.core.gone(client.id, bench.now);
        assert!(bench.core.next_deadline().is_none());
        let mut other = bench.client();
        let session = &other.call(&mut bench, &List {}).expect("a list").sessions[0];
        assert_eq!((session.clients, session.expires_s), (0, None));
    }
}

#[test]
fn cells_of_a_session_run_one_after_another() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    let first = client.send(&mut bench, &eval("a", "wait"));
    let second = client.send(&mut bench, &eval("a", "1+1"));
    assert!(client.response(&mut bench, second).is_none());
    bench.application.end("a", 1, Outcome::Done);
    assert!(client.response(&mut bench, first).is_some());
    assert!(client.response(&mut bench, second).is_some());
    // What is not the running cell's end is none.
    bench.application.end("a", 1, Outcome::Done);
    bench.application.end("a", 7, Outcome::Done);
    bench.application.handle().began("a", 2);
    client.told(&mut bench);
    assert!(client.responses.is_empty());
}

#[test]
fn an_interrupt_reaches_the_cell_that_is_meant() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    let state =
        |client: &mut Client, bench: &mut Bench, asked: Interrupt| client.call(bench, &asked).expect("there").state;
    assert_eq!(state(&mut client, &mut bench, interrupt(None, None)), InterruptState::Idle);
    assert_eq!(state(&mut client, &mut bench, interrupt(Some(1), None)), InterruptState::Idle);
    let first = client.send(&mut bench, &eval("a", "wait"));
    let second = client.send(&mut bench, &eval("a", "never"));
    let third = client.send(&mut bench, &eval("a", "1+1"));
    assert_eq!(state(&mut client, &mut bench, interrupt(Some(9), None)), InterruptState::Mismatch);
    assert_eq!(state(&mut client, &mut bench, interrupt(Some(1), Some(second))), InterruptState::Mismatch);
    assert_eq!(state(&mut client, &mut bench, interrupt(None, Some(third))), InterruptState::Withdrawn);
    let withdrawn: Evaluated =
        body(client.response(&mut bench, third).expect("answered").expect("ok")).expect("a reply");
    assert_eq!((withdrawn.cell, withdrawn.outcome), (0, Outcome::Interrupted));
    assert_eq!(state(&mut client, &mut bench, interrupt(None, Some(first))), InterruptState::Sent);
    assert!(client.response(&mut bench, first).is_some());
    // The second was submitted and has not begun: the application is told, which does not begin it.
    assert_eq!(state(&mut client, &mut bench, interrupt(None, None)), InterruptState::Sent);
    assert!(client.response(&mut bench, second).is_some());
    assert_eq!(bench.application.calls(), ["open a 80", "interrupt a 1", "interrupt a 2"]);
    let interrupts = bench.application.audits().into_iter().filter(|audit| matches!(audit, Audit::Interrupt(..)));
    assert_eq!(interrupts.count(), 3);
    assert!(!client.told(&mut bench).iter().any(|event| event.contains("Some(2)")), "it never began");
}

#[test]
fn input_goes_to_the_cell_that_waits() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    let line = Input { session: "a".into(), text: Some("Ada\n".into()) };
    assert_eq!(client.refused(&mut bench, &line), Code::Unknown);
    let cell = client.send(&mut bench, &eval("a", "input"));
    assert_eq!(client.told(&mut bench), ["a 1 Busy Some(1)", "a 2 asks name? "]);
    let asked = client.call(&mut bench, &Attach { session: "a".into(), after: None }).expect("there").needs_input;
    assert_eq!(asked.map(|asked| asked.cell), Some(1));
    client.call(&mut bench, &line).expect("it waits");
    assert!(client.response(&mut bench, cell).is_some());
    assert!(client.told(&mut bench)[0].contains("Ada"));
    assert_eq!(client.refused(&mut bench, &line), Code::Unknown);
}

#[test]
fn a_session_that_is_closed_answers_its_cells_and_tells_all() {
    let mut bench = Bench::new(Config::default());
    let (mut one, mut two) = (bench.client(), bench.client());
    one.open(&mut bench, "a");
    two.call(&mut bench, &Attach { session: "a".into(), after: None }).expect("there");
    let cells = [one.send(&mut bench, &eval("a", "wait")), one.send(&mut bench, &eval("a", "1+1"))];
    two.call(&mut bench, &Close { session: "a".into() }).expect("there");
    for cell in cells {
        let failure = one.response(&mut bench, cell).expect("answered").expect_err("not run");
        assert_eq!(failure.code, Code::Closed);
    }
    let closed = "Closed Some(1)";
    assert!(one.told(&mut bench).last().is_some_and(|event| event.ends_with(closed)));
    assert!(two.told(&mut bench).last().is_some_and(|event| event.ends_with(closed)));
    assert_eq!(one.refused(&mut bench, &eval("a", "1+1")), Code::Unknown);
    assert!(bench.core.sessions.is_empty() && bench.core.names.is_empty());
    one.open(&mut bench, "a");
}

#[test]
fn a_name_is_free_only_when_the_cell_is_over() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    client.send(&mut bench, &eval("a", "1+1"));
    // Closed before the server heard of the cell's end.
    let close = client.send(&mut bench, &Close { session: "a".into() });
    bench.core.pump(client.id, bench.now);
    let open = Open { name: Some("a".into()), columns: None };
    let reopen = client.send(&mut bench, &open);
    assert!(client.response(&mut bench, close).expect("answered").is_ok());
    assert_eq!(client.response(&mut bench, reopen).expect("answered").expect_err("taken").code, Code::BadRequest);
    client.call(&mut bench, &open).expect("free now");
}

#[test]
fn exit_and_the_application_end_a_session() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    let outcome = client.call(&mut bench, &eval("a", "exit()")).expect("it runs").outcome;
    assert_eq!(outcome, Outcome::Exit { status: 3, message: Some("bye".into()) });
    assert!(client.told(&mut bench).last().is_some_and(|event| event.contains("Closed")));
    assert_eq!(bench.application.calls(), ["open a 80", "close a"]);
    client.open(&mut bench, "b");
    bench.application.handle().closed("b");
    assert!(client.told(&mut bench).last().is_some_and(|event| event.contains("Closed")));
    assert_eq!(bench.application.calls()[2..], ["open b 80"]);
    assert!(bench.core.sessions.is_empty());
}

#[test]
fn the_applications_own_output_goes_to_those_who_asked() {
    let mut bench = Bench::new(Config::default());
    let (mut one, mut two) = (bench.client(), bench.client());
    let print = |bench: &mut Bench, text| {
        bench.application.handle().tapped(Stream::Out, text);
        bench.turn();
    };
    print(&mut bench, "before");
    one.call(&mut bench, &Tail { on: true }).expect("done");
    one.call(&mut bench, &Tail { on: true }).expect("done");
    print(&mut bench, "now");
    let held = Held { held_s: 0.5, by: None, pumped: false, frames: vec![] };
    bench.application.handle().event(None, Body::Held(held));
    assert_eq!(one.told(&mut bench), [" 0 \"now\" 0", " 0 held 0.5"]);
    assert_eq!(two.told(&mut bench), [" 0 held 0.5"]);
    two.call(&mut bench, &Tail { on: true }).expect("done");
    one.call(&mut bench, &Tail { on: false }).expect("done");
    bench.core.gone(two.id, bench.now);
    assert_eq!(bench.application.calls(), ["tail true", "tail false"]);
}

#[test]
fn questions_and_sizes_go_to_the_application() {
    let mut bench = Bench::new(Config::default());
    let mut client = bench.client();
    client.open(&mut bench, "a");
    client.call(&mut bench, &Check { session: "a".into(), source: "if 1:".into(), lines: false }).expect("answered");
    client.call(&mut bench, &Tasks {}).expect("answered");
    client.call(&mut bench, &Cancel { task: 4 }).expect("answered");
    client.call(&mut bench, &Resize { session: "a".into(), columns: 132 }).expect("done");
    assert_eq!(bench.application.calls(), ["open a 80", "resize a 132"]);
    let elsewhere = Check { session: "b".into(), source: String::new(), lines: false };
    assert_eq!(client.refused(&mut bench, &elsewhere), Code::Unknown);
}

#[test]
fn read_only_lets_look_and_nothing_else() {
    let mut bench = Bench::new(Config { read_only: true, ..Config::default() });
    let mut client = bench.client();
    client.open(&mut bench, "a");
    let session = || "a".to_owned();
    assert_eq!(client.refused(&mut bench, &eval("a", "1+1")), Code::ReadOnly);
    assert_eq!(client.refused(&mut bench, &Input { session: session(), text: None }), Code::ReadOnly);
    assert_eq!(client.refused(&mut bench, &interrupt(None, None)), Code::ReadOnly);
    assert_eq!(client.refused(&mut bench, &Cancel { task: 1 }), Code::ReadOnly);
    assert_eq!(client.refused(&mut bench, &Close { session: session() }), Code::ReadOnly);
    client.call(&mut bench, &Check { session: session(), source: "1".into(), lines: false }).expect("looks");
    client.call(&mut bench, &List {}).expect("looks");
    let person = bench.person();
    bench.write(person, b"1+1\n");
    assert!(bench.text(person).contains("only lets look"));
    assert!(!bench.application.audits().iter().any(|audit| matches!(audit, Audit::Eval(..))));
}
