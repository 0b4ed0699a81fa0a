//! Python callables as tools.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex},
};

use futures_util::future::{self, FutureExt};
use keelback_sandbox::{Parameter, ParameterKind, Tool, ToolError, Value};
use pyo3::{
    exceptions::PyKeyboardInterrupt,
    prelude::*,
    types::{PyDict, PyTuple},
};

use crate::convert::{from_python, to_python};

/// A tool as Python describes it: `(name, doc, parameters, ends_cell, is_async, function)`, a parameter being
/// `(name, json_type, annotation, kind, has_default, default)`. An async function is called with the arguments and a
/// `resolve(ok, value)`, which it has called when it is done.
pub(crate) fn tool(described: &Bound<'_, PyTuple>) -> PyResult<Tool> {
    type Described<'py> = (String, String, String, u8, bool, Bound<'py, PyAny>);
    let (name, doc, parameters, ends_cell, is_async, function) = described.extract()?;
    let (name, doc, function): (String, String, Py<PyAny>) = (name, doc, function);
    let (parameters, ends_cell, is_async): (Vec<Described<'_>>, bool, bool) = (parameters, ends_cell, is_async);
    let function = Arc::new(function);
    let mut tool = if is_async {
        Tool::new_async(name, move |call| start(&function, &call))
    } else {
        Tool::new(name, move |call| Python::attach(|py| invoke(py, &function, &call)))
    };
    tool = tool.doc(doc).unbound();
    if ends_cell {
        tool = tool.ends_cell();
    }
    for (name, json_type, annotation, kind, has_default, default) in parameters {
        let kind = match kind {
            1 => ParameterKind::VarPositional,
            2 => ParameterKind::VarKeyword,
            3 => ParameterKind::KeywordOnly,
            _ => ParameterKind::Normal,
        };
        let mut parameter = Parameter::new(name).json_type(json_type).annotation(annotation).kind(kind);
        if has_default {
            parameter = parameter.default(from_python(&default)?);
        }
        tool = tool.parameter(parameter);
    }
    Ok(tool)
}

/// What the guest passed, as Python passes it.
fn arguments<'py>(py: Python<'py>, call: &[Value]) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
    let args = match call.first() {
        Some(Value::Tuple(items)) => {
            PyTuple::new(py, items.iter().map(|v| to_python(py, v)).collect::<PyResult<Vec<_>>>()?)?
        }
        _ => PyTuple::empty(py),
    };
    let kwargs = match call.get(1) {
        Some(items @ Value::Dict(_)) => to_python(py, items)?.cast_into::<PyDict>()?,
        _ => PyDict::new(py),
    };
    Ok((args, kwargs))
}

fn invoke(py: Python<'_>, function: &Py<PyAny>, call: &[Value]) -> Result<Value, ToolError> {
    let run = || {
        let (args, kwargs) = arguments(py, call)?;
        let result = function.bind(py).call(args, Some(&kwargs))?;
        from_python(&result)
    };
    run().map_err(|error| {
        let described = tool_error(py, &error);
        if error.is_instance_of::<PyKeyboardInterrupt>(py) {
            // Ctrl-C came while the host's code ran: the guest hears of it, and the host's program has it in the end.
            RUNNING.with_borrow_mut(|running| {
                if let Some((_, interrupt)) = running.last_mut() {
                    *interrupt = Some(error);
                }
            });
        }
        described
    })
}

thread_local! {
    /// The sessions whose cells run on this thread, the innermost last, and the KeyboardInterrupt that left a tool.
    static RUNNING: RefCell<Vec<(usize, Option<PyErr>)>> = const { RefCell::new(Vec::new()) };
}

/// Whether the session at *address* runs a cell on this thread: then this is called from a tool of it.
pub(crate) fn runs_here(address: usize) -> bool {
    RUNNING.with_borrow(|running| running.iter().any(|(other, _)| *other == address))
}

pub(crate) struct Running(());

impl Running {
    pub(crate) fn new(address: usize) -> Self {
        RUNNING.with_borrow_mut(|running| running.push((address, None)));
        Running(())
    }

    /// The KeyboardInterrupt that left a tool.
    pub(crate) fn end(self) -> Option<PyErr> {
        RUNNING.with_borrow_mut(|running| running.last_mut().and_then(|(_, interrupt)| interrupt.take()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(|running| drop(running.pop()));
    }
}

/// The type's name and the text, and nothing of the host's frames.
fn tool_error(py: Python<'_>, error: &PyErr) -> ToolError {
    let name = error.get_type(py).name().map_or_else(|_| "Exception".into(), |name| name.to_string());
    let value = error.value(py);
    // str(KeyError('x')) is a repr; what its argument says is what the guest's KeyError should hold.
    let argument = value.getattr("args").and_then(|args| args.extract::<(String,)>());
    let message = match argument {
        Ok((text,)) => text,
        Err(_) => value.str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned()),
    };
    ToolError::new(name, message)
}

type Answer = Result<Value, ToolError>;

/// Called once with how a call ended.
#[pyclass(frozen, module = "keelback._native")]
struct Resolve(Arc<Pending>);

struct Pending {
    answer: Mutex<Option<Answer>>,
    waker: futures_util::task::AtomicWaker,
}

#[pymethods]
impl Resolve {
    fn __call__(&self, ok: bool, value: &Bound<'_, PyAny>) {
        let py = value.py();
        let answer = if ok {
            from_python(value).map_err(|error| tool_error(py, &error))
        } else {
            let error = PyErr::from_value(value.clone());
            Err(tool_error(py, &error))
        };
        if let Ok(mut slot) = self.0.answer.lock() {
            slot.get_or_insert(answer);
        }
        self.0.waker.wake();
    }
}

fn start(function: &Py<PyAny>, call: &[Value]) -> future::BoxFuture<'static, Answer> {
    let pending = Arc::new(Pending { answer: Mutex::new(None), waker: futures_util::task::AtomicWaker::new() });
    let started = Python::attach(|py| {
        let begin = || {
            let (args, kwargs) = arguments(py, call)?;
            let resolve = Bound::new(py, Resolve(Arc::clone(&pending)))?;
            function.bind(py).call1((resolve, args, kwargs))
        };
        begin().map(Bound::unbind).map_err(|error| tool_error(py, &error))
    });
    let cancel = match started {
        Ok(cancel) => Cancel(Some(cancel)),
        Err(error) => return future::ready(Err(error)).boxed(),
    };
    async move {
        let mut cancel = cancel;
        let answer = future::poll_fn(|cx| {
            pending.waker.register(cx.waker());
            let answer = pending.answer.lock().ok().and_then(|mut slot| slot.take());
            answer.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await;
        cancel.0 = None;
        answer
    }
    .boxed()
}

/// Calls `cancel()` when a call is dropped before it is done.
struct Cancel(Option<Py<PyAny>>);

impl Drop for Cancel {
    fn drop(&mut self) {
        if let Some(cancel) = self.0.take() {
            Python::attach(|py| {
                let _ = cancel.call0(py);
            });
        }
    }
}
