//! Where the output of a session goes: `sink(name, text)` appends to what its clients are told.

use std::sync::Arc;

use keelback_wire::{application::Handle, event::Stream};
use pyo3::prelude::*;

/// Called by every `print` of a session: no system call, no lock of Python's is waited for.
#[pyclass(frozen, module = "keelback._native")]
pub(crate) struct Sink {
    pub(super) handle: Arc<dyn Handle>,
    /// None takes what the application prints, for those who asked for it.
    pub(super) session: Option<String>,
}

#[pymethods]
impl Sink {
    fn __call__(&self, name: &str, text: &Bound<'_, PyAny>) {
        let stream = if name == "stderr" { Stream::Err } else { Stream::Out };
        let text = text_of(text);
        match &self.session {
            Some(session) => self.handle.output(session, stream, &text),
            None => self.handle.tapped(stream, &text),
        }
    }
}

/// The text of a str; half a surrogate pair becomes a replacement character, for the wire is UTF-8.
pub(super) fn text_of<'a>(text: &'a Bound<'_, PyAny>) -> std::borrow::Cow<'a, str> {
    text.cast::<pyo3::types::PyString>().map_or_else(|_| "".into(), |text| text.to_string_lossy())
}
