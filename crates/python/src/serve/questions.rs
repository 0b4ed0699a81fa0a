//! What clients ask of Python: answered in a thread of its own, made when it is first needed, so that neither the loop nor
//! the server's thread waits for Python's lock.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use keelback_wire::{
    application::Handle,
    event::Frame,
    message::{Aspect, Code, Complete, Failure, Inspect, Request},
    reply::{Checked, Completed, Completeness, Done, Inspected, Match, Stack, StackList, TaskInfo, TaskList},
};
use pyo3::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::signal::block_all;

/// How long candidates are looked for; a choice: a key waits for them.
const COMPLETE_MAX: Duration = Duration::from_millis(50);

type Question = (u64, Request);
type Row = (String, String, String);
/// A frame as Python tells it: file, line, function, text.
pub(super) type Told = (String, u32, String, String);
/// A task: id, name, coroutine, awaited by, session, frames, seconds since it was seen first and since it was not there.
type Task = (u64, String, String, Vec<u64>, Option<String>, Vec<Told>, f64, Option<f64>);

#[derive(Default)]
pub(super) struct Questions {
    thread: Mutex<Option<(Sender<Question>, JoinHandle<()>)>>,
}

impl Questions {
    /// Hands a question to the thread; `owner` is the object whose methods answer.
    pub(super) fn ask(&self, owner: &Arc<Py<PyAny>>, handle: &Arc<dyn Handle>, ticket: u64, request: Request) {
        let mut slot = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            let (sender, questions) = channel();
            let (owner, answers) = (Arc::clone(owner), Arc::clone(handle));
            let spawned = thread::Builder::new()
                .name("keelback-questions".into())
                .spawn(move || answer_all(&owner, &*answers, &questions));
            match spawned {
                Ok(thread) => *slot = Some((sender, thread)),
                Err(error) => return handle.answer(ticket, Err(unsupported(error.to_string()))),
            }
        }
        if let Some((sender, _)) = &*slot {
            let _ = sender.send((ticket, request));
        }
    }

    /// No further questions; the thread, to be joined without Python's lock.
    pub(super) fn stop(&self) -> Option<JoinHandle<()>> {
        let taken = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.map(|(_, thread)| thread)
    }
}

fn answer_all(owner: &Py<PyAny>, handle: &dyn Handle, questions: &Receiver<Question>) {
    block_all();
    while let Ok((ticket, request)) = questions.recv() {
        let answer =
            Python::attach(|py| answer(owner.bind(py), request).unwrap_or_else(|error| Err(raised(py, &error))));
        handle.answer(ticket, answer);
    }
}

fn unsupported(message: String) -> Failure {
    Failure::new(Code::Unsupported, message)
}

fn raised(py: Python<'_>, error: &PyErr) -> Failure {
    let kind = error.get_type(py).name().map_or_else(|_| String::new(), |name| name.to_string());
    unsupported(format!("{kind}: {}", error.value(py)))
}

type Answered = PyResult<Result<Value, Failure>>;

fn reply<T: Serialize>(reply: &T) -> Answered {
    Ok(serde_json::to_value(reply).map_err(|error| unsupported(error.to_string())))
}

fn answer(owner: &Bound<'_, PyAny>, request: Request) -> Answered {
    match request {
        Request::Check(check) => {
            let whole: Option<bool> =
                owner.call_method1("check", (check.session, check.source, check.lines))?.extract()?;
            let completeness = match whole {
                Some(true) => Completeness::Complete,
                Some(false) => Completeness::Incomplete,
                None => Completeness::Invalid,
            };
            reply(&Checked { completeness })
        }
        Request::Complete(Complete { source, cursor, .. }) => {
            let Some(place) = place_of(&source, cursor) else { return Ok(Err(no_place("complete", cursor))) };
            let arguments = (source.as_str(), place, COMPLETE_MAX.as_secs_f64());
            let (start, end, rows, more): (usize, usize, Vec<Row>, bool) =
                owner.call_method1("complete", arguments)?.extract()?;
            let matches = rows.into_iter().map(|(text, kind, detail)| Match { text, kind, detail }).collect();
            reply(&Completed { start: byte_of(&source, start), end: byte_of(&source, end), matches, more })
        }
        Request::Inspect(inspect) => inspected(owner, &inspect),
        Request::Tasks(_) => {
            let (tasks, more): (Vec<Task>, bool) = owner.call_method0("tasks")?.extract()?;
            let info = |(id, name, coroutine, awaited_by, session, frames, age_s, age_max_s): Task| {
                let frames = frames_of(frames);
                TaskInfo { id, name, coroutine, awaited_by, session, frames, age_s, age_max_s }
            };
            reply(&TaskList { tasks: tasks.into_iter().map(info).collect(), more })
        }
        Request::Cancel(cancel) => {
            if owner.call_method1("cancel", (cancel.task,))?.extract()? {
                reply(&Done {})
            } else {
                Ok(Err(Failure::new(Code::Unknown, format!("there is no task {}", cancel.task))))
            }
        }
        Request::Stacks(_) => {
            let stacks: Vec<(String, bool, Vec<Told>)> = owner.call_method0("stacks")?.extract()?;
            let threads = stacks.into_iter().map(|(thread, is_loop, frames)| Stack {
                thread,
                is_loop,
                frames: frames_of(frames),
            });
            reply(&StackList { threads: threads.collect() })
        }
        other => Ok(Err(Failure::new(Code::UnknownOp, format!("`{}` is not asked of the program", other.name())))),
    }
}

fn inspected(owner: &Bound<'_, PyAny>, inspect: &Inspect) -> Answered {
    let source = inspect.source.as_str();
    let method = match inspect.what {
        Aspect::Signature => return signature(owner, source, inspect.cursor),
        Aspect::Defined => {
            let found = owner.call_method1("defined", (source,))?.extract()?;
            return reply(&Inspected { found, ..Inspected::default() });
        }
        Aspect::Doc => "describe",
        Aspect::Source => "source_of",
        Aspect::Vars => "variables",
    };
    let text: Option<String> = owner.call_method1(method, (source,))?.extract()?;
    reply(&Inspected { found: text.is_some(), text: text.unwrap_or_default(), ..Inspected::default() })
}

fn signature(owner: &Bound<'_, PyAny>, source: &str, cursor: usize) -> Answered {
    let Some(place) = place_of(source, cursor) else { return Ok(Err(no_place("inspect", cursor))) };
    type Called = (String, Vec<(usize, usize)>, Option<usize>, String);
    let called: Option<Called> = owner.call_method1("signature", (source, place))?.extract()?;
    let Some((text, parameters, active, doc)) = called else { return reply(&Inspected::default()) };
    let parameters = parameters.into_iter().map(|(start, end)| (byte_of(&text, start), byte_of(&text, end))).collect();
    reply(&Inspected { found: true, text, parameters, active, doc })
}

pub(super) fn frames_of(told: Vec<Told>) -> Vec<Frame> {
    told.into_iter().map(|(file, line, function, text)| Frame { file, line, function, text }).collect()
}

/// Which character begins at byte `cursor`: Python counts characters.
fn place_of(source: &str, cursor: usize) -> Option<usize> {
    Some(source.get(..cursor)?.chars().count())
}

/// The byte offset of character `place`.
fn byte_of(text: &str, place: usize) -> usize {
    text.char_indices().nth(place).map_or(text.len(), |(at, _)| at)
}

fn no_place(op: &str, cursor: usize) -> Failure {
    Failure::new(Code::BadRequest, format!("`{op}`: byte {cursor} is not between characters of the source"))
}
