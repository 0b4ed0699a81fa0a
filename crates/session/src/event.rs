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
        /// Its repr.
        text: String,
        /// The repr over several lines, when it is wider than the terminal and the value is a container. Of very large
        /// values it is only the beginning, and says so.
        pretty: Option<String>,
        /// Its rich forms.
        mime: MimeBundle,
    },
}
