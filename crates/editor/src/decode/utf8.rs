//! UTF-8 one byte at a time.

/// A character that is being read.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    bytes: [u8; 4],
    have: usize,
    need: usize,
}

pub(super) enum Step {
    /// The character goes on.
    More,
    Char(char),
    /// A control character of ASCII.
    Control(u8),
    /// The byte is in no character.
    Bad,
    /// The bytes before this one were no character; this one is still to be taken.
    BadBefore,
}

impl Utf8 {
    pub(super) fn pending(&self) -> bool {
        self.have > 0
    }

    /// Takes a byte. A bad sequence is as long as the standard recommends (its maximal subpart), as in the library.
    pub(super) fn step(&mut self, byte: u8) -> Step {
        if self.have == 0 {
            self.need = match byte {
                0..0x20 | 0x7f => return Step::Control(byte),
                0x20..0x7f => return Step::Char(char::from(byte)),
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return Step::Bad,
            };
        } else if !continues(&self.bytes[..self.have], byte) {
            self.have = 0;
            return Step::BadBefore;
        }
        self.bytes[self.have] = byte;
        self.have += 1;
        if self.have < self.need {
            return Step::More;
        }
        self.have = 0;
        match std::str::from_utf8(&self.bytes[..self.need]) {
            Ok(text) => text.chars().next().map_or(Step::Bad, Step::Char),
            Err(_) => Step::Bad,
        }
    }
}

/// Whether `byte` may follow: only the second is bound more narrowly, which keeps out overlong forms and surrogates.
fn continues(before: &[u8], byte: u8) -> bool {
    match before {
        [0xe0] => (0xa0..=0xbf).contains(&byte),
        [0xed] => (0x80..=0x9f).contains(&byte),
        [0xf0] => (0x90..=0xbf).contains(&byte),
        [0xf4] => (0x80..=0x8f).contains(&byte),
        _ => (0x80..=0xbf).contains(&byte),
    }
}
