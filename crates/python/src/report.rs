//! What came of a cell, as tuples that the Python package makes its `Result` of.

use keelback_sandbox::{ChangeKind, Event, Limit, Outcome, Raised, Report, Stream};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyList, PyTuple},
};

use crate::convert::{mime, to_python};

pub(crate) fn report<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyTuple>> {
    let events = PyList::empty(py);
    for event in &report.events {
        match event {
            Event::Output { stream, bytes } => {
                let name = if *stream == Stream::Stdout { "stdout" } else { "stderr" };
                events.append((name, PyBytes::new(py, bytes)))?;
            }
            Event::Display(bundle) => events.append(("display", mime(py, bundle)?))?,
            _ => {}
        }
    }
    let files = PyList::empty(py);
    for change in &report.files {
        let kind = match change.kind {
            ChangeKind::Created => "created",
            ChangeKind::Modified => "modified",
            ChangeKind::Deleted => "deleted",
        };
        files.append((change.guest_path.as_str(), kind, change.bytes))?;
    }
    let usage = &report.usage;
    let usage = (
        usage.wall.as_secs_f64(),
        usage.cpu.as_secs_f64(),
        usage.peak_memory_bytes,
        usage.output_bytes,
        usage.tool_calls,
    );
    let parts = (outcome(py, &report.outcome)?, events, files, &report.sync_errors, report.rolled_back, usage);
    parts.into_pyobject(py)
}

fn outcome<'py>(py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyTuple>> {
    match outcome {
        Outcome::Done => ("done",).into_pyobject(py),
        Outcome::Value { repr, type_name, data, mime: bundle } => {
            let value = data.as_ref().map(|value| to_python(py, value)).transpose()?;
            ("value", repr, type_name, data.is_some(), value, mime(py, bundle)?).into_pyobject(py)
        }
        Outcome::Raised(raised) => ("raised", info(py, raised)?).into_pyobject(py),
        Outcome::Invalid(raised) => ("invalid", info(py, raised)?).into_pyobject(py),
        Outcome::Incomplete => ("incomplete",).into_pyobject(py),
        Outcome::Exit { code, message, type_name } => {
            ("exit", *code, message.as_deref(), type_name.as_deref()).into_pyobject(py)
        }
        Outcome::Final { tool, value } => ("final", tool, to_python(py, value)?).into_pyobject(py),
        Outcome::Stopped { limit, reason, .. } => {
            ("stopped", limit.map(|limit| limit.to_string()), limit.map(kind), reason).into_pyobject(py)
        }
        other => ("unknown", format!("{other:?}")).into_pyobject(py),
    }
}

fn kind(limit: Limit) -> &'static str {
    match limit {
        Limit::WallTime(_) => "time",
        Limit::CpuTime(_) => "cpu",
        Limit::Memory(_) => "memory",
        Limit::Output(_) => "output",
        Limit::ToolCalls(_) => "tool_calls",
        Limit::Connections(_) => "connections",
        Limit::NetworkSent(_) => "network_sent",
        Limit::NetworkReceived(_) => "network_received",
        Limit::ConnectTime(_) => "connect_time",
        _ => "other",
    }
}

fn info<'py>(py: Python<'py>, raised: &Raised) -> PyResult<Bound<'py, PyDict>> {
    let args = PyList::empty(py);
    for (repr, value) in &raised.args {
        match value {
            Some(value) => args.append(to_python(py, value)?)?,
            None => args.append(repr)?,
        }
    }
    let frames = PyList::empty(py);
    for frame in &raised.frames {
        let place = (frame.line, frame.end_line, frame.column, frame.end_column);
        frames.append((&frame.filename, &frame.name, place, &frame.source))?;
    }
    let dict = PyDict::new(py);
    dict.set_item("type", &raised.type_name)?;
    dict.set_item("module", &raised.module)?;
    dict.set_item("message", &raised.message)?;
    dict.set_item("args", args.to_tuple())?;
    dict.set_item("traceback", &raised.traceback)?;
    dict.set_item("frames", frames)?;
    dict.set_item("notes", &raised.notes)?;
    dict.set_item("limit", raised.limit.map(kind))?;
    dict.set_item("limit_text", raised.limit.map(|limit| limit.to_string()))?;
    Ok(dict)
}
