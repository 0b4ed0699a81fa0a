//! What sequences mean, once they are whole.

use crate::key::{Event, Key, KeyCode};

/// A control character of ASCII, ESC aside.
pub(super) fn control(byte: u8) -> Key {
    match byte {
        b'\r' | b'\n' => Key::plain(KeyCode::Enter),
        b'\t' => Key::plain(KeyCode::Tab),
        0x7f | 0x08 => Key::plain(KeyCode::Backspace),
        0 => Key::char(' ').ctrl(),
        1..=26 => Key::char(char::from(byte + b'a' - 1)).ctrl(),
        _ => Key::char(char::from(byte + b'@')).ctrl(),
    }
}

/// The function keys of the Linux console, after ESC `[` `[`.
pub(super) fn console(last: u8) -> Option<KeyCode> {
    (b'A'..=b'E').contains(&last).then(|| KeyCode::Function(last - b'A' + 1))
}

/// A key after ESC `O`: cursor and function keys, and the keypad in its application mode.
pub(super) fn ss3(parameters: &[u8], last: u8) -> Option<Key> {
    let fields = Fields::new(parameters);
    // Old terminals wrote the modifiers as the only parameter.
    let modifiers = fields.get(1).or(fields.get(0)).unwrap_or(1);
    let code = match last {
        b'a'..=b'd' => return Some(Key::plain(rxvt_arrow(last)?).ctrl()),
        b'A'..=b'D' | b'F' | b'H' | b'P'..=b'S' => letter(last)?,
        b'M' => KeyCode::Enter,
        b'I' => KeyCode::Tab,
        b' ' => KeyCode::Char(' '),
        b'X' => KeyCode::Char('='),
        b'j'..=b'y' => KeyCode::Char(char::from(last - b'j' + b'*')),
        _ => return None,
    };
    modified(code, modifiers)
}

/// A key or an answer after ESC `[`.
pub(super) fn csi(parameters: &[u8], last: u8, alt: bool, events: &mut Vec<Event>) {
    let mut push = |key: Option<Key>| {
        events.extend(key.map(|mut key| {
            key.alt |= alt;
            Event::Key(key)
        }));
    };
    if let Some(answer) = parameters.strip_prefix(b"?") {
        match last {
            b'u' => {
                events
                    .extend(Fields::new(answer).get(0).and_then(|flags| u8::try_from(flags).ok()).map(Event::Keyboard));
            }
            b'c' => events.push(Event::Attributes),
            _ => {}
        }
        return;
    }
    if parameters.iter().any(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':')) {
        return;
    }
    let fields = Fields::new(parameters);
    let modifiers = fields.get(1).unwrap_or(1);
    if fields.sub(1, 1) == Some(3) {
        return; // the key was let go
    }
    match last {
        // With a parameter other than 1 this is the position of the cursor.
        b'A'..=b'D' | b'F' | b'H' | b'P'..=b'S' if matches!(fields.get(0), None | Some(0 | 1)) => {
            push(letter(last).and_then(|code| modified(code, modifiers)));
        }
        b'Z' => push(modified(KeyCode::Tab, modifiers).map(Key::shift)),
        b'a'..=b'd' if parameters.is_empty() => push(rxvt_arrow(last).map(|code| Key::plain(code).shift())),
        b'~' if fields.get(0) == Some(27) => {
            if let Some(code) = fields.get(2) {
                push(character(code, None, None, modifiers));
            }
        }
        b'~' => push(fields.get(0).and_then(tilde).and_then(|code| modified(code, modifiers))),
        b'$' => push(fields.get(0).and_then(tilde).map(|code| Key::plain(code).shift())),
        b'^' => push(fields.get(0).and_then(tilde).map(|code| Key::plain(code).ctrl())),
        b'@' => push(fields.get(0).and_then(tilde).map(|code| Key::plain(code).ctrl().shift())),
        b'u' => {
            let plain = modifiers.saturating_sub(1) & !(SHIFT | LOCKS) == 0;
            let text = fields.all(2).filter_map(char::from_u32).filter(|char| !char.is_control());
            if plain && fields.all(2).next().is_some() {
                text.for_each(|char| push(Some(Key::char(char))));
            } else if let Some(code) = fields.get(0) {
                push(character(code, fields.sub(0, 1), fields.sub(0, 2), modifiers));
            }
        }
        _ => {}
    }
}

/// The answer to a question to the terminal (OSC).
pub(super) fn osc(text: &[u8]) -> Option<Event> {
    let colour = std::str::from_utf8(text.strip_prefix(b"11;")?).ok()?;
    let mut rgb = [0; 3];
    if let Some(digits) = colour.strip_prefix('#') {
        let width = digits.len() / 3;
        if !digits.is_ascii() || digits.len() != width * 3 {
            return None;
        }
        for (index, channel) in rgb.iter_mut().enumerate() {
            *channel = scaled(&digits[index * width..(index + 1) * width])?;
        }
    } else {
        let (channels, count) = match colour.strip_prefix("rgb:") {
            Some(channels) => (channels, 3),
            None => (colour.strip_prefix("rgba:")?, 4),
        };
        if channels.split('/').count() != count {
            return None;
        }
        for (channel, digits) in rgb.iter_mut().zip(channels.split('/')) {
            *channel = scaled(digits)?;
        }
    }
    Some(Event::Background { rgb })
}

/// One to four hexadecimal digits, full scale, as 8 bits.
fn scaled(digits: &str) -> Option<u8> {
    if !(1..=4).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let value = u32::from_str_radix(digits, 16).ok()?;
    let full = (1u32 << (4 * digits.len())) - 1;
    u8::try_from((value * 255 + full / 2) / full).ok()
}

const SHIFT: u32 = 1;
const ALT: u32 = 2 | 32; // kitty tells Meta from Alt
const CTRL: u32 = 4;
const SUPER: u32 = 8 | 16;
const LOCKS: u32 = 64 | 128;

/// A key with modifiers as xterm counts them, from 1. None with Super or Hyper, which are the desktop's.
fn modified(code: KeyCode, modifiers: u32) -> Option<Key> {
    let bits = modifiers.saturating_sub(1);
    let (shift, alt, ctrl) = (bits & SHIFT != 0, bits & ALT != 0, bits & CTRL != 0);
    let shift = shift && !matches!(code, KeyCode::Char(_));
    (bits & SUPER == 0).then_some(Key { code, ctrl, alt, shift })
}

/// A key by the number kitty or xterm's modifyOtherKeys gives it: `shifted` is the same key with Shift, `base` the key
/// at that place on the standard keyboard, if the terminal said so.
fn character(code: u32, shifted: Option<u32>, base: Option<u32>, modifiers: u32) -> Option<Key> {
    if let Some(code) = numbered(code) {
        return modified(code, modifiers);
    }
    let bits = modifiers.saturating_sub(1);
    let mut char =
        char::from_u32(code).filter(|char| !char.is_control() && !('\u{e000}'..='\u{f8ff}').contains(char))?;
    let base = base.and_then(char::from_u32).filter(char::is_ascii_graphic);
    match base {
        // On a keyboard for Cyrillic or Greek, Ctrl and Alt mean the Latin letters of the same keys.
        Some(base) if !char.is_ascii() && bits & (ALT | CTRL) != 0 => char = base,
        _ => {
            if let Some(shifted) =
                shifted.and_then(char::from_u32).filter(|char| !char.is_control() && bits & SHIFT != 0)
            {
                char = shifted;
            }
        }
    }
    if bits & CTRL != 0 {
        char = single(char.to_lowercase()).unwrap_or(char);
    } else if bits & SHIFT != 0 {
        char = single(char.to_uppercase()).unwrap_or(char);
    }
    modified(KeyCode::Char(char), modifiers)
}

fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
    chars.next().filter(|_| chars.next().is_none())
}

/// Keys that kitty numbers: those of ASCII, and its own in the private use area.
fn numbered(code: u32) -> Option<KeyCode> {
    Some(match code {
        9 => KeyCode::Tab,
        13 | 57414 => KeyCode::Enter,
        27 => KeyCode::Escape,
        8 | 127 => KeyCode::Backspace,
        57376..=57398 => KeyCode::Function(u8::try_from(code - 57376 + 13).ok()?),
        57399..=57408 => KeyCode::Char(char::from_digit(code - 57399, 10)?),
        57409 => KeyCode::Char('.'),
        57410 => KeyCode::Char('/'),
        57411 => KeyCode::Char('*'),
        57412 => KeyCode::Char('-'),
        57413 => KeyCode::Char('+'),
        57415 => KeyCode::Char('='),
        57416 => KeyCode::Char(','),
        57417 => KeyCode::Left,
        57418 => KeyCode::Right,
        57419 => KeyCode::Up,
        57420 => KeyCode::Down,
        57421 => KeyCode::PageUp,
        57422 => KeyCode::PageDown,
        57423 => KeyCode::Home,
        57424 => KeyCode::End,
        57425 => KeyCode::Insert,
        57426 => KeyCode::Delete,
        _ => return None,
    })
}

fn letter(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P'..=b'S' => KeyCode::Function(last - b'P' + 1),
        _ => return None,
    })
}

fn rxvt_arrow(last: u8) -> Option<KeyCode> {
    letter(last.to_ascii_uppercase())
}

/// Keys that end in `~`, by the numbers of the VT220 and its successors.
fn tilde(number: u32) -> Option<KeyCode> {
    let function = |first: u32, key: u32| u8::try_from(number - first + key).ok().map(KeyCode::Function);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(11, 1),
        17..=21 => function(17, 6),
        23..=26 => function(23, 11),
        28..=29 => function(28, 15),
        31..=34 => function(31, 17),
        _ => None,
    }
}

/// Parameters: fields between `;`, each with parts between `:`. What is empty or no number is absent.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn new(parameters: &'a [u8]) -> Self {
        Fields(parameters)
    }

    fn all(self, field: usize) -> impl Iterator<Item = u32> + 'a {
        let parts = self.0.split(|byte| *byte == b';').nth(field).unwrap_or(b"");
        parts.split(|byte| *byte == b':').filter_map(number)
    }

    fn get(self, field: usize) -> Option<u32> {
        self.sub(field, 0)
    }

    fn sub(self, field: usize, part: usize) -> Option<u32> {
        let parts = self.0.split(|byte| *byte == b';').nth(field)?;
        number(parts.split(|byte| *byte == b':').nth(part)?)
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
