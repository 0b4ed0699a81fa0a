//! What a session does, seen from a Rust program. What it must not do is in `tests/escapes`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cases;
mod files;
mod imports;
mod interactive;
mod limits;
mod net;
mod net_names;
mod outcomes;
mod packages;
mod programs;
mod snapshots;
mod tools;

use std::sync::OnceLock;

use keelback_sandbox::{Engine, Limits, Outcome, Permissions, Report, Session, SessionOptions, Stream};

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().unwrap())
}

fn session() -> Session {
    engine().session(SessionOptions::default()).unwrap()
}

fn session_with(permissions: Permissions) -> Session {
    engine().session(SessionOptions::default().permissions(permissions)).unwrap()
}

fn limited(change: impl FnOnce(&mut Limits)) -> Session {
    let mut limits = Limits::default();
    change(&mut limits);
    engine().session(SessionOptions::default().limits(limits)).unwrap()
}

fn run(session: &mut Session, cell: &str) -> Report {
    session.run(cell).unwrap()
}

/// The outcome in a word: `= repr`, `done`, `Type: message`, `exit 3` ...
fn brief(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::Value { repr, .. } => format!("= {repr}"),
        Outcome::Raised(raised) | Outcome::Invalid(raised) => {
            format!("{}: {}", raised.type_name, raised.message)
        }
        Outcome::Exit { code, .. } => format!("exit {code}"),
        Outcome::Incomplete => "incomplete".into(),
        Outcome::Stopped { reason, .. } => format!("stopped: {reason}"),
        other => format!("{other:?}"),
    }
}

/// Runs cells one after the other in a fresh session; each with what it ends in.
#[track_caller]
fn check(cells: &[(&str, &str)]) {
    check_in(&mut session(), cells);
}

#[track_caller]
fn check_in(session: &mut Session, cells: &[(&str, &str)]) {
    for (cell, expected) in cells {
        let outcome = brief(&run(session, cell).outcome);
        // The number of a cell depends on those before it in the test.
        let outcome = match outcome.split_once("(<cell ") {
            Some((before, after)) => {
                format!("{before}(<cell N{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            None => outcome,
        };
        assert_eq!(outcome, *expected, "{cell}");
    }
}

/// What a cell prints.
#[track_caller]
fn check_output(cell: &str, expected: &str) {
    let report = run(&mut session(), cell);
    assert_eq!(report.text(Stream::Stdout), expected, "{:?}", report.outcome);
}
