//! Which key does what.

use std::collections::BTreeMap;

use crate::{
    edit::Command,
    key::{Key, UnknownKey},
};

/// Keys and what they do. One or two keys make a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    bindings: BTreeMap<Vec<Key>, Command>,
}

/// What a sequence of keys comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A command.
    Command(Command),
    /// The beginning of longer sequences.
    Prefix,
    /// Nothing.
    Nothing,
}

#[rustfmt::skip]
const EMACS: &[(&str, Command)] = {
    use Command::*;
    &[
        ("Enter", Accept), ("M-Enter", InsertLine), ("C-Enter", RunNow), ("M-S-Enter", RunNow), ("C-M-Enter", RunNow),
        ("S-Enter", InsertLine), ("C-o", RunAndNext),
        ("Left", Left), ("C-b", Left), ("Right", Right), ("C-f", Right),
        ("C-Left", WordLeft), ("M-b", WordLeft), ("M-Left", WordLeft),
        ("C-Right", WordRight), ("M-f", WordRight), ("M-Right", WordRight),
        ("Home", LineStart), ("C-a", LineStart), ("End", LineEnd), ("C-e", LineEnd),
        ("Up", Up), ("Down", Down), ("C-p", HistoryPrevious), ("C-n", HistoryNext),
        ("C-Home", TextStart), ("M-a", TextStart), ("C-End", TextEnd), ("M-e", TextEnd),
        ("C-Up", StatementUp), ("C-Down", StatementDown), ("C-M-a", StatementUp), ("C-M-e", StatementDown),
        ("M-%", MatchingBracket), ("C-]", MatchingBracket),
        ("S-Left", SelectLeft), ("S-Right", SelectRight), ("C-S-Left", SelectWordLeft), ("C-S-Right", SelectWordRight),
        ("S-Up", SelectUp), ("S-Down", SelectDown), ("S-Home", SelectLineStart), ("S-End", SelectLineEnd),
        ("C-x h", SelectAll), ("C-Space", SetMark), ("M-w", Copy),
        // kitty tells these from the keys they are elsewhere.
        ("C-h", DeleteLeft), ("C-i", Complete), ("C-j", Accept), ("C-m", Accept), ("C-[", Cancel), ("C-/", Undo),
        ("Backspace", DeleteLeft), ("Delete", DeleteRight), ("C-d", DeleteRightOrEnd),
        ("C-k", KillLineEnd), ("C-u", KillLineStart), ("C-x Backspace", KillText),
        ("C-w", KillWordLeft), ("M-Backspace", KillWordLeft), ("C-M-h", KillWordLeft),
        ("M-d", KillWordRight), ("C-Delete", KillWordRight), ("M-Delete", KillWordRight),
        ("C-y", Yank), ("M-y", YankPop),
        ("C-t", Transpose), ("M-t", TransposeWords), ("M-u", UpperWord), ("M-l", LowerWord), ("M-c", CapitalWord),
        ("C-_", Undo), ("C-x C-u", Undo), ("M-_", Redo), ("C-x C-r", Redo),
        ("C-q", QuotedInsert), ("C-v", QuotedInsert),
        ("Tab", Complete), ("S-Tab", CompletePrevious), ("M-]", Indent), ("M-[", Dedent), ("M-;", ToggleComment),
        ("M-<", HistoryFirst), ("M->", HistoryLast), ("PageUp", PrefixPrevious), ("PageDown", PrefixNext),
        ("C-r", SearchOlder), ("C-s", SearchNewer), ("M-.", LastArgument),
        ("F1", Help), ("F2", ShowHistory), ("F3", PasteMode), ("M-h", Documentation), ("C-x C-e", EditExternally),
        ("C-l", ClearScreen), ("C-c", Interrupt), ("C-z", Suspend), ("C-g", Cancel), ("C-x C-g", Cancel),
        ("Escape", Cancel),
        ("M-0", Digit), ("M-1", Digit), ("M-2", Digit), ("M-3", Digit), ("M-4", Digit), ("M-5", Digit), ("M-6", Digit),
        ("M-7", Digit), ("M-8", Digit), ("M-9", Digit), ("M--", Digit),
    ]
};

#[rustfmt::skip]
const VI_INSERT: &[(&str, Command)] = &[("Escape", Command::ViNormal), ("C-[", Command::ViNormal)];

impl Default for Keymap {
    fn default() -> Self {
        Keymap::emacs()
    }
}

impl Keymap {
    /// The keys of Emacs and readline, and those of PEP 762.
    #[must_use]
    pub fn emacs() -> Self {
        let mut keymap = Keymap { bindings: BTreeMap::new() };
        keymap.add(EMACS);
        keymap
    }

    /// The same while text is typed, with Escape to vi's normal mode.
    #[must_use]
    pub fn vi() -> Self {
        let mut keymap = Keymap::emacs();
        keymap.add(VI_INSERT);
        keymap
    }

    fn add(&mut self, table: &[(&str, Command)]) {
        for (keys, command) in table {
            self.bind(keys, Some(*command)).expect("a test reads every row");
        }
    }

    /// Binds keys written as `C-x C-e`, or with None takes a binding away.
    ///
    /// # Errors
    /// Text that names no key.
    pub fn bind(&mut self, keys: &str, command: Option<Command>) -> Result<(), UnknownKey> {
        let keys = keys.split_whitespace().map(str::parse).collect::<Result<Vec<Key>, _>>()?;
        match command {
            Some(command) => self.bindings.insert(keys, command),
            None => self.bindings.remove(&keys),
        };
        Ok(())
    }

    /// What these keys come to.
    #[must_use]
    pub fn lookup(&self, keys: &[Key]) -> Lookup {
        if let Some(command) = self.bindings.get(keys) {
            return Lookup::Command(*command);
        }
        let longer = self.bindings.range(keys.to_vec()..).next();
        if longer.is_some_and(|(sequence, _)| sequence.starts_with(keys)) { Lookup::Prefix } else { Lookup::Nothing }
    }

    /// The keys of a command.
    #[must_use]
    pub fn keys_of(&self, command: Command) -> Vec<String> {
        let written = |keys: &Vec<Key>| keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ");
        self.bindings.iter().filter(|(_, bound)| **bound == command).map(|(keys, _)| written(keys)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_found_key_by_key() {
        let keymap = Keymap::vi();
        let keys = |text: &str| text.split(' ').map(|key| key.parse().expect("a key")).collect::<Vec<Key>>();
        assert_eq!(keymap.lookup(&keys("C-x")), Lookup::Prefix);
        assert_eq!(keymap.lookup(&keys("C-x C-e")), Lookup::Command(Command::EditExternally));
        assert_eq!(keymap.lookup(&keys("C-x a")), Lookup::Nothing);
        assert_eq!(keymap.lookup(&keys("Escape")), Lookup::Command(Command::ViNormal));
        assert_eq!(keymap.keys_of(Command::Undo), ["C-/", "C-_", "C-x C-u"]);
    }

    #[test]
    fn every_command_has_a_key() {
        let without = [Command::Ignore];
        for command in Command::ALL.iter().filter(|command| !without.contains(command)) {
            assert!(!Keymap::vi().keys_of(*command).is_empty(), "{}", command.name());
        }
    }
}
