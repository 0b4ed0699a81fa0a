//! What a session may reach outside itself.

use std::{
    io::Read,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use crate::{
    Tool,
    fs::{Access, Grant},
};

/// The grants of a session. The default is nothing: no file, variable, input or tool.
///
/// ```no_run
/// use keelback_sandbox::Permissions;
///
/// let permissions = Permissions::none().read("reports", "/data").env("LANG", "C.UTF-8");
/// ```
#[derive(Clone, Default)]
pub struct Permissions {
    pub(crate) grants: Vec<Grant>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stdin: Stdin,
    pub(crate) tools: Vec<Tool>,
}

/// Where the guest's standard input comes from.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Stdin {
    /// At its end from the start.
    #[default]
    Closed,
    /// The standard input of this process.
    Inherit,
    /// Anything that can be read; forks of the session share it.
    Reader(Arc<Mutex<dyn Read + Send>>),
}

impl Permissions {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Lets the guest read a host file or folder, with all below it, at a path of its own.
    #[must_use]
    pub fn read(self, host: impl Into<PathBuf>, guest: impl Into<String>) -> Self {
        self.grant(host, guest, Access::Read)
    }

    /// Lets the guest read, write, create and delete there; the host's files change at once.
    #[must_use]
    pub fn write(self, host: impl Into<PathBuf>, guest: impl Into<String>) -> Self {
        self.grant(host, guest, Access::Write)
    }

    /// Lets the guest change a copy. What it changed reaches the host when a cell ends well; what a cell that raised,
    /// was stopped or exited with a status other than 0 had changed never does.
    #[must_use]
    pub fn write_synced(self, host: impl Into<PathBuf>, guest: impl Into<String>) -> Self {
        self.grant(host, guest, Access::WriteSync)
    }

    /// Lets the guest change a copy that never reaches the host.
    #[must_use]
    pub fn write_copy(self, host: impl Into<PathBuf>, guest: impl Into<String>) -> Self {
        self.grant(host, guest, Access::WriteCopy)
    }

    fn grant(mut self, host: impl Into<PathBuf>, guest: impl Into<String>, access: Access) -> Self {
        self.grants.push(Grant { host: host.into(), guest: guest.into(), access });
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Grants standard input.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Offers a tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }
}
