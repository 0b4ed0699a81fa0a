//! Programs of the user's that get the terminal for a while: the pager and the editor.

use std::{
    env,
    io::{self, Write},
    process::{Command, Stdio},
};

/// Shows `text` in `$MANPAGER`, `$PAGER`, or `less`; where none works, `plain` gets it.
///
/// # Errors
/// Those of `plain`.
pub fn page(text: &str, plain: impl FnOnce(&str) -> io::Result<()>) -> io::Result<()> {
    let named =
        ["MANPAGER", "PAGER"].into_iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    let pager = named.unwrap_or_else(|| "less -R".into());
    let child = Command::new("sh").arg("-c").arg(&pager).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return plain(text) };
    let ended = text.is_empty() || text.ends_with('\n');
    if let Some(mut stdin) = child.stdin.take() {
        // A pager that is left early does not read the rest.
        let _ = stdin.write_all(text.as_bytes());
        let _ = if ended { Ok(()) } else { stdin.write_all(b"\n") };
    }
    match child.wait() {
        // The shell found no such program.
        Ok(status) if status.code() == Some(127) => plain(text),
        _ => Ok(()),
    }
}

/// Lets `$VISUAL`, `$EDITOR` or `vi` change `text`.
///
/// # Errors
/// A message that names the program.
pub fn edit(text: &str) -> Result<String, String> {
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    let editor = named.unwrap_or_else(|| "vi".into());
    let failed = |error: io::Error| format!("cannot edit with `{editor}`: {error}");
    let file = tempfile::Builder::new().prefix("keelback-").suffix(".py").tempfile().map_err(failed)?;
    std::fs::write(file.path(), text).map_err(failed)?;
    // The value may hold arguments: the shell splits it, the path comes as an argument of its own.
    let script = format!("{editor} \"$1\"");
    let status = Command::new("sh").arg("-c").arg(script).arg("sh").arg(file.path()).status().map_err(failed)?;
    if !status.success() {
        return Err(format!("`{editor}` ended with {status}: the cell is as it was"));
    }
    std::fs::read_to_string(file.path()).map_err(failed)
}
