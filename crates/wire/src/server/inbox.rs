//! What the application tells from any thread, until the server's thread takes it.

mod waiting;

use std::{
    io::Write,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;

use self::waiting::Waiting;
use crate::{
    application::{Handle, SharedText},
    event::{Body, Out, Stream},
    message::{CellNumber, Failure},
    reply::{Evaluated, NeedsInput},
    system::Waker,
};

/// One thing an application told of a session.
#[derive(Debug)]
pub(super) enum Note {
    Began(CellNumber),
    Ended(Evaluated),
    Event(Body),
    NeedsInput(NeedsInput),
    Closed,
    /// Events that did not fit, and bytes printed by them.
    Lost {
        events: u64,
        bytes: u64,
    },
}

impl Note {
    /// Whether a server that dozes need not wake for it.
    fn can_wait(&self) -> bool {
        matches!(self, Note::Began(_) | Note::Event(_) | Note::Lost { .. })
    }
}

/// All that was told since the last time.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) sessions: Vec<(String, Vec<Note>)>,
    pub(super) application: Vec<Note>,
    pub(super) answers: Vec<(u64, Result<Value, Failure>)>,
    pub(super) stop: bool,
}

impl Told {
    /// Whether more is likely to come at once: something happened in a session, and it was not the end of a cell.
    pub(super) fn goes_on(&self) -> bool {
        let goes_on = |notes: &Vec<Note>| !matches!(notes.last(), None | Some(Note::Ended(_)));
        !self.application.is_empty() || self.sessions.iter().map(|(_, notes)| notes).any(goes_on)
    }
}

/// Where the application's threads and the server's meet. The lock is held for a few instructions, or to copy a text.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    /// None when nothing is told any more.
    waker: Mutex<Option<Waker>>,
    /// The most bytes of events that wait, of one session.
    limit: usize,
    /// Something was told since the last `take` that a server which dozes would wake for.
    urgent: AtomicBool,
    /// In a forked child nothing is there to tell, and the lock may be held for ever.
    abandoned: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Those of which something was told, few at a time.
    sessions: Vec<(String, Waiting)>,
    application: Waiting,
    answers: Vec<(u64, Result<Value, Failure>)>,
    stop: bool,
    sleep: Sleep,
}

/// What the server's thread does.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sleep {
    /// It will look into the inbox before it sleeps.
    #[default]
    Awake,
    /// It sleeps for a moment, and printed text or that a cell begins can wait so long.
    Dozing,
    /// It sleeps until something happens.
    Asleep,
}

impl Inbox {
    /// `waker` is written to when the server sleeps; it does not block.
    pub(super) fn new(waker: Waker, limit: usize) -> Self {
        let never = || AtomicBool::new(false);
        Inbox { state: Mutex::default(), waker: Mutex::new(Some(waker)), limit, urgent: never(), abandoned: never() }
    }

    /// Nothing is told any more. Also for a forked child: no lock is waited for.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        if let Ok(mut waker) = self.waker.try_lock() {
            *waker = None;
        }
    }

    /// Asks the server's thread to end.
    pub(super) fn stop(&self) {
        self.tell(true, |state| state.stop = true);
    }

    /// All that was told.
    pub(super) fn take(&self) -> Told {
        let mut state = self.lock();
        state.sleep = Sleep::Awake;
        self.urgent.store(false, Ordering::Relaxed);
        let sessions = std::mem::take(&mut state.sessions);
        let application = std::mem::take(&mut state.application);
        let (answers, stop) = (std::mem::take(&mut state.answers), state.stop);
        drop(state);
        let sessions = sessions.into_iter().map(|(name, waiting)| (name, waiting.into_notes())).collect();
        Told { sessions, application: application.into_notes(), answers, stop }
    }

    /// Whether something urgent was told that was not taken yet.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::Relaxed)
    }

    /// Announces that the server's thread sleeps now. False if there is something to take first.
    pub(super) fn sleep(&self, how: Sleep) -> bool {
        let mut state = self.lock();
        let urgent = state.stop
            || !state.answers.is_empty()
            || state.application.holds(how)
            || state.sessions.iter().any(|(_, waiting)| waiting.holds(how));
        if !urgent {
            state.sleep = how;
        }
        !urgent
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the server's thread if it would not look by itself soon enough.
    fn tell(&self, urgent: bool, change: impl FnOnce(&mut State)) {
        if self.abandoned.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.lock();
        change(&mut state);
        if urgent {
            self.urgent.store(true, Ordering::Relaxed);
        }
        let wake = match state.sleep {
            Sleep::Awake => false,
            Sleep::Dozing => urgent,
            Sleep::Asleep => true,
        };
        if wake {
            state.sleep = Sleep::Awake;
            drop(state);
            if let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
                // The only error is of a full pipe, and then the server wakes anyway.
                let _ = (&*waker).write(&[1]);
            }
        }
    }

    fn note(&self, session: &str, note: Note) {
        self.tell(!note.can_wait(), |state| state.session(session).push(note));
    }

    fn print(&self, session: Option<&str>, stream: Stream, text: &str) {
        if text.is_empty() {
            return;
        }
        self.tell(false, |state| state.of(session).print(stream, text, self.limit));
    }
}

impl Handle for Inbox {
    fn began(&self, session: &str, cell: CellNumber) {
        self.note(session, Note::Began(cell));
    }

    fn ended(&self, session: &str, outcome: Evaluated) {
        self.note(session, Note::Ended(outcome));
    }

    fn output(&self, session: &str, stream: Stream, text: &str) {
        self.print(Some(session), stream, text);
    }

    fn output_shared(&self, session: &str, stream: Stream, text: SharedText) {
        self.tell(false, |state| state.session(session).print_shared(stream, text, self.limit));
    }

    fn tapped(&self, stream: Stream, text: &str) {
        self.print(None, stream, text);
    }

    fn event(&self, session: Option<&str>, body: Body) {
        match body {
            // Printed text is cut into chunks, whichever way it comes.
            Body::Out(Out { stream, text, .. }) => self.print(session, stream, &text),
            body => self.tell(false, |state| state.of(session).event(body, self.limit)),
        }
    }

    fn needs_input(&self, session: &str, asked: NeedsInput) {
        self.note(session, Note::NeedsInput(asked));
    }

    fn answer(&self, ticket: u64, answer: Result<Value, Failure>) {
        self.tell(true, |state| state.answers.push((ticket, answer)));
    }

    fn closed(&self, session: &str) {
        self.note(session, Note::Closed);
    }
}

impl State {
    fn session(&mut self, name: &str) -> &mut Waiting {
        let found = self.sessions.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.sessions.push((name.to_owned(), Waiting::default()));
            self.sessions.len() - 1
        });
        &mut self.sessions[found].1
    }

    fn of(&mut self, session: Option<&str>) -> &mut Waiting {
        match session {
            Some(name) => self.session(name),
            None => &mut self.application,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::core::ring::CHUNK, *};
    use crate::system::waker_pair;
    use std::io::Read;

    const LIMIT: usize = 4 * CHUNK;

    fn inbox() -> (Inbox, Waker) {
        let (waker, woken) = waker_pair().expect("a pair");
        for end in [&waker, &woken] {
            end.set_nonblocking(true).expect("a socket");
        }
        (Inbox::new(waker, LIMIT), woken)
    }

    fn wakes(woken: &mut Waker) -> usize {
        woken.read(&mut [0; 64]).unwrap_or(0)
    }

    /// The kinds of notes; of printed text its length.
    fn brief(notes: &[Note]) -> Vec<String> {
        let brief = |note: &Note| match note {
            Note::Event(Body::Out(out)) => format!("{}", out.text.len()),
            Note::Event(_) => "event".into(),
            Note::Began(cell) => format!("began {cell}"),
            Note::Lost { events, bytes } => format!("lost {events} {bytes}"),
            note => format!("{note:?}"),
        };
        notes.iter().map(brief).collect()
    }

    /// What was told of a session.
    fn of<'a>(told: &'a Told, session: &str) -> &'a [Note] {
        told.sessions.iter().find(|(name, _)| name == session).map_or(&[], |(_, notes)| notes)
    }

    #[test]
    fn prints_are_joined_and_wake_once() {
        let (inbox, mut woken) = inbox();
        assert!(inbox.sleep(Sleep::Asleep));
        for _ in 0..1000 {
            inbox.output("a", Stream::Out, "é\n");
        }
        inbox.output("a", Stream::Err, "x");
        assert_eq!(wakes(&mut woken), 1);
        assert_eq!(brief(of(&inbox.take(), "a")), ["3000", "1"]);
    }

    #[test]
    fn only_what_is_urgent_wakes_a_dozing_server() {
        let (inbox, mut woken) = inbox();
        inbox.output("a", Stream::Out, "x");
        assert!(!inbox.sleep(Sleep::Asleep));
        assert!(inbox.sleep(Sleep::Dozing));
        inbox.output("a", Stream::Out, "x");
        assert_eq!(wakes(&mut woken), 0);
        inbox.began("a", 1);
        assert_eq!(wakes(&mut woken), 0);
        assert!(!inbox.is_urgent());
        inbox.closed("a");
        assert!(inbox.is_urgent());
        assert_eq!(wakes(&mut woken), 1);
        assert!(!inbox.sleep(Sleep::Dozing));
        let told = inbox.take();
        assert!(told.goes_on());
        assert!(!inbox.is_urgent());
        assert_eq!(brief(of(&told, "a")), ["2", "began 1", "Closed"]);
    }

    #[test]
    fn a_flood_is_bounded_and_loses_no_end_of_a_cell() {
        let (inbox, _woken) = inbox();
        inbox.output("b", Stream::Out, "quiet");
        inbox.began("a", 1);
        for _ in 0..100 {
            inbox.output("a", Stream::Out, &"x".repeat(CHUNK));
        }
        inbox.began("a", 2);
        let told = inbox.take();
        assert_eq!(
            brief(of(&told, "a")),
            ["began 1", "lost 96 6291456", "65536", "65536", "65536", "65536", "began 2"]
        );
        assert_eq!(brief(of(&told, "b")), ["5"]);
    }

    #[test]
    fn of_a_huge_text_only_the_end_is_kept() {
        let (inbox, _woken) = inbox();
        inbox.output("a", Stream::Out, &"é".repeat(LIMIT));
        assert_eq!(brief(of(&inbox.take(), "a")), ["lost 1 262144", "65536", "65536", "65536", "65536"]);
    }

    #[test]
    fn a_shared_text_is_cut_and_counted_as_others_are() {
        let (inbox, _woken) = inbox();
        inbox.output("a", Stream::Out, "before");
        inbox.output_shared("a", Stream::Out, Box::new("é".repeat(CHUNK)));
        inbox.output("a", Stream::Out, "after");
        assert!(inbox.sleep(Sleep::Dozing));
        assert_eq!(brief(of(&inbox.take(), "a")), ["6", "65536", "65536", "5"]);
        inbox.output_shared("a", Stream::Out, Box::new("é".repeat(LIMIT)));
        assert_eq!(brief(of(&inbox.take(), "a")), ["lost 1 262144", "65536", "65536", "65536", "65536"]);
        inbox.began("a", 1);
        for _ in 0..3 {
            inbox.output_shared("a", Stream::Err, Box::new("x".repeat(LIMIT)));
        }
        let told = inbox.take();
        assert_eq!(brief(of(&told, "a")), ["began 1", "lost 2 524288", "65536", "65536", "65536", "65536"]);
    }

    #[test]
    fn an_abandoned_inbox_takes_nothing() {
        let (inbox, _woken) = inbox();
        inbox.abandon();
        inbox.output("a", Stream::Out, "x");
        assert!(inbox.take().sessions.is_empty());
    }
}
