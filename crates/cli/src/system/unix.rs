//! Unix: descriptors and terminals.

use std::{
    env,
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr},
};

/// Standard output without a buffer.
pub(crate) type Output = File;

pub(crate) fn output() -> Output {
    let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    // Without a stdout there is nowhere to write to.
    file.or_else(|_| File::create("/dev/null")).expect("there is a null device")
}

/// Whether the terminal can move its cursor.
pub(crate) fn terminal_moves() -> bool {
    let term = env::var("TERM").unwrap_or_default();
    !term.is_empty() && term != "dumb"
}

/// Keys on the terminal are not shown until this is dropped.
pub(crate) struct Unseen(Termios);

impl Unseen {
    /// None where standard input is no terminal.
    ///
    /// # Errors
    /// None on Unix: a terminal that cannot hide its keys shows them.
    pub(crate) fn new() -> io::Result<Option<Self>> {
        Ok(Self::hide())
    }

    fn hide() -> Option<Self> {
        let before = tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &modes).ok()?;
        Some(Unseen(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that is gone has no modes.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
        let _ = writeln!(io::stderr());
    }
}

/// Waits until there is a line of the terminal for this process; false when there will be none.
pub(crate) fn is_asked() -> bool {
    let stdin = rustix::stdio::stdin();
    let is_ours = || tcgetpgrp(stdin).is_ok_and(|group| group == rustix::process::getpgrp());
    // In the background, reading would stop the process.
    is_ours() && poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None).is_ok() && is_ours()
}
