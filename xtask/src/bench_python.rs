//! The Python package beside other sandboxes, by `bench/python_api.py` in a virtual environment of its own: what the
//! machine's Python has installed changes how fast it starts.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::python;

/// What is installed for each rival.
const RIVALS: [(&str, &[&str]); 3] =
    [("monty", &["pydantic-monty"]), ("eryx", &["pyeryx"]), ("dspy", &["dspy", "deno"])];

/// `options` are those of `bench/python_api.py`; with `--rivals` among them the rivals are installed first, where that
/// can be done.
pub(crate) fn run(root: &Path, options: &[String]) -> Result<()> {
    crate::test::extension(root)?;
    let folder = crate::target(root).join("python-bench");
    let python = environment(&folder)?;
    if options.iter().any(|option| option == "--rivals") {
        for (name, packages) in RIVALS {
            install(&folder, name, packages)?;
        }
    }
    crate::check(Command::new(python).arg(root.join("bench/python_api.py")).args(options))
}

/// The Python of the virtual environment, which is made when there is none.
fn environment(folder: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    if !python.is_file() {
        let native = env::var_os("PYTHON").map(PathBuf::from).or_else(python::newest);
        let native =
            native.context("no Python from 3.10 to 3.13 is installed (looked on PATH and in pyenv's folder)")?;
        crate::check(Command::new(native).args(["-m", "venv", "--clear"]).arg(folder))?;
    }
    Ok(python)
}

/// Installs a rival once; says so when it cannot be installed, and then python_api.py leaves it out.
fn install(folder: &Path, name: &str, packages: &[&str]) -> Result<()> {
    let installed = folder.join(format!("{name}.installed"));
    if installed.is_file() {
        return Ok(());
    }
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check"]).args(packages);
    let status = pip.status().context("cannot start pip")?;
    if status.success() {
        fs::write(installed, "")?;
    } else {
        writeln!(io::stderr(), "{name} cannot be installed: pip ended with {status}")?;
    }
    Ok(())
}
