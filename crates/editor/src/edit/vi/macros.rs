//! vi's macros: keys that are recorded under a letter, and pressed again.

use std::collections::BTreeMap;

use super::{
    super::{Action, Editor, Host},
    COUNT_MAX,
};
use crate::key::Key;

/// Keys by letter, apart from the registers: a recorded macro is no text.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Macros {
    kept: BTreeMap<char, Vec<Key>>,
    recording: Option<(char, Vec<Key>)>,
    last: Option<char>,
    /// Those under way, of which one may have started the next.
    playing: Vec<char>,
    /// How many keys those may still press.
    left: usize,
}

impl Macros {
    /// The letter that is being recorded under.
    pub(in super::super) fn recording(&self) -> Option<char> {
        self.recording.as_ref().map(|(name, _)| *name)
    }

    /// Notes a key that somebody presses.
    pub(in super::super) fn note(&mut self, key: Key) {
        if self.playing.is_empty()
            && let Some((_, keys)) = &mut self.recording
        {
            keys.push(key);
        }
    }

    /// Ends a recording, which keeps what there is.
    pub(in super::super) fn end(&mut self) {
        if let Some((name, keys)) = self.recording.take() {
            self.kept.insert(name, keys);
        }
    }

    pub(super) fn start(&mut self, name: char) {
        if name.is_ascii_lowercase() {
            self.recording = Some((name, Vec::new()));
        }
    }

    /// As [`end`](Self::end), without the key that ended it.
    pub(super) fn end_by_key(&mut self) {
        if let Some((_, keys)) = &mut self.recording {
            keys.pop();
        }
        self.end();
    }
}

impl Editor {
    /// Presses the keys of a macro; `@` is the one played last. It ends early at a key that leaves something to do for
    /// others, as running the cell, and does not play itself.
    pub(super) fn vi_play(&mut self, name: char, count: usize, host: &mut dyn Host) -> Action {
        let name = if name == '@' { self.macros.last } else { Some(name) };
        let Some(name) = name.filter(|name| !self.macros.playing.contains(name)) else { return Action::Continue };
        let Some(keys) = self.macros.kept.get(&name).cloned() else { return Action::Continue };
        if self.macros.playing.is_empty() {
            self.macros.left = COUNT_MAX;
            self.macros.last = Some(name);
        }
        self.macros.playing.push(name);
        let action = self.vi_press(keys.iter().cycle().take(keys.len().saturating_mul(count)), host);
        self.macros.playing.pop();
        action
    }

    fn vi_press<'a>(&mut self, keys: impl Iterator<Item = &'a Key>, host: &mut dyn Host) -> Action {
        let mut copied = Action::Continue;
        for key in keys {
            if self.macros.left == 0 {
                break;
            }
            self.macros.left -= 1;
            match self.key(*key, host) {
                Action::Continue => {}
                copy @ Action::Copy(_) => copied = copy,
                other => return other,
            }
        }
        copied
    }
}
