//! What waits of one session until the server's thread takes it, within a limit.

use std::collections::VecDeque;

use super::{Note, Sleep};
use crate::{
    application::SharedText,
    event::{Body, Stream},
    server::core::ring::{CHUNK, EVENT_COST, cost, out, printed_by},
};

/// The notes of one session.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Those before `queued`, of which the events were dropped.
    kept: Vec<Note>,
    queued: VecDeque<Queued>,
    /// What the events in `queued` cost.
    cost: usize,
}

#[derive(Debug)]
enum Queued {
    Note(Note),
    /// Printed text that the server's thread copies.
    Text(Text),
}

struct Text {
    stream: Stream,
    text: SharedText,
    /// Where what is told of it begins.
    from: usize,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Text").field("bytes", &self.told().len()).finish_non_exhaustive()
    }
}

impl Text {
    fn told(&self) -> &str {
        &(*self.text).as_ref()[self.from..]
    }

    fn cost(&self) -> usize {
        EVENT_COST + self.told().len()
    }
}

impl Waiting {
    pub(super) fn push(&mut self, note: Note) {
        self.queued.push_back(Queued::Note(note));
    }

    pub(super) fn print(&mut self, stream: Stream, text: &str, limit: usize) {
        let mut rest = text;
        // Of a text that cannot be kept only the end is copied.
        if rest.len() > limit {
            let cut = ceil_boundary(rest, rest.len() - limit);
            self.push(Note::Lost { events: 1, bytes: cut as u64 });
            rest = &rest[cut..];
        }
        if let Some(Queued::Note(Note::Event(Body::Out(before)))) = self.queued.back_mut()
            && before.stream == stream
        {
            let fits = floor_boundary(rest, CHUNK.saturating_sub(before.text.len()));
            before.text.push_str(&rest[..fits]);
            self.cost += fits;
            rest = &rest[fits..];
        }
        while !rest.is_empty() {
            let end = floor_boundary(rest, CHUNK);
            self.event(out(stream, rest[..end].to_owned()), limit);
            rest = &rest[end..];
        }
        self.drop_events(limit);
    }

    /// As `print`, of a text that is copied later.
    pub(super) fn print_shared(&mut self, stream: Stream, text: SharedText, limit: usize) {
        let whole = (*text).as_ref();
        let from = if whole.len() > limit { ceil_boundary(whole, whole.len() - limit) } else { 0 };
        if from > 0 {
            self.push(Note::Lost { events: 1, bytes: from as u64 });
        }
        let text = Text { stream, text, from };
        self.cost += text.cost();
        self.queued.push_back(Queued::Text(text));
        self.drop_events(limit);
    }

    pub(super) fn event(&mut self, body: Body, limit: usize) {
        self.cost += cost(&body);
        self.push(Note::Event(body));
        self.drop_events(limit);
    }

    /// Drops the oldest events until what waits is within the limit; all other notes stay, in their order.
    fn drop_events(&mut self, limit: usize) {
        // A few events are always kept: an entry's own cost must not drop the end of a text that just fits.
        while self.cost > limit + CHUNK + limit / CHUNK * EVENT_COST {
            let Some(queued) = self.queued.pop_front() else { break };
            let (events, bytes) = match queued {
                Queued::Text(text) => {
                    self.cost -= text.cost();
                    (1, text.told().len() as u64)
                }
                Queued::Note(Note::Event(body)) => {
                    self.cost -= cost(&body);
                    (1, printed_by(&body))
                }
                Queued::Note(Note::Lost { events, bytes }) => (events, bytes),
                Queued::Note(note) => {
                    self.kept.push(note);
                    continue;
                }
            };
            match self.kept.last_mut() {
                Some(Note::Lost { events: e, bytes: b }) => {
                    *e += events;
                    *b += bytes;
                }
                _ => self.kept.push(Note::Lost { events, bytes }),
            }
        }
    }

    /// Whether there is something that cannot wait while the server sleeps like this.
    pub(super) fn holds(&self, how: Sleep) -> bool {
        match how {
            Sleep::Dozing => {
                let can_wait = |queued: &Queued| match queued {
                    Queued::Note(note) => note.can_wait(),
                    Queued::Text(_) => true,
                };
                !(self.kept.iter().all(Note::can_wait) && self.queued.iter().all(can_wait))
            }
            _ => !(self.kept.is_empty() && self.queued.is_empty()),
        }
    }

    /// The notes in their order. Copies what was shared: not to be done where others wait.
    pub(super) fn into_notes(self) -> Vec<Note> {
        let mut notes = self.kept;
        for queued in self.queued {
            match queued {
                Queued::Note(note) => notes.push(note),
                Queued::Text(text) => {
                    let mut rest = text.told();
                    while !rest.is_empty() {
                        let end = floor_boundary(rest, CHUNK);
                        notes.push(Note::Event(out(text.stream, rest[..end].to_owned())));
                        rest = &rest[end..];
                    }
                }
            }
        }
        notes
    }
}

/// The nearest character boundary at or before `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

/// The nearest character boundary at or after `index`.
fn ceil_boundary(text: &str, index: usize) -> usize {
    (index..=text.len()).find(|index| text.is_char_boundary(*index)).unwrap_or(text.len())
}
