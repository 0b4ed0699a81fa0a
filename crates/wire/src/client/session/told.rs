//! What the server tells of a session, events and answers, and what they say of the cell that is to be answered.

use std::sync::Arc;

use super::{Inner, News, State, Verdict};
use crate::{
    client::{CallError, lock},
    event::{self, Body, Event},
    message::CellNumber,
    reply::{Evaluated, Opened},
};

impl Inner {
    pub(super) fn entered(&self, opened: &Opened) {
        let back = {
            let mut state = lock(&self.state);
            state.settled = true;
            state.seq = opened.seq;
            let back = !state.name.is_empty();
            state.name.clone_from(&opened.session);
            back
        };
        (self.tell)(if back { News::Back { missed: opened.missed } } else { News::Entered(opened.clone()) });
    }

    pub(super) fn event(self: &Arc<Self>, event: Event) {
        let mut over = None;
        let mut unclear = false;
        let own = {
            let mut state = lock(&self.state);
            if let Some(seq) = event.seq {
                state.seq = state.seq.max(seq);
            }
            if let Body::Status(status) = &event.body {
                state.follow(status);
            }
            let number = state.cell.as_ref().and_then(|pending| pending.number);
            if let Body::Status(status) = &event.body {
                let orphan = state.cell.as_ref().filter(|pending| pending.orphan && status.state == event::State::Idle);
                if let Some(pending) = orphan {
                    match pending.number {
                        Some(number) if status.cell == Some(number) => over = state.cell.take(),
                        Some(_) => {}
                        None => unclear = true,
                    }
                }
            }
            number.is_some() && number == cell_of(&event.body)
        };
        (self.tell)(News::Event { event, own });
        if let Some(pending) = over {
            (pending.then)(Verdict::Unseen);
        }
        if unclear {
            self.look_for_orphan();
        }
    }

    pub(super) fn answered(&self, serial: u64, answer: Result<Evaluated, CallError>) {
        let pending = {
            let mut state = lock(&self.state);
            let left = state.left;
            let Some(pending) = state.cell.as_mut().filter(|pending| pending.serial == serial) else { return };
            if matches!(answer, Err(CallError::Lost(_))) && !left {
                pending.orphan = true;
                return;
            }
            state.cell.take()
        };
        let verdict = answer.map_or_else(Verdict::Refused, Verdict::Ended);
        if let Some(pending) = pending {
            (pending.then)(verdict);
        }
    }
}

impl State {
    fn follow(&mut self, status: &event::Status) {
        let (event::State::Busy, Some(by), Some(cell)) = (status.state, status.by, status.cell) else { return };
        let Some(pending) = &mut self.cell else { return };
        // The number of a request may be known only after its cell has begun; there is no other one of this connection.
        if pending.by.map_or(by.0 == self.welcome.client, |own| own == by) {
            pending.number = Some(cell);
        }
    }
}

/// The cell that an event names.
fn cell_of(body: &Body) -> Option<CellNumber> {
    match body {
        Body::Shown(shown) => Some(shown.cell),
        Body::Raised(raised) => Some(raised.cell),
        Body::NeedInput(asked) => Some(asked.cell),
        Body::Interrupting(interrupting) => Some(interrupting.cell),
        Body::Status(status) => status.cell,
        _ => None,
    }
}
