//! Lines of input: the thread of a cell waits here, without Python's lock, until its line comes, it is interrupted or
//! its session ends.

use std::{
    collections::HashMap,
    io::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use keelback_wire::{
    message::CellNumber,
    waker::{self, Waker},
};
use pyo3::{
    exceptions::{PyEOFError, PyKeyboardInterrupt, PyOSError},
    prelude::*,
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

/// What a cell is told that asks for input when there is nobody to ask any more.
const OVER: &str = "the session is over";

/// What became of a wait.
#[derive(Debug)]
enum Answer {
    Line(Option<String>),
    Interrupted,
    Closed,
}

#[derive(Debug)]
struct Wait {
    cell: CellNumber,
    answer: Mutex<Option<Answer>>,
    bell: Waker,
}

#[derive(Debug, Default)]
struct Waits {
    by_session: HashMap<String, Arc<Wait>>,
    /// The server ends: nobody waits any more.
    is_over: bool,
}

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Lines {
    waits: Mutex<Waits>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lines {
    /// Waits for a line; `asked` is called when one that comes would be taken. None is the end of input.
    pub(super) fn wait(
        &self,
        py: Python<'_>,
        session: &str,
        cell: CellNumber,
        asked: impl FnOnce() + Send,
    ) -> PyResult<Option<String>> {
        let (bell, door) = waker::pair().map_err(|error| PyOSError::new_err(error.to_string()))?;
        let wait = Arc::new(Wait { cell, answer: Mutex::new(None), bell });
        {
            let mut waits = lock(&self.waits);
            if waits.is_over {
                return Err(PyEOFError::new_err(OVER));
            }
            if waits.by_session.contains_key(session) {
                return Err(PyOSError::new_err("another thread or task of the session waits for a line already"));
            }
            waits.by_session.insert(session.to_owned(), Arc::clone(&wait));
        }
        py.detach(asked);
        let result = loop {
            let polled = py.detach(|| poll(&mut [PollFd::new(&door, PollFlags::IN)], None));
            match polled {
                // A signal: its handler in Python may raise.
                Err(Errno::INTR) => {
                    if let Err(error) = py.check_signals() {
                        break Err(error);
                    }
                }
                Err(error) => break Err(PyOSError::new_err(error.to_string())),
                Ok(_) => match lock(&wait.answer).take() {
                    Some(Answer::Line(text)) => break Ok(text),
                    Some(Answer::Interrupted) => break Err(PyKeyboardInterrupt::new_err(())),
                    Some(Answer::Closed) => break Err(PyEOFError::new_err(OVER)),
                    None => {}
                },
            }
        };
        lock(&self.waits).by_session.retain(|_, other| !Arc::ptr_eq(other, &wait));
        result
    }

    fn answer(&self, session: &str, cell: Option<CellNumber>, answer: Answer) -> bool {
        let waits = lock(&self.waits);
        let Some(wait) = waits.by_session.get(session).filter(|wait| cell.is_none_or(|cell| cell == wait.cell)) else {
            return false;
        };
        let mut slot = lock(&wait.answer);
        if slot.is_none() {
            *slot = Some(answer);
        }
        (&wait.bell).write(&[1]).is_ok()
    }

    pub(super) fn line(&self, session: &str, text: Option<String>) {
        self.answer(session, None, Answer::Line(text));
    }

    /// Whether the cell waited for a line, and does so no more.
    pub(super) fn interrupt(&self, session: &str, cell: CellNumber) -> bool {
        self.answer(session, Some(cell), Answer::Interrupted)
    }

    pub(super) fn close(&self, session: &str) {
        self.answer(session, None, Answer::Closed);
    }

    /// Closes the descriptors. No lock is waited for, which in a child of fork may never be given back.
    pub(super) fn forget(&self) {
        if let Ok(mut waits) = self.waits.try_lock() {
            waits.by_session.clear();
        }
    }

    /// The end of the input of all sessions, for good.
    pub(super) fn close_all(&self) {
        let sessions: Vec<String> = {
            let mut waits = lock(&self.waits);
            waits.is_over = true;
            waits.by_session.keys().cloned().collect()
        };
        for session in sessions {
            self.close(&session);
        }
    }
}
