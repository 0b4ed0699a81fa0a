//! Themes: the style of each kind of text, and how people write styles.

use std::fmt;

use crate::style::{Color, Kind, Style};

/// Every kind and its name in a configuration file, in the order of [`Kind`].
const KINDS: [(&str, Kind); 31] = [
    ("text", Kind::Text),
    ("prompt", Kind::Prompt),
    ("continuation", Kind::Continuation),
    ("keyword", Kind::Keyword),
    ("soft-keyword", Kind::SoftKeyword),
    ("builtin", Kind::Builtin),
    ("definition", Kind::Definition),
    ("decorator", Kind::Decorator),
    ("string", Kind::String),
    ("interpolation", Kind::Interpolation),
    ("number", Kind::Number),
    ("comment", Kind::Comment),
    ("operator", Kind::Operator),
    ("invalid", Kind::Invalid),
    ("command", Kind::Command),
    ("suggestion", Kind::Suggestion),
    ("control", Kind::Control),
    ("wrap", Kind::Wrap),
    ("menu-item", Kind::MenuItem),
    ("menu-selected", Kind::MenuSelected),
    ("menu-detail", Kind::MenuDetail),
    ("signature", Kind::Signature),
    ("signature-active", Kind::SignatureActive),
    ("message", Kind::Message),
    ("found", Kind::Found),
    ("selection", Kind::Selection),
    ("bracket", Kind::Bracket),
    ("traceback-place", Kind::TracebackPlace),
    ("traceback-mark", Kind::TracebackMark),
    ("traceback-error", Kind::TracebackError),
    ("traceback-message", Kind::TracebackMessage),
];

const COLORS: [&str; 8] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

// What CPython 3.14 colours, it colours like this (`_colorize.Syntax`); the rest is a choice.
const DARK: &[(Kind, &str)] = &[
    (Kind::Prompt, "bold magenta"),
    (Kind::Continuation, "bold magenta"),
    (Kind::Keyword, "bold blue"),
    (Kind::SoftKeyword, "bold blue"),
    (Kind::Builtin, "cyan"),
    (Kind::Definition, "bold"),
    (Kind::Decorator, "cyan"),
    (Kind::String, "green"),
    (Kind::Interpolation, "cyan"),
    (Kind::Number, "yellow"),
    (Kind::Comment, "red"),
    (Kind::Invalid, "bright red underline"),
    (Kind::Command, "bold cyan"),
    (Kind::Suggestion, "bright black"),
    (Kind::Control, "bright magenta"),
    (Kind::Wrap, "bright black"),
    (Kind::MenuSelected, "reverse"),
    (Kind::MenuDetail, "bright black"),
    (Kind::Signature, "bright black"),
    (Kind::SignatureActive, "bold"),
    (Kind::Message, "bright yellow"),
    (Kind::Found, "black on yellow"),
    (Kind::Selection, "reverse"),
    (Kind::Bracket, "bold underline"),
    (Kind::TracebackPlace, "magenta"),
    (Kind::TracebackMark, "bold red"),
    (Kind::TracebackError, "bold magenta"),
    (Kind::TracebackMessage, "magenta"),
];

// On white, yellow and cyan of most palettes are hard to read, and bright black is the grey that is not.
const LIGHT: &[(Kind, &str)] = &[
    (Kind::Prompt, "bold magenta"),
    (Kind::Continuation, "bold magenta"),
    (Kind::Keyword, "bold blue"),
    (Kind::SoftKeyword, "bold blue"),
    (Kind::Builtin, "30"),
    (Kind::Definition, "bold"),
    (Kind::Decorator, "30"),
    (Kind::String, "22"),
    (Kind::Interpolation, "30"),
    (Kind::Number, "94"),
    (Kind::Comment, "124"),
    (Kind::Invalid, "red underline"),
    (Kind::Command, "bold 30"),
    (Kind::Suggestion, "245"),
    (Kind::Control, "magenta"),
    (Kind::Wrap, "245"),
    (Kind::MenuSelected, "reverse"),
    (Kind::MenuDetail, "242"),
    (Kind::Signature, "242"),
    (Kind::SignatureActive, "bold"),
    (Kind::Message, "94"),
    (Kind::Found, "black on 229"),
    (Kind::Selection, "reverse"),
    (Kind::Bracket, "bold underline"),
    (Kind::TracebackPlace, "magenta"),
    (Kind::TracebackMark, "bold red"),
    (Kind::TracebackError, "bold magenta"),
    (Kind::TracebackMessage, "magenta"),
];

/// The style of each kind of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    styles: [Style; KINDS.len()],
    colorless: bool,
}

impl Default for Theme {
    fn default() -> Self {
        Theme::dark()
    }
}

impl Theme {
    /// The colours of CPython's own prompt, for a dark background.
    #[must_use]
    pub fn dark() -> Self {
        Theme::built_in(DARK)
    }

    /// Colours for a light background.
    #[must_use]
    pub fn light() -> Self {
        Theme::built_in(LIGHT)
    }

    /// Nothing has a style, not even a prompt that brings its own: no SGR sequence is ever written.
    #[must_use]
    pub fn none() -> Self {
        Theme { styles: [Style::default(); KINDS.len()], colorless: true }
    }

    /// `dark`, `light` or `none`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "dark" => Some(Theme::dark()),
            "light" => Some(Theme::light()),
            "none" => Some(Theme::none()),
            _ => None,
        }
    }

    fn built_in(table: &[(Kind, &str)]) -> Self {
        let mut theme = Theme { styles: [Style::default(); KINDS.len()], colorless: false };
        for (kind, style) in table {
            theme.set(*kind, parse_style(style).expect("the tables are tested"));
        }
        theme
    }

    /// Whether no style is ever shown.
    #[must_use]
    pub fn is_colorless(&self) -> bool {
        self.colorless
    }

    /// The style of one kind.
    #[must_use]
    pub fn style(&self, kind: Kind) -> Style {
        self.styles[kind as usize]
    }

    /// Gives one kind another style. The theme without colours stays without.
    pub fn set(&mut self, kind: Kind, style: Style) {
        if !self.colorless {
            self.styles[kind as usize] = style;
        }
    }
}

/// Every kind of text with its name, for documentation.
pub fn kinds() -> impl Iterator<Item = (&'static str, Kind)> {
    KINDS.into_iter()
}

/// The kind of this name in a configuration file: `soft-keyword`, `menu-item`.
#[must_use]
pub fn kind_by_name(name: &str) -> Option<Kind> {
    KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// A word that says nothing about a style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StyleError {
    /// The word.
    pub word: String,
}

impl fmt::Display for StyleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a colour or one of bold, dim, italic, underline, reverse, on, bright", self.word)
    }
}

impl std::error::Error for StyleError {}

/// A style in words: `bold red`, `bright black on 229`, `italic #a0a0ff`. Nothing and `default` are plain text.
///
/// # Errors
/// The first word that is not known, or the last one when it needs a colour after it.
pub fn parse_style(words: &str) -> Result<Style, StyleError> {
    let mut style = Style::default();
    let (mut background, mut bright) = (false, false);
    for word in words.split_whitespace() {
        match word {
            "bold" => style.bold = true,
            "dim" => style.dim = true,
            "italic" => style.italic = true,
            "underline" => style.underline = true,
            "reverse" => style.reverse = true,
            "on" => background = true,
            "bright" => bright = true,
            _ => {
                let color = parse_color(word, bright).ok_or_else(|| StyleError { word: word.to_owned() })?;
                if background {
                    style.background = color;
                } else {
                    style.foreground = color;
                }
                (background, bright) = (false, false);
            }
        }
    }
    if background || bright {
        return Err(StyleError { word: words.split_whitespace().next_back().unwrap_or_default().to_owned() });
    }
    Ok(style)
}

/// `Some(None)` is the terminal's own colour.
fn parse_color(word: &str, bright: bool) -> Option<Option<Color>> {
    if let Some(index) = COLORS.iter().position(|name| *name == word) {
        return Some(Some(Color::Palette(u8::try_from(index).ok()? + if bright { 8 } else { 0 })));
    }
    if bright {
        return None;
    }
    if let Some(hex) = word.strip_prefix('#') {
        if hex.len() != 6 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let value = u32::from_str_radix(hex, 16).ok()?;
        let [_, red, green, blue] = value.to_be_bytes();
        return Some(Some(Color::Rgb(red, green, blue)));
    }
    match word {
        "default" => Some(None),
        "gray" | "grey" => Some(Some(Color::Palette(8))),
        _ => {
            let index: u8 = word.parse().ok()?;
            Some(Some(if index < 16 { Color::Palette(index) } else { Color::Fixed(index) }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_at_its_place_in_the_table() {
        for (index, (name, kind)) in KINDS.iter().enumerate() {
            assert_eq!((*kind as usize, kind_by_name(name)), (index, Some(*kind)));
        }
        assert_eq!(Kind::TracebackMessage as usize + 1, KINDS.len());
        for name in ["dark", "light"] {
            let theme = Theme::by_name(name).expect("built in");
            assert_ne!(theme.style(Kind::Keyword), theme.style(Kind::Text));
        }
    }

    #[test] // whoever has a palette for light and one for dark leaves all to it
    fn the_dark_theme_has_colours_of_the_palette_alone() {
        for (name, kind) in KINDS {
            let style = Theme::dark().style(kind);
            for color in [style.foreground, style.background].into_iter().flatten() {
                assert!(matches!(color, Color::Palette(_)), "{name}: {color:?}");
            }
        }
    }

    #[test]
    fn styles_are_read_from_words() {
        let red = Style { foreground: Some(Color::Palette(1)), bold: true, ..Style::default() };
        assert_eq!(parse_style("bold red"), Ok(red));
        let menu = Style {
            foreground: Some(Color::Palette(8)),
            background: Some(Color::Fixed(229)),
            italic: true,
            ..Style::default()
        };
        assert_eq!(parse_style(" italic bright black on 229"), Ok(menu));
        let exact = Style { background: Some(Color::Rgb(1, 2, 255)), ..Style::default() };
        assert_eq!(parse_style("on #0102ff"), Ok(exact));
        assert_eq!(parse_style("default"), Ok(Style::default()));
    }

    #[test]
    fn words_that_say_nothing_are_named() {
        for (words, wrong) in [
            ("bold rde", "rde"),
            ("256", "256"),
            ("#12", "#12"),
            ("red on", "on"),
            ("bright 5", "5"),
            ("#+12345", "#+12345"),
        ] {
            assert_eq!(parse_style(words), Err(StyleError { word: wrong.to_owned() }));
        }
    }

    #[test]
    fn no_colour_stays_no_colour() {
        let mut theme = Theme::none();
        theme.set(Kind::Keyword, parse_style("red").expect("a colour"));
        assert_eq!(theme, Theme::none());
    }
}
