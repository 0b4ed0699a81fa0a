//! The editor as state: keys and pasted text go in, [actions](Action) come out, and [`Editor::frame`] says what to show.

mod buffer;
mod command;
mod commands;
pub mod history;
mod keymap;
mod kill_ring;
mod lines;
mod menu;
mod search;
#[cfg(test)]
mod tests;
mod vi;
mod view;

use std::ops::Range;

pub use buffer::Buffer;
pub use command::Command;
pub use history::{Entry, History};
pub use keymap::{Keymap, Lookup};
pub use menu::{Candidate, Completions, Menu};
pub use search::{Direction, Search};

use self::{
    history::Walk,
    kill_ring::KillRing,
    vi::{Macros, Registers, Vi},
};
use crate::{
    completeness::Completeness,
    highlight::Highlighter,
    key::{Key, KeyCode},
    layout::Layout,
};

/// What the editor asks while it handles a key.
pub trait Host {
    /// The entries Up, Down and the searches go through.
    fn history(&self) -> &dyn History;
    /// Whether `source` is a whole cell; the session's own compiler has the last word.
    fn completeness(&mut self, source: &str) -> Completeness;
}

/// What a key asks of whoever drives the editor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing but to show the editor again.
    Continue,
    /// Run this cell. The editor holds its text until [`Editor::next_cell`].
    Submit(String),
    /// Ctrl-C: the text is dropped.
    Interrupt,
    /// Ctrl-D where there is no text.
    EndOfInput,
    /// Ask the session what could stand at the cursor, then call [`Editor::complete`].
    Complete,
    /// Describe what the cursor is on.
    Document,
    /// F1.
    Help,
    /// F2.
    ShowHistory,
    /// Let an editor of the user's edit the text, then call [`Editor::set_text`].
    EditExternally,
    /// Put this on the system's clipboard.
    Copy(String),
    /// Ctrl-L.
    ClearScreen,
    /// Ctrl-Z.
    Suspend,
}

/// What the last key did, for commands that go on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    Kill,
    Yank {
        start: usize,
    },
    Vertical,
    Prefix,
    Complete,
    Argument {
        start: usize,
    },
}

/// A line editor for cells of Python.
#[derive(Debug)]
pub struct Editor {
    buffer: Buffer,
    keymap: Keymap,
    kills: KillRing,
    walk: Walk,
    search: Option<Search>,
    menu: Option<Menu>,
    /// Text that the entry which follows the one just run has.
    next: Option<Entry>,
    /// What prefix search looks for.
    prefix: String,
    argument: Option<i32>,
    /// Keys of a sequence that is not finished.
    keys: Vec<Key>,
    quoted: bool,
    marked: bool,
    last: Last,
    /// The column that vertical motion aims for.
    goal: Option<usize>,
    /// What LastArgument inserted last came from this entry.
    argument_entry: Option<Entry>,
    paste_mode: bool,
    /// Nothing was typed since the last paste.
    pasted: bool,
    /// Columns of a level of indentation, from the cells before.
    unit: usize,
    prompt: String,
    continuation: String,
    suggestion: Option<String>,
    message: Option<String>,
    signature: Option<Signature>,
    highlighter: Highlighter,
    layout: Layout,
    size: Size,
    /// Whether input is Python: colours, indentation, suggestions.
    python: bool,
    vi: Vi,
    registers: Registers,
    macros: Macros,
}

pub use crate::layout::Size;

/// The call being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `f(a, b=1) -> int`.
    pub text: String,
    /// Bytes of the parameter the cursor is at.
    pub active: Option<Range<usize>>,
}

impl Editor {
    /// An editor without text.
    #[must_use]
    pub fn new(keymap: Keymap, size: Size) -> Self {
        Editor {
            buffer: Buffer::default(),
            keymap,
            kills: KillRing::default(),
            walk: Walk::default(),
            search: None,
            menu: None,
            next: None,
            prefix: String::new(),
            argument: None,
            keys: Vec::new(),
            quoted: false,
            marked: false,
            last: Last::Other,
            goal: None,
            argument_entry: None,
            paste_mode: false,
            pasted: false,
            unit: 4,
            prompt: ">>> ".into(),
            continuation: "... ".into(),
            suggestion: None,
            message: None,
            signature: None,
            highlighter: Highlighter::new(),
            layout: Layout::default(),
            size,
            python: true,
            vi: Vi::default(),
            registers: Registers::default(),
            macros: Macros::default(),
        }
    }

    /// The text, its cursor and selection.
    #[must_use]
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// The prompts of the first and of further lines.
    pub fn set_prompts(&mut self, prompt: impl Into<String>, continuation: impl Into<String>) {
        (self.prompt, self.continuation) = (prompt.into(), continuation.into());
    }

    /// Whether what is typed is Python, with colours, indentation and suggestions; else it is plain lines.
    pub fn set_python(&mut self, python: bool) {
        self.python = python;
    }

    /// The terminal has this many columns and rows now.
    pub fn set_size(&mut self, size: Size) {
        self.size = size;
    }

    /// Columns and rows of the terminal.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The keys in use.
    #[must_use]
    pub fn keymap(&self) -> &Keymap {
        &self.keymap
    }

    /// Other keys.
    pub fn set_keymap(&mut self, keymap: Keymap) {
        self.keymap = keymap;
    }

    /// A line below the text until the next key.
    pub fn set_message(&mut self, message: impl Into<String>) {
        self.message = Some(message.into());
    }

    /// The signature shown below the text.
    pub fn set_signature(&mut self, signature: Option<Signature>) {
        self.signature = signature;
    }

    /// Another text, as one change.
    pub fn set_text(&mut self, text: &str) {
        self.buffer.set(text);
        self.after_change();
    }

    /// Goes on with a text that turned out to be no whole cell: as if Enter had opened a line.
    pub fn reopen(&mut self, text: &str) {
        self.buffer.set(text);
        self.open_line();
        self.after_change();
    }

    /// The entry that the next cell is to begin with.
    #[must_use]
    pub fn next_entry(&self) -> Option<Entry> {
        self.next
    }

    /// The same entry, as the history names it now.
    pub fn set_next_entry(&mut self, entry: Option<Entry>) {
        self.next = entry;
    }

    /// Begins the next cell: no text, no paste mode.
    pub fn next_cell(&mut self, host: &mut dyn Host) {
        if self.python && self.buffer.text().line_count() > 1 {
            self.unit = crate::indent::unit(self.buffer.text(), self.unit);
        }
        self.drop_cell();
        if let Some(entry) = self.next.take() {
            let text = self.walk.go(Some(entry), "", host.history());
            self.set_text(&text);
        }
    }

    /// Drops the text, and leaves every mode.
    pub fn drop_cell(&mut self) {
        self.buffer.take();
        self.walk = Walk::default();
        (self.search, self.menu, self.argument, self.suggestion, self.message, self.signature) =
            (None, None, None, None, None, None);
        self.keys.clear();
        (self.quoted, self.marked, self.paste_mode) = (false, false, false);
        self.vi = Vi::default();
        self.macros.end();
        (self.last, self.goal) = (Last::Other, None);
        self.layout = Layout::default();
        self.after_change();
    }

    /// Pasted text: goes in as it is.
    pub fn paste(&mut self, pasted: &str, host: &mut dyn Host) {
        self.message = None;
        if let Some(search) = &mut self.search {
            search.needle.push_str(pasted.lines().next().unwrap_or_default());
            search.refine(host.history());
            self.show_found(host.history());
            return;
        }
        self.menu = None;
        self.buffer.begin_step(false);
        let text = if self.python { crate::paste::clean(pasted) } else { pasted.to_owned() };
        self.buffer.insert(&text);
        (self.last, self.goal, self.argument) = (Last::Other, None, None);
        self.after_change();
        self.suggestion = None;
        self.pasted = true;
    }

    /// One key.
    pub fn key(&mut self, key: Key, host: &mut dyn Host) -> Action {
        self.message = None;
        self.macros.note(key);
        if std::mem::take(&mut self.quoted) {
            self.insert_quoted(key);
            return Action::Continue;
        }
        if self.vi.normal
            && self.search.is_none()
            && self.menu.is_none()
            && self.keys.is_empty()
            && let Some(action) = self.vi_key(key, host)
        {
            self.suggestion = None;
            return action;
        }
        self.vi_record(key);
        self.keys.push(key);
        let lookup = self.keymap.lookup(&self.keys);
        if lookup == Lookup::Prefix {
            return Action::Continue;
        }
        let keys = std::mem::take(&mut self.keys);
        let command = match lookup {
            Lookup::Command(command) => Some(command),
            _ => None,
        };
        let typed = match (command, keys.as_slice()) {
            (None, [Key { code: KeyCode::Char(char), ctrl: false, alt: false, .. }]) => Some(*char),
            _ => None,
        };
        if self.search.is_some()
            && let Some(action) = self.search_key(command, typed, key, host)
        {
            return action;
        }
        if self.menu.is_some()
            && let Some(action) = self.menu_key(command, typed)
        {
            return action;
        }
        let pasted = std::mem::take(&mut self.pasted);
        if command == Some(Command::Accept) {
            self.pasted = pasted;
        }
        let before = self.last;
        self.last = Last::Other;
        let action = match (command, typed) {
            (Some(Command::Digit), _) => {
                self.digit(key);
                return Action::Continue;
            }
            (Some(command), _) => self.run(command, before, host),
            (None, Some(digit)) if self.argument.is_some() && digit.is_ascii_digit() && before == Last::Other => {
                self.digit(key);
                return Action::Continue;
            }
            (None, Some(char)) => {
                self.type_char(char);
                Action::Continue
            }
            (None, None) => Action::Continue,
        };
        self.argument = None;
        if self.last != Last::Vertical {
            self.goal = None;
        }
        action
    }

    fn digit(&mut self, key: Key) {
        let value = self.argument.unwrap_or(0);
        self.argument = match key.code {
            KeyCode::Char('-') => Some(if value == 0 { -1 } else { -value }),
            KeyCode::Char(char) => char.to_digit(10).map(|digit| {
                let started = self.argument.is_some_and(|argument| argument.abs() != 1 || argument == 1);
                let value = if started { value } else { 0 };
                // A number that large is a mistake: it stops growing.
                value.saturating_mul(10).saturating_add(digit as i32).min(10_000)
            }),
            _ => self.argument,
        };
    }

    /// How often the command is to be done.
    fn times(&self) -> usize {
        self.argument.map_or(1, |argument| argument.unsigned_abs() as usize)
    }

    fn type_char(&mut self, char: char) {
        let mut encoded = [0; 4];
        let text: &str = char.encode_utf8(&mut encoded);
        // A word is taken back at a time.
        let word_ends = char.is_whitespace() && !self.buffer.before_cursor().ends_with(char::is_whitespace);
        self.buffer.begin_step(!word_ends);
        if word_ends {
            self.buffer.begin_step(true);
        }
        // What was suggested may be just what is typed now.
        let suggested = self.suggestion.take().and_then(|suggested| suggested.strip_prefix(char).map(str::to_owned));
        let times = self.times();
        for _ in 0..times {
            self.buffer.insert(text);
        }
        self.marked = false;
        if self.python && !self.paste_mode {
            self.dedent_keyword();
        }
        self.after_change();
        self.suggestion = suggested.filter(|rest| times == 1 && self.buffer.at_end() && !rest.is_empty());
    }

    fn insert_quoted(&mut self, key: Key) {
        let char = match key {
            Key { code: KeyCode::Char(char), ctrl: true, .. } if char.is_ascii() => (char as u8 & 0x1f) as char,
            Key { code: KeyCode::Char(char), .. } => char,
            Key { code: KeyCode::Tab, .. } => '\t',
            Key { code: KeyCode::Enter, .. } => '\n',
            Key { code: KeyCode::Escape, .. } => '\x1b',
            Key { code: KeyCode::Backspace, .. } => '\x7f',
            _ => return,
        };
        self.buffer.begin_step(false);
        self.buffer.insert(char.encode_utf8(&mut [0; 4]));
        self.after_change();
    }

    /// Keeps what goes with the text true after a change of it.
    fn after_change(&mut self) {
        for change in self.buffer.take_changes() {
            self.highlighter.changed(self.buffer.text(), change);
            self.vi.visual = None;
        }
        self.suggestion = None;
    }

    /// Looks for what the history suggests. Takes time with a long history: for when no key waits.
    pub fn suggest(&mut self, host: &mut dyn Host) {
        if self.suggestion.is_some() {
            return;
        }
        let text = self.buffer.as_str();
        // Longer text has no suggestion anybody wants, and looking for one would take time.
        let wanted = self.python && self.buffer.at_end() && !text.is_empty() && text.len() <= 1000;
        self.suggestion = if wanted && self.search.is_none() && self.menu.is_none() && !self.paste_mode {
            let whole = host.history().suggest(text);
            whole.map(|whole| whole[text.len()..].trim_end().to_owned()).filter(|rest| !rest.is_empty())
        } else {
            None
        };
    }
}
