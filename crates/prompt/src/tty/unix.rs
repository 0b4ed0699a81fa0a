//! Terminals of Unix.
//!
//! Nothing runs behind the caller's back: signal handlers are installed while a [`RawMode`] lives, only write to a pipe,
//! and leave again with it. On a panic, and when a second request to end comes before the first was heeded, the
//! terminal is put back at once.

mod raw;
mod signals;
#[cfg(test)]
mod tests;
mod waker;

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use keelback_editor::edit::Size;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    io::Errno,
    termios,
};

pub use self::{raw::RawMode, waker::Waker};
use super::{ENTER, LEAVE, OutputMode, Ready};

/// A terminal. Reading and writing go past the buffers of [`std::io`].
#[derive(Debug)]
pub struct Tty {
    input: Arc<OwnedFd>,
    output: Arc<OwnedFd>,
    wake: waker::WakePipe,
}

impl Tty {
    /// The terminal on standard input and output.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if one of the two is no terminal.
    pub fn open() -> io::Result<Tty> {
        let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
        if !termios::isatty(input) || !termios::isatty(output) {
            return Err(super::not_a_terminal());
        }
        Tty::from_fds(input.try_clone_to_owned()?, output.try_clone_to_owned()?)
    }

    /// The terminal that controls the process, wherever its standard streams go.
    ///
    /// # Errors
    /// There is none.
    pub fn open_controlling() -> io::Result<Tty> {
        let open = |path: &std::ffi::CStr| {
            rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())
        };
        let streams = [rustix::stdio::stderr(), rustix::stdio::stdout(), rustix::stdio::stdin()];
        // On macOS `/dev/tty` itself cannot be waited for: its own name is tried first.
        let named = streams.iter().find_map(|stream| open(&termios::ttyname(stream, Vec::new()).ok()?).ok());
        let terminal = match named {
            Some(terminal) => terminal,
            None => open(c"/dev/tty")?,
        };
        Tty::from_fds(terminal.try_clone()?, terminal)
    }

    /// A terminal that is open already.
    ///
    /// # Errors
    /// No pipe can be had.
    pub fn from_fds(input: OwnedFd, output: OwnedFd) -> io::Result<Tty> {
        Ok(Tty { input: Arc::new(input), output: Arc::new(output), wake: waker::WakePipe::new()? })
    }

    /// Makes keys come one by one, unchanged and without echo, until the guard is dropped. Keys that were typed ahead
    /// are kept.
    ///
    /// # Errors
    /// The terminal refuses, or another raw mode is alive in this process.
    pub fn raw(&self, output: OutputMode) -> io::Result<RawMode> {
        RawMode::new(&self.input, &self.output, self.wake.writer(), output)
    }

    /// A handle that ends [`wait`](Self::wait) from any thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.wake.waker()
    }

    /// The size of the window; where it is not known, 80 by 24.
    #[must_use]
    pub fn size(&self) -> Size {
        let size = termios::tcgetwinsize(&*self.output).ok();
        let (columns, rows) = size.map_or((0, 0), |size| (size.ws_col, size.ws_row));
        Size { columns: if columns == 0 { 80 } else { columns }, rows: if rows == 0 { 24 } else { rows } }
    }

    /// What to wait for where somebody else does the waiting: readable means that [`wait`](Self::wait) has something.
    #[must_use]
    pub fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [(*self.input).as_fd(), self.wake.as_fd()]
    }

    /// Reads what is there, without waiting. Returns 0 if nothing is.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the terminal is gone.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let gone = || io::Error::new(io::ErrorKind::UnexpectedEof, "the terminal is gone");
        loop {
            let mut fds = [PollFd::new(&*self.input, PollFlags::IN)];
            let read = poll(&mut fds, Some(&Timespec::default())).and_then(|ready| match ready {
                0 => Ok(None),
                _ => rustix::io::read(&*self.input, &mut *buffer).map(Some),
            });
            return match read {
                Ok(None) | Err(Errno::AGAIN) => Ok(0),
                Ok(Some(0)) if buffer.is_empty() => Ok(0),
                Ok(Some(0)) | Err(Errno::IO) => Err(gone()),
                Ok(Some(length)) => Ok(length),
                Err(Errno::INTR) => continue,
                Err(error) => Err(error.into()),
            };
        }
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        write_all(&self.output, bytes)
    }

    /// Waits until there is something to do, or until `timeout` is over.
    ///
    /// # Errors
    /// The system cannot wait for the terminal.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Ready> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let limit = left.and_then(|left| Timespec::try_from(left).ok());
            let mut fds = [PollFd::new(&*self.input, PollFlags::IN), PollFd::new(&self.wake, PollFlags::IN)];
            let interrupted = match poll(&mut fds, limit.as_ref()) {
                Ok(_) => false,
                Err(Errno::INTR) => true,
                Err(error) => return Err(error.into()),
            };
            let [terminal, wake] = [fds[0].revents(), fds[1].revents()];
            if !wake.is_empty() {
                self.wake.drain();
            }
            let mut ready = Ready {
                input: terminal.contains(PollFlags::IN),
                woken: self.wake.take(),
                hangup: terminal.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
                interrupted,
                ..Ready::default()
            };
            signals::take(&mut ready);
            // A byte of neither: see `Waker::as_fd`.
            ready.interrupted |= !wake.is_empty() && ready == Ready::default();
            if ready != Ready::default() || left.is_some_and(|left| left.is_zero()) {
                return Ok(ready);
            }
        }
    }
}

/// A terminal that somebody has made non-blocking is waited for.
fn write_all(output: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(output, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::new(output, PollFlags::OUT)];
                match poll(&mut fds, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
