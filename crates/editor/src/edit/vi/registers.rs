//! vi's registers: text that is kept under a letter.

use std::collections::BTreeMap;

use super::super::{Editor, kill_ring::Side};

/// Text by letter. The unnamed register is the kill ring.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Registers(BTreeMap<char, String>);

/// The system's clipboard. What other programs put there is the terminal's to paste: none tells it when asked.
pub(super) const CLIPBOARD: char = '+';

/// Keeps nothing.
const NOWHERE: char = '_';

impl Registers {
    /// A capital letter appends. Whole lines stay whole lines.
    fn keep(&mut self, name: char, text: &str) {
        let register = self.0.entry(name.to_ascii_lowercase()).or_default();
        if !name.is_ascii_uppercase() {
            register.clear();
        } else if text.ends_with('\n') && !register.is_empty() && !register.ends_with('\n') {
            register.push('\n');
        }
        let lines = register.ends_with('\n') && !text.ends_with('\n');
        register.push_str(text);
        if lines {
            register.push('\n');
        }
    }

    fn get(&self, name: char) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str)
    }
}

impl Editor {
    /// The register that the command under way is to use. Other characters than those of registers are none.
    pub(super) fn vi_choose_register(&mut self, name: char) {
        self.vi.register = match name {
            'a'..='z' | 'A'..='Z' | NOWHERE => Some(name),
            CLIPBOARD | '*' => Some(CLIPBOARD),
            _ => None,
        };
    }

    /// Keeps what was deleted or yanked, whole lines with the last line's end.
    pub(super) fn vi_keep(&mut self, text: &str) {
        match self.vi.register {
            None => {}
            Some(NOWHERE) => return,
            Some(name) => {
                self.registers.keep(name, text);
                if name == CLIPBOARD {
                    self.vi.copied = Some(text.to_owned());
                }
            }
        }
        self.kills.push(text, Side::New);
    }

    /// What the chosen register has.
    pub(super) fn vi_kept(&self) -> Option<&str> {
        match self.vi.register {
            None => self.kills.newest(),
            Some(name) => self.registers.get(name),
        }
        .filter(|text| !text.is_empty())
    }
}
