//! Python 3.14 and later run a script in another process (PEP 768): one that serves a prompt, and says where.

use std::{
    env, fs,
    io::Read,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use keelback_wire::client::Address;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

use super::{Patience, process::Process};
use crate::attach::{Unreachable, ctrl_c, unreachable};

/// How long a process has for its report once it has begun.
const REPORT_DEADLINE: Duration = Duration::from_secs(30);

/// Asks the interpreter, which must be of the same version as the process.
const ASK: &str = "\
import sys
try:
    sys.remote_exec(int(sys.argv[1]), sys.argv[2])
except BaseException as error:
    sys.exit(f'{type(error).__name__}: {error}')
";

/// Runs in the process. `REPORT` and `PACKAGE` are put before it.
const SERVE: &str = "\
def _keelback_attach():
    import json
    import socket
    import sys

    connection = socket.socket(socket.AF_UNIX)
    connection.connect(REPORT)
    try:
        try:
            import keelback
        except ImportError:
            if PACKAGE is None:
                raise
            sys.path.append(PACKAGE)
            try:
                import keelback
            finally:
                sys.path.remove(PACKAGE)
        import __main__

        report = {'socket': str(keelback.serve(vars(__main__)).path)}
    except BaseException as error:
        report = {'error': f'{type(error).__name__}: {error}'}
    connection.sendall(json.dumps(report).encode())
    connection.close()


_keelback_attach()
del _keelback_attach, REPORT, PACKAGE
";

/// Starts a server in `process`, which runs Python 3.`minor`.
pub(super) fn serve(process: &Process, minor: u32, package: Option<&Path>) -> Result<Address> {
    let pid = process.id().as_raw_pid();
    let folder = tempfile::Builder::new().prefix("keelback-attach-").tempdir().context("a folder for the script")?;
    let (socket, script) = (folder.path().join("report"), folder.path().join("serve.py"));
    let listener = UnixListener::bind(&socket).context("a socket for the report")?;
    let package = package.map(fs::canonicalize).transpose().context("--package")?;
    let package = package.map_or("None".into(), |path| quoted(&path));
    fs::write(&script, format!("REPORT = {}\nPACKAGE = {package}\n{SERVE}", quoted(&socket)))?;
    let wanted = process.uid().with_context(|| format!("process {pid}"))?;
    if wanted != rustix::process::geteuid().as_raw() {
        // Only root gets so far: the process must be able to read the script.
        for path in [folder.path(), &socket, &script] {
            std::os::unix::fs::chown(path, Some(wanted), None).map_err(|_| other_user(pid))?;
        }
    }
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
    let _giving_up = give_up_cleanly(&script)?;
    ask(process, minor, &script)?;
    let mut connection = wait_for(process, &listener)?;
    connection.set_read_timeout(Some(REPORT_DEADLINE))?;
    let mut report = String::new();
    connection.read_to_string(&mut report).context("the process did not say whether it serves")?;
    let report: serde_json::Value = serde_json::from_str(&report).context("the process's report")?;
    match (report["socket"].as_str(), report["error"].as_str()) {
        (Some(socket), _) => Ok(Address::Unix(socket.into())),
        (None, error) => {
            let error = error.unwrap_or("no reason given");
            let refused = unreachable(format!("process {pid} cannot serve: {error}"));
            Err(match error {
                _ if error.contains("No module named 'keelback'") => refused
                    .hint("--package DIR names the folder that holds the package keelback, such as a site-packages"),
                // The script ran in the middle of an import.
                _ if error.contains("partially initialized module") => refused.hint("it is still starting: try again"),
                _ => refused,
            }
            .into())
        }
    }
}

fn other_user(pid: i32) -> Unreachable {
    unreachable(format!("process {pid} belongs to another user"))
}

/// The script stays behind for a process that wakes after the user gave up: then it does nothing.
fn give_up_cleanly(script: &Path) -> Result<ctrl_c::During> {
    let script = script.to_owned();
    ctrl_c::during(move || {
        drop(fs::write(&script, ""));
        std::process::exit(ctrl_c::EXIT.into());
    })
}

/// Tells the process to run the script when it next executes Python.
fn ask(process: &Process, minor: u32, script: &Path) -> Result<()> {
    let pid = process.id().as_raw_pid();
    let mut command = Command::new(interpreter(process, minor)?);
    command.args(["-I", "-S", "-c", ASK, &pid.to_string()]).arg(script).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("Python 3.{minor} of process {pid} cannot be run"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(explained(pid, said.trim().lines().last().unwrap_or("no reason given")).into())
}

/// The interpreter that the process runs, or where Python is part of another program, one of its version.
fn interpreter(process: &Process, minor: u32) -> Result<PathBuf> {
    let program = process.program().map_err(|_| other_user(process.id().as_raw_pid()))?;
    let is_python = process.name().starts_with("python")
        || program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"));
    if is_python {
        return Ok(program);
    }
    let name = format!("python3.{minor}");
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&paths).map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        unreachable(format!("Python is part of {}, and there is no `{name}` to tell it something", program.display()))
            .into()
    })
}

/// What `sys.remote_exec` raised, and what can be done.
fn explained(pid: i32, error: &str) -> Unreachable {
    if error.contains("not enabled in the remote process") {
        return unreachable(format!("process {pid} was started with remote debugging switched off")).hint(
            "start it without PYTHON_DISABLE_REMOTE_DEBUG and -X disable-remote-debug, or let it call keelback.serve()",
        );
    }
    if error.starts_with("PermissionError") || error.contains("Operation not permitted") {
        return unreachable(format!("the system does not let you reach into process {pid}: {error}"))
            .hint("it takes the same user and /proc/sys/kernel/yama/ptrace_scope 0, or root (CAP_SYS_PTRACE)");
    }
    unreachable(format!("process {pid} takes no script: {error}"))
}

/// The process's connection; says so when the process is asleep.
fn wait_for(process: &Process, listener: &UnixListener) -> Result<std::os::unix::net::UnixStream> {
    let pid = process.id().as_raw_pid();
    let mut patience = Patience::new(pid.unsigned_abs());
    let look = rustix::event::Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    loop {
        let mut fds = [PollFd::new(listener, PollFlags::IN)];
        match poll(&mut fds, Some(&look)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(listener.accept()?.0),
            Err(error) => return Err(error.into()),
        }
        if !process.is_alive() {
            return Err(unreachable(format!("process {pid} has ended")).into());
        }
        patience.look();
    }
}

/// As a string literal of Python.
fn quoted(path: &Path) -> String {
    // What JSON escapes, Python reads in the same way.
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: &str, message: &str, hint: &str) {
        let explained = explained(7, error);
        assert!(explained.to_string().contains(message), "{explained}");
        assert!(explained.hint.as_deref().unwrap_or("none").contains(hint), "{:?}", explained.hint);
    }

    #[test]
    fn refusals_say_what_can_be_done() {
        check(
            "RuntimeError: Remote debugging is not enabled in the remote process",
            "switched off",
            "keelback.serve()",
        );
        check("PermissionError: [Errno 13] /proc/7/maps", "does not let you reach", "ptrace_scope");
        check("RuntimeError: Can't send commands from a Python 3.15 process", "takes no script: RuntimeError", "none");
    }

    #[test]
    fn paths_are_literals() {
        assert_eq!(quoted(Path::new("/a'b\"c\\d é")), r#""/a'b\"c\\d é""#);
    }
}
