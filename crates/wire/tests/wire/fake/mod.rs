//! An application for tests: a few words instead of Python, done at once in the thread that asks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};

use keelback_wire::{
    application::{Application, Audit, Handle, Job},
    event::{Body, Raised, Shown, Stream},
    message::{CellNumber, Request},
    reply::{Checked, Completed, Completeness, Evaluated, Inspected, NeedsInput, Outcome, StackList, TaskList},
};
use serde_json::{Value, to_value};

/// What a cell may be: `1+1`, `print TEXT`, `flood COUNT`, `input`, `wait`, `never`, `raise`, `exit()`; `check` and the
/// others are answered but for a source with `silent`.
#[derive(Default)]
pub(crate) struct Fake {
    handle: OnceLock<Arc<dyn Handle>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Calls, in short.
    calls: Vec<String>,
    audits: Vec<Audit>,
    /// Cells that wait, by session.
    waiting: HashMap<String, CellNumber>,
    tickets: Vec<u64>,
}

impl Fake {
    pub(crate) fn handle(&self) -> &Arc<dyn Handle> {
        self.handle.get().expect("the server has started")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked with the lock")
    }

    fn called(&self, call: String) {
        self.state().calls.push(call);
    }

    /// The calls so far, but for cells and questions.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    pub(crate) fn audits(&self) -> Vec<Audit> {
        self.state().audits.clone()
    }

    /// The tickets of what was not answered.
    pub(crate) fn tickets(&self) -> Vec<u64> {
        self.state().tickets.clone()
    }

    /// Ends a cell.
    pub(crate) fn end(&self, session: &str, cell: CellNumber, outcome: Outcome) {
        self.handle().ended(session, Evaluated { cell, outcome, wall_s: 0.5, cpu_s: 0.25, prompts: None });
    }

    fn run(&self, job: &Job) {
        let (handle, session, cell) = (self.handle(), job.session.as_str(), job.cell);
        let (word, rest) = job.source.trim().split_once(' ').unwrap_or((job.source.trim(), ""));
        if word == "never" {
            self.state().waiting.insert(session.into(), cell);
            return;
        }
        handle.began(session, cell);
        match word {
            "1+1" => handle.event(Some(session), shown(cell, "2")),
            "print" => handle.output(session, Stream::Out, &format!("{rest}\n")),
            "flood" => {
                for number in 0..rest.parse().expect("a number") {
                    handle.output(session, Stream::Out, &format!("{number:07} {}\n", "x".repeat(1015)));
                }
            }
            "input" => {
                self.state().waiting.insert(session.into(), cell);
                return handle.needs_input(session, NeedsInput { cell, prompt: "name? ".into(), hidden: false });
            }
            "wait" => {
                self.state().waiting.insert(session.into(), cell);
                return;
            }
            "raise" => {
                let body = Raised {
                    cell,
                    kind: "E".into(),
                    module: "m".into(),
                    message: "no".into(),
                    traceback: "Traceback\nm.E: no\n".into(),
                    frames: vec![],
                };
                handle.event(Some(session), Body::Raised(body));
                return self.end(session, cell, Outcome::Raised);
            }
            "exit()" => return self.end(session, cell, Outcome::Exit { status: 3, message: Some("bye".into()) }),
            _ => return self.end(session, cell, Outcome::Invalid),
        }
        self.end(session, cell, Outcome::Done);
    }
}

pub(crate) fn shown(cell: CellNumber, text: &str) -> Body {
    Body::Shown(Shown { cell, text: text.into(), pretty: None, cut: false, shortened: false, png: None })
}

impl Application for Fake {
    fn started(&self, handle: Arc<dyn Handle>) {
        self.handle.set(handle).ok().expect("called once");
    }

    fn open(&self, session: &str, columns: u16) {
        self.called(format!("open {session} {columns}"));
    }

    fn close(&self, session: &str) {
        self.called(format!("close {session}"));
        let cell = self.state().waiting.remove(session);
        if let Some(cell) = cell {
            self.end(session, cell, Outcome::Interrupted);
        }
    }

    fn submit(&self, job: Job) {
        self.run(&job);
    }

    fn interrupt(&self, session: &str, cell: CellNumber) {
        self.called(format!("interrupt {session} {cell}"));
        let waits = self.state().waiting.remove(session);
        if waits == Some(cell) {
            self.end(session, cell, Outcome::Interrupted);
        }
    }

    fn input(&self, session: &str, text: Option<String>) {
        // One that was interrupted waits no more, and the server may not have heard of it.
        let Some(cell) = self.state().waiting.remove(session) else { return };
        self.handle().event(Some(session), shown(cell, &format!("{text:?}")));
        self.end(session, cell, Outcome::Done);
    }

    fn resize(&self, session: &str, columns: u16) {
        self.called(format!("resize {session} {columns}"));
    }

    fn tail(&self, on: bool) {
        self.called(format!("tail {on}"));
    }

    fn ask(&self, ticket: u64, request: Request) {
        let value = |value: Result<Value, _>| value.expect("plain data");
        let answer = match request {
            Request::Check(check) if check.source.contains("silent") => {
                return self.state().tickets.push(ticket);
            }
            Request::Check(check) => {
                // Line by line a block is whole after an empty line.
                let whole = if check.lines { check.source.ends_with('\n') } else { check.source.contains('\n') };
                let is_open = check.source.starts_with("if") && !whole;
                let completeness = if is_open { Completeness::Incomplete } else { Completeness::Complete };
                value(to_value(Checked { completeness }))
            }
            Request::Complete(_) => value(to_value(Completed::default())),
            Request::Inspect(_) => value(to_value(Inspected::default())),
            Request::Tasks(_) => value(to_value(TaskList::default())),
            Request::Stacks(_) => value(to_value(StackList::default())),
            _ => Value::Object(serde_json::Map::new()),
        };
        self.handle().answer(ticket, Ok(answer));
    }

    fn audit(&self, what: &Audit) {
        self.state().audits.push(what.clone());
    }
}
