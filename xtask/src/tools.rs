//! Programs that tests need and Debian has.

use std::{
    env,
    io::{self, Write},
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

/// Installs the package `package` where none of the programs `names` is there; `what` says what needs it.
pub(crate) fn need(names: &[&str], package: &str, what: &str) -> Result<()> {
    let there = || {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).any(|folder| names.iter().any(|name| folder.join(name).is_file()))
    };
    if there() {
        return Ok(());
    }
    writeln!(io::stdout(), "\ninstalling {package}, which {what}")?;
    let root = rustix::process::geteuid().is_root();
    let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
    if !root {
        command.args(["-n", "apt-get"]);
    }
    command.args(["install", "-y", "-q", "--no-install-recommends", package]);
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    if !there() {
        bail!("{package}, which {what}, could not be installed: `apt-get install {package}` does it");
    }
    Ok(())
}
