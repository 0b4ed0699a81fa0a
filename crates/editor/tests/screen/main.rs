//! What the layout and the painter make of a terminal, as a terminal emulator sees it.

mod emulator;
mod layout;
mod painter;
mod random;
