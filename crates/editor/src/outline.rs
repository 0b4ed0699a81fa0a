//! Where statements begin and end, and which brackets are open: what indentation, Enter and motions go by.

use crate::{
    highlight::lexer::{self, Level, Sink, State},
    style::Kind,
    text::Text,
};

/// Columns from one tab stop to the next.
pub(crate) const TAB: usize = 4;

/// Lines that belong together: up to the first line end that is not within brackets, strings or after a backslash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Byte offset of its first character.
    pub(crate) start: usize,
    /// Byte offset after its last character, comments left out.
    pub(crate) end: usize,
    pub(crate) first_line: usize,
    /// Columns before it.
    pub(crate) indent: usize,
    /// A colon outside of brackets ends it.
    pub(crate) opens_block: bool,
    /// Byte offset of the last of the statements that semicolons join.
    pub(crate) last_part: usize,
}

impl Statement {
    /// The word it begins with; empty where it begins with none.
    pub(crate) fn word<'t>(&self, text: &'t Text) -> &'t str {
        first_word(&text.as_str()[self.start..self.end])
    }

    /// Whether lines that belong to it can follow it.
    pub(crate) fn is_compound(&self, text: &Text) -> bool {
        self.opens_block
            || text.as_str()[self.start..].starts_with('@')
            || matches!(
                self.word(text),
                "if" | "elif"
                    | "else"
                    | "for"
                    | "while"
                    | "try"
                    | "except"
                    | "finally"
                    | "with"
                    | "def"
                    | "class"
                    | "async"
            )
    }
}

/// The statements of a text up to some offset, and what is open there.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub(crate) statements: Vec<Statement>,
    /// Open brackets outside of strings and within, outermost first.
    pub(crate) brackets: Vec<Bracket>,
    /// The state a line that begins at the offset would have.
    pub(crate) state: State,
    /// The level each line began at.
    pub(crate) levels: Vec<Level>,
    /// The last line ends in a backslash that joins it with the next.
    pub(crate) continued: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bracket {
    pub(crate) at: usize,
    level: Level,
}

/// Columns of the blanks at the start of `line`.
pub(crate) fn columns(line: &str) -> usize {
    let mut columns = 0;
    for byte in line.bytes() {
        match byte {
            b' ' => columns += 1,
            b'\t' => columns += TAB - columns % TAB,
            _ => break,
        }
    }
    columns
}

pub(crate) fn first_word(code: &str) -> &str {
    let end = code.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(code.len());
    &code[..end]
}

/// Whether `line` has nothing but blanks.
pub(crate) fn is_blank(line: &str) -> bool {
    line.bytes().all(|byte| matches!(byte, b' ' | b'\t' | 0x0c))
}

impl Outline {
    /// Of `text` up to byte `offset`, as if a line ended there.
    pub(crate) fn until(text: &Text, offset: usize) -> Self {
        let mut outline = Outline::default();
        let last = text.line_at(offset);
        for line in 0..=last {
            let range = text.line_range(line);
            outline.line(line, range.start, &text.as_str()[range.start..range.end.min(offset)]);
        }
        outline
    }

    fn line(&mut self, number: usize, offset: usize, line: &str) {
        let level = self.state.level();
        self.levels.push(level);
        back_to(&mut self.brackets, level);
        let goes_on = !self.state.at_statement();
        if self.state.at_statement() {
            self.brackets.clear();
        }
        let mut found = Found { offset, brackets: &mut self.brackets, end: None, colon: None, semicolon: None };
        lexer::line(&mut self.state, line, &mut found);
        let Found { end: comment, colon, semicolon, .. } = found;
        let code = line[..comment.unwrap_or(line.len())].trim_end_matches([' ', '\t', '\x0c']);
        self.continued = !self.state.at_statement() && self.state.level() == (0, 0);
        let opens_block = self.state.at_statement() && colon.is_some_and(|colon| colon + 1 == code.len());
        if goes_on && let Some(statement) = self.statements.last_mut() {
            if !code.is_empty() {
                statement.end = offset + code.len();
                statement.opens_block = opens_block;
            }
            if let Some(at) = semicolon {
                statement.last_part = offset + at + 1;
            }
        } else if !is_blank(code) {
            let start = line.len() - line.trim_start_matches([' ', '\t', '\x0c']).len();
            self.statements.push(Statement {
                start: offset + start,
                end: offset + code.len(),
                first_line: number,
                indent: columns(line),
                opens_block,
                last_part: offset + semicolon.filter(|at| at + 1 < code.len()).map_or(start, |at| at + 1),
            });
        }
    }
}

/// Forgets the brackets that are closed at `level`.
fn back_to(brackets: &mut Vec<Bracket>, level: Level) {
    while brackets.last().is_some_and(|bracket| bracket.level >= level) {
        brackets.pop();
    }
}

struct Found<'a> {
    offset: usize,
    brackets: &'a mut Vec<Bracket>,
    /// Where the comment begins.
    end: Option<usize>,
    /// The last colon and the last semicolon outside of brackets.
    colon: Option<usize>,
    semicolon: Option<usize>,
}

impl Sink for Found<'_> {
    fn run(&mut self, start: usize, _: usize, kind: Kind) {
        if kind == Kind::Comment {
            self.end = Some(start);
        }
    }

    fn separator(&mut self, at: usize, byte: u8) {
        match byte {
            b':' => self.colon = Some(at),
            _ => self.semicolon = Some(at),
        }
    }

    fn open(&mut self, at: usize, level: Level) {
        self.brackets.push(Bracket { at: self.offset + at, level });
    }

    fn close(&mut self, _: usize, level: Level) {
        back_to(self.brackets, level);
    }

    fn string_end(&mut self, _: usize, level: Level) {
        back_to(self.brackets, level);
    }
}
