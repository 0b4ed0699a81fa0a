//! Serves prompts: one thread that accepts, authenticates, frames, buffers and interrupts.
//!
//! The thread waits for nothing but its sockets: not for the [`Application`], nor for a lock that is held while code
//! runs. `core` decides, without sockets and clocks; `drive` moves bytes. An idle server does not wake up.

mod config;
mod core;
mod drive;
mod inbox;
mod listen;
mod transcript;
mod transport;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

#[cfg(unix)]
use self::unix as own;
#[cfg(windows)]
use self::windows as own;
use self::{
    core::Core,
    drive::Driver,
    inbox::Inbox,
    own::{descriptors::Descriptors, signals},
    transcript::Transcript,
};
use crate::{
    application::{Application, Handle},
    system::waker_pair,
};

pub use self::{
    config::{Config, Limits},
    listen::{Exposure, ListenError, Listener},
};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum StartError {
    #[error("cannot open the transcript `{path}`")]
    Transcript { path: PathBuf, source: io::Error },
    #[error("cannot start the server's thread")]
    Thread(#[from] io::Error),
}

/// A server that runs. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    inbox: Arc<Inbox>,
    descriptors: Arc<Descriptors>,
    thread: Mutex<Option<JoinHandle<()>>>,
    abandoned: AtomicBool,
}

impl Server {
    /// Serves `application` on `listeners`, in a thread of its own. [`Application::started`] is called first.
    ///
    /// # Errors
    /// When the transcript cannot be opened or the thread not be started; the sockets are removed then.
    pub fn start(
        config: Config,
        listeners: Vec<Listener>,
        application: Arc<dyn Application>,
    ) -> Result<Self, StartError> {
        let (waker, woken) = waker_pair()?;
        waker.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let inbox = Arc::new(Inbox::new(waker, config.limits.ring_bytes));
        // The thread's end of the pair, and the transcript.
        let descriptors = Arc::new(Descriptors::new(listeners.len() + config.limits.connections + 2));
        descriptors.add(&woken);
        for listener in &listeners {
            descriptors.add(listener);
        }
        let path = config.transcript.clone();
        let mut driver = Driver {
            core: Core::new(config, Arc::clone(&application)),
            inbox: Arc::clone(&inbox),
            woken,
            listeners,
            transports: BTreeMap::new(),
            descriptors: Arc::clone(&descriptors),
            accept_at: None,
            cells_unspun: 0,
        };
        if let Some(path) = path {
            let opened = Transcript::open(&path, Arc::clone(&application), Arc::clone(&descriptors));
            driver.core.record_in(opened.map_err(|source| StartError::Transcript { path, source })?);
        }
        application.started(Arc::clone(&inbox) as Arc<dyn Handle>);
        let thread = thread::Builder::new().name("keelback-server".into()).spawn(move || {
            signals::block_all();
            driver.run();
        })?;
        Ok(Server { inbox, descriptors, thread: Mutex::new(Some(thread)), abandoned: AtomicBool::new(false) })
    }

    /// What the application tells the server through.
    #[must_use]
    pub fn handle(&self) -> Arc<dyn Handle> {
        Arc::clone(&self.inbox) as Arc<dyn Handle>
    }

    /// Ends all sessions, closes all connections, removes the sockets and waits for the thread, which waits for the
    /// disk if there is a transcript. Does nothing the second time.
    pub fn stop(&self) {
        if self.abandoned.load(Ordering::Relaxed) {
            return;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.inbox.stop();
            // Called by the application from the thread itself, it ends when the call is over.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
            // The application may keep its handle for long.
            self.inbox.abandon();
        }
    }

    /// For a forked child, first of all: closes what it has inherited. The parent goes on serving; here nothing is
    /// told to anybody any more.
    pub fn abandon(&self) {
        if !self.abandoned.swap(true, Ordering::Relaxed) {
            self.inbox.abandon();
            self.descriptors.close_all();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.abandoned.load(Ordering::Relaxed) {
            // The thread does not exist in this process: its handle cannot be joined nor detached.
            let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(thread.take());
        }
        self.stop();
    }
}
