//! Which hosts and addresses a session may connect to: every decision about the network is made here.
//!
//! A name is granted by its text, an address by an address or a network. An address that is not public (loopback,
//! private, link-local ...) is never reached through a name: it needs a grant of its own, or the name `localhost`.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// One granted host, address or network, with a port or with all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetGrant {
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// Every public name and address.
    Any,
    Name(String),
    /// The text behind `*.`: all names below it.
    Below(String),
    Net(Cidr),
}

/// A network in its canonical form: IPv4 also where it was written as IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cidr {
    base: IpAddr,
    prefix: u8,
}

impl Cidr {
    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Cidr { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn v6(first: u16, second: u16, prefix: u8) -> Self {
        Cidr { base: IpAddr::V6(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0)), prefix }
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Addresses that are not public, by what they are (IANA's registries of special-purpose addresses). The first match
/// counts.
const SPECIAL: &[(&str, Cidr)] = &[
    ("an unspecified address", Cidr::v4(0, 0, 0, 0, 8)),
    ("a private address", Cidr::v4(10, 0, 0, 0, 8)),
    ("a shared address (carrier-grade NAT)", Cidr::v4(100, 64, 0, 0, 10)),
    ("a loopback address", Cidr::v4(127, 0, 0, 0, 8)),
    ("a link-local address", Cidr::v4(169, 254, 0, 0, 16)),
    ("a private address", Cidr::v4(172, 16, 0, 0, 12)),
    ("a reserved address", Cidr::v4(192, 0, 0, 0, 24)),
    ("a reserved address", Cidr::v4(192, 88, 99, 0, 24)),
    ("a private address", Cidr::v4(192, 168, 0, 0, 16)),
    ("a reserved address", Cidr::v4(198, 18, 0, 0, 15)),
    ("a multicast address", Cidr::v4(224, 0, 0, 0, 4)),
    ("a reserved address", Cidr::v4(240, 0, 0, 0, 4)),
    ("an address of IPv4 inside IPv6", Cidr::v6(0x64, 0xff9b, 32)),
    ("an address of IPv4 inside IPv6", Cidr::v6(0x2001, 0, 32)),
    ("an address of IPv4 inside IPv6", Cidr::v6(0x2002, 0, 16)),
    ("a private address", Cidr::v6(0xfc00, 0, 7)),
    ("a link-local address", Cidr::v6(0xfe80, 0, 10)),
    ("a private address", Cidr::v6(0xfec0, 0, 10)),
    ("a multicast address", Cidr::v6(0xff00, 0, 8)),
    // Unspecified, loopback, and IPv4 addresses with zeros before them.
    ("a loopback address", Cidr { base: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 }),
    ("an unspecified address", Cidr::v6(0, 0, 8)),
];

/// What an address is, when it is not public.
fn special(address: IpAddr) -> Option<(&'static str, Cidr)> {
    SPECIAL.iter().find(|(_, cidr)| cidr.contains(address)).copied()
}

/// Why the text of a grant makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("network grant `{text}`: {reason}")]
pub struct NetGrantError {
    text: String,
    reason: &'static str,
}

impl FromStr for NetGrant {
    type Err = NetGrantError;

    fn from_str(text: &str) -> Result<Self, NetGrantError> {
        parse(text).map_err(|reason| NetGrantError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<NetGrant, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.contains("://")
        || (text.contains('/') && text.split('/').nth(1).is_none_or(|tail| !starts_with_digit(tail)))
    {
        return Err("write a host without scheme and path, as in `api.example.org:443`");
    }
    let (host, port) = split_port(text)?;
    let port = port.map(parse_port).transpose()?;
    Ok(NetGrant { host: parse_host(host)?, port })
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`, `v6`, each address also with `/prefix`.
fn split_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("`[` without `]`")?;
        return match rest {
            "" => Ok((host, None)),
            rest => Ok((host, Some(rest.strip_prefix(':').ok_or("only a port may follow `]`")?))),
        };
    }
    match text.rsplit_once(':') {
        None => Ok((text, None)),
        Some((host, _)) if host.contains(':') => Ok((text, None)), // an IPv6 address without brackets
        Some((host, port)) => Ok((host, Some(port))),
    }
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if port != 0 && digits => Ok(port),
        _ => Err("a port is a number from 1 to 65535"),
    }
}

fn parse_host(text: &str) -> Result<Host, &'static str> {
    if let Some((base, prefix)) = text.split_once('/') {
        let base: IpAddr = base.parse().map_err(|_| "only an address can have a prefix length")?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = prefix.parse().ok().filter(|p| *p <= longest).ok_or("its prefix length is out of range")?;
        let cidr = match base.to_canonical() {
            IpAddr::V4(_) if base.is_ipv6() && prefix < 96 => Cidr { base, prefix },
            v4 @ IpAddr::V4(_) if base.is_ipv6() => Cidr { base: v4, prefix: prefix - 96 },
            base => Cidr { base, prefix },
        };
        return Ok(Host::Net(cidr));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        let base = address.to_canonical();
        return Ok(Host::Net(Cidr { base, prefix: if base.is_ipv4() { 32 } else { 128 } }));
    }
    if text == "*" {
        return Ok(Host::Any);
    }
    if !text.is_ascii() {
        return Err("write the name in ASCII, as in `xn--bcher-kva.example`");
    }
    match text.strip_prefix("*.") {
        Some(below) => Ok(Host::Below(host_name(below).ok_or("it is no host name")?)),
        None if text.contains('*') => Err("`*` stands only for whole labels at the start, as in `*.example.org`"),
        None => Ok(Host::Name(host_name(text).ok_or("it is no host name")?)),
    }
}

/// A host name in the form in which names are compared; None for what is none. Numbers that the system's resolver would
/// take for an address (`2130706433`, `0x7f.1`) are none.
pub(crate) fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let number = starts_with_digit(last) && (last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x"));
    (name.len() <= 253 && name.split('.').all(label) && !number).then_some(name)
}

impl NetGrant {
    /// The one host it names.
    pub(crate) fn host_and_port(self) -> Option<(String, Option<u16>)> {
        match self.host {
            Host::Name(name) => Some((name, self.port)),
            Host::Net(Cidr { base, prefix }) if prefix == if base.is_ipv4() { 32 } else { 128 } => {
                Some((base.to_string(), self.port))
            }
            _ => None,
        }
    }

    fn port(&self, port: Option<u16>) -> bool {
        self.port.is_none() || port.is_none() || self.port == port
    }

    /// Whether it grants `name` (see [`host_name`]), at `port` or at any.
    fn name(&self, name: &str, port: Option<u16>) -> bool {
        let matches = match &self.host {
            Host::Any => true,
            Host::Name(granted) => granted == name,
            Host::Below(parent) => name.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.')),
            Host::Net(_) => false,
        };
        matches && self.port(port)
    }
}

impl fmt::Display for NetGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracket = self.port.is_some() && matches!(&self.host, Host::Net(cidr) if cidr.base.is_ipv6());
        let host = match &self.host {
            Host::Any => "*".to_owned(),
            Host::Name(name) => name.clone(),
            Host::Below(name) => format!("*.{name}"),
            Host::Net(Cidr { base, prefix }) if *prefix == if base.is_ipv4() { 32 } else { 128 } => base.to_string(),
            Host::Net(Cidr { base, prefix }) => format!("{base}/{prefix}"),
        };
        match (bracket, self.port) {
            (true, Some(port)) => write!(f, "[{host}]:{port}"),
            (_, Some(port)) => write!(f, "{host}:{port}"),
            (_, None) => f.write_str(&host),
        }
    }
}

/// Whether `name` may be looked up: it is granted at some port. Names that are not granted are not looked up, for a
/// lookup tells the network what was asked.
pub(crate) fn may_resolve(grants: &[NetGrant], name: &str) -> bool {
    grants.iter().any(|grant| grant.name(name, None))
}

/// Whether a name is granted at a port.
pub(crate) fn name_granted(grants: &[NetGrant], name: &str, port: u16) -> bool {
    grants.iter().any(|grant| grant.name(name, Some(port)))
}

/// Whether `name` can be reached at `port` and at no other.
pub(crate) fn only_at_port(grants: &[NetGrant], name: &str, port: u16) -> bool {
    grants.iter().filter(|grant| grant.name(name, None)).all(|grant| grant.port == Some(port))
}

/// Whether a connection to `address` may be made; `names` are those that the host resolved to it. The error says what is
/// missing.
pub(crate) fn check(grants: &[NetGrant], address: IpAddr, port: u16, names: &[String]) -> Result<(), String> {
    let address = address.to_canonical();
    let special = special(address);
    let by_address = grants.iter().any(|grant| match grant.host {
        // A wide network grants what is public in it: 0.0.0.0/0 does not mean 169.254.169.254.
        Host::Net(cidr) => {
            cidr.contains(address)
                && grant.port(Some(port))
                && special.is_none_or(|(_, range)| cidr.prefix >= range.prefix)
        }
        _ => false,
    });
    if by_address {
        return Ok(());
    }
    let shown = if address.is_ipv6() { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    let name = names.iter().find(|name| name_granted(grants, name, port));
    if let Some((what, _)) = special {
        let local = grants.iter().any(|grant| grant.host == Host::Name("localhost".into()) && grant.port(Some(port)));
        if address.is_loopback() && local {
            return Ok(());
        }
        let name = name.map_or_else(String::new, |name| format!(" (of `{name}`)"));
        return Err(format!("`{shown}`{name} is {what}, which needs a grant of its own"));
    }
    let any = grants.iter().any(|grant| grant.host == Host::Any && grant.port(Some(port)));
    if any || name.is_some() {
        return Ok(());
    }
    Err(match names.last() {
        Some(name) => format!("`{name}:{port}` ({address}) is not granted"),
        None => format!("`{shown}` is not granted"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grants(texts: &[&str]) -> Vec<NetGrant> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    #[track_caller]
    fn allowed(grant: &str, address: &str, port: u16, name: &str) -> bool {
        let names: Vec<String> = (!name.is_empty()).then(|| name.to_owned()).into_iter().collect();
        check(&grants(&[grant]), address.parse().expect("an address"), port, &names).is_ok()
    }

    #[test]
    fn grants_are_read_and_shown() {
        for text in [
            "api.example.org",
            "*.example.org:443",
            "127.0.0.1:8000",
            "[::1]:8000",
            "10.0.0.0/8",
            "*",
            "*:443",
            "fd00::/8",
            "[fd00::/8]:80",
            "10.0.0.0/8:80",
            "localhost:1",
            "::1",
        ] {
            assert_eq!(text.parse::<NetGrant>().expect(text).to_string(), text);
        }
        assert_eq!("API.Example.org.:80".parse::<NetGrant>().expect("a name").to_string(), "api.example.org:80");
        assert_eq!("::ffff:10.0.0.1".parse::<NetGrant>().expect("an address").to_string(), "10.0.0.1");
    }

    #[test]
    fn what_is_no_grant_is_refused_by_its_text() {
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a b",
            "http://a",
            "a/b",
            "*x.org",
            "a.*.org",
            "10.0.0.0/33",
            "a/8",
            "[::1",
            "[::1]x",
            "0x7f.1",
            "2130706433",
            "127.1",
            "a..b",
            "fe80::1%eth0",
            "a@b",
        ] {
            let error = text.parse::<NetGrant>().expect_err(text).to_string();
            assert!(error.starts_with(&format!("network grant `{text}`: ")), "{error}");
        }
    }

    #[test]
    fn names_match_as_written() {
        let list = grants(&["api.example.org:443", "*.test"]);
        assert!(may_resolve(&list, "api.example.org") && name_granted(&list, "api.example.org", 443));
        assert!(!name_granted(&list, "api.example.org", 80) && !may_resolve(&list, "x.api.example.org"));
        assert!(may_resolve(&list, "a.test") && may_resolve(&list, "a.b.test"));
        assert!(!may_resolve(&list, "test") && !may_resolve(&list, "atest") && !may_resolve(&list, "a.test.org"));
        assert!(only_at_port(&list, "api.example.org", 443) && !only_at_port(&list, "a.test", 443));
    }

    #[test]
    fn an_address_is_reached_by_the_name_it_was_resolved_from() {
        assert!(allowed("a.org", "93.184.216.34", 80, "a.org"));
        assert!(!allowed("a.org", "93.184.216.34", 80, "b.org"));
        assert!(!allowed("a.org", "93.184.216.34", 80, ""));
        assert!(!allowed("a.org:443", "93.184.216.34", 80, "a.org"));
        assert!(allowed("*", "93.184.216.34", 80, ""));
        assert!(allowed("93.184.0.0/16", "::ffff:93.184.216.34", 80, ""));
    }

    #[test]
    fn addresses_that_are_not_public_need_a_grant_of_their_own() {
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::1",
            "198.18.0.1",
            "192.0.0.192",
        ] {
            for wide in ["*", "evil.org", "0.0.0.0/0", "::/0"] {
                assert!(!allowed(wide, address, 80, "evil.org"), "{address} by {wide}");
            }
            assert!(allowed(address, address, 80, ""), "{address}");
            assert!(!allowed(&format!("[{address}]:81"), address, 80, ""), "{address}");
        }
        assert!(allowed("10.0.0.0/8", "10.1.2.3", 80, "") && !allowed("10.0.0.0/7", "10.1.2.3", 80, ""));
        assert!(allowed("localhost:80", "127.0.0.1", 80, "localhost") && allowed("localhost", "::1", 80, ""));
        assert!(
            !allowed("localhost:80", "127.0.0.1", 81, "localhost")
                && !allowed("localhost", "10.0.0.1", 80, "localhost")
        );
        for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(allowed("*", public, 80, ""), "{public}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_grant_or_an_error(text in "\\PC{0,30}") {
            if let Ok(grant) = text.parse::<NetGrant>() {
                let shown = grant.to_string();
                prop_assert_eq!(shown.parse::<NetGrant>().expect("its own form"), grant);
            }
        }

        #[test]
        fn a_name_reaches_public_addresses_only(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            let public = !(address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_unspecified() || address.is_broadcast());
            let reached = allowed("a.org", &address.to_string(), 80, "a.org");
            prop_assert!(public || !reached);
            let mapped = address.to_ipv6_mapped().to_string();
            prop_assert_eq!(allowed("a.org", &mapped, 80, "a.org"), reached);
        }
    }
}
