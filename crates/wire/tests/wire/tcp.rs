//! TCP: TLS, keys and tokens.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use keelback_wire::{
    application::Audit,
    frame::PREFACE,
    message::{Code, Hello, VERSION},
    reply::Outcome,
    server::{Config, Exposure, Listener, Server},
    tls::{Identity, Key, Token, client_config},
};
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName, version::TLS12};

use crate::{fake::Fake, peer::Client};

type Tls = StreamOwned<ClientConnection, TcpStream>;

struct Far {
    _server: Server,
    application: Arc<Fake>,
    address: String,
    key: Key,
}

fn serve(identity: Identity) -> Far {
    let token = Token::generate().expect("random bytes");
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = Listener::tcp(address, Exposure::Named, identity, token).expect("listens");
    let (address, key) = (listener.address(), listener.key().expect("TCP has a key").clone());
    let application = Arc::new(Fake::default());
    let server = Server::start(Config::default(), vec![listener], Arc::clone(&application) as _).expect("starts");
    Far { _server: server, application, address, key }
}

fn serve_own() -> Far {
    serve(Identity::generate().expect("a certificate"))
}

impl Far {
    fn plain(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        stream
    }

    fn tls(&self, key: &Key, name: &'static str, roots: &[rustls::pki_types::CertificateDer<'static>]) -> Tls {
        let config = client_config(key, roots).expect("a configuration");
        let name = ServerName::try_from(name).expect("a name");
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a connection"), self.plain())
    }
}

fn hello(token: Option<String>) -> Hello {
    Hello { version: VERSION, token, ..Hello::default() }
}

#[test]
fn a_key_is_all_a_client_needs() {
    let far = serve_own();
    let key: Key = far.key.to_string().parse().expect("a key");
    let mut client = Client::silent(far.tls(&key, "anything.example", &[]));
    client.write(&PREFACE);
    client.call(&hello(Some(key.token().to_hex()))).expect("let in");
    let session = client.open().session;
    assert_eq!(client.eval(&session, "1+1").outcome, Outcome::Done);
    assert_eq!(client.text(), "2");
    client.eval(&session, "flood 1000");
    assert_eq!(client.text().len(), 1000 * 1024);
}

#[test]
fn a_certificate_of_an_authority_is_verified_by_name() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (chain, secret) = (made.cert.pem(), made.signing_key.serialize_pem());
    let far = serve(Identity::from_pem(chain.as_bytes(), secret.as_bytes()).expect("a pair"));
    assert!(far.key.to_string().starts_with("kb1t-"));
    let root = made.cert.der().clone();
    let mut client = Client::silent(far.tls(&far.key, "localhost", std::slice::from_ref(&root)));
    client.write(&PREFACE);
    client.call(&hello(Some(far.key.token().to_hex()))).expect("let in");
    for (name, roots) in [("elsewhere.example", vec![root]), ("localhost", vec![])] {
        let error = far.tls(&far.key, name, &roots).write_all(&PREFACE).expect_err("not trusted");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[test]
fn a_wrong_token_is_refused() {
    let far = serve_own();
    let mut client = Client::silent(far.tls(&far.key, "x.example", &[]));
    client.write(&PREFACE);
    let failure = client.call(&hello(Some("0".repeat(64)))).expect_err("refused");
    assert_eq!(failure.code, Code::Unauthorized);
    assert!(client.next().is_none());
    let is_refusal = |audit: &Audit| matches!(audit, Audit::Refused(why) if why.ends_with("wrong token"));
    assert!(far.application.audits().iter().any(is_refusal));
}

#[test]
fn another_server_is_not_trusted() {
    let (far, other) = (serve_own(), serve_own());
    let error = far.tls(&other.key, "x.example", &[]).write_all(&PREFACE).expect_err("another certificate");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(far.application.audits().is_empty());
}

#[test]
fn what_is_no_tls_is_closed() {
    let far = serve_own();
    for bytes in [b"POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nexit()".as_slice(), &PREFACE, b"1+1\n"] {
        let mut stream = far.plain();
        stream.write_all(bytes).expect("the server reads");
        let mut answer = Vec::new();
        // The rest of what was sent is not read, so the end may be a reset.
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"\0") && answer.len() < 16, "at most an alert: {answer:?}");
    }
    assert!(far.application.calls().is_empty());
}

#[test]
fn tls_1_2_is_too_old() {
    let far = serve_own();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&TLS12]).expect("a version");
    let config = builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("x.example").expect("a name");
    let mut stream =
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a connection"), far.plain());
    let error = stream.write_all(&PREFACE).expect_err("refused");
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
}
