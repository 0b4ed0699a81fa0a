//! What the options grant, as permissions and limits of a session.

use std::{
    env,
    path::{Component, MAIN_SEPARATOR, Path},
};

use anyhow::Result;
use keelback_sandbox::{Limits, Permissions, SessionOptions};

use crate::{args::GrantArgs, run::Usage};

impl GrantArgs {
    /// The permissions and limits of a session with these options.
    pub(crate) fn options(&self) -> Result<SessionOptions> {
        let mut permissions = Permissions::none();
        for grant in &self.allow_read {
            let (host, guest) = split_grant(grant)?;
            permissions = permissions.read(host, guest);
        }
        for grant in &self.allow_write {
            let (host, guest) = split_grant(grant)?;
            permissions = permissions.write(host, guest);
        }
        for host in &self.allow_net {
            permissions = permissions.network(host);
        }
        for path in &self.ca_file {
            let pem =
                std::fs::read(path).map_err(|error| Usage(format!("cannot read `{}`: {error}", path.display())))?;
            permissions = permissions.root_certificates(pem);
        }
        for name in &self.allow_env {
            match env::var(name) {
                Ok(value) => permissions = permissions.env(name, value),
                Err(env::VarError::NotPresent) => {}
                Err(error) => return Err(Usage(format!("cannot hand on `{name}`: {error}")).into()),
            }
        }
        for path in &self.packages {
            permissions = permissions.packages(path)?;
        }
        let mut options = SessionOptions::default().permissions(permissions).limits(self.limits());
        options.deterministic = self.deterministic;
        Ok(options)
    }

    /// The same for a session that a person sits before, who can press Ctrl-C: no limit of time but those named.
    pub(crate) fn interactive_options(&self, size: keelback_editor::edit::Size) -> Result<SessionOptions> {
        let mut options = self.options()?;
        options.limits.wall_time = self.timeout;
        options.limits.cpu_time = self.cpu;
        let terminal = keelback_sandbox::TerminalSize { columns: size.columns, lines: size.rows };
        Ok(options.terminal(terminal))
    }

    /// The limits of a session with these options.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        if let Some(timeout) = self.timeout {
            limits.wall_time = Some(timeout);
            // A time limit alone should not be cut short by the default of the other.
            limits.cpu_time = limits.cpu_time.map(|cpu| cpu.max(timeout));
        }
        if let Some(cpu) = self.cpu {
            limits.cpu_time = Some(cpu);
        }
        limits.memory_bytes = self.memory.unwrap_or(limits.memory_bytes);
        limits.output_bytes = self.max_output.unwrap_or(limits.output_bytes);
        limits
    }
}

/// `PATH[:GUEST]`. Without GUEST a relative path appears below the working directory, an absolute one at itself.
pub(crate) fn split_grant(text: &str) -> Result<(String, String)> {
    // The colon after a drive of Windows parts nothing: `C:/data`.
    let drive = match Path::new(text).components().next() {
        Some(Component::Prefix(prefix)) => prefix.as_os_str().len(),
        _ => 0,
    };
    if let Some((path, guest)) = text[drive..].rsplit_once(":/") {
        return Ok((format!("{}{path}", &text[..drive]), format!("/{guest}")));
    }
    let clean = text.strip_prefix("./").unwrap_or(text).trim_end_matches('/');
    let path = Path::new(clean);
    let has_drive = drive != 0 || (path.has_root() && !path.is_absolute());
    if path.is_absolute() && !has_drive {
        return Ok((text.to_owned(), clean.to_owned()));
    }
    if clean.is_empty() || clean == "." || has_drive || path.components().any(|part| part == Component::ParentDir) {
        let text = format!("`{text}` has no place of its own in the sandbox: write {text}:/some/path");
        return Err(Usage(text).into());
    }
    Ok((text.to_owned(), format!("/work/{}", clean.replace(MAIN_SEPARATOR, "/"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(grant: &str, host: &str, guest: &str) {
        assert_eq!(split_grant(grant).expect("it makes sense"), (host.to_owned(), guest.to_owned()));
    }

    #[test]
    fn grants_have_a_place_in_the_sandbox() {
        check("data", "data", "/work/data");
        check("./data/", "./data/", "/work/data");
        check("/srv/data", "/srv/data", "/srv/data");
        check("data:/in", "data", "/in");
        check("a:b:/in", "a:b", "/in");
        check("a:b", "a:b", "/work/a:b");
        for bad in ["..", ".", "../x", ""] {
            assert!(split_grant(bad).is_err(), "{bad}");
        }
    }
}
