//! The painter: from one frame to the next in few bytes.
//!
//! It knows the region of rows that it drew, from the first row of the prompt on, and where in it the terminal's cursor
//! is. All motion is relative to that: where on the screen the region is, it neither knows nor asks. Rows end with CR LF
//! and never by running over the right edge, so that a terminal that reflows never joins two of them.

mod line;
mod pen;
mod shift;
mod terminal;

use terminal::{Place, Terminal, csi};

use crate::{
    layout::{Frame, Row, Size},
    style::Style,
    theme::Theme,
};

/// Bytes in several rows that are still written without asking the terminal to show them at once; a choice.
const SMALL: usize = 48;

/// What a terminal shows of the editor, and how to change that.
///
/// Bytes are appended to the vectors that are passed in; each call leaves the terminal without a style of its own.
#[derive(Clone, Debug)]
pub struct Painter {
    shown: Vec<Row>,
    terminal: Terminal,
    size: Size,
    theme: Theme,
    reflow: bool,
    /// Whether the region is there. If not, the cursor is taken to be at the start of a row with nothing of use below.
    begun: bool,
}

impl Default for Painter {
    fn default() -> Self {
        Painter {
            shown: Vec::new(),
            terminal: Terminal::new(1),
            size: Size { columns: 1, rows: 1 },
            theme: Theme::none(),
            reflow: true,
            begun: false,
        }
    }
}

impl Painter {
    /// A painter that has shown nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Painter::default()
    }

    /// Says whether the terminal breaks rows anew when it gets narrower. Most do, and that is assumed.
    pub fn set_reflow(&mut self, reflow: bool) {
        self.reflow = reflow;
    }

    /// Whether the region is on the screen.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.begun
    }

    /// The sequence that text of this kind begins with; none where the theme has nothing for it. `\x1b[m` ends it.
    #[must_use]
    pub fn sgr(theme: &Theme, kind: crate::style::Kind) -> String {
        let mut out = Vec::new();
        pen::change(Style::default(), theme.style(kind), &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// Shows `frame`.
    pub fn paint(&mut self, frame: Frame, theme: &Theme, out: &mut Vec<u8>) {
        if self.begun && self.size != frame.size {
            self.resized(self.size, frame.size, out);
        }
        if self.begun && self.theme != *theme {
            self.clear(out);
        }
        self.begin(frame.size, theme, out);
        let mut bytes = Vec::new();
        let changed = self.change(frame, &mut bytes);
        wrap(changed > 1 && bytes.len() > SMALL, &bytes, out);
    }

    fn begin(&mut self, size: Size, theme: &Theme, out: &mut Vec<u8>) {
        if self.theme != *theme {
            self.theme = theme.clone();
        }
        self.size = size;
        let columns = usize::from(size.columns).max(1);
        if !self.begun {
            out.extend_from_slice(b"\r\x1b[J");
            self.begun = true;
            self.terminal = Terminal::new(columns);
        }
        self.terminal.columns = columns;
    }

    /// Writes what turns the frame on the screen into `frame`, and says how many rows that touched.
    fn change(&mut self, frame: Frame, out: &mut Vec<u8>) -> usize {
        let differ = |shown: &[Row]| {
            let same = shown.iter().zip(&frame.rows).filter(|(shown, new)| shown == new).count();
            shown.len().max(frame.rows.len()) - same
        };
        let changed = differ(&self.shown);
        if changed > 1 && !self.shown.is_empty() {
            shift::apply(&mut self.terminal, &mut self.shown, &frame.rows, out);
        }
        let nothing = Row::default();
        let cursor = Place { row: frame.row, column: frame.column };
        for (row, new) in frame.rows.iter().enumerate() {
            let old = self.shown.get(row).unwrap_or(&nothing);
            if old != new {
                line::change(&mut self.terminal, (row, old, new), cursor, &self.theme, out);
            }
        }
        let end = frame.rows.len();
        if self.shown.len() > end && self.shown[end..].iter().any(|row| row.columns() > 0) {
            self.terminal.go(Place { row: end, column: 0 }, out);
            self.terminal.blank(1, 'J', out);
        }
        self.terminal.style(Style::default(), out);
        self.terminal.go(cursor, out);
        self.shown = frame.rows;
        changed
    }

    /// Erases the region and leaves the cursor at its top left: for output above the prompt, or an end without a trace.
    pub fn clear(&mut self, out: &mut Vec<u8>) {
        if self.begun {
            self.terminal.go(Place::default(), out);
            erase(self.size, out);
            self.forget();
        }
    }

    /// Shows the whole cell for good and leaves the cursor on a fresh row below: `rows` are those of
    /// [`full`](crate::layout::full). A cell that is taller than the window is printed from its first row to its last.
    pub fn accept(&mut self, size: Size, rows: impl IntoIterator<Item = Row>, theme: &Theme, out: &mut Vec<u8>) {
        if self.begun && (self.size != size || self.theme != *theme) {
            self.clear(out);
        }
        let mut rows = rows.into_iter().peekable();
        let window = usize::from(size.rows).max(1);
        let mut first: Vec<_> = rows.by_ref().take(window).collect();
        if first.is_empty() {
            first.push(Row::default());
        }
        if rows.peek().is_some() {
            self.clear(out);
        }
        self.begin(size, theme, out);
        let (row, column) = (first.len() - 1, first.last().map_or(0, Row::columns));
        let mut bytes = Vec::new();
        let changed = self.change(Frame { size, rows: first, row, column }, &mut bytes);
        wrap(changed > 1 && bytes.len() > SMALL, &bytes, out);
        let nothing = Row::default();
        for new in rows {
            out.extend_from_slice(b"\r\n");
            self.terminal.at = Place::default();
            line::change(&mut self.terminal, (0, &nothing, &new), Place::default(), &self.theme, out);
            self.terminal.style(Style::default(), out);
        }
        out.extend_from_slice(b"\r\n");
        self.forget();
    }

    /// Erases the region after the window has got another size; the next frame is painted anew.
    ///
    /// Terminals break the rows of the region again when the window gets narrower. They do not join those that were
    /// ended when it gets wider.
    pub fn resized(&mut self, old: Size, new: Size, out: &mut Vec<u8>) {
        if self.begun {
            let columns = usize::from(new.columns).max(1);
            let up = if self.reflow && new.columns < old.columns {
                let cursor = self.terminal.at;
                let above: usize = self.shown.iter().take(cursor.row).map(|row| height(row, columns, usize::MAX)).sum();
                above + self.shown.get(cursor.row).map_or(1, |row| height(row, columns, cursor.column)) - 1
            } else {
                self.terminal.at.row
            };
            out.push(b'\r');
            if up > 0 {
                csi(up, 'A', out);
            }
            erase(new, out);
            self.shown.clear();
            self.terminal = Terminal::new(columns);
        }
        self.size = new;
    }

    /// Says that the screen is unknown, as after another program had it: the next frame begins at the start of the row
    /// that the cursor is in, and erases what is below.
    pub fn forget(&mut self) {
        self.begun = false;
        self.shown.clear();
    }

    /// Clears the whole window; the next frame is at its top.
    pub fn clear_screen(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[H\x1b[2J");
        self.forget();
    }
}

/// How many rows of a window with `columns` the cells of a row before `end` take, and the place at `end` itself.
fn height(row: &Row, columns: usize, end: usize) -> usize {
    let mut rows = 1;
    let mut used = 0;
    for cell in row.cells().take_while(|cell| cell.column < end) {
        if used + cell.width > columns {
            rows += 1;
            used = 0;
        }
        used += cell.width;
    }
    rows
}

/// Erases from the row of the cursor on, by deleting lines: what ED erases from the top of the window on, tmux keeps in
/// the scrollback (its option `scroll-on-clear`).
fn erase(size: Size, out: &mut Vec<u8>) {
    csi(usize::from(size.rows).max(1), 'M', out);
}

/// Writes `bytes`, so that the terminal shows them at once when there are many.
fn wrap(many: bool, bytes: &[u8], out: &mut Vec<u8>) {
    if many {
        out.extend_from_slice(b"\x1b[?2026h\x1b[?25l");
    }
    out.extend_from_slice(bytes);
    if many {
        out.extend_from_slice(b"\x1b[?25h\x1b[?2026l");
    }
}
