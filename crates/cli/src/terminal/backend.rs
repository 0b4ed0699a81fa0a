//! The session as the prompt asks for it: requests to the session's thread, and answers within a deadline.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, Sender},
    },
    time::{Duration, Instant},
};

use keelback_editor::{
    completeness::Completeness,
    edit::{Completions, Signature},
};
use keelback_prompt::{backend::Backend, front::Run};

use super::Shared;

/// What the session's thread is asked.
pub(super) enum Request {
    Run(Run),
    Completeness(String),
    Complete(String, usize),
    Details(String, usize, Vec<String>),
    Signature(String, usize),
    Describe(String),
    Defined(String),
    Command(String, String),
    Leave,
}

/// What it answers.
pub(super) enum Answer {
    Completeness(Option<Completeness>),
    Completions(Completions),
    Details(Vec<String>),
    Signature(Option<Signature>),
    Described(Option<String>),
    Defined(bool),
    Said(Result<String, String>),
}

/// How long keys wait for an answer: longer is felt.
const DEADLINE: Duration = Duration::from_millis(50);
/// Commands do work.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// A session in another thread.
pub(super) struct Asked {
    requests: Sender<(u64, Request)>,
    answers: Receiver<(u64, Answer)>,
    shared: Arc<Shared>,
    number: u64,
}

impl Asked {
    pub(super) fn new(requests: Sender<(u64, Request)>, answers: Receiver<(u64, Answer)>, shared: Arc<Shared>) -> Self {
        Asked { requests, answers, shared, number: 0 }
    }

    pub(super) fn run(&mut self, run: Run) {
        self.send(Request::Run(run));
    }

    pub(super) fn leave(&mut self) {
        // A cell that still runs, as after SIGTERM, is not waited for.
        self.interrupt();
        self.send(Request::Leave);
    }

    fn send(&mut self, request: Request) -> u64 {
        self.number += 1;
        // A thread that is gone has told why.
        let _ = self.requests.send((self.number, request));
        if let Some(idle) = &*self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner) {
            idle.stop();
        }
        self.number
    }

    fn ask(&mut self, request: Request, deadline: Duration) -> Option<Answer> {
        if !self.shared.ready.load(Ordering::Acquire) {
            return None;
        }
        let number = self.send(request);
        let until = Instant::now() + deadline;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (answered, answer) = self.answers.recv_timeout(left).ok()?;
            // Answers to earlier questions came too late.
            if answered == number {
                return Some(answer);
            }
        }
    }
}

impl Backend for Asked {
    fn completeness(&mut self, source: &str) -> Option<Completeness> {
        match self.ask(Request::Completeness(source.to_owned()), DEADLINE)? {
            Answer::Completeness(completeness) => completeness,
            _ => None,
        }
    }

    fn complete(&mut self, source: &str, cursor: usize) -> Completions {
        match self.ask(Request::Complete(source.to_owned(), cursor), 2 * DEADLINE) {
            Some(Answer::Completions(completions)) => completions,
            _ => Completions::default(),
        }
    }

    fn details(&mut self, source: &str, start: usize, texts: &[String]) -> Vec<String> {
        match self.ask(Request::Details(source.to_owned(), start, texts.to_vec()), DEADLINE) {
            Some(Answer::Details(details)) => details,
            _ => Vec::new(),
        }
    }

    fn signature(&mut self, source: &str, cursor: usize) -> Option<Signature> {
        match self.ask(Request::Signature(source.to_owned(), cursor), DEADLINE)? {
            Answer::Signature(signature) => signature,
            _ => None,
        }
    }

    fn describe(&mut self, expression: &str) -> Option<String> {
        match self.ask(Request::Describe(expression.to_owned()), 2 * DEADLINE)? {
            Answer::Described(text) => text,
            _ => None,
        }
    }

    fn defined(&mut self, name: &str) -> bool {
        matches!(self.ask(Request::Defined(name.to_owned()), DEADLINE), Some(Answer::Defined(true)))
    }

    fn command(&mut self, name: &str, argument: &str) -> Result<String, String> {
        match self.ask(Request::Command(name.to_owned(), argument.to_owned()), COMMAND_DEADLINE) {
            Some(Answer::Said(said)) => said,
            _ => Err("the session does not answer".into()),
        }
    }

    fn commands(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        keelback_prompt::commands::SANDBOX
    }

    fn interrupt(&mut self) {
        if let Some(handle) = &*self.shared.interrupt.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.interrupt();
        }
    }

    fn reply(&mut self, line: Option<String>) {
        if let Some(sender) = self.shared.line.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = sender.send(line);
        }
    }
}
