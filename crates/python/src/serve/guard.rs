//! Watches over the loop while a client is there: does it still come to what was posted? When it does not for too long,
//! `faulthandler` is asked, by a signal, what the loop's thread does; it answers without Python's lock, which a held loop
//! may not give up.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use keelback_wire::{
    event::Frame,
    waker::{self, Waker},
};
use rustix::fd::{AsRawFd, RawFd};

use super::{
    post::{Post, Posted},
    signal::{Thread, block_all},
};

/// How long a stack is waited for once the signal is sent, and how long a silence ends it; choices.
const STACK_MAX: Duration = Duration::from_millis(200);
const STACK_SILENCE: Duration = Duration::from_millis(5);

/// A loop that has not come to what was posted.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) since: Instant,
    /// What its thread does, the outermost first.
    pub(super) frames: Vec<Frame>,
}

#[derive(Default)]
struct State {
    clients: usize,
    watched: Option<(Thread, i32)>,
    stopped: bool,
    /// What the loop is to be told when it is back.
    held: Option<Held>,
    thread: Option<JoinHandle<()>>,
}

pub(super) struct Guard {
    state: Mutex<State>,
    changed: Condvar,
    limit: Duration,
    /// Frames of files below this folder are not shown.
    hidden: String,
    /// Where stacks are read, and what `faulthandler` writes them to. None once it is closed.
    dumps: Mutex<Option<(Waker, Waker)>>,
    dump_fd: RawFd,
}

impl Guard {
    pub(super) fn new(limit: Duration, hidden: String) -> io::Result<Self> {
        let (dumped, dump) = waker::pair()?;
        dump.set_nonblocking(true)?;
        let dump_fd = dump.as_raw_fd();
        let dumps = Mutex::new(Some((dumped, dump)));
        Ok(Guard { state: Mutex::default(), changed: Condvar::new(), limit, hidden, dumps, dump_fd })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The descriptor stacks are written to.
    pub(super) fn dump_fd(&self) -> RawFd {
        self.dump_fd
    }

    /// The thread of the loop, and the signal that makes it write its stack; None is not watched.
    pub(super) fn watch(&self, watched: Option<(Thread, i32)>) {
        self.lock().watched = watched;
        self.changed.notify_all();
    }

    /// A client has come: the thread begins with the first one, and sleeps while there is none.
    pub(super) fn joined(self: &Arc<Self>, post: &Arc<Post>, tell: impl Fn(&Held) + Send + 'static) {
        let mut state = self.lock();
        state.clients += 1;
        if state.thread.is_none() && !state.stopped {
            let (this, post) = (Arc::clone(self), Arc::clone(post));
            let run = move || this.run(&post, &tell);
            state.thread = thread::Builder::new().name("keelback-guard".into()).spawn(run).ok();
        }
        self.changed.notify_all();
    }

    pub(super) fn left(&self) {
        let mut state = self.lock();
        state.clients = state.clients.saturating_sub(1);
    }

    /// What held the loop until now, told once.
    pub(super) fn take_held(&self) -> Option<Held> {
        self.lock().held.take()
    }

    /// The end; the thread, to be joined.
    pub(super) fn stop(&self) -> Option<JoinHandle<()>> {
        let mut state = self.lock();
        state.stopped = true;
        state.watched = None;
        self.changed.notify_all();
        state.thread.take()
    }

    /// Closes the descriptors. No lock is waited for, which in a child of fork may never be given back.
    pub(super) fn close(&self) {
        if let Ok(mut dumps) = self.dumps.try_lock() {
            *dumps = None;
        }
    }

    fn run(&self, post: &Post, tell: &dyn Fn(&Held)) {
        block_all();
        let mut told: Option<Instant> = None;
        let mut state = self.lock();
        while !state.stopped {
            let Some((thread, signal)) = state.watched.filter(|_| state.clients > 0) else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            match post.waits_since() {
                None => post.post(Posted::Ping),
                Some(since) if told != Some(since) && since.elapsed() >= self.limit => {
                    told = Some(since);
                    let held = Held { since, frames: self.stack(thread, signal) };
                    // It may have gone on meanwhile, and its stack be one of waiting.
                    if post.waits_since() == Some(since) {
                        self.lock().held = Some(held.clone());
                        // In case it is back in this moment: it is to take that.
                        post.post(Posted::Ping);
                        tell(&held);
                    }
                }
                Some(_) => {}
            }
            state = self.lock();
            if !state.stopped {
                state = self.changed.wait_timeout(state, self.limit / 2).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// The stack of `thread`, the outermost first; empty when it does not come.
    fn stack(&self, thread: Thread, signal: i32) -> Vec<Frame> {
        {
            let state = self.lock();
            if state.watched != Some((thread, signal)) {
                return Vec::new();
            }
            // With the lock: who takes the handler away has said so before.
            thread.kill(signal);
        }
        let (mut text, mut bytes) = (Vec::new(), [0; 4096]);
        let mut patience = STACK_MAX;
        let dumps = self.dumps.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((dumped, _)) = &*dumps else { return Vec::new() };
        while dumped.set_read_timeout(Some(patience)).is_ok() {
            match (&*dumped).read(&mut bytes) {
                Ok(count @ 1..) => text.extend_from_slice(&bytes[..count]),
                _ => break,
            }
            patience = STACK_SILENCE;
        }
        let mut frames: Vec<Frame> = String::from_utf8_lossy(&text).lines().filter_map(frame_of).collect();
        frames.retain(|frame| !frame.file.starts_with(&self.hidden));
        frames.reverse();
        // The text of the innermost lines is what is looked at; files are read here, not in the loop.
        let inner = frames.len().saturating_sub(TEXTS_MAX);
        for frame in &mut frames[inner..] {
            frame.text = line_of(&frame.file, frame.line).unwrap_or_default();
        }
        frames
    }
}

/// How many frames of a stack get the text of their line: a choice.
const TEXTS_MAX: usize = 8;

/// A line of `faulthandler`: `  File "app.py", line 3 in work`.
fn frame_of(line: &str) -> Option<Frame> {
    let (file, rest) = line.trim_start().strip_prefix("File \"")?.rsplit_once("\", line ")?;
    let (number, function) = rest.split_once(" in ")?;
    Some(Frame { file: file.into(), line: number.parse().ok()?, function: function.into(), text: String::new() })
}

/// Line `number` of a file, stripped.
fn line_of(path: &str, number: u32) -> Option<String> {
    let file = fs::File::open(path).ok().filter(|file| file.metadata().is_ok_and(|kind| kind.is_file()))?;
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let line = BufReader::new(file).lines().nth(index)?.ok()?;
    Some(line.trim().to_owned())
}
