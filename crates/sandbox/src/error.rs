//! Why the host could not do what it was asked. What the guest's code did wrong is an
//! [`Outcome`](keelback_session::Outcome).

use std::path::PathBuf;

use crate::{
    fs::{GrantError, ReadError},
    imports::ImageError,
    net::NetGrantError,
    packages::PackagesError,
    snapshot::SnapshotError,
};

/// Why a call on an engine or a session failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum Error {
    #[error("cannot grant a path")]
    Grant(#[from] GrantError),
    #[error(transparent)]
    Network(#[from] NetGrantError),
    #[error("secret header for `{host}` cannot be added: {reason}")]
    Secret { host: String, reason: &'static str },
    #[error("root certificates are damaged, or none are there")]
    Roots,
    #[error(transparent)]
    Packages(#[from] PackagesError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("cannot make the image")]
    Imports(#[from] ImageError),
    #[error("cannot use the snapshot")]
    Snapshot(#[from] SnapshotError),
    #[error("session is over: {reason}")]
    SessionLost { reason: String },
    #[error("cannot {action} `{}`", path.display())]
    Cache { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("cannot find a folder for compiled code: set KEELBACK_CACHE, XDG_CACHE_HOME or HOME")]
    NoCacheDirectory,
    #[error("guest image is damaged: {reason}")]
    Image { reason: String },
    #[error("WebAssembly engine: {0}")]
    Engine(String),
    #[error("guest broke its interface: {0}")]
    Protocol(String),
    #[error("tool `{name}` cannot be offered: {reason}")]
    Tool { name: String, reason: &'static str },
    #[error("limit `{name}` is {value}; it must be at least {minimum}")]
    Limit { name: &'static str, value: u64, minimum: u64 },
    #[error("cannot write files of the session back: {0}")]
    Sync(String),
}

impl Error {
    pub(crate) fn engine(error: wasmtime::Error) -> Self {
        Error::Engine(format!("{error:#}"))
    }
}
