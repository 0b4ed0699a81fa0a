//! Names and addresses: how they are looked up, granted and compared. The servers are on loopback, and names are those
//! of a resolver of the tests' own.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{IpAddr, TcpListener, TcpStream},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use keelback_sandbox::{Limit, Limits, Permissions, Session, SessionOptions, Tool, Value};

use crate::{
    brief, engine,
    net::{check_limit, contains, outcome},
    run, session_with,
};

/// Names as they are in a test's world.
fn names(table: &[(&str, &[&str])]) -> impl Fn(&str) -> std::io::Result<Vec<IpAddr>> + use<> {
    let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let table: HashMap<String, Vec<IpAddr>> =
        table.iter().map(|(name, texts)| ((*name).to_owned(), parse(texts))).collect();
    move |name| table.get(name).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

/// A resolver whose look-ups of `slow.example` take until `go`, a tool of the guest, is called or dropped.
fn slow() -> Permissions {
    let (sender, receiver) = mpsc::channel::<()>();
    let (sender, receiver) = (Mutex::new(sender), Mutex::new(receiver));
    let go = Tool::new("go", move |_| {
        let _ = sender.lock().unwrap().send(());
        Ok(Value::None)
    });
    let resolve = move |name: &str| {
        if name == "slow.example" {
            let _ = receiver.lock().unwrap().recv();
        }
        Ok(vec!["127.0.0.1".parse().unwrap()])
    };
    Permissions::none().network("*.example").resolver(resolve).tool(go)
}

fn greeter(address: &str) -> TcpListener {
    let listener = TcpListener::bind(address).unwrap();
    let accepting = listener.try_clone().unwrap();
    thread::spawn(move || {
        for mut stream in accepting.incoming().flatten() {
            let _ = stream.write_all(b"hello");
        }
    });
    listener
}

fn connect(host: &str, port: u16) -> String {
    format!("import socket\nwith socket.create_connection(('{host}', {port})) as s:\n    r = s.recv(5)\nr")
}

#[test]
fn other_tasks_go_on_while_a_name_is_looked_up() {
    let mut session = session_with(slow());
    let cell = "
import asyncio
async def other():
    await asyncio.sleep(0)
    go()
    return 'went on'
loop = asyncio.get_running_loop()
both = await asyncio.gather(loop.getaddrinfo('slow.example', 80, type=1), other(), loop.getaddrinfo('fast.example', 80, type=1))
[both[0][0][4], both[1], both[2][0][4]]";
    assert_eq!(outcome(&mut session, cell), "= [('127.0.0.1', 80), 'went on', ('127.0.0.1', 80)]");
    // One that nobody waits for any more is over for the guest.
    let cell = "
try: await asyncio.wait_for(loop.getaddrinfo('slow.example', 80), 0.001)
except TimeoutError: r = 'gave up'
go()
r";
    assert_eq!(outcome(&mut session, cell), "= 'gave up'");
    contains(&outcome(&mut session, "await loop.getaddrinfo('a.org', 80)"), "`a.org` is not granted");
    contains(&outcome(&mut session, "await asyncio.open_connection('fast.example', 1)"), "needs a grant of its own");
    // Many at once, more than there are threads.
    let cell = "len(await asyncio.gather(*(loop.getaddrinfo(f'n{i}.example', 1, type=1) for i in range(60))))";
    assert_eq!(outcome(&mut session, cell), "= 60");
}

#[test]
fn a_look_up_has_a_limit_of_time() {
    let limit = Duration::from_millis(40);
    let mut limits = Limits::default();
    limits.connect_time = limit;
    let mut session = engine().session(SessionOptions::default().permissions(slow()).limits(limits)).unwrap();
    let text = "looking up `slow.example` took all";
    run(&mut session, "import asyncio, socket");
    for cell in
        ["socket.getaddrinfo('slow.example', 80)", "await asyncio.get_running_loop().getaddrinfo('slow.example', 80)"]
    {
        check_limit(&mut session, cell, Limit::ConnectTime(limit), text);
    }
    // What was looked up is let go: the threads are those of the process.
    run(&mut session, "go()\ngo()");
}

#[test]
fn limits_without_end_are_taken() {
    let server = greeter("127.0.0.1:0");
    let port = server.local_addr().unwrap().port();
    let mut limits = Limits::default();
    limits.connect_time = Duration::MAX;
    limits.grace = Duration::MAX;
    limits.wall_time = Some(Duration::MAX);
    limits.cpu_time = Some(Duration::MAX);
    let permissions = Permissions::none().network("localhost");
    let mut session = engine().session(SessionOptions::default().permissions(permissions).limits(limits)).unwrap();
    assert_eq!(outcome(&mut session, &connect("localhost", port)), "= b'hello'");
}

/// A server whose queue of connections is full leaves a further client without an answer.
#[test]
fn an_attempt_to_connect_has_a_limit_of_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let attempt = || TcpStream::connect_timeout(&address, Duration::from_millis(50));
    let held: Vec<TcpStream> = std::iter::from_fn(|| attempt().ok()).take(8).collect();
    assert!(held.len() < 8, "the queue is full");
    let limit = Duration::from_millis(40);
    let mut limits = Limits::default();
    limits.connect_time = limit;
    let permissions = Permissions::none().network(address.to_string());
    let mut session = engine().session(SessionOptions::default().permissions(permissions).limits(limits)).unwrap();
    let text = format!("connecting to `{address}` took all");
    run(&mut session, "import asyncio, socket");
    let port = address.port();
    for cell in [
        format!("socket.create_connection(('127.0.0.1', {port}))"),
        format!("await asyncio.open_connection('127.0.0.1', {port})"),
    ] {
        check_limit(&mut session, &cell, Limit::ConnectTime(limit), &text);
    }
    // A shorter time of the guest's own is its affair, and other tasks go on.
    let cell = format!(
        "s = socket.socket()\ns.settimeout(0.005)\ntry: s.connect(('127.0.0.1', {port}))\nexcept TimeoutError as e: r = str(e)\ns.close()\nr"
    );
    assert_eq!(outcome(&mut session, &cell), "= 'timed out'");
}

#[track_caller]
fn reaches(session: &mut Session, host: &str, port: u16) {
    assert_eq!(outcome(session, &connect(host, port)), "= b'hello'", "{host}");
}

#[test]
fn ipv6_is_granted_like_ipv4() {
    let server = greeter("[::1]:0");
    let port = server.local_addr().unwrap().port();
    for grant in [format!("[::1]:{port}"), "::1".into(), "[::1]".into(), "::1/128".into(), format!("localhost:{port}")]
    {
        let mut session = session_with(Permissions::none().network(&grant));
        reaches(&mut session, "::1", port);
        reaches(&mut session, "0:0:0:0:0:0:0:1", port);
        let cell = format!(
            "import asyncio\nr, w = await asyncio.open_connection('::1', {port})\ndata = await r.read()\nw.close()\ndata"
        );
        assert_eq!(outcome(&mut session, &cell), "= b'hello'", "{grant}");
    }
    for grant in ["*", "::/0", "127.0.0.1", "[::1]:1", "fd00::/8"] {
        let mut session = session_with(Permissions::none().network(grant));
        contains(&outcome(&mut session, &connect("::1", port)), &format!("`[::1]:{port}` is a loopback address"));
    }
    let mut session = session_with(Permissions::none().network("::1"));
    // An address with a zone is none that can be granted.
    assert!(!outcome(&mut session, &connect("::1%lo", port)).starts_with('='));
    contains(&outcome(&mut session, &connect("fe80::1%lo", port)), "Error");
}

#[test]
fn another_way_to_write_an_address_is_the_same_address() {
    let server = greeter("127.0.0.1:0");
    let port = server.local_addr().unwrap().port();
    let mut granted = session_with(Permissions::none().network("127.0.0.1"));
    reaches(&mut granted, "::ffff:127.0.0.1", port);
    let mut public = session_with(Permissions::none().network("*").network("::/0").network("0.0.0.0/0"));
    for (host, what) in [
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:7f00:1", "127.0.0.1"),
        ("::ffff:169.254.169.254", "169.254.169.254"),
        ("64:ff9b::7f00:1", "[64:ff9b::7f00:1]"),
        ("::127.0.0.1", "[::7f00:1]"),
        ("2002:7f00:1::", "[2002:7f00:1::]"),
        ("::", "[::]"),
        ("0.0.0.0", "0.0.0.0"),
    ] {
        let text = outcome(&mut public, &connect(host, port));
        contains(&text, &format!("`{what}:{port}` is a"));
        contains(&text, "needs a grant of its own");
    }
    for host in ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1."] {
        let text = outcome(&mut public, &connect(host, port));
        assert!(text.contains("is no host name") || text.contains("Error"), "{host}: {text}");
        assert!(!text.starts_with('='), "{host}: {text}");
    }
}

#[test]
fn names_are_compared_as_dns_compares_them() {
    let server = greeter("127.0.0.1:0");
    let port = server.local_addr().unwrap().port();
    let table: &[(&str, &[&str])] = &[
        ("example.org", &["127.0.0.1"]),
        ("a.example.org", &["127.0.0.1"]),
        ("a.b.example.org", &["127.0.0.1"]),
        ("evilexample.org", &["127.0.0.1"]),
        ("xn--bcher-kva.example", &["127.0.0.1"]),
    ];
    let session =
        |grant: &str| session_with(Permissions::none().network(grant).network("127.0.0.1").resolver(names(table)));
    let refused = |session: &mut Session, host: &str| {
        contains(&outcome(session, &connect(host, port)), "is not granted");
    };
    for grant in ["example.org", "EXAMPLE.org.", "Example.ORG"] {
        let mut session = session(grant);
        for host in ["example.org", "EXAMPLE.org.", "eXample.org"] {
            reaches(&mut session, host, port);
        }
        for host in ["evilexample.org", "a.example.org", "example.org.evil"] {
            refused(&mut session, host);
        }
    }
    let mut below = session("*.example.org");
    for host in ["a.example.org", "a.b.example.org", "A.Example.Org."] {
        reaches(&mut below, host, port);
    }
    for host in ["example.org", "evilexample.org"] {
        refused(&mut below, host);
    }
    // The form on the wire is what is granted and looked up.
    let mut idna = session("xn--bcher-kva.example");
    for host in ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "XN--BCHER-kva.example."] {
        reaches(&mut idna, host, port);
    }
    refused(&mut idna, "bucher.example");
    let error = engine()
        .session(SessionOptions::default().permissions(Permissions::none().network("bücher.example")))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "network grant `bücher.example`: write the name in ASCII, as in `xn--bcher-kva.example`"
    );
}

#[test]
fn of_the_addresses_of_a_name_only_public_ones_are_tried() {
    let server = greeter("127.0.0.1:0");
    let port = server.local_addr().unwrap().port();
    let table: &[(&str, &[&str])] = &[("both.example", &["10.0.0.1", "127.0.0.1", "::1", "::ffff:127.0.0.1"])];
    let mut session = session_with(Permissions::none().network("both.example").resolver(names(table)));
    contains(&outcome(&mut session, &connect("both.example", port)), "needs a grant of its own");
    // The grant of an address lets that one through, and no other.
    let permissions = Permissions::none().network("both.example").network("127.0.0.1").resolver(names(table));
    let mut session = session_with(permissions);
    reaches(&mut session, "both.example", port);
    contains(&outcome(&mut session, &connect("10.0.0.1", port)), "`10.0.0.1");
}

#[test]
fn a_resolver_that_panics_finds_nothing() {
    let permissions = Permissions::none().network("*").resolver(|_| panic!("as a test wants it"));
    let text = brief(&run(&mut session_with(permissions), "import socket\nsocket.getaddrinfo('a.org', 1)").outcome);
    contains(&text, "Name or service not known");
}

#[test]
fn a_redirect_to_another_name_needs_its_grant() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let there = head[..read].starts_with(b"GET /there");
            let response = if there {
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nthere".to_owned()
            } else {
                format!(
                    "HTTP/1.1 302 Found\r\nLocation: http://b.example:{port}/there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            };
            let _ = stream.write_all(response.as_bytes());
        }
    });
    let table: &[(&str, &[&str])] = &[("a.example", &["127.0.0.1"]), ("b.example", &["127.0.0.1"])];
    let permissions = || Permissions::none().network("127.0.0.1").network("a.example").resolver(names(table));
    let cell = format!("import urllib.request\nurllib.request.urlopen('http://a.example:{port}/').read()");
    contains(&outcome(&mut session_with(permissions()), &cell), "`b.example` is not granted");
    assert_eq!(outcome(&mut session_with(permissions().network("b.example")), &cell), "= b'there'");
}
