//! Ready sessions: for servers that cannot wait even a third of a millisecond.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use crate::{Engine, Error, Session, SessionOptions};

/// Keeps a number of fresh sessions ready, made by a thread of its own. A session is used once: it is never given back,
/// so nothing of one user is left for the next.
///
/// ```
/// use keelback_sandbox::{Engine, Pool, SessionOptions};
///
/// let pool = Pool::new(Engine::new()?, SessionOptions::default(), 4)?;
/// let mut session = pool.session()?;
/// session.run("1 + 1")?;
/// # Ok::<(), keelback_sandbox::Error>(())
/// ```
pub struct Pool {
    engine: Engine,
    options: SessionOptions,
    shared: Arc<Shared>,
}

struct Shared {
    ready: Mutex<Ready>,
    changed: Condvar,
}

struct Ready {
    sessions: VecDeque<Session>,
    size: usize,
    stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// A pool of `size` sessions that all start with `options`. The first is made here, so that options that cannot
    /// work are refused at once.
    ///
    /// # Errors
    /// As [`Engine::session`].
    pub fn new(engine: Engine, options: SessionOptions, size: usize) -> Result<Self, Error> {
        let first = engine.session(options.clone())?;
        let ready = Ready { sessions: VecDeque::from([first]), size, stopped: false };
        let shared = Arc::new(Shared { ready: Mutex::new(ready), changed: Condvar::new() });
        let pool = Pool { engine: engine.clone(), options: options.clone(), shared: Arc::clone(&shared) };
        let fill = move || fill(&engine, &options, &shared);
        let thread = thread::Builder::new().name("keelback-pool".into()).spawn(fill);
        thread.map_err(|error| Error::Engine(format!("cannot start a thread: {error}")))?;
        Ok(pool)
    }

    /// A ready session, or a new one when none is.
    ///
    /// # Errors
    /// As [`Engine::session`].
    pub fn session(&self) -> Result<Session, Error> {
        let ready = self.shared.lock().sessions.pop_front();
        self.shared.changed.notify_one();
        ready.map_or_else(|| self.engine.session(self.options.clone()), Ok)
    }

    /// How many sessions are ready now.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.shared.lock().sessions.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut ready = self.shared.lock();
        ready.stopped = true;
        let sessions = std::mem::take(&mut ready.sessions);
        drop(ready);
        self.shared.changed.notify_one();
        drop(sessions);
    }
}

fn fill(engine: &Engine, options: &SessionOptions, shared: &Shared) {
    let mut ready = shared.lock();
    loop {
        while !ready.stopped && ready.sessions.len() >= ready.size {
            ready = shared.changed.wait(ready).unwrap_or_else(PoisonError::into_inner);
        }
        if ready.stopped {
            return;
        }
        drop(ready);
        let session = engine.session(options.clone());
        ready = shared.lock();
        match session {
            Ok(session) => ready.sessions.push_back(session),
            // A granted path has gone, for example: whoever asks next is told.
            Err(_) => ready = shared.changed.wait(ready).unwrap_or_else(PoisonError::into_inner),
        }
    }
}
