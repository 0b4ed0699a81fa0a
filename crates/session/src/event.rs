//! What a cell gives off while it runs.

use crate::MimeBundle;

/// Where a piece of text output was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// `sys.stdout`, file descriptor 1.
    Stdout,
    /// `sys.stderr`, file descriptor 2.
    Stderr,
}

/// One piece of output, in the order in which the cell wrote it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Bytes written to a text stream; not always whole lines, not always UTF-8.
    Output {
        /// The stream that was written to.
        stream: Stream,
        /// The bytes, as written.
        bytes: Vec<u8>,
    },
    /// Something `display(...)` was called with.
    Display(MimeBundle),
    /// The value of an expression statement of an interactive cell.
    Shown {
        /// Its repr; empty where `pretty` stands for it.
        text: String,
        /// The repr over several lines, when it is wider than the terminal and the value is a container, or longer than
        /// a hundred lines of the terminal.
        pretty: Option<String>,
        /// `pretty` is not all of it, and says so.
        cut: bool,
        /// Its rich forms.
        mime: MimeBundle,
    },
}
