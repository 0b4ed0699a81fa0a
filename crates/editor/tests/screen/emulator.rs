//! A terminal of its own for each test, and an editor's state painted on it.

use std::{num::NonZeroU16, ops::Range};

use keelback_editor::{
    layout::{Frame, Layout, Size, Styled, View, full},
    painter::Painter,
    style::{Kind, Span},
    text::Text,
    theme::Theme,
};

/// What a view is made from.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) prompt: Styled,
    pub(crate) text: Text,
    pub(crate) cursor: usize,
    pub(crate) selection: Option<Range<usize>>,
    pub(crate) brackets: Option<(usize, usize)>,
    pub(crate) suggestion: Option<String>,
    pub(crate) below: Vec<Styled>,
}

impl Default for State {
    fn default() -> Self {
        State {
            prompt: Styled::plain(">>> ", Kind::Prompt),
            text: Text::default(),
            cursor: 0,
            selection: None,
            brackets: None,
            suggestion: None,
            below: Vec::new(),
        }
    }
}

impl State {
    /// A text with the cursor where `|` is, or at its end.
    pub(crate) fn new(text: &str) -> Self {
        let cursor = text.find('|').unwrap_or(text.len());
        State { text: Text::from(text.replacen('|', "", 1)), cursor, ..State::default() }
    }

    /// Colours digits and quotes, so that rows have more than one style.
    fn spans(&self, line: usize) -> Vec<Span> {
        let kind = |char: char| match char {
            '0'..='9' => Some(Kind::Number),
            '\'' => Some(Kind::String),
            'd' => Some(Kind::Keyword),
            _ => None,
        };
        let chars = self.text.line(line).char_indices();
        chars
            .filter_map(|(start, char)| kind(char).map(|kind| Span { start, end: start + char.len_utf8(), kind }))
            .collect()
    }

    pub(crate) fn with_view<T>(&self, size: Size, with: impl FnOnce(View<'_>) -> T) -> T {
        with(View {
            size,
            prompt: &self.prompt,
            continuation: &Styled::plain("... ", Kind::Continuation),
            text: &self.text,
            cursor: self.cursor,
            selection: self.selection.clone(),
            brackets: self.brackets,
            found: None,
            spans: &mut |line| self.spans(line),
            suggestion: self.suggestion.as_deref(),
            below: &self.below,
        })
    }
}

/// What one place of the screen shows: the characters, the colours, and whether it is bold and so on.
pub(crate) type Place = (String, vt100::Color, vt100::Color, [bool; 5]);

/// An emulator, and the editor on it.
pub(crate) struct Screen {
    pub(crate) size: Size,
    pub(crate) painter: Painter,
    pub(crate) layout: Layout,
    pub(crate) theme: Theme,
    /// The cursor's row in the region.
    pub(crate) row: usize,
    /// Bytes of the last call.
    pub(crate) bytes: Vec<u8>,
    parser: vt100::Parser,
}

fn cells(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("tests use windows with room")
}

impl Screen {
    pub(crate) fn new(columns: u16, rows: u16) -> Self {
        Screen {
            size: Size { columns, rows },
            painter: Painter::new(),
            layout: Layout::new(),
            theme: Theme::dark(),
            row: 0,
            bytes: Vec::new(),
            parser: vt100::Parser::new(cells(rows), cells(columns), 100_000),
        }
    }

    fn apply(&mut self) {
        self.parser.process(&self.bytes);
    }

    pub(crate) fn frame(&mut self, state: &State) -> Frame {
        state.with_view(self.size, |mut view| self.layout.frame(&mut view))
    }

    pub(crate) fn paint(&mut self, state: &State) -> &mut Self {
        let frame = self.frame(state);
        self.row = frame.row;
        self.bytes.clear();
        self.painter.paint(frame, &self.theme, &mut self.bytes);
        self.apply();
        self
    }

    pub(crate) fn accept(&mut self, state: &State) {
        self.bytes.clear();
        let Screen { painter, bytes, size, theme, .. } = self;
        state.with_view(*size, |view| painter.accept(*size, full(view), theme, bytes));
        self.row = 0;
        self.apply();
    }

    /// Output of a program, from the start of a row on.
    pub(crate) fn print(&mut self, text: &str) {
        self.bytes.clear();
        self.painter.clear(&mut self.bytes);
        self.bytes.extend_from_slice(text.replace('\n', "\r\n").as_bytes());
        self.row = 0;
        self.apply();
    }

    pub(crate) fn clear_screen(&mut self) {
        self.bytes.clear();
        self.painter.clear_screen(&mut self.bytes);
        self.row = 0;
        self.apply();
    }

    /// The window is dragged to another size; this emulator does not reflow.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let new = Size { columns, rows };
        self.parser.screen_mut().set_size(cells(rows), cells(columns));
        self.bytes.clear();
        self.painter.set_reflow(false);
        self.painter.resized(self.size, new, &mut self.bytes);
        self.size = new;
        self.row = 0;
        self.apply();
    }

    /// Row and column on the screen.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        self.parser.screen().cursor_position()
    }

    /// The rows of the window down to the last that is not blank, without blanks at their ends.
    pub(crate) fn rows(&self) -> Vec<String> {
        let mut rows: Vec<_> =
            self.parser.screen().rows(0, self.size.columns).map(|row| row.trim_end().to_owned()).collect();
        while rows.pop_if(|row| row.is_empty()).is_some() {}
        rows
    }

    /// The first row of the region on the screen.
    pub(crate) fn top(&self) -> usize {
        usize::from(self.cursor().0).checked_sub(self.row).expect("the region does not begin above the window")
    }

    /// Everything above the region, the scrollback first.
    pub(crate) fn above(&mut self) -> Vec<String> {
        let (top, columns, window) = (self.top(), self.size.columns, usize::from(self.size.rows));
        let screen = self.parser.screen_mut();
        let shown = |screen: &vt100::Screen| -> Vec<String> {
            screen.rows(0, columns).map(|row| row.trim_end().to_owned()).collect()
        };
        let mut rows = Vec::new();
        let mut left = screen.scrollback_len();
        while left > 0 {
            screen.set_scrollback(left);
            rows.extend(shown(screen).into_iter().take(left.min(window)));
            left -= left.min(window);
        }
        screen.set_scrollback(0);
        rows.extend(shown(screen).into_iter().take(top));
        rows
    }

    /// The region and all that is below it.
    pub(crate) fn region(&self) -> Vec<Vec<Place>> {
        let screen = self.parser.screen();
        let top = u16::try_from(self.top()).expect("a row of the window");
        let place = |row, column| -> Place {
            let cell = screen.cell(row, column).expect("a place of the window");
            let text = if cell.has_contents() { cell.contents() } else { " " };
            let on = [cell.bold(), cell.dim(), cell.italic(), cell.underline(), cell.inverse()];
            (text.to_owned(), cell.fgcolor(), cell.bgcolor(), on)
        };
        let blank = (" ".to_owned(), vt100::Color::Default, vt100::Color::Default, [false; 5]);
        let mut rows: Vec<Vec<Place>> = (top..self.size.rows)
            .map(|row| (0..self.size.columns).map(|column| place(row, column)).collect())
            .collect();
        while rows.pop_if(|row| row.iter().all(|place| *place == blank)).is_some() {}
        rows
    }

    /// Whether the terminal is left with a style, a hidden cursor or the like.
    pub(crate) fn is_left_clean(&self) -> bool {
        let screen = self.parser.screen();
        !screen.hide_cursor() && screen.fgcolor() == vt100::Color::Default && !screen.bold() && !screen.inverse()
    }
}
