//! Where servers are, and bytes to and from them.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream, ToSocketAddrs},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::net::sockopt;
use rustls::{CertificateError, ClientConnection, pki_types::ServerName};

use super::lock;
use crate::{
    system::UnixStream,
    tls::{Key, client_config},
};

/// How long a server may leave what is sent to it unread before the connection counts as broken.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// How long each address of a host is tried.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long TLS may take to begin.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// After so long without a word the system asks whether the other end is still there: a choice, under the grace period
/// of sessions.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// A host and a port, with the key that the server showed.
    Tcp {
        /// A name or an address, an IPv6 one without brackets.
        host: String,
        /// The port.
        port: u16,
        /// The key.
        key: Key,
    },
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ConnectError {
    #[error("nobody serves at `{address}`")]
    Nobody { address: String, source: io::Error },
    #[error("no connection to `{address}`")]
    Failed { address: String, source: io::Error },
    #[error("`{address}` is not the server of this key")]
    Key { address: String },
    #[error("the certificate of `{address}` is not trusted: {why}")]
    Certificate { address: String, why: Distrust },
}

/// Why a certificate of the user's own is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum Distrust {
    #[error("nobody this machine trusts has signed it")]
    Signer,
    #[error("it is not for this name")]
    Name,
    #[error("it is an authority's, which is not to be a server's")]
    Authority,
    #[error("{0}")]
    Other(String),
}

impl From<&CertificateError> for Distrust {
    fn from(error: &CertificateError) -> Self {
        let text = error.to_string();
        match error {
            CertificateError::UnknownIssuer => Distrust::Signer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Distrust::Name,
            // The error itself is of a crate that rustls does not show.
            _ if text.contains("CaUsedAsEndEntity") => Distrust::Authority,
            _ => Distrust::Other(text),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => path.display().fmt(f),
            Address::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
        }
    }
}

impl Address {
    /// A connection to the server, without a word of the protocol said.
    ///
    /// # Errors
    /// [`ConnectError::Nobody`] where no server is any more or yet.
    pub fn connect(&self) -> Result<Stream, ConnectError> {
        match self {
            Address::Unix(path) => {
                UnixStream::connect(path).and_then(Stream::try_from).map_err(|error| self.failed(error))
            }
            Address::Tcp { host, port, key } => {
                let socket = connect_tcp(host, *port).map_err(|error| self.failed(error))?;
                let tls = Tls::begin(socket, host, key).map_err(|error| self.failed(error))?;
                Ok(Stream { token: Some(key.token().to_hex()), transport: Transport::Tls(Box::new(tls)) })
            }
        }
    }

    fn failed(&self, source: io::Error) -> ConnectError {
        let address = self.to_string();
        let tls = source.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>());
        match (source.kind(), tls) {
            (_, Some(rustls::Error::InvalidCertificate(source))) => match self {
                Address::Tcp { key: Key::Named { .. }, .. } => {
                    ConnectError::Certificate { address, why: source.into() }
                }
                _ => ConnectError::Key { address },
            },
            (io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused, _) => ConnectError::Nobody { address, source },
            _ => ConnectError::Failed { address, source },
        }
    }
}

fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_DEADLINE) {
            Ok(socket) => {
                // Requests are small, and each is waited for.
                socket.set_nodelay(true)?;
                socket.set_write_timeout(Some(WRITE_DEADLINE))?;
                // A far end that vanished without a word is noticed, some time.
                sockopt::set_socket_keepalive(&socket, true)?;
                #[cfg(not(target_os = "openbsd"))]
                sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A connection: bytes in both directions, reading and writing at the same time from different threads.
pub struct Stream {
    transport: Transport,
    token: Option<String>,
}

enum Transport {
    Unix(UnixStream),
    Tls(Box<Tls>),
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl TryFrom<UnixStream> for Stream {
    type Error = io::Error;

    fn try_from(stream: UnixStream) -> io::Result<Stream> {
        stream.set_write_timeout(Some(WRITE_DEADLINE))?;
        Ok(Stream { transport: Transport::Unix(stream), token: None })
    }
}

impl Stream {
    /// The token that the server is to be told.
    pub(super) fn token(&self) -> Option<String> {
        self.token.clone()
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.transport {
            Transport::Unix(stream) => (&mut &*stream).read(buffer),
            Transport::Tls(tls) => tls.read(buffer),
        }
    }

    pub(super) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match &self.transport {
            Transport::Unix(stream) => (&mut &*stream).write_all(bytes),
            Transport::Tls(tls) => tls.write_all(bytes),
        }
    }

    /// Ends both directions; a read that waits comes back.
    pub(super) fn shutdown(&self) {
        // One that is gone already needs no end.
        let _ = match &self.transport {
            Transport::Unix(stream) => stream.shutdown(Shutdown::Both),
            Transport::Tls(tls) => tls.socket.shutdown(Shutdown::Both),
        };
    }
}

/// TLS whose state is locked only while nobody waits for the network.
struct Tls {
    socket: TcpStream,
    state: Mutex<ClientConnection>,
}

impl Tls {
    fn begin(mut socket: TcpStream, host: &str, key: &Key) -> io::Result<Tls> {
        let other = |error: Box<dyn std::error::Error + Send + Sync>| io::Error::other(error);
        let config = client_config(key, &[]).map_err(|error| other(error.into()))?;
        let name = match (ServerName::try_from(host.to_owned()), key) {
            (Ok(name), _) => name,
            // The certificate itself is known: any name will do.
            (Err(_), Key::Pinned { .. }) => ServerName::try_from("keelback").expect("a name"),
            (Err(error), Key::Named { .. }) => return Err(other(error.into())),
        };
        let mut state = ClientConnection::new(Arc::new(config), name).map_err(|error| other(error.into()))?;
        socket.set_read_timeout(Some(HANDSHAKE_DEADLINE))?;
        while state.is_handshaking() {
            state.complete_io(&mut socket)?;
        }
        socket.set_read_timeout(None)?;
        Ok(Tls { socket, state: Mutex::new(state) })
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut sealed = vec![0; buffer.len()];
        loop {
            match lock(&self.state).reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An end without a word of TLS is an end all the same: frames say where they end.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            let count = (&self.socket).read(&mut sealed)?;
            if count == 0 {
                return Ok(0);
            }
            let mut rest = &sealed[..count];
            let mut state = lock(&self.state);
            while !rest.is_empty() {
                state.read_tls(&mut rest)?;
                state.process_new_packets().map_err(io::Error::other)?;
            }
            self.flush(&mut state)?;
        }
    }

    fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        while !bytes.is_empty() {
            let count = state.writer().write(bytes)?;
            bytes = &bytes[count..];
            self.flush(&mut state)?;
        }
        Ok(())
    }

    fn flush(&self, state: &mut ClientConnection) -> io::Result<()> {
        while state.wants_write() {
            state.write_tls(&mut &self.socket)?;
        }
        Ok(())
    }
}
