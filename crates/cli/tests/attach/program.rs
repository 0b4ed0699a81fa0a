//! A served program that is no Python: a few words, done at once in the server's thread.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};

use keelback_wire::{
    application::{Application, Audit, Handle, Job},
    event::{Body, Frame, Raised, Shown, Stream},
    message::{Aspect, CellNumber, Code, Failure, Request},
    reply::{
        Checked, Completed, Completeness, Evaluated, Inspected, Match, NeedsInput, Outcome, Stack, StackList, TaskInfo,
        TaskList,
    },
    server::{Config, Listener, Server},
};
use serde_json::{Value, to_value};

/// What a cell may be: `1+1`, `print TEXT`, `warn TEXT`, `input`, `secret`, `wait`, `stubborn`, `raise`, `exit()`.
#[derive(Default)]
pub(crate) struct Program {
    handle: OnceLock<Arc<dyn Handle>>,
    /// Cells that wait, by session.
    waiting: Mutex<HashMap<String, CellNumber>>,
}

/// A server of [`Program`].
pub(crate) struct Served {
    pub(crate) server: Server,
    pub(crate) program: Arc<Program>,
    pub(crate) socket: PathBuf,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn config() -> Config {
    Config { program: "app.py".into(), python: "3.13.0".into(), banner: "served".into(), ..Config::default() }
}

pub(crate) fn serve(config: Config) -> Served {
    let folder = tempfile::Builder::new().prefix("kb").tempdir().unwrap();
    let socket = folder.path().join("keelback/app-1.sock");
    let (server, program) = serve_at(vec![Listener::unix(&socket).unwrap()], config);
    Served { server, program, socket, folder }
}

pub(crate) fn serve_at(listeners: Vec<Listener>, config: Config) -> (Server, Arc<Program>) {
    let program = Arc::new(Program::default());
    (Server::start(config, listeners, Arc::clone(&program) as _).unwrap(), program)
}

impl Program {
    pub(crate) fn handle(&self) -> &Arc<dyn Handle> {
        self.handle.get().unwrap()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, CellNumber>> {
        self.waiting.lock().unwrap()
    }

    fn end(&self, session: &str, cell: CellNumber, outcome: Outcome) {
        self.handle().ended(session, Evaluated { cell, outcome, wall_s: 0.5, cpu_s: 0.25, prompts: None });
    }

    fn show(&self, session: &str, cell: CellNumber, text: &str) {
        let body = Shown { cell, text: text.into(), pretty: None, cut: false, shortened: false, png: None };
        self.handle().event(Some(session), Body::Shown(body));
    }
}

fn inspected(request: &keelback_wire::message::Inspect) -> Inspected {
    let (found, text) = match (request.what, request.source.as_str()) {
        (Aspect::Vars, _) => (true, "cache  dict  {}"),
        (Aspect::Doc, "cache") => (true, "What was looked up."),
        (Aspect::Source, "f") => (true, "def f(): pass"),
        _ => (false, ""),
    };
    Inspected { found, text: text.into(), ..Inspected::default() }
}

fn frame(line: u32) -> Frame {
    Frame { file: "/srv/app.py".into(), line, function: "main".into(), text: "await queue.get()".into() }
}

impl Application for Program {
    fn started(&self, handle: Arc<dyn Handle>) {
        self.handle.set(handle).ok().unwrap();
    }

    fn open(&self, _: &str, _: u16) {}

    fn close(&self, session: &str) {
        let cell = self.waiting().remove(session);
        if let Some(cell) = cell {
            self.end(session, cell, Outcome::Interrupted);
        }
    }

    fn submit(&self, job: Job) {
        let (handle, session, cell) = (self.handle(), job.session.as_str(), job.cell);
        handle.began(session, cell);
        let source = job.source.trim();
        let (word, rest) = source.split_once(' ').unwrap_or((source, ""));
        match word {
            "1+1" => self.show(session, cell, "2"),
            "print" => handle.output(session, Stream::Out, &format!("{rest}\n")),
            "warn" => handle.output(session, Stream::Err, &format!("{rest}\n")),
            "input" | "secret" => {
                self.waiting().insert(session.into(), cell);
                let hidden = word == "secret";
                return handle.needs_input(session, NeedsInput { cell, prompt: format!("{rest}? "), hidden });
            }
            "wait" | "stubborn" => {
                handle.output(session, Stream::Out, "waiting\n");
                self.waiting().insert(session.into(), if word == "wait" { cell } else { 0 });
                return;
            }
            "exit()" => return self.end(session, cell, Outcome::Exit { status: 3, message: Some("bye".into()) }),
            _ => {
                let body = Raised {
                    cell,
                    kind: "ValueError".into(),
                    module: "builtins".into(),
                    message: "no".into(),
                    traceback: "Traceback (most recent call last):\nValueError: no\n".into(),
                    frames: vec![],
                };
                handle.event(Some(session), Body::Raised(body));
                return self.end(session, cell, Outcome::Raised);
            }
        }
        self.end(session, cell, Outcome::Done);
    }

    fn interrupt(&self, session: &str, cell: CellNumber) {
        let waits = self.waiting().get(session).copied();
        if waits == Some(cell) {
            self.waiting().remove(session);
            self.end(session, cell, Outcome::Interrupted);
        }
    }

    fn input(&self, session: &str, text: Option<String>) {
        let Some(cell) = self.waiting().remove(session) else { return };
        self.show(session, cell, &format!("{text:?}"));
        self.end(session, cell, Outcome::Done);
    }

    fn resize(&self, _: &str, _: u16) {}

    fn tail(&self, on: bool) {
        if on {
            self.handle().tapped(Stream::Out, "GET / 200\n");
        }
    }

    fn ask(&self, ticket: u64, request: Request) {
        let value = |value: serde_json::Result<Value>| Ok(value.unwrap());
        let answer = match request {
            Request::Check(check) => {
                let open = check.source.starts_with("if") && !check.source.ends_with('\n');
                let completeness = if open { Completeness::Incomplete } else { Completeness::Complete };
                value(to_value(Checked { completeness }))
            }
            Request::Complete(complete) => {
                let matches = vec![Match { text: "cache".into(), kind: "dict".into(), detail: String::new() }];
                value(to_value(Completed { start: 0, end: complete.cursor, matches, more: false }))
            }
            Request::Inspect(inspect) => value(to_value(inspected(&inspect))),
            Request::Tasks(_) => {
                let parent =
                    TaskInfo { id: 1, name: "Task-1".into(), coroutine: "main()".into(), ..TaskInfo::default() };
                let child = TaskInfo {
                    id: 2,
                    name: "worker".into(),
                    awaited_by: vec![1],
                    frames: vec![frame(7)],
                    ..parent.clone()
                };
                value(to_value(TaskList { tasks: vec![parent, child], more: false }))
            }
            Request::Stacks(_) => {
                let thread = Stack { thread: "MainThread".into(), is_loop: true, frames: vec![frame(9)] };
                let other = Stack { thread: "pool-1".into(), is_loop: false, frames: vec![] };
                value(to_value(StackList { threads: vec![thread, other] }))
            }
            Request::Cancel(cancel) if cancel.task == 2 => Ok(Value::Object(serde_json::Map::new())),
            _ => Err(Failure::new(Code::Unknown, "there is no such task")),
        };
        self.handle().answer(ticket, answer);
    }

    fn audit(&self, _: &Audit) {}
}
