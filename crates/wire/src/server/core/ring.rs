//! The last events of a session, for clients that are behind or come back.

use std::collections::VecDeque;

use crate::{
    event::{Body, Held, Interrupting, Out, Stream},
    server::Limits,
};

/// The longest text of one `out` event, in bytes: a choice, a frame of it is short beside what a socket takes at once.
pub(in crate::server) const CHUNK: usize = 64 << 10;

/// What an event costs beside its text, in bytes: about what the entry and its allocations take.
pub(in crate::server) const EVENT_COST: usize = 256;

/// How much a ring holds, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Of all events.
    pub(super) most: usize,
    /// Of events that some client was told: they stay for those who come back.
    pub(super) told: usize,
}

impl Room {
    pub(super) fn of(limits: &Limits) -> Self {
        Room { most: limits.ring_bytes, told: limits.told_bytes.min(limits.ring_bytes) }
    }
}

/// Events, bounded by their size in memory.
#[derive(Debug)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    cost: usize,
    room: Room,
    /// The number of the last event.
    last: u64,
    /// Bytes printed so far, with those that are lost.
    printed: u64,
    /// The last event a client was told: it does not change any more.
    told: u64,
}

/// An event with its number.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) body: Body,
    /// Bytes printed before it.
    printed: u64,
}

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The last event it has.
    pub(super) seq: u64,
    /// Bytes that were printed up to it.
    printed: u64,
}

impl Ring {
    pub(super) fn new(room: Room) -> Self {
        Ring { entries: VecDeque::new(), cost: 0, room, last: 0, printed: 0, told: 0 }
    }

    /// The number of the last event; 0 before the first.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Adds an event. Printed text is joined to the text before it while nobody was told that.
    pub(super) fn push(&mut self, body: Body) {
        if let Body::Out(out) = &body
            && let Some(Entry { seq, body: Body::Out(before), .. }) = self.entries.back_mut()
            && *seq > self.told
            && before.stream == out.stream
            && before.text.len() + out.text.len() <= CHUNK
        {
            before.text.push_str(&out.text);
            self.cost += out.text.len();
            self.printed += out.text.len() as u64;
        } else {
            self.last += 1;
            self.cost += cost(&body);
            let printed = self.printed;
            self.printed += printed_by(&body);
            self.entries.push_back(Entry { seq: self.last, body, printed });
        }
        self.make_room();
    }

    /// Drops the oldest events beyond the room there is for them.
    fn make_room(&mut self) {
        while let Some(oldest) = self.entries.front()
            && self.cost > if oldest.seq <= self.told { self.room.told } else { self.room.most }
        {
            self.cost -= cost(&oldest.body);
            self.entries.pop_front();
        }
    }

    /// Counts events, and bytes printed by them, that were lost before they came here.
    pub(super) fn lose(&mut self, events: u64, bytes: u64) {
        self.last += events;
        self.printed += bytes;
    }

    /// A client that has all events so far.
    pub(super) fn end(&self) -> Cursor {
        Cursor { seq: self.last, printed: self.printed }
    }

    /// A client that has the events up to `seq`, and how many of those that follow are no longer kept.
    pub(super) fn after(&self, seq: u64) -> (Cursor, u64) {
        let seq = seq.min(self.last);
        let first = self.entries.partition_point(|entry| entry.seq <= seq);
        let printed = self.entries.get(first).map_or(self.printed, |entry| entry.printed);
        let kept = (self.entries.len() - first) as u64;
        (Cursor { seq, printed }, self.last - seq - kept)
    }

    /// The next event for a client, with the printed bytes lost before it, and the cursor after it.
    pub(super) fn next(&mut self, cursor: Cursor) -> Option<(&Entry, u64, Cursor)> {
        self.make_room();
        let index = self.entries.partition_point(|entry| entry.seq <= cursor.seq);
        let entry = self.entries.get(index)?;
        self.told = self.told.max(entry.seq);
        // Lost bytes are told with the next text, so they stay open over events that are none.
        let after = match &entry.body {
            Body::Out(_) => Cursor { seq: entry.seq, printed: entry.printed + printed_by(&entry.body) },
            _ => Cursor { seq: entry.seq, ..cursor },
        };
        Some((entry, entry.printed.saturating_sub(cursor.printed), after))
    }
}

/// What an event costs in memory, in bytes.
pub(in crate::server) fn cost(body: &Body) -> usize {
    let text = match body {
        Body::Out(Out { text, .. }) => text.len(),
        Body::Shown(shown) => {
            let further = [&shown.pretty, &shown.png].into_iter().flatten().map(String::len).sum::<usize>();
            shown.text.len() + further
        }
        Body::Raised(raised) => {
            let frames = raised.frames.iter().map(|frame| frame.file.len() + frame.text.len() + EVENT_COST / 2);
            raised.message.len() + raised.traceback.len() + frames.sum::<usize>()
        }
        Body::Status(status) => status.source.as_ref().map_or(0, String::len),
        Body::NeedInput(asked) => asked.prompt.len(),
        Body::Held(Held { frames, .. }) | Body::Interrupting(Interrupting { frames, .. }) => frames.len() * EVENT_COST,
    };
    EVENT_COST + text
}

/// Bytes that an event prints.
pub(in crate::server) fn printed_by(body: &Body) -> u64 {
    match body {
        Body::Out(out) => out.text.len() as u64,
        _ => 0,
    }
}

/// An `out` event.
pub(in crate::server) fn out(stream: Stream, text: String) -> Body {
    Body::Out(Out { stream, text, dropped: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{State, Status};

    /// A ring that makes no difference between events that were told and others.
    fn ring(limit: usize) -> Ring {
        Ring::new(Room { most: limit, told: limit })
    }

    fn print(ring: &mut Ring, text: &str) {
        ring.push(out(Stream::Out, text.into()));
    }

    fn status() -> Body {
        Body::Status(Status { state: State::Idle, cell: None, by: None, source: None })
    }

    /// What a client is told from its cursor on: number, lost bytes, length of the text.
    fn told(ring: &mut Ring, cursor: &mut Cursor) -> Vec<(u64, u64, usize)> {
        let mut all = Vec::new();
        while let Some((entry, lost, next)) = ring.next(*cursor) {
            let is_out = matches!(entry.body, Body::Out(_));
            all.push((entry.seq, if is_out { lost } else { 0 }, cost(&entry.body) - EVENT_COST));
            *cursor = next;
        }
        all
    }

    #[test]
    fn text_is_joined_until_somebody_was_told() {
        let mut ring = ring(1 << 20);
        let mut cursor = ring.end();
        print(&mut ring, "a");
        print(&mut ring, "b");
        assert_eq!(told(&mut ring, &mut cursor), [(1, 0, 2)]);
        print(&mut ring, "c");
        ring.push(out(Stream::Err, "d".into()));
        ring.push(out(Stream::Err, "e".repeat(CHUNK)));
        assert_eq!(told(&mut ring, &mut cursor), [(2, 0, 1), (3, 0, 1), (4, 0, CHUNK)]);
    }

    #[test]
    fn what_falls_out_is_counted_once() {
        let mut ring = ring(3 * CHUNK);
        let mut cursor = ring.end();
        for _ in 0..10 {
            print(&mut ring, &"x".repeat(CHUNK));
        }
        let lost = 8 * CHUNK as u64;
        assert_eq!(told(&mut ring, &mut cursor), [(9, lost, CHUNK), (10, 0, CHUNK)]);
        assert_eq!(ring.after(3).1, 5);
        assert_eq!(ring.after(9).1, 0);
        assert_eq!(ring.after(99), (ring.end(), 0));
    }

    #[test]
    fn what_nobody_was_told_has_more_room() {
        let mut ring = Ring::new(Room { most: 8 * CHUNK, told: 3 * CHUNK });
        let mut cursor = ring.end();
        for _ in 0..7 {
            print(&mut ring, &"x".repeat(CHUNK));
        }
        assert_eq!(ring.after(0).1, 0);
        assert_eq!(told(&mut ring, &mut cursor), [1, 2, 3, 4, 5, 6, 7].map(|seq| (seq, 0, CHUNK)));
        assert_eq!(ring.after(0).1, 5);
    }

    #[test]
    fn lost_bytes_wait_for_the_next_text() {
        let mut ring = ring(1 << 20);
        let mut cursor = ring.end();
        ring.lose(2, 7);
        ring.push(status());
        print(&mut ring, "x");
        assert_eq!(told(&mut ring, &mut cursor), [(3, 0, 0), (4, 7, 1)]);
        assert_eq!(ring.after(0).1, 2);
    }

    #[test]
    fn an_event_beyond_the_limit_is_not_kept() {
        let mut ring = ring(EVENT_COST * 2);
        print(&mut ring, &"x".repeat(CHUNK));
        let (mut cursor, missed) = ring.after(0);
        assert_eq!((missed, told(&mut ring, &mut cursor)), (1, vec![]));
    }
}
