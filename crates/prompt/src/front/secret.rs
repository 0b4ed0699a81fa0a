//! A line that is not to be seen, as `getpass` asks for: it is kept from the editor, whose undo and kill ring would
//! remember it.

use keelback_editor::key::{Key, KeyCode};

use super::{Flow, Front, Record, State};
use crate::backend::Backend;

impl<B: Backend, R: Record> Front<B, R> {
    /// A cell waits for a line that is not to be seen.
    pub fn needs_secret(&mut self) {
        self.needs_input();
        self.secret = Some(String::new());
    }

    pub(super) fn secret_key(&mut self, key: Key) -> Option<Flow> {
        let secret = self.secret.get_or_insert_default();
        match (key.code, key.ctrl) {
            (KeyCode::Char('c'), true) => {
                self.end_secret();
                self.backend.interrupt();
            }
            (KeyCode::Char('d'), true) if secret.is_empty() => {
                self.end_secret();
                self.backend.reply(None);
            }
            (KeyCode::Enter, _) | (KeyCode::Char('j' | 'm'), true) => {
                let line = std::mem::take(secret) + "\n";
                self.end_secret();
                self.backend.reply(Some(line));
            }
            (KeyCode::Char('u'), true) => secret.clear(),
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) => drop(secret.pop()),
            (KeyCode::Char(char), false) if !key.alt => secret.push(char),
            _ => {}
        }
        None
    }

    /// Line ends are none of a secret's.
    pub(super) fn secret_paste(&mut self, text: &str) {
        let line = text.lines().next().unwrap_or_default();
        self.secret.get_or_insert_default().push_str(line);
    }

    fn end_secret(&mut self) {
        self.secret = None;
        self.finish_line();
        self.state = State::Running;
    }
}
