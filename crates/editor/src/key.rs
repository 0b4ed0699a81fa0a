//! Keys as people write them: `C-a`, `M-Enter`, `S-Left`, `F1`.

use std::{fmt, str::FromStr};

/// What a terminal has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// Text that was pasted, whole, line ends as `\n`.
    Paste(String),
    /// The answer to the question for the colour of the background (OSC 11), 8 bits a channel.
    Background {
        /// Red, green and blue.
        rgb: [u8; 3],
    },
    /// The terminal knows the kitty keyboard protocol, with these flags on.
    Keyboard(u8),
    /// The terminal said what it is (primary device attributes). All know this question: what was asked before it and
    /// has no answer by now gets none.
    Attributes,
}

/// A key with what was held down beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Which key.
    pub code: KeyCode,
    /// Ctrl. Letters with it are in lower case.
    pub ctrl: bool,
    /// Alt, or Escape before the key.
    pub alt: bool,
    /// Shift. Never set for characters: those come shifted.
    pub shift: bool,
}

/// A key without what was held down beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those on the keys")]
pub enum KeyCode {
    Char(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Insert,
    Escape,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    PageUp,
    PageDown,
    Function(u8),
}

impl Key {
    /// The key alone.
    #[must_use]
    pub const fn plain(code: KeyCode) -> Self {
        Key { code, ctrl: false, alt: false, shift: false }
    }

    /// A character that was typed, without Ctrl and Alt.
    #[must_use]
    pub const fn char(char: char) -> Self {
        Key::plain(KeyCode::Char(char))
    }

    /// With Ctrl.
    #[must_use]
    pub const fn ctrl(mut self) -> Self {
        self.ctrl = true;
        self
    }

    /// With Alt.
    #[must_use]
    pub const fn alt(mut self) -> Self {
        self.alt = true;
        self
    }

    /// With Shift.
    #[must_use]
    pub const fn shift(mut self) -> Self {
        self.shift = true;
        self
    }
}

impl From<KeyCode> for Key {
    fn from(code: KeyCode) -> Self {
        Key::plain(code)
    }
}

const NAMED: [(&str, KeyCode); 15] = [
    ("Enter", KeyCode::Enter),
    ("Tab", KeyCode::Tab),
    ("Backspace", KeyCode::Backspace),
    ("Delete", KeyCode::Delete),
    ("Insert", KeyCode::Insert),
    ("Escape", KeyCode::Escape),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("PageUp", KeyCode::PageUp),
    ("PageDown", KeyCode::PageDown),
    ("Space", KeyCode::Char(' ')),
];

/// Text that names no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey(pub String);

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a key: write for example C-a, M-Enter, S-Left or F1", self.0)
    }
}

impl std::error::Error for UnknownKey {}

impl FromStr for Key {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, UnknownKey> {
        let unknown = || UnknownKey(text.to_owned());
        let mut key = Key::char(' ');
        let mut rest = text;
        while let Some((modifier, after)) = rest.split_once('-').filter(|(_, after)| !after.is_empty()) {
            match modifier {
                "C" => key.ctrl = true,
                "M" => key.alt = true,
                "S" => key.shift = true,
                _ => return Err(unknown()),
            }
            rest = after;
        }
        let mut chars = rest.chars();
        key.code = match (chars.next(), chars.next()) {
            (Some(char), None) => KeyCode::Char(char),
            (Some('F'), Some(_)) if rest[1..].parse::<u8>().is_ok_and(|number| (1..=35).contains(&number)) => {
                KeyCode::Function(rest[1..].parse().map_err(|_| unknown())?)
            }
            _ => NAMED.iter().find(|(name, _)| *name == rest).ok_or_else(unknown)?.1,
        };
        Ok(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [(self.ctrl, "C-"), (self.alt, "M-"), (self.shift, "S-")] {
            if held {
                f.write_str(name)?;
            }
        }
        match self.code {
            KeyCode::Function(number) => write!(f, "F{number}"),
            code => match NAMED.iter().find(|(_, named)| *named == code) {
                Some((name, _)) => f.write_str(name),
                None => match code {
                    KeyCode::Char(char) => write!(f, "{char}"),
                    _ => Ok(()),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for text in ["a", "C-a", "M-Enter", "C-M-x", "S-Left", "F1", "F12", "C-Space", "-", "C--", "C-M-S-PageUp", "é"]
        {
            assert_eq!(text.parse::<Key>().map(|key| key.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "C-", "X-a", "Entr", "F0", "F99", "ab"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }
}
