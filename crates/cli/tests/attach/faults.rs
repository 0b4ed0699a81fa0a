//! Servers that go, break or are none.

use std::{
    env, fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use keelback_wire::{
    frame::{PREFACE, encode},
    message::{Code, Failure},
    server::{Exposure, Listener},
    tls::{Identity, Token},
};

use crate::{
    program::{config, serve, serve_at},
    window::{LONG, Window, keelback},
};

#[test]
fn a_program_that_stops_serving_ends_the_prompt() {
    let served = serve(config());
    let mut command = keelback(served.folder.path());
    command.arg(&served.socket);
    let mut window = Window::open(command);
    window.ends(">>>").keys("half", ">>> half");
    served.server.stop();
    let (status, text) = window.status();
    assert!(status == 1 && text.contains(">>> half\n") && text.contains("ended"), "{text}");
}

/// The program that `a_program_that_is_killed...` kills.
#[test]
#[ignore = "run by other tests"]
fn served_program() {
    let path = env::var_os("SERVE_AT").unwrap();
    let (server, _) = serve_at(vec![Listener::unix(Path::new(&path)).unwrap()], config());
    // The other end says when it is enough.
    std::io::stderr().write_all(b"serving\n").unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(server);
}

fn start(path: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "faults::served_program"]).env("SERVE_AT", path);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = [0; 8];
    child.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"serving\n");
    child
}

#[test]
fn a_program_that_is_killed_ends_the_prompt_that_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s/app.sock");
    let mut program = start(&path);
    let mut command = keelback(folder.path());
    command.arg(&path);
    let mut window = Window::open(command);
    window.ends(">>>").keys("wait\r", "\nwaiting");
    program.kill().unwrap();
    program.wait().unwrap();
    let (status, text) = window.status();
    assert!(status == 1 && text.contains("the program has ended"), "{text}");
}

#[test]
fn a_program_that_is_killed_ends_an_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s/app.sock");
    let mut program = start(&path);
    let mut command = keelback(folder.path());
    command.arg(&path).args(["--eval", "wait"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = [0; 8];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"waiting\n");
    program.kill().unwrap();
    program.wait().unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && err.contains("keelback: error: the program has ended"), "{err}");
}

/// Carries bytes between clients and a server, and can break what it carries.
struct Proxy {
    path: std::path::PathBuf,
    made: Receiver<UnixStream>,
}

impl Proxy {
    fn new(folder: &Path, server: &Path) -> Proxy {
        let (path, server) = (folder.join("proxy"), server.to_owned());
        let listener = UnixListener::bind(&path).unwrap();
        let (sender, made) = channel();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), UnixStream::connect(&server).unwrap());
                for (mut from, mut to) in [(&client, &server), (&server, &client)]
                    .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    thread::spawn(move || {
                        drop(std::io::copy(&mut from, &mut to));
                        drop(to.shutdown(Shutdown::Both));
                    });
                }
                if sender.send(client).is_err() {
                    return;
                }
            }
        });
        Proxy { path, made }
    }

    fn break_it(&self) {
        self.made.recv_timeout(LONG).unwrap().shutdown(Shutdown::Both).unwrap();
    }
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    let served = serve(config());
    let proxy = Proxy::new(served.folder.path(), &served.socket);
    let mut command = keelback(served.folder.path());
    command.arg(&proxy.path);
    let mut window = Window::open(command);
    window.ends(">>>").keys("wait\r", "\nwaiting");
    proxy.break_it();
    window.ends("closed the connection; trying again\nconnected again");
    // The cell runs on, and is still the one that Ctrl-C means.
    window.keys("\x03", "the cell is over; how it ended was not seen\n>>>");
    proxy.break_it();
    window.ends("connected again\n>>>").keys("1+1\r", "2\n>>>");
}

/// A server that says `bytes` to whoever comes.
fn says(folder: &Path, bytes: Vec<u8>) -> std::path::PathBuf {
    let path = folder.join("odd");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut hello = [0; 64];
            let _ = client.read(&mut hello).unwrap();
            drop(client.write_all(&bytes));
            // It goes when the client does.
            drop(client.read_to_end(&mut Vec::new()));
        }
    });
    path
}

#[test]
fn what_is_no_server_is_not_talked_to() {
    let refusal = |code: Code| {
        let mut bytes = PREFACE.to_vec();
        let failure = Failure::new(code, "this server speaks version 9");
        encode(&serde_json::json!({"id": 1, "error": failure}), &mut bytes).unwrap();
        bytes
    };
    let too_long = [PREFACE.as_slice(), &[0xff; 4]].concat();
    for (bytes, message) in [
        (refusal(Code::Version), "another version of the protocol: this server speaks version 9\nhint: attach with"),
        (refusal(Code::Limit), "error: this server speaks version 9"),
        (b"\0elf".to_vec(), "does not begin with the protocol's preface"),
        (too_long, "a frame of 4294967295 bytes is longer than the limit"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = says(folder.path(), bytes);
        let output = keelback(folder.path()).arg(&path).args(["-e", "1"]).stdin(Stdio::null()).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && err.contains(message), "{err}");
    }
}

#[test]
fn a_server_on_tcp_wants_its_own_key() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let token = Token::generate().unwrap();
    let other = other.key(token.clone()).to_string();
    let stranger = identity.key(Token::generate().unwrap()).to_string();
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::tcp(any, Exposure::default(), identity, token).unwrap();
    let (address, key) = (listener.address(), listener.key().unwrap().to_string());
    let (_server, _) = serve_at(vec![listener], config());
    let file = folder.path().join("key");
    fs::write(&file, &key).unwrap();
    let run = |key: &str, args: &[&str]| {
        let mut command = keelback(folder.path());
        command.args([&address, "-e", "1+1"]).args(args).env("KEELBACK_KEY", key).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    };
    assert_eq!(run(&key, &[]), (0, "2\n".into()));
    assert_eq!(run("", &["--key", file.to_str().unwrap()]), (0, "2\n".into()));
    for (key, message) in
        [(other.as_str(), "is not the server of this key"), (&stranger, "error: "), ("kb1-", "this is no key")]
    {
        let (status, text) = run(key, &[]);
        assert!(status == 1 && text.contains(message), "{status} {text}");
    }
}

#[test]
fn a_certificate_of_ones_own_is_to_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trusted.pem");
    let attach = |is_ca: bool, host: &str, trusts: bool| {
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        if is_ca {
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        let pair = rcgen::KeyPair::generate().unwrap();
        let chain = parameters.self_signed(&pair).unwrap().pem();
        let identity = Identity::from_pem(chain.as_bytes(), pair.serialize_pem().as_bytes()).unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::tcp(any, Exposure::default(), identity, Token::generate().unwrap()).unwrap();
        let (port, key) =
            (listener.address().rsplit_once(':').unwrap().1.to_owned(), listener.key().unwrap().to_string());
        let (_server, _) = serve_at(vec![listener], config());
        // An empty file trusts nobody, on any machine.
        fs::write(&file, if trusts { chain } else { String::new() }).unwrap();
        let mut command = keelback(folder.path());
        command.args([&format!("{host}:{port}"), "-e", "1+1"]).env("KEELBACK_KEY", key).env("SSL_CERT_FILE", &file);
        let output = command.stdin(Stdio::null()).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert_eq!(attach(false, "localhost", true), "2\n");
    for (is_ca, host, trusts, why, hint) in [
        (false, "localhost", false, "nobody this machine trusts has signed it", "SSL_CERT_FILE=FILE"),
        (false, "127.0.0.1", true, "it is not for this name", "a name that is in the certificate"),
        (true, "localhost", true, "it is an authority's", "CA:FALSE"),
    ] {
        let text = attach(is_ca, host, trusts);
        assert!(text.contains(why) && text.contains("hint: ") && text.contains(hint), "{text}");
        assert!(!text.contains("the key changes"), "{text}");
    }
}
