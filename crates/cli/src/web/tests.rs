//! The server as browsers see it, before a program that is not there.

mod served;

use std::io::{Read, Write};

use serde_json::json;
use tungstenite::Message;

use self::served::{LONG, Served, header, status};
use super::Seen;

#[test]
fn the_page_is_for_who_has_the_token_first() {
    let served = Served::start();
    let host = served.host();
    for target in ["/", "/?token=", "/?token=00", "/page.js", "/index.html", "/0123456789abcdef0123456789abcdef/"] {
        assert_eq!(status(&served.get(target, &host)), 403, "{target}");
    }
    let (folder, cookie) = served.enter();
    let (_, query) = served.url.split_once("/?").expect("a query");
    let again = served.get(&format!("/?{query}"), &host);
    assert_eq!(status(&again), 403, "the token is spent");
    assert!(header(&again, "set-cookie").is_none());
    assert_eq!(status(&served.get(&folder, &host)), 403, "no cookie");
    let known = format!("{host}Cookie: {cookie}\r\n");
    for (name, kind) in [
        ("", "text/html; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let response = served.get(&format!("{folder}{name}"), &known);
        assert_eq!((status(&response), header(&response, "content-type")), (200, Some(kind)));
        assert_eq!(header(&response, "cache-control"), Some("no-store"));
        assert_eq!(header(&response, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&response, "referrer-policy"), Some("no-referrer"));
        let policy = header(&response, "content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
    }
    assert_eq!(status(&served.get(&format!("{folder}other"), &known)), 404);
    assert_eq!(status(&served.get(&format!("{folder}../page.js"), &known)), 404);
}

#[test]
fn the_policy_knows_only_the_nonce_of_its_page() {
    let served = Served::start();
    let (folder, cookie) = served.enter();
    let nonces = [(); 2].map(|()| {
        let page = served.get(&folder, &format!("{}Cookie: {cookie}\r\n", served.host()));
        let policy = header(&page, "content-security-policy").expect("a policy");
        let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce");
        assert!(page.contains(&format!("name=\"style-nonce\" content=\"{nonce}\"")), "{page}");
        nonce.to_owned()
    });
    assert_ne!(nonces[0], nonces[1]);
}

#[test]
fn other_sites_and_other_names_are_kept_out() {
    let served = Served::start();
    let (folder, cookie) = served.enter();
    let (address, port) = (served.address(), served.port);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let check = |headers: &str, page: u16, socket: u16| {
        let headers = format!("{headers}Cookie: {cookie}\r\n");
        assert_eq!(status(&served.get(&folder, &headers)), page, "{headers}");
        let target = format!("{folder}socket");
        let mut stream = served.connect();
        write!(stream, "GET {target} HTTP/1.1\r\n{headers}{upgrade}\r\n").expect("a server");
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("a response");
        assert_eq!(status(&String::from_utf8_lossy(&start)), socket, "{headers}");
    };
    check(&format!("Host: {address}\r\nOrigin: http://{address}\r\n"), 200, 101);
    check(&format!("Host: {address}\r\n"), 200, 403);
    check(&format!("Host: {address}\r\nOrigin: http://evil.example\r\n"), 403, 403);
    check(&format!("Host: {address}\r\nOrigin: http://127.0.0.1:1\r\n"), 403, 403);
    check(&format!("Host: {address}\r\nOrigin: null\r\n"), 403, 403);
    check(&format!("Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\n"), 403, 403);
    check(&format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"), 200, 101);
    check("Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n", 403, 403);
    let mut stream = served.connect();
    write!(stream, "POST {folder} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n")
        .expect("a server");
    let mut start = [0; 12];
    stream.read_exact(&mut start).expect("a response");
    assert_eq!(status(&String::from_utf8_lossy(&start)), 403, "only GET");
}

#[test]
fn cells_run_and_a_tab_finds_its_prompt_again() {
    let served = Served::start();
    let (folder, cookie) = served.enter();
    let mut page = served.page(&folder, &cookie, "a");
    let started = page.expect("started");
    assert_eq!((&started["program"], &started["pid"], &started["columns"]), (&json!("shop"), &json!(7), &json!(40)));
    page.see(">>>");
    page.keys("one\r");
    page.see("ran [one]");
    page.say(&json!({"op": "resize", "columns": 30, "rows": 8}));
    page.keys("two\r");
    page.see("ran [two]");
    // The same tab: the same prompt, also while the old connection is still there.
    let mut again = served.page(&folder, &cookie, "a");
    let started = again.expect("started");
    assert_eq!((&started["columns"], &started["rows"]), (&json!(30), &json!(8)));
    again.see("ran [two]");
    assert!(again.screen.screen().contents().contains(">>> one\nran [one]"));
    page.expect("taken");
    // Another tab has another one.
    let mut other = served.page(&folder, &cookie, "b");
    other.expect("started");
    other.keys("three\r");
    other.see("ran [three]");
    assert!(!other.screen.screen().contents().contains("one"));
}

#[test]
fn leaving_ends_the_prompt_and_the_tab_gets_another() {
    let served = Served::start();
    let (folder, cookie) = served.enter();
    let mut page = served.page(&folder, &cookie, "a");
    page.expect("started");
    page.keys("exit\r");
    page.expect("ended");
    assert!(page.screen.screen().contents().contains("left"));
    served.fake.print("tasks and output go on");
    page.expect("out");
    served.left.recv_timeout(LONG).expect("the session is left");
    let mut next = served.page(&folder, &cookie, "a");
    next.expect("started");
    next.see(">>>");
    assert!(!next.screen.screen().contents().contains("exit"));
}

#[test]
fn tasks_are_told_while_somebody_looks_and_can_be_cancelled() {
    let served = Served::start();
    let (folder, cookie) = served.enter();
    let mut page = served.page(&folder, &cookie, "a");
    page.expect("started");
    page.say(&json!({"op": "visible", "on": true}));
    let told = page.expect("tasks");
    assert_eq!(told["tasks"][0]["coroutine"], "work");
    page.say(&json!({"op": "cancel", "task": 8}));
    assert_eq!(page.expect("failed")["message"], "there is no task 8");
    page.say(&json!({"op": "cancel", "task": 3}));
    assert_eq!(page.expect("tasks")["tasks"], json!([]));
}

#[test]
fn what_the_program_prints_is_told_also_to_pages_that_open_later() {
    let served = Served::start();
    let (folder, cookie) = served.enter();
    let mut page = served.page(&folder, &cookie, "a");
    page.expect("started");
    served.fake.print("one\n");
    let out = json!({"event": "out", "stream": "err", "text": "one\n", "dropped": 0});
    assert_eq!(page.event(), out);
    let mut later = served.page(&folder, &cookie, "b");
    later.expect("started");
    assert_eq!(later.event(), out);
    // Not without end.
    for _ in 0..40 {
        served.fake.print(&"x".repeat(10_000));
    }
    let mut last = served.page(&folder, &cookie, "c");
    last.expect("started");
    served.fake.print("end");
    let lengths: Vec<usize> = std::iter::from_fn(|| {
        let text = last.event()["text"].as_str()?.to_owned();
        (text != "end").then_some(text.len())
    })
    .collect();
    assert!(lengths.len() < 30 && lengths.iter().all(|length| *length == 10_000), "{lengths:?}");
}

#[test]
fn pages_are_told_why_it_is_over() {
    let mut served = Served::start();
    let (folder, cookie) = served.enter();
    let mut page = served.page(&folder, &cookie, "a");
    page.expect("started");
    served.fake.see(Seen::Gone("the program has ended".into()));
    assert_eq!(page.expect("gone")["reason"], "the program has ended");
    let thread = served.thread.take().expect("it runs");
    assert_eq!(thread.join().expect("a server"), 1);

    let mut served = Served::start();
    let (folder, cookie) = served.enter();
    let mut page = served.page(&folder, &cookie, "a");
    page.expect("started");
    assert_eq!(served.stop(), 0);
    assert_eq!(page.expect("gone")["reason"], "`keelback attach` was stopped");
    served.left.recv_timeout(LONG).expect("sessions are left");
}

#[test]
fn nonsense_ends_a_connection() {
    let served = Served::start();
    let (folder, cookie) = served.enter();
    for nonsense in [json!([]), json!({"op": "fly"}), json!({"op": "start", "tab": "a", "columns": 1, "rows": 1})] {
        let mut page = served.page(&folder, &cookie, "a");
        page.expect("started");
        page.say(&nonsense);
        let ended = std::iter::from_fn(|| Some(page.socket.read()))
            .find(|read| !matches!(read, Ok(Message::Binary(_) | Message::Text(_))));
        assert!(matches!(ended, Some(Err(_) | Ok(Message::Close(_)))), "{ended:?}");
    }
    let mut page = served.page(&folder, &cookie, "");
    assert_eq!(page.expect("refused")["message"], "the page does not say which tab it is");
}
