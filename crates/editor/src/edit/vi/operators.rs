//! vi's operators: what is done to the text that a motion, an object or a selection covers.

use unicode_segmentation::UnicodeSegmentation as _;

use super::{super::Editor, motions::Motion, repeated};
use crate::motion;

impl Editor {
    pub(super) fn vi_operate(&mut self, operator: char, motion: Motion) {
        let (from, to) = (self.cursor().min(motion.to), self.cursor().max(motion.to));
        self.buffer.begin_step(false);
        if motion.lines {
            let text = self.buffer.text();
            let (first, last) = (text.line_at(from), text.line_at(to));
            self.vi_operate_lines(operator, first, last);
            return;
        }
        let to = if motion.inclusive { motion::right(self.buffer.text(), to) } else { to };
        match operator {
            'y' => {
                let text = self.text()[from..to].to_owned();
                self.vi_keep(&text);
                self.buffer.set_cursor(from);
            }
            '>' | '<' => {
                let text = self.buffer.text();
                let (first, last) = (text.line_at(from), text.line_at(to));
                self.vi_operate_lines(operator, first, last);
            }
            _ => {
                let removed = self.buffer.remove(from..to);
                self.buffer.set_cursor(from);
                self.vi_keep(&removed);
                self.vi_changed(operator == 'c');
            }
        }
    }

    pub(super) fn vi_operate_lines(&mut self, operator: char, first: usize, last: usize) {
        let text = self.buffer.text();
        let (start, end) = (text.line_range(first).start, text.line_range(last).end);
        let whole = format!("{}\n", &self.text()[start..end]);
        match operator {
            'y' => self.vi_keep(&whole),
            'd' => {
                self.vi_keep(&whole);
                let length = self.text().len();
                let range = if end < length { start..end + 1 } else { start.saturating_sub(1)..end };
                self.buffer.remove(range);
                let at = start.min(self.text().len());
                let line = self.buffer.text().line_range(self.buffer.text().line_at(at));
                self.buffer.set_cursor(line.start);
                self.vi_changed(false);
            }
            'c' => {
                self.vi_keep(&whole);
                let line = &self.text()[start..end];
                let blanks = line.len() - line.trim_start_matches(' ').len();
                self.buffer.remove(start + blanks..end);
                self.buffer.set_cursor(start + blanks);
                self.vi_changed(true);
            }
            _ => {
                self.buffer.set_cursor(start);
                self.buffer.select();
                self.buffer.set_cursor(end);
                self.shift_lines(operator == '>');
                self.buffer.deselect();
                self.buffer.set_cursor(start);
                self.vi_changed(false);
            }
        }
    }

    /// The keys so far are what `.` repeats, with those typed from here on when `insert`.
    pub(super) fn vi_changed(&mut self, insert: bool) {
        self.vi.inserting = insert && !self.vi.repeating;
        if insert {
            self.vi.normal = false;
        } else if !self.vi.repeating {
            self.vi.change = self.vi.recording.clone();
        }
    }

    pub(super) fn vi_put(&mut self, after: bool, count: usize) {
        let Some(text) = self.vi_kept().map(|text| repeated(text, count)) else { return };
        let (line, cursor) = (self.buffer.line_range(), self.cursor());
        if let Some(lines) = text.strip_suffix('\n') {
            let (at, new, to) = if after {
                (line.end, format!("\n{lines}"), line.end + 1)
            } else {
                (line.start, format!("{lines}\n"), line.start)
            };
            self.buffer.replace_and_move(at..at, &new, to);
        } else {
            let at = if after { motion::right(self.buffer.text(), cursor).min(line.end) } else { cursor };
            let last = text.graphemes(true).next_back().map_or(at, |last| at + text.len() - last.len());
            self.buffer.replace_and_move(at..at, &text, last);
        }
        self.vi_changed(false);
    }

    /// `J`: as many lines as one, with a blank between what they hold.
    pub(super) fn vi_join(&mut self, lines: usize) {
        for _ in 1..lines.max(2) {
            let end = self.buffer.line_range().end;
            if end == self.text().len() {
                break;
            }
            let rest = &self.text()[end + 1..];
            let blanks = rest.len() - rest.trim_start_matches(' ').len();
            self.buffer.replace_and_move(end..end + 1 + blanks, " ", end);
            self.vi_changed(false);
        }
    }
}

pub(super) fn switch_case(char: char) -> Vec<char> {
    if char.is_lowercase() { char.to_uppercase().collect() } else { char.to_lowercase().collect() }
}
