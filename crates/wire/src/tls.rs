//! TLS between client and server, and the key that lets a client in.
//!
//! A server makes a certificate of its own when it starts, and the [`Key`] it shows holds the certificate's hash and a
//! token: whoever has the key reaches that server and no other one, without names and authorities. A server with a
//! certificate of an authority shows a key that is the token alone.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring::default_provider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime, pem::PemObject},
    server::NoServerSessionStorage,
    version::TLS13,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// 256 random bits that a client must know.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn generate() -> Result<Self, TlsError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| TlsError::NoRandom)?;
        Ok(Token(bytes))
    }

    /// As `hello` sends it.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `hex` is this token, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, hex: &str) -> bool {
        self.to_hex().as_bytes().ct_eq(hex.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// What a user gives to a client: `kb1-` and certificate hash and token, or `kb1t-` and a token, in URL-safe base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// For a server with a certificate of its own.
    Pinned {
        /// SHA-256 of its DER form.
        certificate: [u8; 32],
        /// The token.
        token: Token,
    },
    /// For a server with a certificate of an authority, which is verified by the server's name.
    Named {
        /// The token.
        token: Token,
    },
}

const PINNED: &str = "kb1-";
const NAMED: &str = "kb1t-";

impl Key {
    /// The token.
    #[must_use]
    pub fn token(&self) -> &Token {
        match self {
            Key::Pinned { token, .. } | Key::Named { token } => token,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Pinned { certificate, token } => {
                let both = [certificate.as_slice(), &token.0].concat();
                write!(formatter, "{PINNED}{}", BASE64_URL_SAFE_NO_PAD.encode(both))
            }
            Key::Named { token } => write!(formatter, "{NAMED}{}", BASE64_URL_SAFE_NO_PAD.encode(token.0)),
        }
    }
}

impl FromStr for Key {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        let text = text.trim();
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        if let Some(bytes) = text.strip_prefix(NAMED).and_then(decode) {
            return Ok(Key::Named { token: Token(bytes.try_into().map_err(|_| TlsError::NoKey)?) });
        }
        let bytes = text.strip_prefix(PINNED).and_then(decode).ok_or(TlsError::NoKey)?;
        let bytes: [u8; 64] = bytes.try_into().map_err(|_| TlsError::NoKey)?;
        let (certificate, token) = bytes.split_at(32);
        let half = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).expect("half of 64 bytes");
        Ok(Key::Pinned { certificate: half(certificate), token: Token(half(token)) })
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum TlsError {
    #[error("this is no key: one is `{PINNED}` or `{NAMED}` and what the server gave after it, whole")]
    NoKey,
    #[error("the system has no random bytes")]
    NoRandom,
    #[error("no certificate could be made")]
    Certificate(#[from] rcgen::Error),
    #[error("not a certificate chain and a private key in PEM form")]
    Pem,
    #[error("certificate and private key cannot be used")]
    Tls(#[from] Error),
}

/// The certificate of a server and its private key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    is_own: bool,
}

impl Identity {
    /// A certificate that only a [`Key::Pinned`] trusts, with a private key that leaves no trace.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn generate() -> Result<Self, TlsError> {
        let made = rcgen::generate_simple_self_signed(["keelback".to_owned()])?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        Ok(Identity { chain: vec![made.cert.der().clone()], key: key.into(), is_own: true })
    }

    /// A certificate chain, the server's first, and its private key, both in PEM form.
    ///
    /// # Errors
    /// When one of them is missing or damaged.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|_| TlsError::Pem)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Pem)?;
        if chain.is_empty() {
            return Err(TlsError::Pem);
        }
        Ok(Identity { chain, key, is_own: false })
    }

    /// What a client needs, with `token`.
    #[must_use]
    pub fn key(&self, token: Token) -> Key {
        if self.is_own { Key::Pinned { certificate: hash(&self.chain[0]), token } } else { Key::Named { token } }
    }

    /// What connections of a server begin with: TLS 1.3 and nothing older.
    ///
    /// # Errors
    /// When the private key is not that of the certificate.
    pub fn into_config(self) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&[&TLS13])?.with_no_client_auth();
        let mut config = builder.with_single_cert(self.chain, self.key)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// What a connection of a client begins with. `roots` are trusted in addition to the system's, for [`Key::Named`].
///
/// # Errors
/// Of a root that is no certificate.
pub fn client_config(key: &Key, roots: &[CertificateDer<'static>]) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[&TLS13])?;
    let mut config = match key {
        Key::Pinned { certificate, .. } => {
            let pinned = Pinned { certificate: *certificate, provider };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned)).with_no_client_auth()
        }
        Key::Named { .. } => builder.with_root_certificates(all_roots(roots)?).with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The roots of this machine, or Mozilla's where it has none, and further ones.
fn all_roots(further: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for root in further {
        store.add(root.clone())?;
    }
    Ok(store)
}

fn hash(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

/// Trusts one certificate, by its hash, and whoever can sign with its key.
#[derive(Debug)]
struct Pinned {
    certificate: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if hash(certificate) == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_string() {
        let token = Token([7; 32]);
        for key in [Key::Pinned { certificate: [9; 32], token: token.clone() }, Key::Named { token: token.clone() }] {
            let text = key.to_string();
            assert_eq!(text.parse::<Key>().expect("a key"), key);
            assert_eq!(key.token(), &token);
            assert!(text[..text.len() - 2].parse::<Key>().is_err());
        }
        for text in ["", "kb1-", "kb1t-AAAA", "kb2-AAAA", "kb1-%%%%"] {
            assert!(matches!(text.parse::<Key>(), Err(TlsError::NoKey)), "{text}");
        }
    }

    #[test]
    fn a_token_is_compared_as_a_whole() {
        let token = Token::generate().expect("random bytes");
        assert!(token.matches(&token.to_hex()));
        let other = Token::generate().expect("random bytes");
        for wrong in [other.to_hex(), String::new(), token.to_hex()[1..].to_owned(), token.to_hex() + "0"] {
            assert!(!token.matches(&wrong));
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn an_identity_comes_from_pem_files() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).expect("a pair");
        assert!(matches!(identity.key(Token([0; 32])), Key::Named { .. }));
        assert!(identity.into_config().is_ok());
        assert!(matches!(Identity::from_pem(b"", key.as_bytes()), Err(TlsError::Pem)));
        assert!(matches!(Identity::from_pem(chain.as_bytes(), b""), Err(TlsError::Pem)));
        let other = Identity::generate().expect("a certificate");
        let mixed =
            Identity { key: other.key, ..Identity::from_pem(chain.as_bytes(), key.as_bytes()).expect("a pair") };
        assert!(matches!(mixed.into_config(), Err(TlsError::Tls(_))));
    }
}
