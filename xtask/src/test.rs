//! Every test there is. The Rust tests run against the committed guest image; the Python code that runs in it is tested
//! on the Pythons that are installed as well.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::cargo;

/// Versions `_session.py` is written for; the guest's own code is for 3.13.
const PYTHONS: [&str; 4] = ["3.10", "3.11", "3.12", "3.13"];

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

pub(crate) fn run(root: &Path) -> Result<()> {
    let mut count = Count::default();
    rust(root, &mut count)?;
    extension(root)?;
    python(root, &mut count)?;
    clients(root, &mut count)?;
    writeln!(io::stdout(), "\n{} passed, {} failed", count.passed, count.failed)?;
    if count.failed > 0 {
        bail!("{} tests failed", count.failed);
    }
    Ok(())
}

fn rust(root: &Path, count: &mut Count) -> Result<()> {
    let mut command = cargo(root);
    // One compiled image for all test programs, below the project's own folder.
    command.env("KEELBACK_CACHE", root.join("target/keelback-cache"));
    command.args(["test", "--release", "--workspace", "--no-fail-fast"]);
    let (text, success) = relay(&mut command)?;
    let mut counted = 0;
    for line in text.lines().filter(|line| line.starts_with("test result:")) {
        let mut words = line.split([' ', ';']).filter(|word| !word.is_empty());
        let numbers: Vec<usize> = words.by_ref().filter_map(|word| word.parse().ok()).take(2).collect();
        if let [passed, failed] = numbers[..] {
            count.passed += passed;
            count.failed += failed;
            counted += failed;
        }
    }
    if !success && counted == 0 {
        bail!("cargo test failed before its tests ran");
    }
    Ok(())
}

fn python(root: &Path, count: &mut Count) -> Result<()> {
    let mut used = Vec::new();
    for version in PYTHONS {
        let Some(python) = find(version) else { continue };
        used.push(version);
        writeln!(io::stdout(), "\nPython {version}: {}", python.file_name().unwrap_or_default().to_string_lossy())?;
        // Apart: the guest's code makes itself at home in the process it is loaded into.
        for pattern in ["test_[gs]e*.py", "test_[acip]*.py"] {
            let mut command = Command::new(&python);
            command.current_dir(root.join("tests/python")).args(["-W", "error", "-m", "unittest", "discover"]);
            command.args(["-p", pattern]).env("KEELBACK_CACHE", root.join("target/keelback-cache"));
            unittest(&mut command, count).with_context(|| format!("the Python tests did not run on {version}"))?;
        }
    }
    let missing: Vec<&str> = PYTHONS.into_iter().filter(|version| !used.contains(version)).collect();
    if !missing.is_empty() {
        writeln!(io::stdout(), "\nnot installed, so not tested on: Python {}", missing.join(", "))?;
    }
    if used.is_empty() {
        bail!("no Python from 3.10 to 3.13 is installed (looked on PATH and in pyenv's folder)");
    }
    Ok(())
}

/// The virtual environment with the pinned packages of the tests, below `target/`: its Python.
fn packages(root: &Path, python: &Path) -> Result<PathBuf> {
    let venv = crate::target(root).join("python-tests");
    let (requirements, installed) = (root.join("tests/python/requirements.txt"), venv.join("requirements.txt"));
    let wanted = fs::read(&requirements)?;
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        crate::check(Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv))?;
        let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r"];
        crate::check(Command::new(venv.join("bin/python")).args(pip).arg(&requirements))?;
        fs::write(&installed, wanted)?;
    }
    Ok(venv.join("bin/python"))
}

/// Tests that need packages which others wrote, on the newest Python only.
fn clients(root: &Path, count: &mut Count) -> Result<()> {
    let Some(python) = PYTHONS.iter().rev().find_map(|version| find(version)) else { return Ok(()) };
    writeln!(io::stdout(), "\nwith packages: {}", python.file_name().unwrap_or_default().to_string_lossy())?;
    let mut command = Command::new(packages(root, &python)?);
    command.env("KEELBACK", crate::target(root).join("release/keelback"));
    command.env("KEELBACK_CACHE", root.join("target/keelback-cache"));
    command.current_dir(root.join("tests/python")).args([
        "-m",
        "unittest",
        "test_mcp",
        "test_stubs",
        "test_api.Tools.test_pydantic",
    ]);
    unittest(&mut command, count).context("the tests with packages did not run")
}

/// Builds the extension module and puts it where the package looks for it.
pub(crate) fn extension(root: &Path) -> Result<()> {
    crate::check(cargo(root).args(["build", "--release", "--quiet", "--package", "keelback-python"]))?;
    let built = crate::target(root).join("release").join(format!(
        "{}_native{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    ));
    let (module, new) = (root.join("python/keelback/_native.abi3.so"), root.join("python/keelback/_native.new.so"));
    // A process that has the old one open keeps it.
    fs::copy(&built, &new).with_context(|| format!("cannot copy `{}`", built.display()))?;
    fs::rename(new, module)?;
    Ok(())
}

/// Runs unittest and counts by its summary.
fn unittest(command: &mut Command, count: &mut Count) -> Result<()> {
    command.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH").stderr(Stdio::piped());
    let output = command.output().context("cannot start Python")?;
    let text = String::from_utf8_lossy(&output.stderr);
    io::stdout().write_all(text.as_bytes())?;
    let number = |prefix: &str, text: &str| -> usize {
        let digits = text.split(prefix).nth(1).map(|rest| rest.trim_start_matches('='));
        digits.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).unwrap_or(0)
    };
    let (run, skipped) = (number("\nRan ", &text), number("skipped", &text));
    let failed = number("failures", &text) + number("errors", &text);
    if run == 0 || (!output.status.success() && failed == 0) {
        bail!("there is no summary of unittest");
    }
    count.passed += run.saturating_sub(skipped + failed);
    count.failed += failed;
    Ok(())
}

/// `pythonX.Y` on the search path or in pyenv's folder, when it starts.
pub(crate) fn find(version: &str) -> Option<PathBuf> {
    let name = format!("python{version}");
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join(&name));
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from).join("versions");
    let mut in_pyenv: Vec<PathBuf> = fs::read_dir(pyenv)
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin").join(&name)).collect())
        .unwrap_or_default();
    in_pyenv.sort();
    let starts = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    on_path.chain(in_pyenv).find(|python| python.is_file() && starts(python))
}

/// Runs a command, showing what it prints as it comes; its stdout and whether it succeeded.
fn relay(command: &mut Command) -> Result<(String, bool)> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            writeln!(io::stdout(), "{line}")?;
            text.push_str(&line);
            text.push('\n');
        }
    }
    Ok((text, child.wait()?.success()))
}
