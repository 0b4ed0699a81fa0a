//! Who may use the page: the one browser that was given the URL, and of its pages only ours.
//!
//! - The token of the URL lets in once. What it is exchanged for is a cookie that scripts cannot read and that other
//!   sites' requests do not carry.
//! - Cookies are shared by all ports of a machine, also with servers of other users. Ours belongs to a path that nobody
//!   else knows, so no other server is ever sent it.
//! - `Host` has to be this server's address: a name that somebody let point to 127.0.0.1 (DNS rebinding) is not.
//! - `Origin` has to be this server's too where there is one, and a web socket has to have one.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::http::{HeaderMap, HeaderName, header};
use subtle::ConstantTimeEq;

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// A file.
    File,
    /// A web socket.
    Socket,
}

/// The secrets of one server. They end with it.
#[derive(Debug)]
pub(super) struct Guard {
    port: u16,
    /// The folder of all that is served, without slashes.
    folder: String,
    cookie: String,
    /// None once it was used.
    token: Mutex<Option<String>>,
}

const COOKIE: &str = "keelback";

impl Guard {
    /// New secrets for a server on `port`.
    pub(super) fn new(port: u16) -> Result<Self> {
        let guard = Guard { port, folder: secret::<16>()?, cookie: secret::<32>()?, token: Mutex::default() };
        guard.renew()?;
        Ok(guard)
    }

    /// The folder of all that is served, without slashes.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// Makes a token in place of the one there may be; the URL with it.
    pub(super) fn renew(&self) -> Result<String> {
        let token = secret::<32>()?;
        let url = format!("http://127.0.0.1:{}/?token={token}", self.port);
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(url)
    }

    /// Takes the token, which is spent then; the cookie to set.
    pub(super) fn spend(&self, given: &str) -> Option<String> {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let right = token.as_ref().is_some_and(|token| same(token, given));
        right.then(|| {
            *token = None;
            format!("{COOKIE}={}; Path=/{}/; HttpOnly; SameSite=Strict", self.cookie, self.folder)
        })
    }

    /// Whether the request was meant for this server, and by a page of ours if by any.
    pub(super) fn is_ours(&self, headers: &HeaderMap, wants: Wants) -> bool {
        let Some(host) = only(headers, header::HOST) else { return false };
        let known = ["127.0.0.1", "localhost"].into_iter().any(|name| host == format!("{name}:{}", self.port));
        let origin = match headers.contains_key(header::ORIGIN) {
            true => only(headers, header::ORIGIN).is_some_and(|origin| origin == format!("http://{host}")),
            false => wants == Wants::File,
        };
        known && origin
    }

    /// Whether the request has the cookie.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(name, value)| name == COOKIE && same(&self.cookie, value))
    }
}

/// `N` random bytes in hexadecimal.
pub(super) fn secret<const N: usize>() -> Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn same(secret: &str, given: &str) -> bool {
    bool::from(secret.as_bytes().ct_eq(given.as_bytes()))
}

/// The header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header"))).collect()
    }

    #[test]
    fn a_token_lets_in_once_and_whole() {
        let guard = Guard::new(8000).expect("random bytes");
        let url = guard.renew().expect("random bytes");
        let token = url.strip_prefix("http://127.0.0.1:8000/?token=").expect("a token");
        assert_eq!(token.len(), 64, "256 bits");
        for wrong in ["", "0", &token[1..], &format!("{token}0"), &token.to_uppercase().replace(char::is_numeric, "A")]
        {
            assert_eq!(guard.spend(wrong), None, "{wrong}");
        }
        let cookie = guard.spend(token).expect("the token");
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
        assert!(cookie.contains(&format!("; Path=/{}/;", guard.folder())), "{cookie}");
        assert_eq!(guard.spend(token), None, "it is spent");
        let (pair, _) = cookie.split_once(';').expect("attributes");
        assert!(guard.is_known(&headers(&[(header::COOKIE, &format!("other=1; {pair}"))])));
        assert!(!guard.is_known(&headers(&[(header::COOKIE, &format!("x{pair}"))])));
        assert!(!guard.is_known(&headers(&[(header::COOKIE, &pair[..pair.len() - 1])])));
        assert!(!guard.is_known(&headers(&[])));
    }

    #[test]
    fn a_new_token_ends_the_one_before() {
        let guard = Guard::new(8000).expect("random bytes");
        let [first, second] = [(); 2].map(|()| guard.renew().expect("random bytes"));
        let token = |url: &str| url.split_once('=').expect("a token").1.to_owned();
        assert_eq!(guard.spend(&token(&first)), None);
        assert!(guard.spend(&token(&second)).is_some());
    }

    #[test]
    fn only_our_own_address_and_pages() {
        let guard = Guard::new(8000).expect("random bytes");
        let check = |host: &[&str], origin: Option<&str>, file: bool, socket: bool| {
            let mut map = headers(&origin.map(|origin| (header::ORIGIN, origin)).into_iter().collect::<Vec<_>>());
            for host in host {
                map.append(header::HOST, host.parse().expect("a header"));
            }
            let is = [Wants::File, Wants::Socket].map(|wants| guard.is_ours(&map, wants));
            assert_eq!(is, [file, socket], "{host:?} {origin:?}");
        };
        check(&["127.0.0.1:8000"], None, true, false);
        check(&["127.0.0.1:8000"], Some("http://127.0.0.1:8000"), true, true);
        check(&["localhost:8000"], Some("http://localhost:8000"), true, true);
        check(&["127.0.0.1:8000"], Some("http://localhost:8000"), false, false);
        check(&["127.0.0.1:8000"], Some("https://127.0.0.1:8000"), false, false);
        check(&["127.0.0.1:8000"], Some("http://127.0.0.1:8001"), false, false);
        check(&["127.0.0.1:8000"], Some("http://evil.example"), false, false);
        check(&["127.0.0.1:8000"], Some("null"), false, false);
        check(&["evil.example:8000"], Some("http://evil.example:8000"), false, false);
        check(&["evil.example:8000"], None, false, false);
        check(&["127.0.0.1"], None, false, false);
        check(&["127.0.0.1:8000", "127.0.0.1:8000"], None, false, false);
        check(&[], None, false, false);
    }
}
