//! SGR: from the style that the terminal writes in to another one.

use std::io::Write;

use crate::style::{Color, Style};

/// Writes the sequence that turns `from` into `to`; nothing when they are the same.
pub(super) fn change(from: Style, to: Style, out: &mut Vec<u8>) {
    if from == to {
        return;
    }
    if to == Style::default() {
        out.extend_from_slice(b"\x1b[m");
        return;
    }
    let lost = (from.bold && !to.bold)
        || (from.dim && !to.dim)
        || (from.italic && !to.italic)
        || (from.underline && !to.underline)
        || (from.reverse && !to.reverse);
    // 22 ends both bold and dim, and there are five more of its kind: starting anew is as short.
    let from = if lost { Style::default() } else { from };
    let mut parameters = Parameters { out, any: false };
    parameters.out.extend_from_slice(b"\x1b[");
    if lost {
        parameters.push(0);
    }
    for (is, was, code) in [
        (to.bold, from.bold, 1),
        (to.dim, from.dim, 2),
        (to.italic, from.italic, 3),
        (to.underline, from.underline, 4),
        (to.reverse, from.reverse, 7),
    ] {
        if is && !was {
            parameters.push(code);
        }
    }
    if to.foreground != from.foreground {
        parameters.color(to.foreground, 0);
    }
    if to.background != from.background {
        parameters.color(to.background, 10);
    }
    out.push(b'm');
}

struct Parameters<'a> {
    out: &'a mut Vec<u8>,
    any: bool,
}

impl Parameters<'_> {
    fn push(&mut self, number: u8) {
        if self.any {
            self.out.push(b';');
        }
        self.any = true;
        write!(self.out, "{number}").expect("a vector takes all");
    }

    /// `ground` is 0 for what is in front, 10 for what is behind.
    fn color(&mut self, color: Option<Color>, ground: u8) {
        match color {
            None => self.push(39 + ground),
            Some(Color::Palette(index @ 0..8)) => self.push(30 + ground + index),
            Some(Color::Palette(index @ 8..16)) => self.push(90 + ground + index - 8),
            Some(Color::Palette(index) | Color::Fixed(index)) => {
                self.push(38 + ground);
                self.push(5);
                self.push(index);
            }
            Some(Color::Rgb(red, green, blue)) => {
                self.push(38 + ground);
                for number in [2, red, green, blue] {
                    self.push(number);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::parse_style;

    #[track_caller]
    fn check(from: &str, to: &str, expected: &str) {
        let mut out = Vec::new();
        change(parse_style(from).expect("a style"), parse_style(to).expect("a style"), &mut out);
        assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
    }

    #[test]
    fn only_what_differs_is_said() {
        check("red", "red", "");
        check("red", "bold red", "\x1b[1m");
        check("bold red", "bold blue", "\x1b[34m");
        check("bold red", "green", "\x1b[0;32m");
        check("bold red", "", "\x1b[m");
        check("red on blue", "red", "\x1b[49m");
        check("", "bright black on #010203", "\x1b[90;48;2;1;2;3m");
        check("", "200 on bright red", "\x1b[38;5;200;101m");
    }
}
