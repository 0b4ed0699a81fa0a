//! What a target means: a socket, a process, a name.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use anyhow::Result;
use keelback_wire::{client::Address, discover::Served};

use super::{list, pid, unreachable};
use crate::args::AttachArgs;

/// Where the server of a target is. `found` is the list of programs.
pub(super) fn address(target: &str, args: &AttachArgs, found: impl Fn() -> Result<Vec<Served>>) -> Result<Address> {
    if target.contains('/') {
        return Ok(Address::Unix(target.into()));
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
            Err(unreachable(format!("several programs are called `{target}`; say the PID\n{}", list::table(&several)))
                .into())
        }
    }
}

/// Where a program of the list is served; one that waits for its signal is sent it.
pub(super) fn of_served(served: &Served, args: &AttachArgs) -> Result<Address> {
    match served.armed {
        Some(signal) => pid::wake(served, signal, args),
        None => Ok(Address::Unix(served.socket.clone().into())),
    }
}

/// Whether the user agrees to something that reaches into another program.
pub(super) fn agrees(question: &str, args: &AttachArgs) -> Result<bool> {
    if args.yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(unreachable(format!("{question}: nobody can be asked")).hint("--yes says yes").into());
    }
    let mut stderr = io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
