//! Colours of Python text, kept up with edits.
//!
//! For every line the lexer's state at its start is kept, so a key costs the lines it changes and no
//! more: lexing goes on from the edit until the state at the start of a line is what it was before. Nothing is lexed
//! below the last line that was asked for, so opening a triple quote above 10,000 lines costs a screen.
//!
//! The lexer is our own because ruff's can neither begin in the middle of a text nor say where its tokens are: `Lexer`
//! has one public function, which returns kinds without ranges, and its parser wants the whole text for each key. See
//! `docs/decisions/0012-highlighter.md`. Completeness is ruff's: see [`completeness`](crate::completeness).

pub(crate) mod lexer;
mod words;

use lexer::{Level, Nothing, Sink, State};

use crate::{
    style::{Kind, Span},
    text::{Change, Text},
};

/// Lines looked at on either side for a bracket's partner: enough for any screen, and well under a frame's time.
const BRACKET_LINES: usize = 1000;

/// Colours of a [`Text`] that is told about every [`Change`] of it.
#[derive(Clone, Debug)]
pub struct Highlighter {
    /// The state at each line's start.
    states: Vec<State>,
    /// The states of lines up to this one are right.
    known: usize,
    /// From this line on, each state follows from the one before it. Where a state that was lexed anew equals
    /// the one kept here or below, all that follow are right again.
    settled: usize,
    spans: Vec<Span>,
}

impl Default for Highlighter {
    fn default() -> Self {
        Highlighter { states: vec![State::default()], known: 0, settled: 0, spans: Vec::new() }
    }
}

impl Highlighter {
    /// For an empty text.
    #[must_use]
    pub fn new() -> Self {
        Highlighter::default()
    }

    /// Starts again with `text`.
    pub fn reset(&mut self, text: &Text) {
        self.states.clear();
        self.states.resize(text.line_count(), State::default());
        self.known = 0;
        self.settled = text.line_count();
    }

    /// Takes note that `change` led to `text`.
    pub fn changed(&mut self, text: &Text, change: Change) {
        let first = text.line_at(change.start);
        let inserted = text.line_at(change.start + change.inserted) - first;
        let removed = (self.states.len() + inserted).saturating_sub(text.line_count());
        if first + removed >= self.states.len() {
            // Not told of an earlier change: better late than wrong.
            self.reset(text);
            return;
        }
        if inserted != removed {
            self.states.splice(first + 1..=first + removed, std::iter::repeat_n(State::default(), inserted));
        }
        // What was in doubt below the edit still is; else all lines below it follow from each other as before.
        self.settled = match self.settled {
            settled if settled > first + removed => settled - removed + inserted,
            _ => 0,
        };
        self.settled = self.settled.max(first + inserted + 1);
        self.known = self.known.min(first);
    }

    /// The runs of line `line` that are not plain text; adjacent runs of one kind are one.
    ///
    /// # Panics
    /// When `text` has no such line.
    pub fn line(&mut self, text: &Text, line: usize) -> &[Span] {
        self.lex_to(text, line);
        let mut state = self.states[line].clone();
        let mut runs = Runs { spans: std::mem::take(&mut self.spans) };
        runs.spans.clear();
        lexer::line(&mut state, text.line(line), &mut runs);
        self.spans = runs.spans;
        &self.spans
    }

    /// The bracket at byte `cursor`, or else the one before it, and its partner, as byte offsets. Brackets in strings
    /// and comments are text, and partners that are many lines away are not looked for.
    pub fn matching_bracket(&mut self, text: &Text, cursor: usize) -> Option<(usize, usize)> {
        let bytes = text.as_str().as_bytes();
        let is_bracket = |at: &usize| bytes.get(*at).is_some_and(|byte| b"()[]{}".contains(byte));
        let candidates = [Some(cursor), cursor.checked_sub(1)];
        candidates.into_iter().flatten().filter(is_bracket).find_map(|at| {
            let line = text.line_at(at);
            let events = self.brackets(text, line);
            let found = events.iter().position(|event| event.at == at && event.what != What::StringEnd)?;
            let level = events[found].level;
            let partner = match events[found].what {
                What::Open => self.closer(text, line, &events[found + 1..], level)?,
                _ => self.opener(text, line, &events[..found], level)?,
            };
            let pair = (bytes[at.min(partner)], bytes[at.max(partner)]);
            matches!(pair, (b'(', b')') | (b'[', b']') | (b'{', b'}')).then_some((at, partner))
        })
    }

    /// Makes the state at the start of `line` known.
    fn lex_to(&mut self, text: &Text, line: usize) {
        if self.states.len() != text.line_count() {
            self.reset(text);
        }
        if line <= self.known {
            return;
        }
        let mut state = self.states[self.known].clone();
        while self.known < line {
            lexer::line(&mut state, text.line(self.known), &mut Nothing);
            let next = self.known + 1;
            if next >= self.settled && self.states[next] == state {
                self.known = self.states.len() - 1;
                self.settled = 0;
                return;
            }
            self.states[next].clone_from(&state);
            self.known = next;
            // The next state no longer follows from this one.
            self.settled = self.settled.max(next + 1);
        }
        if self.known + 1 == self.states.len() {
            self.settled = 0;
        }
    }

    fn brackets(&mut self, text: &Text, line: usize) -> Vec<Bracket> {
        self.lex_to(text, line);
        let mut state = self.states[line].clone();
        let mut brackets = Brackets { offset: text.line_range(line).start, found: Vec::new() };
        lexer::line(&mut state, text.line(line), &mut brackets);
        brackets.found
    }

    fn closer(&mut self, text: &Text, line: usize, rest: &[Bracket], level: Level) -> Option<usize> {
        let look = |events: &[Bracket]| {
            let end = events.iter().find(|event| event.level <= level && event.what != What::Open)?;
            Some((end.level == level && end.what == What::Close).then_some(end.at))
        };
        if let Some(found) = look(rest) {
            return found;
        }
        for line in line + 1..text.line_count().min(line + BRACKET_LINES) {
            self.lex_to(text, line);
            if self.states[line].level() <= level {
                return None;
            }
            if let Some(found) = look(&self.brackets(text, line)) {
                return found;
            }
        }
        None
    }

    fn opener(&mut self, text: &Text, line: usize, before: &[Bracket], level: Level) -> Option<usize> {
        let look = |events: &[Bracket]| {
            let start = events.iter().rev().find(|event| event.level <= level)?;
            Some((start.level == level && start.what == What::Open).then_some(start.at))
        };
        if let Some(found) = look(before) {
            return found;
        }
        for line in (line.saturating_sub(BRACKET_LINES)..line).rev() {
            if self.states[line + 1].level() <= level {
                return None;
            }
            if let Some(found) = look(&self.brackets(text, line)) {
                return found;
            }
        }
        None
    }
}

/// Collects spans, those that touch joined.
struct Runs {
    spans: Vec<Span>,
}

impl Sink for Runs {
    const WORDS: bool = true;

    fn run(&mut self, start: usize, end: usize, kind: Kind) {
        match self.spans.last_mut() {
            Some(last) if last.kind == kind && last.end == start => last.end = end,
            _ => self.spans.push(Span { start, end, kind }),
        }
    }
}

struct Brackets {
    offset: usize,
    found: Vec<Bracket>,
}

struct Bracket {
    at: usize,
    what: What,
    /// Around the bracket, or after the string.
    level: Level,
}

#[derive(PartialEq)]
enum What {
    Open,
    Close,
    StringEnd,
}

impl Brackets {
    fn push(&mut self, at: usize, what: What, level: Level) {
        self.found.push(Bracket { at: self.offset + at, what, level });
    }
}

impl Sink for Brackets {
    fn run(&mut self, _: usize, _: usize, _: Kind) {}

    fn open(&mut self, at: usize, level: Level) {
        self.push(at, What::Open, level);
    }

    fn close(&mut self, at: usize, level: Level) {
        self.push(at, What::Close, level);
    }

    fn string_end(&mut self, at: usize, level: Level) {
        self.push(at, What::StringEnd, level);
    }
}

#[cfg(test)]
mod tests;
