//! What the terminal sends: keys, pastes, answers; and whom they are for.

use keelback_editor::{
    edit::Action,
    key::{Event, Key, KeyCode},
};

use super::{Flow, Front, Record, State, answer::Answer, judge::Judge};
use crate::backend::Backend;

impl<B: Backend, R: Record> Front<B, R> {
    /// Bytes that the terminal sent.
    pub fn input(&mut self, bytes: &[u8]) {
        let mut events = Vec::new();
        self.decoder.feed(bytes, &mut events);
        self.take_events(events);
    }

    /// Whether the cell is being edited and nothing of a key, or of a marked paste, has been taken yet.
    #[must_use]
    pub fn is_between_keys(&self) -> bool {
        self.state == State::Editing && self.queue.is_empty() && self.decoder.is_between_keys()
    }

    pub(super) fn take_events(&mut self, events: Vec<Event>) {
        let interrupt = Event::Key(Key::char('c').ctrl());
        for event in events {
            match event {
                Event::Background { rgb } => self.background(rgb),
                Event::Attributes => self.answer = Answer::Over,
                Event::Keyboard(_) => {}
                _ if event == interrupt && self.state == State::Running && self.held.is_none() => {
                    // What was typed before it was for what is interrupted.
                    self.queue.clear();
                    self.backend.interrupt();
                }
                _ => self.queue.push_back(event),
            }
        }
    }

    /// Whether Ctrl-C came in one read with the Enter of a cell, as it does over a slow line: the cell does not begin.
    pub(super) fn is_interrupted(&mut self) -> bool {
        let interrupt = Event::Key(Key::char('c').ctrl());
        let Some(at) = self.queue.iter().rposition(|event| *event == interrupt) else { return false };
        self.queue.drain(..=at);
        true
    }

    pub(super) fn event(&mut self, event: Event) -> Option<Flow> {
        match event {
            Event::Key(key) if self.secret.is_some() => self.secret_key(key),
            Event::Key(key) if self.state == State::Input => self.input_key(key),
            Event::Key(key) => self.key(key),
            Event::Paste(text) if self.secret.is_some() => {
                self.secret_paste(&text);
                None
            }
            Event::Paste(text) if self.state == State::Input => self.paste_answers(text),
            Event::Paste(text) => {
                self.completions = None;
                let mut judge = Judge { backend: &mut self.backend, record: &self.record, help: self.help.is_some() };
                self.editor.paste(&text, &mut judge);
                self.stale = true;
                None
            }
            // Answers are taken as they come.
            Event::Background { .. } | Event::Keyboard(_) | Event::Attributes => None,
        }
    }

    fn key(&mut self, key: Key) -> Option<Flow> {
        self.stale = true;
        let mut judge = Judge { backend: &mut self.backend, record: &self.record, help: self.help.is_some() };
        let action = self.editor.key(key, &mut judge);
        if action != Action::Complete {
            self.completions = None;
        }
        self.act(action)
    }

    /// Each line that is pasted answers one question; what nobody asks for is pasted at the prompt.
    fn paste_answers(&mut self, mut text: String) -> Option<Flow> {
        let end = text.find('\n');
        let rest = end.map(|end| text.split_off(end + 1)).filter(|rest| !rest.is_empty());
        let line = text.strip_suffix('\n').unwrap_or(&text);
        // A line of input has no history, not even to search in.
        let mut judge = Judge { backend: &mut self.backend, record: &self.record, help: true };
        self.editor.paste(line, &mut judge);
        self.stale = true;
        if let Some(rest) = rest {
            self.queue.push_front(Event::Paste(rest));
        }
        let answer = self.editor.buffer().as_str().to_owned();
        end.and_then(|_| self.input_action(Action::Submit(answer)))
    }

    /// A key for the line that `input()` waits for.
    fn input_key(&mut self, key: Key) -> Option<Flow> {
        self.stale = true;
        match (key.code, key.ctrl) {
            (KeyCode::Char('c'), true) => {
                self.finish_line();
                self.state = State::Running;
                self.backend.interrupt();
                None
            }
            _ => {
                let mut judge = Judge { backend: &mut self.backend, record: &self.record, help: true };
                let action = self.editor.key(key, &mut judge);
                self.input_action(action)
            }
        }
    }
}
