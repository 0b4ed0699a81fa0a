//! The configuration file: `keelback/config.toml` in the user's folder for configuration.
//!
//! ```toml
//! theme = "dark"            # dark, light, none; without it the terminal's background decides
//! keys = "emacs"            # emacs, vi
//! images = "kitty"          # none, kitty, iterm2, sixel; without it the environment decides
//! history = "/path/to/file"
//!
//! [styles]                  # single kinds of text
//! keyword = "bold blue"
//!
//! [bindings]                # keys to commands; "" takes a key's command away
//! "M-Enter" = "run-now"
//! ```

use std::path::PathBuf;

use keelback_editor::{
    edit::{Command, Keymap},
    theme::{Theme, kind_by_name, parse_style},
};

use crate::images::Protocol;

/// What the file says; what it does not say is None.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Colours.
    pub theme: Option<Theme>,
    /// Keys.
    pub keymap: Keymap,
    /// How images are shown.
    pub images: Option<Protocol>,
    /// The history's file.
    pub history: Option<PathBuf>,
}

impl Config {
    /// Reads the text of a file. What is wrong is told and left out; the rest counts.
    #[must_use]
    pub fn parse(text: &str) -> (Config, Vec<String>) {
        let mut config = Config::default();
        let mut wrong = Vec::new();
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return (config, vec![error.to_string().trim_end().to_owned()]),
        };
        let mut styles = None;
        let mut bindings = None;
        for (name, value) in &table {
            let result = match (name.as_str(), value) {
                ("theme", toml::Value::String(name)) => match Theme::by_name(name) {
                    Some(theme) => {
                        config.theme = Some(theme);
                        Ok(())
                    }
                    None => Err(format!("theme = `{name}`: it is `dark`, `light` or `none`")),
                },
                ("keys", toml::Value::String(name)) => match name.as_str() {
                    "emacs" => Ok(()),
                    "vi" => {
                        config.keymap = Keymap::vi();
                        Ok(())
                    }
                    _ => Err(format!("keys = `{name}`: it is `emacs` or `vi`")),
                },
                ("images", toml::Value::String(name)) => {
                    config.images = Protocol::by_name(name);
                    config.images.map(drop).ok_or(format!("images = `{name}`: `none`, `kitty`, `iterm2` or `sixel`"))
                }
                ("history", toml::Value::String(path)) => {
                    config.history = Some(path.into());
                    Ok(())
                }
                ("styles", toml::Value::Table(table)) => {
                    styles = Some(table);
                    Ok(())
                }
                ("bindings", toml::Value::Table(table)) => {
                    bindings = Some(table);
                    Ok(())
                }
                ("theme" | "keys" | "images" | "history", _) => Err(format!("`{name}` is text in quotes")),
                ("styles" | "bindings", _) => Err(format!("`{name}` is a table: [{name}]")),
                _ => Err(format!("`{name}` is not an option")),
            };
            wrong.extend(result.err());
        }
        for (name, value) in styles.into_iter().flatten() {
            wrong.extend(config.style(name, value).err());
        }
        for (keys, value) in bindings.into_iter().flatten() {
            wrong.extend(config.binding(keys, value).err());
        }
        (config, wrong)
    }

    fn style(&mut self, name: &str, value: &toml::Value) -> Result<(), String> {
        let kind = kind_by_name(name).ok_or_else(|| format!("styles: `{name}` is not a kind of text"))?;
        let words = value.as_str().ok_or_else(|| format!("styles: `{name}` is text in quotes"))?;
        let style = parse_style(words).map_err(|error| format!("styles: {name}: {error}"))?;
        self.theme.get_or_insert_with(Theme::dark).set(kind, style);
        Ok(())
    }

    fn binding(&mut self, keys: &str, value: &toml::Value) -> Result<(), String> {
        let command = match value.as_str() {
            Some("") => None,
            Some(name) => Some(Command::by_name(name).ok_or_else(|| format!("bindings: `{name}` is not a command"))?),
            None => return Err(format!("bindings: `{keys}` is text in quotes")),
        };
        self.keymap.bind(keys, command).map_err(|error| format!("bindings: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use keelback_editor::edit::Lookup;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_and_the_rest_counts() {
        let (config, wrong) = Config::parse(
            "theme = 'blue'\nkeys = 'vi'\nimages = 3\nhistori = 'x'\nhistory = '/h'\n\
             [styles]\nkeyword = 'bold red'\nkeywrd = 'red'\nstring = 'reddish'\n\
             [bindings]\n'M-Enter' = 'run-now'\n'C-o' = ''\n'C-x C-' = 'undo'\n'F5' = 'fly'",
        );
        assert_eq!(wrong.len(), 7, "{wrong:#?}");
        assert_eq!(config.history, Some("/h".into()));
        let key = |text: &str| [text.parse().expect("a key")];
        assert_eq!(config.keymap.lookup(&key("M-Enter")), Lookup::Command(Command::RunNow));
        assert_eq!(config.keymap.lookup(&key("C-o")), Lookup::Nothing);
        assert_eq!(config.keymap.lookup(&key("Escape")), Lookup::Command(Command::ViNormal));
        assert!(config.theme.is_some());
    }

    #[test]
    fn a_file_that_is_no_toml_is_told_once() {
        let (_, wrong) = Config::parse("theme = ");
        assert_eq!(wrong.len(), 1);
    }
}
