//! Text in runs of different looks, and prompts that users wrote with escape sequences in them.

use super::{
    cluster::clusters,
    row::{Look, Row},
};
use crate::style::{Color, Kind, Style};

/// Text in runs of one look each: a prompt, an entry of a menu, a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Styled {
    runs: Vec<(String, Look)>,
}

impl Styled {
    /// Text of one kind.
    #[must_use]
    pub fn plain(text: impl Into<String>, kind: Kind) -> Self {
        Styled { runs: vec![(text.into(), kind.into())] }
    }

    /// Adds a run.
    #[must_use]
    pub fn with(mut self, text: impl Into<String>, look: impl Into<Look>) -> Self {
        self.push(text, look);
        self
    }

    /// Adds a run.
    pub fn push(&mut self, text: impl Into<String>, look: impl Into<Look>) {
        self.runs.push((text.into(), look.into()));
    }

    /// The runs, in order.
    pub fn runs(&self) -> impl Iterator<Item = (&str, Look)> {
        self.runs.iter().map(|(text, look)| (text.as_str(), *look))
    }

    /// A prompt such as `sys.ps1` may hold: SGR sequences become styles, and then nothing in it is of `kind` any more.
    /// Other escape sequences are left out, and so are the marks `\x01` and `\x02` that readline wants around them.
    #[must_use]
    pub fn parse(text: &str, kind: Kind) -> Self {
        let mut styled = Styled::default();
        let mut style = Style::default();
        let explicit = text.contains("\x1b[");
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(['\x1b', '\x01', '\x02']).unwrap_or(rest.len());
            let look = if explicit { Look::Style(style) } else { Look::Kind(kind) };
            if end > 0 {
                styled.push(&rest[..end], look);
            }
            rest = &rest[end..];
            if let Some(escape) = rest.strip_prefix('\x1b') {
                let (parameters, after) = skip_escape(escape);
                if let Some(parameters) = parameters {
                    apply_sgr(&mut style, parameters);
                }
                rest = after;
            } else {
                rest = rest.get(1..).unwrap_or_default();
            }
        }
        styled
    }

    /// The rows of a prompt of several lines: those above its last, and the last, cut to `columns` and `last_columns`.
    pub(super) fn rows(&self, columns: usize, last_columns: usize) -> (Vec<Row>, Row) {
        let mut above = Vec::new();
        let mut row = Styled::default();
        for (text, look) in self.runs() {
            let mut lines = text.split('\n');
            row.push(lines.next().unwrap_or_default(), look);
            for line in lines {
                above.push(std::mem::take(&mut row).row(columns));
                row.push(line, look);
            }
        }
        (above, row.row(last_columns))
    }

    /// One row, cut to `columns`.
    pub(crate) fn row(&self, columns: usize) -> Row {
        let mut row = Row::default();
        for (text, look) in self.runs() {
            for cluster in clusters(text, 0, row.columns(), usize::MAX) {
                if row.columns() + cluster.width > columns {
                    return row;
                }
                let control = cluster.escaped && !cluster.shown.starts_with(' ');
                row.push(&cluster.shown, cluster.width, if control { Kind::Control.into() } else { look });
            }
        }
        row
    }
}

/// The parameters if the sequence after an escape character is SGR, and what follows the sequence.
fn skip_escape(text: &str) -> (Option<&str>, &str) {
    if let Some(control) = text.strip_prefix('[') {
        let end = control.find(|char| matches!(char, '@'..='~')).unwrap_or(control.len());
        let after = control.get(end + 1..).unwrap_or_default();
        return (control[end..].starts_with('m').then(|| &control[..end]), after);
    }
    if let Some(string) = text.strip_prefix([']', 'P', '_', '^']) {
        let bell = string.find('\x07').map(|at| (at, 1));
        let terminator = string.find("\x1b\\").map(|at| (at, 2));
        let end = [bell, terminator].into_iter().flatten().min();
        return (None, end.map_or("", |(at, len)| &string[at + len..]));
    }
    let mut chars = text.chars();
    chars.next();
    (None, chars.as_str())
}

fn apply_sgr(style: &mut Style, parameters: &str) {
    let mut numbers = parameters.split([';', ':']).map(|number| match number {
        "" => Some(0),
        _ => number.parse::<u8>().ok(),
    });
    while let Some(number) = numbers.next() {
        match number.unwrap_or(u8::MAX) {
            0 => *style = Style::default(),
            1 => style.bold = true,
            2 => style.dim = true,
            3 => style.italic = true,
            4 => style.underline = true,
            7 => style.reverse = true,
            22 => (style.bold, style.dim) = (false, false),
            23 => style.italic = false,
            24 => style.underline = false,
            27 => style.reverse = false,
            at @ 30..=37 => style.foreground = Some(Color::Palette(at - 30)),
            38 => style.foreground = extended(&mut numbers),
            39 => style.foreground = None,
            at @ 40..=47 => style.background = Some(Color::Palette(at - 40)),
            48 => style.background = extended(&mut numbers),
            49 => style.background = None,
            at @ 90..=97 => style.foreground = Some(Color::Palette(at - 90 + 8)),
            at @ 100..=107 => style.background = Some(Color::Palette(at - 100 + 8)),
            _ => {}
        }
    }
}

fn extended(numbers: &mut impl Iterator<Item = Option<u8>>) -> Option<Color> {
    match numbers.next()?? {
        5 => {
            let index = numbers.next()??;
            Some(if index < 16 { Color::Palette(index) } else { Color::Fixed(index) })
        }
        2 => Some(Color::Rgb(numbers.next()??, numbers.next()??, numbers.next()??)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::parse_style;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let styled = Styled::parse(text, Kind::Prompt);
        let runs: Vec<_> = styled.runs().collect();
        let expected: Vec<_> =
            expected.iter().map(|(text, style)| (*text, Look::Style(parse_style(style).expect("a style")))).collect();
        assert_eq!(runs, expected);
    }

    #[test]
    fn escapes_become_styles_and_take_no_cells() {
        check("\x01\x1b[1;32m\x02>>> \x01\x1b[0m\x02", &[(">>> ", "bold green")]);
        check("\x1b[38;5;208ma\x1b[39;48;2;1;2;3mb\x1b[mc", &[("a", "208"), ("b", "on #010203"), ("c", "")]);
        check("\x1b]0;title\x07\x1b[91mx\x1b[2Jy", &[("x", "bright red"), ("y", "bright red")]);
        check("\x1b[4", &[]);
    }

    #[test]
    fn a_prompt_without_escapes_is_of_its_kind() {
        assert_eq!(Styled::parse(">>> ", Kind::Prompt), Styled::plain(">>> ", Kind::Prompt));
    }

    #[test]
    fn rows_are_cut_between_clusters() {
        assert_eq!(Styled::plain("a樂樂", Kind::Text).row(4).text(), "a樂");
        let (above, last) = Styled::plain("top\nmid\n>>> ", Kind::Prompt).rows(2, 9);
        let above: Vec<_> = above.iter().map(Row::text).collect();
        assert_eq!((above, last.text()), (vec!["to", "mi"], ">>> "));
    }
}
