//! What a session may reach outside itself.

use std::{
    io::Read,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use crate::{
    Tool,
    fs::{Access, Grant},
    net::Resolver,
    packages::Packages,
    stdin::Lines,
};

/// The grants of a session. The default is nothing: no file, package, variable, input, tool or network.
///
/// ```no_run
/// use keelback_sandbox::Permissions;
///
/// let permissions = Permissions::none().read("reports", "/data").env("LANG", "C.UTF-8");
/// ```
#[derive(Clone, Default)]
pub struct Permissions {
    pub(crate) grants: Vec<Grant>,
    pub(crate) packages: Vec<Packages>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stdin: Stdin,
    pub(crate) tools: Vec<Tool>,
    pub(crate) network: NetPermissions,
}

/// What was granted of the network, as it was written.
#[derive(Clone, Default)]
pub(crate) struct NetPermissions {
    pub(crate) grants: Vec<String>,
    /// Host, header, value.
    pub(crate) secrets: Vec<(String, String, String)>,
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) resolver: Option<Resolver>,
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
    /// Somebody who is asked for a line whenever the guest reads: see [`Lines::new`].
    Lines(Lines),
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

    /// Lets the guest connect to hosts: `api.example.org`, `*.example.org:443`, `127.0.0.1:8000`, `[::1]:8000`,
    /// `10.0.0.0/8`, `localhost:8000`, or `*` for all that is public. Without a port every port is granted.
    ///
    /// Names are resolved by the host. Private, loopback, link-local and other addresses that are not public are never
    /// reached through a name, except by `localhost`: they need a grant by address or network. What the text means is
    /// checked when a session starts.
    #[must_use]
    pub fn network(mut self, host: impl Into<String>) -> Self {
        self.network.grants.push(host.into());
        self
    }

    /// Has the host add a header to each HTTP/1.1 request that the guest sends to `host`, a name or address, perhaps with
    /// a port. The guest never sees the value, unless the server sends it back. It grants no connection by itself.
    ///
    /// A header of the same name from the guest is replaced. Over TLS the server is verified by the host's roots alone,
    /// whatever the guest asks for. What is not plain HTTP/1.1 is refused on such a connection. Name the port to keep the
    /// value from services at other ports: `api.example.org:443`.
    #[must_use]
    pub fn secret(mut self, host: impl Into<String>, header: impl Into<String>, value: impl Into<String>) -> Self {
        self.network.secrets.push((host.into(), header.into(), value.into()));
        self
    }

    /// Trusts root certificates (PEM) for TLS, beside those of the system.
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.network.roots.push(pem.into());
        self
    }

    /// Looks names up with this function instead of the system's resolver. It is called on threads, a few at a time, and
    /// may block. What it gives is checked as any other address.
    #[must_use]
    pub fn resolver(
        mut self,
        resolver: impl Fn(&str) -> std::io::Result<Vec<std::net::IpAddr>> + Send + Sync + 'static,
    ) -> Self {
        self.network.resolver = Some(Arc::new(resolver));
        self
    }

    /// Offers a tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }
}
