//! Where the output of a session goes: `sink(name, text)` appends to what its clients are told.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use keelback_wire::{application::Handle, event::Stream};
use pyo3::{exceptions::PyTypeError, intern, prelude::*, types::PyString};

/// Called by every `print` of a session: no system call, no lock of Python's is waited for.
#[pyclass(frozen, module = "keelback._native")]
pub(crate) struct Sink {
    pub(super) handle: Arc<dyn Handle>,
    /// None takes what the application prints, for those who asked for it.
    pub(super) session: Option<String>,
}

impl Sink {
    fn print(&self, stream: Stream, text: &str) {
        match &self.session {
            Some(session) => self.handle.output(session, stream, text),
            None => self.handle.tapped(stream, text),
        }
    }
}

#[pymethods]
impl Sink {
    fn __call__(&self, name: &str, text: &Bound<'_, PyAny>) {
        self.print(stream_of(name), &text_of(text));
    }
}

fn stream_of(name: &str) -> Stream {
    if name == "stderr" { Stream::Err } else { Stream::Out }
}

/// What `print` writes to while sessions have output of their own (`_output.py`): the text goes to the sink of the session
/// whose code runs, else to the program's stream. A `print` costs two calls of this, so it is not written in Python.
#[pyclass(frozen, subclass, module = "keelback._native")]
pub(crate) struct Writer {
    name: String,
    stream: Mutex<Py<PyAny>>,
    /// Returns the `Ends` of the session whose code runs, or None.
    routed: Py<PyAny>,
}

impl Writer {
    fn lock(&self) -> MutexGuard<'_, Py<PyAny>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Writer {
    #[new]
    fn new(name: String, stream: Py<PyAny>, routed: Py<PyAny>) -> Self {
        Writer { name, stream: Mutex::new(stream), routed }
    }

    #[getter]
    fn _stream(&self, py: Python<'_>) -> Py<PyAny> {
        self.lock().clone_ref(py)
    }

    #[setter(_stream)]
    fn set_stream(&self, stream: Py<PyAny>) {
        *self.lock() = stream;
    }

    fn write<'py>(&self, text: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = text.py();
        let ends = self.routed.bind(py).call0()?;
        if ends.is_none() {
            let stream = self._stream(py);
            return stream.bind(py).call_method1(intern!(py, "write"), (text,));
        }
        if !text.is_instance_of::<PyString>() {
            let kind = text.get_type().name()?;
            return Err(PyTypeError::new_err(format!("write() argument must be str, not {kind}")));
        }
        let sink = ends.getattr(intern!(py, "sink"))?;
        match sink.cast::<Sink>() {
            Ok(sink) => sink.get().print(stream_of(&self.name), &text_of(text)),
            Err(_) => drop(sink.call1((self.name.as_str(), text))?),
        }
        Ok(text.len()?.into_pyobject(py)?.into_any())
    }
}

/// The text of a str. The wire is UTF-8, which has no halves of surrogate pairs: they are escaped.
pub(super) fn text_of<'a>(text: &'a Bound<'_, PyAny>) -> Cow<'a, str> {
    let Ok(text) = text.cast::<PyString>() else { return Cow::default() };
    text.to_cow().unwrap_or_else(|_| {
        let escaped = text.call_method1("encode", ("utf-8", "backslashreplace"));
        let bytes = escaped.and_then(|bytes| bytes.extract::<Vec<u8>>()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned().into()
    })
}
