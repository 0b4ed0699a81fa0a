//! The prompt's cases: keys typed in tmux, and what is on the screen then.

use std::{
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{python, tools};

/// Runs all cases before both fronts; how many hold, and of how many, and what the runner said of those that do not.
pub(crate) fn cases(root: &Path) -> Result<(usize, usize)> {
    let Some(python) = python::newest() else { return Ok((0, 0)) };
    tools::need(&["tmux"], "tmux", "the prompt's cases are typed in")?;
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
