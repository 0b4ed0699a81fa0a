//! Opens the page in the user's browser.

use std::{
    env,
    io::{self, Write},
    process::{Command, Stdio},
    thread,
};

use tempfile::NamedTempFile;

/// Does so where there is a desktop. The browser may read what is returned as long as that lives.
///
/// The URL is in a file that only the user can read: the arguments of a program are for everybody to see.
pub(super) fn open(url: &str) -> io::Result<Option<NamedTempFile>> {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let program = match env::consts::OS {
        "macos" => "open",
        "windows" => "explorer",
        _ if set("SSH_CONNECTION") || !(set("DISPLAY") || set("WAYLAND_DISPLAY")) => return Ok(None),
        _ => "xdg-open",
    };
    let mut file = tempfile::Builder::new().prefix("keelback-").suffix(".html").tempfile()?;
    write!(file, "<!doctype html><meta http-equiv=\"refresh\" content=\"0;url={url}\"><title>keelback</title>")?;
    let mut command = Command::new(program);
    command.arg(file.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    // Some openers live as long as the browser.
    thread::spawn(move || child.wait());
    Ok(Some(file))
}
