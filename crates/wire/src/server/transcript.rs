//! The transcript: a line of JSON for the begin and the end of each cell, written by a thread of its own.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use super::{Descriptors, signals};
use crate::{
    application::{Application, Audit, Job},
    message::CellNumber,
    reply::Outcome,
    system,
};

/// How many bytes may wait for the disk: a choice.
const QUEUE_MAX: usize = 16 << 20;

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    /// Seconds since 1970.
    time: f64,
    client: u64,
    session: String,
    cell: CellNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
}

impl Record {
    pub(super) fn begin(client: u64, job: &Job) -> Self {
        Record { source: Some(job.source.clone()), ..Record::of(client, job) }
    }

    pub(super) fn end(client: u64, job: &Job, outcome: &Outcome) -> Self {
        Record { outcome: Some(outcome.clone()), ..Record::of(client, job) }
    }

    fn of(client: u64, job: &Job) -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Record { time, client, session: job.session.clone(), cell: job.cell, source: None, outcome: None }
    }
}

/// A transcript that is being written.
#[derive(Debug)]
pub(super) struct Transcript {
    /// None once it is closed.
    lines: Option<Sender<Vec<u8>>>,
    /// The bytes that wait in `lines`.
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
    has_lost: bool,
}

impl Transcript {
    /// Opens the file, to append; only its owner can read one that is new.
    ///
    /// # Errors
    /// When it cannot be opened, or the thread not be started.
    pub(super) fn open(
        path: &Path,
        application: Arc<dyn Application>,
        descriptors: Arc<Descriptors>,
    ) -> io::Result<Self> {
        let file = system::open_private(path)?;
        let (lines, received) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        let path = path.display().to_string();
        let builder = thread::Builder::new().name("keelback-transcript".into());
        let thread = builder.spawn(move || {
            signals::block_all();
            descriptors.add(&file);
            write_all(&file, &path, &received, &left, &*application);
            descriptors.remove(&file);
        })?;
        Ok(Transcript { lines: Some(lines), waiting, thread: Some(thread), has_lost: false })
    }

    /// Queues a line. True if it is the first one that is lost, because the disk is too slow.
    pub(super) fn write(&mut self, record: &Record) -> bool {
        let mut line = serde_json::to_vec(record).expect("plain data");
        line.push(b'\n');
        if self.waiting.load(Ordering::Relaxed) + line.len() > QUEUE_MAX {
            return !std::mem::replace(&mut self.has_lost, true);
        }
        self.waiting.fetch_add(line.len(), Ordering::Relaxed);
        if let Some(lines) = &self.lines {
            // The thread ends only when this is dropped.
            let _ = lines.send(line);
        }
        false
    }
}

impl Drop for Transcript {
    /// Waits until all is written.
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes lines until the queue is closed. Told once when it fails; later lines are tried nevertheless.
fn write_all(
    mut file: &File,
    path: &str,
    lines: &Receiver<Vec<u8>>,
    waiting: &AtomicUsize,
    application: &dyn Application,
) {
    let mut has_failed = false;
    for line in lines {
        let result = file.write_all(&line);
        waiting.fetch_sub(line.len(), Ordering::Relaxed);
        if let Err(error) = result
            && !has_failed
        {
            has_failed = true;
            application.audit(&Audit::Warning(format!("transcript `{path}`: {error}")));
        }
    }
}
