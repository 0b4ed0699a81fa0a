//! One connection: its socket, TLS and the requests that go over it. Nothing here waits: what cannot go on says so and
//! has the task woken when it can.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_io::Async;
use futures_util::{FutureExt, future::BoxFuture};
use rustls::ClientConnection;

use super::{NetError, http::Injector, tls};

/// How much of what the guest sent may wait here for the network.
const HELD_MAX: usize = 64 << 10;
/// How much of TLS may wait here for the guest to carry it, each way.
pub(super) const MEMORY_MAX: usize = 4 << 20;
/// How many closed connections may still be sending; the rest of any further one is dropped.
const LINGERING_MAX: usize = 16;
/// How long what was sent before a connection was closed may take to leave.
const LINGER: Duration = Duration::from_secs(10);

pub(crate) enum Socket {
    Connecting(BoxFuture<'static, io::Result<Async<TcpStream>>>),
    Tcp(Async<TcpStream>),
    /// No socket: the guest carries the bytes of TLS itself (`ssl.MemoryBIO`).
    Memory {
        incoming: Vec<u8>,
        ended: bool,
        outgoing: Vec<u8>,
    },
    Failed,
}

pub(crate) struct Connection {
    /// As errors name it.
    pub(crate) name: String,
    pub(crate) address: Option<SocketAddr>,
    /// Names of the host it goes to, its address among them.
    pub(crate) hosts: Vec<String>,
    /// When an attempt to connect ends.
    pub(crate) connect_deadline: Instant,
    pub(crate) socket: Socket,
    pub(crate) injector: Option<Injector>,
    tls: Option<Box<ClientConnection>>,
    server_name: Option<String>,
    /// What is accepted from the guest and not yet given to TLS or the socket.
    out: Vec<u8>,
    /// What a peek has read.
    ahead: Vec<u8>,
    /// Why nothing more can be sent.
    refused: Option<&'static str>,
    error: Option<NetError>,
}

/// What an attempt comes to; None when it has to be made again later.
pub(crate) type Attempt<T> = Result<Option<T>, NetError>;

impl Connection {
    pub(crate) fn new(name: String, hosts: Vec<String>, socket: Socket, connect_deadline: Instant) -> Self {
        Connection {
            name,
            address: None,
            hosts,
            connect_deadline,
            socket,
            injector: None,
            tls: None,
            server_name: None,
            out: Vec::new(),
            ahead: Vec::new(),
            refused: None,
            error: None,
        }
    }

    pub(crate) fn start(name: String, hosts: Vec<String>, address: SocketAddr, connect_deadline: Instant) -> Self {
        let socket = Socket::Connecting(Async::<TcpStream>::connect(address).boxed());
        Connection { address: Some(address), ..Connection::new(name, hosts, socket, connect_deadline) }
    }

    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.socket, Socket::Connecting(_))
    }

    pub(crate) fn is_memory(&self) -> bool {
        matches!(self.socket, Socket::Memory { .. })
    }

    /// Whether the connection has been made; also drives the attempt.
    pub(crate) fn connected(&mut self, cx: &mut Context<'_>) -> Attempt<()> {
        if let Socket::Connecting(attempt) = &mut self.socket {
            match attempt.poll_unpin(cx) {
                Poll::Pending => return Ok(None),
                Poll::Ready(Ok(stream)) => {
                    // The guest's own buffering decides what a packet is.
                    let _ = stream.get_ref().set_nodelay(true);
                    self.socket = Socket::Tcp(stream);
                }
                Poll::Ready(Err(error)) => self.fail(error.into()),
            }
        }
        match self.error.take() {
            Some(error) => Err(error),
            None if matches!(self.socket, Socket::Failed) => Err(io::Error::from(io::ErrorKind::NotConnected).into()),
            None => Ok(Some(())),
        }
    }

    pub(crate) fn fail(&mut self, error: NetError) {
        self.socket = Socket::Failed;
        self.error = Some(error);
    }

    /// What an attempt to connect failed with, once.
    pub(crate) fn take_error(&mut self) -> Option<NetError> {
        self.error.take()
    }

    /// Puts TLS on the connection.
    pub(crate) fn secure(&mut self, tls: ClientConnection, server_name: Option<String>) -> Result<(), NetError> {
        if self.tls.is_some() || !self.out.is_empty() || !self.ahead.is_empty() {
            return Err(NetError::tls("TLS_ERROR", "TLS cannot start on a connection in use".into()));
        }
        self.tls = Some(Box::new(tls));
        self.server_name = server_name;
        Ok(())
    }

    pub(crate) fn tls(&self) -> Option<&ClientConnection> {
        self.tls.as_deref()
    }

    pub(crate) fn handshake(&mut self) -> Attempt<()> {
        loop {
            let flushed = self.flush()?;
            let tls = self.tls.as_mut().ok_or_else(|| NetError::tls("TLS_ERROR", "there is no TLS".into()))?;
            if !tls.is_handshaking() {
                return Ok(flushed);
            }
            match self.read_packets()? {
                None => return Ok(None),
                Some(0) => return Err(NetError::Eof),
                Some(_) => {}
            }
        }
    }

    /// Accepts bytes of the guest; how many.
    pub(crate) fn send(&mut self, data: &[u8]) -> Attempt<usize> {
        let flushed = self.flush()?;
        if data.is_empty() {
            return Ok(flushed.map(|()| 0));
        }
        if self.out.len() >= HELD_MAX {
            return Ok(None);
        }
        if self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) && self.handshake()?.is_none() {
            return Ok(None);
        }
        let data = &data[..data.len().min(HELD_MAX)];
        match &mut self.injector {
            None => self.out.extend_from_slice(data),
            Some(injector) => {
                let refused = match self.refused {
                    Some(reason) => Err(reason),
                    None => injector.push(data, &mut self.out),
                };
                if let Err(reason) = refused {
                    self.refused = Some(reason);
                    let text = format!("request to `{}` refused, for a header is added to it: {reason}", self.name);
                    return Err(NetError::Denied(text));
                }
            }
        }
        self.flush()?;
        Ok(Some(data.len()))
    }

    /// Whether something waits for the network to take it.
    pub(crate) fn unsent(&self) -> bool {
        !self.out.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Sends what waits; None while some of it still does.
    pub(crate) fn flush(&mut self) -> Attempt<()> {
        loop {
            if let Some(tls) = &mut self.tls {
                if !self.out.is_empty() && !tls.is_handshaking() {
                    let taken = tls.writer().write(&self.out)?;
                    self.out.drain(..taken);
                }
                while tls.wants_write() {
                    match tls.write_tls(&mut self.socket) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                        result => result?,
                    };
                }
                if self.out.is_empty() || tls.is_handshaking() {
                    return Ok(Some(()));
                }
            } else {
                if self.out.is_empty() {
                    return Ok(Some(()));
                }
                match self.socket.write(&self.out) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => _ = self.out.drain(..result?),
                }
            }
        }
    }

    /// Reads what TLS has sent; 0 at the end of the stream.
    fn read_packets(&mut self) -> Attempt<usize> {
        let Some(tls) = &mut self.tls else { return Ok(Some(0)) };
        let read = match tls.read_tls(&mut self.socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            // rustls has enough to read without it.
            Err(error) if error.kind() == io::ErrorKind::Other => 1,
            result => result?,
        };
        if let Err(error) = tls.process_new_packets() {
            let _ = tls.write_tls(&mut self.socket); // the alert
            return Err(tls::error_of(&error, self.server_name.as_deref()));
        }
        Ok(Some(read))
    }

    /// At most `max` bytes; none at the end.
    pub(crate) fn receive(&mut self, max: usize, peek: bool) -> Attempt<Vec<u8>> {
        if self.ahead.is_empty() {
            let mut buffer = vec![0; max];
            match self.read(&mut buffer)? {
                None => return Ok(None),
                Some(read) => buffer.truncate(read),
            }
            if !peek {
                return Ok(Some(buffer));
            }
            self.ahead = buffer;
        }
        let take = max.min(self.ahead.len());
        Ok(Some(if peek { self.ahead[..take].to_vec() } else { self.ahead.drain(..take).collect() }))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Attempt<usize> {
        self.flush()?;
        loop {
            let Some(tls) = &mut self.tls else {
                match self.socket.read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    result => return Ok(Some(result?)),
                }
            };
            match tls.reader().read(buffer) {
                Ok(read) => return Ok(Some(read)),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(NetError::Eof),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            if self.read_packets()?.is_none() {
                return Ok(None);
            }
            self.flush()?;
        }
    }

    /// Plain bytes that can be read without the network.
    pub(crate) fn buffered(&mut self) -> usize {
        let inside = self.tls.as_mut().and_then(|tls| tls.process_new_packets().ok());
        self.ahead.len() + inside.map_or(0, |state| state.plaintext_bytes_to_read())
    }

    /// Has the task woken when the socket can be read or, as far as something is to be sent, written. True when that is
    /// so already.
    pub(crate) fn register(&mut self, cx: &mut Context<'_>, read: bool, write: bool) -> bool {
        let write = write || self.unsent();
        let Socket::Tcp(stream) = &mut self.socket else { return false };
        let readable = read && stream.poll_readable(cx).is_ready();
        let writable = write && stream.poll_writable(cx).is_ready();
        readable || writable
    }

    /// Ends TLS from this side.
    pub(crate) fn close_notify(&mut self) -> Attempt<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.flush()
    }

    pub(crate) fn shutdown(&mut self, how: Shutdown) -> Attempt<()> {
        if how != Shutdown::Read && self.flush()?.is_none() {
            return Ok(None);
        }
        match &self.socket {
            Socket::Tcp(stream) => Ok(Some(stream.get_ref().shutdown(how)?)),
            _ => Err(io::Error::from(io::ErrorKind::NotConnected).into()),
        }
    }

    /// Closes the connection. What still waits gets some time to leave.
    pub(crate) fn close(mut self) {
        if !matches!(self.flush(), Ok(None)) {
            return;
        }
        let mut left = Vec::new();
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() && tls.write_tls(&mut left).is_ok() {
                if tls.wants_write() || self.out.is_empty() {
                    continue;
                }
                let taken = tls.writer().write(&self.out).unwrap_or_default();
                self.out.drain(..taken);
            }
        }
        left.append(&mut self.out);
        if let Socket::Tcp(stream) = self.socket
            && let Ok(mut stream) = stream.into_inner()
        {
            static LINGERING: AtomicUsize = AtomicUsize::new(0);
            if LINGERING.fetch_add(1, Ordering::Relaxed) >= LINGERING_MAX {
                LINGERING.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            blocking::unblock(move || {
                let _ = stream.set_nonblocking(false);
                let _ = stream.set_write_timeout(Some(LINGER));
                let _ = stream.write_all(&left);
                LINGERING.fetch_sub(1, Ordering::Relaxed);
            })
            .detach();
        }
    }
}

fn not_connected() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.get_ref().read(buffer),
            Socket::Memory { incoming, ended, .. } => {
                if incoming.is_empty() && !*ended {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let take = buffer.len().min(incoming.len());
                buffer[..take].copy_from_slice(&incoming[..take]);
                incoming.drain(..take);
                Ok(take)
            }
            Socket::Connecting(_) | Socket::Failed => Err(not_connected()),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.get_ref().write(data),
            Socket::Memory { outgoing, .. } => {
                if outgoing.len() >= MEMORY_MAX {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                outgoing.extend_from_slice(data);
                Ok(data.len())
            }
            Socket::Connecting(_) | Socket::Failed => Err(not_connected()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
