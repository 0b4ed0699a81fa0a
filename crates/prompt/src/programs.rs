//! Programs of the user's that get the terminal for a while: the pager and the editor.

use std::{
    env,
    io::{self, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

/// The shell that splits what a variable names as a program, with its option for a command.
const SHELL: [&str; 2] = if cfg!(windows) { ["cmd", "/C"] } else { ["sh", "-c"] };

/// What the shell ends with when it finds no such program.
const NOT_FOUND: i32 = if cfg!(windows) { 9009 } else { 127 };

const PAGER: &str = if cfg!(windows) { "more" } else { "less -R" };
const EDITOR: &str = if cfg!(windows) { "notepad" } else { "vi" };

/// Shows `text` in `$MANPAGER`, `$PAGER`, or `less` (on Windows `more`); where none works, `plain` gets it.
///
/// # Errors
/// Those of `plain`.
pub fn page(text: &str, plain: impl FnOnce(&str) -> io::Result<()>) -> io::Result<()> {
    let named =
        ["MANPAGER", "PAGER"].into_iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    let pager = named.unwrap_or_else(|| PAGER.into());
    let child = Command::new(SHELL[0]).arg(SHELL[1]).arg(&pager).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return plain(text) };
    let ended = text.is_empty() || text.ends_with('\n');
    if let Some(mut stdin) = child.stdin.take() {
        // A pager that is left early does not read the rest.
        let _ = stdin.write_all(text.as_bytes());
        let _ = if ended { Ok(()) } else { stdin.write_all(b"\n") };
    }
    match child.wait() {
        Ok(status) if status.code() == Some(NOT_FOUND) => plain(text),
        _ => Ok(()),
    }
}

/// Lets `$VISUAL`, `$EDITOR` or `vi` (on Windows `notepad`) change `text`.
///
/// # Errors
/// A message that names the program.
pub fn edit(text: &str) -> Result<String, String> {
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    let editor = named.unwrap_or_else(|| EDITOR.into());
    let failed = |error: io::Error| format!("cannot edit with `{editor}`: {error}");
    // Closed at once: on Windows no other program may write to a file that is open here.
    let file = tempfile::Builder::new().prefix("keelback-").suffix(".py").tempfile().map_err(failed)?.into_temp_path();
    std::fs::write(&file, text).map_err(failed)?;
    let status = run(&editor, &file).map_err(failed)?;
    if !status.success() {
        return Err(format!("`{editor}` ended with {status}: the cell is as it was"));
    }
    std::fs::read_to_string(&file).map_err(failed)
}

/// The editor's name may hold arguments: the shell splits it, the path comes as an argument of its own.
#[cfg(not(windows))]
fn run(editor: &str, file: &Path) -> io::Result<ExitStatus> {
    Command::new(SHELL[0]).arg(SHELL[1]).arg(format!("{editor} \"$1\"")).arg("sh").arg(file).status()
}

#[cfg(windows)]
fn run(editor: &str, file: &Path) -> io::Result<ExitStatus> {
    Command::new(SHELL[0]).arg(SHELL[1]).arg(editor).arg(file).status()
}
