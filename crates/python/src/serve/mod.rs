//! `_native.Server`: a served program. The server's thread never waits for Python: cells are left in a queue that the
//! loop is woken for (`post.rs`), output goes the other way without it (`sink.rs`), questions have a thread of their own
//! (`questions.rs`), and interrupts and the guard work while Python is stuck (`interrupts.rs`, `guard.rs`).

mod guard;
mod interrupts;
mod lines;
mod options;
mod outcome;
mod post;
mod questions;
mod served;
#[cfg(unix)]
mod signal;
#[cfg(windows)]
#[path = "signal/windows.rs"]
mod signal;
mod sink;
mod stacks;
mod waits;

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use keelback_wire::{application::Audit, message::CellNumber, reply::NeedsInput, server};
use pyo3::{
    exceptions::PyOSError,
    ffi,
    prelude::*,
    types::{PyDict, PyList, PyTuple},
};
use rustix::fd::RawFd;

use interrupts::{Meant, Reach};
use post::{Post, Posted};
use served::{Front, Served};
use signal::Thread;
pub(crate) use sink::{Ends, Sink, Writer};

/// A server. Methods are for the application's side; those that wait do so without the interpreter's lock.
#[pyclass(frozen, module = "keelback._native")]
pub(crate) struct Server {
    served: Arc<Served>,
    server: Mutex<Option<server::Server>>,
    address: String,
    key: Option<String>,
    process: u32,
}

/// An OSError that says why.
fn failed(error: impl std::error::Error) -> PyErr {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    PyOSError::new_err(text)
}

#[pymethods]
impl Server {
    /// Listens from now on. `owner` answers what clients ask (`check`, `complete` ...).
    #[new]
    fn new(py: Python<'_>, owner: Py<PyAny>, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let stacks = options::stacks(options)?;
        let guard = options::guard(options, &stacks)?;
        let (config, listener) = (options::config(options)?, options::listener(options)?);
        let (address, key) = (listener.address(), listener.key().map(ToString::to_string));
        let served = Arc::new(Served::new(Post::new()?, stacks, guard, owner));
        let front = Arc::new(Front(Arc::clone(&served)));
        let server = py.detach(|| server::Server::start(config, vec![listener], front)).map_err(failed)?;
        Ok(Server { served, server: Mutex::new(Some(server)), address, key, process: std::process::id() })
    }

    /// Readable while there is something to `take`.
    fn fileno(&self) -> RawFd {
        self.served.post.fd()
    }

    /// What `faulthandler` is to write stacks to.
    fn dump_fd(&self) -> RawFd {
        self.served.stacks.fd()
    }

    /// Where a TCP server listens, with the port it was given.
    #[getter]
    fn address(&self) -> &str {
        &self.address
    }

    /// What a client of a TCP server has to know.
    #[getter]
    fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The thread that calls runs cells from now on: `interrupt` is the number of the signal that interrupts there, or
    /// None where no signal handlers run; `dump` that which makes any thread write its stack.
    fn here(&self, interrupt: Option<i32>, dump: Option<i32>) {
        let thread = Thread::current();
        self.served.stacks.set_signal(dump);
        self.served.interrupts.set_reach(match interrupt {
            Some(signal) => Reach::Signal(thread, signal),
            None => self.call_reach(thread),
        });
        if let Some(guard) = &self.served.guard {
            guard.watch();
        }
    }

    /// The thread that calls is that of one cell.
    fn cell_here(&self, session: String, cell: CellNumber) {
        self.served.interrupts.runs_in((session, cell), Thread::current());
    }

    /// All that was posted, as tuples whose first item is the kind.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for posted in self.served.post.take() {
            if let Some(item) = tuple(py, posted)? {
                list.append(item)?;
            }
        }
        if let Some(held) = self.came(py)? {
            list.append(held)?;
        }
        Ok(list)
    }

    /// The loop comes to what is posted, though another thread has taken it. What held the loop until now, as an item of
    /// `take`, which does this too in the thread of the loop.
    fn came<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(guard) = &self.served.guard else { return Ok(None) };
        let Some(held) = guard.came() else { return Ok(None) };
        let line = held.frames.last().cloned().unwrap_or_default();
        let seconds = held.since.elapsed().as_secs_f64();
        Ok(Some(("held", guard.is_pumped, seconds, line.file, line.line, line.function).into_pyobject(py)?))
    }

    /// Whether the cell is to be interrupted; true once for an interrupt.
    fn take_interrupt(&self, session: &str, cell: CellNumber) -> bool {
        self.served.interrupts.take(session, cell)
    }

    fn began(&self, session: &str, cell: CellNumber) {
        self.served.handle().began(session, cell);
    }

    /// The cell is over: `(kind, status, text)` as `outcome.rs` reads it, seconds by the clock and computing, prompts.
    fn ended(
        &self,
        session: &str,
        cell: CellNumber,
        outcome: (String, u8, Option<String>),
        took: (f64, f64),
        prompts: (String, String),
    ) {
        self.served.forget(session, cell);
        self.served.handle().ended(session, outcome::ended(cell, outcome, took, prompts));
    }

    /// The cell shows a value.
    #[pyo3(signature = (session, cell, quota, text, pretty = None, cut = false, png = None))]
    #[expect(clippy::too_many_arguments, reason = "only `_served.py` calls it")]
    fn shown(
        &self,
        session: &str,
        cell: CellNumber,
        quota: usize,
        text: &Bound<'_, PyAny>,
        pretty: Option<&Bound<'_, PyAny>>,
        cut: bool,
        png: Option<Vec<u8>>,
    ) {
        let pretty = pretty.map(sink::text_of);
        let body = outcome::shown(cell, quota, &sink::text_of(text), pretty.as_deref(), cut, png);
        self.served.handle().event(Some(session), body);
    }

    /// An exception left the cell: `info` as `_session.exception_info` makes it.
    fn raised(&self, session: &str, cell: CellNumber, info: &Bound<'_, PyDict>) -> PyResult<()> {
        self.served.handle().event(Some(session), outcome::raised(cell, info)?);
        Ok(())
    }

    /// Waits for a line of input, without the interpreter's lock; None is the end of input.
    fn line(
        &self,
        py: Python<'_>,
        session: &str,
        cell: CellNumber,
        prompt: String,
        hidden: bool,
    ) -> PyResult<Option<String>> {
        let handle = Arc::clone(self.served.handle());
        let ask = move || handle.needs_input(session, NeedsInput { cell, prompt, hidden });
        self.served.lines.wait(py, session, cell, ask)
    }

    /// Ends the input of all sessions: cells that wait for a line go on. For the begin of the end of the server; a thread
    /// that waits here when the interpreter is finalised would end the process with it.
    fn end_input(&self) {
        self.served.lines.close_all();
    }

    /// Where the output of a session goes, or with None that of the application.
    fn sink(&self, session: Option<String>) -> Sink {
        Sink { handle: Arc::clone(self.served.handle()), session }
    }

    /// The session ends from this side.
    fn closed(&self, session: &str) {
        self.served.handle().closed(session);
    }

    /// Raises KeyboardInterrupt in a thread of Python's, at its next instruction. When that does not come soon, clients
    /// are told where the cell is: at `frames` now.
    #[pyo3(signature = (thread, session = None, cell = 0, frames = Vec::new()))]
    fn raise_in(
        &self,
        py: Python<'_>,
        thread: u64,
        session: Option<String>,
        cell: CellNumber,
        frames: Vec<questions::Told>,
    ) {
        raise_in(py, thread);
        if let Some(session) = session {
            self.served.interrupts.raised((session, cell), questions::frames_of(frames));
        }
    }

    /// Ends the server and all its threads.
    fn close(&self, py: Python<'_>) {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.served.stacks.set_signal(None);
        let mut threads: Vec<Option<JoinHandle<()>>> = self.served.interrupts.stop().into();
        threads.extend(self.served.guard.as_ref().map(|guard| guard.stop()));
        let owner = self.served.owner.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(owner);
        py.detach(|| {
            if let Some(server) = server {
                server.stop();
            }
            threads.push(self.served.questions.stop());
            let here = std::thread::current().id();
            for thread in threads.into_iter().flatten().filter(|thread| thread.thread().id() != here) {
                let _ = thread.join();
            }
        });
        // Python may keep this object for long, in the traceback of the last exception.
        self.served.close_descriptors();
    }

    /// In a child of fork: closes what was inherited. The threads are the parent's.
    fn abandon(&self) {
        // No lock is waited for: one that another thread held stays held in the child.
        if self.process == std::process::id() {
            return;
        }
        self.served.close_descriptors();
        if let Ok(mut server) = self.server.try_lock()
            && let Some(server) = server.take()
        {
            server.abandon();
        }
    }
}

impl Server {
    fn call_reach(&self, thread: Thread) -> Reach {
        let served = Arc::downgrade(&self.served);
        let call = Arc::new(move |meant: &Meant| {
            let Some(served) = served.upgrade() else { return };
            let owner = served.owner.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(owner) = owner else { return };
            Python::attach(|py| {
                if let Err(error) = owner.bind(py).call_method1("interrupt_thread", (&meant.0, meant.1)) {
                    error.write_unraisable(py, None);
                }
                drop(owner);
            });
        });
        Reach::Call(thread, call)
    }
}

#[expect(unsafe_code, reason = "the one way to raise in another thread is in Python's C API")]
fn raise_in(_: Python<'_>, thread: u64) {
    // SAFETY: Python's lock is held, the exception is a class that lives as long as the interpreter. A thread that is gone
    // is not found.
    unsafe { ffi::PyThreadState_SetAsyncExc(thread as std::ffi::c_ulong as _, ffi::PyExc_KeyboardInterrupt) };
}

fn tuple(py: Python<'_>, posted: Posted) -> PyResult<Option<Bound<'_, PyTuple>>> {
    Ok(Some(match posted {
        Posted::Open { session, columns } => ("open", session, columns).into_pyobject(py)?,
        Posted::Close { session } => ("close", session).into_pyobject(py)?,
        Posted::Cell(job) => {
            let in_thread = job.place == keelback_wire::message::Place::Thread;
            ("cell", job.session, job.cell, job.source, job.filename, job.quota, in_thread).into_pyobject(py)?
        }
        Posted::Interrupt { session, cell } => ("interrupt", session, cell).into_pyobject(py)?,
        Posted::Resize { session, columns } => ("resize", session, columns).into_pyobject(py)?,
        Posted::Tail(on) => ("tail", on).into_pyobject(py)?,
        Posted::Audit(audit) => match audit {
            Audit::Connected(client, from) => ("audit", "keelback.connect", client, from).into_pyobject(py)?,
            Audit::Refused(why) => ("audit", "keelback.refuse", why).into_pyobject(py)?,
            Audit::Disconnected(client) => ("audit", "keelback.disconnect", client).into_pyobject(py)?,
            Audit::Interrupt(client, session, cell) => {
                ("audit", "keelback.interrupt", client, session, cell).into_pyobject(py)?
            }
            Audit::Warning(text) => ("warning", text).into_pyobject(py)?,
            // Told with the cell itself.
            Audit::Eval(..) => return Ok(None),
        },
        Posted::Ping => return Ok(None),
    }))
}
