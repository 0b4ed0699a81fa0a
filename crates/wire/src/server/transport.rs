//! The bytes of a connection, in the clear or in TLS; nothing here waits.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use rustix::fd::{AsFd, BorrowedFd};
use rustls::{ServerConfig, ServerConnection};

use super::core::Output;
use crate::system::UnixStream;

/// How much unencrypted text TLS may hold: a choice, a few records.
const TLS_BUFFER: usize = 64 << 10;

/// A connection's socket.
#[derive(Debug)]
pub(super) enum Transport {
    Unix(UnixStream),
    Tls(TcpStream, Box<ServerConnection>),
}

/// What reading gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    End,
}

impl Transport {
    /// TLS over a socket that was accepted.
    pub(super) fn tls(stream: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(TLS_BUFFER));
        Ok(Transport::Tls(stream, Box::new(tls)))
    }

    /// Reads what has come, at most as much as fits.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Taken> {
        match self {
            Transport::Unix(stream) => match stream.read(buffer) {
                Ok(0) => Ok(Taken::End),
                Ok(count) => Ok(Taken::Bytes(count)),
                Err(error) if is_transient(&error) => Ok(Taken::Nothing),
                Err(error) => Err(error),
            },
            Transport::Tls(stream, tls) => {
                // What was decrypted before comes first.
                match tls.reader().read(buffer) {
                    Ok(0) => return Ok(Taken::End),
                    Ok(count) => return Ok(Taken::Bytes(count)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
                match tls.read_tls(stream) {
                    Ok(0) => return Ok(Taken::End),
                    Ok(_) => {}
                    Err(error) if is_transient(&error) => return Ok(Taken::Nothing),
                    Err(error) => return Err(error),
                }
                if let Err(error) = tls.process_new_packets() {
                    // The alert says why.
                    let _ = tls.write_tls(stream);
                    return Err(io::Error::other(error));
                }
                match tls.reader().read(buffer) {
                    Ok(0) => Ok(Taken::End),
                    Ok(count) => Ok(Taken::Bytes(count)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Taken::Nothing),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Whether something was decrypted and not read: no socket tells of it.
    pub(super) fn has_more(&mut self) -> bool {
        match self {
            Transport::Unix(_) => false,
            Transport::Tls(_, tls) => tls.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() > 0),
        }
    }

    /// Writes what the socket takes.
    pub(super) fn write(&mut self, output: &mut Output) -> io::Result<()> {
        match self {
            Transport::Unix(stream) => {
                while !output.waiting().is_empty() {
                    match stream.write(output.waiting()) {
                        Ok(count) => output.sent(count),
                        Err(error) if is_transient(&error) => break,
                        Err(error) => return Err(error),
                    }
                }
            }
            Transport::Tls(stream, tls) => loop {
                let taken = if tls.is_handshaking() { 0 } else { tls.writer().write(output.waiting())? };
                output.sent(taken);
                if !tls.wants_write() {
                    break;
                }
                match tls.write_tls(stream) {
                    Ok(_) => {}
                    Err(error) if is_transient(&error) => break,
                    Err(error) => return Err(error),
                }
            },
        }
        Ok(())
    }

    /// Whether bytes wait for the socket.
    pub(super) fn wants_write(&self) -> bool {
        match self {
            Transport::Unix(_) => false,
            Transport::Tls(_, tls) => tls.wants_write(),
        }
    }

    /// Whether the socket alone decides when output is written.
    pub(super) fn takes_output(&self) -> bool {
        match self {
            Transport::Unix(_) => true,
            Transport::Tls(_, tls) => !tls.is_handshaking(),
        }
    }

    /// Says that nothing follows.
    pub(super) fn close(&mut self) {
        match self {
            Transport::Unix(stream) => drop(stream.shutdown(Shutdown::Both)),
            Transport::Tls(stream, tls) => {
                tls.send_close_notify();
                let _ = tls.write_tls(stream);
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Transport::Unix(stream) => stream.as_fd(),
            Transport::Tls(stream, _) => stream.as_fd(),
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
