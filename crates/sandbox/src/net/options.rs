//! What a session may do on the network, read from its permissions and limits.

use std::{sync::Arc, time::Duration};

use rustls::pki_types::CertificateDer;

use super::{
    grant::NetGrant,
    http::{self, Secret},
    lookup::{self, Resolver},
    tls,
};
use crate::{Error, Limits, permissions::NetPermissions};

/// What a session may do on the network, read from its permissions.
pub(crate) struct NetOptions {
    pub(super) grants: Vec<NetGrant>,
    pub(super) secrets: Vec<Secret>,
    pub(super) roots: Vec<CertificateDer<'static>>,
    pub(super) resolver: Resolver,
    pub(super) connections: usize,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) connect_time: Duration,
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
            resolver: permissions.resolver.clone().unwrap_or_else(|| Arc::new(lookup::system)),
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
