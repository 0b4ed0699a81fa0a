//! What a session starts with.

use crate::{Image, Limits, Permissions};

/// What a session starts with.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct SessionOptions {
    /// What it may reach. Default: nothing.
    pub permissions: Permissions,
    /// What it may use.
    pub limits: Limits,
    /// What it starts from, whose packages it has before its own. Default: the plain image.
    pub image: Option<Image>,
    /// `sys.argv`. Default: `[""]`.
    pub arguments: Vec<String>,
    /// Pins clock and randomness: the same cells give the same output, byte for byte. Sleeping takes no time then.
    pub deterministic: Option<u64>,
    /// Cells cannot `await` outside of functions, and no event loop is around them, as at the prompt of `python3`.
    /// Default: they can, and share one.
    pub synchronous: bool,
    /// The terminal that the session's output is shown on: `isatty()` is true then. Default: none.
    pub terminal: Option<TerminalSize>,
}

/// The size of a terminal, in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TerminalSize {
    pub columns: u16,
    pub lines: u16,
}

impl SessionOptions {
    /// Replaces the permissions.
    #[must_use]
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = permissions;
        self
    }

    /// Replaces the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts from an image with imports.
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.image = Some(image);
        self
    }

    /// Sets `sys.argv`.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Shows the session on a terminal.
    #[must_use]
    pub fn terminal(mut self, size: TerminalSize) -> Self {
        self.terminal = Some(size);
        self
    }

    /// Has cells run without an event loop.
    #[must_use]
    pub fn synchronous(mut self) -> Self {
        self.synchronous = true;
        self
    }

    /// Pins clock and randomness.
    #[must_use]
    pub fn deterministic(mut self, seed: u64) -> Self {
        self.deterministic = Some(seed);
        self
    }
}
