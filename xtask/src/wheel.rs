//! The Python package as a wheel: built by maturin, installed into environments of its own, and tested there.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::python;

/// One build serves all versions; these are the ones it is installed on.
const VERSIONS: [&str; 2] = ["3.11", "3.13"];

/// Makes cargo build the extension module as maturin has it built for `python`, so that neither builds anew what the
/// other has built: the build script of pyo3 looks at these variables.
pub(crate) fn like_maturin(command: &mut Command, python: &Path) -> Result<()> {
    let say = "import struct, sys; print('cpython-%d.%d-%dbit' % (*sys.version_info[:2], struct.calcsize('P') * 8))";
    let output = Command::new(python).args(["-c", say]).output().context("cannot start Python")?;
    let signature = String::from_utf8(output.stdout)?;
    command.env("PYO3_ENVIRONMENT_SIGNATURE", signature.trim()).env("PYO3_PYTHON", python);
    Ok(())
}

/// Python in the environment that has maturin.
pub(crate) fn tools(root: &Path, python: &Path) -> Result<PathBuf> {
    python::environment(root, python, "wheel-tools", "tests/wheel/requirements.txt")
}

/// Builds the wheel: its path.
fn build(root: &Path) -> Result<PathBuf> {
    let newest = python::newest().context("no Python from 3.10 to 3.13 is installed")?;
    let (tools, wheels) = (tools(root, &newest)?, crate::target(root).join("wheels"));
    let _ = fs::remove_dir_all(&wheels);
    let mut maturin = Command::new(&tools);
    maturin.current_dir(root).args(["-m", "maturin", "build", "--release", "--quiet", "--interpreter"]).arg(&tools);
    maturin.arg("--out").arg(&wheels).env("CARGO_TARGET_DIR", crate::target(root));
    crate::check(&mut maturin)?;
    let wheel = fs::read_dir(&wheels)?.next().context("maturin has built nothing")??;
    let size = wheel.metadata()?.len();
    writeln!(io::stdout(), "\n{}: {}.{} MB", wheel.file_name().display(), size / 1_000_000, size / 100_000 % 10)?;
    Ok(wheel.path())
}

/// Installs the wheel on each Python that is there; for each, the command that tests it.
pub(crate) fn installed(root: &Path) -> Result<Vec<(&'static str, Command)>> {
    let wheel = build(root)?;
    let mut tests = Vec::new();
    for version in VERSIONS {
        let Some(python) = python::find(version) else { continue };
        let venv = crate::target(root).join(format!("wheel-{version}"));
        let inside = venv.join("bin/python");
        if !inside.exists() {
            crate::check(Command::new(python).args(["-m", "venv"]).arg(&venv))?;
        }
        let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--force-reinstall"];
        crate::check(Command::new(&inside).args(pip).arg(&wheel))?;
        let mut command = Command::new(inside);
        command.env("KEELBACK", crate::target(root).join("release/keelback"));
        // Outside the project, so that nothing of it is found by chance.
        command.current_dir(env::temp_dir()).args(["-W", "error"]).arg(root.join("tests/wheel/test_wheel.py"));
        tests.push((version, command));
    }
    Ok(tests)
}
