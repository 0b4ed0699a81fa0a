//! The guest image: built from its sources, or checked against them.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::check as run;

/// `guest/build.sh`, which writes guest/artefact.
pub(crate) fn build(root: &Path) -> Result<()> {
    run(Command::new("bash").arg(root.join("guest/build.sh")))
}

/// Compares the hash of all inputs with the one the artefact was made from, and the artefact with its checksums.
pub(crate) fn check(root: &Path) -> Result<()> {
    let artefact = root.join("guest/artefact");
    let mut sums = Command::new("sha256sum");
    run(sums.current_dir(&artefact).args(["--quiet", "--check", "--ignore-missing", "SHA256SUMS"]))
        .context("guest/artefact is not what its SHA256SUMS say")?;
    let output =
        Command::new("bash").arg(root.join("guest/inputs.sh")).output().context("cannot run guest/inputs.sh")?;
    let now = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let then =
        fs::read_to_string(artefact.join("INPUTS.sha256")).context("cannot read guest/artefact/INPUTS.sha256")?;
    if now != then.trim() {
        bail!("guest/artefact was made from other sources: run cargo xtask guest");
    }
    writeln!(io::stdout(), "guest/artefact was made from these sources")?;
    Ok(())
}

/// Builds the image from nothing in a folder of its own and compares it with the committed one.
pub(crate) fn rebuild(root: &Path) -> Result<()> {
    check(root)?;
    let sums = root.join("guest/artefact/SHA256SUMS");
    let before = fs::read_to_string(&sums)?;
    let work = env::temp_dir().join(format!("keelback-guest-check-{}", std::process::id()));
    let result = run(Command::new("bash").arg(root.join("guest/build.sh")).env("KB_WORK", &work));
    let _ = fs::remove_dir_all(&work);
    result?;
    if fs::read_to_string(&sums)? != before {
        bail!("the sources give another image than the committed one: see git diff guest/artefact/SHA256SUMS");
    }
    writeln!(io::stdout(), "the sources give the committed image, bit for bit")?;
    Ok(())
}
