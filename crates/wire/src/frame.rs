//! Frames: a length of four bytes, most significant first, then that many bytes of JSON.
//!
//! Both sides begin with [`PREFACE`]. No line of text and no HTTP request begins so, and a server that reads anything
//! else never looks for a message in it. A client skips what comes before the server's: the greeting for people, if the
//! client was so slow that the server took it for one.

/// What each side sends before its first frame.
pub const PREFACE: [u8; 8] = *b"\0keelb\r\n";

/// The longest frame either side accepts, in bytes without the length: a choice, it holds a cell of 200,000 lines.
pub const FRAME_MAX: usize = 8 << 20;

/// The most bytes a client skips before the server's preface.
pub const GREETING_MAX: usize = 64 << 10;

/// The longest frame a server accepts before a client is known, in bytes.
pub const HELLO_MAX: usize = 4 << 10;

/// Why bytes are no frames.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum FrameError {
    #[error("a frame of {length} bytes is longer than the limit of {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("the connection does not begin with the protocol's preface")]
    NoPreface,
}

/// Takes bytes as they come and gives frames.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the next frame begins in `buffer`.
    start: usize,
    limit: usize,
    preface: Preface,
}

/// What is known of the preface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preface {
    /// It comes first.
    Expected,
    /// It comes after a greeting, of which this many bytes were skipped.
    Sought(usize),
    /// It has come.
    Read,
}

impl Decoder {
    /// For the client's side: skips what comes before the preface.
    #[must_use]
    pub fn new() -> Self {
        Decoder { buffer: Vec::new(), start: 0, limit: FRAME_MAX, preface: Preface::Sought(0) }
    }

    /// For the server's side: expects the preface, and short frames until [`set_limit`](Self::set_limit).
    #[must_use]
    pub fn of_server() -> Self {
        Decoder { buffer: Vec::new(), start: 0, limit: HELLO_MAX, preface: Preface::Expected }
    }

    /// The longest frame accepted from now on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes that have come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, without its length.
    ///
    /// # Errors
    /// Of a frame over the limit, before it has come; nothing can follow then.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if !self.read_preface()? {
            return Ok(None);
        }
        let Some((length, rest)) = self.buffer[self.start..].split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > self.limit {
            return Err(FrameError::TooLong { length, limit: self.limit });
        }
        if rest.len() < length {
            return Ok(None);
        }
        let begin = self.start + 4;
        self.start = begin + length;
        Ok(Some(&self.buffer[begin..begin + length]))
    }

    /// Whether the preface has come.
    fn read_preface(&mut self) -> Result<bool, FrameError> {
        if let Preface::Sought(skipped) = &mut self.preface {
            let waiting = &self.buffer[self.start..];
            let text = waiting.iter().position(|byte| *byte == PREFACE[0]).unwrap_or(waiting.len());
            *skipped += text;
            self.start += text;
            if *skipped > GREETING_MAX {
                return Err(FrameError::NoPreface);
            }
        }
        if self.preface != Preface::Read {
            let waiting = &self.buffer[self.start..];
            let known = waiting.len().min(PREFACE.len());
            if waiting[..known] != PREFACE[..known] {
                return Err(FrameError::NoPreface);
            }
            if known < PREFACE.len() {
                return Ok(false);
            }
            self.preface = Preface::Read;
            self.start += PREFACE.len();
        }
        Ok(true)
    }

    /// How many bytes wait for the rest of their frame.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

/// Appends `message` as a frame.
///
/// # Errors
/// When it would be longer than [`FRAME_MAX`]; `out` is as before.
///
/// # Panics
/// Never: what is sent has no maps with keys other than strings.
pub fn encode<T: serde::Serialize>(message: &T, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut *out, message).expect("messages are structs of plain data");
    let length = out.len() - start - 4;
    if length > FRAME_MAX {
        out.truncate(start);
        return Err(FrameError::TooLong { length, limit: FRAME_MAX });
    }
    let bytes = u32::try_from(length).expect("below FRAME_MAX").to_be_bytes();
    out[start..start + 4].copy_from_slice(&bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(decoder: &mut Decoder) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while let Some(frame) = decoder.next_frame().expect("frames") {
            frames.push(frame.to_vec());
        }
        frames
    }

    #[test]
    fn frames_come_whole_however_the_bytes_come() {
        let mut bytes = PREFACE.to_vec();
        encode(&"one", &mut bytes).expect("short");
        encode(&vec![2; 3], &mut bytes).expect("short");
        for size in 1..bytes.len() {
            let mut decoder = Decoder::of_server();
            let mut got = Vec::new();
            for part in bytes.chunks(size) {
                decoder.push(part);
                got.extend(frames(&mut decoder));
            }
            assert_eq!(got, [b"\"one\"".to_vec(), b"[2,2,2]".to_vec()]);
            assert_eq!(decoder.pending(), 0);
        }
    }

    #[test]
    fn a_long_frame_is_refused_by_its_length_alone() {
        let mut decoder = Decoder::new();
        decoder.push(&PREFACE);
        decoder.push(&u32::MAX.to_be_bytes());
        let error = FrameError::TooLong { length: u32::MAX as usize, limit: FRAME_MAX };
        assert_eq!(decoder.next_frame(), Err(error));
        let mut decoder = Decoder::of_server();
        decoder.push(&PREFACE);
        decoder.push(&5000u32.to_be_bytes());
        assert_eq!(decoder.next_frame(), Err(FrameError::TooLong { length: 5000, limit: HELLO_MAX }));
    }

    #[test]
    fn a_client_skips_the_greeting_for_people() {
        let mut bytes = b"Python 3.13\n>>> ".to_vec();
        bytes.extend(PREFACE);
        encode(&1, &mut bytes).expect("short");
        for size in 1..bytes.len() {
            let mut decoder = Decoder::new();
            let mut got = Vec::new();
            for part in bytes.chunks(size) {
                decoder.push(part);
                got.extend(frames(&mut decoder));
            }
            assert_eq!(got, [b"1"]);
        }
        let mut decoder = Decoder::new();
        decoder.push(&vec![b'x'; GREETING_MAX + 1]);
        assert_eq!(decoder.next_frame(), Err(FrameError::NoPreface));
    }

    #[test]
    fn text_is_no_message() {
        for text in ["POST / HTTP/1.1\r\n\r\n", "1+1\n", "\0keelX\r\n"] {
            let mut decoder = Decoder::of_server();
            decoder.push(text.as_bytes());
            assert_eq!(decoder.next_frame(), Err(FrameError::NoPreface));
        }
    }
}
