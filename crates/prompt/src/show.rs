//! What values and tracebacks look like.

use keelback_editor::{
    highlight::Highlighter,
    painter::Painter,
    style::{Kind, Span},
    text::Text,
    theme::Theme,
};

/// Writes `text` with the colours of Python tokens, lines ended by `\n`.
pub fn python(out: &mut String, text: &str, theme: &Theme) {
    let text = Text::from(text);
    let mut highlighter = Highlighter::new();
    highlighter.reset(&text);
    for line in 0..text.line_count() {
        if line > 0 {
            out.push('\n');
        }
        let spans = highlighter.line(&text, line).to_vec();
        spans_of(out, text.line(line), &spans, theme);
    }
}

fn spans_of(out: &mut String, line: &str, spans: &[Span], theme: &Theme) {
    let mut at = 0;
    for span in spans {
        out.push_str(&line[at..span.start]);
        styled(out, &line[span.start..span.end], span.kind, theme);
        at = span.end;
    }
    out.push_str(&line[at..]);
}

/// Writes `text` as text of this kind.
pub fn styled(out: &mut String, text: &str, kind: Kind, theme: &Theme) {
    let codes = Painter::sgr(theme, kind);
    if codes.is_empty() || text.is_empty() {
        out.push_str(text);
    } else {
        out.push_str(&codes);
        out.push_str(text);
        out.push_str("\x1b[0m");
    }
}

/// Colours a traceback as CPython formats it: places, names, the failing expression and the last line.
pub fn traceback(out: &mut String, text: &str, theme: &Theme) {
    let mut source: Option<&str> = None;
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let next = lines.get(number + 1).copied().unwrap_or_default();
        let bare = line.trim_start_matches([' ', '|', '+']);
        if place(out, line, bare, theme) {
            source = None;
        } else if marks(next) && source.is_none() {
            // The caret line below says which part of this one failed.
            source = Some(line);
            failing(out, line, next, theme);
        } else if source.is_some() && marks(line) {
            let start = line.len() - line.trim_start().len();
            out.push_str(&line[..start]);
            styled(out, &line[start..], Kind::TracebackMark, theme);
            source = None;
        } else if !error(out, line, bare, theme) {
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// `  File "x", line 1, in f`
fn place(out: &mut String, line: &str, bare: &str, theme: &Theme) -> bool {
    let Some(rest) = bare.strip_prefix("File \"") else { return false };
    let Some((file, rest)) = rest.split_once("\", line ") else { return false };
    let digits = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_digit()).len();
    out.push_str(&line[..line.len() - bare.len()]);
    out.push_str("File ");
    styled(out, &format!("\"{file}\""), Kind::TracebackPlace, theme);
    out.push_str(", line ");
    styled(out, &rest[..digits], Kind::TracebackPlace, theme);
    match rest[digits..].strip_prefix(", in ") {
        Some(name) => {
            out.push_str(", in ");
            styled(out, name, Kind::TracebackPlace, theme);
        }
        None => out.push_str(&rest[digits..]),
    }
    true
}

fn marks(line: &str) -> bool {
    let trimmed = line.trim();
    !trimmed.is_empty()
        && line.starts_with(' ')
        && trimmed.bytes().all(|byte| matches!(byte, b'^' | b'~' | b' '))
        && trimmed.contains(['^', '~'])
}

fn failing(out: &mut String, line: &str, marks: &str, theme: &Theme) {
    // Columns are characters here, as they are in CPython's own lines but for wide ones.
    let marked: Vec<bool> = marks.chars().map(|char| char != ' ').collect();
    let mut run = String::new();
    let mut inside = false;
    let flush = |out: &mut String, run: &mut String, inside: bool| {
        if inside {
            styled(out, run, Kind::TracebackMark, theme)
        } else {
            out.push_str(run)
        }
        run.clear();
    };
    for (column, char) in line.chars().enumerate() {
        let here = marked.get(column).copied().unwrap_or(false);
        if here != inside {
            flush(out, &mut run, inside);
            inside = here;
        }
        run.push(char);
    }
    flush(out, &mut run, inside);
}

/// `module.Error: message`, at the margin but for groups.
fn error(out: &mut String, line: &str, bare: &str, theme: &Theme) -> bool {
    let indented = line.starts_with(' ') && !line.trim_start().starts_with(['|', '+']);
    let name_len =
        bare.len() - bare.trim_start_matches(|char: char| char.is_alphanumeric() || "._".contains(char)).len();
    let (name, rest) = bare.split_at(name_len);
    let ends = rest.is_empty() || rest.starts_with(": ") || rest == ":";
    if indented || name.is_empty() || !ends || name.ends_with('.') || name.starts_with(|char: char| char.is_numeric()) {
        return false;
    }
    out.push_str(&line[..line.len() - bare.len()]);
    styled(out, name, Kind::TracebackError, theme);
    match rest.strip_prefix(": ") {
        Some(message) => {
            out.push_str(": ");
            styled(out, message, Kind::TracebackMessage, theme);
        }
        None => out.push_str(rest),
    }
    true
}

/// How long something took, in the unit that suits: `1.50 s`, `40.49 ms`, `20.0 µs`.
#[must_use]
pub fn seconds(duration: std::time::Duration) -> String {
    match duration.as_secs_f64() {
        long if long >= 1.0 => format!("{long:.2} s"),
        short if short >= 1e-3 => format!("{:.2} ms", short * 1e3),
        tiny => format!("{:.1} µs", tiny * 1e6),
    }
}
