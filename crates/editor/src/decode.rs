//! What a terminal sends, as [events](Event): UTF-8, control characters, escape sequences of xterm and its many
//! relatives, the kitty keyboard protocol, pastes and answers to questions.
//!
//! A decoder knows nothing of time: the caller says with [`Decoder::flush`] that nothing came for a while. Between two
//! flushes the events depend on the bytes alone, not on how reads have cut them. Mouse and focus reports and answers
//! that nobody here asked for are swallowed.
//!
//! Sources: ECMA-48 for the shape of sequences, xterm's "XTerm Control Sequences", and
//! <https://sw.kovidgoyal.net/kitty/keyboard-protocol/>.

mod paste;
mod sequence;
mod utf8;

use crate::key::{Event, Key, KeyCode};

use self::{
    paste::Paste,
    utf8::{Step, Utf8},
};

/// Longest text that is delivered as one [`Event::Paste`]; a longer one comes in pieces. A choice: far above what
/// anybody pastes, and not above what a process can hold.
pub const MAX_PASTE_BYTES: usize = 64 << 20;

/// Parameters of a sequence that are kept. The longest with a meaning here, a key with its text, is far shorter.
const MAX_SEQUENCE_BYTES: usize = 256;

/// Bytes after which a string (OSC, DCS, APC) without an end is given up: no answer is nearly as long.
const MAX_STRING_BYTES: usize = 1 << 16;

const ESC: u8 = 0x1b;

/// Turns the bytes of a terminal into events.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// Escape came before what is being read.
    alt: bool,
    /// Parameters of the sequence, or the start of the string.
    parameters: Vec<u8>,
    /// Bytes of the sequence or string, kept or not.
    length: usize,
    utf8: Utf8,
    paste: Paste,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ground,
    /// After ESC; with `alt`, after two.
    Escape,
    /// After ESC and the first byte of a string, which is one only if what follows looks like it.
    StringStart(u8),
    String(u8),
    /// ESC in a string: its end, if a backslash follows.
    StringEscape(u8),
    /// After ESC `[`.
    Csi,
    /// After ESC `[` `[`: a function key of the Linux console.
    Console,
    /// After ESC `O`.
    Ss3,
    /// After ESC `[` `M`: so many bytes of a report of the mouse are to come.
    Mouse(u8),
    Paste,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

impl Decoder {
    /// A decoder that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Decoder::with_paste_limit(MAX_PASTE_BYTES)
    }

    fn with_paste_limit(limit: usize) -> Self {
        Decoder {
            state: State::Ground,
            alt: false,
            parameters: Vec::new(),
            length: 0,
            utf8: Utf8::default(),
            paste: Paste::new(limit),
        }
    }

    /// Takes the next bytes and appends what they complete to `events`.
    pub fn feed(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.state == State::Paste {
                let (taken, ended) = self.paste.feed(bytes, events);
                bytes = &bytes[taken..];
                if ended {
                    self.state = State::Ground;
                }
            } else {
                // A byte that cannot go on with what was begun ends it, and is looked at again.
                while !self.step(first, events) {}
                bytes = rest;
            }
        }
    }

    /// Whether something is unfinished that [`flush`](Self::flush) would settle. False inside a paste, which may pause.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.utf8.pending() || !matches!(self.state, State::Ground | State::Paste)
    }

    /// Whether nothing is unfinished, a paste neither.
    #[must_use]
    pub fn is_between_keys(&self) -> bool {
        self.state == State::Ground && !self.utf8.pending()
    }

    /// Settles what is unfinished, because no byte came for some 30 ms: an Escape alone is the key, the start of a
    /// sequence alone is a key with Alt, a sequence that was cut short is dropped.
    pub fn flush(&mut self, events: &mut Vec<Event>) {
        if self.utf8.pending() {
            self.utf8 = Utf8::default();
            self.character(char::REPLACEMENT_CHARACTER, events);
        }
        match self.state {
            State::Ground | State::Paste => return,
            State::Escape => self.key(Key::plain(KeyCode::Escape), events),
            State::StringStart(introducer) => self.introducer(introducer, events),
            State::Csi if self.length == 0 => self.introducer(b'[', events),
            State::Ss3 if self.length == 0 => self.introducer(b'O', events),
            State::Console => {
                self.introducer(b'[', events);
                events.push(Event::Key(Key::char('[')));
            }
            State::Csi | State::Ss3 | State::String(_) | State::StringEscape(_) | State::Mouse(_) => {}
        }
        self.ground();
    }

    /// Takes one byte outside a paste. False if the byte is still to be taken, in the state that is now.
    fn step(&mut self, byte: u8, events: &mut Vec<Event>) -> bool {
        match self.state {
            State::Ground => return self.plain(byte, events),
            State::Escape => return self.after_escape(byte, events),
            State::StringStart(introducer) => {
                if starts_string(introducer, byte) {
                    self.state = State::String(introducer);
                } else {
                    self.introducer(introducer, events);
                    self.ground();
                }
                return false;
            }
            State::String(introducer) => return self.in_string(introducer, byte, events),
            State::StringEscape(introducer) => {
                if byte == b'\\' {
                    self.end_string(introducer, events);
                } else {
                    self.ground();
                    self.state = State::Escape;
                    return false;
                }
            }
            State::Csi => return self.in_csi(byte, events),
            State::Console => {
                if let Some(code) = sequence::console(byte) {
                    self.key(Key::plain(code), events);
                }
                self.ground();
                return !byte.is_ascii_control();
            }
            State::Ss3 => match byte {
                b'0'..=b'9' | b';' if self.length < MAX_SEQUENCE_BYTES => self.keep(byte),
                0x20..=0x7e => {
                    if let Some(key) = sequence::ss3(&self.parameters, byte) {
                        self.key(key, events);
                    }
                    self.ground();
                }
                _ => {
                    self.cut_short(b'O', events);
                    return false;
                }
            },
            State::Mouse(left) => {
                self.state = State::Mouse(left - 1);
                if left == 1 {
                    self.ground();
                }
            }
            State::Paste => return false,
        }
        true
    }

    /// A byte of text: outside any sequence, or after the Escape that stands for Alt.
    fn plain(&mut self, byte: u8, events: &mut Vec<Event>) -> bool {
        match self.utf8.step(byte) {
            Step::More => {}
            Step::Char(char) => self.character(char, events),
            Step::Bad => self.character(char::REPLACEMENT_CHARACTER, events),
            Step::BadBefore => {
                self.character(char::REPLACEMENT_CHARACTER, events);
                return false;
            }
            Step::Control(ESC) => {
                self.ground();
                self.state = State::Escape;
            }
            Step::Control(control) => {
                self.key(sequence::control(control), events);
                self.alt = false;
            }
        }
        true
    }

    fn character(&mut self, char: char, events: &mut Vec<Event>) {
        self.key(Key::char(char), events);
        self.alt = false;
    }

    fn after_escape(&mut self, byte: u8, events: &mut Vec<Event>) -> bool {
        match byte {
            b'[' => self.state = State::Csi,
            b'O' => self.state = State::Ss3,
            b']' | b'P' | b'_' => self.state = State::StringStart(byte),
            ESC if !self.alt => self.alt = true,
            ESC => events.push(Event::Key(Key::plain(KeyCode::Escape))),
            _ => {
                // Two Escapes stand for Alt only before a sequence: before text, the first was a key of its own.
                if self.alt {
                    events.push(Event::Key(Key::plain(KeyCode::Escape)));
                }
                self.state = State::Ground;
                self.alt = true;
                return false;
            }
        }
        true
    }

    /// What looked like the start of a sequence was a key with Alt.
    fn introducer(&mut self, byte: u8, events: &mut Vec<Event>) {
        if self.alt {
            events.push(Event::Key(Key::plain(KeyCode::Escape)));
        }
        events.push(Event::Key(Key::char(char::from(byte)).alt()));
    }

    /// Ends a sequence at a byte that cannot be in it.
    fn cut_short(&mut self, introducer: u8, events: &mut Vec<Event>) {
        if self.length == 0 {
            self.introducer(introducer, events);
        }
        self.ground();
    }

    fn in_csi(&mut self, byte: u8, events: &mut Vec<Event>) -> bool {
        match byte {
            b'[' if self.length == 0 => self.state = State::Console,
            // rxvt ends keys with Shift in a byte that by ECMA-48 goes before the end.
            b'$' if self.length > 0 && self.parameters.iter().all(u8::is_ascii_digit) => self.end_csi(byte, events),
            0x20..=0x3f if self.length < MAX_STRING_BYTES => self.keep(byte),
            0x40..=0x7e => self.end_csi(byte, events),
            _ => {
                self.cut_short(b'[', events);
                return false;
            }
        }
        true
    }

    fn end_csi(&mut self, last: u8, events: &mut Vec<Event>) {
        let (parameters, alt) = (std::mem::take(&mut self.parameters), self.alt);
        let whole = self.length == parameters.len();
        self.ground();
        match (parameters.as_slice(), last) {
            _ if !whole => {}
            (b"200", b'~') => self.state = State::Paste,
            (b"", b'M') => self.state = State::Mouse(3),
            (given, last) => sequence::csi(given, last, alt, events),
        }
        self.parameters = parameters;
        self.parameters.clear();
    }

    fn in_string(&mut self, introducer: u8, byte: u8, events: &mut Vec<Event>) -> bool {
        match byte {
            ESC => self.state = State::StringEscape(introducer),
            0x07 if introducer == b']' => self.end_string(introducer, events),
            // Somebody is typing, or the end was lost: no answer has a control character in it.
            0..0x20 | 0x7f => {
                self.ground();
                return false;
            }
            _ if self.length == MAX_STRING_BYTES => self.ground(),
            _ => self.keep(byte),
        }
        true
    }

    fn end_string(&mut self, introducer: u8, events: &mut Vec<Event>) {
        if introducer == b']' && self.length == self.parameters.len() {
            events.extend(sequence::osc(&self.parameters));
        }
        self.ground();
    }

    fn keep(&mut self, byte: u8) {
        self.length += 1;
        if self.parameters.len() < MAX_SEQUENCE_BYTES {
            self.parameters.push(byte);
        }
    }

    fn key(&self, mut key: Key, events: &mut Vec<Event>) {
        key.alt |= self.alt;
        events.push(Event::Key(key));
    }

    fn ground(&mut self) {
        self.state = State::Ground;
        self.alt = false;
        self.length = 0;
        self.parameters.clear();
    }
}

/// Whether `byte` can come first in an answer that begins with ESC `introducer`. Without this a person's Alt-] would
/// swallow the keys after it.
fn starts_string(introducer: u8, byte: u8) -> bool {
    match introducer {
        b']' => byte.is_ascii_digit(),
        b'P' => byte.is_ascii_digit() || matches!(byte, b'>' | b'!' | b'$' | b'+'),
        _ => byte == b'G', // the graphics protocol of kitty, the one program that answers with APC
    }
}

#[cfg(test)]
mod tests;
