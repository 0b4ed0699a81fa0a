//! What a prompt takes from its surroundings: environment, configuration, history.

use std::{
    env,
    os::unix::fs::DirBuilderExt,
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

fn folder(variable: &str, in_home: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(in_home)))
}

impl Setup {
    /// From environment variables and the files they lead to. The history of `import`, one of CPython's, is read when
    /// ours does not exist yet.
    ///
    /// `KEELBACK_CONFIG` and `KEELBACK_HISTORY` name the files; a `PYTHON_HISTORY` is CPython's own history file and is
    /// kept in its format. The folders are those of the XDG base directory specification.
    #[must_use]
    pub fn of_environment(tty: &Tty, import: Option<&Path>) -> Self {
        Setup::of_size(tty.size(), import)
    }

    /// As [`of_environment`](Self::of_environment), for a screen that is no terminal of this process.
    #[must_use]
    pub fn of_size(size: Size, import: Option<&Path>) -> Self {
        let mut notes = Vec::new();
        let named = env::var_os("KEELBACK_CONFIG").map(PathBuf::from);
        let path = named.or_else(|| Some(folder("XDG_CONFIG_HOME", ".config")?.join("keelback/config.toml")));
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
    let path = named.or_else(|| Some(folder("XDG_STATE_HOME", ".local/state")?.join("keelback/history")));
    match path {
        Some(path) => {
            if let Some(folder) = path.parent() {
                // What cannot be made is told when the file is opened.
                let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            }
            History::open(&path, Format::Native, import)
        }
        None => History::in_memory(),
    }
}
