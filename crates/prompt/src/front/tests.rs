//! The front before a session that tests write, on a terminal that is emulated.

mod answer;
mod cells;
mod completion;
mod far;
mod help;
mod input;
mod look;
mod output;
mod programs;
mod random;

use std::num::NonZero;

use keelback_editor::{
    completeness::{Completeness, guess},
    edit::{Candidate, Completions, Keymap, Signature, Size},
    theme::Theme,
};

use super::{Flow, Front, Options, Record};
use crate::{
    backend::{Backend, Ended},
    history::History,
    images::Protocol,
    record::Kept,
};

/// A session that knows a few names.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Names that variables have.
    variables: Vec<&'static str>,
    /// What it was told while a cell ran.
    told: Vec<String>,
    left: Option<u8>,
}

const NAMES: [(&str, &str, &str); 4] = [
    ("parse", "function", "(text) Read it."),
    ("partial", "class", "Some arguments."),
    ("path", "module", "module"),
    ("zip", "class", "Pairs."),
];

impl Backend for Session {
    fn completeness(&mut self, source: &str) -> Option<Completeness> {
        Some(guess(source))
    }

    fn complete(&mut self, source: &str, cursor: usize) -> Completions {
        let part = |char: char| char.is_alphanumeric() || char == '_';
        let start = source[..cursor].rfind(|char| !part(char)).map_or(0, |at| at + 1);
        let candidates = NAMES.iter().filter(|(name, ..)| name.starts_with(&source[start..cursor]));
        let candidate = |(text, kind, detail): &(&str, &str, &str)| Candidate {
            text: (*text).into(),
            kind: (*kind).into(),
            detail: (*detail).into(),
        };
        Completions { range: start..cursor, candidates: candidates.map(candidate).collect(), more: false }
    }

    fn details(&mut self, source: &str, start: usize, texts: &[String]) -> Vec<String> {
        self.told.push(format!("details of {texts:?} at {start}"));
        let in_sum = |text: &String| if source[..start].ends_with("+ ") { format!("{text}?") } else { String::new() };
        texts.iter().map(in_sum).collect()
    }

    fn signature(&mut self, source: &str, cursor: usize) -> Option<Signature> {
        let (_, arguments) = source[..cursor].rsplit_once("parse(")?;
        let active = if arguments.contains(',') { 12..18 } else { 6..10 };
        Some(Signature { text: "parse(text, base=3) -> int".into(), active: Some(active) })
    }

    fn describe(&mut self, expression: &str) -> Option<String> {
        match expression {
            "parse" => Some("parse(text)\n\nRead it.".into()),
            "zip" => Some((1..=50).map(|line| format!("line {line}\n")).collect()),
            _ => None,
        }
    }

    fn defined(&mut self, name: &str) -> bool {
        self.variables.contains(&name)
    }

    fn command(&mut self, name: &str, argument: &str) -> Result<String, String> {
        match (name, argument) {
            ("vars", "") => Ok("a  int  1".into()),
            ("leave", "") => {
                self.left = Some(3);
                Ok(String::new())
            }
            _ => Err(format!("`{argument}` is not a name")),
        }
    }

    fn commands(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        &[("vars", "", "the variables"), ("src", "NAME", "its source"), ("leave", "", "away")]
    }

    fn left(&mut self) -> Option<u8> {
        self.left
    }

    fn resized(&mut self, columns: u16) {
        self.told.push(format!("{columns} columns"));
    }

    fn interrupt(&mut self) {
        self.told.push("interrupt".into());
    }

    fn reply(&mut self, line: Option<String>) {
        self.told.push(format!("{line:?}"));
    }
}

/// A prompt and the terminal it is in.
pub(super) struct Prompt {
    front: Front<Session, Kept>,
    terminal: vt100::Parser,
    /// What the driver is to do.
    flows: Vec<Flow>,
    /// All that was written.
    sent: Vec<u8>,
}

impl Prompt {
    fn new(columns: u16, rows: u16) -> Self {
        Prompt::with(columns, rows, |_| {})
    }

    fn with(columns: u16, rows: u16, change: impl FnOnce(&mut Options)) -> Self {
        let mut prompt = Prompt::unanswered(columns, rows, change);
        prompt.keys("\x1b[?62;22c");
        prompt
    }

    /// In a terminal that has not said what it is yet.
    fn unanswered(columns: u16, rows: u16, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            theme: Theme::dark(),
            keymap: Keymap::emacs(),
            size: Size { columns, rows },
            theme_is_default: true,
            lends_terminal: false,
            images: Protocol::None,
        };
        change(&mut options);
        let front = Front::new(Session::default(), Kept::from(History::in_memory()), options);
        let terminal = vt100::Parser::new(some(rows), some(columns), 1000);
        let mut prompt = Prompt { front, terminal, flows: Vec::new(), sent: Vec::new() };
        prompt.front.begin((">>> ".into(), "... ".into()));
        prompt.settle();
        prompt
    }

    /// Entries that were there before.
    fn remembering(mut self, entries: &[&str]) -> Self {
        for entry in entries {
            assert_eq!(self.front.record.record(entry), None);
        }
        self
    }

    /// Does what a driver does, up to something that tests have to do.
    fn settle(&mut self) -> &mut Self {
        if let Some(flow) = self.front.advance() {
            self.flows.push(flow);
            self.write();
            return self;
        }
        self.front.paint();
        self.front.idle();
        self.front.paint();
        self.write();
        self
    }

    fn write(&mut self) {
        let bytes = self.front.take_output();
        self.terminal.process(&bytes);
        self.sent.extend_from_slice(&bytes);
    }

    /// Keys: characters as they are, and names as in `<C-a>`.
    fn keys(&mut self, keys: &str) -> &mut Self {
        self.front.input(&bytes_of(keys));
        if self.front.pending().is_some() {
            self.front.flush();
        }
        self.settle()
    }

    fn paste(&mut self, text: &str) -> &mut Self {
        self.keys(&format!("\x1b[200~{text}\x1b[201~"))
    }

    fn output(&mut self, text: &str) -> &mut Self {
        self.front.output(text.as_bytes());
        self.settle()
    }

    fn end(&mut self, ended: Ended) -> &mut Self {
        if let Some(flow) = self.front.ended(ended) {
            self.flows.push(flow);
        }
        self.settle()
    }

    /// Runs a cell that prints this.
    fn run(&mut self, keys: &str, output: &str) -> &mut Self {
        self.keys(keys).keys("<Enter>");
        assert!(matches!(self.flow(), Flow::Run(_)), "it ran");
        self.output(output).end(Ended::default())
    }

    /// The terminal and then the prompt get another size.
    fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        self.write();
        self.terminal.screen_mut().set_size(some(rows), some(columns));
        self.front.resized(Size { columns, rows });
        self.settle()
    }

    #[track_caller]
    fn flow(&mut self) -> Flow {
        self.flows.pop().expect("something for the driver to do")
    }

    /// The source of the cell that was given out last.
    #[track_caller]
    fn cell(&mut self) -> String {
        match self.flow() {
            Flow::Run(run) => run.source,
            other => panic!("{other:?}"),
        }
    }

    fn rows(&self) -> Vec<String> {
        let (_, columns) = self.terminal.screen().size();
        self.terminal.screen().rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect()
    }

    /// The screen down to its last text or cursor, which is `|`.
    fn screen(&self) -> Vec<String> {
        let mut rows = self.rows();
        let (row, column) = self.terminal.screen().cursor_position();
        let marked = &mut rows[usize::from(row)];
        let at = marked.char_indices().nth(usize::from(column)).map(|(at, _)| at);
        match at {
            Some(at) => marked.insert(at, '|'),
            None => {
                let blanks = usize::from(column) - marked.chars().count();
                marked.push_str(&" ".repeat(blanks));
                marked.push('|');
            }
        }
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    #[track_caller]
    fn shows(&mut self, expected: &[&str]) -> &mut Self {
        assert_eq!(self.screen(), expected, "the screen");
        self
    }

    /// The last rows of the screen.
    #[track_caller]
    fn ends(&mut self, expected: &[&str]) -> &mut Self {
        let screen = self.screen();
        assert_eq!(screen[screen.len().saturating_sub(expected.len())..], *expected, "{screen:#?}");
        self
    }

    /// All that can be scrolled back to, and the screen.
    fn everything(&mut self) -> Vec<String> {
        let screen = self.terminal.screen_mut();
        screen.set_scrollback(usize::MAX);
        let above = screen.scrollback();
        let mut rows = Vec::new();
        for back in (1..=above).rev() {
            self.terminal.screen_mut().set_scrollback(back);
            rows.push(self.rows().swap_remove(0));
        }
        self.terminal.screen_mut().set_scrollback(0);
        rows.extend(self.rows());
        rows
    }

    /// The first cell of a text on the screen.
    #[track_caller]
    fn cell_of(&self, text: &str) -> &vt100::Cell {
        let rows = self.rows();
        let (row, at) = rows.iter().enumerate().find_map(|(row, line)| Some((row, line.find(text)?))).expect(text);
        let column = rows[row][..at].chars().count();
        self.terminal.screen().cell(row as u16, column as u16).expect("on the screen")
    }

    fn color(&self, text: &str) -> vt100::Color {
        self.cell_of(text).fgcolor()
    }

    #[track_caller]
    fn sent(&self, bytes: &str) -> bool {
        String::from_utf8_lossy(&self.sent).contains(bytes)
    }
}

fn some(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a window with rows and columns")
}

/// Keys in, the screen out: for what needs no session.
#[track_caller]
fn check(keys: &str, expected: &[&str]) {
    Prompt::new(40, 10).keys(keys).shows(expected);
}

fn bytes_of(keys: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = keys;
    while let Some(char) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).filter(|(name, _)| !name.is_empty());
        if let Some((sequence, after)) = named.and_then(|(name, after)| Some((named_key(name)?, after))) {
            bytes.extend(sequence);
            rest = after;
        } else {
            bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[char.len_utf8()..];
        }
    }
    bytes
}

/// What xterm sends.
fn named_key(name: &str) -> Option<Vec<u8>> {
    let sequence = match name {
        "Enter" => "\r",
        "Tab" => "\t",
        "S-Tab" => "\x1b[Z",
        "Backspace" => "\x7f",
        "Escape" => "\x1b",
        "Up" => "\x1b[A",
        "Down" => "\x1b[B",
        "Right" => "\x1b[C",
        "Left" => "\x1b[D",
        "C-Right" => "\x1b[1;5C",
        "Home" => "\x1b[H",
        "End" => "\x1b[F",
        "PageUp" => "\x1b[5~",
        "F1" => "\x1bOP",
        "F2" => "\x1bOQ",
        "F3" => "\x1bOR",
        _ => {
            let (modifier, key) = name.split_once('-')?;
            let key = u8::try_from(key.chars().next()?).ok()?;
            return match modifier {
                "C" => Some(vec![key & 0x1f]),
                "M" => Some(vec![0x1b, key]),
                _ => None,
            };
        }
    };
    Some(sequence.into())
}
