//! The prompt as state: bytes of a terminal and events of a session go in; bytes for the terminal and what its driver
//! is to do come out. It reads no clock, no file and no terminal, so it stands before a pty, a socket or a test alike.

mod actions;
mod answer;
mod below;
mod cell;
mod judge;
mod keys;
mod line;
mod screen;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use keelback_editor::{
    decode::Decoder,
    edit::{Completions, Editor, Entry, History, Keymap, Size},
    key::Event,
    painter::Painter,
    theme::Theme,
};

use self::{
    answer::{Answer, Held},
    line::Line,
};
use crate::backend::{Backend, Told};

/// What a driver is to do; until it has, the front takes no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Run this cell, then call [`Front::ended`].
    Run(Run),
    /// Leave, with this exit status.
    Leave(u8),
    /// Stop the process as Ctrl-Z does, then call [`Front::resumed`].
    Suspend,
    /// Show this text in a pager, then call [`Front::resumed`].
    Page(String),
    /// Let the user's editor change this text, then call [`Front::edited`].
    Edit(String),
}

/// A cell to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The whole submission.
    pub source: String,
    /// Tell how long it took.
    pub timed: bool,
    /// Not a cell of the user's: what shows help, for example. It does not count as an input.
    pub hidden: bool,
}

/// Where entries are kept.
pub trait Record: History {
    /// Keeps a submission; what the user should know when it cannot.
    fn record(&mut self, source: &str) -> Option<String>;
    /// A cell begins: entries that were given out before are used no more, but for `kept`, by the name that it has now.
    fn begin_cell(&mut self, kept: Option<Entry>) -> Option<Entry>;
    /// The prompt ends.
    fn end(&mut self);
    /// What was entered, for reading: the oldest first, without prompts.
    fn listing(&self) -> String;
    /// This as what the editor asks for.
    fn as_history(&self) -> &dyn History;
}

/// How a prompt looks and what keys it has.
#[derive(Clone, Debug)]
pub struct Options {
    /// Colours.
    pub theme: Theme,
    /// Keys.
    pub keymap: Keymap,
    /// Columns and rows of the terminal.
    pub size: Size,
    /// Nobody chose the theme: the terminal's background may, which is asked for.
    pub theme_is_default: bool,
    /// A cell that runs has the terminal to itself, and [`Flow::Run`] hands it over.
    pub lends_terminal: bool,
    /// How images can be shown.
    pub images: crate::images::Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The cell is being edited.
    Editing,
    /// A cell runs, or the driver does something for us.
    Running,
    /// A cell that runs waits for a line.
    Input,
}

/// A prompt before a session.
pub struct Front<B, R> {
    /// The session.
    pub backend: B,
    /// The history.
    pub record: R,
    options: Options,
    editor: Editor,
    painter: Painter,
    decoder: Decoder,
    state: State,
    queue: VecDeque<Event>,
    /// What the terminal was asked.
    answer: Answer,
    /// What waits for the answer.
    held: Option<Held>,
    out: Vec<u8>,
    /// Text of the terminal's line above the prompt that has no end yet.
    partial: Line,
    /// The terminal may have a style that its output left behind.
    styled: bool,
    /// Others wrote to the terminal: its cursor may be in any column.
    adrift: bool,
    prompts: (String, String),
    /// The cell that was being written when help mode was entered.
    help: Option<(String, usize)>,
    /// What the session answered to the key before, if that was Tab: a second one opens the menu with it.
    completions: Option<Completions>,
    /// What the signature below was asked for.
    signature_of: Option<(String, usize)>,
    timed: bool,
    /// The cell that runs, as it was submitted, and what of it is Python.
    submitted: Option<(String, String)>,
    /// What was typed of a line that is not to be seen.
    secret: Option<String>,
    /// What is on the screen is not what the editor holds.
    stale: bool,
}

impl<B: Backend, R: Record> Front<B, R> {
    /// A prompt that waits for the first cell.
    pub fn new(backend: B, record: R, options: Options) -> Self {
        let editor = Editor::new(options.keymap.clone(), options.size);
        Front {
            backend,
            record,
            editor,
            painter: Painter::default(),
            decoder: Decoder::default(),
            state: State::Editing,
            queue: VecDeque::new(),
            answer: Answer::default(),
            held: None,
            out: Vec::new(),
            partial: Line::default(),
            styled: false,
            adrift: false,
            prompts: (">>> ".into(), "... ".into()),
            help: None,
            completions: None,
            signature_of: None,
            timed: false,
            submitted: None,
            secret: None,
            stale: true,
            options,
        }
    }

    /// The editor, for reading.
    #[must_use]
    pub fn editor(&self) -> &Editor {
        &self.editor
    }

    /// Whether a cell runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Whether colours are in use.
    #[must_use]
    pub fn has_colors(&self) -> bool {
        !self.options.theme.is_colorless()
    }

    /// What is to be written to the terminal now.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Handles what was typed up to something that the driver has to do; None when all is handled.
    pub fn advance(&mut self) -> Option<Flow> {
        loop {
            if let Some(flow) = self.take_held() {
                return Some(flow);
            }
            if self.state == State::Running {
                return None;
            }
            let event = self.queue.pop_front()?;
            if let Some(flow) = self.event(event).and_then(|flow| self.hand_out(flow)) {
                return Some(flow);
            }
        }
    }

    /// What the user's editor made of the text; None when it failed.
    pub fn edited(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.editor.set_text(text.trim_end_matches('\n'));
        }
        self.stale = true;
    }

    /// What the session tells; what the driver is to do about it.
    pub fn tell(&mut self, told: Told) -> Option<Flow> {
        match told {
            Told::Output(bytes) => self.output(&bytes),
            Told::Shown(shown) => self.shown(&shown),
            Told::Raised(traceback) => self.raised(&traceback),
            Told::NeedsInput => self.needs_input(),
            Told::NeedsSecret => self.needs_secret(),
            Told::Note(text) => self.tell_note(&text),
            Told::Ended(ended) => return self.ended(ended),
        }
        None
    }
}
