//! What the guest is told, of a request that worked and of one that did not.

use std::io;

use keelback_session::Value;

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
    pub(super) fn tls(reason: &str, text: String) -> Self {
        NetError::Tls { reason: reason.to_owned(), text }
    }

    pub(super) fn to_value(&self) -> Value {
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
