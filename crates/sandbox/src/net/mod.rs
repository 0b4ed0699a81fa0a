//! The network: what the guest's `socket`, `ssl` and `select` ask of the host.
//!
//! Without a grant there is no [`Net`]. `grant.rs` decides, `connection.rs` moves bytes, `tls.rs` verifies servers,
//! `http.rs` adds secret headers. Addresses, limits and the guest's requests meet here.

mod connection;
mod grant;
mod http;
mod tls;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Shutdown, SocketAddr, ToSocketAddrs},
    os::fd::AsFd,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use keelback_session::{Limit, Value};
use rustix::event::{PollFd, PollFlags};
use rustls::pki_types::CertificateDer;

pub use self::grant::NetGrantError;
use self::{
    connection::{Attempt, Connection, Socket},
    grant::NetGrant,
    http::{Injector, Secret},
    tls::TlsOptions,
};
use crate::{Error, Limits, permissions::NetPermissions};

/// What a session may do on the network, read from its permissions.
pub(crate) struct NetOptions {
    grants: Vec<NetGrant>,
    secrets: Vec<Secret>,
    roots: Vec<CertificateDer<'static>>,
    connections: usize,
    sent: u64,
    received: u64,
    connect_time: Duration,
}

impl NetOptions {
    /// None when nothing is granted.
    pub(crate) fn new(permissions: &NetPermissions, limits: &Limits) -> Result<Option<Arc<Self>>, Error> {
        let grants: Vec<NetGrant> = permissions.grants.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        let secrets = permissions.secrets.iter().map(secret).collect::<Result<_, _>>()?;
        let mut roots = Vec::new();
        for pem in &permissions.roots {
            roots.extend(tls::certificates(pem).ok_or(Error::Roots)?);
        }
        let options = NetOptions {
            grants,
            secrets,
            roots,
            connections: limits.connections,
            sent: limits.network_bytes_sent,
            received: limits.network_bytes_received,
            connect_time: limits.connect_time,
        };
        Ok((!options.grants.is_empty()).then(|| Arc::new(options)))
    }
}

/// Headers that say where a request ends or goes.
const FRAMING: [&str; 8] =
    ["host", "connection", "content-length", "transfer-encoding", "upgrade", "expect", "te", "trailer"];

fn secret((place, header, value): &(String, String, String)) -> Result<Secret, Error> {
    let (host, port) = place
        .parse::<NetGrant>()?
        .host_and_port()
        .ok_or_else(|| Error::Secret { host: place.clone(), reason: "it goes to one host, by its name or address" })?;
    let refuse = |reason| Err(Error::Secret { host: place.clone(), reason });
    if !http::is_token(header) || FRAMING.contains(&header.to_ascii_lowercase().as_str()) {
        return refuse("its header is none that can be added");
    }
    if !value.bytes().all(|byte| (b' '..0x7f).contains(&byte)) || value.trim() != value {
        return refuse("its value is not printable ASCII");
    }
    Ok(Secret { host, port, header: header.clone(), value: value.clone() })
}

/// What the guest is told when something did not work.
#[derive(Debug, Clone)]
pub(crate) enum NetError {
    /// Not granted, or refused.
    Denied(String),
    /// The name of an errno and a text, perhaps empty.
    Os(&'static str, String),
    /// A limit of the session.
    Limited(String),
    TimedOut,
    /// Not now, on a socket that does not wait.
    Blocked,
    /// A name was not found.
    Lookup(String),
    Tls {
        reason: String,
        text: String,
    },
    Certificate {
        code: i64,
        text: String,
    },
    /// TLS ended without saying so.
    Eof,
}

impl NetError {
    fn tls(reason: &str, text: String) -> Self {
        NetError::Tls { reason: reason.to_owned(), text }
    }

    fn to_value(&self) -> Value {
        let (kind, detail, text) = match self {
            NetError::Denied(text) => ("denied", Value::None, text.as_str()),
            NetError::Os(errno, text) => ("os", Value::from(*errno), text.as_str()),
            NetError::Limited(text) => ("limit", Value::None, text.as_str()),
            NetError::TimedOut => ("timeout", Value::None, "timed out"),
            NetError::Blocked => ("blocked", Value::None, ""),
            NetError::Lookup(text) => ("lookup", Value::None, text.as_str()),
            NetError::Tls { reason, text } => ("tls", Value::from(reason.as_str()), text.as_str()),
            NetError::Certificate { code, text } => ("certificate", Value::Int(*code), text.as_str()),
            NetError::Eof => ("eof", Value::None, ""),
        };
        Value::Tuple(vec![Value::from(kind), detail, Value::from(text)])
    }
}

impl From<io::Error> for NetError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::*;
        let errno = match error.kind() {
            ConnectionRefused => "ECONNREFUSED",
            ConnectionReset => "ECONNRESET",
            ConnectionAborted => "ECONNABORTED",
            NotConnected => "ENOTCONN",
            BrokenPipe => "EPIPE",
            TimedOut => "ETIMEDOUT",
            HostUnreachable => "EHOSTUNREACH",
            NetworkUnreachable => "ENETUNREACH",
            AddrNotAvailable => "EADDRNOTAVAIL",
            PermissionDenied => "EACCES",
            InvalidInput => "EINVAL",
            _ => "EIO",
        };
        NetError::Os(errno, String::new())
    }
}

/// The response to a request: `(True, value)` or `(False, (kind, detail, text))`.
pub(crate) fn response(result: Result<Value, NetError>) -> Value {
    match result {
        Ok(value) => Value::Tuple(vec![Value::Bool(true), value]),
        Err(error) => Value::Tuple(vec![Value::Bool(false), error.to_value()]),
    }
}

/// What a guest that nothing is granted to hears.
pub(crate) fn unavailable() -> Value {
    response(Err(NetError::Denied("the network is not available in the sandbox".into())))
}

/// Bits of what a socket is waited for.
const READ: i64 = 1;
const WRITE: i64 = 2;

/// How many sockets one request may name, and how many names the host remembers addresses of.
const SOCKETS_MAX: usize = 1 << 10;
const NAMES_MAX: usize = 1 << 12;
const RECEIVE_MAX: usize = 1 << 20;

type Lookup = blocking::Task<io::Result<Vec<IpAddr>>>;

/// The network of one session.
pub(crate) struct Net {
    options: Arc<NetOptions>,
    connections: HashMap<i64, Connection>,
    /// The names that were resolved to an address.
    names: HashMap<IpAddr, Vec<String>>,
    lookup: Option<(String, Lookup, Instant)>,
    /// Bytes of this cell.
    sent: u64,
    received: u64,
    pub(crate) limit_hit: Option<Limit>,
}

impl Net {
    pub(crate) fn new(options: Arc<NetOptions>) -> Self {
        Net {
            options,
            connections: HashMap::new(),
            names: HashMap::new(),
            lookup: None,
            sent: 0,
            received: 0,
            limit_hit: None,
        }
    }

    /// Starts a cell.
    pub(crate) fn begin(&mut self) {
        self.sent = 0;
        self.received = 0;
        self.limit_hit = None;
    }

    /// A connection that is open. TLS without a socket is none: it ends with the socket that the guest carries it over.
    pub(crate) fn open_connection(&self) -> Option<&str> {
        let sockets = self.connections.values().filter(|connection| !connection.is_memory());
        sockets.map(|connection| connection.name.as_str()).min()
    }

    /// When the next attempt to connect or to look up ends by the session's limit.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let now = Instant::now();
        let connecting = self.connections.values().filter(|connection| connection.is_connecting());
        let lookup = self.lookup.as_ref().map(|(_, _, deadline)| *deadline);
        connecting.map(|connection| connection.connect_deadline).chain(lookup).filter(|at| *at > now).min()
    }

    /// Tries what the guest asks for. Pending has the task woken when it is worth another try.
    pub(crate) fn attempt(&mut self, op: &str, args: &[Value], cx: &mut Context<'_>) -> Poll<Result<Value, NetError>> {
        let none = |done: Option<()>| done.map(|()| Value::None);
        let fd = args.first().and_then(Value::as_int).unwrap_or(-1);
        // Twice at most: a socket that became ready while it was registered is tried again at once.
        loop {
            let result = match (op, args) {
                ("resolve", [Value::Str(name)]) => return self.resolve(name, cx),
                ("connect", [_, Value::Str(address), Value::Int(port)]) => {
                    return self.connect(fd, address, *port, cx);
                }
                ("close", [_]) => {
                    if let Some(connection) = self.connections.remove(&fd) {
                        connection.close();
                    }
                    return Poll::Ready(Ok(Value::None));
                }
                ("memory", [_, options @ ..]) => return Poll::Ready(self.memory(fd, options)),
                ("send", [_, Value::Bytes(data)]) => self.send(fd, data),
                ("receive", [_, Value::Int(max), Value::Bool(peek)]) => self.receive(fd, *max, *peek),
                _ => self.get(fd).and_then(|connection| match (op, args) {
                    ("handshake", [_]) => connection.handshake().map(none),
                    ("unwrap", [_]) => connection.close_notify().map(none),
                    ("error", [_]) => Ok(Some(connection.take_error().map_or(Value::None, |error| error.to_value()))),
                    ("buffered", [_]) => Ok(Some(Value::Int(connection.buffered() as i64))),
                    ("addresses", [_]) => addresses(connection).map(Some),
                    ("tls", [_]) => Ok(Some(description(connection))),
                    ("shutdown", [_, Value::Int(how)]) => {
                        let how = [Shutdown::Read, Shutdown::Write, Shutdown::Both][(*how).clamp(0, 2) as usize];
                        connection.shutdown(how).map(none)
                    }
                    ("feed", [_, Value::Bytes(data), Value::Bool(end)]) => {
                        if let Socket::Memory { incoming, ended, .. } = &mut connection.socket {
                            if incoming.len() + data.len() > connection::MEMORY_MAX {
                                return Err(NetError::Os("EMSGSIZE", String::new()));
                            }
                            incoming.extend_from_slice(data);
                            *ended |= end;
                        }
                        Ok(Some(Value::None))
                    }
                    ("drain", [_]) => Ok(Some(match &mut connection.socket {
                        Socket::Memory { outgoing, .. } => Value::Bytes(std::mem::take(outgoing)),
                        _ => Value::Bytes(Vec::new()),
                    })),
                    ("secure", _) => Ok(None),
                    _ => Err(NetError::Os("EINVAL", "unknown request".into())),
                }),
            };
            let result = if op == "secure" {
                result.and_then(|_| self.secure(fd, args.get(1..).unwrap_or_default()))
            } else {
                result
            };
            match result {
                Err(error) => return Poll::Ready(Err(error)),
                Ok(Some(value)) => return Poll::Ready(Ok(value)),
                Ok(None) => {
                    let reads = matches!(op, "receive" | "handshake");
                    let handshaking = |c: &Connection| c.tls().is_some_and(|tls| tls.is_handshaking());
                    let connection = self.get(fd);
                    let again = connection.is_ok_and(|c| {
                        let read = reads || handshaking(c);
                        c.register(cx, read, !reads)
                    });
                    if !again {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn get(&mut self, fd: i64) -> Result<&mut Connection, NetError> {
        self.connections.get_mut(&fd).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    }

    fn limited<T>(&mut self, limit: Limit, text: String) -> Result<T, NetError> {
        self.limit_hit = Some(limit);
        Err(NetError::Limited(text))
    }

    fn resolve(&mut self, text: &str, cx: &mut Context<'_>) -> Poll<Result<Value, NetError>> {
        if self.lookup.as_ref().is_none_or(|(name, ..)| name != text) {
            let Some(name) = grant::host_name(text) else {
                return Poll::Ready(Err(NetError::Lookup(format!("`{text}` is no host name"))));
            };
            if !grant::may_resolve(&self.options.grants, &name) {
                return Poll::Ready(Err(NetError::Denied(format!("network: `{name}` is not granted"))));
            }
            let task = blocking::unblock(move || {
                let mut found: Vec<IpAddr> = Vec::new();
                for address in (name.as_str(), 0).to_socket_addrs()? {
                    if !found.contains(&address.ip()) {
                        found.push(address.ip());
                    }
                }
                Ok(found)
            });
            self.lookup = Some((text.to_owned(), task, Instant::now() + self.options.connect_time));
        }
        let Some((_, task, deadline)) = &mut self.lookup else { return Poll::Pending };
        let result = match task.poll_unpin(cx) {
            Poll::Pending if Instant::now() < *deadline => return Poll::Pending,
            Poll::Pending => {
                self.lookup = None;
                return Poll::Ready(self.too_slow(&format!("looking up `{text}`")));
            }
            Poll::Ready(result) => result,
        };
        self.lookup = None;
        let name = grant::host_name(text).unwrap_or_default();
        Poll::Ready(match result {
            Ok(found) => {
                for address in &found {
                    self.remember(address.to_canonical(), &name);
                }
                Ok(Value::List(found.iter().map(|address| Value::Str(address.to_string())).collect()))
            }
            Err(_) => Err(NetError::Lookup("Name or service not known".into())),
        })
    }

    fn remember(&mut self, address: IpAddr, name: &str) {
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        let names = self.names.entry(address).or_default();
        names.retain(|known| known != name);
        if names.len() >= 64 {
            names.remove(0);
        }
        names.push(name.to_owned());
    }

    fn too_slow(&mut self, what: &str) -> Result<Value, NetError> {
        let limit = Limit::ConnectTime(self.options.connect_time);
        self.limited(limit, format!("{what} took all {limit}"))
    }

    /// Connects to an address, when it and the port are granted; goes on with an attempt that was begun.
    fn connect(&mut self, fd: i64, address: &str, port: i64, cx: &mut Context<'_>) -> Poll<Result<Value, NetError>> {
        if !self.connections.contains_key(&fd) {
            let (Ok(ip), Ok(port)) = (address.parse::<IpAddr>(), u16::try_from(port)) else {
                return Poll::Ready(Err(NetError::Os("EINVAL", format!("`{address}` is no address"))));
            };
            let ip = ip.to_canonical();
            let names = self.names.get(&ip).cloned().unwrap_or_default();
            if let Err(text) = grant::check(&self.options.grants, ip, port, &names) {
                return Poll::Ready(Err(NetError::Denied(format!("network: {text}"))));
            }
            if let Err(error) = self.room(false) {
                return Poll::Ready(Err(error));
            }
            let mut hosts = names;
            hosts.retain(|name| grant::name_granted(&self.options.grants, name, port));
            let name = format!("{}:{port}", hosts.last().cloned().unwrap_or_else(|| ip.to_string()));
            hosts.push(ip.to_string());
            // Without TLS every host that lives at the address may be meant; the Host header says which. What is given
            // for the port of HTTPS never goes there in the clear.
            let secrets = self.secrets(|secret| port != 443 && hosts.contains(&secret.host), Some(port));
            let deadline = Instant::now() + self.options.connect_time;
            let mut connection = Connection::start(name, hosts, SocketAddr::new(ip, port), deadline);
            connection.injector = (!secrets.is_empty()).then(|| Injector::new(secrets, true));
            self.connections.insert(fd, connection);
        }
        let Ok(connection) = self.get(fd) else { return Poll::Pending };
        match connection.connected(cx) {
            Ok(Some(())) => Poll::Ready(Ok(Value::None)),
            Ok(None) if connection.connect_deadline > Instant::now() => Poll::Pending,
            Ok(None) => {
                let name = format!("connecting to `{}`", connection.name);
                self.connections.remove(&fd);
                Poll::Ready(self.too_slow(&name))
            }
            Err(error) => {
                self.connections.remove(&fd);
                Poll::Ready(Err(error))
            }
        }
    }

    /// Sockets, and TLS without a socket, which asyncio has beside one, are counted apart.
    fn room(&mut self, memory: bool) -> Result<(), NetError> {
        let limit = self.options.connections;
        if self.connections.values().filter(|connection| connection.is_memory() == memory).count() < limit {
            return Ok(());
        }
        let limit = Limit::Connections(limit as u64);
        self.limited(limit, format!("session has all {limit} open"))
    }

    fn secrets(&self, host: impl Fn(&Secret) -> bool, port: Option<u16>) -> Vec<Secret> {
        let port_fits = |secret: &&Secret| match (secret.port, port) {
            (None, _) => true,
            (Some(wanted), Some(port)) => wanted == port,
            // The guest carries the bytes: the server is known by its certificate only, and so is the port when the host
            // can be reached at no other.
            (Some(wanted), None) => grant::only_at_port(&self.options.grants, &secret.host, wanted),
        };
        self.options.secrets.iter().filter(|secret| host(secret)).filter(port_fits).cloned().collect()
    }

    /// Puts TLS on a connection. Where a secret header is added, the server is always verified, by the host's roots alone.
    fn secure(&mut self, fd: i64, args: &[Value]) -> Attempt<Value> {
        let mut options = tls_options(args)?;
        let connection = self.get(fd)?;
        let port = connection.address.map(|address| address.port());
        let hosts = connection.hosts.clone();
        let host = options.server_name.as_deref().and_then(canonical_host).unwrap_or_default();
        let in_memory = connection.is_memory();
        let granted = match (in_memory, port) {
            (true, _) => grant::may_resolve(&self.options.grants, &host),
            (false, _) => hosts.contains(&host),
        };
        let secrets = self.secrets(|secret| granted && secret.host == host, port);
        if !secrets.is_empty() {
            options.verify = true;
            options.check_name = true;
            options.system_roots = true;
            options.roots.clear();
            options.alpn.retain(|protocol| protocol == b"http/1.1");
        }
        let client = tls::client(&options, &self.options.roots)?;
        let connection = self.get(fd)?;
        connection.secure(client, options.server_name)?;
        connection.injector = (!secrets.is_empty()).then(|| Injector::new(secrets, false));
        Ok(Some(Value::None))
    }

    /// TLS whose bytes the guest carries.
    fn memory(&mut self, fd: i64, args: &[Value]) -> Result<Value, NetError> {
        self.room(true)?;
        if self.connections.contains_key(&fd) {
            return Err(NetError::Os("EINVAL", String::new()));
        }
        let socket = Socket::Memory { incoming: Vec::new(), ended: false, outgoing: Vec::new() };
        let name = args.first().and_then(Value::as_str).filter(|name| name.len() < 256).unwrap_or("TLS in memory");
        self.connections.insert(fd, Connection::new(name.to_owned(), Vec::new(), socket, Instant::now()));
        let result = self.secure(fd, args);
        if result.is_err() {
            self.connections.remove(&fd);
        }
        result.map(|_| Value::None)
    }

    fn send(&mut self, fd: i64, data: &[u8]) -> Attempt<Value> {
        let limit = self.options.sent;
        let left = limit - self.sent;
        if left == 0 && !data.is_empty() {
            let limit = Limit::NetworkSent(limit);
            return self.limited(limit, format!("cell used all {limit}"));
        }
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
        let connection = self.get(fd)?;
        let in_memory = connection.is_memory();
        let accepted = connection.send(&data[..take])?;
        if let Some(accepted) = accepted
            && !in_memory
        {
            self.sent += accepted as u64;
        }
        Ok(accepted.map(|accepted| Value::Int(accepted as i64)))
    }

    fn receive(&mut self, fd: i64, max: i64, peek: bool) -> Attempt<Value> {
        let limit = self.options.received;
        let left = usize::try_from(limit - self.received).unwrap_or(usize::MAX);
        let max = usize::try_from(max).unwrap_or_default().min(RECEIVE_MAX);
        let connection = self.get(fd)?;
        let in_memory = connection.is_memory();
        // At the limit only the end may come.
        let data = connection.receive(if in_memory { max } else { max.min(left.max(1)) }, peek)?;
        let Some(data) = data else { return Ok(None) };
        if !in_memory && !peek {
            if !data.is_empty() && left == 0 {
                let limit = Limit::NetworkReceived(limit);
                return self.limited(limit, format!("cell used all {limit}"));
            }
            self.received += data.len() as u64;
        }
        Ok(Some(Value::Bytes(data)))
    }

    /// Which of the sockets are ready for what; the task is woken when one is.
    pub(crate) fn ready(&mut self, interests: &[(i64, i64)], cx: &mut Context<'_>) -> Vec<(i64, i64)> {
        loop {
            let ready = self.ready_now(interests, cx);
            if !ready.is_empty() {
                return ready;
            }
            let mut again = false;
            for (fd, mask) in interests {
                if let Some(connection) = self.connections.get_mut(fd) {
                    again |= connection.register(cx, mask & READ != 0, mask & WRITE != 0);
                }
            }
            if !again {
                return ready;
            }
        }
    }

    fn ready_now(&mut self, interests: &[(i64, i64)], cx: &mut Context<'_>) -> Vec<(i64, i64)> {
        let now = Instant::now();
        let limit = Limit::ConnectTime(self.options.connect_time);
        let mut ready = Vec::new();
        for (fd, mask) in interests {
            let Some(connection) = self.connections.get_mut(fd) else {
                ready.push((*fd, *mask)); // whatever is tried on it fails at once
                continue;
            };
            if connection.is_connecting() {
                match connection.connected(cx) {
                    Ok(None) if connection.connect_deadline <= now => {
                        let text = format!("connecting to `{}` took all {limit}", connection.name);
                        connection.fail(NetError::Limited(text));
                        self.limit_hit = Some(limit);
                    }
                    Ok(_) => {}
                    Err(error) => connection.fail(error), // for `error` to tell
                }
            }
            let _ = connection.flush();
            let mut found = 0;
            if connection.buffered() > 0 {
                found |= READ;
            }
            match &connection.socket {
                Socket::Connecting(_) => {}
                Socket::Failed | Socket::Memory { .. } => found |= READ | WRITE,
                Socket::Tcp(stream) => {
                    let mut poll = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN | PollFlags::OUT)];
                    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
                    let _ = rustix::event::poll(&mut poll, Some(&now));
                    let events = poll[0].revents();
                    let ended = events.intersects(PollFlags::HUP | PollFlags::ERR);
                    found |= if events.contains(PollFlags::IN) || ended { READ } else { 0 };
                    let room = !connection.unsent();
                    found |= if events.contains(PollFlags::OUT) && room || ended { WRITE } else { 0 };
                }
            }
            if found & mask != 0 {
                ready.push((*fd, found & mask));
            }
        }
        ready
    }
}

/// `(handle, bits)` pairs of a request.
pub(crate) fn interests(value: Option<&Value>) -> Vec<(i64, i64)> {
    let Some(Value::List(items)) = value else { return Vec::new() };
    let pair = |item: &Value| match item {
        Value::Tuple(pair) => match pair.as_slice() {
            [Value::Int(fd), Value::Int(mask)] => Some((*fd, mask & (READ | WRITE))),
            _ => None,
        },
        _ => None,
    };
    items.iter().take(SOCKETS_MAX).filter_map(pair).collect()
}

/// The response to a wait for sockets.
pub(crate) fn pairs(ready: Vec<(i64, i64)>) -> impl Iterator<Item = Value> {
    ready.into_iter().map(|(fd, mask)| Value::Tuple(vec![Value::Int(fd), Value::Int(mask)]))
}

/// A host as names and addresses are compared.
fn canonical_host(text: &str) -> Option<String> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(address.to_canonical().to_string()),
        Err(_) => grant::host_name(text),
    }
}

/// `(server_name, verify, check_name, system_roots, roots, alpn, versions)`.
fn tls_options(args: &[Value]) -> Result<TlsOptions, NetError> {
    let bytes = |items: &[Value]| -> Vec<Vec<u8>> {
        items
            .iter()
            .filter_map(|item| if let Value::Bytes(bytes) = item { Some(bytes.clone()) } else { None })
            .collect()
    };
    match args {
        [
            name,
            Value::Bool(verify),
            Value::Bool(check_name),
            Value::Bool(system_roots),
            Value::List(roots),
            Value::List(alpn),
            Value::Int(versions),
        ] => Ok(TlsOptions {
            server_name: name.as_str().filter(|name| !name.is_empty()).map(str::to_owned),
            verify: *verify,
            check_name: *check_name,
            system_roots: *system_roots,
            roots: bytes(roots),
            alpn: bytes(alpn),
            versions: [versions & 1 != 0, versions & 2 != 0],
        }),
        _ => Err(NetError::Os("EINVAL", String::new())),
    }
}

/// The local and the remote address.
fn addresses(connection: &Connection) -> Result<Value, NetError> {
    let Socket::Tcp(stream) = &connection.socket else {
        return Err(io::Error::from(io::ErrorKind::NotConnected).into());
    };
    let stream = stream.get_ref();
    let pair = |address: SocketAddr| {
        Value::Tuple(vec![Value::Str(address.ip().to_string()), Value::Int(address.port().into())])
    };
    Ok(Value::Tuple(vec![pair(stream.local_addr()?), pair(stream.peer_addr()?)]))
}

/// `(version, cipher suite, ALPN protocol, certificates)` of TLS; None before the handshake is over.
fn description(connection: &Connection) -> Value {
    let Some(tls) = connection.tls().filter(|tls| !tls.is_handshaking()) else { return Value::None };
    let text = |value: Option<String>| value.map_or(Value::None, Value::Str);
    let certificates = tls.peer_certificates().unwrap_or_default();
    Value::Tuple(vec![
        text(tls.protocol_version().and_then(|version| version.as_str().map(str::to_owned))),
        text(tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str().map(str::to_owned))),
        tls.alpn_protocol().map_or(Value::None, |protocol| Value::Bytes(protocol.to_vec())),
        Value::List(certificates.iter().map(|der| Value::Bytes(der.to_vec())).collect()),
    ])
}
