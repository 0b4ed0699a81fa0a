//! What there is to attach to on this machine: each server leaves a file beside its socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::system::{self, UnixStream};

/// The longest file that is read, in bytes: a choice, over what a long command line takes.
const FILE_MAX: u64 = 64 << 10;

/// What a server says of itself in `NAME-PID.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Served {
    /// A name to attach by.
    pub name: String,
    /// The process.
    pub pid: u32,
    /// Which process that is, as no other one ever was called ([`identity`]); not told everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// What runs there, such as `app.py`.
    pub program: String,
    /// Its command line.
    pub argv: Vec<String>,
    /// When it began to serve or to wait for its signal, in seconds since 1970.
    pub started: f64,
    /// The version of its Python.
    pub python: String,
    /// The path of its Unix socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// `host:port` of a server on TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// It serves only after this signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub armed: Option<i32>,
}

impl Served {
    /// For how long it has been there.
    #[must_use]
    pub fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::try_from_secs_f64(self.started).unwrap_or_default())
    }

    /// Whether it is still there: somebody is at its socket, or its process lives.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match &self.socket {
            Some(socket) if self.armed.is_none() => UnixStream::connect(socket).is_ok(),
            _ => match &self.process {
                Some(process) => identity(self.pid).as_ref() == Some(process),
                None => system::is_alive(self.pid),
            },
        }
    }

    /// Whether its process was one that could be seen from here and has ended. False where that is not known, as of the
    /// processes of another container.
    fn has_ended(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let near =
            process_namespace().is_some_and(|near| process.strip_prefix(&near).is_some_and(|id| id.starts_with(' ')));
        near && identity(self.pid).as_ref() != Some(process)
    }
}

/// What tells a process from all others, also from later ones with its number: the namespace of its number, and when it
/// began, in ticks of the system's clock. None of one that is not there, and on systems without `/proc`.
#[must_use]
pub fn identity(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything; what follows is counted from the third field.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let is_over = matches!(fields.next()?, "Z" | "X");
    let began = fields.nth(22 - 4)?;
    (!is_over).then_some(format!("{} {began}", process_namespace()?))
}

/// What tells the numbers of processes that are seen here from those of other containers.
fn process_namespace() -> Option<String> {
    Some(std::fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned())
}

/// The folder of the files: below `XDG_RUNTIME_DIR`, else one of the user's own among temporary files; on Windows in the
/// user's profile.
#[must_use]
pub fn folder() -> PathBuf {
    system::runtime_folder()
}

/// All servers in `folder` that answer or wait for their signal, the oldest first. Files of those that have ended are
/// passed over, and removed where it is certain.
///
/// # Errors
/// The folder belongs to somebody else, who could have put anything there, or cannot be read. That there is none is no
/// error.
pub fn list(folder: &Path) -> io::Result<Vec<Served>> {
    let known = match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        known => known?,
    };
    if !known.is_dir() || !system::is_private(folder, &known)? {
        let message = format!("`{}` is not a folder that only you can write to", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let Some(served) = read(&path) else { continue };
            if served.is_there() {
                found.push(served);
            } else if served.has_ended() {
                remove(&path, &served);
            }
        }
    }
    found.sort_by(|a, b| a.started.total_cmp(&b.started).then(a.pid.cmp(&b.pid)));
    Ok(found)
}

/// Reads one file; None of what is no such file.
fn read(path: &Path) -> Option<Served> {
    if std::fs::metadata(path).ok()?.len() > FILE_MAX {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Removes what a server left that was killed. Where that fails it stays.
fn remove(path: &Path, served: &Served) {
    let own = path.with_extension("sock");
    let _ = std::fs::remove_file(path);
    if served.socket.as_deref().is_some_and(|socket| Path::new(socket) == own) {
        let _ = std::fs::remove_file(own);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};

    use super::*;

    fn write(folder: &Path, served: &Served) {
        let text = serde_json::to_vec(served).expect("plain data");
        std::fs::write(folder.join(format!("{}-{}.json", served.name, served.pid)), text).expect("a file");
    }

    fn private() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
        folder
    }

    #[test]
    fn those_that_answer_are_listed_and_no_others() {
        let folder = private();
        let socket = |name: &str| folder.path().join(name).display().to_string();
        let _listener = UnixListener::bind(socket("a.sock")).expect("a socket");
        drop(UnixListener::bind(socket("stale.sock")).expect("a socket"));
        let own = std::process::id();
        let served = |name: &str, started: f64| Served {
            name: name.into(),
            pid: own,
            started,
            socket: Some(socket(&format!("{name}.sock"))),
            ..Served::default()
        };
        write(folder.path(), &served("a", 20.0));
        write(folder.path(), &served("stale", 5.0));
        write(folder.path(), &Served { armed: Some(12), socket: None, ..served("armed", 10.0) });
        write(folder.path(), &Served { socket: None, address: Some("[::1]:5".into()), ..served("far", 30.0) });
        write(folder.path(), &Served { pid: u32::MAX, armed: Some(12), ..served("gone", 10.0) });
        std::fs::write(folder.path().join("other.json"), "[]").expect("a file");
        std::fs::write(folder.path().join("a.txt"), "").expect("a file");
        let found = list(folder.path()).expect("a list");
        assert_eq!(found.iter().map(|served| served.name.as_str()).collect::<Vec<_>>(), ["armed", "a", "far"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_killed_programs_left_is_removed() {
        let folder = private();
        let mut child = std::process::Command::new("true").spawn().expect("a program");
        let gone = identity(child.id()).unwrap_or_else(|| format!("{} 1", process_namespace().expect("of Linux")));
        child.wait().expect("it ends");
        let armed = |name: &str, pid: u32, process: String| {
            write(
                folder.path(),
                &Served { name: name.into(), pid, process: Some(process), armed: Some(12), ..Served::default() },
            )
        };
        let own = std::process::id();
        armed("here", own, identity(own).expect("of Linux"));
        armed("gone", child.id(), gone.clone());
        // Its number is used again, by another process.
        armed("reused", own, gone.clone());
        armed("elsewhere", own, "pid:[1] 5".into());
        let socket = folder.path().join("killed-1.sock");
        drop(UnixListener::bind(&socket).expect("a socket"));
        let other = folder.path().join("other.sock");
        drop(UnixListener::bind(&other).expect("a socket"));
        for (pid, socket) in [(1, &socket), (2, &other)] {
            let socket = Some(socket.display().to_string());
            write(
                folder.path(),
                &Served { name: "killed".into(), pid, process: Some(gone.clone()), socket, ..Served::default() },
            );
        }
        let found = list(folder.path()).expect("a list");
        assert_eq!(found.iter().map(|served| served.name.as_str()).collect::<Vec<_>>(), ["here"]);
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).expect("ours").map(|entry| entry.expect("read").file_name()).collect();
        left.sort();
        assert_eq!(left, [format!("elsewhere-{own}.json").as_str(), &format!("here-{own}.json"), "other.sock"]);
    }

    #[test]
    fn a_folder_of_others_is_not_read() {
        let folder = private();
        assert_eq!(list(&folder.path().join("none")).expect("no error"), []);
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o770)).expect("ours");
        assert_eq!(list(folder.path()).expect_err("others can write").kind(), io::ErrorKind::PermissionDenied);
    }
}
