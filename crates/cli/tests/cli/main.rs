//! The command `keelback`, run as a person runs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value as Json;

/// A command with a home and an environment of its own; the compiled image is shared.
fn keelback(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keelback"));
    let cache = std::env::var_os("KEELBACK_CACHE");
    let cache = cache.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("keelback-cache").into());
    command.env_clear().env("HOME", folder).env("KEELBACK_CACHE", cache).current_dir(folder).stdin(Stdio::null());
    command
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn run(args: &[&str]) -> Output {
    keelback(folder().path()).arg("run").args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn check(args: &[&str], status: i32, out: &str, err: &str) {
    let output = run(args);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(status), out), "{}", stderr(&output));
    assert!(stderr(&output).contains(err), "{}", stderr(&output));
}

fn with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn the_exit_status_is_the_programs_own() {
    check(&["-c", "print(1)"], 0, "1\n", "");
    check(&["-c", "import sys; sys.exit(3)"], 3, "", "");
    check(&["-c", "import sys; sys.exit('why')"], 1, "", "why\n");
    check(&["-c", "import os; os._exit(5)"], 5, "", "");
    check(&["-c", "1/0"], 1, "", "ZeroDivisionError: division by zero\n");
    check(&["-c", "x ="], 1, "", "SyntaxError: invalid syntax\n");
    check(&["--timeout", "60ms", "-c", "while True: pass"], 124, "", "used all 60 ms of wall time");
    check(&["--cpu", "60ms", "-c", "while True: pass"], 124, "", "used all 60 ms of CPU time");
    check(&["--timeout", "60ms", "-c", "sum(range(10**12))"], 124, "", "did not react within 1 s and was stopped");
    check(&["--memory", "64MiB", "-c", "x = 'a' * 10**9"], 137, "", "MemoryError");
    check(&["--max-output", "10", "-c", "while True: print(12345)"], 1, "12345\n1234", "used all 10 bytes of output");
}

#[test]
fn a_wrong_command_line_is_2_with_a_hint() {
    check(&[], 2, "", "hint: keelback run --help");
    check(&["no-such-file.py"], 2, "", "cannot read `no-such-file.py`");
    check(&["--bogus"], 2, "", "unexpected argument '--bogus'");
    check(&["--timeout", "soon", "-c", "1"], 2, "", "`soon` is not a duration");
    check(&["--memory", "lots", "-c", "1"], 2, "", "`lots` is not a size");
    check(&["--stdin", "-"], 2, "", "standard input is the program");
    check(&["--allow-read", "..", "-c", "1"], 2, "", "has no place of its own");
}

#[test]
fn a_sandbox_that_cannot_start_is_3() {
    check(&["--allow-read", "/no/such", "-c", "1"], 3, "", "/no/such");
    check(&["--memory", "1MiB", "-c", "1"], 3, "", "limit `memory_bytes` is 1048576; it must be at least 50331648");
    check(&["--resume", "missing.kbs", "-c", "1"], 3, "", "missing.kbs");
}

#[test]
fn programs_get_their_arguments() {
    let folder = folder();
    fs::write(folder.path().join("p.py"), "import sys\nif __name__ == '__main__': print(sys.argv, __file__)").unwrap();
    let output = keelback(folder.path()).args(["run", "--json", "p.py", "-x", "--json", "a b"]).output().unwrap();
    assert!(stdout(&output).contains("['p.py', '-x', '--json', 'a b'] p.py"), "{}", stdout(&output));
    check(&["-c", "import sys; print(sys.argv)", "-v", "--help"], 0, "['-c', '-v', '--help']\n", "");
    let output = with_input(keelback(folder.path()).args(["run", "-", "one"]), "import sys; print(sys.argv)");
    assert_eq!(stdout(&output), "['-', 'one']\n");
    let output = with_input(&mut keelback(folder.path()), "print('from a pipe')");
    assert_eq!(stdout(&output), "from a pipe\n");
    let output = with_input(keelback(folder.path()).args(["run", "--stdin", "-m", "json.tool"]), "[1]");
    assert_eq!(stdout(&output), "[\n    1\n]\n");
}

#[test]
fn what_is_granted_is_there_and_nothing_else() {
    let folder = folder();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/in.txt"), "granted").unwrap();
    let program = "print(open('data/in.txt').read())";
    let output = keelback(folder.path()).args(["run", "-c", program]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let output = keelback(folder.path()).args(["run", "--allow-read", "data", "-c", program]).output().unwrap();
    assert_eq!(stdout(&output), "granted\n");
    let program = "open('/out/new.txt', 'w').write('x')";
    let output = keelback(folder.path()).args(["run", "--allow-read", "data:/out", "-c", program]).output().unwrap();
    assert!(stderr(&output).contains("PermissionError"), "{}", stderr(&output));
    let output = keelback(folder.path()).args(["run", "--allow-write", "data:/out", "-c", program]).output().unwrap();
    assert_eq!(
        (output.status.code(), fs::read_to_string(folder.path().join("data/new.txt")).unwrap()),
        (Some(0), "x".into())
    );
    let program = "import os; print(dict(os.environ))";
    let output = keelback(folder.path()).env("A", "1").env("B", "2").args(["run", "-c", program]).output().unwrap();
    assert_eq!(stdout(&output), "{}\n");
    let mut command = keelback(folder.path());
    let output =
        command.env("A", "1").env("B", "2").args(["run", "--allow-env", "A,C", "-c", program]).output().unwrap();
    assert_eq!(stdout(&output), "{'A': '1'}\n");
    let read = "print(input())";
    let output = with_input(keelback(folder.path()).args(["run", "-c", read]), "line\n");
    assert!(stderr(&output).contains("EOFError"), "{}", stderr(&output));
    let output = with_input(keelback(folder.path()).args(["run", "--stdin", "-c", read]), "line\n");
    assert_eq!(stdout(&output), "line\n");
}

#[test]
fn json_lines_say_everything() {
    let folder = folder();
    let program = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nraise KeyError((1, 2))";
    let output = keelback(folder.path()).args(["run", "--json", "-c", program]).output().unwrap();
    let lines: Vec<Json> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], serde_json::json!({"event": "stdout", "text": "out\n"}));
    assert_eq!(lines[1], serde_json::json!({"event": "stderr", "text": "err\n"}));
    let last = &lines[2];
    assert_eq!((&last["outcome"], &last["exit_status"]), (&"raised".into(), &1.into()));
    assert_eq!(last["exception"]["args"][0]["data"], serde_json::json!({"$tuple": [1, 2]}));
    assert_eq!(last["exception"]["frames"][0]["line"], 4);
    assert!(last["usage"]["wall_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_pinned_program_repeats_itself() {
    let program = "import random, time, uuid, os; print(random.random(), time.time(), uuid.uuid4(), os.urandom(4))";
    let output = |seed: &str| stdout(&run(&["--deterministic", seed, "-c", program]));
    assert_eq!(output("1"), output("1"));
    assert_ne!(output("1"), output("2"));
}

#[test]
fn a_saved_session_is_resumed() {
    let folder = folder();
    let output =
        keelback(folder.path()).args(["run", "--save", "s.kbs", "-c", "x = [1]; y = iter(x)"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output =
        keelback(folder.path()).args(["run", "--resume", "s.kbs", "-c", "print(x, next(y))"]).output().unwrap();
    assert_eq!(stdout(&output), "[1] 1\n", "{}", stderr(&output));
    fs::write(folder.path().join("s.kbs"), "something else").unwrap();
    let output = keelback(folder.path()).args(["run", "--resume", "s.kbs", "-c", "1"]).output().unwrap();
    assert!(stderr(&output).contains("`s.kbs` is not a snapshot"), "{}", stderr(&output));
}

#[test]
fn a_cache_that_was_damaged_is_built_again() {
    let folder = folder();
    let cache = folder.path().join("cache");
    let start = || {
        let mut command = keelback(folder.path());
        command.env("KEELBACK_CACHE", &cache).args(["run", "-c", "print(1)"]).output().unwrap()
    };
    let first = start();
    assert!(stdout(&first) == "1\n" && stderr(&first).contains("compiling the guest image"), "{}", stderr(&first));
    assert_eq!(stderr(&start()), "");
    let key = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let code = key.join("code");
    fs::write(&code, &fs::read(&code).unwrap()[..1000]).unwrap();
    let again = start();
    assert!(stdout(&again) == "1\n" && stderr(&again).contains("compiling the guest image"), "{}", stderr(&again));
    // Several at once: one builds, the others wait for it.
    fs::remove_dir_all(&cache).unwrap();
    let outputs: Vec<Output> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(outputs.iter().all(|output| stdout(output) == "1\n"));
    assert_eq!(outputs.iter().filter(|output| stderr(output).contains("compiling the guest image,")).count(), 1);
}

#[test]
fn helps_completions_and_manual_are_there() {
    let folder = folder();
    let text = |args: &[&str]| stdout(&keelback(folder.path()).args(args).output().unwrap());
    assert!(text(&["--help"]).lines().count() <= 24);
    for args in [&["run", "--help"][..], &["completions", "--help"], &["man", "--help"]] {
        assert!(text(args).contains("Example: keelback"), "{args:?}");
    }
    assert!(text(&["completions", "bash"]).contains("_keelback"));
    assert!(text(&["man"]).starts_with(".ie"));
}

#[test]
fn nobody_reading_is_no_crash() {
    let folder = folder();
    let mut command = keelback(folder.path());
    command.args(["run", "-c", "while True: print('x' * 1000)"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(141));
}

#[test]
fn output_does_not_wait_for_more() {
    use std::io::{BufRead, BufReader};
    let folder = folder();
    let mut command = keelback(folder.path());
    command.args(["run", "--stdin", "-c", "for i in range(3):\n    print(i)\n    input()"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    // Each line is read before the program gets what it waits for: held back, it would stand still for ever.
    for (i, line) in stdout.lines().enumerate() {
        assert_eq!(line.unwrap(), i.to_string());
        stdin.write_all(b"\n").unwrap();
    }
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_end_of_a_program_is_that_of_python3() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let program = "import atexit, sys\natexit.register(print, 'exit', file=sys.stderr)\n\
        f = open('out/a.txt', 'w'); f.write('text')\n1/0";
    let output = keelback(folder.path()).args(["run", "--allow-write", "out", "-c", program]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    // The traceback comes first.
    assert!(stderr(&output).ends_with("ZeroDivisionError: division by zero\nexit\n"), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(folder.path().join("out/a.txt")).unwrap(), "text");
}

#[test]
fn packages_are_found_by_programs_and_modules() {
    let folder = folder();
    fs::create_dir(folder.path().join("site")).unwrap();
    fs::write(folder.path().join("site/tiny.py"), "print('tiny', __name__)").unwrap();
    let run = |args: &[&str]| keelback(folder.path()).args(["run", "--packages", "site"]).args(args).output().unwrap();
    assert_eq!(stdout(&run(&["-m", "tiny"])), "tiny __main__\n");
    assert_eq!(stdout(&run(&["-c", "import tiny"])), "tiny tiny\n");
    let none = run(&["--packages", "nowhere", "-c", "1"]);
    assert_eq!(none.status.code(), Some(3));
    assert!(stderr(&none).contains("cannot read packages from `nowhere`"), "{}", stderr(&none));
}

#[test]
fn a_model_reaches_a_session_over_stdio() {
    let folder = folder();
    let messages = [
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"run_python","arguments":{"code":"6 * 7"}}}"#,
    ];
    let mut child = keelback(folder.path());
    let mut child = child.arg("mcp").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{}\n", messages.join("\n")).as_bytes()).unwrap();
    let answers = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let answers: Vec<Json> = answers.take(2).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(answers[1]["result"]["content"][0]["text"], "42");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
