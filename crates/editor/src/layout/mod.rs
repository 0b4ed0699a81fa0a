//! The layout: from what is to be shown to the rows of one frame.
//!
//! A [`Layout`] keeps only how far the text was scrolled. A frame costs what its rows cost, however long the text is.

mod cluster;
mod row;
mod styled;
mod wrap;

use std::{borrow::Cow, ops::Range};

use cluster::clusters;
pub(crate) use cluster::is_doubtful;
pub use row::{Cell, Look, Row};
pub use styled::Styled;
pub use wrap::{Geometry, Step};
use wrap::{Grid, Piece};

use crate::{
    style::{Kind, Span},
    text::Text,
};

/// The size of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns; 0 is taken as 1.
    pub columns: u16,
    /// Rows; 0 is taken as 1.
    pub rows: u16,
}

/// What is to be shown.
pub struct View<'a> {
    /// Of the window.
    pub size: Size,
    /// Before the first line. It may have several lines of its own.
    pub prompt: &'a Styled,
    /// Before each further line of the text; not before the rows that a long line takes.
    pub continuation: &'a Styled,
    /// The text.
    pub text: &'a Text,
    /// Byte offset in the text.
    pub cursor: usize,
    /// Bytes that are selected.
    pub selection: Option<Range<usize>>,
    /// Byte offsets of a bracket and the one that matches it.
    pub brackets: Option<(usize, usize)>,
    /// Bytes that a search found.
    pub found: Option<Range<usize>>,
    /// The kinds in a line, in order; only asked for lines that are shown.
    pub spans: &'a mut dyn FnMut(usize) -> Vec<Span>,
    /// Shown after the end of the text while the cursor is there: its first line, and a note when there are more.
    pub suggestion: Option<&'a str>,
    /// Rows below the text. The text goes first: they get half of the window, and what it leaves.
    pub below: &'a [Styled],
}

impl<'a> View<'a> {
    /// What decides where lines are broken.
    #[must_use]
    pub fn geometry(&self) -> Geometry<'a> {
        Geometry { columns: self.size.columns, prompt: self.prompt, continuation: self.continuation, text: self.text }
    }
}

/// What the painter is to show: rows, none wider than the window and not more than it has, and the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Of the window.
    pub size: Size,
    /// From top to bottom; at least one.
    pub rows: Vec<Row>,
    /// The row of the cursor, from 0.
    pub row: usize,
    /// The column of the cursor, from 0.
    pub column: usize,
}

/// A row of the text: that of a line and, in it, the number of the row with those of the prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    line: usize,
    row: usize,
}

/// Turns views into frames, and keeps how far the text was scrolled between them.
#[derive(Debug, Default)]
pub struct Layout {
    top: Place,
    shown: usize,
}

impl Layout {
    /// A layout that has not scrolled.
    #[must_use]
    pub fn new() -> Self {
        Layout::default()
    }

    /// The frame for `view`; scrolls as far as it takes for the cursor to be in it.
    pub fn frame(&mut self, view: &mut View<'_>) -> Frame {
        let sheet = Sheet::new(view);
        let window = usize::from(view.size.rows).max(1);
        let height = sheet.height(window);
        let below = view.below.len().min(window - height.min(window.div_ceil(2)));
        let room = window - below;
        let cursor_line = view.text.line_at(view.cursor);
        let cursor_text = sheet.line(cursor_line);
        let (index, column) = sheet
            .grid
            .wrap(cursor_line, &cursor_text)
            .locate(&cursor_text, view.cursor - view.text.line_range(cursor_line).start);
        let cursor = Place { line: cursor_line, row: sheet.above(cursor_line) + index };
        self.scroll(&sheet, cursor, height, room);

        let mut rows = Vec::with_capacity(height.min(room) + below);
        let mut row = 0;
        sheet.rows(view.spans, self.top, |place, next| {
            if place == cursor {
                row = rows.len();
            }
            rows.push(next);
            rows.len() < room
        });
        self.shown = rows.len();
        let columns = usize::from(view.size.columns).max(1);
        rows.extend(view.below[..below].iter().map(|styled| styled.row(columns)));
        Frame { size: view.size, rows, row, column: column.min(columns - 1) }
    }

    fn scroll(&mut self, sheet: &Sheet<'_>, cursor: Place, height: usize, room: usize) {
        if height <= room {
            self.top = Place::default();
            return;
        }
        let last_line = sheet.text.line_count() - 1;
        let last = Place { line: last_line, row: sheet.line_height(last_line) - 1 };
        self.top = self.top.min(cursor).min(sheet.back(last, room - 1)).max(sheet.back(cursor, room - 1));
        // The text may have changed so that the line has fewer rows now.
        self.top.row = self.top.row.min(sheet.line_height(self.top.line) - 1);
    }

    /// The byte offset shown at a place of the last frame; nothing below the text.
    #[must_use]
    pub fn offset_at(&self, view: &View<'_>, row: usize, column: usize) -> Option<usize> {
        if row >= self.shown {
            return None;
        }
        let sheet = Sheet::new(view);
        let mut left = self.top.row + row;
        for line in self.top.line..view.text.line_count() {
            let height = sheet.line_height(line);
            if left < height {
                let text = sheet.line(line);
                let wrapped = sheet.grid.wrap(line, &text);
                let index = left.saturating_sub(sheet.above(line));
                let range = view.text.line_range(line);
                return Some((range.start + wrapped.offset_at(&text, index, column)).min(range.end));
            }
            left -= height;
        }
        None
    }
}

/// All rows of the text with its colours, without anything laid over it: what stays on the screen after Enter.
pub fn full(view: View<'_>) -> impl Iterator<Item = Row> {
    let View { size, prompt, continuation, text, spans, .. } = view;
    let geometry = Geometry { columns: size.columns, prompt, continuation, text };
    let sheet = Sheet { grid: Grid::new(&geometry), text, suggestion: None, over: Vec::new() };
    (0..text.line_count()).flat_map(move |line| {
        let mut rows = Vec::new();
        sheet.line_rows(&spans(line), Place { line, row: 0 }, |_, row| {
            rows.push(row);
            true
        });
        rows
    })
}

/// A view with what is computed once per frame.
struct Sheet<'a> {
    grid: Grid,
    text: &'a Text,
    suggestion: Option<&'a str>,
    // Byte ranges of the text, the ones on top last.
    over: Vec<(Range<usize>, Kind)>,
}

impl<'a> Sheet<'a> {
    fn new(view: &View<'a>) -> Self {
        let mut over = Vec::new();
        if let Some((one, other)) = view.brackets {
            over.extend([one, other].map(|at| (at..at + 1, Kind::Bracket)));
        }
        over.extend(view.found.clone().map(|range| (range, Kind::Found)));
        over.extend(view.selection.clone().map(|range| (range, Kind::Selection)));
        let suggestion = view.suggestion.filter(|text| view.cursor == view.text.len() && !text.is_empty());
        Sheet { grid: Grid::new(&view.geometry()), text: view.text, suggestion, over }
    }

    /// The text of a line as it is shown.
    fn line(&self, line: usize) -> Cow<'a, str> {
        let text = self.text.line(line);
        match self.suggestion {
            Some(suggestion) if line + 1 == self.text.line_count() => match suggestion.split_once('\n') {
                Some((first, _)) => Cow::Owned(format!("{text}{first} ...")),
                None => Cow::Owned(format!("{text}{suggestion}")),
            },
            _ => Cow::Borrowed(text),
        }
    }

    /// Rows of the prompt above those of the line.
    fn above(&self, line: usize) -> usize {
        if line == 0 { self.grid.above.len() } else { 0 }
    }

    fn line_height(&self, line: usize) -> usize {
        self.grid.height(line, &self.line(line))
    }

    /// The rows of the text; beyond `most` not counted any further.
    fn height(&self, most: usize) -> usize {
        let mut rows = 0;
        for line in 0..self.text.line_count() {
            rows += self.line_height(line);
            if rows > most {
                break;
            }
        }
        rows
    }

    /// The place `rows` rows above `place`, or the first.
    fn back(&self, mut place: Place, mut rows: usize) -> Place {
        while rows > place.row {
            if place.line == 0 {
                return Place::default();
            }
            rows -= place.row + 1;
            place.line -= 1;
            place.row = self.line_height(place.line) - 1;
        }
        Place { row: place.row - rows, ..place }
    }

    /// Gives the rows from `top` on to `take` until it wants no more.
    fn rows(&self, spans: &mut dyn FnMut(usize) -> Vec<Span>, top: Place, mut take: impl FnMut(Place, Row) -> bool) {
        let mut from = top;
        while from.line < self.text.line_count() {
            if !self.line_rows(&spans(from.line), from, &mut take) {
                return;
            }
            from = Place { line: from.line + 1, row: 0 };
        }
    }

    /// The same for one line.
    fn line_rows(&self, spans: &[Span], from: Place, mut take: impl FnMut(Place, Row) -> bool) -> bool {
        let Place { line, row } = from;
        let above = if line == 0 { &self.grid.above[..] } else { &[] };
        for (index, prompt) in above.iter().enumerate().skip(row) {
            if !take(Place { line, row: index }, prompt.clone()) {
                return false;
            }
        }
        let text = self.line(line);
        let wrapped = self.grid.wrap(line, &text);
        let marks = Marks::new(self, spans, line);
        for index in row.saturating_sub(above.len())..wrapped.rows.len() {
            let piece = wrapped.rows[index];
            let prompt = if index == 0 {
                self.grid.prompt(line).clone()
            } else {
                Row::with_capacity(piece.end - piece.start + 1)
            };
            let mut row = marks.row(prompt, &text, piece, wrapped.plain, self.grid.room);
            // In a window of one column there is no place for the mark.
            if index + 1 < wrapped.rows.len() && row.columns() < self.grid.columns {
                row.push("\\", 1, Kind::Wrap.into());
            }
            if !take(Place { line, row: above.len() + index }, row) {
                return false;
            }
        }
        true
    }
}

/// What the bytes of one line look like.
struct Marks<'a> {
    spans: &'a [Span],
    over: Vec<(Range<usize>, Kind)>,
    /// Bytes of the line; what comes after is the suggestion.
    len: usize,
}

impl<'a> Marks<'a> {
    fn new(sheet: &Sheet<'_>, spans: &'a [Span], line: usize) -> Self {
        let range = sheet.text.line_range(line);
        let over = sheet.over.iter().filter(|(over, _)| over.start < range.end && over.end > range.start);
        let over = over.map(|(over, kind)| {
            (over.start.max(range.start) - range.start..over.end.min(range.end) - range.start, *kind)
        });
        Marks { spans, over: over.collect(), len: range.len() }
    }

    /// The look at byte `at`, and where the next one begins.
    fn at(&self, at: usize) -> (Look, usize) {
        if at >= self.len {
            return (Kind::Suggestion.into(), usize::MAX);
        }
        let mut end = self.len;
        let span = &self.spans[self.spans.partition_point(|span| span.end <= at)..];
        let kind = match span.first() {
            Some(span) if span.start <= at => {
                end = end.min(span.end);
                span.kind
            }
            Some(span) => {
                end = end.min(span.start);
                Kind::Text
            }
            None => Kind::Text,
        };
        let mut look = Look::Kind(kind);
        for (range, over) in &self.over {
            if range.contains(&at) {
                look = Look::Over(kind, *over);
                end = end.min(range.end);
            } else if at < range.start {
                end = end.min(range.start);
            }
        }
        (look, end)
    }

    /// Adds a piece of the line to `row`.
    fn row(&self, mut row: Row, line: &str, piece: Piece, plain: bool, room: usize) -> Row {
        if plain {
            let mut at = piece.start;
            while at < piece.end {
                let (look, end) = self.at(at);
                let end = end.min(piece.end);
                row.push(&line[at..end], end - at, look);
                at = end;
            }
            return row;
        }
        let (mut look, mut end) = (Look::Kind(Kind::Text), 0);
        for cluster in clusters(line, piece.start, piece.column, room) {
            if cluster.start >= piece.end {
                break;
            }
            if cluster.start >= end {
                (look, end) = self.at(cluster.start);
            }
            let escaped = cluster.escaped && !cluster.shown.starts_with(' ');
            let look = match look {
                Look::Over(_, over) if escaped => Look::Over(Kind::Control, over),
                _ if escaped => Look::Kind(Kind::Control),
                _ => look,
            };
            row.push(&cluster.shown, cluster.width, look);
        }
        row
    }
}
