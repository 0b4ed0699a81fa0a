//! Runs CPython's own regression tests inside the sandbox and writes docs/conformance.md.
//!
//! The tests come from the source package the guest is built from (`guest/build.sh --sources` fetches it); they are
//! granted read-only and each module runs in a sandbox of its own.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// The modules the project holds itself to.
const MODULES: &[&str] = &[
    "test_json",
    "test_re",
    "test_datetime",
    "test_decimal",
    "test_dict",
    "test_list",
    "test_set",
    "test_float",
    "test_long",
    "test_string",
    "test_bytes",
    "test_collections",
    "test_itertools",
    "test_functools",
    "test_dataclasses",
    "test_enum",
    "test_typing",
    "test_statistics",
    "test_random",
    "test_zlib",
    "test_bz2",
    "test_lzma",
    "test_sqlite3",
    "test_hashlib",
    "test_csv",
    "test_pickle",
    "test_struct",
    "test_textwrap",
    "test_generators",
    "test_coroutines",
    "test_asyncgen",
    "test_contextlib",
    "test_heapq",
    "test_bisect",
    "test_copy",
    "test_math",
    "test_cmath",
    "test_fractions",
    "test_unicodedata",
    "test_zoneinfo",
    "test_io",
    "test_pathlib",
    "test_tempfile",
    "test_exceptions",
    "test_traceback",
];

/// Runs one module with the unittest runner and prints a result line for each test that did not pass, then a summary.
const DRIVER: &str = r#"
import sys, time, unittest, warnings
sys.path.insert(0, '/conformance')
from test import support
support.use_resources = []
support.verbose = False
module = sys.argv[1]
import types
class Missing(types.ModuleType):
    """A C module that exists only to test CPython's C API: a test that uses it is skipped, not the whole file."""
    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        raise unittest.SkipTest(self.__name__ + ' is not built')
for name in {'test_bytes': ['_testlimitedcapi'], 'test_traceback': ['_testinternalcapi', '_testcapi']}.get(module, []):
    sys.modules[name] = Missing(name)
    sys.modules[name].get_config = lambda: {'code_debug_ranges': 1}
sys.modules['ctypes'] = None  # the sandbox's own knows sizes only: a test that wants more is skipped
class Result(unittest.TextTestResult):
    def startTestRun(self): pass
class Quiet:
    def write(self, text): pass
    def flush(self): pass
    def writeln(self, text=''): pass
def first(text):
    return ' '.join(text.strip().split())[:300]
if module == 'test_asyncgen':
    support.has_socket_support = True  # what it wants is an event loop
suite = unittest.defaultTestLoader.loadTestsFromName('test.' + module)
result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0, warnings='ignore').run(suite)
for test, reason in result.skipped:
    print('SKIP', test.id() if hasattr(test, 'id') else str(test), '|', first(reason))
for kind, rows in (('FAIL', result.failures), ('ERROR', result.errors)):
    for test, trace in rows:
        print(kind, test.id() if hasattr(test, 'id') else str(test), '|', first(trace.strip().splitlines()[-1]))
for test in result.unexpectedSuccesses:
    print('FAIL', test.id(), '| unexpected success')
print('SUMMARY', result.testsRun, len(result.skipped), len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses), len(result.expectedFailures))
"#;

/// What became of a module.
#[derive(Default)]
struct Row {
    run: usize,
    skipped: usize,
    failed: usize,
    expected_failures: usize,
    /// Reason to number of tests.
    reasons: BTreeMap<String, usize>,
    failures: Vec<String>,
    /// Why there is no summary.
    broken: Option<String>,
}

/// `cargo xtask conformance [MODULE... | packages]`. Writes the document only when all modules ran, or its section on
/// packages.
pub(crate) fn run(root: &Path, modules: &[String]) -> Result<()> {
    let binary = crate::target(root).join("release/keelback");
    if modules == ["packages"] {
        return crate::packages::update(root, &crate::packages::run(root, &binary)?);
    }
    let tests = sources(root)?.join("Lib/test");
    if !tests.join("support").is_dir() {
        bail!("`{}` holds no regression tests", tests.display());
    }
    let chosen: Vec<&str> = match modules {
        [] => MODULES.to_vec(),
        modules => modules.iter().map(String::as_str).collect(),
    };
    let mut rows = Vec::new();
    for module in chosen {
        let row = module_row(&binary, &tests, module)?;
        let passed = row.run.saturating_sub(row.skipped + row.failed);
        writeln!(
            std::io::stderr(),
            "{module}: {} run, {passed} passed, {} skipped, {} failed{}",
            row.run,
            row.skipped,
            row.failed,
            row.broken.as_ref().map_or_else(String::new, |reason| format!(" ({reason})")),
        )?;
        for failure in &row.failures {
            writeln!(std::io::stderr(), "    {failure}")?;
        }
        rows.push((module.to_owned(), row));
    }
    if modules.is_empty() {
        let text = format!("{}{}{}", document(&rows), package(root, &binary)?, crate::packages::run(root, &binary)?);
        fs::write(root.join("docs/conformance.md"), text).context("cannot write docs/conformance.md")?;
    }
    Ok(())
}

/// A program that nobody here wrote: the command line of a package from PyPI, mounted read-only, beside native Python.
fn package(root: &Path, binary: &Path) -> Result<String> {
    const PACKAGE: &str = "tabulate";
    const VERSION: &str = "0.9.0";
    let folder = root.join("target/conformance-program");
    fs::create_dir_all(&folder)?;
    let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--upgrade", "--target"];
    crate::check(Command::new("python3").args(pip).arg(&folder).arg(format!("{PACKAGE}=={VERSION}")))?;
    let program = format!("import sys; sys.path.insert(0, sys.argv.pop(1)); import {PACKAGE}; {PACKAGE}._main()");
    let arguments = ["-1", "-f", "grid", "-s", ","];
    let input = "name,n,share\nalpha,12,0.25\nbeta,7,0.125\n\u{3b3}amma,1000,0.625\n";
    let output = |command: &mut Command| -> Result<String> {
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        child.stdin.take().context("stdin is piped")?.write_all(input.as_bytes())?;
        Ok(String::from_utf8(child.wait_with_output()?.stdout)?)
    };
    let grant = format!("{}:/packages", folder.display());
    let mut ours = Command::new(binary);
    ours.args(["run", "--stdin", "--allow-read", &grant, "-c", &program, "/packages"]);
    let ours = output(&mut ours)?;
    let theirs = output(Command::new("python3").args(["-c", &program]).arg(&folder))?;
    if ours != theirs || ours.is_empty() {
        bail!("{PACKAGE} printed in the sandbox:\n{ours}\nand natively:\n{theirs}");
    }
    let lines = fs::read_to_string(folder.join(PACKAGE).join("__init__.py"))?.lines().count();
    Ok(format!(
        "\n## A program from PyPI\n\n`{PACKAGE}` {VERSION} ({lines} lines), mounted read-only, its command line run unchanged; the output is \
         that of native Python:\n\n```text\n{ours}```\n"
    ))
}

/// The unpacked source package.
fn sources(root: &Path) -> Result<PathBuf> {
    let output = Command::new("bash")
        .arg(root.join("guest/build.sh"))
        .arg("--sources")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run guest/build.sh")?;
    if !output.status.success() {
        bail!("guest/build.sh --sources ended with {}", output.status);
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn module_row(binary: &Path, tests: &Path, module: &str) -> Result<Row> {
    let output = Command::new(binary)
        .args(["run", "--timeout", "900s", "--cpu", "900s", "--memory", "2GiB", "--max-output", "64MiB"])
        .arg("--allow-read")
        .arg(format!("{}:/conformance/test", tests.display()))
        .args(["-c", DRIVER, module])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{}`: build it with cargo build --release", binary.display()))?;
    let mut row = Row::default();
    let mut summary = false;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "SKIP" => {
                let reason = rest.split_once(" | ").map_or(rest, |(_, reason)| reason);
                *row.reasons.entry(reason.to_owned()).or_default() += 1;
            }
            "FAIL" | "ERROR" => row.failures.push(rest.to_owned()),
            "SUMMARY" => {
                let mut numbers = rest.split(' ').map(|word| word.parse().unwrap_or_default());
                let mut next = || numbers.next().unwrap_or_default();
                (row.run, row.skipped, row.failed, row.expected_failures) = (next(), next(), next(), next());
                summary = true;
            }
            _ => {}
        }
    }
    if !summary {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.trim().lines().last().unwrap_or_default().to_owned();
        row.broken = Some(format!("{}: {last}", output.status));
        row.failed = row.failed.max(1);
    }
    Ok(row)
}

fn document(rows: &[(String, Row)]) -> String {
    let mut text = String::from(
        "# Conformance\n\nCPython 3.13.5's own regression tests, each module run in a sandbox of its own that is granted nothing but the\n\
         tests themselves, read-only. `cargo xtask conformance` reproduces this file; `cargo xtask conformance test_json`\n\
         runs one module. Skips are decided by the tests, for the reasons they give.\n\n\
         | module | run | passed | skipped | failed |\n| --- | ---: | ---: | ---: | ---: |\n",
    );
    let mut total = [0; 4];
    for (module, row) in rows {
        let passed = row.run.saturating_sub(row.skipped + row.failed);
        let numbers = [row.run, passed, row.skipped, row.failed];
        total.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        let [run, passed, skipped, failed] = numbers;
        let _ = writeln!(text, "| {module} | {run} | {passed} | {skipped} | {failed} |");
    }
    let [run, passed, skipped, failed] = total;
    let _ = writeln!(text, "| **all** | {run} | {passed} | {skipped} | {failed} |\n\n## Skipped, and why\n");
    for (module, row) in rows.iter().filter(|(_, row)| !row.reasons.is_empty()) {
        let reasons: Vec<String> = row.reasons.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
        let _ = writeln!(text, "- {module}: {}", reasons.join("; "));
    }
    let failing: Vec<_> = rows.iter().filter(|(_, row)| row.failed > 0).collect();
    if !failing.is_empty() {
        text.push_str("\n## Failed\n\n");
        for (module, row) in failing {
            if let Some(reason) = &row.broken {
                let _ = writeln!(text, "- {module}: did not finish: {reason}");
            }
            for failure in &row.failures {
                let _ = writeln!(text, "- `{}`", failure.replace('`', "'"));
            }
        }
    }
    text
}
