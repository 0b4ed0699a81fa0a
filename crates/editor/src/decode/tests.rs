use proptest::prelude::*;

use super::*;

fn decode(bytes: &[u8]) -> Vec<Event> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    decoder.feed(bytes, &mut events);
    decoder.flush(&mut events);
    assert!(!decoder.pending(), "{bytes:?}");
    events
}

/// Keys are separated by spaces; a lone space is the key Space.
#[track_caller]
fn check(bytes: impl AsRef<[u8]>, keys: &str) {
    let bytes = bytes.as_ref();
    let want: Vec<Event> = keys.split_whitespace().map(|key| Event::Key(key.parse().expect(key))).collect();
    assert_eq!(decode(bytes), want, "{}", bytes.escape_ascii());
}

#[test]
fn text_is_characters() {
    check("aZ é漢😀", "a Z Space é 漢 😀");
    check(
        b"\xff\xc3(\xe2\x82\xf0\x9f\x98 \xed\xa0\x80",
        "\u{fffd} \u{fffd} ( \u{fffd} \u{fffd} Space \u{fffd} \u{fffd} \u{fffd}",
    );
    check(b"\xe2\x82", "\u{fffd}");
}

#[test]
fn control_characters_are_keys_with_ctrl() {
    check("\x01\x1a\r\n\t\x7f\x08\0", "C-a C-z Enter Enter Tab Backspace Backspace C-Space");
    check("\x1c\x1d\x1e\x1f", "C-\\ C-] C-^ C-_");
}

#[test]
fn escape_is_a_key_or_alt() {
    check("\x1b", "Escape");
    check("\x1bx", "M-x");
    check("\x1b\r\x1b\t\x1b\x7f\x1b\x01\x1bé\x1bA", "M-Enter M-Tab M-Backspace C-M-a M-é M-A");
    check("\x1b\x1b", "M-Escape");
    check("\x1b\x1bx", "Escape M-x");
    check("\x1b\x1b[A", "M-Up");
    check("\x1b\x1b[1;5C\x1b\x1bOD", "C-M-Right M-Left");
    check("\x1b\x1b\x1b", "Escape M-Escape");
    check(b"\x1b\xffa", "M-\u{fffd} a");
}

#[test]
fn a_start_of_a_sequence_alone_is_a_key() {
    for (bytes, key) in [("\x1b[", "M-["), ("\x1bO", "M-O"), ("\x1b]", "M-]"), ("\x1bP", "M-P"), ("\x1b_", "M-_")] {
        check(bytes, key);
    }
    check("\x1b[[", "M-[ [");
    check("\x1b]ab", "M-] a b");
    check("\x1bPa\x1b_b\x1b^c\x1bXd", "M-P a M-_ b M-^ c M-X d");
    check("\x1b[\r\x1bO\x01", "M-[ Enter M-O C-a");
    check("\x1b\x1b[", "Escape M-[");
}

#[test]
fn sequences_that_are_cut_short_are_dropped() {
    for bytes in ["\x1b[1;", "\x1b[<1;2", "\x1bO5", "\x1b]11;rgb:", "\x1bP1$r", "\x1b[Mab", "\x1b]11;x\x1b"] {
        check(bytes, "");
    }
    check("\x1b[1;\x03a", "C-c a");
    check("\x1b]11;\x03a", "C-c a");
    check("\x1b[1;\x1b[A", "Up");
    check("\x1b[1é", "é");
    check(b"\x1b[\xff", "M-[ \u{fffd}");
    check("\x1b]11;rgb\x1b[A", "Up");
}

#[test]
fn cursor_keys_have_modifiers() {
    check("\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F", "Up Down Right Left Home End");
    check("\x1bOA\x1bOB\x1bOC\x1bOD\x1bOH\x1bOF", "Up Down Right Left Home End");
    check("\x1b[1;2A\x1b[1;3B\x1b[1;5C\x1b[1;8D", "S-Up M-Down C-Right C-M-S-Left");
    check("\x1bO1;5A\x1bO5A\x1bO2P", "C-Up C-Up S-F1");
    check("\x1b[Z\x1b[1;6Z", "S-Tab C-S-Tab");
    check("\x1b[1;9A", ""); // Super is the desktop's
}

#[test]
fn function_keys() {
    check("\x1bOP\x1bOQ\x1bOR\x1bOS", "F1 F2 F3 F4");
    check("\x1b[P\x1b[1;2Q\x1b[1;5R\x1b[1;3S", "F1 S-F2 C-F3 M-F4");
    check("\x1b[11~\x1b[15~\x1b[17~\x1b[21~\x1b[23~\x1b[24~\x1b[34~", "F1 F5 F6 F10 F11 F12 F20");
    check("\x1b[15;2~\x1b[24;5~", "S-F5 C-F12");
    check("\x1b[[A\x1b[[E", "F1 F5");
}

#[test]
fn keys_of_the_second_pad() {
    check(
        "\x1b[1~\x1b[2~\x1b[3~\x1b[4~\x1b[5~\x1b[6~\x1b[7~\x1b[8~",
        "Home Insert Delete End PageUp PageDown Home End",
    );
    check("\x1b[3;5~\x1b[5;2~", "C-Delete S-PageUp");
    check("\x1b[7$\x1b[8^\x1b[3@", "S-Home C-End C-S-Delete");
    check("\x1b[a\x1b[d\x1bOa\x1bOc", "S-Up S-Left C-Up C-Right");
    check("\x1bOM\x1bOp\x1bOk\x1bOX", "Enter 0 + =");
}

#[test]
fn the_kitty_protocol() {
    check("\x1b[97;5u\x1b[97;3u\x1b[13;2u\x1b[9;5u\x1b[27u\x1b[127;5u", "C-a M-a S-Enter C-Tab Escape C-Backspace");
    check("\x1b[97;5:1u\x1b[97;5:2u\x1b[97;5:3u\x1b[1;5:3A\x1b[1;5:2A", "C-a C-a C-Up");
    check("\x1b[97:65;4u\x1b[97;4u\x1b[97;6u\x1b[45:95;6u", "M-A M-A C-a C-_");
    check("\x1b[1089::99;5u\x1b[1089;5u", "C-c C-с");
    check("\x1b[97;2;65u\x1b[0;;233:769u\x1b[97;;97u", "A é \u{301} a");
    check("\x1b[97;69u\x1b[97;129u\x1b[32;5u", "C-a a C-Space");
    check("\x1b[57399u\x1b[57414u\x1b[57417;2u\x1b[57376u\x1b[57398u", "0 Enter S-Left F13 F35");
    check("\x1b[57441;2u\x1b[57358u\x1b[99;9u", ""); // Shift, Caps Lock, Super-c
    assert_eq!(decode(b"\x1b[?5u"), [Event::Keyboard(5)]);
    assert_eq!(decode(b"\x1b[?62;22c\x1b[?6c"), [Event::Attributes, Event::Attributes]);
}

#[test]
fn modify_other_keys() {
    check("\x1b[27;5;9~\x1b[27;2;13~\x1b[27;6;65~\x1b[27;4;65~\x1b[27;5;46~", "C-Tab S-Enter C-a M-A C-.");
}

#[test]
fn the_background_is_reported() {
    let want = [Event::Background { rgb: [0x1e, 0xff, 0] }];
    for text in ["rgb:1e1e/ffff/0000", "rgb:1e/ff/00", "#1eff00", "rgba:1e1e/ffff/0000/ffff"] {
        assert_eq!(decode(format!("\x1b]11;{text}\x07").as_bytes()), want, "{text}");
        assert_eq!(decode(format!("\x1b]11;{text}\x1b\\").as_bytes()), want, "{text}");
    }
    for text in ["rgb:1/2", "rgb:1/2/3/4", "rgb:/1/2", "rgb:12345/1/2", "#12", "#1234", "#ééé", "rgb:+1/2/3", "?", ""]
    {
        assert_eq!(decode(format!("\x1b]11;{text}\x07").as_bytes()), [], "{text}");
    }
}

#[test]
fn answers_and_reports_are_swallowed_whole() {
    for report in [
        "\x1b[?62;22c",
        "\x1b[>1;10;0c",
        "\x1b[I",
        "\x1b[O",
        "\x1b[12;40R",
        "\x1b[<0;10;20M",
        "\x1b[<0;10;20m",
        "\x1b[M !!",
        "\x1b[32;10;20M",
        "\x1b[?2026;2$y",
        "\x1b[0n",
        "\x1b[8;24;80t",
        "\x1b[201~",
        "\x1b]10;rgb:0/0/0\x07",
        "\x1b]4;1;rgb:0/0/0\x1b\\",
        "\x1bP>|xterm(390)\x1b\\",
        "\x1bP1$r0m\x1b\\",
        "\x1b_Gi=31;OK\x1b\\",
        "\x1b[?1u\x1b[E",
    ] {
        let rest: Vec<Event> = decode(format!("{report}x").as_bytes());
        assert!(rest.ends_with(&[Event::Key(Key::char('x'))]), "{report:?}");
        assert!(rest.iter().filter(|event| matches!(event, Event::Key(_))).count() <= 2, "{report:?} {rest:?}");
    }
    check(format!("\x1b[{}ma", "1;".repeat(5000)), "a");
    check(format!("\x1b]52;c;{}\x07a", "QUJD".repeat(5000)), "a");
    let endless = format!("\x1b]52;{}", "a".repeat(MAX_STRING_BYTES + 100));
    assert!(!decode(endless.as_bytes()).is_empty(), "a string without an end is given up");
}

#[track_caller]
fn check_paste(limit: usize, pasted: &[u8], want: &[&str]) {
    let bytes = [b"\x1b[200~", pasted, b"\x1b[201~x"].concat();
    let mut want: Vec<Event> = want.iter().map(|text| Event::Paste((*text).to_owned())).collect();
    want.push(Event::Key(Key::char('x')));
    for size in [1, 2, 3, 7, bytes.len()] {
        let mut decoder = Decoder::with_paste_limit(limit);
        let mut events = Vec::new();
        for chunk in bytes.chunks(size) {
            decoder.feed(chunk, &mut events);
        }
        assert_eq!(events, want, "in reads of {size}");
    }
}

#[test]
fn a_paste_is_one_event() {
    check_paste(1000, b"", &[""]);
    check_paste(1000, b"def f():\r    pass\r\n\n\rx", &["def f():\n    pass\n\n\nx"]);
    check_paste(1000, b"\t\x1b[A\x03\x1b[201\x1b\x1b[200~\0", &["\t\x1b[A\x03\x1b[201\x1b\x1b[200~\0"]);
    check_paste(1000, b"a\xff\xc3", &["a\u{fffd}\u{fffd}"]);
}

#[test]
fn a_paste_above_the_limit_comes_in_pieces() {
    check_paste(16, b"0123456789abcdefXYZ", &["0123456789abcdef", "XYZ"]);
    check_paste(16, b"0123456789abcdef", &["0123456789abcdef", ""]);
    check_paste(16, "0123456789abcdéX".as_bytes(), &["0123456789abcdé", "X"]);
    check_paste(16, "0123456789abcdeéX".as_bytes(), &["0123456789abcde", "éX"]);
    check_paste(16, b"0123456789abcde\r\nX", &["0123456789abcde", "\nX"]);
    check_paste(16, b"0123456789abc\x1b[2J", &["0123456789abc", "\x1b[2J"]);
}

#[test]
fn a_paste_may_pause() {
    let (mut decoder, mut events) = (Decoder::new(), Vec::new());
    decoder.feed(b"\x1b[200~a\x1b[20", &mut events);
    assert!(!decoder.pending());
    decoder.flush(&mut events);
    decoder.feed(b"1~", &mut events);
    assert_eq!(events, [Event::Paste("a".to_owned())]);
}

/// The ways terminals write a key.
fn encodings(key: Key) -> Vec<Vec<u8>> {
    let modifiers = 1 + u32::from(key.shift) + 2 * u32::from(key.alt) + 4 * u32::from(key.ctrl);
    let mut all = Vec::new();
    let escape = |bytes: &str| if key.alt { format!("\x1b{bytes}") } else { bytes.to_owned() };
    let number = match key.code {
        KeyCode::Char(char) => {
            if !key.ctrl {
                all.push(escape(&char.to_string()));
            } else if let 'a'..='z' | '\\' | ']' | '^' | '_' = char
                && !"hijm".contains(char)
            {
                all.push(escape(&char::from(char as u8 & 0x1f).to_string()));
            }
            Some(u32::from(char))
        }
        KeyCode::Enter => Some(13),
        KeyCode::Tab => Some(9),
        KeyCode::Escape => Some(27),
        KeyCode::Backspace => Some(127),
        _ => None,
    };
    if let Some(number) = number {
        all.push(format!("\x1b[{number};{modifiers}u"));
        all.push(format!("\x1b[27;{modifiers};{number}~"));
        if !key.ctrl && !key.shift && number < 128 {
            all.push(escape(&char::from(number as u8).to_string()));
        }
    }
    let last = match key.code {
        KeyCode::Up => "A",
        KeyCode::Down => "B",
        KeyCode::Right => "C",
        KeyCode::Left => "D",
        KeyCode::End => "F",
        KeyCode::Home => "H",
        KeyCode::Function(1) => "P",
        KeyCode::Function(2) => "Q",
        KeyCode::Function(3) => "R",
        KeyCode::Function(4) => "S",
        _ => "",
    };
    if !last.is_empty() {
        all.push(format!("\x1b[1;{modifiers}{last}"));
        all.push(format!("\x1b\x1b[1;{modifiers}{last}"));
        if !key.alt {
            all.pop();
        }
        if !key.ctrl && !key.shift {
            all.push(escape(&format!("\x1bO{last}")));
        }
    }
    let tilde = match key.code {
        KeyCode::Home => 1,
        KeyCode::Insert => 2,
        KeyCode::Delete => 3,
        KeyCode::End => 4,
        KeyCode::PageUp => 5,
        KeyCode::PageDown => 6,
        KeyCode::Function(number @ 1..=5) => 10 + number,
        KeyCode::Function(number @ 6..=10) => 11 + number,
        KeyCode::Function(number @ 11..=14) => 12 + number,
        _ => 0,
    };
    if tilde > 0 {
        all.push(format!("\x1b[{tilde};{modifiers}~"));
    }
    all.into_iter().map(String::into_bytes).collect()
}

fn keys() -> impl Strategy<Value = Key> {
    let codes = prop_oneof![
        (0x20u8..0x7f).prop_map(|byte| KeyCode::Char(char::from(byte))),
        Just(KeyCode::Char('é')),
        Just(KeyCode::Char('漢')),
        Just(KeyCode::Enter),
        Just(KeyCode::Tab),
        Just(KeyCode::Backspace),
        Just(KeyCode::Delete),
        Just(KeyCode::Insert),
        Just(KeyCode::Escape),
        Just(KeyCode::Left),
        Just(KeyCode::Right),
        Just(KeyCode::Up),
        Just(KeyCode::Down),
        Just(KeyCode::Home),
        Just(KeyCode::End),
        Just(KeyCode::PageUp),
        Just(KeyCode::PageDown),
        (1u8..=20).prop_map(KeyCode::Function),
    ];
    (codes, any::<[bool; 3]>()).prop_map(|(code, [ctrl, alt, shift])| match code {
        KeyCode::Char(char) if ctrl => Key { code: KeyCode::Char(char.to_ascii_lowercase()), ctrl, alt, shift: false },
        KeyCode::Char(_) => Key { code, ctrl, alt, shift: false },
        _ => Key { code, ctrl, alt, shift },
    })
}

/// Bytes made of pieces of what terminals send, so that they reach deep into the decoder.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..4),
        Just(b"\x1b".to_vec()),
        Just(b"\x1b[".to_vec()),
        Just(b"\x1bO".to_vec()),
        Just(b"\x1b]11;rgb:1/2/3".to_vec()),
        Just(b"\x07".to_vec()),
        Just(b"\x1b\\".to_vec()),
        Just(b"\x1bP1".to_vec()),
        Just(b"\x1b[M".to_vec()),
        Just(b"\x1b[200~".to_vec()),
        Just(b"\x1b[201~".to_vec()),
        Just("é漢😀".as_bytes().to_vec()),
        "[0-9:;]{1,6}[A-Zu~$]".prop_map(String::into_bytes),
        "[a-z\r\n]{1,20}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn keys_round_trip(key in keys()) {
        for bytes in encodings(key) {
            prop_assert_eq!(decode(&bytes), [Event::Key(key)], "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn reads_may_be_cut_anywhere(bytes in streams(), sizes in proptest::collection::vec(1usize..9, 1..40), limit in 16usize..40) {
        let mut whole = Vec::new();
        let mut decoder = Decoder::with_paste_limit(limit);
        decoder.feed(&bytes, &mut whole);
        let unfinished = decoder.pending();
        decoder.flush(&mut whole);
        let mut cut = Vec::new();
        let mut decoder = Decoder::with_paste_limit(limit);
        let mut rest = bytes.as_slice();
        for size in sizes.iter().cycle().take(bytes.len()) {
            let (now, later) = rest.split_at(rest.len().min(*size));
            decoder.feed(now, &mut cut);
            rest = later;
        }
        prop_assert_eq!(decoder.pending(), unfinished);
        decoder.flush(&mut cut);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn bad_utf8_is_replaced_as_by_the_library(bytes in proptest::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8..=0xff], 0..40)) {
        let text: String = decode(&bytes).iter().filter_map(|event| match event {
            Event::Key(Key { code: KeyCode::Char(char), .. }) => Some(*char),
            _ => None,
        }).collect();
        prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn pastes_come_as_they_are(text in "[^\r\u{1b}]{0,200}") {
        let events = decode(format!("\x1b[200~{text}\x1b[201~").as_bytes());
        prop_assert_eq!(events, [Event::Paste(text)]);
    }
}
