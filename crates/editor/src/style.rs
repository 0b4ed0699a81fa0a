//! What text looks like: kinds of text, and a theme that gives each kind a style.

/// A colour of the terminal's own palette, or one of its 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Color {
    /// 0 to 7, and 8 to 15 for the bright ones; what they look like is the user's choice.
    Palette(u8),
    /// 16 to 255 of the 256-colour palette.
    Fixed(u8),
    /// Red, green and blue; prompts of the user's own may hold them.
    Rgb(u8, u8, u8),
}

/// How a run of text is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Style {
    /// Of the characters; the terminal's own where there is none.
    pub foreground: Option<Color>,
    /// Behind them.
    pub background: Option<Color>,
    /// Bold.
    pub bold: bool,
    /// Faint.
    pub dim: bool,
    /// Italic.
    pub italic: bool,
    /// Underlined.
    pub underline: bool,
    /// Foreground and background exchanged.
    pub reverse: bool,
}

/// What a run of text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the tokens")]
pub enum Kind {
    #[default]
    Text,
    Prompt,
    Continuation,
    Keyword,
    /// A keyword in some places only: `match`, `case`, `type`, `_`.
    SoftKeyword,
    Builtin,
    /// The name after `def` or `class`.
    Definition,
    Decorator,
    String,
    /// Braces and format specifications within an f-string.
    Interpolation,
    Number,
    Comment,
    Operator,
    /// Text no token can begin with, and strings without an end on their line.
    Invalid,
    /// A line that is a command of the prompt (`:vars`).
    Command,
    /// What the history suggests.
    Suggestion,
    /// A control character shown as `^X`.
    Control,
    /// The mark at the right edge of a line that goes on below.
    Wrap,
    MenuItem,
    MenuSelected,
    MenuDetail,
    Signature,
    SignatureActive,
    Message,
    /// The part of an entry that a search found.
    Found,
    /// Laid over the text that is selected.
    Selection,
    /// Laid over a bracket and the one that matches it.
    Bracket,
    /// File, line and name in a traceback.
    TracebackPlace,
    /// The part of a source line that failed.
    TracebackMark,
    /// The name of an exception.
    TracebackError,
    /// What an exception says.
    TracebackMessage,
}

/// A run of bytes of one line with one [`Kind`]; runs are in order and do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Byte offset in the line.
    pub start: usize,
    /// Byte offset in the line, after the run.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
}
