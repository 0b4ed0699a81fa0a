//! `--eval` and programs on standard input.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Output, Stdio},
};

use keelback_wire::event::{Body, Frame, Interrupting};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    program::{Served, config, serve},
    window::keelback,
};

fn run(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that wants no input may be gone.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn command(served: &Served, args: &[&str]) -> Command {
    let mut command = keelback(served.folder.path());
    command.arg(&served.socket).args(args);
    command
}

#[track_caller]
fn check(args: &[&str], input: &str, status: i32, out: &str, err: &str) {
    let served = serve(config());
    let output = run(command(&served, args), input);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let got = (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr));
    assert_eq!(got, (status, out.to_owned(), err.to_owned()));
}

#[test]
fn code_prints_and_the_status_says_how_it_ended() {
    check(&["--eval", "1+1"], "", 0, "2\n", "");
    check(&["-e", "print hello"], "", 0, "hello\n", "");
    check(&["-e", "warn hello"], "", 0, "", "hello\n");
    check(&["-e", "raise"], "", 1, "", "Traceback (most recent call last):\nValueError: no\n");
    check(&["-e", "exit()"], "", 3, "", "bye\n");
    check(&["-e", "input name"], "Bob\nEve\n", 0, "name? Some(\"Bob\\n\")\n", "");
    check(&["-e", "input name"], "", 0, "name? None\n", "");
}

#[test]
fn a_program_on_standard_input_is_one_cell() {
    check(&[], "print a\nprint b", 0, "a\nprint b\n", "");
    // It has been read: there is nothing left of it for its own questions.
    check(&[], "input name", 0, "name? None\n", "");
}

#[test]
fn events_are_lines_of_json() {
    let served = serve(config());
    let output = run(command(&served, &["--json", "--eval", "1+1"]), "");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["status", "value", "status", "outcome"]);
    assert_eq!((&lines[1]["text"], &lines[3]["outcome"]), (&"2".into(), &"done".into()));
    assert_eq!((&lines[3]["exit_status"], &lines[3]["cell"]), (&0.into(), &1.into()));
}

#[test]
fn a_named_session_stays_and_its_past_is_not_printed_again() {
    let served = serve(config());
    let last = |code: &str| {
        let output = run(command(&served, &["--session", "a", "-e", code]), "");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!([last("print one"), last("print two")], ["one\n", "two\n"]);
}

#[test]
fn what_an_interrupt_waits_for_is_told() {
    let served = serve(config());
    let mut command = command(&served, &["--session", "a", "--eval", "wait"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut out, mut err) =
        (BufReader::new(child.stdout.take().unwrap()), BufReader::new(child.stderr.take().unwrap()));
    let (mut printed, mut told) = (String::new(), String::new());
    out.read_line(&mut printed).unwrap();
    let frame = Frame { file: "/srv/app.py".into(), line: 41, function: "get".into(), text: "sleep(60)".into() };
    let interrupting = Interrupting { cell: 1, frames: vec![frame] };
    served.program.handle().event(Some("a"), Body::Interrupting(interrupting));
    err.read_line(&mut told).unwrap();
    assert_eq!(told, "keelback: cell 1 is interrupted when this returns: app.py:41 in get: sleep(60)\n");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
