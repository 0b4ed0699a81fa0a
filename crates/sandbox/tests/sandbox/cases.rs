//! The cases of sessions in an event loop (`tests/live/cases.toml`), typed at a sandbox. How lines become cells, and so the
//! prompts, is not the session's doing and is tested with the others.

use std::collections::BTreeMap;

use keelback_sandbox::{Cell, Event, Outcome, Session};
use serde::Deserialize;

use crate::session;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

/// As the head of the file describes it.
#[derive(Deserialize)]
struct Case {
    id: String,
    lines: Vec<String>,
    out: Option<String>,
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    not: Vec<String>,
    #[serde(default)]
    ns: BTreeMap<String, String>,
    #[serde(default)]
    absent: Vec<String>,
    exit: Option<String>,
}

/// What a sandbox does otherwise, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("asyncio-run-refused", "`asyncio.run` works in a cell: programs that models write call it"),
    ("run-until-complete-refused", "as `asyncio.run`"),
    (
        "running-loop-visible-on-sync-line",
        "the loop stands still while a cell without `await` runs, so that it can be run",
    ),
    ("current-task-on-sync-line", "a cell without `await` is no task, for the same reason"),
    ("subprocess", "there are no processes"),
];

/// Makes cells of lines, as `keelback._lines` does.
const TYPIST: &str = r#"
import ast, codeop, json
def cells(lines):
    found, begun = [], []
    for line in lines:
        begun.append(line)
        compiler = codeop.CommandCompiler()
        compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            whole = compiler("\n".join(begun), "<input>", "single") is not None
        except Exception:
            whole = True
        if whole:
            found.append("\n".join(begun))
            begun.clear()
    return found
"#;
const NAMES: &str = "print(__import__('json').dumps({str(k): repr(v) for k, v in list(globals().items())}))";

/// What a cell shows, the traceback included, and how it ends.
fn output(session: &mut Session, cell: Cell) -> (String, Outcome) {
    let report = session.run(cell).unwrap();
    let mut text = String::new();
    for event in &report.events {
        match event {
            Event::Output { bytes, .. } => text += &String::from_utf8_lossy(bytes),
            Event::Shown { text: shown, .. } => text += &format!("{shown}\n"),
            _ => {}
        }
    }
    if let Outcome::Raised(raised) | Outcome::Invalid(raised) = &report.outcome {
        text += &raised.traceback;
    }
    (text, report.outcome)
}

fn cells_of(lines: &[String], typist: &mut Session) -> Vec<String> {
    // JSON in a JSON string, which is a string of Python's too.
    let lines = serde_json::to_string(&serde_json::to_string(lines).unwrap()).unwrap();
    let (cells, _) = output(typist, Cell::from(format!("print(json.dumps(cells(json.loads({lines}))))")));
    serde_json::from_str(&cells).unwrap()
}

/// What is not as `case` says.
fn differences(case: &Case, typist: &mut Session) -> Vec<String> {
    let mut session = session();
    session.run(Cell::from("import asyncio")).unwrap();
    let (mut text, mut exit) = (String::new(), None);
    for cell in cells_of(&case.lines, typist) {
        let (shown, outcome) = output(&mut session, Cell::interactive(cell));
        text += &shown;
        if let Outcome::Exit { code, .. } = outcome {
            exit = Some(code.to_string());
            break;
        }
    }
    let mut found = Vec::new();
    if case.out.as_ref().is_some_and(|out| *out != text) {
        found.push(format!("shows {text:?}"));
    }
    if case.exit.is_some() && case.exit != exit {
        found.push(format!("ends with {exit:?}"));
    }
    let mut rest = &text[..];
    for wanted in &case.has {
        match rest.find(wanted) {
            Some(place) => rest = &rest[place..],
            None => found.push(format!("lacks {wanted:?} in {text:?}")),
        }
    }
    found.extend(
        case.not.iter().filter(|unwanted| text.contains(*unwanted)).map(|unwanted| format!("shows {unwanted:?}")),
    );
    if exit.is_none() {
        let names: BTreeMap<String, String> = serde_json::from_str(&output(&mut session, Cell::from(NAMES)).0).unwrap();
        let wrong = case.ns.iter().filter(|(name, value)| names.get(*name) != Some(value));
        found.extend(wrong.map(|(name, value)| format!("{name} is {:?} instead of {value}", names.get(name))));
        let there = case.absent.iter().filter(|name| names.contains_key(*name));
        found.extend(there.map(|name| format!("{name} is in the namespace")));
    }
    found
}

#[test]
fn cells_do_what_they_do_in_an_event_loop() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/live/cases.toml");
    let cases: Cases = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for (id, why) in OTHERWISE {
        assert!(cases.case.iter().any(|case| case.id == *id), "{id} is no case: {why}");
    }
    let mut typist = session();
    typist.run(Cell::from(TYPIST)).unwrap();
    let mut wrong = Vec::new();
    for case in &cases.case {
        let found = differences(case, &mut typist);
        match OTHERWISE.iter().find(|(id, _)| *id == case.id) {
            None if !found.is_empty() => wrong.push(format!("{}: {}", case.id, found.join("; "))),
            Some((id, why)) if found.is_empty() => wrong.push(format!("{id} holds, and was not to: {why}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
