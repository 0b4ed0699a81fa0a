//! Every test there is. The Rust tests run against the committed guest image; the Python code that runs in it is tested
//! on the Pythons that are installed as well.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{cargo, licences, prompt, python, tools, web, wheel};

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

pub(crate) fn run(root: &Path) -> Result<()> {
    let mut count = Count::default();
    licences::check(root)?;
    web::check(root)?;
    rust(root, &mut count)?;
    extension(root)?;
    pythons(root, &mut count)?;
    clients(root, &mut count)?;
    prompt(root, &mut count)?;
    page(root, &mut count)?;
    installed(root, &mut count)?;
    summary(&count)
}

/// Only the cases of the prompt.
pub(crate) fn cases(root: &Path) -> Result<()> {
    let mut count = Count::default();
    crate::build(root)?;
    extension(root)?;
    prompt(root, &mut count)?;
    summary(&count)
}

fn prompt(root: &Path, count: &mut Count) -> Result<()> {
    let (held, all) = prompt::cases(root)?;
    count.passed += held;
    count.failed += all - held;
    Ok(())
}

/// Only the wheel.
pub(crate) fn wheel(root: &Path) -> Result<()> {
    let mut count = Count::default();
    crate::build(root)?;
    installed(root, &mut count)?;
    summary(&count)
}

fn summary(count: &Count) -> Result<()> {
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

fn pythons(root: &Path, count: &mut Count) -> Result<()> {
    let mut used = Vec::new();
    for version in python::VERSIONS {
        let Some(python) = python::find(version) else { continue };
        used.push(version);
        writeln!(io::stdout(), "\nPython {version}: {}", python.file_name().unwrap_or_default().to_string_lossy())?;
        // Apart: the guest's code makes itself at home in the process it is loaded into.
        for pattern in ["test_[gs][eu][es]*.py", "test_[acilp]*.py", "test_serve*.py"] {
            let mut command = Command::new(&python);
            command.current_dir(root.join("tests/python")).args(["-W", "error", "-m", "unittest", "discover"]);
            command.args(["-p", pattern]).env("KEELBACK_CACHE", root.join("target/keelback-cache"));
            command.env("KEELBACK", crate::target(root).join("release/keelback"));
            unittest(&mut command, count).with_context(|| format!("the Python tests did not run on {version}"))?;
        }
        let mut command = Command::new(&python);
        let modules = ["test_pty", "test_loop", "test_embedded"];
        command.current_dir(root.join("tests/prompt")).args(["-W", "error", "-m", "unittest"]).args(modules);
        unittest(&mut command, count).with_context(|| format!("the tests of the prompt did not run on {version}"))?;
        window(root, &python, version, count)?;
        live(root, &python, "console.py", "", count)?;
        live(root, &python, "served.py", "", count)?;
        replaced_modules(root, &python, version, count)?;
    }
    let missing: Vec<&str> = python::VERSIONS.into_iter().filter(|version| !used.contains(version)).collect();
    if !missing.is_empty() {
        writeln!(io::stdout(), "\nnot installed, so not tested on: Python {}", missing.join(", "))?;
    }
    if used.is_empty() {
        bail!("no Python from 3.10 to 3.13 is installed (looked on PATH and in pyenv's folder)");
    }
    Ok(())
}

/// The console beside a window, where Python has Tk.
fn window(root: &Path, python: &Path, version: &str, count: &mut Count) -> Result<()> {
    let mut look = Command::new(python);
    look.args(["-c", "import tkinter"]).stderr(Stdio::null());
    if !look.status().is_ok_and(|status| status.success()) {
        writeln!(io::stdout(), "\nPython {version} has no Tk: the console beside a window was not run")?;
        return Ok(());
    }
    tools::need(&["Xvfb"], "xvfb", "the console beside a window is tested on")?;
    let mut command = Command::new(python);
    command.current_dir(root.join("tests/python")).args(["-W", "error", "-m", "unittest", "test_window"]);
    unittest(&mut command, count).with_context(|| format!("the console beside a window did not run on {version}"))
}

/// CPython's own tests of the standard modules that the package replaces, where they are installed.
fn replaced_modules(root: &Path, python: &Path, version: &str, count: &mut Count) -> Result<()> {
    let mut look = Command::new(python);
    look.args(["-c", "import test.test_code_module"]).stderr(Stdio::null());
    if !look.status().is_ok_and(|status| status.success()) {
        let text = "is installed without its package `test`: its tests of `code` and `codeop` were not run";
        writeln!(io::stdout(), "\nPython {version} {text}")?;
        return Ok(());
    }
    writeln!(io::stdout(), "\nCPython's own tests of `code` and `codeop`")?;
    let mut command = Command::new(python);
    command.arg(root.join("tests/python/code_suites.py"));
    unittest(&mut command, count).with_context(|| format!("they did not run on {version}"))
}

/// The cases of sessions in an event loop, on `python`, typed at a console of tests/live, with another kind of loop if one is
/// named.
fn live(root: &Path, python: &Path, console: &str, kind: &str, count: &mut Count) -> Result<()> {
    // What reads the cases needs tomllib.
    let Some(newest) = python::newest() else { return Ok(()) };
    writeln!(io::stdout(), "\nsessions in an event loop: {console} {kind}")?;
    let console = format!("'{}' '{}' {kind}", python.display(), root.join("tests/live").join(console).display());
    let mut command = Command::new(newest);
    command.arg(root.join("tests/live/run_cases.py")).args(["--console", &console]);
    let (held, all) = prompt::count(command.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH"))?;
    count.passed += held;
    count.failed += all - held;
    Ok(())
}

/// Tests that need packages which others wrote, on the newest Python only.
fn clients(root: &Path, count: &mut Count) -> Result<()> {
    let Some(python) = python::newest() else { return Ok(()) };
    writeln!(io::stdout(), "\nwith packages: {}", python.file_name().unwrap_or_default().to_string_lossy())?;
    let packages = python::environment(root, &python, "python-tests", "tests/python/requirements.txt")?;
    let mut command = Command::new(&packages);
    command.env("KEELBACK", crate::target(root).join("release/keelback"));
    command.env("KEELBACK_CACHE", root.join("target/keelback-cache"));
    command.current_dir(root.join("tests/python")).args([
        "-m",
        "unittest",
        "test_mcp",
        "test_stubs",
        "test_api.Tools.test_pydantic",
    ]);
    unittest(&mut command, count).context("the tests with packages did not run")?;
    let mut command = Command::new(&packages);
    command.current_dir(root.join("tests/prompt")).env("LOOP", "uvloop").args(["-m", "unittest", "test_loop"]);
    unittest(&mut command, count).context("the prompt was not tested in uvloop")?;
    for console in ["console.py", "served.py"] {
        live(root, &packages, console, "uvloop", count)?;
    }
    // dspy has some seventy dependencies, so it is kept apart, and only changes of its own file install it again.
    let dspy = python::environment(root, &python, "dspy-tests", "tests/dspy/requirements.txt")?;
    for (python, what) in [(packages, "without dspy"), (dspy, "with dspy")] {
        writeln!(io::stdout(), "\nkeelback.dspy {what}")?;
        let mut command = Command::new(python);
        command.env("KEELBACK_CACHE", root.join("target/keelback-cache")).current_dir(root.join("tests/dspy"));
        command.args(["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-rs", "test_dspy.py"]);
        pytest(&mut command, count).with_context(|| format!("the tests {what} did not run"))?;
    }
    Ok(())
}

/// The page of `keelback attach --web`, in a browser.
fn page(root: &Path, count: &mut Count) -> Result<()> {
    let Some(python) = python::newest() else { return Ok(()) };
    tools::need(&["chromium", "chromium-browser", "google-chrome"], "chromium", "the page is tested in")?;
    crate::build(root)?;
    writeln!(io::stdout(), "\nthe page in a browser")?;
    let mut command = Command::new(python);
    command.current_dir(root.join("tests/web")).args(["-W", "error", "-m", "unittest", "test_page", "test_served"]);
    command.env("KEELBACK", crate::target(root).join("release/keelback"));
    unittest(&mut command, count).context("the page was not tested")
}

/// The wheel, installed.
fn installed(root: &Path, count: &mut Count) -> Result<()> {
    for (version, mut command) in wheel::installed(root)? {
        writeln!(io::stdout(), "\nthe wheel on Python {version}")?;
        command.env("KEELBACK_CACHE", root.join("target/keelback-cache"));
        unittest(&mut command, count).with_context(|| format!("the wheel was not tested on {version}"))?;
    }
    Ok(())
}

/// Builds the extension module and puts it where the package looks for it.
pub(crate) fn extension(root: &Path) -> Result<()> {
    let mut command = cargo(root);
    command.args(["build", "--release", "--quiet", "--package", "keelback-python"]);
    if let Some(python) = python::newest() {
        wheel::like_maturin(&mut command, &wheel::tools(root, &python)?)?;
    }
    crate::check(&mut command)?;
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

/// Runs pytest and counts by the last line it prints: `1 failed, 58 passed, 1 error in 2.10s`.
fn pytest(command: &mut Command, count: &mut Count) -> Result<()> {
    let (text, success) = relay(command.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH"))?;
    let words: Vec<&str> = text.lines().last().unwrap_or_default().split([' ', ',']).collect();
    let number = |word: &str| -> usize {
        let pairs = words.windows(2).filter(|pair| pair[1].trim_end_matches('s') == word);
        pairs.filter_map(|pair| pair[0].parse::<usize>().ok()).sum()
    };
    let (passed, failed) = (number("passed"), number("failed") + number("error"));
    if passed + failed == 0 || (!success && failed == 0) {
        bail!("there is no summary of pytest");
    }
    count.passed += passed;
    count.failed += failed;
    Ok(())
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
