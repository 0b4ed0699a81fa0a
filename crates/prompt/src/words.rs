//! Words that are commands without being calls, and lines that begin with a colon.

/// What a submission is, before Python sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission<'a> {
    /// A cell of Python.
    Cell,
    /// `exit`, `help` ...: a command unless a variable has the name.
    Word(Word),
    /// `:name argument`.
    Command {
        /// Without the colon.
        name: &'a str,
        /// The rest of the line.
        argument: &'a str,
    },
    /// Nothing but blanks.
    Nothing,
}

/// The words of the `site` module, and `clear`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the words")]
pub enum Word {
    Exit,
    Quit,
    Copyright,
    Credits,
    License,
    Help,
    Clear,
}

/// The words, and what each does.
pub const WORDS: [(&str, Word, &str); 7] = [
    ("exit", Word::Exit, "leave"),
    ("quit", Word::Quit, "leave"),
    ("help", Word::Help, "enter help mode"),
    ("clear", Word::Clear, "clear the screen"),
    ("copyright", Word::Copyright, "Python's copyright"),
    ("credits", Word::Credits, "who to thank for Python"),
    ("license", Word::License, "Python's licence, page by page"),
];

/// Reads a submission.
#[must_use]
pub fn read(source: &str) -> Submission<'_> {
    let trimmed = source.trim();
    if trimmed.is_empty() {
        return Submission::Nothing;
    }
    // No statement of Python begins with a colon.
    if let Some(line) = trimmed.strip_prefix(':') {
        let line = line.trim();
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        return Submission::Command { name, argument: argument.trim() };
    }
    match WORDS.iter().find(|(name, _, _)| *name == trimmed) {
        Some((_, word, _)) => Submission::Word(*word),
        None => Submission::Cell,
    }
}

impl Word {
    /// As it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        WORDS.iter().find(|(_, word, _)| *word == self).map_or("", |(name, _, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_alone() {
        assert_eq!(read("  exit  "), Submission::Word(Word::Exit));
        assert_eq!(read("exit()"), Submission::Cell);
        assert_eq!(read("help\nq"), Submission::Cell);
        assert_eq!(read(" \n "), Submission::Nothing);
        assert_eq!(read(":doc  a.b "), Submission::Command { name: "doc", argument: "a.b" });
        assert_eq!(read(": vars"), Submission::Command { name: "vars", argument: "" });
    }
}
