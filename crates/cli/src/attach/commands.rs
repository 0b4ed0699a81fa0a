//! Commands that look into the program: its tasks, its threads, its sessions.

use std::{collections::BTreeSet, time::Duration};

use keelback_wire::{
    client::{CallError, Session},
    event::Frame,
    message::{Cancel, List, Stacks, Tasks},
    reply::{SessionInfo, Stack, TaskInfo, TaskList},
};

use super::printable;
use crate::units::age;

pub(super) fn run(session: &Session, name: &str, argument: &str, deadline: Duration) -> Result<String, String> {
    let failed = |error: CallError| error.to_string();
    match name {
        "tasks" => Ok(tree(&session.call(&Tasks {}, deadline).map_err(failed)?)),
        "cancel" => {
            let id = argument.parse().map_err(|_| "`:cancel` wants the number of a task, from `:tasks`".to_owned())?;
            session.call(&Cancel { task: id }, deadline).map_err(failed)?;
            Ok(format!("task {id} was told to cancel"))
        }
        "where" => {
            let threads = session.call(&Stacks {}, deadline).map_err(failed)?.threads;
            let of_loop = threads.iter().find(|thread| thread.is_loop);
            of_loop.map(stack).ok_or_else(|| "no thread runs an event loop".into())
        }
        "stacks" => {
            let threads = session.call(&Stacks {}, deadline).map_err(failed)?.threads;
            Ok(threads.iter().map(stack).collect::<Vec<_>>().join("\n\n"))
        }
        "sessions" => {
            let list = session.call(&List {}, deadline).map_err(failed)?.sessions;
            Ok(sessions(&list, &session.name()))
        }
        _ => Err(format!("`:{name}` is not a command")),
    }
}

/// A thread, as a traceback is written.
fn stack(stack: &Stack) -> String {
    let mut text = printable::line(&stack.thread);
    if stack.is_loop {
        text.push_str(", the event loop");
    }
    for Frame { file, line, function, text: source } in &stack.frames {
        let [file, function, source] = [file, function, source].map(|text| printable::line(text));
        text.push_str(&format!("\n  File \"{file}\", line {line}, in {function}"));
        if !source.is_empty() {
            text.push_str(&format!("\n    {source}"));
        }
    }
    text
}

/// The tasks, each below the one that awaits it.
fn tree(list: &TaskList) -> String {
    let known: BTreeSet<u64> = list.tasks.iter().map(|task| task.id).collect();
    let is_root = |task: &&TaskInfo| !task.awaited_by.iter().any(|parent| known.contains(parent));
    let mut tree = Tree { tasks: &list.tasks, shown: BTreeSet::new(), lines: Vec::new() };
    for root in list.tasks.iter().filter(is_root) {
        tree.add(root, "", "");
    }
    // Tasks that await each other have no root.
    for task in &list.tasks {
        if !tree.shown.contains(&task.id) {
            tree.add(task, "", "");
        }
    }
    if list.more {
        tree.lines.push("... and more".into());
    }
    if tree.lines.is_empty() { "no tasks".into() } else { tree.lines.join("\n") }
}

/// Tasks below each other at most; a window is not wider.
const DEPTH: usize = 40;

struct Tree<'a> {
    tasks: &'a [TaskInfo],
    shown: BTreeSet<u64>,
    lines: Vec<String>,
}

impl Tree<'_> {
    /// `branch` leads to the task itself, `below` to what it awaits.
    fn add(&mut self, task: &TaskInfo, branch: &str, below: &str) {
        if !self.shown.insert(task.id) {
            self.lines.push(format!("{branch}{} {}, as above", task.id, printable::line(&task.name)));
            return;
        }
        let mut line = format!("{} {}  {}", task.id, task.name, task.coroutine);
        if let Some(age) = task_age(task) {
            line.push_str(&format!("  {age}"));
        }
        if let Some(session) = &task.session {
            line.push_str(&format!("  [session {session}]"));
        }
        if let Some(frame) = waits_at(&task.frames) {
            line.push_str(&format!("  {}:{} in {}", frame.file, frame.line, frame.function));
            if !frame.text.is_empty() {
                line.push_str(&format!(": {}", frame.text));
            }
        }
        self.lines.push(format!("{branch}{}", printable::line(&line)));
        if below.chars().count() > 3 * DEPTH {
            return; // what is further below begins a tree of its own
        }
        let children: Vec<&TaskInfo> = self.tasks.iter().filter(|child| child.awaited_by.contains(&task.id)).collect();
        for (number, child) in children.iter().enumerate() {
            let last = number + 1 == children.len();
            let (branch, rest) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.add(child, &format!("{below}{branch}"), &format!("{below}{rest}"));
        }
    }
}

/// `12 s`; `≥ 12 s` of a task that was there before the server looked; None where it has looked just now.
fn task_age(task: &TaskInfo) -> Option<String> {
    let seen = Duration::try_from_secs_f64(task.age_s).unwrap_or_default();
    match task.is_age_known() {
        true => Some(age(seen)),
        false if seen.as_secs() > 0 => Some(format!("≥ {}", age(seen))),
        false => None,
    }
}

/// The innermost line of a task that says something: not the one in asyncio that all sleep in.
fn waits_at(frames: &[Frame]) -> Option<&Frame> {
    let is_asyncio = |frame: &&Frame| frame.file.contains("/asyncio/");
    frames.iter().rev().find(|frame| !is_asyncio(frame)).or(frames.last())
}

fn sessions(list: &[SessionInfo], own: &str) -> String {
    let line = |session: &SessionInfo| {
        let mut line =
            format!("{}  {} old", session.name, age(Duration::try_from_secs_f64(session.age_s).unwrap_or_default()));
        let clients = if session.clients == 1 { "client" } else { "clients" };
        line.push_str(&format!(", {} {clients}, {} cells", session.clients, session.cells));
        if let Some(cell) = session.running {
            line.push_str(&format!(", runs cell {cell}"));
        }
        if let Some(left) = session.expires_s {
            line.push_str(&format!(", ends in {left:.0} s"));
        }
        if session.name == own {
            line.push_str(" (this one)");
        }
        printable::line(&line)
    };
    list.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: u64, name: &str, awaited_by: &[u64]) -> TaskInfo {
        let frame = |file: &str, line| Frame { file: file.into(), line, function: name.into(), text: "await x".into() };
        let frames = vec![frame("app.py", 3), frame("/usr/lib/python3.13/asyncio/tasks.py", 700)];
        let (name, coroutine, awaited_by) = (name.into(), "f".into(), awaited_by.into());
        TaskInfo { id, name, coroutine, awaited_by, session: None, frames, age_s: 12.4, age_max_s: Some(12.9) }
    }

    #[test]
    fn tasks_are_below_what_awaits_them() {
        let tasks = vec![task(1, "a", &[]), task(2, "b", &[1]), task(3, "c", &[2]), task(4, "d", &[1])];
        let at = |name: &str| format!("f  12 s  app.py:3 in {name}: await x");
        let expected = [
            format!("1 a  {}", at("a")),
            format!("├─ 2 b  {}", at("b")),
            format!("│  └─ 3 c  {}", at("c")),
            format!("└─ 4 d  {}", at("d")),
        ];
        assert_eq!(tree(&TaskList { tasks, more: false }), expected.join("\n"));
    }

    #[test]
    fn an_age_says_whether_it_is_known() {
        let check = |age_s, age_max_s, expected: Option<&str>| {
            assert_eq!(task_age(&TaskInfo { age_s, age_max_s, ..TaskInfo::default() }).as_deref(), expected);
        };
        check(0.4, None, None);
        check(0.4, Some(0.5), Some("0 s"));
        check(12.9, None, Some("≥ 12 s"));
        check(12.9, Some(13.4), Some("12 s"));
        check(12.9, Some(60.0), Some("≥ 12 s"));
        check(7300.0, Some(7300.5), Some("2 h"));
        check(-1.0, None, None);
    }

    #[test]
    fn tasks_that_await_each_other_are_shown_once() {
        let tasks = vec![task(1, "a", &[2]), task(2, "b", &[1]), task(3, "c", &[9])];
        let text = tree(&TaskList { tasks, more: true });
        let heads: Vec<&str> = text.lines().map(|line| line.split("  f  ").next().unwrap_or_default()).collect();
        assert_eq!(heads, ["3 c", "1 a", "└─ 2 b", "   └─ 1 a, as above", "... and more"]);
        assert_eq!(tree(&TaskList::default()), "no tasks");
    }

    #[test]
    fn names_give_the_terminal_no_orders() {
        let mut tasks = vec![task(1, "a\x1b[2J\n2 forged", &[]), task(2, "b\x1b]0;x\x07", &[1])];
        tasks[1].session = Some("s\r".into());
        let text = tree(&TaskList { tasks, more: false });
        assert!(
            text.starts_with("1 a?[2J?2 forged  f  ") && text.contains("\n└─ 2 b?]0;x?  f  12 s  [session s?]  "),
            "{text}"
        );
        let frames = vec![Frame { file: "a\r.py".into(), line: 2, function: "f".into(), text: "'\x1b[H'".into() }];
        let thread = Stack { thread: "t\n".into(), is_loop: false, frames };
        assert_eq!(stack(&thread), "t?\n  File \"a?.py\", line 2, in f\n    '?[H'");
    }

    #[test]
    fn a_stack_reads_as_a_traceback() {
        let frames = vec![Frame { file: "a.py".into(), line: 2, function: "f".into(), text: "g()".into() }];
        let thread = Stack { thread: "MainThread".into(), is_loop: true, frames };
        assert_eq!(stack(&thread), "MainThread, the event loop\n  File \"a.py\", line 2, in f\n    g()");
    }

    #[test]
    fn sessions_say_how_long_they_stay() {
        let info = SessionInfo { name: "a".into(), age_s: 200.0, clients: 1, cells: 2, ..SessionInfo::default() };
        let kept = SessionInfo { name: "b".into(), running: Some(1), expires_s: Some(59.6), ..SessionInfo::default() };
        let expected =
            "a  3 min old, 1 client, 2 cells (this one)\nb  0 s old, 0 clients, 0 cells, runs cell 1, ends in 60 s";
        assert_eq!(sessions(&[info, kept], "a"), expected);
    }
}
