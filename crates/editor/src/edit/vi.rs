//! vi's normal mode: motions, operators, counts, `.`.
//!
//! Not here: visual mode (Shift with arrows selects), registers, marks, macros and the command line.

use std::ops::Range;

use super::{Action, Command, Editor, Host, Last, kill_ring::Side};
use crate::{
    key::{Key, KeyCode},
    motion,
};

/// What has been typed of a command.
#[derive(Clone, Debug, Default)]
pub(super) struct Vi {
    /// Normal mode; else text is typed.
    pub(super) normal: bool,
    count: Option<usize>,
    operator: Option<char>,
    /// A key that wants one more: `f`, `t`, `r`, `g`, `i`, `a` ...
    wants: Option<char>,
    /// The last `f`, `F`, `t` or `T` and its character.
    find: Option<(char, char)>,
    /// Keys of the last change, and those of the one under way.
    change: Vec<Key>,
    recording: Vec<Key>,
    repeating: bool,
    /// Text typed after a change belongs to it.
    inserting: bool,
}

/// What a motion covers.
struct Motion {
    to: usize,
    /// The character at the end is part of it.
    inclusive: bool,
    lines: bool,
}

impl Motion {
    fn to(to: usize) -> Option<Self> {
        Some(Motion { to, inclusive: false, lines: false })
    }

    fn on(to: usize) -> Option<Self> {
        Some(Motion { to, inclusive: true, lines: false })
    }
}

/// The most a count repeats.
const COUNT_MAX: usize = 10_000;

impl Editor {
    /// Whether keys are commands, as after Escape in vi.
    #[must_use]
    pub fn is_vi_normal(&self) -> bool {
        self.vi.normal
    }

    pub(super) fn enter_vi_normal(&mut self) {
        if !self.vi.normal && self.cursor() > self.buffer.line_range().start {
            let left = motion::left(self.buffer.text(), self.cursor());
            self.buffer.set_cursor(left);
        }
        if self.vi.inserting {
            self.vi.recording.push(Key::plain(KeyCode::Escape));
            self.vi.change = std::mem::take(&mut self.vi.recording);
        }
        let Vi { find, change, repeating, .. } = std::mem::take(&mut self.vi);
        self.vi = Vi { normal: true, find, change, repeating, ..Vi::default() };
        self.buffer.deselect();
    }

    /// Notes a key that is typed as part of a change.
    pub(super) fn vi_record(&mut self, key: Key) {
        if self.vi.inserting {
            self.vi.recording.push(key);
        }
    }

    /// A key in normal mode; None when it is to be handled as always.
    pub(super) fn vi_key(&mut self, key: Key, host: &mut dyn Host) -> Option<Action> {
        let char = match key {
            Key { code: KeyCode::Char(char), ctrl: false, alt: false, .. } => char,
            Key { code: KeyCode::Escape, .. } => {
                self.vi_done();
                return Some(Action::Continue);
            }
            Key { code: KeyCode::Backspace, .. } => 'h',
            Key { code: KeyCode::Char('r'), ctrl: true, .. } => {
                self.vi_done();
                return Some(self.run(Command::Redo, Last::Other, host));
            }
            _ => {
                self.vi_done();
                return None;
            }
        };
        if self.vi.wants.is_none() && self.vi.operator.is_none() && self.vi.count.is_none() {
            self.vi.recording.clear();
        }
        self.vi.recording.push(key);
        let action = self.vi_char(char, host);
        self.after_change();
        if self.vi.normal {
            self.vi_clamp();
        }
        Some(action)
    }

    fn vi_done(&mut self) {
        (self.vi.count, self.vi.operator, self.vi.wants) = (None, None, None);
    }

    /// The cursor stands on a character, not behind the last.
    fn vi_clamp(&mut self) {
        let line = self.buffer.line_range();
        if self.cursor() == line.end && line.end > line.start && self.vi.operator.is_none() {
            let left = motion::left(self.buffer.text(), line.end);
            self.buffer.set_cursor(left);
        }
    }

    fn vi_char(&mut self, char: char, host: &mut dyn Host) -> Action {
        if let Some(wants) = self.vi.wants.take() {
            self.vi_second(wants, char, host);
            return Action::Continue;
        }
        if let Some(digit) = char.to_digit(10).filter(|digit| *digit > 0 || self.vi.count.is_some()) {
            let count = self.vi.count.unwrap_or(0).saturating_mul(10).saturating_add(digit as usize);
            self.vi.count = Some(count.min(COUNT_MAX));
            return Action::Continue;
        }
        if matches!(char, 'f' | 'F' | 't' | 'T' | 'g') || (char == 'r' && self.vi.operator.is_none()) {
            self.vi.wants = Some(char);
            return Action::Continue;
        }
        if self.vi.operator.is_some() && matches!(char, 'i' | 'a') {
            self.vi.wants = Some(char);
            return Action::Continue;
        }
        if let Some(operator) = self.vi.operator {
            let motion = if char == operator { self.vi_lines() } else { self.vi_motion(char, true) };
            if let Some(motion) = motion {
                self.vi_operate(operator, motion);
            }
            self.vi_done();
            return Action::Continue;
        }
        if matches!(char, 'd' | 'c' | 'y' | '>' | '<') {
            self.vi.operator = Some(char);
            return Action::Continue;
        }
        self.vi_command(char, host)
    }

    fn vi_second(&mut self, wants: char, char: char, host: &mut dyn Host) {
        let motion = match wants {
            'f' | 'F' | 't' | 'T' => {
                self.vi.find = Some((wants, char));
                self.vi_find(wants, char)
            }
            'g' if char == 'g' => Some(Motion { to: 0, inclusive: false, lines: true }),
            'r' => {
                let end = (0..self.vi_count()).fold(self.cursor(), |at, _| motion::right(self.buffer.text(), at));
                let new: String = self.text()[self.cursor()..end].chars().map(|_| char).collect();
                let cursor = self.cursor();
                self.buffer.begin_step(false);
                self.buffer.replace_and_move(cursor..end, &new, cursor);
                self.vi_changed(false);
                None
            }
            'i' | 'a' => {
                if let (Some(operator), Some(range)) = (self.vi.operator, self.vi_object(wants == 'a', char)) {
                    self.buffer.set_cursor(range.start);
                    self.vi_operate(operator, Motion { to: range.end, inclusive: false, lines: false });
                }
                None
            }
            _ => None,
        };
        if let Some(motion) = motion {
            match self.vi.operator {
                Some(operator) => self.vi_operate(operator, motion),
                None => self.buffer.set_cursor(motion.to),
            }
        }
        let _ = host;
        self.vi_done();
    }

    fn vi_count(&self) -> usize {
        self.vi.count.unwrap_or(1)
    }

    fn vi_lines(&self) -> Option<Motion> {
        let text = self.buffer.text();
        let last = (self.buffer.line() + self.vi_count() - 1).min(text.line_count() - 1);
        Some(Motion { to: text.line_range(last).start, inclusive: false, lines: true })
    }

    fn vi_motion(&mut self, char: char, operator: bool) -> Option<Motion> {
        if char == '%' {
            let at = self.cursor();
            let (here, there) = self.highlighter.matching_bracket(self.buffer.text(), at)?;
            return Motion::on(if at == there { here } else { there });
        }
        let (text, at, line) = (self.text(), self.cursor(), self.buffer.line_range());
        let times = |step: &dyn Fn(usize) -> usize| (0..self.vi_count()).fold(at, |at, _| step(at));
        let big = |char: char| !char.is_whitespace();
        match char {
            'h' => Motion::to(times(&|at| if at > line.start { motion::left(self.buffer.text(), at) } else { at })),
            'l' | ' ' => {
                Motion::to(times(&|at| if at < line.end { motion::right(self.buffer.text(), at) } else { at }))
            }
            '0' => Motion::to(line.start),
            '^' => Motion::to(line.start + text[line.clone()].len() - text[line.clone()].trim_start().len()),
            '$' => Motion::to(line.end),
            'w' if operator && self.vi.operator == Some('c') => Motion::on(times(&|at| word_end(text, at, kind))),
            'W' if operator && self.vi.operator == Some('c') => {
                Motion::on(times(&|at| word_end(text, at, |c| u8::from(big(c)))))
            }
            'w' => Motion::to(times(&|at| next_word(text, at, kind))),
            'W' => Motion::to(times(&|at| next_word(text, at, |char| u8::from(big(char))))),
            'b' => Motion::to(times(&|at| previous_word(text, at, kind))),
            'B' => Motion::to(times(&|at| previous_word(text, at, |char| u8::from(big(char))))),
            'e' => Motion::on(times(&|at| word_end(text, motion::right(self.buffer.text(), at), kind))),
            'E' => Motion::on(times(&|at| {
                word_end(text, motion::right(self.buffer.text(), at), |char| u8::from(big(char)))
            })),
            '{' => Motion::to(times(&|at| text[..at].trim_end_matches('\n').rfind("\n\n").map_or(0, |at| at + 1))),
            '}' => Motion::to(times(&|at| {
                let from = at + text[at..].len() - text[at..].trim_start_matches('\n').len();
                text[from..].find("\n\n").map_or(text.len(), |found| from + found + 1)
            })),
            'G' => {
                let last = self.buffer.text().line_count();
                let line = self.vi.count.unwrap_or(last).clamp(1, last) - 1;
                Some(Motion { to: self.buffer.text().line_range(line).start, inclusive: false, lines: true })
            }
            'j' | 'k' if operator => {
                let line = self.buffer.line();
                let to = if char == 'j' { line + self.vi_count() } else { line.checked_sub(self.vi_count())? };
                let to = (to < self.buffer.text().line_count()).then_some(to)?;
                Some(Motion { to: self.buffer.text().line_range(to).start, inclusive: false, lines: true })
            }
            ';' => self.vi.find.and_then(|(kind, char)| self.vi_find(kind, char)),
            ',' => {
                let (kind, char) = self.vi.find?;
                let other = if kind.is_lowercase() { kind.to_ascii_uppercase() } else { kind.to_ascii_lowercase() };
                self.vi_find(other, char)
            }
            _ => None,
        }
    }

    fn vi_find(&self, kind: char, wanted: char) -> Option<Motion> {
        let (text, line) = (self.text(), self.buffer.line_range());
        let mut at = self.cursor();
        for _ in 0..self.vi_count() {
            at = if kind.is_lowercase() {
                let from = motion::right(self.buffer.text(), at).min(line.end);
                from + text[from..line.end].find(wanted)?
            } else {
                line.start + text[line.start..at].rfind(wanted)?
            };
        }
        match kind {
            't' => Motion::on(motion::left(self.buffer.text(), at)),
            'T' => Motion::to(motion::right(self.buffer.text(), at)),
            'f' => Motion::on(at),
            _ => Motion::to(at),
        }
    }

    /// `iw`, `a"`, `i(` ...
    fn vi_object(&self, around: bool, char: char) -> Option<Range<usize>> {
        let (text, at, line) = (self.text(), self.cursor(), self.buffer.line_range());
        match char {
            'w' => {
                let same = kind(text[at..].chars().next()?);
                let start =
                    text[line.start..at].char_indices().rev().take_while(|(_, char)| kind(*char) == same).last();
                let start = start.map_or(at, |(offset, _)| line.start + offset);
                let end = text[at..line.end].char_indices().find(|(_, char)| kind(*char) != same);
                let end = end.map_or(line.end, |(offset, _)| at + offset);
                let blanks = text[end..line.end].len() - text[end..line.end].trim_start().len();
                Some(start..if around { end + blanks } else { end })
            }
            '"' | '\'' | '`' => {
                let marks: Vec<usize> = text[line.clone()].match_indices(char).map(|(at, _)| line.start + at).collect();
                let pair = marks.chunks_exact(2).find(|pair| at <= pair[1])?;
                Some(if around { pair[0]..pair[1] + 1 } else { pair[0] + 1..pair[1] })
            }
            '(' | ')' | 'b' | '[' | ']' | '{' | '}' | 'B' => {
                let (open, close) = match char {
                    '[' | ']' => ('[', ']'),
                    '{' | '}' | 'B' => ('{', '}'),
                    _ => ('(', ')'),
                };
                let mut depth = 0;
                let start = text[..at].char_indices().rev().find(|(_, char)| {
                    depth += i32::from(*char == close) - i32::from(*char == open);
                    depth < 0
                });
                let start = if text[at..].starts_with(open) { at } else { start?.0 };
                let mut depth = 0;
                let end = text[start..].char_indices().find(|(_, char)| {
                    depth += i32::from(*char == open) - i32::from(*char == close);
                    depth == 0
                });
                let end = start + end?.0;
                Some(if around { start..end + 1 } else { start + 1..end })
            }
            _ => None,
        }
    }

    fn vi_operate(&mut self, operator: char, motion: Motion) {
        let (from, to) = (self.cursor().min(motion.to), self.cursor().max(motion.to));
        self.buffer.begin_step(false);
        if motion.lines {
            let text = self.buffer.text();
            let (first, last) = (text.line_at(from), text.line_at(to));
            self.vi_operate_lines(operator, first, last);
            return;
        }
        let to = if motion.inclusive { motion::right(self.buffer.text(), to) } else { to };
        match operator {
            'y' => {
                let text = self.text()[from..to].to_owned();
                self.kills.push(&text, Side::New);
                self.buffer.set_cursor(from);
            }
            '>' | '<' => {
                let text = self.buffer.text();
                let (first, last) = (text.line_at(from), text.line_at(to));
                self.vi_operate_lines(operator, first, last);
            }
            _ => {
                let removed = self.buffer.remove(from..to);
                self.buffer.set_cursor(from);
                self.kills.push(&removed, Side::New);
                self.vi_changed(operator == 'c');
            }
        }
    }

    fn vi_operate_lines(&mut self, operator: char, first: usize, last: usize) {
        let text = self.buffer.text();
        let (start, end) = (text.line_range(first).start, text.line_range(last).end);
        let whole = format!("{}\n", &self.text()[start..end]);
        match operator {
            'y' => self.kills.push(&whole, Side::New),
            'd' => {
                self.kills.push(&whole, Side::New);
                let length = self.text().len();
                let range = if end < length { start..end + 1 } else { start.saturating_sub(1)..end };
                self.buffer.remove(range);
                let at = start.min(self.text().len());
                let line = self.buffer.text().line_range(self.buffer.text().line_at(at));
                self.buffer.set_cursor(line.start);
                self.vi_changed(false);
            }
            'c' => {
                self.kills.push(&whole, Side::New);
                let line = &self.text()[start..end];
                let blanks = line.len() - line.trim_start_matches(' ').len();
                self.buffer.remove(start + blanks..end);
                self.buffer.set_cursor(start + blanks);
                self.vi_changed(true);
            }
            _ => {
                self.buffer.set_cursor(start);
                self.buffer.select();
                self.buffer.set_cursor(end);
                self.shift_lines(operator == '>');
                self.buffer.deselect();
                self.buffer.set_cursor(start);
                self.vi_changed(false);
            }
        }
    }

    /// The keys so far are what `.` repeats, with those typed from here on when `insert`.
    fn vi_changed(&mut self, insert: bool) {
        self.vi.inserting = insert && !self.vi.repeating;
        if insert {
            self.vi.normal = false;
        } else if !self.vi.repeating {
            self.vi.change = self.vi.recording.clone();
        }
    }

    fn vi_command(&mut self, char: char, host: &mut dyn Host) -> Action {
        let (line, cursor, count) = (self.buffer.line_range(), self.cursor(), self.vi_count());
        self.buffer.begin_step(false);
        let shorthand = match char {
            'x' => Some(('d', 'l')),
            'X' => Some(('d', 'h')),
            's' => Some(('c', 'l')),
            'D' => Some(('d', '$')),
            'C' => Some(('c', '$')),
            _ => None,
        };
        if let Some((operator, motion)) = shorthand {
            self.vi.operator = Some(operator);
            if let Some(motion) = self.vi_motion(motion, true) {
                self.vi_operate(operator, motion);
            }
            self.vi_done();
            return Action::Continue;
        }
        let mut action = Action::Continue;
        match char {
            'j' => self.down(host),
            'k' => self.up(host),
            'S' => self.vi_operate_lines('c', self.buffer.line(), self.buffer.line()),
            'Y' => self.vi_operate_lines('y', self.buffer.line(), self.buffer.line()),
            'i' | 'a' | 'I' | 'A' => {
                let to = match char {
                    'i' => cursor,
                    'a' => motion::right(self.buffer.text(), cursor).min(line.end),
                    'I' => self.vi_motion('^', false).map_or(cursor, |motion| motion.to),
                    _ => line.end,
                };
                self.buffer.set_cursor(to);
                self.vi_changed(true);
            }
            'o' => {
                self.buffer.set_cursor(line.end);
                self.open_line();
                self.vi_changed(true);
            }
            'O' => {
                let blanks = self.text()[line.clone()].len() - self.text()[line.clone()].trim_start_matches(' ').len();
                let at = line.start + blanks;
                self.buffer.replace_and_move(line.start..line.start, &format!("{}\n", " ".repeat(blanks)), at);
                self.vi_changed(true);
            }
            'p' | 'P' => self.vi_put(char == 'p', count),
            'u' => action = self.run(Command::Undo, Last::Other, host),
            'J' => {
                if line.end < self.text().len() {
                    let rest = &self.text()[line.end + 1..];
                    let blanks = rest.len() - rest.trim_start_matches(' ').len();
                    self.buffer.replace_and_move(line.end..line.end + 1 + blanks, " ", line.end);
                    self.vi_changed(false);
                }
            }
            '~' => {
                let end = (0..count).fold(cursor, |at, _| motion::right(self.buffer.text(), at).min(line.end));
                let switched: String = self.text()[cursor..end].chars().flat_map(switch_case).collect();
                self.buffer.replace(cursor..end, &switched);
                self.vi_changed(false);
            }
            '/' => action = self.run(Command::SearchOlder, Last::Other, host),
            '?' => action = self.run(Command::SearchNewer, Last::Other, host),
            '.' if !self.vi.repeating => {
                let keys = self.vi.change.clone();
                self.vi_done();
                self.vi.repeating = true;
                for key in keys {
                    self.key(key, host);
                }
                self.vi.repeating = false;
            }
            _ => {
                if let Some(motion) = self.vi_motion(char, false) {
                    self.buffer.set_cursor(motion.to);
                }
            }
        }
        self.vi_done();
        action
    }

    fn vi_put(&mut self, after: bool, count: usize) {
        let Some(text) = self.kills.newest().map(|text| text.repeat(count)) else { return };
        let (line, cursor) = (self.buffer.line_range(), self.cursor());
        if let Some(lines) = text.strip_suffix('\n') {
            let (at, new, to) = if after {
                (line.end, format!("\n{lines}"), line.end + 1)
            } else {
                (line.start, format!("{lines}\n"), line.start)
            };
            self.buffer.replace_and_move(at..at, &new, to);
        } else {
            let at = if after { motion::right(self.buffer.text(), cursor).min(line.end) } else { cursor };
            self.buffer.replace(at..at, &text);
        }
        self.vi_changed(false);
    }
}

/// Blanks, words, and everything else: what vi's `w` tells apart.
fn kind(char: char) -> u8 {
    match char {
        char if char.is_whitespace() => 0,
        char if char.is_alphanumeric() || char == '_' => 1,
        _ => 2,
    }
}

fn next_word(text: &str, at: usize, kind: impl Fn(char) -> u8) -> usize {
    let mut chars = text[at..].char_indices().peekable();
    let Some(first) = chars.peek().map(|(_, char)| kind(*char)) else { return at };
    let after = text[at..].char_indices().find(|(_, char)| kind(*char) != first || first == 0);
    let Some((offset, _)) = after else { return text.len() };
    let from = at + offset;
    text[from..].char_indices().find(|(_, char)| kind(*char) != 0).map_or(text.len(), |(offset, _)| from + offset)
}

fn previous_word(text: &str, at: usize, kind: impl Fn(char) -> u8) -> usize {
    let end = text[..at].trim_end().len();
    let Some(last) = text[..end].chars().next_back().map(&kind) else { return 0 };
    let start = text[..end].char_indices().rev().take_while(|(_, char)| kind(*char) == last).last();
    start.map_or(0, |(offset, _)| offset)
}

/// The last character of the word at or after `at`.
fn word_end(text: &str, at: usize, kind: impl Fn(char) -> u8) -> usize {
    let Some((skip, first)) = text[at..].char_indices().find(|(_, char)| kind(*char) != 0) else { return at };
    let from = at + skip;
    let last = text[from..].char_indices().take_while(|(_, char)| kind(*char) == kind(first)).last();
    last.map_or(from, |(offset, _)| from + offset)
}

fn switch_case(char: char) -> Vec<char> {
    if char.is_lowercase() { char.to_uppercase().collect() } else { char.to_lowercase().collect() }
}
