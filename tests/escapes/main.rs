//! What must not be possible. Each refusal stands next to the same code allowed under a grant, where there is one that
//! allows it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod channels;
mod network;
mod paths;
mod resources;

use std::sync::OnceLock;

use keelback_sandbox::{Engine, Limits, Outcome, Permissions, Session, SessionOptions};

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().unwrap())
}

fn session(permissions: Permissions, limits: Limits) -> Session {
    engine().session(SessionOptions::default().permissions(permissions).limits(limits)).unwrap()
}

/// What a cell ends in: `= repr`, `done`, the name of an exception's type, `stopped`, `exit`.
fn outcome(session: &mut Session, cell: &str) -> String {
    match session.run(cell).unwrap().outcome {
        Outcome::Done => "done".into(),
        Outcome::Value { repr, .. } => format!("= {repr}"),
        Outcome::Raised(raised) => raised.type_name,
        Outcome::Stopped { .. } => "stopped".into(),
        Outcome::Exit { .. } => "exit".into(),
        other => format!("{other:?}"),
    }
}

/// A cell is refused without a grant, and allowed with one.
#[track_caller]
fn pair(cell: &str, refused: &str, grant: Permissions, allowed: &str) {
    assert_eq!(outcome(&mut session(Permissions::none(), Limits::default()), cell), refused, "without a grant: {cell}");
    assert_eq!(outcome(&mut session(grant, Limits::default()), cell), allowed, "with a grant: {cell}");
}
