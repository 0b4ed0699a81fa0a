//! The network: what the guest's `socket`, `ssl` and `select` ask of the host.
//!
//! Without a grant there is no [`Net`]. `grant.rs` decides, `connection.rs` moves bytes, `ready.rs` waits for them,
//! `lookup.rs` finds addresses,
//! `tls.rs` verifies servers, `http.rs` adds secret headers. Addresses, limits and the guest's requests meet here.

mod connection;
mod error;
mod grant;
mod http;
mod lookup;
mod options;
mod ready;
mod tls;
mod tls_value;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Shutdown, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use keelback_session::{Limit, Value};

pub use self::grant::NetGrantError;
use self::{
    connection::{Attempt, Connection, Socket},
    http::{Injector, Secret},
    lookup::{Lookup, Lookups},
};
pub(crate) use self::{
    error::{NetError, response, unavailable},
    lookup::Resolver,
    options::NetOptions,
    ready::{interests, pairs},
};
use crate::limits::later;

/// How many names the host remembers addresses of, and the most bytes of one request to receive.
const NAMES_MAX: usize = 1 << 12;
const RECEIVE_MAX: usize = 1 << 20;

/// The network of one session.
pub(crate) struct Net {
    options: Arc<NetOptions>,
    connections: HashMap<i64, Connection>,
    /// The names that were resolved to an address.
    names: HashMap<IpAddr, Vec<String>>,
    /// Those under way, by the guest's handle.
    lookups: HashMap<Option<i64>, Lookup>,
    threads: Lookups,
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
            lookups: HashMap::new(),
            threads: Lookups::default(),
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

    /// When the next attempt to connect or to look up ends by the session's limit. What ended before `polled_at` has been
    /// looked at already.
    pub(crate) fn next_deadline(&self, polled_at: Instant) -> Option<Instant> {
        let connecting = self.connections.values().filter(|connection| connection.is_connecting());
        let lookups = self.lookups.values().map(|lookup| lookup.deadline);
        connecting.map(|connection| connection.connect_deadline).chain(lookups).filter(|at| *at > polled_at).min()
    }

    /// Tries what the guest asks for. Pending has the task woken when it is worth another try.
    pub(crate) fn attempt(&mut self, op: &str, args: &[Value], cx: &mut Context<'_>) -> Poll<Result<Value, NetError>> {
        let none = |done: Option<()>| done.map(|()| Value::None);
        let fd = args.first().and_then(Value::as_int).unwrap_or(-1);
        // Twice at most: a socket that became ready while it was registered is tried again at once.
        loop {
            let result = match (op, args) {
                ("resolve", [Value::Str(name)]) => return self.resolve(None, name, cx),
                ("resolve", [Value::Str(name), Value::Int(handle)]) => return self.resolve(Some(*handle), name, cx),
                ("connect", [_, Value::Str(address), Value::Int(port)]) => {
                    return self.connect(fd, address, *port, cx);
                }
                ("close", [_]) => {
                    self.lookups.remove(&Some(fd));
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
                    ("tls", [_]) => Ok(Some(tls_value::description(connection))),
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
            if let Err(error) = self.room(self.open(false)) {
                return Poll::Ready(Err(error));
            }
            let mut hosts = names;
            hosts.retain(|name| grant::name_granted(&self.options.grants, name, port));
            let name = format!("{}:{port}", hosts.last().cloned().unwrap_or_else(|| ip.to_string()));
            hosts.push(ip.to_string());
            // Without TLS every host that lives at the address may be meant; the Host header says which. What is given
            // for the port of HTTPS never goes there in the clear.
            let secrets = self.secrets(|secret| port != 443 && hosts.contains(&secret.host), Some(port));
            let deadline = later(Instant::now(), self.options.connect_time);
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

    /// Sockets, TLS without a socket, which asyncio has beside one, and look-ups are counted apart.
    fn room(&mut self, open: usize) -> Result<(), NetError> {
        let limit = self.options.connections;
        if open < limit {
            return Ok(());
        }
        let limit = Limit::Connections(limit as u64);
        self.limited(limit, format!("session has all {limit} open"))
    }

    fn open(&self, memory: bool) -> usize {
        self.connections.values().filter(|connection| connection.is_memory() == memory).count()
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
        let mut options = tls_value::options(args)?;
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
        self.room(self.open(true))?;
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
}

/// A host as names and addresses are compared.
fn canonical_host(text: &str) -> Option<String> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(address.to_canonical().to_string()),
        Err(_) => grant::host_name(text),
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
