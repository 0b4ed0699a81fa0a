//! What the front writes: the editor's rows, output above them, values, notes.

use base64::{Engine, engine::general_purpose::STANDARD};
use keelback_editor::{
    edit::{Keymap, Size},
    style::Kind,
    theme::Theme,
};

use super::{Front, Record, State};
use crate::{
    backend::{Backend, Shown},
    bounded::bounded,
    images, show,
};

impl<B: Backend, R: Record> Front<B, R> {
    /// Brings the screen up to date.
    pub fn paint(&mut self) {
        if self.state == State::Running || !std::mem::take(&mut self.stale) {
            return;
        }
        self.after_partial();
        let history = self.record.as_history();
        let frame = self.editor.frame(history);
        self.painter.paint(frame, &self.options.theme, &mut self.out);
    }

    /// The terminal has another size.
    pub fn resized(&mut self, size: Size) {
        let old = std::mem::replace(&mut self.options.size, size);
        self.editor.set_size(size);
        self.backend.resized(size.columns);
        if self.state != State::Running {
            self.painter.resized(old, size, &mut self.out);
            self.stale = true;
        }
    }

    /// Another program had the terminal.
    pub fn resumed(&mut self, size: Size) {
        self.painter.forget();
        if self.options.size != size {
            self.options.size = size;
            self.backend.resized(size.columns);
        }
        self.editor.set_size(size);
        self.partial.clear();
        self.adrift = true;
        self.stale = true;
    }

    /// The prompt begins on a line of its own, in no style of another's.
    fn after_partial(&mut self) {
        if self.painter.is_shown() {
            return;
        }
        self.settle();
        if !self.partial.is_empty() {
            if self.partial.is_open() {
                // CAN: the sequence is over. It is written again, whole, when the rest of it has come.
                self.out.push(0x18);
            }
            self.out.extend_from_slice(b"\r\n");
        }
        if std::mem::take(&mut self.styled) {
            self.out.extend_from_slice(b"\x1b[m");
        }
    }

    /// Goes to a fresh line after others have written to the terminal. Where they left its cursor only the terminal
    /// knows: as many blanks as it has columns lead to the next row from every column but the first.
    fn settle(&mut self) {
        if std::mem::take(&mut self.adrift) {
            if self.has_colors() {
                self.out.extend_from_slice(b"\x1b[m");
            }
            let columns = usize::from(self.options.size.columns);
            self.out.extend(std::iter::repeat_n(b' ', columns));
            self.out.extend_from_slice(b"\r\x1b[K");
        }
    }

    /// Prints the text as it stands for good, without what is shown around it, and goes to a fresh line.
    pub(super) fn finish_line(&mut self) {
        let rows = self.editor.accepted();
        self.after_partial();
        self.partial.clear();
        self.painter.accept(self.options.size, rows, &self.options.theme, &mut self.out);
    }

    /// Runs `write` with the prompt out of the way.
    pub(super) fn above(&mut self, write: impl FnOnce(&mut Self)) {
        // Else the cursor still is where the output ended.
        let shown = self.painter.is_shown();
        self.painter.clear(&mut self.out);
        if shown && !self.partial.is_empty() {
            let partial = std::mem::take(&mut self.partial);
            if let Some(rows) = partial.rows(self.options.size.columns) {
                // Back to the line that has no end: it is written again, and goes on.
                self.out.extend_from_slice(format!("\x1b[{rows}A\r\x1b[J").as_bytes());
                self.write_output(partial.bytes());
            }
        }
        write(self);
        self.stale = true;
    }

    /// Text that the session, its tasks or its threads printed.
    pub fn output(&mut self, bytes: &[u8]) {
        if self.state == State::Running {
            self.write_output(bytes);
        } else {
            self.above(|front| front.write_output(bytes));
        }
    }

    /// A value that a cell shows.
    pub fn shown(&mut self, shown: &Shown) {
        let text = self.shown_text(shown);
        self.output(text.as_bytes());
    }

    /// An exception that left a cell.
    pub fn raised(&mut self, traceback: &str) {
        let text = self.traceback_text(traceback);
        if self.state == State::Running {
            self.print(&text);
        } else {
            self.above(|front| front.print(&text));
        }
    }

    /// A line about the session, above the prompt.
    pub fn tell_note(&mut self, text: &str) {
        if self.state == State::Running {
            self.note(text);
        } else {
            self.above(|front| front.note(text));
        }
    }

    /// Output of the session, at the place where the terminal's cursor is.
    pub(super) fn write_output(&mut self, bytes: &[u8]) {
        self.settle();
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if number > 0 {
                self.out.extend_from_slice(b"\r\n");
                self.partial.clear();
            }
            self.out.extend_from_slice(line);
            self.partial.push(line);
        }
        if let Some(at) = memchr::memrchr(0x1b, bytes) {
            self.styled = !(bytes[at..].starts_with(b"\x1b[m") || bytes[at..].starts_with(b"\x1b[0m"));
        }
    }

    pub(super) fn line_end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
        self.partial.clear();
    }

    /// Text of ours, whole lines.
    pub(super) fn print(&mut self, text: &str) {
        if !self.partial.is_empty() {
            self.line_end();
        }
        self.write_output(text.trim_end_matches('\n').as_bytes());
        self.write_output(b"\n");
    }

    /// A line of ours.
    pub(super) fn note(&mut self, text: &str) {
        let mut styled = String::new();
        for (number, line) in text.lines().enumerate() {
            if number > 0 {
                styled.push('\n');
            }
            show::styled(&mut styled, line, Kind::Message, &self.options.theme);
        }
        self.print(&styled);
    }

    /// A value as it is shown, with the line's end.
    #[must_use]
    pub fn shown_text(&self, shown: &Shown) -> String {
        let mut text = String::new();
        if let Some(png) = &shown.png
            && images::show(&mut text, png, self.options.images)
        {
            text.push('\n');
            return text;
        }
        match &shown.pretty {
            Some(pretty) => show::python(&mut text, pretty, &self.options.theme),
            None => text.push_str(&shown.text),
        }
        text.push('\n');
        if shown.cut {
            show::styled(&mut text, "not all of it: print(_) shows the rest", Kind::Message, &self.options.theme);
            text.push('\n');
        }
        if let Some(png) = &shown.png {
            let note =
                format!("an image of {} bytes: open('image.png', 'wb').write(_._repr_png_()) saves it", png.len());
            show::styled(&mut text, &note, Kind::Message, &self.options.theme);
            text.push('\n');
        }
        text
    }

    /// A traceback with the theme's colours, and not more of it than a few screens.
    #[must_use]
    pub fn traceback_text(&self, traceback: &str) -> String {
        let mut text = String::new();
        let Some(bounded) = bounded(traceback, self.options.size.columns.into()) else {
            show::traceback(&mut text, traceback, &self.options.theme);
            return text;
        };
        show::traceback(&mut text, &bounded, &self.options.theme);
        // What no frame is told of is no Python, and kept nowhere.
        if traceback.contains("Traceback (most recent call last)") {
            show::styled(
                &mut text,
                "not all of it: sys.last_value is the exception",
                Kind::Message,
                &self.options.theme,
            );
            text.push('\n');
        }
        text
    }

    pub(super) fn clear_screen(&mut self) {
        self.painter.clear_screen(&mut self.out);
        self.partial.clear();
        self.stale = true;
    }

    /// The system's clipboard, by the terminal (OSC 52).
    pub(super) fn copy(&mut self, text: &str) {
        self.out.extend_from_slice(format!("\x1b]52;c;{}\x07", STANDARD.encode(text)).as_bytes());
    }

    /// The terminal's background decides between dark and light, where nobody chose.
    pub(super) fn background(&mut self, rgb: [u8; 3]) {
        if !self.options.theme_is_default || self.options.theme.is_colorless() {
            return;
        }
        let [r, g, b] = rgb.map(u32::from);
        // Luma of ITU-R BT.601, in thousandths.
        let light = 299 * r + 587 * g + 114 * b > 127_500;
        self.options.theme = if light { Theme::light() } else { Theme::dark() };
        self.stale = true;
    }

    pub(super) fn change_look(&mut self, what: &str, name: &str) -> Result<String, String> {
        if what == "theme" {
            let theme = Theme::by_name(name).ok_or("a theme is `dark`, `light` or `none`")?;
            self.options.theme = theme;
            self.options.theme_is_default = false;
            return Ok(format!("theme {name}"));
        }
        let keymap = match name {
            "emacs" => Keymap::emacs(),
            "vi" => Keymap::vi(),
            _ => return Err("keys are `emacs` or `vi`".into()),
        };
        self.editor.set_keymap(keymap);
        Ok(format!("keys of {name}"))
    }
}
