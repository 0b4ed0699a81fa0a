//! Standard input from somebody who is asked: a prompt that reads a line from a person.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

use crate::{
    Stdin,
    watch::{RunningCell, Watch},
};

/// Standard input that is asked for, line by line. Clones share what of a line is not read yet.
#[derive(Clone)]
pub struct Lines {
    source: Arc<Mutex<Source>>,
    /// None outside a session.
    cell: Option<(Arc<RunningCell>, Watch)>,
}

type Ask = Box<dyn FnMut(&Asking) -> io::Result<Vec<u8>> + Send>;

struct Source {
    ask: Ask,
    rest: Vec<u8>,
}

impl Lines {
    /// `ask` is called on the thread that runs the cell, whenever the guest reads and nothing is left. What it returns is
    /// read as it is: a line ends with `\n`. Nothing at all is the end of input, this once. With
    /// [`io::ErrorKind::Interrupted`] the cell gets KeyboardInterrupt.
    ///
    /// All output before it has gone to the sink: the text of `input("name? ")` is there.
    pub fn new(ask: impl FnMut(&Asking) -> io::Result<Vec<u8>> + Send + 'static) -> Self {
        Lines { source: Arc::new(Mutex::new(Source { ask: Box::new(ask), rest: Vec::new() })), cell: None }
    }

    pub(crate) fn read(&self, target: &mut [u8]) -> io::Result<usize> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((cell, watch)) = &self.cell else { return Ok(0) };
        if source.rest.is_empty() && !target.is_empty() {
            let asking = Asking { cell: Arc::clone(cell) };
            // Time that a person takes is not the guest's.
            cell.leave();
            let asked = (source.ask)(&asking);
            cell.enter();
            if asking.is_interrupted() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            source.rest = match asked {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    if cell.interrupt() {
                        watch.look_at(cell, Instant::now() + Duration::from_millis(1));
                    }
                    return Err(error);
                }
                result => result?,
            };
        }
        let len = source.rest.len().min(target.len());
        target[..len].copy_from_slice(&source.rest[..len]);
        source.rest.drain(..len);
        Ok(len)
    }
}

/// The reading that [`Lines`] is asked for.
pub struct Asking {
    cell: Arc<RunningCell>,
}

impl Asking {
    /// Whether the cell has been interrupted, or a limit was hit: whoever is asked should return.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.cell.is_interrupted()
    }

    /// Waits for `line`, but no longer than until the cell is interrupted.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when it is.
    pub fn until<T>(&self, line: impl Future<Output = T>) -> io::Result<T> {
        let mut line = pin!(line);
        pollster::block_on(poll_fn(|cx| {
            self.cell.waker.register(cx.waker());
            if self.is_interrupted() {
                return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
            }
            line.as_mut().poll(cx).map(Ok)
        }))
    }
}

impl Stdin {
    /// For a session of its own.
    pub(crate) fn for_cell(&self, cell: &Arc<RunningCell>, watch: &Watch) -> Stdin {
        match self {
            Stdin::Lines(lines) => {
                Stdin::Lines(Lines { source: Arc::clone(&lines.source), cell: Some((Arc::clone(cell), watch.clone())) })
            }
            other => other.clone(),
        }
    }
}
