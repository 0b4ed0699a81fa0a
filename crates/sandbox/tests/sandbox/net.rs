//! The network, against real servers on loopback.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use keelback_sandbox::{Error, Limit, Limits, Outcome, Permissions, Session, SessionOptions, Tool, Value};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::{brief, check_in, engine, run, session, session_with};

/// A test CA, and a server's configuration for `localhost` and 127.0.0.1 with a certificate of it.
fn authority() -> &'static (String, Arc<ServerConfig>) {
    static AUTHORITY: OnceLock<(String, Arc<ServerConfig>)> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Keelback test CA");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        (issuer.pem(), Arc::new(config))
    })
}

/// An HTTP server on loopback. It remembers the heads of the requests it got.
struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn plain() -> Self {
        Server::start(serve)
    }

    fn tls() -> Self {
        let config = &authority().1;
        Server::start(|stream, heads| {
            let connection = ServerConnection::new(Arc::clone(config)).unwrap();
            serve(StreamOwned::new(connection, stream), heads)
        })
    }

    fn start(handle: impl Fn(std::net::TcpStream, &Mutex<Vec<String>>) -> Option<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (log, handle) = (Arc::clone(&heads), Arc::new(handle));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, handle) = (Arc::clone(&log), Arc::clone(&handle));
                thread::spawn(move || handle(stream, &log));
            }
        });
        Server { address, heads }
    }

    fn port(&self) -> u16 {
        self.address.port()
    }

    fn granted(&self) -> Permissions {
        Permissions::none().network(self.address.to_string())
    }

    fn heads(&self) -> Vec<String> {
        std::mem::take(&mut self.heads.lock().unwrap())
    }
}

/// Answers requests until the client goes: `/big/N` with N bytes, `/to/URL` with a redirect, `/silent` not at all,
/// anything else with the length of its body.
fn serve(mut stream: impl Read + Write, heads: &Mutex<Vec<String>>) -> Option<()> {
    let mut held = Vec::new();
    let more = |stream: &mut dyn Read, held: &mut Vec<u8>| {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        held.extend_from_slice(&buffer[..read]);
        Some(())
    };
    loop {
        let end = loop {
            match held.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => more(&mut stream, &mut held)?,
            }
        };
        let head = String::from_utf8(held.drain(..end).collect()).ok()?;
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        heads.lock().unwrap().push(head.clone());
        let mut length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        if header("transfer-encoding").is_some() {
            let last = b"0\r\n\r\n";
            while !held.ends_with(last) {
                more(&mut stream, &mut held)?;
            }
            length = held.len();
        }
        while held.len() < length {
            more(&mut stream, &mut held)?;
        }
        held.drain(..length);
        let path = head.split(' ').nth(1)?.to_owned();
        let (status, extra, body) = if let Some(size) = path.strip_prefix("/big/") {
            ("200 OK", String::new(), "x".repeat(size.parse().ok()?))
        } else if let Some(url) = path.strip_prefix("/to/") {
            ("302 Found", format!("Location: {url}\r\n"), String::new())
        } else if path == "/silent" {
            continue;
        } else {
            ("200 OK", String::new(), length.to_string())
        };
        let response = format!("HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(response.as_bytes()).ok()?;
        stream.flush().ok()?;
    }
}

fn get(url: &str) -> String {
    format!("import urllib.request\nurllib.request.urlopen('{url}').read().decode()")
}

#[track_caller]
pub(crate) fn outcome(session: &mut Session, cell: &str) -> String {
    brief(&run(session, cell).outcome)
}

#[track_caller]
pub(crate) fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` is not in: {text}");
}

fn limited(server: &Server, change: impl FnOnce(&mut Limits)) -> Session {
    let mut limits = Limits::default();
    change(&mut limits);
    engine().session(SessionOptions::default().permissions(server.granted()).limits(limits)).unwrap()
}

#[test]
fn a_connection_needs_a_grant_that_names_it() {
    let server = Server::plain();
    let port = server.port();
    let url = format!("http://127.0.0.1:{port}/");
    contains(&outcome(&mut session(), &get(&url)), "not available in the sandbox");
    let granted =
        ["127.0.0.1".to_owned(), "127.0.0.0/8".into(), format!("localhost:{port}"), server.address.to_string()];
    for grant in granted {
        let mut session = session_with(Permissions::none().network(&grant));
        assert_eq!(outcome(&mut session, &get(&url)), "= '0'", "{grant}");
    }
    let needs = format!("`127.0.0.1:{port}` is a loopback address, which needs a grant of its own");
    for grant in ["*", "0.0.0.0/0", "example.org", "127.0.0.1:1", "[::1]", "127.0.0.2", "localhost:1"] {
        contains(&outcome(&mut session_with(Permissions::none().network(grant)), &get(&url)), &needs);
    }
    assert_eq!(server.heads().len(), 4);
}

#[test]
fn names_are_granted_by_name() {
    let server = Server::plain();
    let port = server.port();
    let by_name = get(&format!("http://localhost:{port}/"));
    let mut session = session_with(Permissions::none().network(format!("localhost:{port}")));
    assert_eq!(outcome(&mut session, &by_name), "= '0'");
    contains(
        &outcome(&mut session, "import socket\nsocket.getaddrinfo('example.org', 80)"),
        "`example.org` is not granted",
    );
    // The address alone does not let names be looked up.
    contains(&outcome(&mut session_with(server.granted()), &by_name), "`localhost` is not granted");
    // A name that is granted does not reach an address that is not public: only `localhost` means it.
    let mut session = session_with(Permissions::none().network("*"));
    contains(&outcome(&mut session, &by_name), "(of `localhost`) is a loopback address");
}

#[test]
fn a_redirect_is_a_new_connection() {
    let (server, other) = (Server::plain(), Server::plain());
    let cell = get(&format!("http://{}/to/http://{}/", server.address, other.address));
    contains(&outcome(&mut session_with(server.granted()), &cell), "needs a grant of its own");
    let mut session = session_with(server.granted().network(other.address.to_string()));
    assert_eq!(outcome(&mut session, &cell), "= '0'");
}

#[test]
fn servers_and_datagrams_are_not_available() {
    let mut session = session_with(Permissions::none().network("127.0.0.1"));
    run(&mut session, "import socket, asyncio");
    for cell in [
        "socket.create_server(('127.0.0.1', 8000))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "await asyncio.start_server(print, '127.0.0.1', 8000)",
        "socket.socket().listen()",
    ] {
        contains(&outcome(&mut session, cell), "not available in the sandbox");
    }
}

#[test]
fn tls_is_verified_by_the_roots_of_the_host_and_the_guest() {
    let server = Server::tls();
    let (ca, _) = authority();
    let port = server.port();
    let cell = get(&format!("https://localhost:{port}/"));
    let grant = || Permissions::none().network(format!("localhost:{port}"));
    let refused = "certificate verify failed: unable to get local issuer certificate";
    contains(&outcome(&mut session_with(grant()), &cell), refused);
    assert_eq!(outcome(&mut session_with(grant().root_certificates(ca.as_str())), &cell), "= '0'");
    let mut session = session_with(grant());
    session.set("ca", Value::from(ca.as_str())).unwrap();
    session.set("port", Value::from(i64::from(port))).unwrap();
    check_in(
        &mut session,
        &[
            (
                "import socket, ssl\ndef secure(context, name='localhost'):\n    with socket.create_connection(\
                 ('localhost', port)) as s, context.wrap_socket(s, server_hostname=name) as t:\n        return \
                 t.version(), t.cipher()[0], t.getpeercert().get('subjectAltName'), t.selected_alpn_protocol()",
                "done",
            ),
            (
                "secure(ssl.create_default_context(cadata=ca))",
                "= ('TLSv1.3', 'TLS_AES_256_GCM_SHA384', (('DNS', 'localhost'), ('IP Address', '127.0.0.1')), None)",
            ),
            (
                "try:\n    secure(ssl.create_default_context(cadata=ca), 'example.org')\nexcept ssl.SSLCertVerificationError \
                 as e:\n    r = e.reason, e.verify_code, e.verify_message\nr",
                "= ('CERTIFICATE_VERIFY_FAILED', 62, \"Hostname mismatch, certificate is not valid for 'example.org'.\")",
            ),
            (
                "c = ssl.create_default_context(cadata=ca)\nc.check_hostname = False\nc.set_alpn_protocols(['http/1.1'])\n\
                 c.maximum_version = ssl.TLSVersion.TLSv1_2\nsecure(c, 'example.org')[::3]",
                "= ('TLSv1.2', 'http/1.1')",
            ),
            ("c.verify_mode = ssl.CERT_NONE\nsecure(c)[2] is None", "= True"),
            (
                "import asyncio\nasync def fetch(context):\n    r, w = await asyncio.open_connection('localhost', port, \
                 ssl=context)\n    w.write(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n    line = await r.readline()\n    \
                 w.close()\n    return line\nawait fetch(ssl.create_default_context(cadata=ca))",
                "= b'HTTP/1.1 200 OK\\r\\n'",
            ),
            (
                "sum(len(x) for x in await asyncio.gather(*(fetch(ssl.create_default_context(cadata=ca)) for _ in range(8))))",
                "= 136",
            ),
        ],
    );
    contains(&outcome(&mut session, "await fetch(True)"), refused);
}

#[test]
fn sockets_wait_as_they_are_told() {
    let server = Server::plain();
    let mut session = session_with(server.granted());
    session.set("port", Value::from(i64::from(server.port()))).unwrap();
    check_in(
        &mut session,
        &[
            (
                "import socket, select\ns = socket.create_connection(('127.0.0.1', port))\ns.settimeout(0.01)\ns.recv(1)",
                "TimeoutError: timed out",
            ),
            ("select.select([s], [s], [], 0)[:2] == ([], [s])", "= True"),
            ("s.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')\nselect.select([s], [], [])[0] == [s]", "= True"),
            ("s.recv(4, socket.MSG_PEEK), s.recv(4)", "= (b'HTTP', b'HTTP')"),
            ("s.makefile('rb').readline(), s.getpeername() == ('127.0.0.1', port)", "= (b'/1.1 200 OK\\r\\n', True)"),
            ("s.close()\ns.recv(1)", "OSError: [Errno 8] Bad file descriptor"),
            ("s = socket.socket()\ns.setblocking(False)\ns.connect_ex(('127.0.0.1', port)) != 0", "= True"),
            ("select.select([], [s], [])[1] == [s], s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)", "= (True, 0)"),
            (
                "s.close()\nsocket.create_connection(('127.0.0.1', 1))",
                "PermissionError: [Errno 2] network: `127.0.0.1:1` is a loopback address, which needs a grant of its own",
            ),
        ],
    );
}

#[test]
fn a_wait_for_the_network_ends_with_the_time() {
    let server = Server::plain();
    let mut session = limited(&server, |limits| limits.wall_time = Some(Duration::from_millis(80)));
    let text = outcome(&mut session, &get(&format!("http://{}/silent", server.address)));
    assert_eq!(text, "TimeoutError: cell used all 80 ms of wall time");
    let cell =
        format!("import asyncio\nr, w = await asyncio.open_connection('127.0.0.1', {})\nawait r.read()", server.port());
    assert_eq!(outcome(&mut session, &cell), "TimeoutError: cell used all 80 ms of wall time");
    assert_eq!(outcome(&mut session, "1 + 1"), "= 2");
}

#[test]
fn a_session_that_waits_for_the_network_holds_no_thread() {
    // Both run on this thread: the server answers the first when the second has told it to.
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = Mutex::new(receiver);
    let server = Server::start(move |mut stream, _| {
        receiver.lock().unwrap().recv().ok()?;
        stream.write_all(b"now").ok()
    });
    let sender = Mutex::new(sender);
    let wake = Tool::new("wake", move |_| {
        sender.lock().unwrap().send(()).unwrap();
        Ok(Value::None)
    });
    let mut first = session_with(server.granted());
    let mut second = session_with(Permissions::none().tool(wake));
    let cell = format!("import socket\nsocket.create_connection(('127.0.0.1', {})).recv(9)", server.port());
    let both = futures_util::future::join(first.run_async(cell.as_str()), second.run_async("wake()"));
    let (first, second) = pollster::block_on(both);
    assert_eq!((brief(&first.unwrap().outcome), brief(&second.unwrap().outcome)), ("= b'now'".into(), "done".into()));
}

#[track_caller]
pub(crate) fn check_limit(session: &mut Session, cell: &str, limit: Limit, text: &str) {
    match run(session, cell).outcome {
        Outcome::Raised(raised) => {
            contains(&raised.message, text);
            assert_eq!(raised.limit, Some(limit));
        }
        other => panic!("{}", brief(&other)),
    }
}

#[test]
fn limits_name_themselves() {
    let server = Server::plain();
    let url = |path: &str| format!("http://{}{path}", server.address);
    let big = get(&url("/big/5000")).replace(".decode()", "[:1]");

    let mut session = limited(&server, |limits| limits.network_bytes_received = 5000);
    check_limit(&mut session, &big, Limit::NetworkReceived(5000), "cell used all 5000 bytes received over the network");
    // Each cell has its own.
    assert_eq!(outcome(&mut session, &get(&url("/"))), "= '0'");
    assert_eq!(outcome(&mut limited(&server, |limits| limits.network_bytes_received = 9000), &big), "= b'x'");

    let post = format!("import urllib.request\nlen(urllib.request.urlopen('{}', b'x' * 5000).read())", url("/"));
    let mut session = limited(&server, |limits| limits.network_bytes_sent = 5000);
    check_limit(&mut session, &post, Limit::NetworkSent(5000), "cell used all 5000 bytes sent over the network");
    assert_eq!(outcome(&mut limited(&server, |limits| limits.network_bytes_sent = 9000), &post), "= 4");

    let open = format!(
        "import socket\ns = [socket.create_connection(('127.0.0.1', {})) for _ in range(3)]\nlen(s)",
        server.port()
    );
    let mut session = limited(&server, |limits| limits.connections = 2);
    check_limit(&mut session, &open, Limit::Connections(2), "session has all 2 connections open");
    assert_eq!(outcome(&mut limited(&server, |limits| limits.connections = 3), &open), "= 3");

    let mut session = limited(&server, |limits| limits.connect_time = Duration::ZERO);
    let limit = Limit::ConnectTime(Duration::ZERO);
    check_limit(&mut session, &open, limit, "took all 0ns of time to connect");
}

#[test]
fn an_open_connection_cannot_be_in_two_places() {
    let server = Server::plain();
    let mut session = session_with(server.granted());
    let open = format!("import socket\ns = socket.create_connection(('127.0.0.1', {}))", server.port());
    run(&mut session, &open);
    let expected =
        format!("a network connection to `127.0.0.1:{}` is open, which cannot be in two places", server.port());
    let error = session.fork().err().unwrap();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), expected);
    assert!(session.checkpoint().is_err());
    assert!(session.save(&std::env::temp_dir().join("keelback-net-test.kbs")).is_err());
    run(&mut session, "s.close()");
    let mut fork = session.fork().unwrap();
    assert_eq!(outcome(&mut fork, &get(&format!("http://{}/", server.address))), "= '0'");
}

#[test]
fn a_connection_of_asyncio_that_was_closed_is_in_no_snapshot() {
    let server = Server::tls();
    let permissions = Permissions::none().network("localhost").root_certificates(authority().0.as_str());
    let mut limits = Limits::default();
    limits.connections = 1;
    let mut session = engine().session(SessionOptions::default().permissions(permissions).limits(limits)).unwrap();
    let cell = format!(
        "import asyncio\nr, w = await asyncio.open_connection('localhost', {}, ssl=True)\nw.write(b'GET / HTTP/1.1\\r\\n\\r\\n')\n\
         line = await r.readline()\nw.close()\nawait w.wait_closed()\nline",
        server.port()
    );
    assert_eq!(outcome(&mut session, &cell), "= b'HTTP/1.1 200 OK\\r\\n'");
    assert_eq!(outcome(&mut session.fork().unwrap(), &cell), "= b'HTTP/1.1 200 OK\\r\\n'");
}

/// An interrupt reaches a guest that waits for a server.
#[test]
fn a_wait_for_the_network_is_interrupted() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = Mutex::new(sender);
    let server = Server::start(move |mut stream, _| {
        stream.read_exact(&mut [0; 1]).ok()?;
        sender.lock().unwrap().send(()).ok()?;
        stream.read(&mut [0; 1]).ok().map(drop)
    });
    let mut session = session_with(server.granted());
    let handle = session.interrupt_handle();
    let interrupter = thread::spawn(move || {
        receiver.recv().unwrap();
        handle.interrupt()
    });
    let cell = format!(
        "import socket\nwith socket.create_connection(('127.0.0.1', {})) as s:\n    s.send(b'x')\n    s.recv(1)",
        server.port()
    );
    assert_eq!(outcome(&mut session, &cell), "KeyboardInterrupt: ");
    assert!(interrupter.join().unwrap());
}

#[test]
fn a_deterministic_session_has_a_network_too() {
    let server = Server::plain();
    let mut options = SessionOptions::default().permissions(server.granted());
    options.deterministic = Some(7);
    let mut session = engine().session(options).unwrap();
    assert_eq!(outcome(&mut session, &get(&format!("http://{}/", server.address))), "= '0'");
    let cell = format!(
        "import asyncio\nr, w = await asyncio.open_connection('127.0.0.1', {})\nw.write(b'GET / HTTP/1.1\\r\\n\\r\\n')\n\
         (await r.readline())[:8]",
        server.port()
    );
    assert_eq!(outcome(&mut session, &cell), "= b'HTTP/1.1'");
}

#[test]
fn grants_that_make_no_sense_are_named() {
    let start = |permissions| engine().session(SessionOptions::default().permissions(permissions)).err().unwrap();
    let none = Permissions::none;
    assert_eq!(
        start(none().network("http://a.org")).to_string(),
        "network grant `http://a.org`: write a host without scheme and path, as in `api.example.org:443`"
    );
    assert!(matches!(start(none().secret("*.a.org", "X-Key", "v")), Error::Secret { .. }));
    assert!(matches!(start(none().secret("a.org", "Host", "v")), Error::Secret { .. }));
    assert!(matches!(start(none().secret("a.org", "X Key", "v")), Error::Secret { .. }));
    assert!(matches!(start(none().secret("a.org", "X-Key", "v\r\nX: y")), Error::Secret { .. }));
    assert!(matches!(start(none().root_certificates("nothing")), Error::Roots));
}

// -- secret headers ---------------------------------------------------------------------------------------------------

const SECRET: &str = "Bearer s3cret";

fn with_secret(server: &Server) -> Permissions {
    let host = format!("localhost:{}", server.port());
    Permissions::none().network(&host).secret(&host, "Authorization", SECRET)
}

/// Whether each request that came carried the secret, once and nothing else under its name.
fn carried(server: &Server) -> Vec<bool> {
    let one = |head: &String| {
        let mut values = head.lines().filter(|line| line.to_ascii_lowercase().starts_with("authorization:"));
        values.next() == Some(&format!("Authorization: {SECRET}")) && values.next().is_none()
    };
    server.heads().iter().map(one).collect()
}

/// Requests in every form over one connection.
const REQUESTS: &str = "
import http.client
def requests(connection):
    for method, body, headers in [
        ('GET', None, {}), ('POST', b'x' * 100_000, {}), ('GET', None, {'authorization': 'mine'}),
        ('POST', iter([b'GET / HTTP/1.1\\r\\n\\r\\n', b'b']), {}), ('GET', None, {}),
    ]:
        connection.request(method, '/', body, headers)
        yield connection.getresponse().read()
    connection.close()
";

#[test]
fn a_secret_header_is_added_on_the_host() {
    let server = Server::plain();
    let mut session = session_with(with_secret(&server));
    run(&mut session, REQUESTS);
    let cell = format!("len(list(requests(http.client.HTTPConnection('localhost', {}))))", server.port());
    assert_eq!(outcome(&mut session, &cell), "= 5");
    assert_eq!(carried(&server), [true; 5]);
    // Another name for the same server is another host.
    let mut session = session_with(with_secret(&server).network("127.0.0.1"));
    assert_eq!(outcome(&mut session, &get(&format!("http://127.0.0.1:{}/", server.port()))), "= '0'");
    assert_eq!(carried(&server), [false]);
}

#[test]
fn a_secret_header_is_added_inside_tls() {
    let server = Server::tls();
    let (ca, _) = authority();
    let mut session = session_with(with_secret(&server).root_certificates(ca.as_str()));
    run(&mut session, REQUESTS);
    session.set("port", Value::from(i64::from(server.port()))).unwrap();
    check_in(
        &mut session,
        &[
            ("len(list(requests(http.client.HTTPSConnection('localhost', port))))", "= 5"),
            // asyncio carries the bytes of TLS itself.
            (
                "import asyncio\nr, w = await asyncio.open_connection('localhost', port, ssl=True)\n\
                 w.write(b'GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\n(await r.readline())[:12]",
                "= b'HTTP/1.1 200'",
            ),
            ("w.close()", "done"),
        ],
    );
    assert_eq!(carried(&server), [true; 6]);
}

#[test]
fn a_secret_header_never_goes_to_a_server_that_is_not_verified() {
    let server = Server::tls();
    let (ca, _) = authority();
    let mut session = session_with(with_secret(&server));
    session.set("ca", Value::from(ca.as_str())).unwrap();
    let url = format!("https://localhost:{}/", server.port());
    for context in ["ssl._create_unverified_context()", "ssl.create_default_context(cadata=ca)"] {
        let cell = format!("import ssl, urllib.request\nurllib.request.urlopen('{url}', context={context}).read()");
        contains(&outcome(&mut session, &cell), "certificate verify failed: unable to get local issuer");
        // The same code on a connection without a secret.
        let mut session = session_with(Permissions::none().network("localhost"));
        session.set("ca", Value::from(ca.as_str())).unwrap();
        assert_eq!(outcome(&mut session, &cell), "= b'0'");
    }
    assert_eq!(carried(&server), [false, false]);
}

#[test]
fn what_is_not_http_is_refused_where_a_secret_is_added() {
    let server = Server::tls();
    let (ca, _) = authority();
    let cell = |sent: &str| {
        format!(
            "import socket, ssl\nwith ssl.create_default_context().wrap_socket(socket.create_connection(('localhost', {})), \
             server_hostname='localhost') as s:\n    s.sendall(b'{sent}')\n    answer = s.recv(12)\nanswer",
            server.port()
        )
    };
    let good = "GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n";
    for bad in [
        "EHLO x\\r\\n\\r\\n",
        "GET / HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n",
        "GET / HTTP/1.1\\r\\nHost: example.org\\r\\n\\r\\n",
        "POST / HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 3\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n",
        "GET http://example.org/ HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n",
    ] {
        let mut session = session_with(with_secret(&server).root_certificates(ca.as_str()));
        contains(&outcome(&mut session, &cell(bad)), "refused, for a header is added to it");
        assert_eq!(outcome(&mut session, &cell(good)), "= b'HTTP/1.1 200'");
    }
    assert_eq!(carried(&server), [true; 5]);
}

/// What stays inside: the guest's own view of its requests, and errors. A server that sends its requests back gives the
/// value away, which nothing here can prevent (docs of `Permissions::secret`).
#[test]
fn a_secret_header_does_not_come_back_by_errors() {
    let server = Server::tls();
    let (ca, _) = authority();
    let mut session = session_with(with_secret(&server).root_certificates(ca.as_str()));
    session.set("port", Value::from(i64::from(server.port()))).unwrap();
    check_in(
        &mut session,
        &[
            (
                "import urllib.request, urllib.error\nurl = f'https://localhost:{port}'\nrequest = urllib.request.Request(url + '/', b'x' * 9, \
                 {'Authorization': 'mine'})\nurllib.request.urlopen(request).read()",
                "= b'9'",
            ),
            ("request.headers, request.unredirected_hdrs.get('Authorization')", "= ({'Authorization': 'mine'}, None)"),
            ("urllib.request.urlopen(url + '/', iter([b'a', b'bc'])).read() != b''", "= True"),
            // Two requests in one write, and answers in their order.
            (
                "import socket, ssl\nwith ssl.create_default_context().wrap_socket(socket.create_connection(('localhost', \
                 port)), server_hostname='localhost') as s:\n    s.sendall(b'GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' * 2)\n    \
                 data = b''\n    while data.count(b'HTTP/1.1 200') < 2: data += s.recv(999)\ndata.count(b'200 OK')",
                "= 2",
            ),
        ],
    );
    assert_eq!(carried(&server), [true; 4]);
    // Refusals and failures of every kind name the host and the reason.
    for cell in [
        "urllib.request.urlopen(urllib.request.Request(url + '/', headers={'Host': 'example.org'}))",
        "urllib.request.urlopen(urllib.request.Request(url + '/', headers={'Transfer-Encoding': 'gzip'}, data=b'x'))",
        "urllib.request.urlopen(urllib.request.Request(url + '/to/http://example.org/'))",
        "urllib.request.urlopen(url + '/silent', timeout=0.01)",
    ] {
        let report = run(&mut session, cell);
        let text = format!("{report:?}");
        assert!(brief(&report.outcome).contains("Error"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}
