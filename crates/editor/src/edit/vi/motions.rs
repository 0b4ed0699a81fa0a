//! Where vi's motions lead, and what its objects cover.

use std::ops::Range;

use super::super::Editor;
use crate::motion;

/// What a motion covers.
pub(super) struct Motion {
    pub(super) to: usize,
    /// The character at the end is part of it.
    pub(super) inclusive: bool,
    pub(super) lines: bool,
}

impl Motion {
    pub(super) fn to(to: usize) -> Option<Self> {
        Some(Motion { to, inclusive: false, lines: false })
    }

    pub(super) fn on(to: usize) -> Option<Self> {
        Some(Motion { to, inclusive: true, lines: false })
    }
}

impl Editor {
    pub(super) fn vi_lines(&self) -> Option<Motion> {
        let text = self.buffer.text();
        let last = (self.buffer.line() + self.vi_count() - 1).min(text.line_count() - 1);
        Some(Motion { to: text.line_range(last).start, inclusive: false, lines: true })
    }

    pub(super) fn vi_motion(&mut self, char: char, operator: bool) -> Option<Motion> {
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
                let line = self.vi.count.or(self.vi.outer).unwrap_or(last).clamp(1, last) - 1;
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

    pub(super) fn vi_find(&self, kind: char, wanted: char) -> Option<Motion> {
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
    pub(super) fn vi_object(&self, around: bool, char: char) -> Option<Range<usize>> {
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
