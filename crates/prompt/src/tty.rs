//! The terminal: raw mode, size, bytes in and out, and one place to wait for keys, signals and other threads.
//!
//! Unix and Windows have the same interface, so that nothing above knows which it has: bytes come in as xterm
//! sends them, and go out as xterm takes them.

#[cfg(any(windows, test))]
mod records;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use self::unix::{RawMode, Tty, Waker};
#[cfg(windows)]
pub use self::windows::{RawMode, Tty, Waker};

/// Asks for marks around pastes, and for keys in the protocol of kitty: told apart where the old encoding has the same
/// bytes (1), and with the key's place on the standard keyboard (4), or Ctrl-C would not be known on a Cyrillic one.
pub const ENTER: &str = "\x1b[?2004h\x1b[>5u";

/// Undoes [`ENTER`].
pub const LEAVE: &str = "\x1b[<u\x1b[?2004l";

/// What becomes of line ends that are written in raw mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputMode {
    /// They also return to column 0, as programs on the same terminal expect.
    Processed,
    /// They are sent as they are.
    Raw,
}

/// Why [`Tty::wait`] came back. Several may be true; none is after a timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// There are bytes to [read](Tty::read).
    pub input: bool,
    /// The window has another size.
    pub resized: bool,
    /// A [`Waker`] was used.
    pub woken: bool,
    /// The process was asked to stop (SIGTSTP): call [`RawMode::suspend`].
    pub stop: bool,
    /// The process was stopped without being asked, and goes on: call [`RawMode::renew`] and repaint.
    pub resumed: bool,
    /// The terminal is gone.
    pub hangup: bool,
    /// The process was asked to end by this signal, SIGTERM or SIGHUP: drop the [`RawMode`] and exit with
    /// [`exit_status`].
    pub terminated: Option<i32>,
    /// A signal came that is somebody else's.
    pub interrupted: bool,
}

/// The exit status of a process that ends because of a signal, as shells have it.
#[must_use]
pub const fn exit_status(signal: i32) -> i32 {
    128 + signal
}

fn not_a_terminal() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::Unsupported, "standard input and output are not both a terminal")
}
