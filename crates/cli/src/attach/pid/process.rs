//! What the system says of a process.

use std::{fs, io, path::PathBuf};

use anyhow::Result;
use rustix::process::{Pid, test_kill_process};

use crate::attach::unreachable;

/// A process that was there when it was looked for.
#[derive(Debug)]
pub(super) struct Process {
    id: Pid,
}

impl Process {
    pub(super) fn find(pid: u32) -> Result<Process> {
        let none = || unreachable(format!("there is no process {pid}"));
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(none)?;
        let process = Process { id };
        if process.is_alive() { Ok(process) } else { Err(none().into()) }
    }

    pub(super) fn id(&self) -> Pid {
        self.id
    }

    pub(super) fn is_alive(&self) -> bool {
        test_kill_process(self.id) != Err(rustix::io::Errno::SRCH)
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.id.as_raw_pid()))
    }

    /// The name the system has for it.
    pub(super) fn name(&self) -> String {
        fs::read_to_string(self.file("comm")).map_or_else(|_| "unknown".into(), |name| name.trim().into())
    }

    /// Its user.
    pub(super) fn uid(&self) -> io::Result<u32> {
        use std::os::unix::fs::MetadataExt;
        Ok(fs::metadata(self.file(""))?.uid())
    }

    /// The file of its program; where that was replaced since, the system's own name of it.
    pub(super) fn program(&self) -> io::Result<PathBuf> {
        use std::os::unix::fs::MetadataExt;
        let own = self.file("exe");
        let path = fs::read_link(&own)?;
        let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        match (fs::metadata(&path), fs::metadata(&own)) {
            (Ok(there), Ok(here)) if same(&there, &here) => Ok(path),
            _ => Ok(own),
        }
    }

    /// The 13 of Python 3.13: by the name of its program, or by the library that is loaded.
    pub(super) fn python_minor(&self) -> Option<u32> {
        let program = fs::read_link(self.file("exe")).ok()?;
        let name = program.file_name()?.to_string_lossy().into_owned();
        if let Some(minor) = name.strip_prefix("python3.").and_then(minor_of) {
            return Some(minor);
        }
        let maps = fs::read_to_string(self.file("maps")).ok()?;
        maps.lines().find_map(|line| {
            let library = line.rsplit('/').next()?.strip_prefix("libpython3.");
            library.and_then(minor_of).or_else(|| minor_of(line.split("/lib/python3.").nth(1)?))
        })
    }

    /// Whether it has a handler for a signal. Where that cannot be known, its user is believed.
    pub(super) fn catches(&self, signal: i32) -> bool {
        let Ok(status) = fs::read_to_string(self.file("status")) else { return !cfg!(target_os = "linux") };
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        (1..=64).contains(&signal) && caught >> (signal - 1) & 1 == 1
    }

    /// Whether it was there at a time, in seconds since 1970, give or take the two that clocks are apart.
    pub(super) fn began_before(&self, time: f64) -> bool {
        match self.began() {
            Some(began) => began <= time + 2.0,
            None => !cfg!(target_os = "linux"),
        }
    }

    fn began(&self) -> Option<f64> {
        let stat = fs::read_to_string(self.file("stat")).ok()?;
        // The name in brackets may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let ticks: f64 = fields.split_whitespace().nth(19)?.parse().ok()?;
        let system = fs::read_to_string("/proc/stat").ok()?;
        let booted: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(booted + ticks / rustix::param::clock_ticks_per_second() as f64)
    }
}

/// The number that a text begins with.
fn minor_of(text: &str) -> Option<u32> {
    let digits = text.len() - text.trim_start_matches(|char: char| char.is_ascii_digit()).len();
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_process_is_known_by_what_the_system_says() {
        let own = Process::find(std::process::id()).expect("this one");
        assert!(own.is_alive());
        assert_eq!(own.python_minor(), None);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        assert!(own.began_before(now));
        if cfg!(target_os = "linux") {
            assert!(!own.began_before(now - 1e6));
            // Rust programs ignore SIGPIPE and have handlers for SIGSEGV only.
            assert!(own.catches(11) && !own.catches(13) && !own.catches(0) && !own.catches(65));
        }
        assert!(Process::find(u32::MAX).is_err() && Process::find(0).is_err());
    }

    #[test]
    fn versions_are_read_from_names() {
        assert_eq!(["14", "13t", "9.so.1.0", ""].map(minor_of), [Some(14), Some(13), Some(9), None]);
    }
}
