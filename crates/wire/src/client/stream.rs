//! Where servers are, and bytes to and from them.

use std::{
    fmt,
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a server may leave what is sent to it unread before the connection counts as broken.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ConnectError {
    #[error("nobody serves at `{address}`")]
    Nobody { address: String, source: io::Error },
    #[error("no connection to `{address}`")]
    Failed { address: String, source: io::Error },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Address {
    /// A connection to the server, without a word said.
    ///
    /// # Errors
    /// [`ConnectError::Nobody`] where no server is any more or yet.
    pub fn connect(&self) -> Result<Stream, ConnectError> {
        match self {
            Address::Unix(path) => connect_unix(path).map_err(|error| self.failed(error)),
        }
    }

    fn failed(&self, source: io::Error) -> ConnectError {
        let address = self.to_string();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ConnectError::Nobody { address, source },
            _ => ConnectError::Failed { address, source },
        }
    }
}

fn connect_unix(path: &Path) -> io::Result<Stream> {
    UnixStream::connect(path)?.try_into()
}

/// A connection: bytes in both directions, reading and writing at the same time from different threads.
pub struct Stream {
    transport: Transport,
    token: Option<String>,
}

enum Transport {
    Unix(UnixStream),
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
        }
    }

    pub(super) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match &self.transport {
            Transport::Unix(stream) => (&mut &*stream).write_all(bytes),
        }
    }

    /// Ends both directions; a read that waits comes back.
    pub(super) fn shutdown(&self) {
        match &self.transport {
            // One that is gone already needs no end.
            Transport::Unix(stream) => drop(stream.shutdown(Shutdown::Both)),
        }
    }
}
