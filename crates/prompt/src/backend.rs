//! What a prompt asks of the session it stands before.

use keelback_editor::{
    completeness::Completeness,
    edit::{Completions, Signature},
};

/// A session, as a prompt sees it. Calls answer at once or within the deadline of the implementation (50 ms): a prompt
/// waits for them with its keys.
pub trait Backend {
    /// Whether `source` is a whole cell; None when the session cannot say now, and the guess has to do.
    fn completeness(&mut self, source: &str) -> Option<Completeness>;

    /// What could stand at byte `cursor` of `source`. Never runs code with effects.
    fn complete(&mut self, source: &str, cursor: usize) -> Completions;

    /// What is said of candidates that [`complete`](Self::complete) gave, `start` being where they would stand: their types
    /// or parameters, a line of documentation. Asked for what is on the screen when that is painted; not for sessions whose
    /// candidates come with all there is to say.
    fn details(&mut self, _source: &str, _start: usize, _texts: &[String]) -> Vec<String> {
        Vec::new()
    }

    /// The call around byte `cursor` of `source`.
    fn signature(&mut self, source: &str, cursor: usize) -> Option<Signature>;

    /// Type, signature and documentation of what an expression of names and attributes stands for.
    fn describe(&mut self, expression: &str) -> Option<String>;

    /// Whether the namespace has this name.
    fn defined(&mut self, name: &str) -> bool;

    /// Runs a command of the session's own (`vars`, `undo`, `save` ...).
    ///
    /// # Errors
    /// A message for the user.
    fn command(&mut self, name: &str, argument: &str) -> Result<String, String>;

    /// The commands [`command`](Self::command) knows: name, argument, what it does.
    fn commands(&self) -> &'static [(&'static str, &'static str, &'static str)];

    /// Stops the cell that runs.
    fn interrupt(&mut self);

    /// A line for `input()` of the cell that runs, with its line end; None is the end of input.
    fn reply(&mut self, line: Option<String>);

    /// The exit status to leave with, when the last [`command`](Self::command) was one that leaves.
    fn left(&mut self) -> Option<u8> {
        None
    }

    /// The window has so many columns now.
    fn resized(&mut self, _columns: u16) {}
}

/// What a session tells while a prompt stands before it, see [`Front::tell`](crate::front::Front::tell).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It printed something.
    Output(Vec<u8>),
    /// A cell shows a value.
    Shown(Shown),
    /// An exception left a cell: its traceback.
    Raised(String),
    /// A cell waits for a line.
    NeedsInput,
    /// A cell waits for a line that is not to be seen.
    NeedsSecret,
    /// The cell is over, or the session is.
    Ended(Ended),
    /// A line about the session.
    Note(String),
}

/// How a cell ended, for the prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The traceback of an exception that nobody has shown yet.
    pub traceback: Option<String>,
    /// A message about the session itself, such as a limit that ended it.
    pub message: Option<String>,
    /// The cell asked to leave, with this exit status.
    pub exit: Option<u8>,
    /// It did not begin: further lines could make it a cell.
    pub incomplete: bool,
    /// How long it took.
    pub took: Option<Took>,
    /// `str(sys.ps1)` and `str(sys.ps2)`.
    pub prompts: Option<(String, String)>,
}

/// How long a cell took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// On the clock.
    pub wall: std::time::Duration,
    /// Computing.
    pub cpu: std::time::Duration,
}

/// A value that a cell shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its `repr`.
    pub text: String,
    /// The same over several lines, where that is longer than a line.
    pub pretty: Option<String>,
    /// `text` or `pretty` is not all of it.
    pub cut: bool,
    /// A PNG image of it.
    pub png: Option<Vec<u8>>,
}
