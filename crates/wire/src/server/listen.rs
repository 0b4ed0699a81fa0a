//! Where a server listens: a Unix socket that only its owner reaches, or TCP with TLS and a token.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fd::{AsFd, BorrowedFd};
use rustls::ServerConfig;

use super::own::socket::{self, PATH_MAX, SocketFile, UnixListener};
use crate::tls::{Identity, Key, TlsError, Token};

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ListenError {
    #[error("`{path}` is too long for a socket: at most {PATH_MAX} bytes")]
    TooLong { path: PathBuf },
    #[error("the folder `{path}` of the socket cannot be used")]
    Folder { path: PathBuf, source: io::Error },
    #[error("the folder `{path}` of the socket belongs to another user (uid {uid})")]
    ForeignFolder { path: PathBuf, uid: u32 },
    #[error("the folder `{path}` of the socket can be written by others (mode {mode:o})")]
    OpenFolder { path: PathBuf, mode: u32 },
    #[error("`{path}` exists and is no socket")]
    NoSocket { path: PathBuf },
    #[error("another server listens on `{path}`")]
    InUse { path: PathBuf },
    #[error("cannot listen on `{path}`: Windows does not tell who connects to a Unix socket; serve on TCP")]
    Unsupported { path: PathBuf },
    #[error("cannot listen on `{path}`")]
    Socket { path: PathBuf, source: io::Error },
    #[error("cannot listen on {address}")]
    Tcp { address: SocketAddr, source: io::Error },
    #[error("{address} can be reached from everywhere: that has to be asked for")]
    Exposed { address: SocketAddr },
    #[error("no TLS for the server")]
    Tls(#[from] TlsError),
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Unix(UnixListener, SocketFile),
    Tcp(TcpListener, Arc<ServerConfig>, Key),
}

/// Whether a TCP server may be reached from other machines through every address of this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Exposure {
    /// Only through the address that is named.
    #[default]
    Named,
    /// `0.0.0.0` and `[::]` are allowed.
    Everywhere,
}

impl Listener {
    /// A Unix socket at `path`. Its folder is made if it is missing, for its owner alone, as is the socket.
    ///
    /// A socket that is left from a server that ended without removing it is replaced.
    ///
    /// # Errors
    /// When others could write to the folder, something else is at `path`, or a server listens there; always on Windows.
    pub fn unix(path: &Path) -> Result<Self, ListenError> {
        let (listener, file) = socket::listen(path)?;
        Ok(Listener { kind: Kind::Unix(listener, file) })
    }

    /// TCP with TLS at `address`, for clients with the key of `identity` and `token`.
    ///
    /// # Errors
    /// When the address is in use, not of this machine, or means every address and `exposure` does not allow it.
    pub fn tcp(address: SocketAddr, exposure: Exposure, identity: Identity, token: Token) -> Result<Self, ListenError> {
        if address.ip().is_unspecified() && exposure == Exposure::Named {
            return Err(ListenError::Exposed { address });
        }
        let key = identity.key(token);
        let config = Arc::new(identity.into_config()?);
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener = bound.map_err(|source| ListenError::Tcp { address, source })?;
        Ok(Listener { kind: Kind::Tcp(listener, config, key) })
    }

    /// Where it listens: a path, or `address:port`.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.kind {
            Kind::Unix(_, file) => file.path().display().to_string(),
            Kind::Tcp(listener, ..) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string())
            }
        }
    }

    /// The key clients need, for TCP.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        match &self.kind {
            Kind::Unix(..) => None,
            Kind::Tcp(.., key) => Some(key),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            Kind::Unix(listener, _) => listener.as_fd(),
            Kind::Tcp(listener, ..) => listener.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_to_be_asked_for() {
        let listen = |address: &str, exposure| {
            let identity = Identity::generate().expect("a certificate");
            let token = Token::generate().expect("random bytes");
            Listener::tcp(address.parse().expect("an address"), exposure, identity, token)
        };
        for address in ["0.0.0.0:0", "[::]:0"] {
            assert!(matches!(listen(address, Exposure::Named), Err(ListenError::Exposed { .. })));
        }
        assert!(listen("127.0.0.1:0", Exposure::Named).expect("listens").key().is_some());
        assert!(listen("0.0.0.0:0", Exposure::Everywhere).is_ok());
    }
}
