//! Where the output of a session goes: `sink(name, text)` appends to what its clients are told.

use std::{
    borrow::Cow,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use keelback_wire::{application::Handle, event::Stream};
use pyo3::{
    exceptions::PyTypeError,
    intern,
    prelude::*,
    types::{PyIterator, PyString, PyTuple},
};

/// Called by every `print` of a session: no system call, no lock of Python's is waited for.
#[pyclass(frozen, module = "keelback._native")]
pub(crate) struct Sink {
    pub(super) handle: Arc<dyn Handle>,
    /// None takes what the application prints, for those who asked for it.
    pub(super) session: Option<String>,
}

/// From so many bytes on the server's thread copies a text: a choice. Copying 10 MB into memory that the process never had
/// takes 5 ms.
const LONG: usize = 64 << 10;

impl Sink {
    fn print(&self, stream: Stream, text: &Bound<'_, PyAny>) {
        let read = text_of(text);
        match &self.session {
            Some(session) => match read {
                // The end of a subclass's may run code, which prints, while the server's queue is locked.
                Cow::Borrowed(read) if read.len() >= LONG && text.is_exact_instance_of::<PyString>() => {
                    self.handle.output_shared(session, stream, Box::new(Kept::new(text, read)));
                }
                read => self.handle.output(session, stream, &read),
            },
            None => self.handle.tapped(stream, &read),
        }
    }
}

/// A long str that is read without Python's lock, and kept so long.
struct Kept {
    text: *const u8,
    length: usize,
    _owner: Py<PyAny>,
}

#[expect(unsafe_code, reason = "Python's strings are bytes that stay where they are")]
// SAFETY: the bytes are never written to; the owner is let go of under Python's lock, whichever thread drops it.
unsafe impl Send for Kept {}

impl Kept {
    /// `read` is what stands in `text`.
    fn new(text: &Bound<'_, PyAny>, read: &str) -> Self {
        Kept { text: read.as_ptr(), length: read.len(), _owner: text.clone().unbind() }
    }
}

impl AsRef<str> for Kept {
    #[expect(unsafe_code, reason = "Python's strings are bytes that stay where they are")]
    fn as_ref(&self) -> &str {
        // SAFETY: `new` took both from a `&str` that is part of the owner: a str does not change, nor move, while it lives.
        unsafe { str::from_utf8_unchecked(std::slice::from_raw_parts(self.text, self.length)) }
    }
}

#[pymethods]
impl Sink {
    fn __call__(&self, name: &str, text: &Bound<'_, PyAny>) {
        self.print(stream_of(name), text);
    }
}

fn stream_of(name: &str) -> Stream {
    if name == "stderr" { Stream::Err } else { Stream::Out }
}

/// The ends of a session's streams: what takes its output, `sink(name, text)`, and what is asked for its input, `ask()`,
/// or None.
#[pyclass(frozen, get_all, module = "keelback._native")]
pub(crate) struct Ends {
    sink: Py<PyAny>,
    ask: Option<Py<PyAny>>,
}

#[pymethods]
impl Ends {
    #[new]
    #[pyo3(signature = (sink, ask = None))]
    fn new(sink: Py<PyAny>, ask: Option<Py<PyAny>>) -> Self {
        Ends { sink, ask }
    }
}

/// What `print` writes to while sessions have output of their own (`_output.py`): the text goes to the sink of the session
/// whose code runs, else to the program's stream. A `print` costs two calls of this, so nothing of it is Python.
#[pyclass(frozen, module = "keelback._native")]
pub(crate) struct Writer {
    name: String,
    stream: Mutex<Py<PyAny>>,
    /// Returns the `Ends` of the session whose code runs, or None.
    routed: Py<PyAny>,
    /// What the session finds in place of the stream, for all but `write`.
    own: Py<PyAny>,
}

impl Writer {
    fn lock(&self) -> MutexGuard<'_, Py<PyAny>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream of whose code runs.
    fn found<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let is_own = !self.routed.bind(py).call0()?.is_none();
        Ok(if is_own { self.own.bind(py).clone() } else { self._stream(py).into_bound(py) })
    }
}

#[pymethods]
impl Writer {
    #[new]
    fn new(name: String, stream: Py<PyAny>, routed: Py<PyAny>, own: Py<PyAny>) -> Self {
        Writer { name, stream: Mutex::new(stream), routed, own }
    }

    #[getter]
    fn _stream(&self, py: Python<'_>) -> Py<PyAny> {
        self.lock().clone_ref(py)
    }

    #[setter(_stream)]
    fn set_stream(&self, stream: Py<PyAny>) {
        // Its end may run code that prints: not under the lock.
        let before = mem::replace(&mut *self.lock(), stream);
        drop(before);
    }

    fn write<'py>(&self, text: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = text.py();
        let ends = self.routed.bind(py).call0()?;
        let Ok(ends) = ends.cast::<Ends>() else {
            let stream = self._stream(py);
            return stream.bind(py).call_method1(intern!(py, "write"), (text,));
        };
        if !text.is_instance_of::<PyString>() {
            let kind = text.get_type().name()?;
            return Err(PyTypeError::new_err(format!("write() argument must be str, not {kind}")));
        }
        let sink = ends.get().sink.bind(py);
        match sink.cast::<Sink>() {
            Ok(sink) => sink.get().print(stream_of(&self.name), text),
            Err(_) => drop(sink.call1((self.name.as_str(), text))?),
        }
        Ok(text.len()?.into_pyobject(py)?.into_any())
    }

    fn __getattr__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.found(py)?.getattr(name)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.found(py)?.try_iter()
    }

    fn __enter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.found(py)?.call_method0(intern!(py, "__enter__"))
    }

    #[pyo3(signature = (*error))]
    fn __exit__<'py>(&self, error: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        self.found(error.py())?.call_method1(intern!(error.py(), "__exit__"), error.clone())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<{} of the session that runs, else {}>", self.name, self._stream(py).bind(py).repr()?))
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
