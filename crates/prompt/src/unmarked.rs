//! Pastes of terminals that do not mark them: many lines in one read, which are one cell and not one for each Enter.

use std::time::Duration;

/// Line ends in one read that make it a paste. A choice: over a slow line two Enters of a fast typist may come at once.
const LINE_ENDS: usize = 3;

/// Such a paste may take several reads: it is over when nothing comes for so long.
pub(crate) const PAUSE: Duration = Duration::from_millis(30);

/// What has come of such a paste.
#[derive(Debug, Default)]
pub(crate) struct Unmarked {
    held: Vec<u8>,
}

impl Unmarked {
    /// Takes the bytes of one read, or the next of a paste that has begun. False if they are keys.
    pub(crate) fn hold(&mut self, bytes: &[u8]) -> bool {
        let begins = self.held.is_empty();
        if !is_text(bytes) || begins && !is_lines(bytes) {
            return false;
        }
        self.held.extend_from_slice(bytes);
        true
    }

    /// Whether something is held, and [`release`](Self::release) is to be called when nothing more comes.
    pub(crate) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// What is held, as a terminal that marks pastes sends it. The end of the last line is the Enter that it is.
    pub(crate) fn release(&mut self) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.held);
        let mut enter: &[u8] = b"";
        if let Some(end) = [&b"\r\n"[..], b"\r", b"\n"].into_iter().find(|end| text.ends_with(end)) {
            text.truncate(text.len() - end.len());
            enter = b"\r";
        }
        [b"\x1b[200~", &text[..], b"\x1b[201~", enter].concat()
    }
}

/// How many bytes at the start are what a terminal answers when it is asked what it is (`ESC [ ? ... c`) and for its
/// background (`ESC ] ... ST`). What was typed before the answer may come in one read with it.
pub(crate) fn answers(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    loop {
        let end = if rest.starts_with(b"\x1b[?") {
            rest.iter().position(|byte| byte.is_ascii_alphabetic()).map(|at| at + 1)
        } else if rest.starts_with(b"\x1b]") {
            let bell = rest.iter().position(|byte| *byte == b'\x07').map(|at| at + 1);
            bell.or_else(|| rest.windows(2).position(|pair| pair == b"\x1b\\").map(|at| at + 2))
        } else {
            None
        };
        let Some(end) = end else { return bytes.len() - rest.len() };
        rest = &rest[end..];
    }
}

/// Whether no byte is a control key or begins one.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\t' | b'\r' | b'\n' | 0x20..=0x7e | 0x80..))
}

fn is_lines(bytes: &[u8]) -> bool {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\r' || *byte == b'\n');
    let blank = |line: &[u8]| line.iter().all(u8::is_ascii_whitespace);
    let (ended, filled) = lines.by_ref().fold((0, 0), |(ended, filled), line| {
        (ended + usize::from(line.ends_with(b"\r") || line.ends_with(b"\n")), filled + usize::from(!blank(line)))
    });
    ended >= LINE_ENDS && filled > 1
}

#[cfg(test)]
mod tests {
    use super::{Unmarked, answers};

    #[track_caller]
    fn check(reads: &[&str], want: Option<&str>) {
        let mut unmarked = Unmarked::default();
        let held = reads.iter().all(|read| unmarked.hold(read.as_bytes()));
        let got = held.then(|| String::from_utf8(unmarked.release()).expect("UTF-8"));
        assert_eq!(got.as_deref(), want);
        assert!(!held || !unmarked.is_holding());
    }

    #[test]
    fn many_lines_in_one_read_are_a_paste() {
        check(&["def f():\r  1\r\rf()\r"], Some("\x1b[200~def f():\r  1\r\rf()\x1b[201~\r"));
        check(&["é\r\nb\r\nc"], Some("\x1b[200~é\r\nb\r\nc\x1b[201~"));
    }

    #[test]
    fn answers_of_the_terminal_come_before_it() {
        for (read, length) in [
            ("\x1b[?62;22c\x1b]11;rgb:0000/0000/0000\x1b\\a\rb", 34),
            ("\x1b]11;rgb:0/0/0\x07a", 15),
            ("\x1b[?62;2", 0),
            ("\x1b[Aa", 0),
            ("a\x1b[?1c", 0),
        ] {
            assert_eq!(answers(read.as_bytes()), length, "{read:?}");
        }
    }

    #[test]
    fn it_goes_on_with_the_next_read() {
        check(&["a\rb\rc\r", "d", "\r"], Some("\x1b[200~a\rb\rc\rd\x1b[201~\r"));
    }

    #[test]
    fn what_a_person_types_is_none() {
        for read in ["a", "a\r", "a\rb", "a\rb\r", "\r\r\r\r", "\r\r\ra", "a\rb\rc\r\x03", "a\r\x1b[A\r\r\rb"] {
            check(&[read], None);
        }
        check(&["a\rb\rc\r", "\x03"], None);
    }
}
