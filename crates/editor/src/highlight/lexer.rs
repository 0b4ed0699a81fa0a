//! A lexer for colours: one physical line at a time, from the state at its start.
//!
//! It never fails: what no token can begin with becomes [`Kind::Invalid`], and an unfinished string ends where Python
//! would notice. What a text means (completeness, errors) is not decided here.

use super::words::{self, Word};
use crate::style::Kind;

/// As many f-strings within each other as CPython accepts; deeper ones are taken for plain strings.
const MAX_NESTED: usize = 150;

/// What the lexer has to know at the start of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Open brackets, counted from the replacement field we are in.
    pub(crate) depth: u32,
    /// What the word after this means.
    before: Before,
    /// The strings and replacement fields that are open, outermost first.
    frames: Vec<Frame>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Before {
    /// A statement can begin here.
    #[default]
    Statement,
    /// A name here is an attribute.
    Dot,
    /// A name here is defined.
    Definition,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    String {
        quote: u8,
        triple: bool,
        /// An f-string or t-string: braces hold code.
        fields: bool,
    },
    /// A replacement field, with the bracket depth around the string it is in.
    Field {
        outer_depth: u32,
        /// It began on an earlier line.
        carried: bool,
    },
    /// The format specification of a field.
    Spec,
}

impl State {
    /// Whether the next character belongs to a string, or to the format of a replacement field.
    pub(crate) fn in_string(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::String { .. } | Frame::Spec))
    }

    /// Whether a statement begins here: not within brackets or a string, nor after a backslash.
    pub(crate) fn at_statement(&self) -> bool {
        *self == State::default()
    }

    /// How deep within strings and brackets: grows with each that opens.
    pub(crate) fn level(&self) -> Level {
        (self.frames.len(), self.depth)
    }
}

/// Open strings and fields, then open brackets.
pub(crate) type Level = (usize, u32);

/// Receives what the lexer finds, in the order of the text. Blanks are not reported.
pub(crate) trait Sink {
    /// Whether words are told apart: looking them up is most of the work. Else each is reported, as plain text.
    const WORDS: bool = false;
    /// A run of bytes of the line; runs that touch may be parts of one token.
    fn run(&mut self, start: usize, end: usize, kind: Kind);
    /// A bracket opened at `at`, from `level`.
    fn open(&mut self, _at: usize, _level: Level) {}
    /// A bracket closed at `at`, back to `level`.
    fn close(&mut self, _at: usize, _level: Level) {}
    /// A colon or semicolon at `at`, outside of brackets.
    fn separator(&mut self, _at: usize, _byte: u8) {}
    /// A string ended before `at`, back to `level`.
    fn string_end(&mut self, _at: usize, _level: Level) {}
}

/// Only the state is wanted.
pub(super) struct Nothing;

impl Sink for Nothing {
    #[inline]
    fn run(&mut self, _: usize, _: usize, _: Kind) {}
}

/// Takes `state` from the start of `line` to the start of the next one.
pub(crate) fn line(state: &mut State, line: &str, sink: &mut impl Sink) {
    let mut lexer = Lexer { text: line, bytes: line.as_bytes(), at: 0, state, sink, continued: false, last_open: None };
    lexer.run();
    lexer.end();
}

struct Lexer<'a, S> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    state: &'a mut State,
    sink: &'a mut S,
    /// A backslash ends the line.
    continued: bool,
    /// The brace of the last field opened on this line.
    last_open: Option<usize>,
}

impl<S: Sink> Lexer<'_, S> {
    fn run(&mut self) {
        while self.at < self.bytes.len() {
            match self.state.frames.last().copied() {
                Some(Frame::String { quote, triple, fields }) => self.string(quote, triple, fields),
                Some(Frame::Spec) => self.spec(),
                Some(Frame::Field { .. }) | None => self.code(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Reports what lies between `start` and here.
    fn push(&mut self, start: usize, kind: Kind) {
        if start < self.at {
            self.sink.run(start, self.at, kind);
        }
    }

    /// What is open at the end of a line stays open only where Python would go on.
    fn end(&mut self) {
        loop {
            let below = self.state.frames.len().saturating_sub(1);
            match self.state.frames.last().copied() {
                None => break,
                Some(Frame::String { triple, .. }) => {
                    if triple || self.continued {
                        break;
                    }
                    self.drop_to(below);
                }
                Some(Frame::Spec) => match self.string_of(below) {
                    Some((at, false)) => self.drop_to(at),
                    _ => break,
                },
                // A field may go on after the line even between single quotes, but while it is typed it mostly
                // does not: it goes on when a bracket in it is open, or nothing follows its brace.
                Some(Frame::Field { carried, .. }) => match self.string_of(below) {
                    Some((at, false)) if !carried && !self.continued && self.state.depth == 0 => {
                        let opened_last = self.last_open.is_some_and(|open| self.text[open + 1..].trim().is_empty());
                        if opened_last {
                            break;
                        }
                        self.drop_to(at);
                    }
                    _ => break,
                },
            }
        }
        for frame in &mut self.state.frames {
            if let Frame::Field { carried, .. } = frame {
                *carried = true;
            }
        }
        let goes_on = self.continued || self.state.depth > 0 || !self.state.frames.is_empty();
        self.state.before = match self.state.before {
            before @ (Before::Dot | Before::Definition) if goes_on => before,
            _ if goes_on => Before::Other,
            _ => Before::Statement,
        };
    }

    /// The string that the field or specification in frame `index` is part of, and whether it is triple-quoted.
    fn string_of(&self, index: usize) -> Option<(usize, bool)> {
        (0..index).rev().find_map(|at| match self.state.frames[at] {
            Frame::String { triple, .. } => Some((at, triple)),
            _ => None,
        })
    }

    /// Forgets the string in frame `index` with all within it.
    fn drop_to(&mut self, index: usize) {
        if let Some(Frame::Field { outer_depth, .. }) = self.state.frames.get(index + 1) {
            self.state.depth = *outer_depth;
        }
        self.state.frames.truncate(index);
        self.state.before = Before::Other;
    }

    fn string(&mut self, quote: u8, triple: bool, fields: bool) {
        let start = self.at;
        while self.at < self.bytes.len() {
            match self.bytes[self.at] {
                // Raw strings are no different: a quote after a backslash does not end them either.
                b'\\' => {
                    self.continued = self.at + 1 == self.bytes.len();
                    let escape = match (self.peek(1), self.peek(2)) {
                        // In an f-string a brace after a backslash still opens a field.
                        (b'{', _) if fields => 1,
                        // Not so in raw ones, but hardly any has a backslash before these.
                        (b'N', b'{') if fields => 3,
                        _ => 2,
                    };
                    self.at = (self.at + escape).min(self.bytes.len());
                    while !self.text.is_char_boundary(self.at) {
                        self.at += 1;
                    }
                }
                byte if byte == quote && (!triple || self.closes(quote)) => {
                    self.at += if triple { 3 } else { 1 };
                    self.push(start, Kind::String);
                    self.state.frames.pop();
                    self.state.before = Before::Other;
                    self.sink.string_end(self.at, self.state.level());
                    return;
                }
                b'{' if fields && self.peek(1) == b'{' => self.at += 2,
                b'{' if fields => {
                    self.push(start, Kind::String);
                    self.open_field();
                    return;
                }
                _ => self.at += 1,
            }
        }
        self.push(start, Kind::String);
    }

    fn closes(&self, quote: u8) -> bool {
        self.peek(1) == quote && self.peek(2) == quote
    }

    fn open_field(&mut self) {
        self.sink.open(self.at, self.state.level());
        self.last_open = Some(self.at);
        self.at += 1;
        self.push(self.at - 1, Kind::Interpolation);
        self.state.frames.push(Frame::Field { outer_depth: self.state.depth, carried: false });
        self.state.depth = 0;
        self.state.before = Before::Other;
    }

    /// At the brace that ends a field, whose frame is the last.
    fn close_field(&mut self) {
        if let Some(Frame::Field { outer_depth, .. }) = self.state.frames.pop() {
            self.state.depth = outer_depth;
        }
        self.sink.close(self.at, self.state.level());
        self.at += 1;
        self.push(self.at - 1, Kind::Interpolation);
    }

    fn spec(&mut self) {
        let start = self.at;
        let string = self.string_of(self.state.frames.len());
        let Some((string_at, _)) = string else {
            self.state.frames.pop();
            return;
        };
        let Frame::String { quote, triple, .. } = self.state.frames[string_at] else { return };
        while self.at < self.bytes.len() {
            match self.bytes[self.at] {
                b'{' => {
                    self.push(start, Kind::Interpolation);
                    if self.state.frames.len() < 2 * MAX_NESTED {
                        self.open_field();
                    } else {
                        self.at += 1;
                        self.push(self.at - 1, Kind::Interpolation);
                    }
                    return;
                }
                b'}' => {
                    self.push(start, Kind::Interpolation);
                    self.state.frames.pop();
                    self.close_field();
                    return;
                }
                // The string ends before its field did.
                byte if byte == quote && (!triple || self.closes(quote)) => {
                    self.push(start, Kind::Interpolation);
                    let quote_at = self.at;
                    self.at += if triple { 3 } else { 1 };
                    self.push(quote_at, Kind::String);
                    self.drop_to(string_at);
                    self.sink.string_end(self.at, self.state.level());
                    return;
                }
                _ => self.at += 1,
            }
        }
        self.push(start, Kind::Interpolation);
    }

    /// One token of code, or the blanks before it.
    fn code(&mut self) {
        let start = self.at;
        let byte = self.bytes[start];
        match byte {
            b' ' | b'\t' | 0x0c => self.at += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            b'"' | b'\'' => self.quote(start, false),
            b'#' => {
                self.at = self.bytes.len();
                self.sink.run(start, self.at, Kind::Comment);
            }
            b'\\' if start + 1 == self.bytes.len() => {
                self.at += 1;
                self.continued = true;
                self.push(start, Kind::Operator);
            }
            b'@' if self.state.before == Before::Statement => self.decorator(),
            _ => self.punctuation(byte),
        }
    }

    fn punctuation(&mut self, byte: u8) {
        let start = self.at;
        let field = matches!(self.state.frames.last(), Some(Frame::Field { .. })) && self.state.depth == 0;
        self.at += 1;
        let mut before = Before::Other;
        match byte {
            b'(' | b'[' | b'{' => {
                self.sink.open(start, self.state.level());
                self.state.depth += 1;
            }
            b'}' if field => {
                self.at = start;
                self.close_field();
                return;
            }
            // One without a partner closes nothing.
            b')' | b']' | b'}' if self.state.depth > 0 => {
                self.state.depth -= 1;
                self.sink.close(start, self.state.level());
            }
            b':' if field => {
                self.push(start, Kind::Interpolation);
                self.state.frames.push(Frame::Spec);
                return;
            }
            b'!' if field && self.peek(0) != b'=' => {
                while self.peek(0).is_ascii_alphanumeric() {
                    self.at += 1;
                }
                self.push(start, Kind::Interpolation);
                self.state.before = Before::Other;
                return;
            }
            // After the colon of a one-line block, and a semicolon.
            b':' | b';' if self.state.depth == 0 && self.state.frames.is_empty() && self.peek(0) != b'=' => {
                self.sink.separator(start, byte);
                before = Before::Statement;
            }
            b'.' if self.peek(0) == b'.' && self.peek(1) == b'.' => self.at += 2,
            b'.' => before = Before::Dot,
            b'!' if self.peek(0) == b'=' => self.at += 1,
            b'!' | b'$' | b'?' | b'`' | b'\\' | ..=0x1f | 0x7f => {
                self.push(start, Kind::Invalid);
                self.state.before = Before::Other;
                return;
            }
            _ => {}
        }
        self.push(start, Kind::Operator);
        self.state.before = before;
    }

    /// The end of the word that begins at `at`, or `at` where none does.
    fn word_end(&self, at: usize) -> usize {
        let mut end = at;
        while let Some(&byte) = self.bytes.get(end) {
            if byte.is_ascii_alphanumeric() || byte == b'_' {
                end += 1;
            } else if byte >= 0x80 {
                let Some(char) = self.text[end..].chars().next() else { break };
                let fits =
                    if end == at { unicode_ident::is_xid_start(char) } else { unicode_ident::is_xid_continue(char) };
                if !fits {
                    break;
                }
                end += char.len_utf8();
            } else {
                break;
            }
        }
        end
    }

    fn word(&mut self) {
        let start = self.at;
        self.at = self.word_end(start);
        if self.at == start {
            self.at += self.text[start..].chars().next().map_or(1, char::len_utf8);
            self.push(start, Kind::Invalid);
            self.state.before = Before::Other;
            return;
        }
        if let b'"' | b'\'' = self.peek(0)
            && let Some(fields) = words::prefix(&self.bytes[start..self.at])
        {
            self.quote(start, fields);
            return;
        }
        let before = std::mem::replace(&mut self.state.before, Before::Other);
        if matches!(&self.text[start..self.at], "def" | "class") {
            self.state.before = Before::Definition;
        }
        if !S::WORDS {
            self.push(start, Kind::Text);
            return;
        }
        let kind = match words::classify(&self.text[start..self.at]) {
            Word::Keyword => Kind::Keyword,
            _ if before == Before::Definition => Kind::Definition,
            _ if before == Before::Dot => Kind::Text,
            Word::Soft if before == Before::Statement && self.acts_as_keyword(start) => Kind::SoftKeyword,
            Word::Soft if &self.text[start..self.at] == "_" && self.is_wildcard(start) => Kind::SoftKeyword,
            Word::Builtin => Kind::Builtin,
            Word::Soft if &self.text[start..self.at] == "type" => Kind::Builtin,
            _ => Kind::Text,
        };
        if kind != Kind::Text {
            self.push(start, kind);
        }
    }

    /// Whether the soft keyword that begins a statement at `start` is one, judged like CPython by the token after it.
    fn acts_as_keyword(&self, start: usize) -> bool {
        let word = &self.text[start..self.at];
        let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\x0c']);
        let next = rest.as_bytes().first().copied().unwrap_or(0);
        let after = self.bytes.len() - rest.len();
        let name = &self.text[after..self.word_end(after)];
        if !name.is_empty() && !next.is_ascii_digit() {
            // A string's prefix is no name, but a string may follow all that a name may.
            return match (word, words::classify(name)) {
                ("match", Word::Keyword) => matches!(name, "False" | "None" | "True" | "await" | "lambda" | "not"),
                ("case", Word::Keyword) => matches!(name, "False" | "None" | "True"),
                ("type", Word::Keyword) => false,
                _ => word != "_",
            };
        }
        let value = next.is_ascii_digit() || matches!(next, b'"' | b'\'' | b'(' | b'[' | b'{' | b'*');
        match word {
            "match" => value && !rest.starts_with("*=") || next == b'~' || rest.starts_with("..."),
            "case" => {
                value && !rest.starts_with("*=") || next == b'-' && !rest.starts_with("-=") && !rest.starts_with("->")
            }
            _ => false,
        }
    }

    /// Whether the `_` at `start` is the pattern of a `case`.
    fn is_wildcard(&self, start: usize) -> bool {
        let blank: &[char] = &[' ', '\t'];
        let after = self.text[self.at..].trim_start_matches(blank);
        let guarded = after.strip_prefix("if").is_some_and(|rest| rest.starts_with(blank));
        self.text[..start].trim_matches(blank) == "case" && (after.starts_with(':') || guarded)
    }

    fn number(&mut self) {
        let start = self.at;
        let digits = |at: &mut usize, is_digit: fn(&u8) -> bool| {
            while self.bytes.get(*at).is_some_and(|byte| is_digit(byte) || *byte == b'_') {
                *at += 1;
            }
        };
        let mut at = start;
        match (self.bytes[start], self.peek(1) | 0x20) {
            (b'0', b'x') => {
                at += 2;
                digits(&mut at, u8::is_ascii_hexdigit);
            }
            (b'0', b'o' | b'b') => {
                at += 2;
                digits(&mut at, u8::is_ascii_digit);
            }
            _ => {
                digits(&mut at, u8::is_ascii_digit);
                if self.bytes.get(at) == Some(&b'.') {
                    at += 1;
                    digits(&mut at, u8::is_ascii_digit);
                }
                if let Some(b'e' | b'E') = self.bytes.get(at) {
                    let sign = usize::from(matches!(self.bytes.get(at + 1), Some(b'+' | b'-')));
                    if self.bytes.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
                        at += 1 + sign;
                        digits(&mut at, u8::is_ascii_digit);
                    }
                }
                if let Some(b'j' | b'J') = self.bytes.get(at) {
                    at += 1;
                }
            }
        }
        self.at = at;
        self.push(start, Kind::Number);
        self.state.before = Before::Other;
        // `1if x` is allowed, `1abc` is not.
        let end = self.word_end(at);
        if end > at && !matches!(&self.text[at..end], "and" | "else" | "for" | "if" | "in" | "is" | "not" | "or") {
            self.at = end;
            self.push(at, Kind::Invalid);
        }
    }

    /// A string whose prefix begins at `start` and whose quotes begin here.
    fn quote(&mut self, start: usize, fields: bool) {
        let quote = self.bytes[self.at];
        let triple = self.closes(quote);
        self.at += if triple { 3 } else { 1 };
        self.push(start, Kind::String);
        let fields = fields && self.state.frames.len() < 2 * MAX_NESTED;
        self.state.frames.push(Frame::String { quote, triple, fields });
    }

    fn decorator(&mut self) {
        let start = self.at;
        self.at += 1;
        while self.peek(0) == b' ' {
            self.at += 1;
        }
        loop {
            let end = self.word_end(self.at);
            if end == self.at {
                break;
            }
            self.at = end;
            if self.peek(0) == b'.' {
                self.at += 1;
            }
        }
        let end = start + self.text[start..self.at].trim_end().len();
        self.sink.run(start, end, Kind::Decorator);
        self.state.before = if self.text[start..end].ends_with('.') { Before::Dot } else { Before::Other };
    }
}

/// Whether `source` ends within a replacement field, which another line could finish even between single quotes.
pub(crate) fn ends_in_field(source: &str) -> bool {
    let mut state = State::default();
    let (before, last) = source.rsplit_once('\n').unwrap_or(("", source));
    for text in before.lines() {
        line(&mut state, text, &mut Nothing);
    }
    let mut lexer = Lexer {
        text: last,
        bytes: last.as_bytes(),
        at: 0,
        state: &mut state,
        sink: &mut Nothing,
        continued: false,
        last_open: None,
    };
    lexer.run();
    state.frames.iter().any(|frame| matches!(frame, Frame::Field { .. }))
}
