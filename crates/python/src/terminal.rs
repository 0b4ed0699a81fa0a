//! `_native.Terminal`: the prompt on the installed interpreter. Cells run in Python (`keelback._front`); here is the
//! prompt, which waits without the interpreter's lock and takes it to ask the session something.

use std::{
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use keelback_editor::{
    completeness::Completeness,
    edit::{Candidate, Completions, Signature},
};
use keelback_prompt::{
    backend::{Backend, Ended, Shown, Took},
    drive::{Driver, Told},
    front::{Flow, Front},
    record::Kept,
    setup::Setup,
    tty::{Tty, Waker},
};
use pyo3::{exceptions::PyOSError, prelude::*, types::PyTuple};

#[cfg(unix)]
#[path = "terminal/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "terminal/windows.rs"]
mod system;

/// The session, asked through the Python object that owns it.
struct Asked(Py<PyAny>);

impl Asked {
    /// What a method of the owner answers; an exception is no answer.
    fn ask<T>(
        &self,
        method: &str,
        arguments: impl for<'py> Fn(Python<'py>) -> PyResult<Bound<'py, PyTuple>>,
    ) -> Option<T>
    where
        T: for<'a, 'py> FromPyObject<'a, 'py>,
    {
        Python::attach(|py| {
            let answer = self.0.bind(py).call_method1(method, arguments(py).ok()?).ok()?;
            answer.extract().ok()
        })
    }
}

type Row = (String, String, String);
/// A signature: its text, the places of its parameters, which is being typed, documentation.
type Called = (String, Vec<(usize, usize)>, Option<usize>, String);

impl Backend for Asked {
    fn completeness(&mut self, source: &str) -> Option<Completeness> {
        let whole: Option<bool> = self.ask("is_complete", |py| (source,).into_pyobject(py))?;
        Some(match whole {
            Some(true) => Completeness::Complete,
            Some(false) => Completeness::Incomplete,
            None => Completeness::Invalid,
        })
    }

    fn complete(&mut self, source: &str, cursor: usize) -> Completions {
        // Python counts characters.
        let place = source[..cursor].chars().count();
        let answer: Option<(usize, usize, Vec<Row>, bool)> =
            self.ask("complete", |py| (source, place).into_pyobject(py));
        let Some((start, end, rows, more)) = answer else { return Completions::default() };
        let candidates = rows.into_iter().map(|(text, kind, detail)| Candidate { text, kind, detail }).collect();
        Completions { range: byte_of(source, start)..byte_of(source, end), candidates, more }
    }

    fn details(&mut self, source: &str, start: usize, texts: &[String]) -> Vec<String> {
        let place = source[..start].chars().count();
        self.ask("details", |py| (source, place, texts.to_vec()).into_pyobject(py)).unwrap_or_default()
    }

    fn signature(&mut self, source: &str, cursor: usize) -> Option<Signature> {
        let place = source[..cursor].chars().count();
        let answer: Option<Called> = self.ask("signature", |py| (source, place).into_pyobject(py))?;
        let (text, parameters, active, _) = answer?;
        let active = active.and_then(|number| parameters.get(number).copied());
        let active = active.map(|(start, end)| byte_of(&text, start)..byte_of(&text, end));
        Some(Signature { text, active })
    }

    fn describe(&mut self, expression: &str) -> Option<String> {
        self.ask::<Option<String>>("describe", |py| (expression,).into_pyobject(py))?
    }

    fn defined(&mut self, name: &str) -> bool {
        self.ask("defined", |py| (name,).into_pyobject(py)).unwrap_or(true)
    }

    fn command(&mut self, name: &str, argument: &str) -> Result<String, String> {
        match self.ask("command", |py| (name, argument).into_pyobject(py)) {
            Some((true, text)) => Ok(text),
            Some((false, message)) => Err(message),
            None => Err(format!("`:{name}` failed")),
        }
    }

    fn commands(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        keelback_prompt::commands::LOCAL
    }

    fn interrupt(&mut self) {} // a cell that runs has the terminal, and with it Ctrl-C

    fn reply(&mut self, _: Option<String>) {}
}

/// The byte offset of character `place`.
fn byte_of(text: &str, place: usize) -> usize {
    text.char_indices().nth(place).map_or(text.len(), |(at, _)| at)
}

struct Inner {
    front: Front<Asked, Kept>,
    driver: Driver,
    told: Receiver<Told>,
}

/// A prompt in the process's terminal. Methods are for the thread that runs cells, but for `above`.
#[pyclass(frozen, module = "keelback._native")]
pub(crate) struct Terminal {
    inner: Mutex<Inner>,
    sender: Mutex<Sender<Told>>,
    waker: Waker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: std::io::Error) -> PyErr {
    PyOSError::new_err(error.to_string())
}

/// A cell that is to be run finds the terminal as programs expect it.
fn released(found: std::io::Result<Option<Flow>>, driver: &mut Driver) -> std::io::Result<Option<Flow>> {
    if matches!(found, Ok(Some(Flow::Run(_)))) {
        driver.release();
    }
    found
}

/// `("run", source, hidden)` or `("leave", status)`.
fn flow<'py>(py: Python<'py>, flow: Flow) -> PyResult<Bound<'py, PyTuple>> {
    match flow {
        Flow::Run(run) => ("run", run.source, run.hidden).into_pyobject(py),
        Flow::Leave(status) => ("leave", status).into_pyobject(py),
        // The driver does the others itself.
        Flow::Suspend | Flow::Page(_) | Flow::Edit(_) => ("leave", 1).into_pyobject(py),
    }
}

#[pymethods]
impl Terminal {
    #[new]
    #[pyo3(signature = (owner, banner = None))]
    fn new(owner: Py<PyAny>, banner: Option<String>) -> PyResult<Self> {
        let tty = Tty::open().map_err(failed)?;
        let waker = tty.waker();
        let (sender, told) = channel();
        let mut setup = Setup::of_environment(&tty, python_history().as_deref());
        setup.options.lends_terminal = true;
        let size = setup.options.size;
        let mut front = Front::new(Asked(owner), setup.history, setup.options);
        // A program or a start-up file may have run before.
        front.resumed(size);
        for line in banner.iter().chain(&setup.notes) {
            front.tell_note(line);
        }
        Ok(Terminal {
            inner: Mutex::new(Inner { front, driver: Driver::new(tty), told }),
            sender: Mutex::new(sender),
            waker,
        })
    }

    /// Show the first prompt, with these texts.
    fn begin(&self, first: String, continuation: String) {
        lock(&self.inner).front.begin((first, continuation));
    }

    /// Wait for a cell. Signal handlers of Python run meanwhile.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        loop {
            let step = py.detach(|| {
                let mut inner = lock(&self.inner);
                let Inner { front, driver, told } = &mut *inner;
                released(driver.wait_once(front, told), driver)
            });
            if let Some(found) = step.map_err(failed)? {
                return flow(py, found);
            }
            py.check_signals()?;
        }
    }

    /// Do what there is to do without waiting; a cell, or None.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let step = py.detach(|| {
            let mut inner = lock(&self.inner);
            let Inner { front, driver, told } = &mut *inner;
            released(driver.step(front, told), driver)
        });
        step.map_err(failed)?.map(|found| flow(py, found)).transpose()
    }

    /// No byte came for as long as `pending` says: as `step`, but an Escape is an Escape, and a paste without marks is over.
    fn pause<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        py.detach(|| {
            let mut inner = lock(&self.inner);
            let Inner { front, driver, .. } = &mut *inner;
            driver.flush(front);
        });
        self.step(py)
    }

    /// `pause` is to be called when nothing comes for so many seconds, if any.
    fn pending(&self, py: Python<'_>) -> Option<f64> {
        py.detach(|| {
            let inner = lock(&self.inner);
            inner.driver.pending(&inner.front)
        })
        .map(|time| time.as_secs_f64())
    }

    /// The descriptors to wait for before `step` is called again.
    fn fds(&self, py: Python<'_>) -> PyResult<Vec<i32>> {
        py.detach(|| system::fds(lock(&self.inner).driver.tty())).map_err(failed)
    }

    /// Python was interrupted while no cell ran: as if Ctrl-C had been typed, or the cell that was to run is over.
    fn interrupt(&self, py: Python<'_>) {
        py.detach(|| {
            let front = &mut lock(&self.inner).front;
            if front.is_running() {
                front.ended(Ended { message: Some("KeyboardInterrupt".into()), ..Ended::default() });
            } else {
                front.input(b"\x03");
            }
        });
    }

    /// A byte written to this descriptor ends `wait`: for `signal.set_wakeup_fd`. It is -1 where there is none.
    fn wake_fd(&self) -> i32 {
        system::wake_fd(&self.waker)
    }

    /// Columns of the terminal.
    fn columns(&self, py: Python<'_>) -> u16 {
        py.detach(|| lock(&self.inner).driver.tty().size().columns)
    }

    /// The cell is over: these are the prompts now, and the seconds it took by the clock and computing.
    fn ended(&self, py: Python<'_>, prompts: (String, String), took: (f64, f64)) {
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let took = Some(Took { wall: seconds(took.0), cpu: seconds(took.1) });
        py.detach(|| {
            let mut inner = lock(&self.inner);
            let Inner { front, driver, .. } = &mut *inner;
            // The cell wrote to the terminal by itself.
            front.resumed(driver.size());
            front.ended(Ended { prompts: Some(prompts), took, ..Ended::default() });
        });
    }

    /// Write bytes above the prompt, from any thread.
    fn above(&self, data: Vec<u8>) {
        let _ = lock(&self.sender).send(Told::Output(data));
        self.waker.wake();
    }

    /// A traceback with the theme's colours.
    fn color_traceback(&self, py: Python<'_>, text: &str) -> String {
        py.detach(|| lock(&self.inner).front.traceback_text(text))
    }

    /// A value as it is shown, with the line's end.
    #[pyo3(signature = (text, pretty = None, cut = false, png = None))]
    fn format_value(
        &self,
        py: Python<'_>,
        text: String,
        pretty: Option<String>,
        cut: bool,
        png: Option<Vec<u8>>,
    ) -> String {
        py.detach(|| lock(&self.inner).front.shown_text(&Shown { text, pretty, cut, png }))
    }

    /// Give the terminal back for good.
    fn close(&self, py: Python<'_>) {
        py.detach(|| lock(&self.inner).driver.release());
    }
}

/// CPython's own history, which is read once.
fn python_history() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"))?;
    Some(PathBuf::from(home).join(".python_history"))
}
