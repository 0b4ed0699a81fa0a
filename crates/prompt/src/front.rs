//! The prompt as state: bytes of a terminal and events of a session go in; bytes for the terminal and what its driver
//! is to do come out. It reads no clock, no file and no terminal, so it stands before a pty, a socket or a test alike.

mod actions;
mod judge;
mod line;
mod screen;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use keelback_editor::{
    decode::Decoder,
    edit::{Action, Completions, Editor, Entry, History, Keymap, Size},
    key::{Event, Key, KeyCode},
    painter::Painter,
    theme::Theme,
};

use self::{judge::Judge, line::Line};
use crate::{
    backend::{Backend, Ended, Shown, Told},
    show,
};

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
    /// Nobody chose the theme: the terminal's background may.
    pub theme_is_default: bool,
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
            out: Vec::new(),
            partial: Line::default(),
            styled: false,
            adrift: false,
            prompts: (">>> ".into(), "... ".into()),
            help: None,
            completions: None,
            signature_of: None,
            timed: false,
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

    /// Bytes that the terminal sent.
    pub fn input(&mut self, bytes: &[u8]) {
        let mut events = Vec::new();
        self.decoder.feed(bytes, &mut events);
        self.take_events(events);
    }

    /// Whether [`flush`](Self::flush) is to be called when no further byte comes within 30 ms.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.decoder.pending()
    }

    /// Whether the cell is being edited and nothing of a key, or of a marked paste, has been taken yet.
    #[must_use]
    pub fn is_between_keys(&self) -> bool {
        self.state == State::Editing && self.queue.is_empty() && self.decoder.is_between_keys()
    }

    /// No byte came: an Escape is an Escape.
    pub fn flush(&mut self) {
        let mut events = Vec::new();
        self.decoder.flush(&mut events);
        self.take_events(events);
    }

    fn take_events(&mut self, events: Vec<Event>) {
        for event in events {
            let interrupt = Event::Key(Key::char('c').ctrl());
            if self.state == State::Running && event == interrupt {
                // What was typed before it was for what is interrupted.
                self.queue.clear();
                self.backend.interrupt();
            } else {
                self.queue.push_back(event);
            }
        }
    }

    /// Handles what was typed up to something that the driver has to do; None when all is handled.
    pub fn advance(&mut self) -> Option<Flow> {
        while self.state != State::Running {
            let Some(event) = self.queue.pop_front() else { break };
            if let Some(flow) = self.event(event) {
                if matches!(flow, Flow::Run(_)) {
                    if self.is_interrupted() {
                        self.note("KeyboardInterrupt");
                        self.begin_cell();
                        continue;
                    }
                    self.state = State::Running;
                }
                return Some(flow);
            }
        }
        None
    }

    /// Whether Ctrl-C came in one read with the Enter of a cell, as it does over a slow line: the cell does not begin.
    fn is_interrupted(&mut self) -> bool {
        let interrupt = Event::Key(Key::char('c').ctrl());
        let Some(at) = self.queue.iter().rposition(|event| *event == interrupt) else { return false };
        self.queue.drain(..=at);
        true
    }

    fn event(&mut self, event: Event) -> Option<Flow> {
        match event {
            Event::Key(key) if self.secret.is_some() => self.secret_key(key),
            Event::Key(key) if self.state == State::Input => self.input_key(key),
            Event::Key(key) => self.key(key),
            Event::Paste(text) if self.secret.is_some() => {
                self.secret_paste(&text);
                None
            }
            Event::Paste(text) => {
                self.completions = None;
                let mut judge = Judge { backend: &mut self.backend, record: &self.record, help: self.help.is_some() };
                self.editor.paste(&text, &mut judge);
                self.stale = true;
                None
            }
            Event::Background { rgb } => {
                self.background(rgb);
                None
            }
            Event::Keyboard(_) => None,
        }
    }

    fn key(&mut self, key: Key) -> Option<Flow> {
        self.stale = true;
        let mut judge = Judge { backend: &mut self.backend, record: &self.record, help: self.help.is_some() };
        let action = self.editor.key(key, &mut judge);
        if action != Action::Complete {
            self.completions = None;
        }
        self.act(action)
    }

    /// A key for the line that `input()` waits for.
    fn input_key(&mut self, key: Key) -> Option<Flow> {
        self.stale = true;
        match (key.code, key.ctrl) {
            (KeyCode::Char('c'), true) => {
                self.finish_line();
                self.state = State::Running;
                self.backend.interrupt();
                None
            }
            _ => {
                let mut judge = Judge { backend: &mut self.backend, record: &self.record, help: true };
                let action = self.editor.key(key, &mut judge);
                self.input_action(action)
            }
        }
    }

    /// Nothing else waits: the time to look up what is shown below the text.
    pub fn idle(&mut self) {
        if self.state != State::Editing || self.help.is_some() {
            return;
        }
        if !self.editor.has_suggestion() {
            self.with_judge(|editor, judge| editor.suggest(judge));
            self.stale |= self.editor.has_suggestion();
        }
        let (text, cursor) = (self.editor.buffer().as_str(), self.editor.buffer().cursor());
        let call = in_call(&text[..cursor]);
        let wanted = call.then(|| (text.to_owned(), cursor));
        if wanted == self.signature_of {
            return;
        }
        let signature = wanted.as_ref().and_then(|(text, cursor)| self.backend.signature(text, *cursor));
        self.signature_of = wanted;
        if signature.as_ref() != self.editor.signature() {
            self.editor.set_signature(signature);
            self.stale = true;
        }
    }

    /// The terminal has another size.
    pub fn resized(&mut self, size: Size) {
        let old = std::mem::replace(&mut self.options.size, size);
        self.editor.set_size(size);
        self.backend.resized(size.columns);
        if self.state != State::Running {
            self.painter.resized(old, size, &mut self.out);
            self.stale = true;
        }
    }

    /// Another program had the terminal.
    pub fn resumed(&mut self, size: Size) {
        self.painter.forget();
        if self.options.size != size {
            self.options.size = size;
            self.backend.resized(size.columns);
        }
        self.editor.set_size(size);
        self.partial.clear();
        self.adrift = true;
        self.stale = true;
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

    /// Text that the session, its tasks or its threads printed.
    pub fn output(&mut self, bytes: &[u8]) {
        if self.state == State::Running {
            self.write_output(bytes);
        } else {
            self.above(|front| front.write_output(bytes));
        }
    }

    /// A value that a cell shows.
    pub fn shown(&mut self, shown: &Shown) {
        let text = self.shown_text(shown);
        self.output(text.as_bytes());
    }

    /// An exception that left a cell.
    pub fn raised(&mut self, traceback: &str) {
        let text = self.traceback_text(traceback);
        if self.state == State::Running {
            self.print(&text);
        } else {
            self.above(|front| front.print(&text));
        }
    }

    /// A line about the session, above the prompt.
    pub fn tell_note(&mut self, text: &str) {
        if self.state == State::Running {
            self.note(text);
        } else {
            self.above(|front| front.note(text));
        }
    }

    /// A cell waits for a line.
    pub fn needs_input(&mut self) {
        self.state = State::Input;
        // What was printed without a line end is the prompt: the editor writes its last row again.
        let prompt = match self.partial.last_row(self.options.size.columns) {
            Some(prompt) => {
                self.partial.clear();
                prompt
            }
            None => String::new(),
        };
        self.painter.forget();
        self.editor.drop_cell();
        self.editor.set_python(false);
        self.editor.set_prompts(prompt, "");
        self.stale = true;
    }

    /// The cell is over; while none runs, the session is.
    pub fn ended(&mut self, ended: Ended) -> Option<Flow> {
        self.secret = None;
        if self.state != State::Running {
            self.finish_line();
        }
        self.state = State::Running;
        if !self.partial.is_empty() {
            self.line_end();
        }
        if let Some(traceback) = &ended.traceback {
            let text = self.traceback_text(traceback);
            self.write_output(text.as_bytes());
        }
        let timed = std::mem::take(&mut self.timed);
        if let Some(took) = ended.took.filter(|_| timed) {
            self.note(&format!("{} of time, {} of it computing", seconds(took.wall), seconds(took.cpu)));
        }
        if let Some(message) = &ended.message {
            self.note(message);
        }
        if let Some(code) = ended.exit {
            return Some(Flow::Leave(code));
        }
        if let Some(prompts) = ended.prompts {
            self.prompts = prompts;
        }
        self.begin_cell();
        None
    }

    /// The first cell begins, with these prompts.
    pub fn begin(&mut self, prompts: (String, String)) {
        self.prompts = prompts;
        self.begin_cell();
    }

    /// A cell runs already: the first prompt comes when it has [ended](Self::ended).
    pub fn begin_running(&mut self, prompts: (String, String)) {
        self.prompts = prompts;
        self.state = State::Running;
    }

    /// A traceback with the theme's colours.
    #[must_use]
    pub fn traceback_text(&self, traceback: &str) -> String {
        let mut text = String::new();
        show::traceback(&mut text, traceback, &self.options.theme);
        text
    }

    fn begin_cell(&mut self) {
        self.state = State::Editing;
        self.signature_of = None;
        // Where Ctrl-O goes on from is an entry of the cell before.
        let next = self.record.begin_cell(self.editor.next_entry());
        self.editor.set_next_entry(next);
        self.completions = None;
        self.editor.set_python(self.help.is_none());
        let mut judge = Judge { backend: &mut self.backend, record: &self.record, help: self.help.is_some() };
        self.editor.next_cell(&mut judge);
        self.show_prompts();
        self.stale = true;
    }

    fn show_prompts(&mut self) {
        match &self.help {
            Some(_) => self.editor.set_prompts("help> ", ""),
            None => self.editor.set_prompts(self.prompts.0.clone(), self.prompts.1.clone()),
        }
    }
}

fn seconds(duration: std::time::Duration) -> String {
    match duration.as_secs_f64() {
        long if long >= 1.0 => format!("{long:.2} s"),
        short if short >= 1e-3 => format!("{:.2} ms", short * 1e3),
        tiny => format!("{:.1} µs", tiny * 1e6),
    }
}

/// Whether the end of `text` may be within the brackets of a call. The session knows better; this saves asking it.
fn in_call(text: &str) -> bool {
    let mut depth = 0_i32;
    for (from_end, byte) in text.bytes().rev().take(2000).enumerate() {
        match byte {
            b')' | b']' | b'}' => depth += 1,
            b'[' | b'{' if depth > 0 => depth -= 1,
            b'(' if depth > 0 => depth -= 1,
            b'(' => {
                let before = text[..text.len() - from_end - 1].bytes().next_back();
                return before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b')' | b']'));
            }
            _ => {}
        }
    }
    false
}
