//! One submitted unit of source.

/// What to run, and how.
///
/// ```
/// use keelback_session::Cell;
///
/// let cell = Cell::from("1 + 1").transaction();
/// assert_eq!(cell.source, "1 + 1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cell {
    /// The source; for [`CellKind::Module`] the name of the module.
    pub source: String,
    /// What tracebacks call it; None for `<cell N>`, of interactive cells `<python-input-N>`.
    pub filename: Option<String>,
    /// How it is run.
    pub kind: CellKind,
    /// Whether the session goes back to where it was when the cell raises, hits a limit or exits with an error.
    pub transaction: bool,
}

/// How a cell is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CellKind {
    /// As at a prompt: the value of a last expression is the outcome.
    #[default]
    Prompt,
    /// As at python3's own prompt: every expression statement is shown as it is reached ([`Event::Shown`]), and the
    /// outcome has no value.
    ///
    /// [`Event::Shown`]: crate::Event::Shown
    Interactive,
    /// As `python3 FILE`: no value.
    Program,
    /// As `python3 -m MODULE`.
    Module,
    /// What `python3` does before it ends.
    Finish,
}

impl Cell {
    /// A whole program, as `python3 FILE` runs it; `filename` is what `__file__` and tracebacks say.
    pub fn program(source: impl Into<String>, filename: impl Into<String>) -> Self {
        Cell { filename: Some(filename.into()), kind: CellKind::Program, ..Cell::from(source.into()) }
    }

    /// What was typed at a prompt that shows every value. Without a file name it is `<python-input-N>`, from 0.
    pub fn interactive(source: impl Into<String>) -> Self {
        Cell { kind: CellKind::Interactive, ..Cell::from(source.into()) }
    }

    /// A module by name, as `python3 -m` runs it.
    pub fn module(name: impl Into<String>) -> Self {
        Cell { kind: CellKind::Module, ..Cell::from(name.into()) }
    }

    /// The end of the interpreter: functions registered with `atexit` run, the namespace is let go, and what open files
    /// still hold is written.
    #[must_use]
    pub fn finish() -> Self {
        Cell { kind: CellKind::Finish, ..Cell::from("") }
    }

    /// Names the source in tracebacks.
    #[must_use]
    pub fn filename(mut self, filename: impl Into<String>) -> Self {
        self.filename = Some(filename.into());
        self
    }

    /// All or nothing.
    #[must_use]
    pub fn transaction(mut self) -> Self {
        self.transaction = true;
        self
    }
}

impl From<String> for Cell {
    fn from(source: String) -> Self {
        Cell { source, filename: None, kind: CellKind::Prompt, transaction: false }
    }
}

impl From<&str> for Cell {
    fn from(source: &str) -> Self {
        Cell::from(source.to_owned())
    }
}
