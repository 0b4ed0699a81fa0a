//! What there is to attach to, and what targets mean.

use std::{fs, path::Path, process::Output};

use keelback_wire::{discover::Served as Entry, server::Listener};

use crate::{
    program::{config, serve, serve_at},
    window::{Window, keelback},
};

/// Writes what a server says of itself.
fn announce(folder: &Path, entry: &Entry) {
    let path = folder.join(format!("keelback/{}-{}.json", entry.name, entry.pid));
    fs::write(path, serde_json::to_vec(entry).unwrap()).unwrap();
}

fn entry(name: &str, pid: u32, socket: &Path) -> Entry {
    let socket = Some(socket.display().to_string());
    Entry { name: name.into(), pid, program: "/srv/app.py".into(), python: "3.13.0".into(), socket, ..Entry::default() }
}

fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        keelback(folder).args(args).stdin(std::process::Stdio::null()).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn the_only_program_is_attached_to() {
    let served = serve(config());
    let folder = served.folder.path();
    announce(folder, &entry("app", 1, &served.socket));
    assert_eq!(run(folder, &["--eval", "1+1"]), (0, "2\n".into(), String::new()));
    let mut window = Window::open(keelback(folder));
    window.ends("served\n:help lists commands, Ctrl-D leaves\n>>>");
    let (status, out, _) = run(folder, &["--list"]);
    assert!(status == 0 && out.starts_with("NAME  PID  PROGRAM  PYTHON  AGE\napp   1    app.py   3.13.0  "), "{out}");
}

#[test]
fn several_are_listed_and_chosen_by_name_or_process() {
    let served = serve(config());
    let folder = served.folder.path();
    let socket = folder.join("keelback/other.sock");
    let (_other, _) = serve_at(vec![Listener::unix(&socket).unwrap()], config());
    announce(folder, &entry("app", 1, &served.socket));
    announce(folder, &entry("other", 2, &socket));
    announce(folder, &entry("other", 3, &socket));
    let (status, out, _) = run(folder, &["--eval", "1+1"]);
    assert_eq!((status, out.lines().count()), (0, 4), "{out}");
    let (_, out, _) = run(folder, &["--list", "--json"]);
    let lines: Vec<Entry> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], entry("app", 1, &served.socket));
    for target in ["app", "1", "3"] {
        assert_eq!(run(folder, &[target, "--eval", "1+1"]), (0, "2\n".into(), String::new()));
    }
    let (status, _, err) = run(folder, &["other", "--eval", "1+1"]);
    assert!(
        status == 1 && err.contains("several are called `other`\nNAME ") && err.ends_with("hint: say the PID\n"),
        "{err}"
    );
}

#[test]
fn where_nothing_is_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let own = std::process::id().to_string();
    for (args, status, message) in [
        (&[][..], 1, "no program of yours is served"),
        (&["--list"], 0, "no program of yours is served"),
        (&["web"], 1, "no program `web` is served\nhint: keelback attach --list"),
        (&["./none"], 1, "nobody serves at `./none`"),
        (&["4000000000"], 1, "there is no process 4000000000"),
        (&[&own], 1, "runs no Python that can be seen"),
        (&["localhost:1"], 1, "a server on TCP wants a key\nhint: --key FILE"),
        (&["--list", "x"], 2, "cannot be used with"),
    ] {
        let (got, out, err) = run(folder.path(), args);
        assert!(got == status && err.contains(message) && out.is_empty(), "{args:?}: {got} {err}");
    }
}

#[test]
fn a_prepared_process_is_not_signalled_unasked_nor_when_it_is_another() {
    let served = serve(config());
    let folder = served.folder.path();
    let pid = std::process::id();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    // This process has a handler for SIGSEGV (11) and none for SIGUSR2 (12), which would end it.
    for (signal, started, yes, message) in [
        (12, now, "--yes", "no longer waits for its signal"),
        (11, 5.0, "--yes", "no longer waits for its signal"),
        (11, now, "--eval=1", "nobody can be asked"),
    ] {
        let armed = Entry { armed: Some(signal), started, ..entry("app", pid, &served.socket) };
        announce(folder, &armed);
        let (status, _, err) = run(folder, &["app", yes]);
        assert!(status == 1 && err.contains(message), "{err}");
    }
}
