//! Windows: handles and the console.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal, Write},
    os::windows::io::AsHandle,
};

/// Standard output without a buffer; the console takes text from the standard library alone.
pub(crate) type Output = Box<dyn Write + Send>;

pub(crate) fn output() -> Output {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Box::new(stdout);
    }
    match stdout.as_handle().try_clone_to_owned() {
        Ok(handle) => Box::new(File::from(handle)),
        // Without a stdout there is nowhere to write to.
        Err(_) => Box::new(io::sink()),
    }
}

/// Whether the terminal can move its cursor: the console can, and names itself nowhere.
pub(crate) fn terminal_moves() -> bool {
    env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Keys on the terminal are not shown until this is dropped.
pub(crate) enum Unseen {}

impl Unseen {
    /// None where standard input is no terminal.
    ///
    /// # Errors
    /// Where it is one: the console shows what is typed.
    pub(crate) fn new() -> io::Result<Option<Self>> {
        if io::stdin().is_terminal() {
            let message = "a line that is not shown cannot be read from this console: give it on standard input";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        Ok(None)
    }
}

/// Whether lines of a console may come. Reading waits for them.
pub(crate) fn is_asked() -> bool {
    io::stdin().is_terminal()
}
