//! Editing of words, lines and indentation.

use super::Editor;
use crate::{indent, motion};

impl Editor {
    /// Opens a line below, indented as the text before it asks for.
    pub(super) fn open_line(&mut self) {
        if let Some(range) = self.buffer.selection() {
            self.buffer.remove(range);
        }
        let cursor = self.cursor();
        if !self.python {
            return self.buffer.replace(cursor..cursor, "\n");
        }
        let line = self.buffer.line_range();
        let blank = self.text()[line.clone()].trim().is_empty();
        let before = &self.text()[line.start..cursor];
        if blank
            && cursor == line.end
            && !before.is_empty()
            && self.buffer.line() + 1 == self.buffer.text().line_count()
        {
            // Enter on an empty indented line gives a level back.
            let columns = indent::backspace(self.buffer.text(), cursor).min(before.len());
            return self.buffer.replace(cursor - columns..cursor, "");
        }
        let columns = indent::after(self.buffer.text(), cursor, self.unit);
        // What stands behind the cursor moves down without the blanks before it.
        let rest = &self.text()[cursor..line.end];
        let blanks = if rest.trim().is_empty() { 0 } else { rest.len() - rest.trim_start_matches(' ').len() };
        self.buffer
            .replace(cursor..cursor + blanks, &format!("\n{}", indent::blanks(self.buffer.text(), cursor, columns)));
    }

    /// Moves `else:` and its like to where they belong as they are typed.
    pub(super) fn dedent_keyword(&mut self) {
        let Some(columns) = indent::dedent_keyword(self.buffer.text(), self.cursor()) else { return };
        let start = self.buffer.line_range().start;
        let line = &self.text()[start..];
        let had = line.len() - line.trim_start_matches([' ', '\t']).len();
        let cursor = self.cursor() - had + columns;
        self.buffer.replace_and_move(start..start + had, &" ".repeat(columns), cursor);
    }

    pub(super) fn delete_left(&mut self) {
        if let Some(range) = self.buffer.selection() {
            self.buffer.remove(range);
            return;
        }
        for _ in 0..self.times() {
            let cursor = self.cursor();
            let columns = if self.python { indent::backspace(self.buffer.text(), cursor) } else { 0 };
            let start = if columns > 0 { cursor - columns } else { motion::left(self.buffer.text(), cursor) };
            self.buffer.remove(start..cursor);
        }
    }

    pub(super) fn delete_right(&mut self) {
        if let Some(range) = self.buffer.selection() {
            self.buffer.remove(range);
            return;
        }
        for _ in 0..self.times() {
            let end = motion::right(self.buffer.text(), self.cursor());
            self.buffer.remove(self.cursor()..end);
        }
    }

    pub(super) fn transpose(&mut self) {
        let line = self.buffer.line_range();
        let mut cursor = self.cursor();
        // At the end of a line it is the two before.
        if cursor == line.end {
            cursor = motion::left(self.buffer.text(), cursor);
        }
        if cursor <= line.start || cursor >= line.end {
            return;
        }
        let (before, after) = (motion::left(self.buffer.text(), cursor), motion::right(self.buffer.text(), cursor));
        let exchanged = format!("{}{}", &self.text()[cursor..after], &self.text()[before..cursor]);
        self.buffer.replace(before..after, &exchanged);
    }

    pub(super) fn transpose_words(&mut self) {
        let text = self.buffer.text();
        let second_end = motion::word_right(text, self.cursor());
        let second = motion::word_left(text, second_end);
        let first = motion::word_left(text, second);
        let first_end = motion::word_right(text, first);
        if first_end > second {
            return;
        }
        let exchanged = format!(
            "{}{}{}",
            &self.text()[second..second_end],
            &self.text()[first_end..second],
            &self.text()[first..first_end]
        );
        self.buffer.replace(first..second_end, &exchanged);
    }

    /// Replaces the word after the cursor by what `change` makes of it.
    pub(super) fn change_word(&mut self, change: impl Fn(&str) -> String) {
        for _ in 0..self.times() {
            let end = motion::word_right(self.buffer.text(), self.cursor());
            let range = motion::word_left(self.buffer.text(), end).max(self.cursor())..end;
            let changed = change(&self.text()[range.clone()]);
            self.buffer.replace(range, &changed);
        }
    }

    /// The lines of the selection, or the one of the cursor.
    fn lines(&self) -> std::ops::RangeInclusive<usize> {
        let range = self.buffer.selection().unwrap_or(self.cursor()..self.cursor());
        let text = self.buffer.text();
        let first = text.line_at(range.start);
        // A selection up to the start of a line does not mean that line.
        let last = text.line_at(range.end.saturating_sub(usize::from(range.end > range.start)));
        first..=last.max(first)
    }

    /// Changes lines one by one from the last to the first; the cursor and the selection keep their place in the text.
    fn change_lines(&mut self, change: impl Fn(&str) -> Option<(usize, String)>) {
        let selected = self.buffer.selection();
        let anchor = selected.clone().map(|range| if range.start == self.cursor() { range.end } else { range.start });
        let (mut cursor, mut other) = (self.cursor(), anchor);
        for number in self.lines().rev() {
            let range = self.buffer.text().line_range(number);
            let Some((removed, added)) = change(&self.text()[range.clone()]) else { continue };
            let moved = |at: usize| match at {
                at if at < range.start => at,
                at if at < range.start + removed => range.start + added.len().min(at - range.start),
                at if at == range.start && selected.is_some() => at,
                at => at - removed + added.len(),
            };
            (cursor, other) = (moved(cursor), other.map(moved));
            self.buffer.replace_and_move(range.start..range.start + removed, &added, cursor.min(self.text().len()));
        }
        if let Some(other) = other {
            self.buffer.set_cursor(other);
            self.buffer.select();
        }
        self.buffer.set_cursor(cursor);
    }

    pub(super) fn shift_lines(&mut self, deeper: bool) {
        let unit = indent::unit(self.buffer.text(), self.unit);
        self.change_lines(|line| {
            let blanks = line.len() - line.trim_start_matches(' ').len();
            if deeper {
                (!line.trim().is_empty()).then(|| (0, " ".repeat(unit - blanks % unit)))
            } else {
                let over = if blanks % unit == 0 { unit } else { blanks % unit };
                (blanks > 0).then(|| (over.min(blanks), String::new()))
            }
        });
    }

    pub(super) fn toggle_comment(&mut self) {
        let text = self.buffer.text();
        let lines = || self.lines().map(|number| text.line(number)).filter(|line| !line.trim().is_empty());
        let commented = lines().all(|line| line.trim_start().starts_with('#'));
        let column = lines().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
        self.change_lines(|line| {
            if line.trim().is_empty() {
                return None;
            }
            let blanks = line.len() - line.trim_start().len();
            if commented {
                let hash = if line[blanks..].starts_with("# ") { 2 } else { 1 };
                Some((blanks + hash, line[..blanks].to_owned()))
            } else {
                Some((column, format!("{}# ", &line[..column])))
            }
        });
    }
}
