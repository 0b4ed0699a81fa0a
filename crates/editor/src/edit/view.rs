//! What the editor shows: its text, and the rows below it.

use std::ops::Range;

use super::{Editor, History, Signature, menu::MENU_ROWS};
use crate::{
    layout::{self, Frame, Geometry, Row, Styled, View},
    style::{Kind, Span},
};

impl Editor {
    /// The frame to paint now.
    pub fn frame(&mut self, history: &dyn History) -> Frame {
        let (prompt, continuation) = self.prompts();
        let below = self.below(history);
        let found = self.found();
        let brackets = self.brackets();
        let selection = self.vi_selection().or_else(|| self.buffer.selection());
        let Editor { buffer, highlighter, layout, python, suggestion, size, .. } = self;
        let mut spans = spans_of(highlighter, buffer.text(), *python);
        let mut view = View {
            size: *size,
            prompt: &prompt,
            continuation: &continuation,
            text: buffer.text(),
            cursor: buffer.cursor(),
            selection,
            brackets,
            found,
            spans: &mut spans,
            suggestion: suggestion.as_deref(),
            below: &below,
        };
        layout.frame(&mut view)
    }

    /// All rows of the text as they stay on the screen.
    pub fn accepted(&mut self) -> Vec<Row> {
        let (prompt, continuation) = self.prompts();
        let Editor { buffer, highlighter, python, size, .. } = self;
        let mut spans = spans_of(highlighter, buffer.text(), *python);
        let view = View {
            size: *size,
            prompt: &prompt,
            continuation: &continuation,
            text: buffer.text(),
            cursor: buffer.cursor(),
            selection: None,
            brackets: None,
            found: None,
            spans: &mut spans,
            suggestion: None,
            below: &[],
        };
        layout::full(view).collect()
    }

    fn prompts(&self) -> (Styled, Styled) {
        if let Some(search) = &self.search {
            let kind = if search.failed { Kind::Message } else { Kind::Prompt };
            return (Styled::plain(search.prompt(), kind), Styled::parse(&self.continuation, Kind::Continuation));
        }
        if self.paste_mode {
            let prompt = Styled::plain("(paste) ", Kind::Prompt);
            return (prompt.clone(), prompt);
        }
        let mut prompt = match self.argument {
            Some(argument) => Styled::plain(format!("(arg: {argument}) "), Kind::Prompt),
            None => Styled::parse(&self.prompt, Kind::Prompt),
        };
        let mut continuation = Styled::parse(&self.continuation, Kind::Continuation);
        if self.vi.normal {
            let mode = self.vi.visual.map_or('n', |visual| if visual.lines { 'V' } else { 'v' });
            let recording = self.macros.recording().map_or(String::new(), |name| format!(" q{name}"));
            let mark = format!("[{mode}{recording}] ");
            // All lines move, so that columns stay one below the other.
            continuation = after(&" ".repeat(mark.len()), Kind::Continuation, &continuation);
            prompt = after(&mark, Kind::Message, &Styled::parse(&self.prompt, Kind::Prompt));
        }
        (prompt, continuation)
    }

    fn found(&self) -> Option<Range<usize>> {
        let search = self.search.as_ref().filter(|search| search.list.is_none() && !search.needle.is_empty())?;
        let start = self.cursor();
        let end = start + search.needle.len();
        self.text().get(start..end).filter(|text| *text == search.needle).map(|_| start..end)
    }

    fn brackets(&mut self) -> Option<(usize, usize)> {
        if !self.python || self.search.is_some() {
            return None;
        }
        let cursor = self.cursor();
        self.highlighter.matching_bracket(self.buffer.text(), cursor)
    }

    /// The menu, the signature and the message.
    fn below(&self, history: &dyn History) -> Vec<Styled> {
        let mut rows = Vec::new();
        if let Some(list) = self.search.as_ref().and_then(|search| search.list.as_ref()) {
            let first = list.chosen.saturating_sub(MENU_ROWS - 1);
            for (number, entry) in list.entries.iter().enumerate().skip(first).take(MENU_ROWS) {
                let text = history.text(*entry);
                let mut lines = text.lines();
                let mut line = lines.next().unwrap_or_default().to_owned();
                if lines.next().is_some() {
                    line.push_str(" ...");
                }
                let kind = if number == list.chosen { Kind::MenuSelected } else { Kind::MenuItem };
                rows.push(Styled::plain(line, kind));
            }
        }
        if let Some(menu) = &self.menu {
            self.menu_rows(menu, &mut rows);
        } else if let Some(Signature { text, active }) = &self.signature {
            let mut row = Styled::default();
            let active = active.clone().filter(|range| text.get(range.clone()).is_some()).unwrap_or(0..0);
            row.push(&text[..active.start], Kind::Signature);
            row.push(&text[active.clone()], Kind::SignatureActive);
            row.push(&text[active.end..], Kind::Signature);
            rows.push(row);
        }
        if let Some(message) = &self.message {
            rows.extend(message.lines().map(|line| Styled::plain(line, Kind::Message)));
        }
        rows
    }

    fn menu_rows(&self, menu: &super::Menu, rows: &mut Vec<Styled>) {
        let chosen = menu.chosen().map(|(place, _)| place);
        let visible = menu.visible();
        let shown = || menu.candidates().enumerate().skip(visible.start).take(visible.len());
        let width = shown().map(|(_, candidate)| candidate.text.chars().count()).max().unwrap_or(0).min(40);
        for (place, candidate) in shown() {
            let kind = if Some(place) == chosen { Kind::MenuSelected } else { Kind::MenuItem };
            let mut row = Styled::plain(format!("{:<width$}", candidate.text), kind);
            let detail = match (candidate.kind.as_str(), candidate.detail.as_str()) {
                (kind, detail) if detail.is_empty() || detail == kind => format!("  {kind}"),
                ("", detail) => format!("  {detail}"),
                (kind, detail) => format!("  {kind}  {detail}"),
            };
            row.push(detail.trim_end(), Kind::MenuDetail);
            rows.push(row);
        }
        let left = menu.candidates().len() - visible.end;
        if left > 0 || menu.more {
            let more = if menu.more { "and more" } else { "" };
            rows.push(Styled::plain(format!("  {left} below {more}").trim_end(), Kind::MenuDetail));
        }
    }

    /// The cursor's place one screen row down or up; None at the last or first one.
    pub(super) fn row(&mut self, down: bool) -> Option<usize> {
        let (prompt, continuation) = self.prompts();
        let geometry = Geometry {
            columns: self.size.columns,
            prompt: &prompt,
            continuation: &continuation,
            text: self.buffer.text(),
        };
        let cursor = self.buffer.cursor();
        let go = |goal| if down { geometry.row_below(cursor, goal) } else { geometry.row_above(cursor, goal) };
        let mut step = go(self.goal)?;
        // From the end of a line it goes to the ends of the others, as in CPython's prompt.
        let at_end = cursor == self.buffer.line_range().end;
        if self.goal.is_none() && at_end && self.buffer.text().line_at(step.offset) != self.buffer.line() {
            step = go(Some(usize::MAX))?;
        }
        self.goal = Some(step.goal);
        Some(step.offset)
    }

    /// Whether the history suggests something.
    #[must_use]
    pub fn has_suggestion(&self) -> bool {
        self.suggestion.is_some()
    }

    /// The signature that is shown.
    #[must_use]
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    /// The names and dots around the cursor.
    #[must_use]
    pub fn expression_at_cursor(&self) -> String {
        let text = self.text();
        let part = |char: char| char.is_alphanumeric() || char == '_';
        let end = self.cursor()
            + text[self.cursor()..]
                .char_indices()
                .find(|(_, char)| !part(*char))
                .map_or(text.len() - self.cursor(), |(at, _)| at);
        let start = text[..end].char_indices().rev().take_while(|(_, char)| part(*char) || *char == '.').last();
        text[start.map_or(end, |(at, _)| at)..end].trim_matches('.').to_owned()
    }

    /// Puts the cursor at the character boundary at or before `cursor`.
    pub fn set_cursor(&mut self, cursor: usize) {
        let text = self.text();
        let cursor = (0..=cursor.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        self.buffer.set_cursor(cursor);
    }
}

/// `text` with `mark` before it.
fn after(mark: &str, kind: Kind, text: &Styled) -> Styled {
    let mut marked = Styled::plain(mark, kind);
    text.runs().for_each(|(text, look)| marked.push(text, look));
    marked
}

fn spans_of<'a>(
    highlighter: &'a mut crate::highlight::Highlighter,
    text: &'a crate::text::Text,
    python: bool,
) -> impl FnMut(usize) -> Vec<Span> + 'a {
    move |line| {
        if !python {
            return Vec::new();
        }
        let content = text.line(line);
        if line == 0 && content.trim_start().starts_with(':') {
            return vec![Span { start: 0, end: content.len(), kind: Kind::Command }];
        }
        highlighter.line(text, line).to_vec()
    }
}
