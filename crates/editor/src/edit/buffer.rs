//! Text with a cursor, a selection and undo. What keys mean is not here.

use std::{mem, ops::Range};

use crate::text::{Change, Text};

/// One replacement, with what undoing it needs.
#[derive(Clone, Debug)]
struct Edit {
    start: usize,
    removed: String,
    inserted: String,
}

/// What one undo takes back.
#[derive(Clone, Debug)]
struct Step {
    edits: Vec<Edit>,
    cursor_before: usize,
    cursor_after: usize,
    typing: bool,
}

/// Text with a cursor, a selection and undo.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    text: Text,
    cursor: usize,
    anchor: Option<usize>,
    done: Vec<Step>,
    undone: Vec<Step>,
    /// The next edit begins a step of its own.
    step_ends: bool,
    typing: bool,
    changes: Vec<Change>,
}

/// More steps than this are forgotten, the oldest first.
const STEPS_MAX: usize = 10_000;

impl Buffer {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// The text as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Byte offset, on a character boundary.
    #[must_use]
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Moves the cursor; the selection stays as it is.
    pub fn set_cursor(&mut self, cursor: usize) {
        debug_assert!(self.as_str().is_char_boundary(cursor), "{cursor} cuts a character");
        self.cursor = cursor;
    }

    /// The line the cursor is in, from 0.
    #[must_use]
    pub fn line(&self) -> usize {
        self.text.line_at(self.cursor)
    }

    /// The bytes of the line the cursor is in.
    #[must_use]
    pub fn line_range(&self) -> Range<usize> {
        self.text.line_range(self.line())
    }

    /// The text from the line's start to the cursor.
    #[must_use]
    pub fn before_cursor(&self) -> &str {
        &self.as_str()[self.line_range().start..self.cursor]
    }

    /// Whether the cursor is behind the last character.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.cursor == self.text.len()
    }

    /// What is selected, if it is something.
    #[must_use]
    pub fn selection(&self) -> Option<Range<usize>> {
        let anchor = self.anchor?;
        (anchor != self.cursor).then(|| anchor.min(self.cursor)..anchor.max(self.cursor))
    }

    /// Begins a selection at the cursor, unless there is one.
    pub fn select(&mut self) {
        self.anchor.get_or_insert(self.cursor);
    }

    /// Selects everything.
    pub fn select_all(&mut self) {
        self.anchor = Some(0);
        self.cursor = self.text.len();
    }

    /// Nothing is selected any more.
    pub fn deselect(&mut self) {
        self.anchor = None;
    }

    /// What has changed since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        mem::take(&mut self.changes)
    }

    /// The edits from here on are taken back on their own. While `typing` goes on they are taken back together.
    pub fn begin_step(&mut self, typing: bool) {
        if !(typing && self.typing) {
            self.step_ends = true;
        }
        self.typing = typing;
    }

    /// Puts `new` in the place of `range`; the cursor is behind it then.
    pub fn replace(&mut self, range: Range<usize>, new: &str) {
        if range.is_empty() && new.is_empty() {
            self.cursor = range.start;
            return;
        }
        let edit =
            Edit { start: range.start, removed: self.as_str()[range.clone()].to_owned(), inserted: new.to_owned() };
        let before = self.cursor;
        self.changes.push(self.text.replace(range.clone(), new));
        self.cursor = range.start + new.len();
        self.anchor = None;
        self.undone.clear();
        let cursor_after = self.cursor;
        match self.done.last_mut().filter(|step| !self.step_ends && step.typing == self.typing) {
            Some(step) => {
                step.cursor_after = cursor_after;
                match step.edits.last_mut() {
                    // What is typed in one go is one edit.
                    Some(last) if edit.removed.is_empty() && edit.start == last.start + last.inserted.len() => {
                        last.inserted.push_str(&edit.inserted);
                    }
                    _ => step.edits.push(edit),
                }
            }
            None => {
                if self.done.len() == STEPS_MAX {
                    self.done.remove(0);
                }
                self.done.push(Step { edits: vec![edit], cursor_before: before, cursor_after, typing: self.typing });
            }
        }
        self.step_ends = false;
    }

    /// Inserts at the cursor, in the place of what is selected.
    pub fn insert(&mut self, new: &str) {
        let range = self.selection().unwrap_or(self.cursor..self.cursor);
        self.replace(range, new);
    }

    /// Takes `range` away and keeps the cursor where it was in the text.
    pub fn remove(&mut self, range: Range<usize>) -> String {
        let removed = self.as_str()[range.clone()].to_owned();
        let cursor = match self.cursor {
            cursor if cursor <= range.start => cursor,
            cursor if cursor >= range.end => cursor - range.len(),
            _ => range.start,
        };
        self.replace(range, "");
        self.set_last_cursor(cursor);
        removed
    }

    /// As [`replace`](Self::replace), with the cursor set; one undo brings the old cursor back too.
    pub fn replace_and_move(&mut self, range: Range<usize>, new: &str, cursor: usize) {
        self.replace(range, new);
        self.set_last_cursor(cursor);
    }

    fn set_last_cursor(&mut self, cursor: usize) {
        self.cursor = cursor;
        if let Some(step) = self.done.last_mut() {
            step.cursor_after = cursor;
        }
    }

    /// Another text, in one step; the cursor at its end.
    pub fn set(&mut self, new: &str) {
        self.step_ends = true;
        self.typing = false;
        let end = self.text.len();
        self.replace(0..end, new);
        self.step_ends = true;
    }

    /// Begins anew: no text, nothing to undo. What there was.
    pub fn take(&mut self) -> String {
        let text = self.as_str().to_owned();
        let removed = text.len();
        *self = Buffer { changes: mem::take(&mut self.changes), ..Buffer::default() };
        self.changes.push(Change { start: 0, removed, inserted: 0 });
        text
    }

    /// Takes the last step back. False when there is none.
    pub fn undo(&mut self) -> bool {
        let Some(step) = self.done.pop() else { return false };
        for edit in step.edits.iter().rev() {
            self.changes.push(self.text.replace(edit.start..edit.start + edit.inserted.len(), &edit.removed));
        }
        self.settle(step.cursor_before);
        self.undone.push(step);
        true
    }

    /// Does again what undo took back. False when there is nothing.
    pub fn redo(&mut self) -> bool {
        let Some(step) = self.undone.pop() else { return false };
        for edit in &step.edits {
            self.changes.push(self.text.replace(edit.start..edit.start + edit.removed.len(), &edit.inserted));
        }
        self.settle(step.cursor_after);
        self.done.push(step);
        true
    }

    fn settle(&mut self, cursor: usize) {
        self.cursor = cursor;
        self.anchor = None;
        self.step_ends = true;
        self.typing = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_typed_in_one_go_is_taken_back_in_one() {
        let mut buffer = Buffer::default();
        for char in ["a", "b", "c"] {
            buffer.begin_step(true);
            buffer.insert(char);
        }
        buffer.begin_step(false);
        buffer.remove(1..2);
        assert!(buffer.undo());
        assert_eq!(buffer.as_str(), "abc");
        assert!(buffer.undo());
        assert_eq!(buffer.as_str(), "");
        assert!(!buffer.undo());
        assert!(buffer.redo() && buffer.redo());
        assert_eq!((buffer.as_str(), buffer.cursor()), ("ac", 2));
        assert!(!buffer.redo());
    }

    #[test]
    fn typing_replaces_what_is_selected() {
        let mut buffer = Buffer::default();
        buffer.insert("abc");
        buffer.select_all();
        buffer.begin_step(true);
        buffer.insert("x");
        assert_eq!((buffer.as_str(), buffer.selection()), ("x", None));
        buffer.undo();
        assert_eq!(buffer.as_str(), "abc");
    }

    proptest! {
        #[test]
        fn undo_returns_to_the_start_and_redo_to_the_end(
            edits in prop::collection::vec((0usize..30, 0usize..8, "[ab\n樂]{0,5}", any::<bool>(), any::<bool>()), 0..25)
        ) {
            let mut buffer = Buffer::default();
            for (start, len, new, typing, back) in edits {
                let boundary = |at: usize| {
                    (0..=at.min(buffer.text.len())).rev().find(|at| buffer.as_str().is_char_boundary(*at)).unwrap_or(0)
                };
                let range = boundary(start)..boundary(start + len);
                buffer.begin_step(typing);
                if back {
                    buffer.remove(range);
                } else {
                    buffer.set_cursor(range.start);
                    buffer.replace(range, &new);
                }
                prop_assert!(buffer.as_str().is_char_boundary(buffer.cursor()));
            }
            let end = buffer.as_str().to_owned();
            while buffer.undo() {
                prop_assert!(buffer.as_str().is_char_boundary(buffer.cursor()));
            }
            prop_assert_eq!(buffer.as_str(), "");
            while buffer.redo() {}
            prop_assert_eq!(buffer.as_str(), end);
            // What followed every change has the same text.
            let mut length = 0;
            for change in buffer.take_changes() {
                prop_assert!(change.start + change.removed <= length);
                length = length - change.removed + change.inserted;
            }
            prop_assert_eq!(length, buffer.text().len());
        }
    }
}
