//! vi's visual mode: what is selected between `v` or `V` and the next operator.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

use super::{
    super::{Action, Editor, Host},
    motions::Motion,
    operators::switch_case,
};
use crate::{
    key::{Key, KeyCode},
    motion,
};

/// A selection that began at `anchor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Visual {
    anchor: usize,
    pub(in super::super) lines: bool,
}

/// Levels that one command shifts lines by; a choice.
const LEVELS_MAX: usize = 40;

impl Editor {
    /// What visual mode selects: whole characters, the one under the cursor among them.
    pub(in super::super) fn vi_selection(&self) -> Option<Range<usize>> {
        let Visual { anchor, lines } = self.vi.visual?;
        let (start, end) = (anchor.min(self.cursor()), anchor.max(self.cursor()));
        let text = self.buffer.text();
        Some(if lines {
            text.line_range(text.line_at(start)).start..text.line_range(text.line_at(end)).end
        } else {
            let line_end = text.line_range(text.line_at(end)).end;
            start..if end < line_end { motion::right(text, end) } else { end }
        })
    }

    /// `v` and `V`: begins, changes the kind, or ends.
    pub(super) fn vi_select(&mut self, lines: bool) {
        self.vi.visual = match self.vi.visual {
            Some(visual) if visual.lines == lines => None,
            Some(visual) => Some(Visual { lines, ..visual }),
            None => Some(Visual { anchor: self.cursor(), lines }),
        };
    }

    /// Selects an object.
    pub(super) fn vi_select_object(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.vi.visual = Some(Visual { anchor: range.start, lines: false });
            let last = motion::left(self.buffer.text(), range.end);
            self.buffer.set_cursor(last.max(range.start));
        }
    }

    /// A key that is neither a count nor the beginning of a longer command.
    pub(super) fn vi_visual(&mut self, char: char, host: &mut dyn Host) -> Action {
        match char {
            'v' | 'V' => self.vi_select(char == 'V'),
            'o' => self.vi_swap_ends(),
            'j' | 'k' => {
                for _ in 0..self.vi_count() {
                    let Some(cursor) = self.row(char == 'j') else { break };
                    self.vertical(cursor);
                }
            }
            'd' | 'x' | 'c' | 's' | 'y' | '>' | '<' | '~' | 'u' | 'U' | 'J' | 'p' | 'P' => {
                self.vi_change_selected(char)
            }
            'X' | 'D' | 'C' | 'S' | 'R' | 'Y' => {
                self.vi.visual = self.vi.visual.map(|visual| Visual { lines: true, ..visual });
                self.vi_change_selected(char.to_ascii_lowercase());
            }
            '/' | '?' | 'q' | '@' | '.' => return self.vi_command(char, host),
            _ => {
                if let Some(motion) = self.vi_motion(char, false) {
                    self.buffer.set_cursor(motion.to);
                }
            }
        }
        self.vi_done();
        Action::Continue
    }

    /// `r` and a character: that in the place of each.
    pub(super) fn vi_replace_selected(&mut self, char: char) {
        self.vi_edit_selected(|text| text.graphemes(true).map(|old| if old == "\n" { '\n' } else { char }).collect());
    }

    fn vi_swap_ends(&mut self) {
        if let Some(visual) = &mut self.vi.visual {
            let cursor = std::mem::replace(&mut visual.anchor, self.buffer.cursor());
            self.buffer.set_cursor(cursor);
        }
    }

    fn vi_change_selected(&mut self, operator: char) {
        let Some(range) = self.vi_selection() else { return };
        let lines = self.vi.visual.is_some_and(|visual| visual.lines);
        let text = self.buffer.text();
        let (first, last) = (text.line_at(range.start), text.line_at(range.end));
        match operator {
            '~' => return self.vi_edit_selected(|text| text.chars().flat_map(switch_case).collect()),
            'u' => return self.vi_edit_selected(str::to_lowercase),
            'U' => return self.vi_edit_selected(str::to_uppercase),
            'p' | 'P' => return self.vi_put_selected(range, lines, operator == 'P'),
            _ => {}
        }
        self.vi_leave_visual(range.start);
        match operator {
            'J' => self.vi_join(last - first + 1),
            '>' | '<' => {
                for _ in 0..self.vi_count().min(LEVELS_MAX) {
                    self.vi_operate_lines(operator, first, last);
                }
            }
            _ => {
                // `x`, `s` and `r` are other names.
                let operator = match operator {
                    'x' => 'd',
                    's' | 'r' => 'c',
                    same => same,
                };
                self.vi_operate(operator, Motion { to: range.end, inclusive: false, lines });
            }
        }
    }

    fn vi_edit_selected(&mut self, change: impl FnOnce(&str) -> String) {
        let Some(range) = self.vi_selection() else { return };
        self.vi_leave_visual(range.start);
        let new = change(&self.text()[range.clone()]);
        self.buffer.replace_and_move(range.clone(), &new, range.start);
        self.vi_changed(false);
    }

    /// The register in the place of what is selected, which goes to the unnamed one unless `kept`.
    fn vi_put_selected(&mut self, range: Range<usize>, lines: bool, kept: bool) {
        let Some(new) = self.vi_kept().map(str::to_owned) else { return self.vi_leave_visual(range.start) };
        let whole = new.strip_suffix('\n');
        let new = match whole {
            Some(whole) if lines => whole.to_owned(),
            Some(_) => format!("\n{new}"),
            None => new,
        };
        let old = self.text()[range.clone()].to_owned();
        self.vi_leave_visual(range.start);
        self.buffer.replace_and_move(range.clone(), &new, range.start);
        self.vi.register = kept.then_some('_');
        self.vi_keep(&if lines { old + "\n" } else { old });
        self.vi_changed(false);
    }

    /// Ends visual mode with the cursor at `to`. What `.` repeats then is the command on as much text.
    fn vi_leave_visual(&mut self, to: usize) {
        if let (Some(range), Some(Visual { lines, .. })) = (self.vi_selection(), self.vi.visual.take()) {
            let mut keys = self.vi_keys_to_select(range, lines);
            keys.append(&mut self.vi.recording);
            self.vi.recording = keys;
        }
        self.buffer.set_cursor(to);
        self.buffer.begin_step(false);
    }

    fn vi_keys_to_select(&self, range: Range<usize>, lines: bool) -> Vec<Key> {
        let text = self.buffer.text();
        let down = text.line_at(range.end) - text.line_at(range.start);
        let mut keys = String::from(if lines { "V" } else { "v" });
        if down > 0 {
            keys.push_str(&format!("{down}j"));
        }
        if !lines {
            let from = if down > 0 { text.line_range(text.line_at(range.end)).start } else { range.start };
            let right = self.text()[from..range.end].graphemes(true).count().saturating_sub(1);
            keys.push_str(if down > 0 { "0" } else { "" });
            if right > 0 {
                keys.push_str(&format!("{right}l"));
            }
        }
        keys.chars().map(|char| Key::plain(KeyCode::Char(char))).collect()
    }
}
