//! The text between the marks of a bracketed paste.

use crate::key::Event;

const END: &[u8] = b"\x1b[201~";

#[derive(Debug)]
pub(super) struct Paste {
    bytes: Vec<u8>,
    limit: usize,
}

impl Paste {
    pub(super) fn new(limit: usize) -> Self {
        Paste { bytes: Vec::new(), limit: limit.max(16) }
    }

    /// Takes bytes up to the end of the paste or the limit of a piece. Returns how many and whether the paste ended.
    pub(super) fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> (usize, bool) {
        let before = self.bytes.len();
        let room = self.limit - before;
        let new = &bytes[..bytes.len().min(room)];
        self.bytes.extend_from_slice(new);
        // The mark may have begun in an earlier read.
        let from = before.saturating_sub(END.len() - 1);
        if let Some(at) = find_end(&self.bytes, from) {
            let taken = at + END.len() - before;
            self.bytes.truncate(at);
            events.push(Event::Paste(text(std::mem::take(&mut self.bytes))));
            return (taken, true);
        }
        if self.bytes.len() == self.limit {
            let tail = self.bytes.split_off(cut(&self.bytes));
            let piece = std::mem::replace(&mut self.bytes, tail);
            events.push(Event::Paste(text(piece)));
        }
        (new.len(), false)
    }
}

fn find_end(bytes: &[u8], mut from: usize) -> Option<usize> {
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == END[0]) {
        if bytes[from + at..].starts_with(END) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// Where a piece may end: not in a character, between CR and LF, or in the mark of the end.
fn cut(bytes: &[u8]) -> usize {
    let length = bytes.len();
    if let Some(held) = (1..END.len()).rev().find(|held| bytes.ends_with(&END[..*held])) {
        return length - held;
    }
    if bytes.ends_with(b"\r") {
        return length - 1;
    }
    let back = bytes.iter().rev().take(4).position(|byte| *byte & 0xc0 != 0x80);
    let start = length - back.map_or(0, |back| back + 1);
    match std::str::from_utf8(&bytes[start..]) {
        Err(error) if error.error_len().is_none() => start,
        _ => length,
    }
}

fn text(bytes: Vec<u8>) -> String {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    if !text.as_bytes().contains(&b'\r') {
        return text;
    }
    let mut lines = String::with_capacity(text.len());
    let mut pieces = text.split('\r');
    lines.extend(pieces.next());
    for piece in pieces {
        lines.push('\n');
        lines.push_str(piece.strip_prefix('\n').unwrap_or(piece));
    }
    lines
}
