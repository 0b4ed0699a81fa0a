//! TLS as the guest asks for it and as it is described to the guest.

use keelback_session::Value;

use super::{NetError, connection::Connection, tls::TlsOptions};

/// `(server_name, verify, check_name, system_roots, roots, alpn, versions)`.
pub(super) fn options(args: &[Value]) -> Result<TlsOptions, NetError> {
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

/// `(version, cipher suite, ALPN protocol, certificates)` of TLS; None before the handshake is over.
pub(super) fn description(connection: &Connection) -> Value {
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
