//! Pythons of the machine, and virtual environments with what tests need below the target folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Result;

/// Versions the package is written for, `_session.py` with it; the guest's own code is for 3.13.
pub(crate) const VERSIONS: [&str; 4] = ["3.10", "3.11", "3.12", "3.13"];

/// The newest Python there is.
pub(crate) fn newest() -> Option<PathBuf> {
    VERSIONS.iter().rev().find_map(|version| find(version))
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

/// The virtual environment `name` with exactly the packages of a file of pinned versions: its Python. It is made anew
/// when the file has changed.
pub(crate) fn environment(root: &Path, python: &Path, name: &str, requirements: &str) -> Result<PathBuf> {
    let venv = crate::target(root).join(name);
    let (requirements, installed) = (root.join(requirements), venv.join("requirements.txt"));
    let wanted = fs::read(&requirements)?;
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        crate::check(Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv))?;
        let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r"];
        crate::check(Command::new(venv.join("bin/python")).args(pip).arg(&requirements))?;
        fs::write(&installed, wanted)?;
    }
    Ok(venv.join("bin/python"))
}
