//! Ways to hosts that were not granted, and lies told over the channel that leads to those that were.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
};

use keelback_sandbox::{Limits, Permissions};

use crate::{outcome, pair, session};

/// Says `hello` to whoever connects.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = stream.write_all(b"hello");
                let _ = stream.read(&mut [0; 1 << 16]);
            });
        }
    });
    address
}

fn connect(host: &str, port: u16) -> String {
    format!("import socket\nwith socket.create_connection(('{host}', {port})) as s: hello = s.recv(5)\nhello")
}

#[test]
fn loopback_is_reached_by_a_grant_of_its_own_only() {
    let address = server();
    let port = address.port();
    for host in ["127.0.0.1", "::ffff:127.0.0.1"] {
        let cell = connect(host, port);
        pair(&cell, "PermissionError", Permissions::none().network(address.to_string()), "= b'hello'");
        for wide in ["*", "0.0.0.0/0", "::/0", "[::1]", "example.org"] {
            let mut session = session(Permissions::none().network(wide), Limits::default());
            assert_eq!(outcome(&mut session, &cell), "PermissionError", "{host} with {wide}");
        }
    }
    let cell = connect("localhost", port);
    pair(&cell, "gaierror", Permissions::none().network("localhost"), "= b'hello'");
}

#[test]
fn no_spelling_of_an_address_gets_around_its_grant() {
    let port = server().port();
    let mut session = session(Permissions::none().network("*"), Limits::default());
    for host in [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "::",
        "::1",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
        "localhost",
        "LOCALHOST.",
        "169.254.169.254",
        "fe80::1%lo",
        "127.0.0.1\\0.example.org",
        "127.0.0.1%00",
    ] {
        let end = outcome(&mut session, &connect(host, port));
        let refused = ["PermissionError", "gaierror", "OSError", "ValueError"];
        assert!(refused.contains(&end.as_str()), "{host}: {end}");
    }
    assert_eq!(outcome(&mut session, "1 + 1"), "= 2");
}

/// The guest can reach the module that makes host calls; whatever it sends is an error of its own.
#[test]
fn forged_requests_are_the_guests_own_trouble() {
    let address = server();
    let port = address.port();
    let open = format!("'connect', None, 1, '127.0.0.1', {port}");
    let nameless = format!("'connect', None, 'x', '127.0.0.1', {port}");
    let memory = "'memory', 0, 2, 'localhost', True, True, True, [], [], 3";
    for requests in [
        vec!["'connect', None, 1, '127.0.0.1', -1"],
        vec!["'connect', None, 1, '127.0.0.1', 1 << 40"],
        vec!["'connect', None, 1, 'localhost', 80"],
        vec!["'connect', None, None, '127.0.0.1', None"],
        vec![&nameless, "'secure', 0", "'secure', 0, -1", "'receive', 0, -1, -1, False"],
        vec![&open, "'receive', 0, 1, 1 << 60, False", "'receive', 0, 1, -5, True", "'shutdown', 0, 1, 99"],
        vec![&open, "'secure', 0, 1, 'x' * 100_000, True, True, True, [b'x'], [b'', b'y' * 999], 0"],
        vec![&open, &open, "'send', 0, 1, b'x' * 10_000_000", "'poll', 0, [(1, 99), (1, 3), (-1, 3)]"],
        vec![&open, "'poll', 0, [(0, 0)] * 100_000", "'poll', -1.0, 7", "'nonsense', 0, 1", "'drain', 0, 1"],
        vec![
            memory,
            memory,
            "'feed', 0, 2, b'x' * 10_000_000, False",
            "'feed', 0, 2, b'xyz' * 9, True",
            "'handshake', 0, 2",
        ],
        vec![
            memory,
            "'send', 0, 2, b'x'",
            "'connect', 0, 2, '127.0.0.1', 1",
            "'addresses', 0, 2",
            "'shutdown', 0, 2, 2",
        ],
        vec!["'resolve', None, 'x' * 100_000", "'resolve', None, '127.0.0.1'", "'resolve', None, 1"],
        vec![
            "'handshake', 0, 7",
            "'unwrap', 0, 7",
            "'buffered', 0, 7",
            "'tls', 0, 7",
            "'error', 0, 7",
            "'close', 0, 7",
        ],
    ] {
        let grant = Permissions::none().network(address.to_string()).network("localhost:1");
        let mut session = session(grant, Limits::default());
        for request in &requests {
            let cell =
                format!("import _host, marshal\nmarshal.loads(_host.call(marshal.dumps(('net', {request}), 2)))");
            outcome(&mut session, &cell);
        }
        assert_eq!(outcome(&mut session, "1 + 1"), "= 2", "after {requests:?}");
        drop(session);
    }
}
