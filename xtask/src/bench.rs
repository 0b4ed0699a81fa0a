//! Whole processes beside native python3: the two in turn, so that a change of the machine's speed hits both.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

const ROUNDS: usize = 21;

pub(crate) fn run(root: &Path) -> Result<()> {
    crate::build(root)?;
    let keelback = root.join("target/release/keelback");
    let python = env::var_os("PYTHON").map_or_else(native, PathBuf::from);
    let mut out = io::stdout();
    let version = Command::new(&python).arg("--version").output().context("cannot start native Python")?;
    writeln!(out, "native: {}", String::from_utf8_lossy(&version.stdout).trim())?;

    writeln!(
        out,
        "\n| whole process, median of {ROUNDS} | keelback | python3 | ratio |\n| --- | ---: | ---: | ---: |"
    )?;
    let lines = "for i in range(100000): print('x' * 99)";
    for (name, code) in [("print(1)", "print(1)"), ("10 MB printed in 100,000 lines", lines)] {
        let (ours, theirs) = pairs(
            || timed(Command::new(&keelback).args(["run", "-c", code])),
            || timed(Command::new(&python).args(["-c", code])),
        )?;
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        writeln!(out, "| `{name}` | {:.1} ms | {:.1} ms | {ratio:.2} |", ms(ours), ms(theirs))?;
    }

    writeln!(
        out,
        "\n| work, best of 3 inside, median of 3 processes | keelback | python3 | ratio |\n| --- | ---: | ---: | ---: |"
    )?;
    let workloads = root.join("bench/workloads.py");
    let names = listed(&python, &workloads)?;
    let mut product = 1.0;
    for name in &names {
        let source = program(&python, &workloads, name)?;
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..3 {
            ours.push(inside(Command::new(&keelback).args(["run", "-c", &source]))?);
            theirs.push(inside(Command::new(&python).args(["-c", &source]))?);
        }
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        product *= ours / theirs;
        writeln!(out, "| {name} | {:.1} ms | {:.1} ms | {:.2} |", ours * 1e3, theirs * 1e3, ours / theirs)?;
    }
    let mean = product.powf(1.0 / names.len() as f64);
    writeln!(out, "| **geometric mean** | | | **{mean:.2}** |")?;
    Ok(())
}

/// The newest CPython 3.13 that is installed, or else python3. pyenv's shims are passed over: they are slow scripts.
fn native() -> PathBuf {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let versions = std::fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let mut pythons: Vec<PathBuf> =
        versions.map(|entry| entry.path().join("bin/python3.13")).filter(|path| path.is_file()).collect();
    pythons.sort();
    pythons.pop().unwrap_or_else(|| "python3".into())
}

fn pairs(
    mut a: impl FnMut() -> Result<Duration>,
    mut b: impl FnMut() -> Result<Duration>,
) -> Result<(Duration, Duration)> {
    // One round to warm up.
    a()?;
    b()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(a()?.as_secs_f64());
        theirs.push(b()?.as_secs_f64());
    }
    Ok((Duration::from_secs_f64(median(&mut ours)), Duration::from_secs_f64(median(&mut theirs))))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn timed(command: &mut Command) -> Result<Duration> {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    let elapsed = started.elapsed();
    if !output.status.success() {
        bail!("{command:?} ended with {}", output.status);
    }
    Ok(elapsed)
}

/// Seconds from the line `T SECONDS CHECKSUM` that a workload prints.
fn inside(command: &mut Command) -> Result<f64> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let seconds = text.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    seconds.with_context(|| format!("a workload printed {text:?} and ended with {}", output.status))
}

fn python_output(python: &Path, workloads: &Path, code: &str) -> Result<String> {
    let folder = workloads.parent().unwrap_or(Path::new("."));
    let output = Command::new(python)
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-c", code])
        .output()?;
    Ok(String::from_utf8(output.stdout)?)
}

fn listed(python: &Path, workloads: &Path) -> Result<Vec<String>> {
    let names = python_output(python, workloads, "import workloads; print(*workloads.WORKLOADS)")?;
    Ok(names.split_whitespace().map(str::to_owned).collect())
}

fn program(python: &Path, workloads: &Path, name: &str) -> Result<String> {
    python_output(python, workloads, &format!("import workloads; print(workloads.program({name:?}))"))
}
