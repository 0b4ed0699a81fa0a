//! The project's own tasks. `cargo xtask` lists them.

mod bench;
mod bench_python;
mod bench_script;
mod conformance;
mod guest;
mod licences;
mod network;
mod packages;
mod prompt;
mod python;
mod test;
mod tools;
mod web;
mod wheel;

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

const USAGE: &str = "\
usage: cargo xtask TASK

  test                      every test there is: Rust and Python
  cases                     types the prompt's cases in tmux and looks at the screen
  wheel                     builds the Python package into target/wheels, installs and tests it
  licences                  writes the crates and their licences into THIRD_PARTY.md
  bench                     times the command beside native python3, in one run
  bench prompt [TOPIC ...] [-p PROMPT ...]
                            times the prompt beside CPython's, IPython and ptpython
  bench python [--rivals] [--rounds N]
                            times the Python package, beside other sandboxes where pip has them
  bench remote [TOPIC ...] [-s SERVER ...]
                            times a served prompt and what it costs the program, beside other consoles
  guest                     builds the guest image from its sources into guest/artefact
  guest --check             says whether guest/artefact is what the sources give, without building
  guest --check --rebuild   builds it anew and compares bit for bit
  web                       bundles the script and style of `keelback attach --web` with npm into crates/cli/assets/web
  web --check               says whether it was made from its sources, without building
  conformance [MODULE...]   runs CPython's own tests in the sandbox; without MODULE writes docs/conformance.md
  network                   runs requests, urllib3 and httpx in the sandbox and natively, against servers on loopback
  conformance packages      runs packages from PyPI in the sandbox and writes their part of it
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let result = match words.as_slice() {
        ["test"] => test::run(&root),
        ["bench"] => bench::run(&root),
        ["bench", "prompt", ..] => bench_script::prompt(&root, &arguments[2..]),
        ["bench", "remote", ..] => bench_script::remote(&root, &arguments[2..]),
        ["bench", "python", ..] => bench_python::run(&root, &arguments[2..]),
        ["guest"] => guest::build(&root),
        ["guest", "--check"] => guest::check(&root),
        ["guest", "--check", "--rebuild"] => guest::rebuild(&root),
        ["conformance", ..] => build(&root).and_then(|()| conformance::run(&root, &arguments[1..])),
        ["web"] => web::build(&root),
        ["web", "--check"] => web::check(&root),
        ["licences"] => licences::write(&root),
        ["cases"] => test::cases(&root),
        ["wheel"] => test::wheel(&root),
        ["network"] => build(&root).and_then(|()| network::run(&root)),
        _ => {
            let _ = io::stderr().write_all(USAGE.as_bytes());
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the project's folder").to_owned()
}

/// Where cargo builds to.
fn target(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Builds the command `keelback`.
fn build(root: &Path) -> Result<()> {
    check(cargo(root).args(["build", "--release", "--quiet", "--package", "keelback-cli"]))
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Runs a command to its end; an error when that is not success.
fn check(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
