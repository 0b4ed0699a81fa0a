//! Where the output of a session goes: `sink(name, text)` appends to what its clients are told.

use std::{borrow::Cow, sync::Arc};

use keelback_wire::{application::Handle, event::Stream};
use pyo3::{prelude::*, types::PyString};

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

/// The text of a str. The wire is UTF-8, which has no halves of surrogate pairs: they are escaped.
pub(super) fn text_of<'a>(text: &'a Bound<'_, PyAny>) -> Cow<'a, str> {
    let Ok(text) = text.cast::<PyString>() else { return Cow::default() };
    text.to_cow().unwrap_or_else(|_| {
        let escaped = text.call_method1("encode", ("utf-8", "backslashreplace"));
        let bytes = escaped.and_then(|bytes| Ok(bytes.extract::<Vec<u8>>()?)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned().into()
    })
}
