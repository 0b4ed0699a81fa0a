//! What a session can say about source that is being typed. Offsets are bytes, on character boundaries.

use std::ops::Range;

/// Whether source can be run as a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Completeness {
    /// It can.
    Complete,
    /// Further lines could make it a cell.
    Incomplete,
    /// No further line could.
    Invalid,
}

/// What could stand in a place of the source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completions {
    /// The place: from where the word begins to the cursor.
    pub range: Range<usize>,
    /// The matches, best first.
    pub matches: Vec<Completion>,
    /// Whether there are further ones.
    pub more: bool,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The text to insert.
    pub text: String,
    /// What it is.
    pub kind: CompletionKind,
    /// A word on its type; empty where there is nothing to say.
    pub detail: String,
}

/// What a completion stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say it")]
pub enum CompletionKind {
    Argument,
    Class,
    File,
    Folder,
    Function,
    Key,
    Keyword,
    Method,
    Module,
    Property,
    Variable,
}

/// The call around the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The signature, on one line.
    pub text: String,
    /// The places of the parameters in it.
    pub parameters: Vec<Range<usize>>,
    /// The parameter that is being given.
    pub active: Option<usize>,
    /// The first line of the documentation, perhaps empty.
    pub doc: String,
}

/// What is known of a value. A text is empty where there is nothing to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// The name of its type.
    pub type_name: String,
    /// How it is called.
    pub signature: String,
    /// Its documentation.
    pub doc: String,
    /// The file it was defined in.
    pub file: String,
}

/// The source of a function, class or module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// The text.
    pub text: String,
    /// The file it is in, or the name of a cell.
    pub file: String,
    /// Its first line, from 1.
    pub line: u32,
}
