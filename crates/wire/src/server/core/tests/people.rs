//! Plain mode.

use super::*;
use crate::{
    event::{Frame, Interrupting},
    message::{Close, List},
};

fn banner() -> Bench {
    Bench::new(Config { banner: "Hello\0".into(), ..Config::default() })
}

#[test]
fn silence_is_answered_with_a_prompt_and_no_session() {
    let mut bench = banner();
    let person = bench.person();
    assert_eq!(bench.text(person), "");
    bench.wait();
    assert_eq!(bench.text(person), "Hello\n>>> ");
    assert!(bench.application.calls().is_empty() && bench.application.audits().is_empty());
}

#[test]
fn lines_are_cells_and_blocks_end_at_an_empty_line() {
    let mut bench = banner();
    let person = bench.person();
    bench.write(person, b"1+1\r\n");
    assert_eq!(bench.text(person), "Hello\n>>> 2\n>>> ");
    bench.write(person, b"\n \nprint a b\nra");
    assert_eq!(bench.text(person), ">>> >>> a b\n>>> ");
    bench.write(person, b"ise\n");
    assert_eq!(bench.text(person), "Traceback\nm.E: no\n>>> ");
    bench.write(person, b"if 1:\n");
    assert_eq!(bench.text(person), "... ");
    bench.write(person, b"\n1+1\n");
    assert_eq!(bench.text(person), ">>> 2\n>>> ");
    bench.write(person, b"exit()\nprint not\n");
    assert_eq!(bench.text(person), "bye\n");
    assert!(bench.core.is_done(person, true));
    assert_eq!(bench.application.calls(), ["open 1 80", "close 1"]);
}

#[test]
fn a_cell_that_asks_gets_the_next_line() {
    let mut bench = banner();
    let person = bench.person();
    bench.write(person, b"input\n");
    assert_eq!(bench.text(person), "Hello\n>>> name? ");
    bench.write(person, b"Ada\n1+1\n");
    assert_eq!(bench.text(person), "Some(\"Ada\\n\")\n>>> 2\n>>> ");
    bench.write(person, b"input\n");
    bench.core.end_of_input(person, bench.now);
    assert_eq!(bench.text(person), "name? None\n>>> ");
    assert!(bench.core.is_done(person, true));
}

#[test]
fn what_an_interrupt_waits_for_is_said() {
    let mut bench = banner();
    let person = bench.person();
    bench.write(person, b"wait\n");
    bench.text(person);
    let frame = Frame { file: "/srv/app.py".into(), line: 41, function: "get".into(), text: "sleep(60)".into() };
    for (frames, expected) in [
        (vec![frame], "[cell 1 is interrupted when this returns: app.py:41 in get: sleep(60)]\n"),
        (vec![], "[cell 1 is interrupted when the call it is in returns]\n"),
    ] {
        bench.application.handle().event(Some("1"), Body::Interrupting(Interrupting { cell: 1, frames }));
        bench.turn();
        assert_eq!(bench.text(person), expected);
    }
}

#[test]
fn the_end_of_the_input_runs_what_is_there_and_ends() {
    for input in ["1+1", "1+1\n"] {
        let mut bench = banner();
        let person = bench.person();
        bench.write(person, input.as_bytes());
        bench.core.end_of_input(person, bench.now);
        assert_eq!(bench.text(person), "Hello\n>>> 2\n>>> ");
        assert!(bench.core.is_done(person, true));
        assert_eq!(bench.application.calls(), ["open 1 80", "close 1"]);
    }
    let mut bench = banner();
    let person = bench.person();
    bench.core.end_of_input(person, bench.now);
    assert!(bench.core.is_done(person, true));
}

#[test]
fn a_client_that_was_slow_is_understood() {
    let mut bench = banner();
    let id = bench.person();
    bench.wait();
    let mut client = Client { id, decoder: Decoder::new(), last: 0, events: vec![], responses: vec![] };
    bench.write(id, &PREFACE);
    let welcome = client.call(&mut bench, &Hello { version: VERSION, ..Hello::default() }).expect("let in");
    assert_eq!(welcome.client, id);
    client.call(&mut bench, &List {}).expect("a list");
    assert_eq!(bench.application.audits().len(), 1);
}

#[test]
fn text_is_never_taken_for_a_message() {
    let mut bench = Bench::new(Config::default());
    let http = bench.person();
    bench.write(http, b"POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\nprint x\n\0keelb\r\n");
    assert_eq!(bench.text(http), ">>> ");
    assert!(bench.core.is_done(http, true) && bench.application.calls().is_empty());
    // Where people have no business, it is closed unanswered.
    let far = bench.core.connect(Peer::default(), bench.now).expect("room");
    bench.write(far, b"POST / HTTP/1.1\r\n\r\n");
    assert_eq!(bench.text(far), "");
    assert!(bench.core.is_done(far, true));
}

#[test]
fn a_program_that_does_not_answer_leaves_the_prompt() {
    let mut bench = banner();
    let person = bench.person();
    bench.write(person, b"silent\n");
    bench.text(person);
    bench.wait();
    assert_eq!(bench.text(person), "no answer from the program within 2 s\n>>> ");
}

#[test]
fn a_line_without_an_end_is_bounded() {
    let mut bench = banner();
    let person = bench.person();
    for _ in 0..40 {
        if bench.core.reads(person) {
            bench.write(person, &[b'x'; 64 << 10]);
        }
    }
    assert!(bench.text(person).contains("at most 1048576 bytes"));
    assert!(bench.core.is_done(person, true));
}

#[test]
fn a_session_that_others_end_ends_the_connection() {
    for input in ["1+1\n", "wait\n"] {
        let mut bench = banner();
        let person = bench.person();
        bench.write(person, input.as_bytes());
        bench.text(person);
        let mut client = bench.client();
        client.call(&mut bench, &Close { session: "1".into() }).expect("there");
        assert!(bench.text(person).contains("has ended\n"), "{input}");
        assert!(bench.core.is_done(person, true));
        assert!(bench.core.sessions.is_empty());
    }
}
