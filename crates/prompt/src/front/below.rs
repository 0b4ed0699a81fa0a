//! What is looked up while nobody waits: the suggestion of the history, the signature below the text, details in the menu.

use super::{Front, Record, State};
use crate::backend::Backend;

impl<B: Backend, R: Record> Front<B, R> {
    /// Nothing else waits: the time to look up what is shown below the text.
    pub fn idle(&mut self) {
        if self.state != State::Editing {
            return;
        }
        self.ask_background();
        if self.help.is_some() {
            return;
        }
        if !self.editor.has_suggestion() {
            self.with_judge(|editor, judge| editor.suggest(judge));
            self.stale |= self.editor.has_suggestion();
        }
        self.look_up_details();
        let (text, cursor) = (self.editor.buffer().as_str(), self.editor.buffer().cursor());
        let call = in_call(&text[..cursor]);
        let wanted = call.then(|| (text.to_owned(), cursor));
        if wanted == self.signature_of {
            return;
        }
        let signature = wanted.as_ref().and_then(|(text, cursor)| self.backend.signature(text, *cursor));
        self.signature_of = wanted;
        if signature.as_ref() != self.editor.signature() {
            self.editor.set_signature(signature);
            self.stale = true;
        }
    }
}

impl<B: Backend, R: Record> Front<B, R> {
    /// Of the candidates on the screen: there may be a thousand more.
    fn look_up_details(&mut self) {
        let Some(menu) = self.editor.menu_mut() else { return };
        let (numbers, texts) = menu.without_details();
        if numbers.is_empty() {
            return;
        }
        let start = menu.range.start;
        let details = self.backend.details(self.editor.buffer().as_str(), start, &texts);
        self.stale |= details.iter().any(|detail| !detail.is_empty());
        if let Some(menu) = self.editor.menu_mut() {
            menu.set_details(&numbers, details);
        }
    }
}

/// Whether the end of `text` may be within the brackets of a call. The session knows better; this saves asking it.
fn in_call(text: &str) -> bool {
    let mut depth = 0_i32;
    for (from_end, byte) in text.bytes().rev().take(2000).enumerate() {
        match byte {
            b')' | b']' | b'}' => depth += 1,
            b'[' | b'{' if depth > 0 => depth -= 1,
            b'(' if depth > 0 => depth -= 1,
            b'(' => {
                let before = text[..text.len() - from_end - 1].bytes().next_back();
                return before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b')' | b']'));
            }
            _ => {}
        }
    }
    false
}
