//! The stack of a thread, without Python's lock, which what is looked at may not give up: `faulthandler` writes it, at a
//! signal that the thread is sent.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use keelback_wire::{
    event::Frame,
    waker::{self, Waker},
};
use rustix::fd::{AsRawFd, RawFd};

use super::signal::Thread;

/// How long a stack is waited for once the signal is sent, and how long a silence ends it; choices.
const STACK_MAX: Duration = Duration::from_millis(200);
const STACK_SILENCE: Duration = Duration::from_millis(5);
/// How many frames of a stack get the text of their line: a choice.
const TEXTS_MAX: usize = 8;

pub(super) struct Stacks {
    /// Where stacks are read, and what `faulthandler` writes them to. None once it is closed.
    ends: Mutex<Option<(Waker, Waker)>>,
    fd: RawFd,
    /// The signal; None where nobody handles it.
    signal: Mutex<Option<i32>>,
    /// Frames of files below this folder are not shown.
    hidden: String,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stacks {
    pub(super) fn new(hidden: String) -> io::Result<Self> {
        let (read, written) = waker::pair()?;
        written.set_nonblocking(true)?;
        let fd = written.as_raw_fd();
        Ok(Stacks { ends: Mutex::new(Some((read, written))), fd, signal: Mutex::default(), hidden })
    }

    /// The descriptor stacks are written to.
    pub(super) fn fd(&self) -> RawFd {
        self.fd
    }

    /// The signal at which a thread writes its stack. Who takes its handler away says None before.
    pub(super) fn set_signal(&self, signal: Option<i32>) {
        *lock(&self.signal) = signal;
    }

    /// The stack of `thread`, the outermost first; empty when it does not come.
    pub(super) fn of(&self, thread: Thread) -> Vec<Frame> {
        let ends = lock(&self.ends);
        let Some((from, _)) = &*ends else { return Vec::new() };
        discard(from);
        {
            let signal = lock(&self.signal);
            let Some(signal) = *signal else { return Vec::new() };
            thread.kill(signal);
        }
        let (mut text, mut bytes) = (Vec::new(), [0; 4096]);
        let mut patience = STACK_MAX;
        while from.set_read_timeout(Some(patience)).is_ok() {
            match (&mut &*from).read(&mut bytes) {
                Ok(count @ 1..) => text.extend_from_slice(&bytes[..count]),
                _ => break,
            }
            patience = STACK_SILENCE;
        }
        drop(ends);
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

    /// Closes the descriptors. No lock is waited for, which in a child of fork may never be given back.
    pub(super) fn close(&self) {
        if let Ok(mut ends) = self.ends.try_lock() {
            *ends = None;
        }
    }
}

/// Drops what came too late for who had asked for it.
fn discard(mut from: &Waker) {
    if from.set_nonblocking(true).is_ok() {
        while matches!(from.read(&mut [0; 4096]), Ok(1..)) {}
        let _ = from.set_nonblocking(false);
    }
}

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
