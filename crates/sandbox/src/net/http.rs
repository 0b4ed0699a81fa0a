//! Adds secret headers to the requests of a connection.
//!
//! What the guest sends is followed closely enough to find the head of each request: request line, headers, and a body
//! with a length or in chunks. Whatever could be read in two ways is refused, for then the server might see a request
//! where this saw a body.

/// A header that the host adds to requests for one host.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    /// As [`host_name`](super::grant::host_name) or an address writes it.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) header: String,
    pub(crate) value: String,
}

/// The first byte of a TLS connection (RFC 8446, section 5.1); no method of HTTP begins with it.
const TLS_HANDSHAKE: u8 = 0x16;
/// The longest head of a request.
const HEAD_MAX: usize = 64 << 10;
/// The longest line with the size of a chunk.
const LINE_MAX: usize = 1 << 10;

/// Follows the requests of one connection.
pub(crate) struct Injector {
    secrets: Vec<Secret>,
    /// Whether a request for another host than the secrets' passes without them; else it is refused.
    other_hosts: bool,
    state: State,
    /// The part of a head or line that has come.
    held: Vec<u8>,
}

#[derive(Clone, Copy)]
enum State {
    Start,
    Head,
    /// Not for this to look into: nothing is ever added.
    Raw,
    /// Bytes of the body that are still to come.
    Body(u64),
    ChunkSize,
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// The empty line behind the last chunk.
    Last,
}

type Refusal = &'static str;

impl Injector {
    pub(crate) fn new(secrets: Vec<Secret>, other_hosts: bool) -> Self {
        Injector { secrets, other_hosts, state: State::Start, held: Vec::new() }
    }

    /// Takes what the guest sent and appends to `out` what goes to the server.
    ///
    /// # Errors
    /// What cannot be followed; the connection must send nothing more.
    pub(crate) fn push(&mut self, mut data: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        while !data.is_empty() {
            match self.state {
                // TLS whose bytes the guest carries: the header is added inside, before they are encrypted.
                State::Start if self.other_hosts && data[0] == TLS_HANDSHAKE => self.state = State::Raw,
                State::Start => self.state = State::Head,
                State::Raw => {
                    out.extend_from_slice(data);
                    return Ok(());
                }
                State::Head => {
                    let Some(rest) = self.hold_until(data, b"\r\n\r\n", HEAD_MAX)? else { return Ok(()) };
                    data = rest;
                    let head = std::mem::take(&mut self.held);
                    self.state = self.head(&head, out)?;
                }
                State::Body(left) | State::Chunk(left) => {
                    let take = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let (part, rest) = data.split_at(take);
                    out.extend_from_slice(part);
                    data = rest;
                    let left = left - take as u64;
                    self.state = match self.state {
                        State::Body(_) if left == 0 => State::Head,
                        State::Body(_) => State::Body(left),
                        _ if left == 0 => State::ChunkEnd,
                        _ => State::Chunk(left),
                    };
                }
                State::ChunkSize => {
                    let Some(rest) = self.hold_until(data, b"\r\n", LINE_MAX)? else { return Ok(()) };
                    data = rest;
                    let line = std::mem::take(&mut self.held);
                    let size = chunk_size(&line[..line.len() - 2])?;
                    out.extend_from_slice(&line);
                    self.state = if size == 0 { State::Last } else { State::Chunk(size) };
                }
                State::ChunkEnd | State::Last => {
                    let Some(rest) = self.hold_until(data, b"\r\n", 2)? else { return Ok(()) };
                    data = rest;
                    if self.held != b"\r\n" {
                        return Err("a chunk does not end where its size says, or trailers follow the last one");
                    }
                    out.append(&mut self.held);
                    self.state = if matches!(self.state, State::Last) { State::Head } else { State::ChunkSize };
                }
            }
        }
        Ok(())
    }

    /// Moves `data` up to and with `end` to what is held; the rest, or None when the end has not come.
    fn hold_until<'a>(&mut self, data: &'a [u8], end: &[u8], max: usize) -> Result<Option<&'a [u8]>, Refusal> {
        let before = self.held.len();
        let room = (max + end.len()).saturating_sub(before).min(data.len());
        self.held.extend_from_slice(&data[..room]);
        let from = before.saturating_sub(end.len() - 1);
        match self.held[from..].windows(end.len()).position(|window| window == end) {
            Some(at) => {
                let len = from + at + end.len();
                self.held.truncate(len);
                Ok(Some(&data[len - before..]))
            }
            None if self.held.len() >= max => Err("its head or a line of it is too long"),
            None => Ok(None),
        }
    }

    /// Writes a head with the secrets in it; what follows it.
    fn head(&self, head: &[u8], out: &mut Vec<u8>) -> Result<State, Refusal> {
        let text = std::str::from_utf8(head)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte >= b' ' || b"\r\n\t".contains(&byte)));
        let text = text.ok_or("its head has bytes that no text has")?;
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let request = lines.next().unwrap_or_default();
        request_line(request)?;
        let mut headers = Vec::new();
        let (mut host, mut length, mut chunked) = (None, None, false);
        for line in lines {
            let (name, value) = header(line)?;
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            if is("host") && host.replace(value).is_some() {
                return Err("it has two Host headers");
            }
            if is("content-length") && length.replace(decimal(value)?).is_some() {
                return Err("it has two lengths");
            }
            if is("transfer-encoding") {
                if !value.eq_ignore_ascii_case("chunked") || chunked {
                    return Err("its transfer encoding is not `chunked`");
                }
                chunked = true;
            }
            if is("upgrade") || is("http2-settings") {
                return Err("it asks for another protocol");
            }
            headers.push((name, line));
        }
        if chunked && length.is_some() {
            return Err("it has a length and is chunked");
        }
        let host = host_of(host.ok_or("it has no Host header")?)?;
        let mine: Vec<&Secret> = self.secrets.iter().filter(|secret| secret.host == host).collect();
        if mine.is_empty() && !self.other_hosts {
            return Err("its Host is another than the one connected to");
        }
        let mut line = |text: &str| {
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        line(request);
        // `Authorization` and `authorization` are one header; for some servers so are `x-key` and `x_key`.
        let same = |a: &str, b: &str| a.replace('_', "-").eq_ignore_ascii_case(&b.replace('_', "-"));
        for (name, text) in headers {
            if !mine.iter().any(|secret| same(&secret.header, name)) {
                line(text);
            }
        }
        for secret in mine {
            line(&format!("{}: {}", secret.header, secret.value));
        }
        line("");
        Ok(match (chunked, length) {
            (true, _) => State::ChunkSize,
            (false, None | Some(0)) => State::Head,
            (false, Some(length)) => State::Body(length),
        })
    }
}

fn request_line(line: &str) -> Result<(), Refusal> {
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("it is not HTTP/1.1");
    };
    if !is_token(method) || method.eq_ignore_ascii_case("CONNECT") {
        return Err("its method is none that can be followed");
    }
    // A target with a host in it would count more than the Host header.
    let plain = target.bytes().all(|byte| byte.is_ascii_graphic()) && (target.starts_with('/') || target == "*");
    if plain { Ok(()) } else { Err("its target is not a path") }
}

fn header(line: &str) -> Result<(&str, &str), Refusal> {
    let (name, value) = line.split_once(':').ok_or("a line of its head is no header")?;
    if !is_token(name) || value.contains(['\r', '\n']) {
        return Err("a line of its head is no header");
    }
    Ok((name, value.trim_matches([' ', '\t'])))
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn decimal(text: &str) -> Result<u64, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or("its length is no number")
}

fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    let digits = !line.is_empty() && line.len() <= 15 && line.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(line).ok().filter(|_| digits);
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or("the size of a chunk is no number")
}

/// The host of a Host header, without its port, as names are compared.
fn host_of(value: &str) -> Result<String, Refusal> {
    const BAD: Refusal = "its Host header is no host";
    let host = match value.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(BAD)?.0,
        None => value.split(':').next().unwrap_or_default(),
    };
    if let Ok(address) = host.parse::<std::net::IpAddr>() {
        return Ok(address.to_canonical().to_string());
    }
    super::grant::host_name(host).ok_or(BAD)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn injector() -> Injector {
        let secret = Secret { host: "a.org".into(), port: None, header: "X-Key".into(), value: "s3".into() };
        Injector::new(vec![secret], false)
    }

    fn pass(sent: &[u8]) -> Result<String, Refusal> {
        let mut out = Vec::new();
        injector().push(sent, &mut out)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: a.org\r\n\r\n";
    const GOT: &str = "GET / HTTP/1.1\r\nHost: a.org\r\nX-Key: s3\r\n\r\n";

    #[test]
    fn each_request_of_a_connection_gets_the_header() {
        assert_eq!(pass(GET.as_bytes()).as_deref(), Ok(GOT));
        assert_eq!(pass(format!("{GET}{GET}").as_bytes()), Ok(format!("{GOT}{GOT}")));
        let post = "POST /x HTTP/1.1\r\nHost: A.org:443\r\nContent-Length: 34\r\n";
        // A body that looks like a request is a body.
        assert_eq!(
            pass(format!("{post}\r\n{GET}xxx{GET}").as_bytes()),
            Ok(format!("{post}X-Key: s3\r\n\r\n{GET}xxx{GOT}"))
        );
        let post = "POST /x HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n";
        let chunks = format!("1f\r\n{GET}\r\n0\r\n\r\n");
        assert_eq!(
            pass(format!("{post}\r\n{chunks}{GET}").as_bytes()),
            Ok(format!("{post}X-Key: s3\r\n\r\n{chunks}{GOT}"))
        );
    }

    #[test]
    fn what_the_guest_sends_under_that_name_is_replaced() {
        let sent = "GET / HTTP/1.1\r\nx-key: mine\r\nX_KEY: mine\r\nHost: a.org\r\nX-Key: again\r\n\r\n";
        assert_eq!(pass(sent.as_bytes()).as_deref(), Ok(GOT));
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        for head in [
            "GET / HTTP/1.0\r\nHost: a.org",
            "GET / HTTP/2\r\nHost: a.org",
            "PRI * HTTP/2.0",
            "GET /",
            "\r\nGET / HTTP/1.1",
            "GET / HTTP/1.1",
            "GET / HTTP/1.1\r\nHost: b.org",
            "GET / HTTP/1.1\r\nHost: a.org\r\nHost: b.org",
            "GET http://b.org/ HTTP/1.1\r\nHost: a.org",
            "CONNECT a.org:443 HTTP/1.1\r\nHost: a.org",
            "GET  / HTTP/1.1\r\nHost: a.org",
            "GET / HTTP/1.1\r\nHost: a.org\r\n X: folded",
            "GET / HTTP/1.1\r\nHost: a.org\r\nContent-Length : 5",
            "GET / HTTP/1.1\r\nHost: a.org\r\nContent-Length: +5",
            "GET / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 5\r\nContent-Length: 5",
            "GET / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 5, 5",
            "GET / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            "GET / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: gzip, chunked",
            "GET / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: xchunked",
            "GET / HTTP/1.1\r\nHost: a.org\nX: 1",
            "GET / HTTP/1.1\r\nHost: a.org\r\nX: a\rb",
            "GET / HTTP/1.1\r\nHost: a.org\r\nUpgrade: websocket",
            "GET / HTTP/1.1\r\nHost: a.org\r\nX: \0",
            "GET / HTTP/1.1\r\nHost: a.org@b.org",
            "\u{16}\u{3}\u{1}",
        ] {
            assert!(pass(format!("{head}\r\n\r\n").as_bytes()).is_err(), "{head:?}");
        }
        let chunked = "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "x\r\n",
            "-1\r\n",
            "1;x=y\r\na\r\n",
            "1\r\nab\r\n",
            "0\r\nX-Key: mine\r\n\r\n",
            "1\nab\r\n",
            "0x1\r\n",
            "ffffffffffffffff\r\n",
        ] {
            assert!(pass(format!("{chunked}{body}").as_bytes()).is_err(), "{body:?}");
        }
        assert!(pass(&[b'a'; HEAD_MAX + 5]).is_err());
    }

    #[test]
    fn a_plain_connection_may_be_shared_by_hosts() {
        let mut shared = injector();
        shared.other_hosts = true;
        let mut out = Vec::new();
        let other = "GET / HTTP/1.1\r\nHost: b.org\r\n\r\n";
        shared.push(format!("{other}{GET}").as_bytes(), &mut out).expect("both pass");
        assert_eq!(String::from_utf8(out).expect("text"), format!("{other}{GOT}"));
    }

    #[test]
    fn tls_that_the_guest_carries_passes_untouched() {
        let sent = format!("\u{16}\u{3}{GET}");
        let mut out = Vec::new();
        assert!(injector().push(sent.as_bytes(), &mut out).is_err() || out.is_empty());
        let mut plain = injector();
        plain.other_hosts = true;
        plain.push(sent.as_bytes(), &mut out).expect("it passes");
        assert_eq!(out, sent.as_bytes());
        // Only from the start.
        let mut plain = injector();
        plain.other_hosts = true;
        assert!(plain.push(format!("{GET}{sent}").as_bytes(), &mut out).is_err());
    }

    /// A server that reads the same bytes: the heads it sees all carry the secret.
    fn heads(bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&rest[..end + 4]).into_owned();
            rest = &rest[end + 4..];
            let lower = head.to_ascii_lowercase();
            if let Some(length) = lower
                .split("content-length:")
                .nth(1)
                .and_then(|text| text.split("\r\n").next()?.trim().parse::<usize>().ok())
            {
                rest = &rest[length.min(rest.len())..];
            } else if lower.contains("transfer-encoding: chunked") {
                while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
                    let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap_or("0"), 16).unwrap_or(0);
                    rest = &rest[(end + 2 + size + 2).min(rest.len())..];
                    if size == 0 {
                        break;
                    }
                }
            }
            found.push(head);
        }
        found
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(GET.to_owned()),
            Just("POST / HTTP/1.1\r\nHost: a.org\r\n".to_owned()),
            Just("Content-Length: 7\r\n".to_owned()),
            Just("Transfer-Encoding: chunked\r\n".to_owned()),
            Just("\r\n".to_owned()),
            Just("5\r\nabcde\r\n".to_owned()),
            Just("0\r\n\r\n".to_owned()),
            "[ -~\r\n]{0,8}",
        ]
    }

    proptest! {
        #[test]
        fn no_head_goes_out_without_the_secret(pieces in proptest::collection::vec(piece(), 0..12)) {
            let sent = pieces.concat();
            let mut out = Vec::new();
            let _ = injector().push(sent.as_bytes(), &mut out);
            for head in heads(&out) {
                prop_assert!(head.contains("X-Key: s3\r\n"), "{head:?} in {sent:?}");
            }
        }

        #[test]
        fn how_bytes_are_cut_changes_nothing(pieces in proptest::collection::vec(piece(), 0..12), cut in 1usize..9) {
            let sent = pieces.concat();
            let mut whole = Vec::new();
            let all = injector().push(sent.as_bytes(), &mut whole);
            let mut out = Vec::new();
            let mut one = injector();
            let parts = sent.as_bytes().chunks(cut).try_for_each(|part| one.push(part, &mut out));
            prop_assert_eq!(all, parts);
            prop_assert_eq!(whole, out);
        }
    }
}
