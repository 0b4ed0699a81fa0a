//! One row of the screen: text in runs of one look.

use super::cluster;
use crate::{
    style::{Kind, Style},
    theme::Theme,
};

/// What a run looks like: by its kind, or as the user said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// As the theme has it.
    Kind(Kind),
    /// A kind, and another laid over it: a selected keyword.
    Over(Kind, Kind),
    /// Exactly so.
    Style(Style),
}

impl From<Kind> for Look {
    fn from(kind: Kind) -> Self {
        Look::Kind(kind)
    }
}

impl From<Style> for Look {
    fn from(style: Style) -> Self {
        Look::Style(style)
    }
}

impl Look {
    /// The style in this theme.
    #[must_use]
    pub fn style(self, theme: &Theme) -> Style {
        match self {
            Look::Kind(kind) => theme.style(kind),
            Look::Over(below, above) => {
                let (below, above) = (theme.style(below), theme.style(above));
                Style {
                    foreground: above.foreground.or(below.foreground),
                    background: above.background.or(below.background),
                    bold: above.bold || below.bold,
                    dim: above.dim || below.dim,
                    italic: above.italic || below.italic,
                    underline: above.underline || below.underline,
                    reverse: above.reverse || below.reverse,
                }
            }
            Look::Style(style) if !theme.is_colorless() => style,
            Look::Style(_) => Style::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    end: usize,
    look: Look,
}

/// A row of the screen. Nothing in it is a control character, and it is not wider than the window it was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    text: String,
    // Clusters never reach over the end of a run, so runs are also what is cut into clusters again.
    runs: Vec<Run>,
    columns: usize,
}

/// What one character position of a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    /// A grapheme cluster.
    pub text: &'a str,
    /// Its look.
    pub look: Look,
    /// Where it begins.
    pub column: usize,
    /// How many columns it takes.
    pub width: usize,
}

impl Row {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Row { text: String::with_capacity(bytes), ..Row::default() }
    }

    /// Adds text that is shown as it is and takes `width` columns.
    pub(super) fn push(&mut self, text: &str, width: usize, look: Look) {
        if text.is_empty() {
            return;
        }
        let apart = !text.as_bytes()[0].is_ascii() && !self.text.as_bytes().last().is_none_or(u8::is_ascii);
        self.text.push_str(text);
        self.columns += width;
        let end = self.text.len();
        match self.runs.last_mut() {
            Some(run) if run.look == look && !apart => run.end = end,
            _ => self.runs.push(Run { end, look }),
        }
    }

    /// What is shown, without styles.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many columns it takes.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The runs from left to right, if each byte is a cell.
    pub(crate) fn plain_runs(&self) -> Option<impl Iterator<Item = (&str, Look)>> {
        let mut start = 0;
        self.text.is_ascii().then(|| {
            self.runs.iter().map(move |run| {
                let text = &self.text[start..run.end];
                start = run.end;
                (text, run.look)
            })
        })
    }

    /// The cells from left to right.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let mut column = 0;
        let mut start = 0;
        self.runs
            .iter()
            .flat_map(move |run| {
                let text = &self.text[start..run.end];
                start = run.end;
                Pieces(text).map(move |text| (text, run.look))
            })
            .map(move |(text, look)| {
                let width = cluster::width(text);
                let cell = Cell { text, look, column, width };
                column += width;
                cell
            })
    }
}

/// Grapheme clusters, quickly where there is only ASCII.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let end = cluster::first_len(self.0)?;
        let (piece, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::parse_style;

    #[test]
    fn cells_have_the_columns_that_were_pushed() {
        let mut row = Row::default();
        row.push("ab", 2, Kind::Text.into());
        row.push("樂", 2, Kind::String.into());
        row.push("e\u{301}", 1, Kind::String.into());
        let cells: Vec<_> = row.cells().map(|cell| (cell.text, cell.column, cell.width)).collect();
        assert_eq!(cells, [("a", 0, 1), ("b", 1, 1), ("樂", 2, 2), ("e\u{301}", 4, 1)]);
        assert_eq!(row.columns(), 5);
    }

    #[test]
    fn what_was_pushed_apart_stays_apart() {
        let mut row = Row::default();
        row.push("\u{1f1e9}", 1, Kind::Text.into());
        row.push("\u{1f1ea}", 1, Kind::Text.into());
        assert_eq!(row.cells().count(), 2);
    }

    #[test]
    fn a_look_over_another_keeps_what_it_does_not_say() {
        let theme = Theme::dark();
        let style = Look::Over(Kind::Keyword, Kind::Selection).style(&theme);
        assert_eq!(style, parse_style("bold blue reverse").expect("a style"));
        assert_eq!(Look::Style(style).style(&Theme::none()), Style::default());
    }
}
