//! A prompt without a terminal: a thread that has the front, keys that come in and bytes that go out.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel},
    },
    thread,
    time::Duration,
};

use keelback_editor::edit::Size;
use keelback_prompt::{
    front::{Flow, Record},
    tty::ENTER,
};
use tokio::sync::mpsc;

use super::{Application, Cells, Opened};

/// What a prompt is given.
#[derive(Debug)]
pub(super) enum Input {
    /// Keys, as a terminal sends them.
    Keys(Vec<u8>),
    /// The window has another size.
    Resized(Size),
    /// The text of [`Output::Edit`], changed; None leaves it as it was.
    Edited(Option<String>),
    /// The session has told something.
    Woken,
    /// Nobody has a window for it any more.
    Close,
}

/// What a prompt gives.
#[derive(Debug)]
pub(super) enum Output {
    /// For the terminal.
    Bytes(Vec<u8>),
    /// A long text to read.
    Page(String),
    /// A text to change.
    Edit(String),
    /// It is over; nothing follows.
    Ended,
    /// Another window has this prompt now; nothing follows.
    Taken,
}

/// Bytes of the screen that a window which comes back is shown; a choice: some 2000 lines.
const REPLAY_MAX: usize = 256 << 10;
/// Writes that wait for a window before the prompt does; a choice.
const WRITES_MAX: usize = 64;

/// Wakes the thread of a prompt. Many wakes before it looks are one.
#[derive(Clone, Debug)]
pub(crate) struct Wake {
    inputs: Sender<Input>,
    is_sent: Arc<AtomicBool>,
}

impl Wake {
    /// There is something to receive.
    pub(crate) fn wake(&self) {
        if !self.is_sent.swap(true, Ordering::AcqRel) {
            // A prompt that is gone wants to know nothing.
            let _ = self.inputs.send(Input::Woken);
        }
    }
}

/// A prompt that runs.
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    inputs: Sender<Input>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    screen: Mutex<Screen>,
    /// `ended` has become true.
    over: Condvar,
}

impl Shared {
    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What its window shows.
#[derive(Debug)]
struct Screen {
    size: Size,
    /// The last bytes that were written.
    written: Vec<u8>,
    window: Option<mpsc::Sender<Output>>,
    ended: bool,
}

/// What a window that opens gets.
#[derive(Debug)]
pub(super) struct Window {
    /// The size that [`written`](Self::written) is for.
    pub(super) size: Size,
    /// What is on the screen already.
    pub(super) written: Vec<u8>,
    /// What follows.
    pub(super) outputs: mpsc::Receiver<Output>,
}

impl Terminal {
    /// Starts a prompt in a thread of its own.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn start<A: Application>(application: &A, size: Size) -> Result<Terminal, String> {
        let (inputs, received) = channel();
        let is_sent = Arc::new(AtomicBool::new(false));
        let opened = application.open(size, Wake { inputs: inputs.clone(), is_sent: Arc::clone(&is_sent) })?;
        let screen = Screen { size, written: ENTER.as_bytes().to_vec(), window: None, ended: false };
        let shared = Arc::new(Shared { screen: Mutex::new(screen), over: Condvar::new() });
        let pump = Pump { opened, inputs: received, is_sent, shared: Arc::clone(&shared) };
        let thread = thread::Builder::new().name("prompt".into()).spawn(|| pump.run());
        thread.map_err(|error: io::Error| format!("no thread for the prompt: {error}"))?;
        Ok(Terminal { inputs, shared })
    }

    /// Gives it keys or news of its window.
    pub(super) fn give(&self, input: Input) {
        // A prompt that has ended says so itself.
        let _ = self.inputs.send(input);
    }

    /// Opens a window on it in place of the one it may have; None when it has ended.
    pub(super) fn open_window(&self) -> Option<Window> {
        let mut screen = self.shared.screen();
        if screen.ended {
            return None;
        }
        let (sender, outputs) = mpsc::channel(WRITES_MAX);
        if let Some(before) = screen.window.replace(sender) {
            // A window that is full of output learns it from the end of the channel.
            let _ = before.try_send(Output::Taken);
        }
        Some(Window { size: screen.size, written: screen.written.clone(), outputs })
    }

    /// Waits until it has ended, at most for so long.
    pub(super) fn wait(&self, limit: Duration) {
        drop(self.shared.over.wait_timeout_while(self.shared.screen(), limit, |screen| !screen.ended));
    }

    /// Whether there is a window open on it.
    pub(super) fn has_window(&self) -> bool {
        self.shared.screen().window.as_ref().is_some_and(|window| !window.is_closed())
    }
}

struct Pump<B> {
    opened: Opened<B>,
    inputs: Receiver<Input>,
    is_sent: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl<B: Cells> Pump<B> {
    fn run(mut self) {
        while self.step() {}
        self.opened.front.record.end();
        if let Some(said) = self.opened.front.backend.leave() {
            self.opened.front.tell_note(&said);
        }
        self.write();
        let mut screen = self.shared.screen();
        screen.ended = true;
        let window = screen.window.take();
        drop(screen);
        self.shared.over.notify_all();
        if let Some(window) = window {
            let _ = window.blocking_send(Output::Ended);
        }
    }

    /// Does what there is to do, or else waits; false when the prompt is over.
    fn step(&mut self) -> bool {
        while let Ok(told) = self.opened.told.try_recv() {
            let flow = self.opened.front.tell(told);
            if flow.is_some_and(|flow| !self.handle(flow)) {
                return false;
            }
        }
        if let Some(flow) = self.opened.front.advance() {
            return self.handle(flow);
        }
        self.paint();
        let input = match self.inputs.try_recv() {
            Ok(input) => input,
            Err(TryRecvError::Disconnected) => return false,
            Err(TryRecvError::Empty) => {
                // Nobody waits for the echo of a key: the time for what takes longer.
                self.opened.front.idle();
                self.paint();
                match self.wait() {
                    Some(input) => input,
                    None => return true,
                }
            }
        };
        self.take(input)
    }

    /// None when an Escape was waited for, and is one.
    fn wait(&mut self) -> Option<Input> {
        let Some(time) = self.opened.front.pending() else {
            return Some(self.inputs.recv().unwrap_or(Input::Close));
        };
        match self.inputs.recv_timeout(time) {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Disconnected) => Some(Input::Close),
            Err(RecvTimeoutError::Timeout) => {
                self.opened.front.flush();
                None
            }
        }
    }

    fn take(&mut self, input: Input) -> bool {
        let front = &mut self.opened.front;
        match input {
            Input::Keys(bytes) => front.input(&bytes),
            Input::Resized(size) => {
                self.shared.screen().size = size;
                front.resized(size);
            }
            Input::Edited(text) => front.edited(text.as_deref()),
            Input::Woken => self.is_sent.store(false, Ordering::Release),
            Input::Close => return false,
        }
        true
    }

    /// False when the prompt is over.
    fn handle(&mut self, flow: Flow) -> bool {
        self.write();
        match flow {
            Flow::Run(run) => self.opened.front.backend.run(run),
            Flow::Leave(_) => return false,
            // There is no shell to go back to.
            Flow::Suspend => {}
            Flow::Page(text) => self.send(Output::Page(text)),
            Flow::Edit(text) => self.send(Output::Edit(text)),
        }
        true
    }

    fn paint(&mut self) {
        self.opened.front.paint();
        self.write();
    }

    fn write(&mut self) {
        let bytes = self.opened.front.take_output();
        if bytes.is_empty() {
            return;
        }
        keep(&mut self.shared.screen().written, &bytes);
        self.send(Output::Bytes(bytes));
    }

    /// Waits for a window that is slow.
    fn send(&self, output: Output) {
        let window = self.shared.screen().window.clone();
        if let Some(window) = window {
            // One that was closed is told again from what was kept.
            let _ = window.blocking_send(output);
        }
    }
}

/// Adds to the end, and takes whole lines from the start where it gets too long.
fn keep(written: &mut Vec<u8>, bytes: &[u8]) {
    written.extend_from_slice(bytes);
    if written.len() > 2 * REPLAY_MAX {
        let from = written.len() - REPLAY_MAX;
        let line = written[from..].iter().position(|byte| *byte == b'\n').map_or(from, |at| from + at + 1);
        let rest = written.split_off(line);
        *written = ENTER.as_bytes().to_vec();
        written.extend(rest);
    }
}
