//! The line editor: text with a cursor, keys, history search and completion menu as plain state, the layout of that
//! state in terminal cells, and a painter that says in few bytes what changed.
//!
//! Nothing here reads a terminal, a file or a clock: bytes and times come in, bytes and [actions](edit::Action) go out.

pub mod completeness;
pub mod decode;
pub mod edit;
pub mod highlight;
pub mod indent;
pub mod key;
pub mod layout;
pub mod motion;
mod outline;
pub mod painter;
pub mod paste;
pub mod style;
pub mod text;
pub mod theme;
