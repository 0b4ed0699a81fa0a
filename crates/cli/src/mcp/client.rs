//! What one client has: its session, checkpoints by name, and texts that were too long. All of it blocks.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use keelback_sandbox::{Error, FileInfo, InterruptHandle, Session};
use rmcp::model::{CallToolResult, ContentBlock, Resource, ResourceContents};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    resources::{self, Target},
    result,
    server::Shared,
};

/// Checkpoints of a client; a choice: each holds the memory its session has written.
const MAX_CHECKPOINTS: usize = 16;
/// Full texts that are kept; a choice.
const MAX_OUTPUTS: usize = 4;
/// Files that are listed; a choice: a granted folder may hold any number.
const MAX_FILES: usize = 2_000;
/// Bytes of a file that is read as a resource; a choice.
const MAX_READ: u64 = 10 << 20;
/// Bytes of a repr in a list of variables; a choice.
const MAX_REPR: usize = 200;

/// The session that runs now, for whoever has to interrupt it.
pub(super) type Running = Arc<Mutex<Option<InterruptHandle>>>;

/// Why something was not done, in words for the model.
pub(super) type Refusal = String;

pub(super) struct Client {
    shared: Arc<Shared>,
    running: Running,
    session: Option<Session>,
    checkpoints: Vec<(String, Session)>,
    /// Checkpoints made, which names the next one.
    made: u64,
    outputs: VecDeque<(u64, String)>,
    cells: u64,
    files: Vec<FileInfo>,
    /// Its place among the sessions there may be.
    place: Option<OwnedSemaphorePermit>,
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>, running: Running) -> Self {
        let (checkpoints, outputs, files) = (Vec::new(), VecDeque::new(), Vec::new());
        Client { shared, running, session: None, checkpoints, made: 0, outputs, cells: 0, files, place: None }
    }

    /// The session, started on first use.
    fn session(&mut self) -> Result<&mut Session, Refusal> {
        if self.session.is_none() {
            if self.place.is_none() {
                let place = Arc::clone(&self.shared.sessions).try_acquire_owned();
                self.place = Some(place.map_err(|_| "all sessions of this server are taken; try again later")?);
            }
            let session = self.shared.engine.session(self.shared.options.clone()).map_err(words)?;
            self.replace(session);
            self.files =
                self.session.as_mut().map_or_else(Vec::new, |session| session.files(MAX_FILES).unwrap_or_default());
        }
        self.session.as_mut().ok_or_else(|| "there is no session".into())
    }

    fn replace(&mut self, session: Session) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.interrupt_handle());
        self.session = Some(session);
    }

    /// Runs a cell, unless its request was cancelled while it waited.
    pub(super) fn run(&mut self, code: &str, cancelled: &AtomicBool) -> Result<CallToolResult, Refusal> {
        let max_text = self.shared.max_text;
        let session = self.session()?;
        // A cell that has to be stopped from outside then takes nothing with it but itself. Fails for what cannot be in
        // two places, such as a host file open for writing.
        let kept = session.checkpoint().is_ok();
        if cancelled.load(Ordering::Relaxed) {
            return Err("the request was cancelled".into());
        }
        let report = session.run(code).map_err(words)?;
        self.cells += 1;
        let (result, full) = result::result(&report, self.cells, max_text, kept);
        if let Some(full) = full {
            self.outputs.truncate(MAX_OUTPUTS - 1);
            self.outputs.push_front((self.cells, full));
        }
        Ok(result)
    }

    pub(super) fn reset(&mut self) -> Result<CallToolResult, Refusal> {
        self.session = None;
        self.checkpoints.clear();
        self.outputs.clear();
        self.session()?;
        Ok(said("The session is fresh: no variables, files in /work and /tmp, or checkpoints."))
    }

    pub(super) fn variables(&mut self) -> Result<CallToolResult, Refusal> {
        let variables = self.session()?.variables().map_err(words)?;
        let short = |repr: &str| match repr.len() {
            0..=MAX_REPR => repr.to_owned(),
            _ => format!("{}...", &repr[..repr.floor_char_boundary(MAX_REPR)]),
        };
        let (mut lines, mut rows) = (Vec::new(), Vec::new());
        for (name, type_name, repr) in &variables {
            let repr = short(repr);
            lines.push(format!("{name}: {type_name} = {repr}"));
            rows.push(json!({"name": name, "type": type_name, "repr": repr}));
        }
        let text = if lines.is_empty() { "(no variables)".to_owned() } else { lines.join("\n") };
        let text = result::cut(&text, self.shared.max_text, "ask for single names with run_python").unwrap_or(text);
        let mut result = said(&text);
        result.structured_content = Some(json!({"variables": rows}));
        Ok(result)
    }

    pub(super) fn checkpoint(&mut self, name: Option<String>) -> Result<CallToolResult, Refusal> {
        if let Some(name) = &name
            && (name.is_empty() || name.len() > 100)
        {
            return Err("a checkpoint's name has 1 to 100 bytes".into());
        }
        let name = name.unwrap_or_else(|| format!("checkpoint-{}", self.made + 1));
        let replaced = self.checkpoints.iter().position(|(other, _)| *other == name);
        if replaced.is_none() && self.checkpoints.len() == MAX_CHECKPOINTS {
            let names: Vec<&str> = self.checkpoints.iter().map(|(name, _)| name.as_str()).collect();
            let names = names.join(", ");
            return Err(format!(
                "there are {MAX_CHECKPOINTS} checkpoints already; give the name of one to replace: {names}"
            ));
        }
        let copy = self.session()?.fork().map_err(words)?;
        self.made += 1;
        if let Some(index) = replaced {
            self.checkpoints.remove(index);
        }
        self.checkpoints.push((name.clone(), copy));
        let mut result =
            said(&format!("Checkpoint {name} holds the session as it is now; rollback(name) goes back to it."));
        result.structured_content = Some(json!({"name": name}));
        Ok(result)
    }

    pub(super) fn rollback(&mut self, name: &str) -> Result<CallToolResult, Refusal> {
        let Some((_, copy)) = self.checkpoints.iter_mut().find(|(other, _)| other == name) else {
            let names: Vec<&str> = self.checkpoints.iter().map(|(name, _)| name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(format!("there is no checkpoint `{name}`; there are: {names}"));
        };
        let session = copy.fork().map_err(words)?;
        self.replace(session);
        Ok(said(&format!(
            "The session is as it was at checkpoint {name}, which stays. Changes to granted host files are not undone."
        )))
    }

    /// Whether files came, went or changed since this was asked last.
    pub(super) fn files_changed(&mut self) -> bool {
        let Some(session) = &mut self.session else { return false };
        let files = session.files(MAX_FILES).unwrap_or_default();
        let changed = files != self.files;
        self.files = files;
        changed
    }

    pub(super) fn resources(&mut self) -> Result<Vec<Resource>, Refusal> {
        let files = self.session()?.files(MAX_FILES).map_err(words)?;
        let outputs = self.outputs.iter().map(|(number, text)| resources::output(*number, text));
        Ok(files.iter().map(resources::file).chain(outputs).collect())
    }

    pub(super) fn read(&mut self, uri: &str) -> Result<ResourceContents, Refusal> {
        match resources::parse(uri) {
            Some(Target::File(path)) => {
                let bytes = self.session()?.read_file(&path, MAX_READ).map_err(words)?;
                Ok(resources::contents(uri, &path, bytes))
            }
            Some(Target::Output(number)) => match self.outputs.iter().find(|(other, _)| *other == number) {
                Some((_, text)) => Ok(ResourceContents::text(text.as_str(), uri)),
                None => Err(format!("`{uri}` is no longer kept: the last {MAX_OUTPUTS} long outputs are")),
            },
            None => {
                Err(format!("`{uri}` names nothing here: write keelback:/// and a path, as in keelback:///work/a.txt"))
            }
        }
    }
}

/// A result of one text.
fn said(text: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// An error with its causes, on one line.
fn words(error: Error) -> Refusal {
    format!("{:#}", anyhow::Error::from(error))
}
