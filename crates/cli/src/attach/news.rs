//! What comes from a session, as a prompt tells it. Called in the connection's thread.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use keelback_prompt::backend::{Ended, Shown, Told, Took};
use keelback_wire::{
    client::{News, Verdict},
    event::{Body, Event, NeedInput, State, Status},
    reply::{Evaluated, Opened, Outcome},
};

use super::{
    printable,
    remote::{Shared, Teller, lock},
};

/// Tells a prompt what comes.
pub(super) struct Pump {
    teller: Teller,
    shared: Arc<Mutex<Shared>>,
}

impl Pump {
    pub(super) fn new(teller: Teller, shared: Arc<Mutex<Shared>>) -> Self {
        Pump { teller, shared }
    }

    fn note(&self, text: impl Into<String>) {
        self.teller.tell(Told::Note(printable::lines(&text.into())));
    }

    pub(super) fn take(&self, news: News) {
        match news {
            News::Entered(opened) => self.entered(opened),
            News::Event { event, own } => {
                let seq = event.seq;
                self.event(event, own);
                self.caught_up(seq);
            }
            News::Away(why) => self.note(format!("{why}; trying again")),
            News::Back { missed: 0 } => self.note("connected again"),
            News::Back { missed } => self.note(format!("connected again; {missed} events are lost")),
            News::Gone(why) => {
                lock(&self.shared).over = true;
                self.teller.tell(Told::Ended(Ended { message: Some(why), exit: Some(1), ..Ended::default() }));
            }
        }
    }

    fn entered(&self, opened: Opened) {
        if opened.missed > 0 {
            self.note(format!("{} earlier events of the session are no longer kept", opened.missed));
        }
        {
            let mut shared = lock(&self.shared);
            (shared.watched, shared.asked, shared.past) = (opened.running, opened.needs_input, opened.last);
        }
        self.caught_up(Some(opened.seq));
    }

    /// After the last event of the past, the present: a cell that still runs.
    fn caught_up(&self, seq: Option<u64>) {
        let (watched, asked) = {
            let mut shared = lock(&self.shared);
            if seq != Some(shared.past) {
                return;
            }
            (shared.watched, shared.asked.take())
        };
        if let Some(cell) = watched {
            self.note(format!("cell {cell} still runs; Ctrl-C interrupts it"));
        }
        if let Some(asked) = asked {
            self.ask(&asked.prompt, asked.hidden);
        }
    }

    fn ask(&self, prompt: &str, hidden: bool) {
        self.teller.tell(Told::Output(prompt.as_bytes().to_vec()));
        self.teller.tell(if hidden { Told::NeedsSecret } else { Told::NeedsInput });
    }

    fn event(&self, event: Event, own: bool) {
        let is_past = event.seq.is_some_and(|seq| seq <= lock(&self.shared).past);
        match event.body {
            Body::Out(out) => {
                if out.dropped > 0 {
                    self.note(format!("{} bytes of output are lost", out.dropped));
                }
                self.teller.tell(Told::Output(out.text.into_bytes()));
            }
            Body::Shown(shown) => {
                let png = shown.png.and_then(|png| STANDARD.decode(png).ok());
                self.teller.tell(Told::Shown(Shown {
                    text: shown.text,
                    pretty: shown.pretty,
                    cut: shown.cut || shown.shortened,
                    png,
                }));
            }
            Body::Raised(raised) => {
                lock(&self.shared).raised = Some(raised.cell);
                self.teller.tell(Told::Raised(raised.traceback));
            }
            Body::NeedInput(asked) => self.needs_input(&asked, own, is_past),
            Body::Status(status) => self.status(status, own),
            Body::Interrupting(interrupting) => self.note(printable::line(&interrupting.to_string())),
            Body::Held(held) => self.note(printable::line(&held.to_string())),
        }
    }

    fn needs_input(&self, asked: &NeedInput, own: bool, is_past: bool) {
        if own || (!is_past && lock(&self.shared).watched == Some(asked.cell)) {
            return self.ask(&asked.prompt, asked.hidden);
        }
        // Another prompt's question, or one that was answered.
        self.teller.tell(Told::Output(format!("{}\n", asked.prompt).into_bytes()));
    }

    fn status(&self, status: Status, own: bool) {
        match status.state {
            State::Busy if !own => {
                // A cell of another client, or of an earlier prompt: shown as it was entered.
                if let Some(source) = status.source {
                    self.teller.tell(Told::Output(transcript(&source).into_bytes()));
                }
            }
            State::Idle => {
                let watched = {
                    let mut shared = lock(&self.shared);
                    status.cell.is_some() && shared.watched.take_if(|cell| Some(*cell) == status.cell).is_some()
                };
                if watched {
                    self.teller.tell(Told::Ended(Ended::default()));
                }
            }
            State::Closed => {
                let is_news = {
                    let mut shared = lock(&self.shared);
                    // The answer to a cell that waits says more.
                    !std::mem::replace(&mut shared.over, true) && !shared.waiting
                };
                if is_news {
                    self.teller.tell(Told::Ended(over(None)));
                }
            }
            State::Busy => {}
        }
    }

    /// The cell that was sent is over.
    pub(super) fn judge(&self, verdict: Verdict) {
        let (raised, is_over) = {
            let mut shared = lock(&self.shared);
            shared.waiting = false;
            (shared.raised, shared.over)
        };
        let mut ended = match verdict {
            Verdict::Ended(evaluated) => ended(evaluated, raised),
            Verdict::Refused(error) => {
                Ended { message: Some(printable::lines(&format!("error: {error}"))), ..Ended::default() }
            }
            Verdict::Unseen => {
                Ended { message: Some("the cell is over; how it ended was not seen".into()), ..Ended::default() }
            }
        };
        if ended.exit.is_some() {
            lock(&self.shared).over = true;
        } else if is_over {
            ended = over(ended.message);
        }
        self.teller.tell(Told::Ended(ended));
    }
}

/// The session ended without being asked to from here.
fn over(message: Option<String>) -> Ended {
    let message = message.into_iter().chain(["the session has ended".into()]).collect::<Vec<_>>().join("\n");
    Ended { message: Some(message), exit: Some(1), ..Ended::default() }
}

fn ended(evaluated: Evaluated, raised: Option<u64>) -> Ended {
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let mut ended = Ended {
        took: Some(Took { wall: seconds(evaluated.wall_s), cpu: seconds(evaluated.cpu_s) }),
        prompts: evaluated.prompts,
        ..Ended::default()
    };
    match evaluated.outcome {
        Outcome::Done | Outcome::Raised | Outcome::Invalid => {}
        Outcome::Interrupted if raised == Some(evaluated.cell) => {} // the event showed where it was
        Outcome::Interrupted => ended.message = Some("KeyboardInterrupt".into()),
        Outcome::Stubborn(task) => {
            ended.message = Some(format!("KeyboardInterrupt: the cell goes on as task `{}`", printable::line(&task)))
        }
        Outcome::Incomplete => ended.incomplete = true,
        Outcome::Exit { status, message } => (ended.exit, ended.message) = (Some(status), message),
    }
    ended
}

/// A cell as its prompt shows it.
fn transcript(source: &str) -> String {
    let mut text = String::new();
    for (number, line) in source.trim_end().lines().enumerate() {
        text.push_str(if number == 0 { ">>> " } else { "... " });
        text.push_str(&printable::lines(line));
        text.push('\n');
    }
    text
}
