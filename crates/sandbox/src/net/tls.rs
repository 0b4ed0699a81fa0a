//! TLS by the host: configuration from what the guest's `ssl` module asks for, verification, and reasons in OpenSSL's
//! words.

use std::sync::{Arc, OnceLock};

use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

use super::NetError;

/// What one connection asks for.
#[derive(Debug, Clone)]
pub(crate) struct TlsOptions {
    pub(crate) server_name: Option<String>,
    pub(crate) verify: bool,
    pub(crate) check_name: bool,
    /// Whether the system's roots are trusted.
    pub(crate) system_roots: bool,
    /// Certificates the guest trusts.
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) alpn: Vec<Vec<u8>>,
    /// TLS 1.2, TLS 1.3.
    pub(crate) versions: [bool; 2],
}

/// Certificates in PEM form. None when there is none, or one is damaged.
pub(crate) fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    let mut store = RootCertStore::empty();
    (!found.is_empty() && found.iter().all(|der| store.add(der.clone()).is_ok())).then_some(found)
}

/// The roots of this machine, or Mozilla's where it has none. Read once.
fn system_roots() -> &'static [TrustAnchor<'static>] {
    static ROOTS: OnceLock<Vec<TrustAnchor<'static>>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() { webpki_roots::TLS_SERVER_ROOTS.to_vec() } else { store.roots }
    })
}

/// A client that has not said anything yet. `granted` are roots the host trusts in addition.
pub(crate) fn client(options: &TlsOptions, granted: &[CertificateDer<'static>]) -> Result<ClientConnection, NetError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: Vec<_> = [(&rustls::version::TLS12, 0), (&rustls::version::TLS13, 1)]
        .into_iter()
        .filter_map(|(version, index)| options.versions[index].then_some(version))
        .collect();
    let tls = |reason: &str, text: String| NetError::tls(reason, text);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions);
    let builder = builder.map_err(|_| tls("NO_PROTOCOLS_AVAILABLE", "no protocols available".into()))?;
    let verifier = Verifier::new(options, granted, provider);
    let mut config = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    config.alpn_protocols.clone_from(&options.alpn);
    config.resumption = Resumption::disabled();
    let name = match &options.server_name {
        Some(name) => ServerName::try_from(name.clone())
            .map_err(|_| tls("INVALID_SERVER_HOSTNAME", format!("`{name}` is no host name")))?,
        None => {
            config.enable_sni = false;
            ServerName::from(std::net::Ipv4Addr::UNSPECIFIED)
        }
    };
    ClientConnection::new(Arc::new(config), name).map_err(|error| error_of(&error, options.server_name.as_deref()))
}

#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    verify: bool,
    check_name: bool,
    /// Certificates trusted by themselves, perhaps a server's own.
    trusted: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(options: &TlsOptions, granted: &[CertificateDer<'static>], provider: Arc<CryptoProvider>) -> Self {
        let mut trusted = granted.to_vec();
        trusted.extend(options.roots.iter().map(|der| CertificateDer::from(der.clone())));
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(trusted.iter().cloned());
        if options.system_roots {
            store.roots.extend_from_slice(system_roots());
        }
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider)).build().ok();
        Verifier { inner, provider, verify: options.verify, check_name: options.check_name, trusted }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.verify {
            return Ok(ServerCertVerified::assertion());
        }
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let inner = self.inner.as_ref().ok_or_else(unknown)?;
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The chain is verified before the name.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.check_name => Ok(ServerCertVerified::assertion()),
            // A self-signed certificate that is trusted by itself, which webpki does not take for a server's.
            Err(Error::InvalidCertificate(error))
                if is_chain(&error) && self.trusted.iter().any(|c| c == end_entity) =>
            {
                if self.check_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let supported = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, supported)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let supported = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, supported)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_chain(error: &CertificateError) -> bool {
    match error {
        CertificateError::UnknownIssuer => true,
        CertificateError::Other(other) => other.to_string().contains("CaUsedAsEndEntity"),
        _ => false,
    }
}

/// An error of rustls in the words of OpenSSL, as Python programs know them.
pub(crate) fn error_of(error: &Error, server_name: Option<&str>) -> NetError {
    match error {
        Error::InvalidCertificate(error) => {
            // Codes of `X509_V_ERR_*`.
            let (code, text) = match error {
                CertificateError::UnknownIssuer => (20, "unable to get local issuer certificate".into()),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    (10, "certificate has expired".into())
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    (9, "certificate is not yet valid".into())
                }
                CertificateError::Revoked => (23, "certificate revoked".into()),
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    let name = server_name.unwrap_or_default();
                    match name.parse::<std::net::IpAddr>() {
                        Ok(_) => (64, format!("IP address mismatch, certificate is not valid for '{name}'.")),
                        Err(_) => (62, format!("Hostname mismatch, certificate is not valid for '{name}'.")),
                    }
                }
                CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                    (26, "unsuitable certificate purpose".into())
                }
                CertificateError::BadSignature => (7, "certificate signature failure".into()),
                error if is_chain(error) => (18, "self-signed certificate".into()),
                error => (1, error.to_string()),
            };
            NetError::Certificate { code, text }
        }
        Error::AlertReceived(alert) => {
            let name = format!("{alert:?}");
            let mut words = String::new();
            for letter in name.chars() {
                if letter.is_uppercase() && !words.is_empty() {
                    words.push(' ');
                }
                words.push(letter.to_ascii_lowercase());
            }
            let reason = format!("TLS_ALERT_{}", words.replace(' ', "_").to_uppercase());
            NetError::tls(&reason, format!("tls alert {words}"))
        }
        Error::InvalidMessage(_) => NetError::tls("WRONG_VERSION_NUMBER", "wrong version number".into()),
        Error::PeerIncompatible(_) => NetError::tls("UNSUPPORTED_PROTOCOL", "unsupported protocol".into()),
        error => NetError::tls("TLS_ERROR", error.to_string()),
    }
}
