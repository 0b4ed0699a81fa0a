//! The question for the terminal's background, and that its answer reaches nobody else.
//!
//! A terminal answers before it sends a key that was typed at the prompt. So the answer is still to come only when the
//! next cell was typed ahead, or when the terminal gives none.

use std::time::Duration;

use super::{Flow, Front, Record, State};
use crate::backend::Backend;

/// The background (OSC 11), which some terminals do not know, then what terminal it is (DA1), which all of them do.
const QUESTION: &[u8] = b"\x1b]11;?\x1b\\\x1b[c";

/// What comes with no byte for so long is over: an Escape is the key.
const ESCAPE_TIME: Duration = Duration::from_millis(30);

/// So long the answer is waited for, where something has to: terminals need a millisecond, distant ones a round trip.
const ANSWER_TIME: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing was asked.
    #[default]
    Unasked,
    /// It is to come.
    Expected,
    /// It has come, or is waited for no longer.
    Over,
}

/// What the driver is to do, and the state it was found in.
#[derive(Debug)]
pub(super) struct Held {
    flow: Flow,
    state: State,
}

impl<B: Backend, R: Record> Front<B, R> {
    /// Asks once, where the answer would change anything.
    pub(super) fn ask_background(&mut self) {
        if self.answer == Answer::Unasked && self.options.theme_is_default && !self.options.theme.is_colorless() {
            self.answer = Answer::Expected;
            self.out.extend_from_slice(QUESTION);
        }
    }

    /// Gives `flow` to the driver. One after which others read from the terminal is held back until the answer is here.
    pub(super) fn hand_out(&mut self, flow: Flow) -> Option<Flow> {
        let lends = self.options.lends_terminal || !matches!(flow, Flow::Run(_));
        if lends && self.answer == Answer::Expected {
            self.held = Some(Held { flow, state: self.state });
            self.state = State::Running;
            return None;
        }
        if matches!(flow, Flow::Run(_)) {
            if self.is_interrupted() {
                self.note("KeyboardInterrupt");
                self.begin_cell();
                return None;
            }
            self.state = State::Running;
        }
        Some(flow)
    }

    /// What was held back, if nothing speaks against it any more.
    pub(super) fn take_held(&mut self) -> Option<Flow> {
        if self.answer == Answer::Expected {
            return None;
        }
        let Held { flow, state } = self.held.take()?;
        self.state = state;
        self.hand_out(flow)
    }

    /// How long to wait for a further byte before [`flush`](Self::flush) is to be called; None for no such need.
    #[must_use]
    pub fn pending(&self) -> Option<Duration> {
        let waits = self.held.is_some() || self.decoder.pending();
        waits.then_some(if self.answer == Answer::Expected { ANSWER_TIME } else { ESCAPE_TIME })
    }

    /// No byte came for as long as [`pending`](Self::pending) says: an Escape is an Escape, and no answer comes.
    pub fn flush(&mut self) {
        if self.answer == Answer::Expected {
            self.answer = Answer::Over;
        }
        let mut events = Vec::new();
        self.decoder.flush(&mut events);
        self.take_events(events);
    }
}
