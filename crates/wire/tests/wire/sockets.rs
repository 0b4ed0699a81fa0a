//! What a client and a person do, over a Unix socket, and what is left.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::Path,
};

use keelback_wire::{
    application::Audit,
    event::Stream,
    message::{Attach, List},
    reply::Outcome,
    server::{Config, StartError},
};
use serde_json::Value;

use crate::peer::{Client, serve, try_serve};

#[test]
fn a_cell_runs_and_is_shown() {
    let served = serve(Config { program: "app".into(), ..Config::default() });
    let (mut client, welcome) = Client::new(served.connect());
    assert_eq!((welcome.program.as_str(), welcome.client, welcome.pid), ("app", 1, std::process::id()));
    let session = client.open().session;
    let outcome = client.eval(&session, "1+1");
    assert_eq!((outcome.cell, outcome.outcome), (1, Outcome::Done));
    assert_eq!(client.text(), "2");
    client.eval(&session, "print hello");
    assert_eq!(client.text(), "hello\n");
    let uid = std::fs::metadata(&served.path).expect("there").uid();
    let who = format!("uid {uid} pid {}", std::process::id());
    assert_eq!(served.application.audits()[0], Audit::Connected(1, who));
}

#[test]
fn what_background_tasks_print_comes_by_itself() {
    let served = serve(Config::default());
    let mut client = served.client();
    let session = client.open().session;
    for text in ["one", "two"] {
        served.application.handle().output(&session, Stream::Out, text);
        client.next();
    }
    client.call(&List {}).expect("a list");
    served.application.handle().output(&session, Stream::Err, "three");
    let (mut again, _) = Client::new(served.connect());
    again.call(&Attach { session, after: Some(0) }).expect("there");
    while !again.text_so_far().ends_with("three") {
        again.next_event();
    }
    assert_eq!(again.text(), "onetwothree");
}

#[test]
fn a_server_that_stops_leaves_nothing() {
    let served = serve(Config::default());
    let mut client = served.client();
    let session = client.open().session;
    served.server.stop();
    while client.next().is_some() {}
    assert_eq!(served.application.calls(), [format!("open {session} 80"), format!("close {session}")]);
    assert!(!served.path.exists());
    assert!(UnixStream::connect(&served.path).is_err());
    served.server.stop();
}

#[test]
fn lines_of_text_are_answered_as_text() {
    let served = serve(Config { banner: "Python".into(), ..Config::default() });
    let mut stream = served.connect();
    stream.write_all(b"1+1\nprint a\nraise\nif 1:\n\n").expect("the server reads");
    stream.shutdown(Shutdown::Write).expect("a socket");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("text");
    assert_eq!(text, "Python\n>>> 2\n>>> a\n>>> Traceback\nm.E: no\n>>> ... >>> ");
}

#[test]
fn silence_is_answered_with_a_prompt() {
    let served = serve(Config::default());
    let mut stream = served.connect();
    let mut prompt = [0; 4];
    stream.read_exact(&mut prompt).expect("a prompt");
    assert_eq!(&prompt, b">>> ");
    // A client that was slow finds the protocol behind it.
    let (mut client, _) = Client::new(stream);
    let session = client.open().session;
    client.eval(&session, "1+1");
    assert_eq!(client.text(), "2");
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a transcript");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn a_transcript_has_each_cell() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let served = serve(Config { transcript: Some(path.clone()), ..Config::default() });
    let mut client = served.client();
    let session = client.open().session;
    client.eval(&session, "raise");
    served.server.stop();
    let lines = lines(&path);
    assert_eq!((lines.len(), &lines[0]["source"], &lines[1]["outcome"]), (2, &"raise".into(), &"raised".into()));
    for line in &lines {
        assert_eq!(
            (&line["client"], &line["session"], &line["cell"]),
            (&1.into(), &session.as_str().into(), &1.into())
        );
        assert!(line["time"].as_f64().is_some_and(|time| time > 0.0));
    }
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_transcript_that_cannot_be_opened_is_an_error_at_the_start() {
    let config = Config { transcript: Some("/dev/null/log".into()), ..Config::default() };
    assert!(matches!(try_serve(config).err(), Some(StartError::Transcript { .. })));
}
