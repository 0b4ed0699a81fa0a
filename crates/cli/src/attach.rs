//! `keelback attach`: a prompt inside a running program.

mod commands;
mod ctrl_c;
mod eval;
mod list;
mod news;
#[cfg(unix)]
mod pid;
#[cfg(windows)]
#[path = "attach/pid/windows.rs"]
mod pid;
mod printable;
pub(crate) mod remote;
mod target;
mod terminal;

use std::io::{self, IsTerminal, Read, Write};

use anyhow::{Context, Result};
use keelback_wire::{
    client::{Address, CallError, ConnectError, Distrust, How, OpenError},
    discover,
    message::Code,
};

use crate::{
    args::AttachArgs,
    run::Usage,
    web::{self, Program},
};

/// The program cannot be reached, or does not let in.
#[derive(Debug)]
pub(crate) struct Unreachable {
    message: String,
    /// What the user can do.
    pub(crate) hint: Option<String>,
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Unreachable {}

fn unreachable(message: impl Into<String>) -> Unreachable {
    // Some of it may be the server's words.
    Unreachable { message: printable::lines(&message.into()), hint: None }
}

impl Unreachable {
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

pub(crate) fn run(args: &AttachArgs) -> Result<u8> {
    let found = || discover::list(&discover::folder()).context("the list of programs cannot be read");
    let address = match &args.target {
        Some(target) => target::address(target, args, found)?,
        None => {
            let served = found()?;
            match &served[..] {
                [only] if !args.list => target::of_served(only, args)?,
                _ => return list::show(&served, args),
            }
        }
    };
    let how = |replay| match (&args.session, args.new) {
        (Some(name), false) => How::Join { name: name.clone(), replay },
        (name, _) => How::New(name.clone()),
    };
    if args.web {
        let program = Program::connect(address.clone(), how(true)).map_err(|error| cannot_open(&address, error))?;
        return web::run(program, web::Options { port: args.port, open: !args.no_open });
    }
    if let Some(code) = &args.eval {
        return eval::run(address, &how(false), eval::Program::Code(code), args.json);
    }
    if !io::stdin().is_terminal() {
        let mut source = String::new();
        io::stdin().read_to_string(&mut source).context("standard input")?;
        return eval::run(address, &how(false), eval::Program::Stdin(&source), args.json);
    }
    if args.json {
        return Err(Usage("--json is for --eval, a program on standard input and --list".into()).into());
    }
    terminal::run(address, &how(true))
}

/// Why there is no session, for the user.
fn cannot_open(address: &Address, error: OpenError) -> anyhow::Error {
    match error {
        OpenError::Connect(ConnectError::Nobody { .. }) => unreachable(format!("nobody serves at `{address}`"))
            .hint("keelback attach --list shows what there is on this machine")
            .into(),
        OpenError::Connect(error @ ConnectError::Failed { .. }) => {
            let source = std::error::Error::source(&error).map_or(String::new(), |source| format!(": {source}"));
            unreachable(format!("{error}{source}")).into()
        }
        OpenError::Connect(error @ ConnectError::Key { .. }) => {
            unreachable(error.to_string()).hint("the key changes whenever the program starts anew").into()
        }
        OpenError::Connect(ConnectError::Certificate { address, why }) => {
            let hint = match why {
                Distrust::Name => "attach to a name that is in the certificate",
                Distrust::Authority => {
                    "make one with `openssl req -x509 -addext basicConstraints=critical,CA:FALSE ...`, or let the \
                     server make its own: then the key is enough"
                }
                Distrust::Signer | Distrust::Other(_) => {
                    "with SSL_CERT_FILE=FILE the certificates in a PEM file are trusted, such as the server's own"
                }
            };
            unreachable(ConnectError::Certificate { address, why }.to_string()).hint(hint).into()
        }
        OpenError::Call(CallError::Refused(failure)) if failure.code == Code::Version => {
            unreachable(format!("the server speaks another version of the protocol: {failure}"))
                .hint("attach with the keelback that is installed where the program runs")
                .into()
        }
        OpenError::Call(CallError::Refused(failure)) => unreachable(failure.to_string()).into(),
        OpenError::Call(error) => unreachable(format!("`{address}` does not answer as a server: {error}")).into(),
    }
}

/// Says something beside the output.
fn say(text: &str) {
    // Without a reader there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", printable::lines(text));
}
