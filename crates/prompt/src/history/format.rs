//! Where cells begin and end in a file, in both formats.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memrchr_iter};

/// How cells are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// See [the module](super).
    Native,
    /// The file of CPython's prompt, for `PYTHON_HISTORY`.
    CPython,
}

pub(super) const HEADER: &[u8] = b"keelback history 1\x01\0\n";

/// What the line of CPython's other editing library is, at the start of its files.
const EDITLINE: &[u8] = b"_HiStOrY_V2_";

impl Format {
    /// What a file begins with.
    pub(super) fn header(self) -> &'static [u8] {
        match self {
            Format::Native => HEADER,
            Format::CPython => b"",
        }
    }

    pub(super) fn record(self, cell: &str) -> Vec<u8> {
        match self {
            Format::Native => [cell.as_bytes(), b"\0\n"].concat(),
            Format::CPython => [self.needle(cell).as_ref(), b"\n"].concat(),
        }
    }

    /// What is between the end of one record and the start of the next, as far as one can search for it.
    pub(super) fn end_mark(self) -> &'static [u8] {
        match self {
            Format::Native => b"\0\n",
            Format::CPython => b"\n",
        }
    }

    /// Text as it is in the file.
    pub(super) fn needle(self, text: &str) -> Cow<'_, [u8]> {
        match self {
            Format::CPython if text.contains('\n') => Cow::Owned(text.replace('\n', "\r\n").into_bytes()),
            _ => Cow::Borrowed(text.as_bytes()),
        }
    }

    /// What ends a record that was cut short, so that the next one stands alone. `torn` is not empty.
    pub(super) fn mend(self, torn: &[u8], at_start: bool) -> &'static [u8] {
        match self {
            Format::Native if at_start && HEADER.starts_with(torn) => &HEADER[torn.len()..],
            Format::Native => b"\x01\0\n",
            Format::CPython if torn.ends_with(b"\r") => b"\n\n",
            Format::CPython => b"\n",
        }
    }

    /// The last end of a record that is at or before `at`, or 0.
    pub(super) fn boundary_back(self, bytes: &[u8], at: usize) -> usize {
        let found = match self {
            Format::Native => {
                memrchr_iter(0, &bytes[..at]).find(|nul| *nul + 1 < at && bytes[nul + 1] == b'\n').map(|nul| nul + 2)
            }
            Format::CPython => memrchr_iter(b'\n', &bytes[..at]).find(|end| !continued(bytes, *end)).map(|end| end + 1),
        };
        found.unwrap_or(0)
    }

    /// The first end of a record after `at`, whose mark does not begin before it.
    pub(super) fn boundary(self, bytes: &[u8], at: usize) -> Option<usize> {
        match self {
            Format::Native => {
                memchr_iter(0, &bytes[at..]).find(|nul| bytes.get(at + nul + 1) == Some(&b'\n')).map(|nul| at + nul + 2)
            }
            Format::CPython => {
                memchr_iter(b'\n', &bytes[at..]).find(|end| !continued(bytes, at + end)).map(|end| at + end + 1)
            }
        }
    }

    /// The cell in a record, if it is one.
    pub(super) fn cell(self, record: &[u8]) -> Option<&[u8]> {
        match self {
            Format::Native => record.strip_suffix(b"\0\n").filter(|cell| !cell.is_empty() && !cell.ends_with(&[1])),
            Format::CPython => {
                record.strip_suffix(b"\n").filter(|cell| !cell.is_empty() && !cell.starts_with(EDITLINE))
            }
        }
    }

    pub(super) fn text(self, cell: &[u8]) -> Cow<'_, str> {
        let text = String::from_utf8_lossy(cell);
        match self {
            Format::CPython if memchr(b'\r', cell).is_some() => Cow::Owned(text.replace("\r\n", "\n")),
            _ => text,
        }
    }
}

/// Whether the line that ends at `end` goes on in the next.
fn continued(bytes: &[u8], end: usize) -> bool {
    end > 0 && bytes[end - 1] == b'\r'
}

/// A cell as it is recorded: line ends as `\n`, none at its end, and no byte that has a meaning in the file.
pub(super) fn normalized(cell: &str) -> Cow<'_, str> {
    let cell = cell.trim_end_matches(['\r', '\n']);
    if !cell.contains(['\r', '\0', '\u{1}']) {
        return Cow::Borrowed(cell);
    }
    Cow::Owned(cell.replace("\r\n", "\n").replace('\r', "\n").replace(['\0', '\u{1}'], "\u{fffd}"))
}

/// The cells in a file of CPython, the oldest first. Read to the end, unlike a file that others may be writing.
pub(super) fn read_cpython(bytes: &[u8]) -> Vec<String> {
    let editline = bytes.starts_with(EDITLINE);
    let mut cells = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = Format::CPython.boundary(bytes, at).unwrap_or(bytes.len());
        let record = bytes[at..end].strip_suffix(b"\n").unwrap_or(&bytes[at..end]);
        if !(editline && at == 0) {
            let unescaped = if editline { Cow::Owned(unescaped(record)) } else { Cow::Borrowed(record) };
            let text = normalized(&String::from_utf8_lossy(&unescaped)).into_owned();
            if !text.trim().is_empty() && cells.last() != Some(&text) {
                cells.push(text);
            }
        }
        at = end;
    }
    cells
}

/// Undoes the octal escapes of editline (vis(3)).
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest) {
        plain.extend_from_slice(&rest[..at]);
        let escape = &rest[at + 1..];
        let octal = escape.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let (byte, length) = match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => (byte, 3),
            None => (b'\\', usize::from(escape.first() == Some(&b'\\'))),
        };
        plain.push(byte);
        rest = &escape[length..];
    }
    plain.extend_from_slice(rest);
    plain
}

/// The part of `bytes` that whole records make up, which others may still be adding to.
pub(super) fn whole(format: Format, bytes: &[u8]) -> usize {
    format.boundary_back(bytes, bytes.len())
}
