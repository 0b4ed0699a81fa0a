//! vi's normal and visual modes: how keys make commands, counts, `.`.
//!
//! Not here: marks, blocks and the command line.

mod macros;
mod motions;
mod operators;
mod registers;
mod visual;

pub(super) use self::{macros::Macros, registers::Registers};
use self::{motions::Motion, operators::switch_case, visual::Visual};
use super::{Action, Command, Editor, Host, Last};
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
    /// The count before the operator: a further one multiplies it.
    outer: Option<usize>,
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
    /// Where that text began, and how often it is to stand there.
    typed: Option<(usize, usize)>,
    pub(super) visual: Option<Visual>,
    register: Option<char>,
    /// For the system's clipboard.
    copied: Option<String>,
}

/// The most a count repeats.
const COUNT_MAX: usize = 10_000;

/// The most bytes that one command inserts by repeating: a count is easily mistyped.
const REPEATED_MAX: usize = 1 << 20;

/// `text` as often as a count says.
fn repeated(text: &str, count: usize) -> String {
    text.repeat(count.min((REPEATED_MAX / text.len().max(1)).max(1)))
}

impl Editor {
    /// Whether keys are commands, as after Escape in vi.
    #[must_use]
    pub fn is_vi_normal(&self) -> bool {
        self.vi.normal
    }

    pub(super) fn enter_vi_normal(&mut self) {
        if let Some((start, times)) = self.vi.typed.take().filter(|(_, times)| *times > 1)
            && let Some(typed) = self.text().get(start..self.cursor()).map(|typed| repeated(typed, times - 1))
        {
            self.buffer.insert(&typed);
        }
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
        // What is typed in several places is not to be repeated as a whole.
        if !matches!(key.code, KeyCode::Char(_) | KeyCode::Enter | KeyCode::Backspace | KeyCode::Escape) {
            self.vi.typed = None;
        }
    }

    /// A key in normal mode; None when it is to be handled as always.
    pub(super) fn vi_key(&mut self, key: Key, host: &mut dyn Host) -> Option<Action> {
        let char = match key {
            Key { code: KeyCode::Char(char), ctrl: false, alt: false, .. } => char,
            Key { code: KeyCode::Escape, .. } => {
                self.vi.visual = None;
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
        let begun = self.vi.operator.is_some() || self.vi.count.is_some() || self.vi.register.is_some();
        if self.vi.wants.is_none() && !begun {
            self.vi.recording.clear();
        }
        self.vi.recording.push(key);
        if !matches!(char, 'j' | 'k') {
            self.goal = None;
        }
        let mut action = self.vi_char(char, host);
        self.after_change();
        if self.vi.normal {
            self.vi_clamp();
        }
        if let Some(copied) = self.vi.copied.take() {
            action = Action::Copy(copied);
        }
        Some(action)
    }

    fn vi_done(&mut self) {
        (self.vi.count, self.vi.outer, self.vi.operator) = (None, None, None);
        (self.vi.wants, self.vi.register) = (None, None);
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
            return self.vi_second(wants, char, host);
        }
        if let Some(digit) = char.to_digit(10).filter(|digit| *digit > 0 || self.vi.count.is_some()) {
            let count = self.vi.count.unwrap_or(0).saturating_mul(10).saturating_add(digit as usize);
            self.vi.count = Some(count.min(COUNT_MAX));
            return Action::Continue;
        }
        let operating = self.vi.operator.is_some();
        if matches!(char, 'f' | 'F' | 't' | 'T' | 'g') || (matches!(char, 'r' | '"') && !operating) {
            self.vi.wants = Some(char);
            return Action::Continue;
        }
        if (operating || self.vi.visual.is_some()) && matches!(char, 'i' | 'a') {
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
        if self.vi.visual.is_some() {
            return self.vi_visual(char, host);
        }
        if matches!(char, 'd' | 'c' | 'y' | '>' | '<') {
            (self.vi.operator, self.vi.outer) = (Some(char), self.vi.count.take());
            return Action::Continue;
        }
        self.vi_command(char, host)
    }

    fn vi_second(&mut self, wants: char, char: char, host: &mut dyn Host) -> Action {
        let motion = match wants {
            'f' | 'F' | 't' | 'T' => {
                self.vi.find = Some((wants, char));
                self.vi_find(wants, char)
            }
            '"' => {
                self.vi_choose_register(char);
                return Action::Continue;
            }
            'q' => {
                self.macros.start(char);
                None
            }
            '@' => {
                let count = self.vi_count();
                self.vi_done();
                return self.vi_play(char, count, host);
            }
            'g' if char == 'g' => Some(Motion { to: 0, inclusive: false, lines: true }),
            'r' if self.vi.visual.is_some() => {
                self.vi_replace_selected(char);
                None
            }
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
                match (self.vi.operator, self.vi_object(wants == 'a', char)) {
                    (Some(operator), Some(range)) => {
                        self.buffer.set_cursor(range.start);
                        self.vi_operate(operator, Motion { to: range.end, inclusive: false, lines: false });
                    }
                    (None, Some(range)) => self.vi_select_object(range),
                    (_, None) => {}
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
        self.vi_done();
        Action::Continue
    }

    fn vi_count(&self) -> usize {
        (self.vi.count.unwrap_or(1) * self.vi.outer.unwrap_or(1)).min(COUNT_MAX)
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
                self.vi.typed = Some((to, count));
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
            'J' => self.vi_join(count.max(2)),
            '~' => {
                let end = (0..count).fold(cursor, |at, _| motion::right(self.buffer.text(), at).min(line.end));
                let switched: String = self.text()[cursor..end].chars().flat_map(switch_case).collect();
                self.buffer.replace(cursor..end, &switched);
                self.vi_changed(false);
            }
            '/' => action = self.run(Command::SearchOlder, Last::Other, host),
            '?' => action = self.run(Command::SearchNewer, Last::Other, host),
            'v' | 'V' => self.vi_select(char == 'V'),
            'q' if self.macros.recording().is_some() => self.macros.end_by_key(),
            'q' | '@' => {
                self.vi.wants = Some(char);
                return Action::Continue;
            }
            '.' if !self.vi.repeating => return self.vi_repeat(host),
            _ => {
                if let Some(motion) = self.vi_motion(char, false) {
                    self.buffer.set_cursor(motion.to);
                }
            }
        }
        self.vi_done();
        action
    }

    /// `.`: the keys of the last change, with the count given now if there is one.
    fn vi_repeat(&mut self, host: &mut dyn Host) -> Action {
        let keys = with_count(&self.vi.change, self.vi.count);
        let mut action = Action::Continue;
        self.vi_done();
        self.vi.repeating = true;
        for key in keys {
            // What was completed while the change was typed is not completed again.
            if let copy @ Action::Copy(_) = self.key(key, host) {
                action = copy;
            }
        }
        self.vi.repeating = false;
        action
    }
}

/// The keys of a change with another count. Those that select first say by counts how much: they stay.
fn with_count(keys: &[Key], count: Option<usize>) -> Vec<Key> {
    let is = |key: &Key, wanted: fn(char) -> bool| matches!(key.code, KeyCode::Char(char) if wanted(char));
    let selects = keys.first().is_some_and(|key| is(key, |char| matches!(char, 'v' | 'V')));
    let Some(count) = count.filter(|_| !selects) else { return keys.to_vec() };
    let register = if keys.first().is_some_and(|key| is(key, |char| char == '"')) { 2 } else { 0 };
    let (register, rest) = keys.split_at(register.min(keys.len()));
    let digits = |keys: &[Key]| keys.iter().take_while(|key| is(key, |char| char.is_ascii_digit())).count();
    let rest = &rest[digits(rest)..];
    let (operator, rest) = match rest.split_first() {
        Some((operator, motion)) if is(operator, |char| matches!(char, 'd' | 'c' | 'y' | '>' | '<')) => {
            // In `d0` the digit is the motion.
            let counts = motion.first().is_some_and(|key| is(key, |char| matches!(char, '1'..='9')));
            (Some(*operator), if counts { &motion[digits(motion)..] } else { motion })
        }
        _ => (None, rest),
    };
    let digits = count.to_string();
    let digits = digits.chars().map(|char| Key::plain(KeyCode::Char(char)));
    register.iter().copied().chain(digits).chain(operator).chain(rest.iter().copied()).collect()
}
