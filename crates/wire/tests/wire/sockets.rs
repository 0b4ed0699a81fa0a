//! What a client does, over a Unix socket.

use std::os::unix::{fs::MetadataExt, net::UnixStream};

use keelback_wire::{application::Audit, reply::Outcome, server::Config};

use crate::peer::{Client, serve};

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
