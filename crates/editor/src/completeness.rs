//! Whether a cell could run, guessed at once, and what Enter does about it.
//!
//! The guess is that of ruff's parser, which knows one grammar. The session's own `compile` has the last word when the
//! cell is run.

use ruff_python_ast::{Expr, Stmt};
use ruff_python_parser::{
    InterpolatedStringErrorType, LexicalErrorType, Mode, ParseError, ParseErrorType, ParseOptions, parse_unchecked,
};

use crate::{
    highlight::lexer::{self, Level, Sink},
    outline::{Outline, is_blank},
    style::Kind,
    text::Text,
};

/// Ruff's trees are dropped by recursion, so deeper ones could use up the stack. CPython refuses them as well: its
/// parser ends at some 6,000 levels.
const MAX_DEPTH: usize = 10_000;

/// What could become of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// It compiles.
    Complete,
    /// It does not, but with more lines it could.
    Incomplete,
    /// It does not, and no further line could change that.
    Invalid,
}

/// What Enter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enter {
    /// The cell is run.
    Run,
    /// A line is opened.
    NewLine,
}

/// What `codeop.compile_command` would say about `source` as a whole submission (symbol `exec`: several statements are
/// one cell, and a block that has all its lines is complete). `await` is allowed outside of functions, as in sessions.
#[must_use]
pub fn guess(source: &str) -> Completeness {
    let (depth, open) = measure(source);
    if depth > MAX_DEPTH {
        return if open { Completeness::Incomplete } else { Completeness::Complete };
    }
    let parsed = parse_unchecked(source, ParseOptions::from(Mode::Module));
    let Some(first) = parsed.errors().iter().min_by_key(|error| error.location.start()) else {
        let Some(module) = parsed.try_into_module() else { return Completeness::Invalid };
        return if misplaced(module.suite(), Place::default()) {
            Completeness::Invalid
        } else {
            Completeness::Complete
        };
    };
    if more_could_help(source, first) { Completeness::Incomplete } else { Completeness::Invalid }
}

/// The most tokens that could lie within each other in `source`, and whether a bracket or string is open at its end.
fn measure(source: &str) -> (usize, bool) {
    let mut state = lexer::State::default();
    let mut depth = Depth::default();
    for line in source.split('\n') {
        if state.at_statement() {
            depth.now = 0;
            depth.around.clear();
        }
        depth.bytes = line.as_bytes();
        lexer::line(&mut state, line, &mut depth);
    }
    (depth.most, !state.at_statement())
}

/// Counts tokens: each could hold the ones after it, up to a comma or the end of the brackets around it.
#[derive(Default)]
struct Depth<'a> {
    bytes: &'a [u8],
    now: usize,
    most: usize,
    around: Vec<usize>,
}

impl Sink for Depth<'_> {
    fn run(&mut self, start: usize, _: usize, kind: Kind) {
        match (kind, self.bytes[start]) {
            (Kind::Comment, _) => {}
            (Kind::Operator, b',') => self.now = self.around.last().copied().unwrap_or(0),
            _ => self.now += 1,
        }
        self.most = self.most.max(self.now);
    }

    fn open(&mut self, _: usize, _: Level) {
        self.around.push(self.now);
    }

    fn close(&mut self, _: usize, _: Level) {
        self.now = self.around.pop().unwrap_or(self.now) + 1;
    }

    fn separator(&mut self, _: usize, byte: u8) {
        if byte == b';' {
            self.now = 0;
        }
    }
}

fn more_could_help(source: &str, error: &ParseError) -> bool {
    let (start, end) = (error.location.start().to_usize(), error.location.end().to_usize());
    // A comment may follow, or blank lines.
    let nothing_follows = || source[start..].lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#'));
    match &error.error {
        ParseErrorType::Lexical(lexical) => match lexical {
            LexicalErrorType::Eof => true,
            LexicalErrorType::LineContinuationError => end == source.len(),
            LexicalErrorType::UnclosedStringError => {
                let quotes = source[start..].trim_start_matches(|char: char| char.is_ascii_alphabetic());
                let triple = quotes.starts_with("'''") || quotes.starts_with("\"\"\"");
                triple || end == source.len() && ends_in_backslash(source)
            }
            LexicalErrorType::FStringError(error) | LexicalErrorType::TStringError(error) => match error {
                InterpolatedStringErrorType::UnterminatedTripleQuotedString => true,
                InterpolatedStringErrorType::UnterminatedString if end == source.len() => {
                    lexer::ends_in_field(source) || ends_in_backslash(source)
                }
                _ => false,
            },
            _ => false,
        },
        // A name of its own these errors do not have.
        ParseErrorType::OtherError(message) => {
            let waits_for_lines = message.starts_with("Expected an indented block")
                || message.starts_with("Expected `except` or `finally`")
                || message.ends_with("after decorator");
            waits_for_lines && nothing_follows()
        }
        _ => false,
    }
}

fn ends_in_backslash(source: &str) -> bool {
    (source.len() - source.trim_end_matches('\\').len()) % 2 == 1
}

#[derive(Clone, Copy, Default)]
struct Place {
    function: bool,
    looped: bool,
}

/// Whether a statement stands where CPython's compiler refuses it. Statements only: expressions nest without bound.
fn misplaced(body: &[Stmt], place: Place) -> bool {
    let looped = Place { looped: true, ..place };
    body.iter().any(|statement| match statement {
        Stmt::Return(_) => !place.function,
        Stmt::Break(_) | Stmt::Continue(_) => !place.looped,
        Stmt::Nonlocal(_) => !place.function,
        Stmt::Expr(statement) => match &*statement.value {
            Expr::Yield(_) | Expr::YieldFrom(_) => !place.function,
            Expr::Starred(_) => true,
            _ => false,
        },
        Stmt::Assign(statement) => matches!(&*statement.value, Expr::Yield(_) | Expr::YieldFrom(_)) && !place.function,
        Stmt::FunctionDef(function) => misplaced(&function.body, Place { function: true, looped: false }),
        Stmt::ClassDef(class) => misplaced(&class.body, Place::default()),
        Stmt::If(statement) => {
            misplaced(&statement.body, place)
                || statement.elif_else_clauses.iter().any(|clause| misplaced(&clause.body, place))
        }
        Stmt::For(statement) => misplaced(&statement.body, looped) || misplaced(&statement.orelse, place),
        Stmt::While(statement) => misplaced(&statement.body, looped) || misplaced(&statement.orelse, place),
        Stmt::With(statement) => misplaced(&statement.body, place),
        Stmt::Match(statement) => statement.cases.iter().any(|case| misplaced(&case.body, place)),
        Stmt::Try(statement) => {
            let handlers = statement.handlers.iter().filter_map(|handler| handler.as_except_handler());
            [&statement.body, &statement.orelse, &statement.finalbody].into_iter().any(|body| misplaced(body, place))
                || handlers.into_iter().any(|handler| misplaced(&handler.body, place))
        }
        _ => false,
    })
}

/// What Enter at byte `cursor` does with a cell that was typed.
///
/// A block waits for an empty line, and nothing runs while lines follow the cursor: Enter opens a line there. An invalid
/// cell runs, so that its error is seen, but within a block only at an empty line. As CPython's prompt, but for this:
/// several statements need no further line, and a cell that is incomplete is never run.
#[must_use]
pub fn enter(text: &Text, cursor: usize, completeness: Completeness) -> Enter {
    let (before, after) = text.as_str().split_at(cursor);
    if after.contains('\n') {
        // The cursor is on an empty line with nothing but empty ones below it: the block is at its end.
        let on_empty_line = before.trim_end().len() < before.rfind('\n').map_or(0, |at| at + 1);
        let ends = on_empty_line && after.trim().is_empty() && completeness != Completeness::Incomplete;
        return if ends { Enter::Run } else { Enter::NewLine };
    }
    let last = text.line(text.line_count() - 1);
    match completeness {
        Completeness::Incomplete => Enter::NewLine,
        _ if is_blank(last) => Enter::Run,
        Completeness::Complete if !ends_in_block(text) => Enter::Run,
        Completeness::Invalid if text.line_count() == 1 || !last.starts_with([' ', '\t']) => Enter::Run,
        _ => Enter::NewLine,
    }
}

/// What Enter at byte `cursor` does with a cell that was pasted and not changed since: a complete one runs at once.
#[must_use]
pub fn enter_pasted(text: &Text, cursor: usize, completeness: Completeness) -> Enter {
    let at_end = text.as_str()[cursor..].trim().is_empty();
    if at_end && completeness == Completeness::Complete { Enter::Run } else { enter(text, cursor, completeness) }
}

/// Whether further lines could belong to the last statement of `text`, a complete cell.
fn ends_in_block(text: &Text) -> bool {
    let outline = Outline::until(text, text.len());
    outline.statements.last().is_some_and(|last| last.indent > 0 || last.is_compound(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the guess differs from codeop: semantic errors that only CPython's compiler sees, which are shown when
    /// the cell runs, and `await`, which sessions allow outside of functions.
    const DIFFERENT: &[&str] = &[
        "def f(a, a): pass",
        "await x",
        "def f():\\n  await x",
        "try:\\n  x\\nexcept A, B:\\n  y",
        "from __future__ import nosuch",
    ];

    #[test]
    fn the_guess_is_that_of_codeop() {
        let corpus = include_str!("../tests/data/codeop.txt");
        let snippets = corpus.lines().skip(1).map(|line| line.split_at(11));
        let mut wrong = Vec::new();
        for (verdict, escaped) in snippets {
            let mut source = String::new();
            let mut chars = escaped.chars();
            while let Some(char) = chars.next() {
                source.push(match char {
                    '\\' => match chars.next() {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        _ => '\\',
                    },
                    char => char,
                });
            }
            let expected = match verdict.trim() {
                "complete" => Completeness::Complete,
                "incomplete" => Completeness::Incomplete,
                _ => Completeness::Invalid,
            };
            if (guess(&source) == expected) == DIFFERENT.contains(&escaped) {
                wrong.push((escaped, expected, guess(&source)));
            }
        }
        assert_eq!(wrong, []);
    }

    #[test]
    fn deep_nesting_is_survived() {
        for deep in [
            "(".repeat(200_000),
            "-".repeat(200_000) + "1",
            "a.".repeat(200_000) + "b",
            "[".repeat(200_000) + &"]".repeat(200_000),
            "not ".repeat(200_000),
            "f(1, ".repeat(200_000),
            "f()".repeat(200_000),
            "lambda: ".repeat(200_000),
        ] {
            let _ = guess(&deep);
            let text = Text::from(deep);
            let _ = enter(&text, text.len(), Completeness::Complete);
        }
    }

    /// `|` is the cursor.
    #[track_caller]
    fn check(source: &str, expected: Enter) {
        let cursor = source.find('|').expect("there is a cursor");
        let text = Text::from(source.replacen('|', "", 1));
        assert_eq!(enter(&text, cursor, guess(text.as_str())), expected, "{source}");
    }

    #[test]
    fn a_line_that_is_complete_runs() {
        for source in [
            "|",
            "1 + 1|",
            "1| + 1",
            "a=1; b=2; a+b|",
            "# nothing|",
            "exit|",
            "x = [1,\n2]|",
            "'''ab\ncd'''|",
            "(\n\n1)|",
        ] {
            check(source, Enter::Run);
        }
    }

    #[test]
    fn a_line_that_is_invalid_shows_its_error() {
        for source in ["a b c|", " b|", "x = = 1|", "pip install x|", "x = 1\ny = = 2|", "if 1:\n    x = = 1\n|"] {
            check(source, Enter::Run);
        }
        check("if 1:\n    x = = 1|", Enter::NewLine);
    }

    #[test]
    fn what_is_incomplete_goes_on() {
        for source in [
            "def f():|",
            "[1,|",
            "[1,\n|",
            "'''ab|",
            "@staticmethod|",
            "x = \\|",
            "if 0:\n    1\nelse:|",
            "if 1:\n|",
            "(\n\n|",
        ] {
            check(source, Enter::NewLine);
        }
    }

    #[test]
    fn a_block_waits_for_an_empty_line() {
        check("def f():\n    return 42|", Enter::NewLine);
        check("def f():\n    return 42\n|", Enter::Run);
        check("def f():\n    return 42\n    |", Enter::Run);
        check("for i in range(2): print(i)|", Enter::NewLine);
        check("for i in range(2): print(i)\n|", Enter::Run);
        check("@staticmethod\ndef f(): pass|", Enter::NewLine);
        check("x = 1\nif x:\n    y|", Enter::NewLine);
        check("if x:\n    y\n# c|", Enter::NewLine);
        check("with a:\n  f(\n1)|", Enter::NewLine);
        check("[x for\n x in y]|", Enter::Run);
    }

    #[test]
    fn enter_opens_a_line_where_lines_follow() {
        check("def f():|\n    b", Enter::NewLine);
        check("def f():\n    |\n    a = 1\n    ", Enter::NewLine);
        check("x = 1|\ny = 2", Enter::NewLine);
        check("def f():\n    a = 1|\n    ", Enter::NewLine);
        check("def f():\n    a = 1\n    |\n    ", Enter::Run);
        check("def f():\n    |\n    ", Enter::NewLine);
    }

    #[test]
    fn several_statements_run_at_the_first_enter() {
        check("b = 1\nb\na = 1\nb + a\n|", Enter::Run);
        check("import time\n\nfoo = 1|", Enter::Run);
        check("def t():\n\treturn 5\n|", Enter::Run);
        check("def f():\n    pass\nf()|", Enter::Run);
    }

    #[test]
    fn a_pasted_block_needs_no_empty_line() {
        for (source, expected) in [
            ("def f():\n    return 42", Enter::Run),
            ("for i in x: i", Enter::Run),
            ("def f():\n    return (", Enter::NewLine),
            ("def f():\n    x = = 1", Enter::NewLine),
        ] {
            let text = Text::from(source);
            assert_eq!(enter_pasted(&text, text.len(), guess(source)), expected, "{source}");
        }
        let text = Text::from("def f():\n    return 42");
        assert_eq!(enter_pasted(&text, 3, Completeness::Complete), Enter::NewLine);
    }
}
