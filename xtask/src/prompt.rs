//! The prompt's cases: keys typed in tmux, and what is on the screen then.

use std::{
    env,
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::python;

/// Runs all cases before both fronts; how many hold, and of how many, and what the runner said of those that do not.
pub(crate) fn cases(root: &Path) -> Result<(usize, usize)> {
    let Some(python) = python::newest() else { return Ok((0, 0)) };
    tmux()?;
    let binary = crate::target(root).join("release/keelback");
    let local = format!("{} -m keelback -q", python.display());
    let (mut held, mut all) = (0, 0);
    for (front, program) in [("sandbox", binary.display().to_string()), ("local", local)] {
        writeln!(io::stdout(), "\nthe prompt in tmux, {front}")?;
        let mut command = Command::new(&python);
        command.arg(root.join("tests/prompt/run_cases.py")).args(["--front", front, "--cmd", &program, "-j", "2"]);
        command.env("PYTHONPATH", root.join("python")).env("KEELBACK_CACHE", root.join("target/keelback-cache"));
        let (some, of) = count(&mut command).with_context(|| format!("the cases did not run before the {front}"))?;
        (held, all) = (held + some, all + of);
    }
    Ok((held, all))
}

/// Runs a runner of cases, shows what it says, and reads its last line: `205 of 205 cases hold`.
pub(crate) fn count(command: &mut Command) -> Result<(usize, usize)> {
    let output = command.stderr(Stdio::inherit()).output().context("cannot start Python")?;
    let text = String::from_utf8_lossy(&output.stdout);
    write!(io::stdout(), "{text}")?;
    let last = text.lines().last().unwrap_or_default();
    let mut numbers = last.split(" cases").next().unwrap_or_default().split(" of ").map(str::parse::<usize>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(held)), Some(Ok(all))) if all > 0 => Ok((held, all)),
        _ => bail!("there is no count of cases"),
    }
}

/// tmux is installed where that is possible.
fn tmux() -> Result<()> {
    let there = || {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).any(|folder| folder.join("tmux").is_file())
    };
    if there() {
        return Ok(());
    }
    writeln!(io::stdout(), "\ninstalling tmux, which the prompt's cases are typed in")?;
    let root = rustix::process::geteuid().is_root();
    let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
    if !root {
        command.args(["-n", "apt-get"]);
    }
    let _ = command.args(["install", "-y", "-q", "tmux"]).stdin(Stdio::null()).stdout(Stdio::null()).status();
    if !there() {
        bail!("the prompt's cases are typed in tmux, which could not be installed: `apt-get install tmux` does it");
    }
    Ok(())
}
