//! What a prompt takes from its surroundings: environment, configuration, history.

use std::{
    env,
    fs::DirBuilder,
    path::{Path, PathBuf},
};

use crate::{
    colors,
    config::Config,
    front::Options,
    history::{Format, History},
    images::Protocol,
    record::Kept,
    tty::Tty,
};
use keelback_editor::{edit::Size, theme::Theme};

/// All that a prompt is made with.
#[derive(Debug)]
pub struct Setup {
    /// How it looks and what keys it has.
    pub options: Options,
    /// What was entered before.
    pub history: Kept,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// The user's folders for configuration and for what a program remembers.
struct Folder {
    variable: &'static str,
    in_home: &'static str,
}

#[cfg(not(windows))]
const CONFIG: Folder = Folder { variable: "XDG_CONFIG_HOME", in_home: ".config" };
#[cfg(not(windows))]
const STATE: Folder = Folder { variable: "XDG_STATE_HOME", in_home: ".local/state" };
#[cfg(windows)]
const CONFIG: Folder = Folder { variable: "APPDATA", in_home: "AppData/Roaming" };
#[cfg(windows)]
const STATE: Folder = Folder { variable: "LOCALAPPDATA", in_home: "AppData/Local" };

impl Folder {
    fn path(&self) -> Option<PathBuf> {
        let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let named = env::var_os(self.variable).map(PathBuf::from).filter(|path| path.is_absolute());
        named.or_else(|| Some(PathBuf::from(env::var_os(home)?).join(self.in_home)))
    }
}

/// Makes a folder that is the user's alone.
fn make(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

impl Setup {
    /// From environment variables and the files they lead to. The history of `import`, one of CPython's, is read when
    /// ours does not exist yet.
    ///
    /// `KEELBACK_CONFIG` and `KEELBACK_HISTORY` name the files; a `PYTHON_HISTORY` is CPython's own history file and is
    /// kept in its format. The folders are those of the XDG base directory specification; on Windows `%APPDATA%` and
    /// `%LOCALAPPDATA%`.
    #[must_use]
    pub fn of_environment(tty: &Tty, import: Option<&Path>) -> Self {
        Setup::of_size(tty.size(), import)
    }

    /// As [`of_environment`](Self::of_environment), for a screen that is no terminal of this process.
    #[must_use]
    pub fn of_size(size: Size, import: Option<&Path>) -> Self {
        let mut notes = Vec::new();
        let named = env::var_os("KEELBACK_CONFIG").map(PathBuf::from);
        let path = named.or_else(|| Some(CONFIG.path()?.join("keelback/config.toml")));
        let text = path.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let (config, wrong) = text.map(|text| Config::parse(&text)).unwrap_or_default();
        if let Some(path) = path {
            notes.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", path.display())));
        }
        let var = |name: &str| env::var(name).ok();
        let colored = colors::wanted(var, true);
        let theme = match &config.theme {
            _ if !colored => Theme::none(),
            Some(theme) => theme.clone(),
            None => Theme::dark(),
        };
        let options = Options {
            theme_is_default: config.theme.is_none() && colored,
            theme,
            keymap: config.keymap.clone(),
            size,
            lends_terminal: false,
            images: config.images.unwrap_or_else(|| Protocol::of_environment(var)),
        };
        let mut history = history(&config, import);
        notes.extend(history.take_trouble());
        Setup { options, history: history.into(), notes }
    }
}

fn history(config: &Config, import: Option<&Path>) -> History {
    if let Some(path) = env::var_os("PYTHON_HISTORY").filter(|path| !path.is_empty()) {
        return History::open(Path::new(&path), Format::CPython, None);
    }
    let named = env::var_os("KEELBACK_HISTORY").map(PathBuf::from).or_else(|| config.history.clone());
    let path = named.or_else(|| Some(STATE.path()?.join("keelback/history")));
    match path {
        Some(path) => {
            if let Some(folder) = path.parent() {
                // What cannot be made is told when the file is opened.
                let _ = make(folder);
            }
            History::open(&path, Format::Native, import)
        }
        None => History::in_memory(),
    }
}
