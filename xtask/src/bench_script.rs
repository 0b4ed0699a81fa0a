//! Benchmarks that are Python programs beside rivals from PyPI: `bench/prompt` and `bench/remote`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::python;

/// The prompt beside CPython's own, IPython and ptpython. `options` are those of `bench/prompt/bench.py`.
pub(crate) fn prompt(root: &Path, options: &[String]) -> Result<()> {
    crate::build(root)?;
    crate::test::extension(root)?;
    let native = native()?;
    rivals(root, &native, "prompt");
    script(root, &native, "prompt", options)
}

/// A served prompt beside others. `options` are those of `bench/remote/bench.py`, which runs where the rivals are.
pub(crate) fn remote(root: &Path, options: &[String]) -> Result<()> {
    crate::build(root)?;
    crate::test::extension(root)?;
    let native = native()?;
    let python = rivals(root, &native, "remote").unwrap_or(native);
    script(root, &python, "remote", options)
}

fn script(root: &Path, python: &Path, name: &str, options: &[String]) -> Result<()> {
    let mut command = Command::new(python);
    command.arg(root.join("bench").join(name).join("bench.py")).arg("--target").arg(crate::target(root));
    crate::check(command.args(options))
}

fn native() -> Result<PathBuf> {
    python::newest().context("no Python from 3.10 to 3.13 is installed")
}

/// The Python with the rivals of `bench/NAME`. Where they cannot be installed the benchmark leaves them out, and says so.
fn rivals(root: &Path, native: &Path, name: &str) -> Option<PathBuf> {
    let requirements = format!("bench/{name}/requirements.txt");
    match python::environment(root, native, &format!("{name}-bench"), &requirements) {
        Ok(python) => Some(python),
        Err(error) => {
            let _ = writeln!(io::stderr(), "the rivals cannot be installed: {error:#}");
            None
        }
    }
}
