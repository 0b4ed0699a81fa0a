//! The console of Windows 10 and later, with its virtual terminal modes: it takes and sends what xterm does.
//!
//! There are no signals here: a size comes as a record among the keys, and Ctrl-C is a key while raw mode lives. On a
//! panic the console is put back as the stack unwinds, after the message.

mod console;

use std::{
    cell::RefCell,
    fs::{File, OpenOptions},
    io::{self, IsTerminal as _},
    sync::Arc,
    time::{Duration, Instant},
};

use keelback_editor::edit::Size;

use self::console::{Event, Record};
use super::{
    ENTER, LEAVE, OutputMode, Ready,
    records::{Records, Utf8},
};

/// A console. Reading and writing go past the buffers of [`std::io`].
#[derive(Debug)]
pub struct Tty {
    input: Arc<File>,
    output: Arc<File>,
    wake: Waker,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    records: Records,
    utf8: Utf8,
    /// Keys that were taken from the console and not read yet.
    bytes: Vec<u8>,
    /// The size when it was last told.
    size: Option<Size>,
    resized: bool,
}

/// Ends [`Tty::wait`] from any thread. Wakes that come before the wait are not lost; many count as one.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Event>);

impl Waker {
    /// Ends the wait that is going on, or else the next one.
    pub fn wake(&self) {
        self.0.set();
    }
}

impl Tty {
    /// The console on standard input and output.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if one of the two is no console.
    pub fn open() -> io::Result<Tty> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(super::not_a_terminal());
        }
        Tty::open_controlling()
    }

    /// The console of the process, wherever its standard streams go.
    ///
    /// # Errors
    /// There is none.
    pub fn open_controlling() -> io::Result<Tty> {
        // The modes of a console can only be set with both rights.
        let open = |name: &str| OpenOptions::new().read(true).write(true).open(name).map(Arc::new);
        let wake = Waker(Arc::new(Event::new()?));
        Ok(Tty { input: open("CONIN$")?, output: open("CONOUT$")?, wake, state: RefCell::default() })
    }

    /// Makes keys come one by one, unchanged and without echo, until the guard is dropped. Keys that were typed ahead
    /// are kept.
    ///
    /// # Errors
    /// The console refuses; those before Windows 10 know no sequences.
    pub fn raw(&self, output: OutputMode) -> io::Result<RawMode> {
        let before = (console::mode(&self.input)?, console::mode(&self.output)?);
        let raw = (console::raw_input(before.0), console::raw_output(before.1, output));
        let mode =
            RawMode { input: Arc::clone(&self.input), output: Arc::clone(&self.output), before, raw, entered: false };
        mode.set(raw)?;
        Ok(mode)
    }

    /// A handle that ends [`wait`](Self::wait) from any thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.wake.clone()
    }

    /// The size of the window; where it is not known, 80 by 24.
    #[must_use]
    pub fn size(&self) -> Size {
        console::size(&self.output).unwrap_or(Size { columns: 80, rows: 24 })
    }

    /// Reads what is there, without waiting. Returns 0 if nothing is.
    ///
    /// # Errors
    /// The console is gone.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.take_records()?;
        let bytes = &mut self.state.borrow_mut().bytes;
        let length = buffer.len().min(bytes.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        bytes.drain(..length);
        Ok(length)
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The console is gone.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        console::write(&self.output, &self.state.borrow_mut().utf8.units(bytes))
    }

    /// Waits until there is something to do, or until `timeout` is over.
    ///
    /// # Errors
    /// The system cannot wait for the console.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Ready> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Bytes that did not fit into the last read are waiting already.
            let limit = if self.state.borrow().bytes.is_empty() { left } else { Some(Duration::ZERO) };
            let woken = console::wait(&self.input, &self.wake.0, limit)?;
            self.take_records()?;
            let state = self.state.get_mut();
            let input = !state.bytes.is_empty();
            let ready = Ready { input, woken, resized: std::mem::take(&mut state.resized), ..Ready::default() };
            // Many records stand for nothing: a key that is released, the focus, the mouse.
            if ready != Ready::default() || left.is_some_and(|left| left.is_zero()) {
                return Ok(ready);
            }
        }
    }

    fn take_records(&self) -> io::Result<()> {
        let state = &mut *self.state.borrow_mut();
        for record in console::take(&self.input)? {
            match record {
                Record::Key(key) => state.records.push(key, &mut state.bytes),
                Record::Size => {
                    // Also told when only the buffer behind the window has grown.
                    let size = Some(self.size());
                    state.resized |= state.size != size;
                    state.size = size;
                }
            }
        }
        Ok(())
    }
}

/// Raw mode while it lives; see [`Tty::raw`].
#[derive(Debug)]
pub struct RawMode {
    input: Arc<File>,
    output: Arc<File>,
    /// Of input and output.
    before: (u32, u32),
    raw: (u32, u32),
    entered: bool,
}

impl RawMode {
    /// Writes [`ENTER`]; [`LEAVE`] follows when raw mode ends.
    ///
    /// # Errors
    /// The console is gone.
    pub fn enter(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.entered, true) {
            self.write(ENTER)?;
        }
        Ok(())
    }

    /// Writes [`LEAVE`] if the console was entered.
    ///
    /// # Errors
    /// The console is gone.
    pub fn leave(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.entered) {
            self.write(LEAVE)?;
        }
        Ok(())
    }

    /// Does nothing: a process cannot be stopped from its own console here.
    ///
    /// # Errors
    /// None; the signature is that of the other systems.
    pub fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Sets raw mode again after another program has changed it.
    ///
    /// # Errors
    /// The console is gone.
    pub fn renew(&mut self) -> io::Result<()> {
        self.set(self.raw)?;
        if self.entered {
            self.write(LEAVE)?;
            self.write(ENTER)?;
        }
        Ok(())
    }

    fn set(&self, (input, output): (u32, u32)) -> io::Result<()> {
        console::set_mode(&self.input, input)?;
        console::set_mode(&self.output, output)
    }

    fn write(&self, text: &str) -> io::Result<()> {
        console::write(&self.output, &text.encode_utf16().collect::<Vec<_>>())
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A console that is gone needs nothing.
        let _ = self.leave();
        let _ = self.set(self.before);
    }
}
