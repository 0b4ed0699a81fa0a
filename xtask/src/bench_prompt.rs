//! The prompt beside CPython's own, IPython and ptpython, by `bench/prompt/bench.py`.

use std::{
    io::{self, Write},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};

use crate::python;

/// `options` are those of `bench/prompt/bench.py`. The rivals are installed first; where that cannot be done they are
/// left out, and the benchmark says so.
pub(crate) fn run(root: &Path, options: &[String]) -> Result<()> {
    crate::build(root)?;
    crate::test::extension(root)?;
    let native = python::newest().context("no Python from 3.10 to 3.13 is installed")?;
    if let Err(error) = python::environment(root, &native, "prompt-bench", "bench/prompt/requirements.txt") {
        writeln!(io::stderr(), "the rivals cannot be installed: {error:#}")?;
    }
    let mut command = Command::new(native);
    command.arg(root.join("bench/prompt/bench.py")).arg("--target").arg(crate::target(root));
    crate::check(command.args(options))
}
