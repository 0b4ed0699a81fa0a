//! Writes `docs/prompt.svg`: what a terminal shows after keys were typed at the prompt, before a session with a script.
//! `cargo run -p keelback-prompt --example picture`.

use std::{fmt::Write as _, fs, io, num::NonZero, path::Path};

use keelback_editor::{
    completeness::Completeness,
    edit::{Candidate, Completions, Keymap, Signature, Size},
    theme::Theme,
};
use keelback_prompt::{
    backend::{Backend, Ended},
    front::{Flow, Front, Options, Record},
    history::History,
    images::Protocol,
    record::Kept,
};

const COLUMNS: u16 = 92;
const ROWS: u16 = 40;

/// What cells print and how they end.
const SCRIPT: &[(&str, &str, &str)] = &[
    ("[area(w, h) for w, h in [(2, 3), (1.5, 1.5)]]", "[6.0, 2.25]\n", ""),
    (
        "area(2, '3')",
        "",
        "Traceback (most recent call last):
  File \"<python-input-2>\", line 1, in <module>
    area(2, '3')
    ~~~~^^^^^^^^
  File \"<python-input-0>\", line 4, in area
    return round(width * height * scale, 2)
                 ~~~~~~~~~~~~~~~^~~~~~~
TypeError: can't multiply sequence by non-int of type 'float'
",
    ),
];

/// What the session tells of `path.re`.
const CANDIDATES: [(&str, &str); 7] = [
    ("read_bytes()", "()  Open the file in bytes mode, read it, and close the file."),
    (
        "read_text(",
        "(encoding=None, errors=None, newline=None)  Open the file in text mode, read it, and close the file.",
    ),
    ("readlink()", "()  Return the path to which the symbolic link points."),
    ("relative_to(", "(other, /, *_deprecated, walk_up=False)  Return the relative path to another path"),
    ("rename(", "(target)  Rename this path to the target path."),
    ("replace(", "(target)  Rename this path to the target path, overwriting if that path exists."),
    ("resolve(", "(strict=False)  Make the path absolute, resolving all symlinks on the way and also"),
];

struct Session;

impl Backend for Session {
    fn completeness(&mut self, _: &str) -> Option<Completeness> {
        None
    }

    fn complete(&mut self, source: &str, cursor: usize) -> Completions {
        let candidates = CANDIDATES.map(|(text, detail)| Candidate {
            text: text.into(),
            kind: "method".into(),
            detail: detail.into(),
        });
        let start = source[..cursor].rfind('.').map_or(0, |at| at + 1);
        Completions { range: start..cursor, candidates: candidates.into(), more: false }
    }

    fn signature(&mut self, source: &str, cursor: usize) -> Option<Signature> {
        let text = "area(width: float, height: float, scale: float = 1.0)";
        let argument = source[..cursor].matches(',').count();
        let start = if argument == 0 { 5 } else { text.match_indices(", ").nth(argument - 1)?.0 + 2 };
        let end = start + text[start..].find([',', ')'])?;
        Some(Signature { text: text.into(), active: Some(start..end) })
    }

    fn describe(&mut self, _: &str) -> Option<String> {
        None
    }

    fn defined(&mut self, _: &str) -> bool {
        false
    }

    fn command(&mut self, name: &str, _: &str) -> Result<String, String> {
        Err(name.to_owned())
    }

    fn commands(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        &[]
    }

    fn interrupt(&mut self) {}

    fn reply(&mut self, _: Option<String>) {}
}

struct Prompt {
    front: Front<Session, Kept>,
    terminal: vt100::Parser,
}

impl Prompt {
    fn new() -> Self {
        let options = Options {
            theme: Theme::dark(),
            keymap: Keymap::emacs(),
            size: Size { columns: COLUMNS, rows: ROWS },
            theme_is_default: false,
            lends_terminal: false,
            images: Protocol::None,
        };
        let mut record = Kept::from(History::in_memory());
        record.record("import json, pathlib");
        let mut front = Front::new(Session, record, options);
        front.begin((">>> ".into(), "... ".into()));
        let size = |count| NonZero::new(count).expect("not zero");
        Prompt { front, terminal: vt100::Parser::new(size(ROWS), size(COLUMNS), 0) }
    }

    fn keys(&mut self, keys: &str) {
        self.front.input(keys.as_bytes());
        while let Some(flow) = self.front.advance() {
            let Flow::Run(run) = flow else { continue };
            let found = SCRIPT.iter().find(|(source, ..)| *source == run.source.trim_end());
            let (_, output, traceback) = found.copied().unwrap_or_default();
            self.front.output(output.as_bytes());
            let traceback = Some(traceback.to_owned()).filter(|text| !text.is_empty());
            self.front.ended(Ended { traceback, ..Ended::default() });
        }
        self.front.paint();
        self.front.idle();
        self.front.paint();
        let bytes = self.front.take_output();
        self.terminal.process(&bytes);
    }
}

// -- the picture --------------------------------------------------------------------------------------------------

/// Pixels of a cell, and around the text.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 19.0;
const MARGIN: f64 = 16.0;
const GROUND: &str = "#16181d";
const TEXT: &str = "#d7dae0";
const PALETTE: [&str; 16] = [
    "#16181d", "#e5616b", "#8fc36b", "#e0b45c", "#6aa5f2", "#c583e0", "#4fbcc4", "#c8ccd4", "#717887", "#ff7b86",
    "#a9dd85", "#f5cc78", "#8bbcff", "#dba0f2", "#74d6dc", "#ffffff",
];

/// One row of the picture.
type Row = Vec<vt100::Cell>;

fn color(color: vt100::Color, default: &str) -> String {
    match color {
        vt100::Color::Default => default.to_owned(),
        vt100::Color::Idx(index) => PALETTE.get(usize::from(index)).copied().unwrap_or(default).to_owned(),
        vt100::Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}

/// The attributes of a cell's text, and what is behind it.
fn look(cell: &vt100::Cell) -> (String, Option<String>) {
    let (mut fore, mut back) = (color(cell.fgcolor(), TEXT), color(cell.bgcolor(), GROUND));
    if cell.inverse() {
        std::mem::swap(&mut fore, &mut back);
    }
    let mut attributes = format!("fill=\"{fore}\"");
    for (set, attribute) in [
        (cell.bold(), " font-weight=\"bold\""),
        (cell.italic(), " font-style=\"italic\""),
        (cell.underline(), " text-decoration=\"underline\""),
    ] {
        attributes.push_str(if set { attribute } else { "" });
    }
    (attributes, Some(back).filter(|back| back != GROUND))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Rows and cursors of several screens, each followed by a line.
fn svg(screens: &[vt100::Screen]) -> String {
    let mut body = String::new();
    let mut y = MARGIN;
    for (number, screen) in screens.iter().enumerate() {
        if number > 0 {
            let end = f64::from(COLUMNS) * WIDTH + 2.0 * MARGIN;
            y += HEIGHT / 2.0;
            writeln!(body, "<path d=\"M0 {y:.1}H{end:.1}\" stroke=\"#343841\"/>").expect("a string takes all");
            y += HEIGHT / 2.0;
        }
        let row_of = |row| (0..COLUMNS).filter_map(|column| screen.cell(row, column).cloned()).collect::<Row>();
        let rows: Vec<Row> = (0..ROWS).map(row_of).collect();
        let used = rows.iter().rposition(|row| row.iter().any(vt100::Cell::has_contents)).map_or(0, |row| row + 1);
        let cursor = screen.cursor_position();
        for (number, row) in rows[..used].iter().enumerate() {
            let at = (usize::from(cursor.0) == number).then_some(usize::from(cursor.1));
            draw_row(&mut body, row, at, y);
            y += HEIGHT;
        }
    }
    let (width, height) = (f64::from(COLUMNS) * WIDTH + 2.0 * MARGIN, y + MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-size=\"14\" \
         font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n{body}</svg>\n"
    )
}

fn draw_row(body: &mut String, row: &Row, cursor: Option<usize>, y: f64) {
    let x_of = |column: usize| MARGIN + column as f64 * WIDTH;
    if let Some(column) = cursor {
        let x = x_of(column);
        writeln!(
            body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"{TEXT}\"/>"
        )
        .expect("a string takes all");
    }
    let mut column = 0;
    for run in row.chunk_by(|a, b| look(a) == look(b)) {
        let text: String = run.iter().map(|cell| if cell.has_contents() { cell.contents() } else { " " }).collect();
        let (attributes, back) = look(&run[0]);
        let (x, width) = (x_of(column), run.len() as f64 * WIDTH);
        if let Some(back) = back {
            writeln!(
                body,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" fill=\"{back}\"/>"
            )
            .expect("a string takes all");
        }
        let shown = text.trim_end();
        if !shown.trim().is_empty() {
            // The grid is kept whatever font there is.
            let blanks = shown.len() - shown.trim_start().len();
            let shown = &shown[blanks..];
            let (x, width) = (x_of(column + blanks), shown.chars().count() as f64 * WIDTH);
            writeln!(
                body,
                "<text xml:space=\"preserve\" x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" {attributes}>{}</text>",
                y + HEIGHT * 0.74,
                escaped(shown)
            )
            .expect("a string takes all");
        }
        column += run.len();
    }
}

fn main() -> io::Result<()> {
    let mut prompt = Prompt::new();
    let mut screens = Vec::new();
    prompt.keys("def area(width: float, height: float, scale: float = 1.0) -> float:\r");
    prompt.keys(
        "\"Square metres, to two places.\"\rif not scale: raise ValueError(f\"a scale of {scale!r}\")  # nothing\r",
    );
    prompt.keys("return round(width * height * scale, 2)\r\r");
    prompt.keys("[area(w, h) for w, h in [(2, 3), (1.5, 1.5)]]\r");
    prompt.keys("area(2, '3')\r");
    prompt.keys("imp");
    screens.push(prompt.terminal.screen().clone());
    let mut prompt = Prompt::new();
    prompt.keys("text = path.re\t\t\t\t");
    screens.push(prompt.terminal.screen().clone());
    let mut prompt = Prompt::new();
    prompt.keys("area(2, ");
    screens.push(prompt.terminal.screen().clone());
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/prompt.svg"), svg(&screens))
}
