//! The extension module `keelback._native`: sessions for the Python package, which gives them their form. Nothing here
//! holds the interpreter's lock while a guest runs.

mod convert;
#[cfg(unix)]
mod interrupt;
#[cfg(windows)]
#[path = "interrupt/windows.rs"]
mod interrupt;
mod process;
mod report;
mod serve;
mod terminal;
mod tools;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::Duration,
};

use keelback_sandbox::{
    Cell, Error, Event, FoundError, InterruptHandle, Limits, Permissions, SessionOptions, Stdin, Stream,
};
use pyo3::{
    create_exception,
    exceptions::PyException,
    prelude::*,
    types::{PyBytes, PyDict, PyTuple},
};

use process::Process;

create_exception!(keelback, SandboxError, PyException, "The sandbox could not do what the host asked.");
create_exception!(keelback, SessionLost, SandboxError, "The session is over.");
create_exception!(keelback, PermissionDenied, SandboxError, "A grant cannot be given.");

fn error(error: Error) -> PyErr {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    match error {
        Error::SessionLost { .. } => SessionLost::new_err(text),
        Error::Grant(_) | Error::Packages(_) | Error::Network(_) | Error::Secret { .. } | Error::Roots => {
            PermissionDenied::new_err(text)
        }
        _ => SandboxError::new_err(text),
    }
}

fn permissions(options: &Bound<'_, PyDict>) -> PyResult<Permissions> {
    let pairs = |name: &str| -> PyResult<Vec<(String, String)>> {
        Ok(options.get_item(name)?.map(|value| value.extract()).transpose()?.unwrap_or_default())
    };
    let mut permissions = Permissions::none();
    for (host, guest) in pairs("read")? {
        permissions = permissions.read(host, guest);
    }
    for (host, guest) in pairs("write")? {
        permissions = permissions.write(host, guest);
    }
    for (host, guest) in pairs("write_synced")? {
        permissions = permissions.write_synced(host, guest);
    }
    for (host, guest) in pairs("write_copy")? {
        permissions = permissions.write_copy(host, guest);
    }
    for (name, value) in pairs("env")? {
        permissions = permissions.env(name, value);
    }
    if let Some(hosts) = options.get_item("network")? {
        for host in hosts.extract::<Vec<String>>()? {
            permissions = permissions.network(host);
        }
    }
    if let Some(secrets) = options.get_item("secrets")? {
        for (host, header, value) in secrets.extract::<Vec<(String, String, String)>>()? {
            permissions = permissions.secret(host, header, value);
        }
    }
    if let Some(pem) = options.get_item("root_certificates")? {
        permissions = permissions.root_certificates(pem.extract::<Vec<u8>>()?);
    }
    if let Some(paths) = options.get_item("packages")? {
        for path in paths.extract::<Vec<PathBuf>>()? {
            permissions = permissions.packages(path).map_err(|found| error(found.into()))?;
        }
    }
    if let Some(bytes) = options.get_item("stdin")? {
        let bytes: Vec<u8> = bytes.extract()?;
        permissions = permissions.stdin(Stdin::Reader(Arc::new(Mutex::new(std::io::Cursor::new(bytes)))));
    }
    if let Some(described) = options.get_item("tools")? {
        for tool in described.try_iter()? {
            permissions = permissions.tool(tools::tool(tool?.cast::<PyTuple>()?)?);
        }
    }
    Ok(permissions)
}

fn limits(options: &Bound<'_, PyDict>) -> PyResult<Limits> {
    let mut limits = Limits::default();
    let Some(given) = options.get_item("limits")? else {
        return Ok(limits);
    };
    for (name, value) in given.cast::<PyDict>()? {
        let seconds = || -> PyResult<Option<Duration>> {
            let seconds: Option<f64> = value.extract()?;
            let limit = seconds.map(Duration::try_from_secs_f64).transpose();
            limit.map_err(|_| SandboxError::new_err(format!("limit `{name}` is {seconds:?} seconds")))
        };
        match name.extract::<String>()?.as_str() {
            "time" => limits.wall_time = seconds()?,
            "cpu" => limits.cpu_time = seconds()?,
            "grace" => limits.grace = seconds()?.unwrap_or(Duration::MAX),
            "connect_time" => limits.connect_time = seconds()?.unwrap_or(Duration::MAX),
            "memory" => limits.memory_bytes = value.extract::<Option<_>>()?.unwrap_or(u64::MAX),
            "output" => limits.output_bytes = value.extract::<Option<_>>()?.unwrap_or(u64::MAX),
            "tool_calls" => limits.tool_calls = value.extract::<Option<_>>()?.unwrap_or(u64::MAX),
            "open_files" => limits.open_files = value.extract::<Option<_>>()?.unwrap_or(usize::MAX),
            "scratch" => limits.scratch_bytes = value.extract::<Option<_>>()?.unwrap_or(u64::MAX),
            "connections" => limits.connections = value.extract::<Option<_>>()?.unwrap_or(usize::MAX),
            "network_sent" => limits.network_bytes_sent = value.extract::<Option<_>>()?.unwrap_or(u64::MAX),
            "network_received" => limits.network_bytes_received = value.extract::<Option<_>>()?.unwrap_or(u64::MAX),
            "recursion" => limits.recursion = value.extract::<Option<_>>()?.unwrap_or(i32::MAX.unsigned_abs()),
            other => return Err(SandboxError::new_err(format!("there is no limit `{other}`"))),
        }
    }
    Ok(limits)
}

fn session_options(options: &Bound<'_, PyDict>) -> PyResult<SessionOptions> {
    let mut made = SessionOptions::default().permissions(permissions(options)?).limits(limits(options)?);
    if let Some(arguments) = options.get_item("arguments")? {
        made = made.arguments(arguments.extract::<Vec<String>>()?);
    }
    if let Some(image) = options.get_item("image")? {
        made = made.image(image.cast::<Image>()?.get().0.clone());
    }
    if let Some(seed) = options.get_item("deterministic")? {
        made.deterministic = seed.extract()?;
    }
    Ok(made)
}

/// An image with imports. It has no lock and no thread, so a child of fork may use it, too.
#[pyclass(frozen, module = "keelback._native")]
struct Image(keelback_sandbox::Image);

#[pymethods]
impl Image {
    #[staticmethod]
    fn with_imports(py: Python<'_>, modules: Vec<String>, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let options = session_options(options)?;
        let make = || keelback_sandbox::Image::with_imports(Process::current().engine()?, modules, options);
        py.detach(make).map(Image).map_err(error)
    }

    /// The image saved at `path`; of `options` only the packages count.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let permissions = permissions(options)?;
        let load = || keelback_sandbox::Image::load(Process::current().engine()?, &path, permissions);
        py.detach(load).map(Image).map_err(error)
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.0.save(&path)).map_err(error)
    }

    #[getter]
    fn imports(&self) -> Vec<String> {
        self.0.imports().to_vec()
    }
}

/// A session of the sandbox.
#[pyclass(frozen, module = "keelback._native")]
struct Session {
    inner: Mutex<Option<keelback_sandbox::Session>>,
    handle: InterruptHandle,
    process: &'static Process,
}

impl Session {
    fn made(session: keelback_sandbox::Session) -> Self {
        Session { handle: session.interrupt_handle(), inner: Mutex::new(Some(session)), process: Process::current() }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The session, for one caller at a time.
    fn lock(&self) -> PyResult<MutexGuard<'_, Option<keelback_sandbox::Session>>> {
        if !self.process.is_this() {
            return Err(SandboxError::new_err("the sandbox stayed with the process that made it, before the fork"));
        }
        let guard = match self.inner.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(guard)) => guard.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(SandboxError::new_err("the sandbox is in use: a session runs one cell at a time"));
            }
        };
        if guard.is_none() { Err(SessionLost::new_err("the sandbox is closed")) } else { Ok(guard) }
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        action: impl FnOnce(&mut keelback_sandbox::Session) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let mut guard = self.lock()?;
        let session = guard.as_mut().ok_or_else(|| SessionLost::new_err("the sandbox is closed"))?;
        let _use = self.process.enter(&self.handle);
        py.detach(|| action(session)).map_err(error)
    }
}

#[pymethods]
impl Session {
    #[new]
    fn new(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let options = session_options(options)?;
        py.detach(|| Process::current().engine()?.session(options)).map(Session::made).map_err(error)
    }

    /// A session saved at `path`, with new grants and limits.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let options = session_options(options)?;
        py.detach(|| Process::current().engine()?.load(&path, options)).map(Session::made).map_err(error)
    }

    /// Runs a cell: `(outcome, events, files, sync_errors, rolled_back, usage)`. `kind` is "cell", "program", "module" or
    /// "finish"; events go to `sink(kind, data)` when there is one.
    #[pyo3(signature = (source, filename, kind, transaction, sink, is_main))]
    #[expect(clippy::too_many_arguments, reason = "only `_sandbox.py` calls it")]
    fn run<'py>(
        &self,
        py: Python<'py>,
        source: String,
        filename: Option<String>,
        kind: &str,
        transaction: bool,
        sink: Option<Py<PyAny>>,
        is_main: bool,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let mut cell = match kind {
            "program" => Cell::program(source, filename.clone().unwrap_or_else(|| "<string>".into())),
            "module" => Cell::module(source),
            "finish" => Cell::finish(),
            _ => Cell::from(source),
        };
        if let Some(filename) = filename {
            cell = cell.filename(filename);
        }
        cell.transaction = transaction;
        if self.process.is_over() && !is_main {
            return Err(SandboxError::new_err("the interpreter is shutting down"));
        }
        let running = tools::Running::new(self.address());
        let _guard = is_main.then(|| interrupt::Guard::new(self.handle.clone()));
        let report = self.with(py, |session| {
            if let Some(sink) = sink {
                session.set_sink(Some(Box::new(move |event| Python::attach(|py| emit(py, &sink, &event)))));
            }
            let report = session.run(cell);
            session.set_sink(None);
            report
        });
        if let Some(interrupt) = running.end() {
            return Err(interrupt);
        }
        let report = report?;
        // Ctrl-C ended the cell; now it is for the host program.
        py.check_signals()?;
        report::report(py, &report)
    }

    /// Raises KeyboardInterrupt in the cell that runs now; False when none does.
    fn interrupt(&self) -> bool {
        self.handle.interrupt()
    }

    fn set(&self, py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let binding = convert::binding(name, value)?;
        self.with(py, |session| session.bind(binding))
    }

    /// `(repr, has_value, value)`, or None when there is no such name.
    fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<(String, bool, Bound<'py, PyAny>)>> {
        let found = self.with(py, |session| {
            session.get_with(name, |found| {
                Python::attach(|py| {
                    let found = found.build(&mut convert::Objects::new(py))?;
                    Ok(found.map(|(repr, value)| (repr, value.map(Bound::unbind))))
                })
            })
        })?;
        let found = found.map_err(|failed: FoundError<PyErr>| match failed {
            FoundError::Protocol(text) => error(Error::Protocol(text)),
            FoundError::Build(error) => error,
        })?;
        Ok(found.map(|(repr, value)| {
            let has_value = value.is_some();
            (repr, has_value, value.unwrap_or_else(|| py.None()).into_bound(py))
        }))
    }

    fn variables(&self, py: Python<'_>) -> PyResult<Vec<(String, String, String)>> {
        self.with(py, keelback_sandbox::Session::variables)
    }

    fn set_tools(&self, py: Python<'_>, described: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut made = Vec::new();
        for tool in described.try_iter()? {
            made.push(tools::tool(tool?.cast::<PyTuple>()?)?);
        }
        self.with(py, |session| session.set_tools(made))
    }

    fn fork(&self, py: Python<'_>) -> PyResult<Self> {
        self.with(py, keelback_sandbox::Session::fork).map(Session::made)
    }

    fn checkpoint(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, keelback_sandbox::Session::checkpoint)
    }

    fn rollback(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, keelback_sandbox::Session::rollback)
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.with(py, |session| session.save(&path))
    }

    /// Gives everything back; a running cell is interrupted and waited for.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if !self.process.is_this() {
            return Ok(());
        }
        if tools::runs_here(self.address()) {
            return Err(SandboxError::new_err("the sandbox is in use: a tool cannot close the sandbox that called it"));
        }
        py.detach(|| {
            self.handle.interrupt();
            *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = None;
        });
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.process.is_this() {
            // Threads that it would talk to are gone, and locks that they held are not.
            std::mem::forget(self.inner.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// The interpreter ends: interrupts what still runs in other threads and waits for it, because a thread that comes back
/// from a guest to an interpreter that is gone ends the process with an abort.
#[pyfunction]
fn shut_down(py: Python<'_>) {
    py.detach(|| Process::current().shut_down());
}

fn emit(py: Python<'_>, sink: &Py<PyAny>, event: &Event) {
    let result = match event {
        Event::Output { stream, bytes } => {
            let name = if *stream == Stream::Stdout { "stdout" } else { "stderr" };
            sink.call1(py, (name, PyBytes::new(py, bytes)))
        }
        Event::Display(bundle) => convert::mime(py, bundle).and_then(|bundle| sink.call1(py, ("display", bundle))),
        _ => return,
    };
    if let Err(error) = result {
        error.write_unraisable(py, None);
    }
}

/// The command `keelback`; the exit status.
#[pyfunction]
fn command(py: Python<'_>, args: Vec<std::ffi::OsString>) -> u8 {
    py.detach(|| keelback_cli::main(args))
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("SandboxError", py.get_type::<SandboxError>())?;
    module.add("SessionLost", py.get_type::<SessionLost>())?;
    module.add("PermissionDenied", py.get_type::<PermissionDenied>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(command, module)?)?;
    module.add_function(wrap_pyfunction!(shut_down, module)?)?;
    module.add_class::<Image>()?;
    module.add_class::<serve::Server>()?;
    module.add_class::<serve::Ends>()?;
    module.add_class::<serve::Sink>()?;
    module.add_class::<serve::Writer>()?;
    module.add_class::<terminal::Terminal>()?;
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Session>()
}
