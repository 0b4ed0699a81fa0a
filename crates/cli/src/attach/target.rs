//! What a target means: a socket, a process, a name.

use std::{env, fs, path::Path};

use anyhow::{Context, Result};
use keelback_wire::{
    client::Address,
    discover::Served,
    tls::{Key, TlsError},
};

use super::{list, pid, unreachable};
use crate::args::AttachArgs;

/// Where the server of a target is. `found` is the list of programs.
pub(super) fn address(target: &str, args: &AttachArgs, found: impl Fn() -> Result<Vec<Served>>) -> Result<Address> {
    if target.contains('/') {
        return Ok(Address::Unix(target.into()));
    }
    if let Some((host, port)) = host_and_port(target) {
        return Ok(Address::Tcp { host, port, key: key(args)? });
    }
    if let Ok(pid) = target.parse::<u32>() {
        let served = found()?;
        return match served.iter().rev().find(|served| served.pid == pid) {
            Some(served) => of_served(served, args),
            None => pid::serve(pid, args),
        };
    }
    let served = found()?;
    let named: Vec<&Served> = served.iter().filter(|served| served.name == target).collect();
    match named[..] {
        [served] => of_served(served, args),
        [] if Path::new(target).exists() => Ok(Address::Unix(target.into())),
        [] => Err(unreachable(format!("no program `{target}` is served"))
            .hint("keelback attach --list shows what there is on this machine")
            .into()),
        _ => {
            let several: Vec<Served> = named.into_iter().cloned().collect();
            let table = list::table(&several);
            Err(unreachable(format!("several are called `{target}`\n{}", table.trim_end())).hint("say the PID").into())
        }
    }
}

/// `host:port`, `[::1]:port`.
fn host_and_port(target: &str) -> Option<(String, u16)> {
    let (host, port) = target.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    if host.is_empty() || (bare.is_none() && host.contains(':')) {
        return None;
    }
    Some((host.to_owned(), port.parse().ok()?))
}

/// The key that lets in at a server on TCP.
fn key(args: &AttachArgs) -> Result<Key> {
    let text = match (&args.key, env::var("KEELBACK_KEY")) {
        (Some(path), _) => fs::read_to_string(path).with_context(|| format!("`{}`", path.display()))?,
        (None, Ok(key)) => key,
        (None, Err(_)) => {
            let hint = "--key FILE or KEELBACK_KEY gives the key that the server showed when it started";
            return Err(unreachable("a server on TCP wants a key").hint(hint).into());
        }
    };
    text.parse().map_err(|error: TlsError| unreachable(error.to_string()).into())
}

/// Where a program of the list is served; one that waits for its signal is sent it.
pub(super) fn of_served(served: &Served, args: &AttachArgs) -> Result<Address> {
    let far = served.address.as_deref().and_then(host_and_port);
    match (served.armed, &served.socket, far) {
        (Some(signal), ..) => pid::wake(served, signal, args),
        (None, Some(socket), _) => Ok(Address::Unix(socket.into())),
        (None, None, Some((host, port))) => Ok(Address::Tcp { host, port, key: key(args)? }),
        (None, None, None) => Err(unreachable(format!("`{}` does not say where it serves", served.name)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_ports() {
        let read = |target: &str| host_and_port(target).map(|(host, port)| format!("{host} {port}"));
        for (target, expected) in [("a.example:44", Some("a.example 44")), ("[::1]:5", Some("::1 5"))] {
            assert_eq!(read(target).as_deref(), expected);
        }
        for target in ["a", "a:", ":5", "::1", "a:b", "a:70000", "[::1]"] {
            assert_eq!(read(target), None, "{target}");
        }
    }
}
