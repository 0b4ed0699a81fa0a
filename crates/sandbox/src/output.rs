//! What a cell writes: counted against the limit, put into order, handed to the sink as it comes.

use std::sync::{Arc, Mutex, PoisonError};

use keelback_session::{Event, Limit, Stream};

/// Receives events while a cell runs, on the thread that runs it.
pub type Sink = Box<dyn FnMut(Event) + Send>;

/// The output of a session; host calls and file descriptors 1 and 2 share it.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<Inner>>);

struct Inner {
    limit: u64,
    written: u64,
    limit_hit: bool,
    collected: Vec<Event>,
    sink: Option<Sink>,
}

/// The cell has written all it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutputLimit;

/// What a cell wrote.
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) limit: Option<Limit>,
    /// Empty when there was a sink.
    pub(crate) events: Vec<Event>,
}

impl Output {
    pub(crate) fn new(limit: u64) -> Self {
        let inner = Inner { limit, written: 0, limit_hit: false, collected: Vec::new(), sink: None };
        Output(Arc::new(Mutex::new(inner)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_sink(&self, sink: Option<Sink>) {
        self.lock().sink = sink;
    }

    /// Starts a cell.
    pub(crate) fn begin(&self) {
        let mut inner = self.lock();
        (inner.written, inner.limit_hit) = (0, false);
        inner.collected.clear();
    }

    /// Ends it.
    pub(crate) fn end(&self) -> Written {
        let mut inner = self.lock();
        let limit = inner.limit_hit.then_some(Limit::Output(inner.limit));
        Written { bytes: inner.written, limit, events: std::mem::take(&mut inner.collected) }
    }

    /// Writes what still fits.
    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) -> Result<(), OutputLimit> {
        let mut inner = self.lock();
        let room = usize::try_from(inner.limit - inner.written).unwrap_or(usize::MAX);
        let fitting = &bytes[..bytes.len().min(room)];
        inner.written += fitting.len() as u64;
        if !fitting.is_empty() {
            inner.text(stream, fitting);
        }
        inner.fits(fitting.len() == bytes.len())
    }

    /// Hands on a rich object of `len` bytes, whole or not at all.
    pub(crate) fn display(&self, len: usize, event: impl FnOnce() -> Event) -> Result<(), OutputLimit> {
        let mut inner = self.lock();
        let fits = len as u64 <= inner.limit - inner.written;
        if fits {
            inner.written += len as u64;
            inner.event(event());
        }
        inner.fits(fits)
    }
}

impl Inner {
    fn fits(&mut self, fits: bool) -> Result<(), OutputLimit> {
        self.limit_hit |= !fits;
        if fits { Ok(()) } else { Err(OutputLimit) }
    }

    fn text(&mut self, stream: Stream, bytes: &[u8]) {
        if self.sink.is_none()
            && let Some(Event::Output { stream: last, bytes: before }) = self.collected.last_mut()
            && *last == stream
        {
            before.extend_from_slice(bytes);
        } else {
            self.event(Event::Output { stream, bytes: bytes.to_vec() });
        }
    }

    fn event(&mut self, event: Event) {
        match &mut self.sink {
            Some(sink) => sink(event),
            None => self.collected.push(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_cuts_off_text_and_counts_both_streams() {
        let output = Output::new(5);
        assert_eq!(output.write(Stream::Stdout, b"ab"), Ok(()));
        assert_eq!(output.write(Stream::Stdout, b"c"), Ok(()));
        assert_eq!(output.write(Stream::Stderr, b"defg"), Err(OutputLimit));
        assert_eq!(output.write(Stream::Stdout, b""), Ok(()));
        assert_eq!(output.write(Stream::Stdout, b"h"), Err(OutputLimit));
        let written = output.end();
        assert_eq!((written.bytes, written.limit), (5, Some(Limit::Output(5))));
        let text = |stream, text: &str| Event::Output { stream, bytes: text.into() };
        assert_eq!(written.events, [text(Stream::Stdout, "abc"), text(Stream::Stderr, "de")]);
        output.begin();
        assert_eq!(output.write(Stream::Stdout, b"h"), Ok(()));
    }
}
