//! Images in terminals that can show them: the protocols of kitty and iTerm2, and sixel.

use base64::{Engine, engine::general_purpose::STANDARD};

/// How a terminal shows images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// It does not.
    #[default]
    None,
    /// kitty's graphics protocol.
    Kitty,
    /// iTerm2's inline images.
    Iterm,
    /// DEC's sixels.
    Sixel,
}

impl Protocol {
    /// What the environment says; `var` gives a variable's value. A multiplexer in between passes none of them on.
    #[must_use]
    pub fn of_environment(var: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| var(name).unwrap_or_default();
        if !value("TMUX").is_empty() || !value("STY").is_empty() {
            return Protocol::None;
        }
        let (term, program) = (value("TERM"), value("TERM_PROGRAM"));
        if !value("KITTY_WINDOW_ID").is_empty()
            || ["kitty", "ghostty"].iter().any(|name| term.contains(name))
            || matches!(program.as_str(), "ghostty" | "WezTerm")
        {
            Protocol::Kitty
        } else if program == "iTerm.app" || value("LC_TERMINAL") == "iTerm2" {
            Protocol::Iterm
        } else if term.starts_with("foot") || term.starts_with("mlterm") || term.contains("sixel") {
            Protocol::Sixel
        } else {
            Protocol::None
        }
    }

    /// By the name in a configuration file.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Protocol::None),
            "kitty" => Some(Protocol::Kitty),
            "iterm2" => Some(Protocol::Iterm),
            "sixel" => Some(Protocol::Sixel),
            _ => None,
        }
    }
}

/// The most bytes of a PNG that are sent to a terminal.
const PNG_MAX: usize = 16 << 20;
/// The most pixels that are turned into sixels.
const PIXELS_MAX: usize = 8 << 20;
/// Bytes of base64 in one of kitty's commands: its protocol's own limit.
const KITTY_CHUNK: usize = 4096;

/// Writes what shows `png`. False when the terminal cannot, or the image is none.
pub fn show(out: &mut String, png: &[u8], protocol: Protocol) -> bool {
    if png.len() > PNG_MAX || !png.starts_with(b"\x89PNG\r\n\x1a\n") {
        return false;
    }
    match protocol {
        Protocol::None => false,
        Protocol::Kitty => {
            let encoded = STANDARD.encode(png);
            let mut rest = encoded.as_str();
            let mut first = "a=T,f=100,q=2,";
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(rest.len().min(KITTY_CHUNK));
                out.push_str(&format!("\x1b_G{first}m={};{chunk}\x1b\\", u8::from(!after.is_empty())));
                (rest, first) = (after, "");
            }
            true
        }
        Protocol::Iterm => {
            let size = png.len();
            out.push_str(&format!("\x1b]1337;File=inline=1;size={size}:{}\x07", STANDARD.encode(png)));
            true
        }
        Protocol::Sixel => match pixels(png) {
            Some((width, rgb)) => {
                sixels(out, width, &rgb);
                true
            }
            None => false,
        },
    }
}

/// Width, and the pixels' red, green and blue on a white ground.
fn pixels(png: &[u8]) -> Option<(usize, Vec<[u8; 3]>)> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().ok()?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    if width == 0 || width.checked_mul(height)? > PIXELS_MAX {
        return None;
    }
    let mut data = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut data).ok()?;
    let samples = info.color_type.samples();
    let over_white = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha)) / 255) as u8
    };
    let rgb = data[..info.buffer_size()]
        .chunks_exact(samples)
        .map(|pixel| match *pixel {
            [gray] => [gray; 3],
            [gray, alpha] => [over_white(gray, alpha); 3],
            [r, g, b] => [r, g, b],
            [r, g, b, alpha] => [over_white(r, alpha), over_white(g, alpha), over_white(b, alpha)],
            _ => [255; 3],
        })
        .collect();
    Some((width, rgb))
}

/// Levels of each channel: 6 * 6 * 6 colours, with ordered dithering.
const LEVELS: usize = 6;
#[rustfmt::skip]
const BAYER: [usize; 16] = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5];

fn sixels(out: &mut String, width: usize, rgb: &[[u8; 3]]) {
    let height = rgb.len() / width;
    let number = |x: usize, y: usize| {
        let threshold = BAYER[y % 4 * 4 + x % 4] * 255 / 16;
        rgb[y * width + x]
            .iter()
            .fold(0, |number, value| number * LEVELS + (usize::from(*value) * (LEVELS - 1) + threshold) / 255)
    };
    out.push_str(&format!("\x1bPq\"1;1;{width};{height}"));
    for color in 0..LEVELS.pow(3) {
        let percent = |level: usize| level * 100 / (LEVELS - 1);
        let (r, g, b) = (color / LEVELS / LEVELS, color / LEVELS % LEVELS, color % LEVELS);
        out.push_str(&format!("#{color};2;{};{};{}", percent(r), percent(g), percent(b)));
    }
    for top in (0..height).step_by(6) {
        let rows = 6.min(height - top);
        let mut band = std::collections::BTreeMap::<usize, Vec<u8>>::new();
        for y in 0..rows {
            for x in 0..width {
                band.entry(number(x, top + y)).or_insert_with(|| vec![0; width])[x] |= 1 << y;
            }
        }
        for (color, bits) in band {
            out.push_str(&format!("#{color}"));
            for run in bits.chunk_by(|a, b| a == b) {
                let char = (b'?' + run[0]) as char;
                if run.len() > 3 {
                    out.push_str(&format!("!{}{char}", run.len()));
                } else {
                    out.extend(run.iter().map(|_| char));
                }
            }
            out.push('$');
        }
        out.push('-');
    }
    out.push_str("\x1b\\");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, pixels: &[[u8; 4]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, pixels.len() as u32 / width);
        encoder.set_color(png::ColorType::Rgba);
        let mut writer = encoder.write_header().expect("in memory");
        writer.write_image_data(&pixels.concat()).expect("in memory");
        writer.finish().expect("in memory");
        bytes
    }

    #[test]
    fn long_images_go_to_kitty_in_pieces() {
        let noise: Vec<[u8; 4]> =
            (1..=4000_u32).map(|n| n.wrapping_mul(n).wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let bytes = png(50, &noise);
        let mut out = String::new();
        assert!(show(&mut out, &bytes, Protocol::Kitty));
        let pieces: Vec<_> = out.split("\x1b\\").filter(|piece| !piece.is_empty()).collect();
        assert!(pieces.len() > 1 && pieces[0].starts_with("\x1b_Ga=T,f=100,q=2,m=1;"));
        assert!(pieces.last().is_some_and(|piece| piece.starts_with("\x1b_Gm=0;")));
        let data: String = pieces.iter().filter_map(|piece| piece.split_once(';')).map(|(_, data)| data).collect();
        assert_eq!(STANDARD.decode(data).as_deref(), Ok(bytes.as_slice()));
    }

    #[test]
    fn sixels_have_the_colours_of_the_pixels() {
        let red = [255, 0, 0, 255];
        let clear = [0, 0, 0, 0];
        let mut out = String::new();
        assert!(show(&mut out, &png(2, &[red, clear]), Protocol::Sixel));
        assert!(out.contains("#180;2;100;0;0") && out.contains("#215;2;100;100;100"));
        assert!(out.ends_with("#180@?$#215?@$-\x1b\\"), "{}", &out[out.len() - 30..]);
    }

    #[test]
    fn what_is_no_image_is_not_sent() {
        for protocol in [Protocol::Kitty, Protocol::Iterm, Protocol::Sixel] {
            assert!(!show(&mut String::new(), b"\x1b]0;evil\x07", protocol));
        }
        assert!(!show(&mut String::new(), b"\x89PNG\r\n\x1a\nrest", Protocol::Sixel));
    }

    #[test]
    fn a_multiplexer_shows_none() {
        let env = |vars: &'static [(&str, &str)]| {
            move |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(Protocol::of_environment(env(&[("KITTY_WINDOW_ID", "1")])), Protocol::Kitty);
        assert_eq!(Protocol::of_environment(env(&[("KITTY_WINDOW_ID", "1"), ("TMUX", "x")])), Protocol::None);
        assert_eq!(Protocol::of_environment(env(&[("TERM_PROGRAM", "iTerm.app")])), Protocol::Iterm);
        assert_eq!(Protocol::of_environment(env(&[("TERM", "foot-extra")])), Protocol::Sixel);
    }
}
