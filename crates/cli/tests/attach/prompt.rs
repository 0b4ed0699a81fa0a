//! The prompt, in a terminal.

use keelback_wire::{
    event::{Body, Frame, Held, Interrupting, Stream},
    server::Config,
};

use crate::{
    program::{Served, config, serve},
    window::{Window, keelback},
};

fn open(served: &Served, args: &[&str]) -> Window {
    let mut command = keelback(served.folder.path());
    command.arg(&served.socket).args(args);
    Window::open(command)
}

#[test]
fn cells_run_in_the_program() {
    let served = serve(config());
    let mut window = open(&served, &[]);
    window.ends("served\n:help lists commands, Ctrl-D leaves\n>>>");
    window.keys("1+1\r", "\n>>> 1+1\n2\n>>>");
    window.keys("print hello\r", ">>> print hello\nhello\n>>>");
    window.keys("raise\r", "Traceback (most recent call last):\nValueError: no\n>>>");
    // Enter asks the program whether the cell is whole.
    window.keys("if x:\r", ">>> if x:\n...");
    window.keys("\x03", "KeyboardInterrupt\n>>>");
    window.keys("\x04", "`--session 1` comes back to it");
    let (status, text) = window.status();
    assert_eq!(status, 0);
    assert!(text.contains("detached: session `1` goes on for 60 s"), "{text}");
}

#[test]
fn what_was_missed_is_there_when_one_comes_back() {
    let served = serve(config());
    let mut window = open(&served, &["--session", "work"]);
    window.ends(">>>").keys("print one\r", "\none\n>>>").keys(":detach\r", "comes back to it");
    assert_eq!(window.status().0, 0);
    served.program.handle().output("work", Stream::Out, "two\n");
    let mut window = open(&served, &["--session", "work"]);
    window.ends(">>> print one\none\ntwo\n>>>").keys(":close\r", ":close");
    assert_eq!(window.status().0, 0);
    let mut window = open(&served, &["--session", "work", "--new"]);
    window.ends("served\n:help lists commands, Ctrl-D leaves\n>>>");
}

#[test]
fn two_windows_share_a_session() {
    let served = serve(config());
    let mut one = open(&served, &["--session", "a"]);
    one.ends(">>>");
    let mut two = open(&served, &["--session", "a"]);
    two.ends(">>>").keys("half a li", ">>> half a li");
    one.keys("print x\r", ">>> print x\nx\n>>>");
    two.ends(">>> print x\nx\n>>> half a li");
    one.keys("input name\r", "name?");
    two.ends("\nname?\n>>> half a li");
    one.keys("Bob\r", "Some(\"Bob\\n\")\n>>>");
}

#[test]
fn a_cell_that_waits_for_a_line_gets_it() {
    let served = serve(config());
    let mut window = open(&served, &[]);
    window.ends(">>>").keys("input name\r", "\nname?").keys("Bob\r", "name? Bob\nSome(\"Bob\\n\")\n>>>");
    window.keys("secret word\r", "\nword?").keys("pss\r", "word?\nSome(\"pss\\n\")\n>>>");
    window.keys("input name\r", "\nname?").keys("\x04", "None\n>>>");
}

#[test]
fn a_question_is_asked_again_of_who_comes_back() {
    let served = serve(config());
    let mut window = open(&served, &["--session", "a"]);
    window.ends(">>>").keys("input one\r", "\none?").keys("1\r", "Some(\"1\\n\")\n>>>");
    window.keys("input two\r", "\ntwo?");
    drop(window);
    let mut window = open(&served, &["--session", "a"]);
    window.ends("\ncell 2 still runs; Ctrl-C interrupts it\ntwo?").keys("2\r", "Some(\"2\\n\")\n>>>");
    assert!(window.text().contains(">>> input one\none?\nSome(\"1\\n\")\n>>> input two\n"), "{}", window.text());
}

#[test]
fn ctrl_c_stops_a_cell_and_in_the_end_the_prompt() {
    let served = serve(config());
    let mut window = open(&served, &[]);
    window.ends(">>>").keys("wait\r", "\nwaiting").keys("\x03", "KeyboardInterrupt\n>>>");
    window.keys("stubborn\r", "\nwaiting").keys("\x03\x03", "once more leaves the prompt");
    window.keys("\x03", "comes back to it");
    let (status, text) = window.status();
    assert!(status == 130 && text.contains("the cell goes on\n"), "{text}");
    // What does not let itself be interrupted is told of.
    let frame = Frame { file: "<1-input-2>".into(), line: 1, function: "f".into(), text: "sleep(2)\x1b[2J".into() };
    let interrupting = Interrupting { cell: 2, frames: vec![frame] };
    served.program.handle().event(Some("1"), Body::Interrupting(interrupting));
    // Who comes back waits for it again.
    let mut window = open(&served, &["--session", "1"]);
    window.ends("cell 2 is interrupted when this returns: <1-input-2>:1 in f: sleep(2)?[2J\ncell 2 still runs; Ctrl-C interrupts it");
}

#[test]
fn leaving_by_exit_is_the_cells_doing() {
    let served = serve(config());
    let mut window = open(&served, &[]);
    window.ends(">>>").keys("exit()\r", "bye");
    assert_eq!(window.status().0, 3);
}

#[test]
fn output_and_warnings_go_above_the_cell() {
    let served = serve(config());
    let mut window = open(&served, &["--session", "a"]);
    window.ends(">>>").keys("x = ", ">>> x =");
    served.program.handle().output("a", Stream::Out, "from a task\n");
    window.ends("from a task\n>>> x =");
    let frame = Frame { file: "/srv/app.py".into(), line: 41, function: "get".into(), text: "sleep(2)".into() };
    let held = Held { held_s: 0.62, by: None, pumped: false, frames: vec![frame] };
    served.program.handle().event(None, Body::Held(held.clone()));
    window.ends("the event loop is held for 0.6 s: app.py:41 in get: sleep(2)\n>>> x =");
    served.program.handle().event(None, Body::Held(Held { pumped: true, ..held }));
    window.ends("the program has not called `pump` for 0.6 s: app.py:41 in get: sleep(2)\n>>> x =");
}

#[test]
fn commands_look_into_the_program() {
    let served = serve(config());
    let mut window = open(&served, &["--session", "a"]);
    window.ends(">>>").keys("ca\t", ">>> cache");
    window.keys("\x15:vars\r", "\ncache  dict  {}\n>>>");
    window.keys(":doc cache\r", "What was looked up.\n>>>");
    window.keys(":src f\r", "def f(): pass\n>>>");
    let task = "1 Task-1  main()\n└─ 2 worker  main()  /srv/app.py:7 in main: await queue.get()";
    window.keys(":tasks\r", &format!("{task}\n>>>"));
    window.keys(":cancel 2\r", "task 2 was told to cancel\n>>>");
    window.keys(":cancel 3\r", "error: there is no such task\n>>>");
    window.keys(
        ":where\r",
        "MainThread, the event loop\n  File \"/srv/app.py\", line 9, in main\n    await queue.get()\n>>>",
    );
    window.keys(":stacks\r", "await queue.get()\n\npool-1\n>>>");
    window.keys(":sessions\r", "1 client, 0 cells (this one)\n>>>");
    window.keys(":tail on\r", "GET / 200\n>>>");
    window.keys(":tail maybe\r", "error: `:tail` is `on` or `off`\n>>>");
    window.keys(":help\r", ":close        leave, and end the session with all it runs\n>>>");
}

#[test]
fn a_server_that_only_lets_look_says_so() {
    let served = serve(Config { read_only: true, ..config() });
    let mut window = open(&served, &[]);
    window.ends("the server only lets look; :help lists commands, Ctrl-D leaves\n>>>");
    window.keys("1+1\r", "\n>>>").keys(":vars\r", "cache  dict  {}\n>>>");
    assert!(window.text().contains(">>> 1+1\nerror: "), "{}", window.text());
}
