//! The prompt: the line editor before a session. [`front`] is the prompt as state, [`drive`] runs it in a terminal, and
//! the rest is what it needs of the system: the terminal with its signals, and a history that outlives the process.

pub mod backend;
mod bounded;
pub mod colors;
pub mod commands;
pub mod config;
pub mod drive;
pub mod front;
pub mod history;
pub mod images;
pub mod programs;
pub mod record;
pub mod setup;
pub mod show;
pub mod tty;
mod unmarked;
pub mod words;
