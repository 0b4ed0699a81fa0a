//! Bytes for usual keys, scrolling, resizing, and what stays after Enter.

use keelback_editor::{layout::Styled, style::Kind, theme::Theme};

use crate::emulator::{Screen, State};

/// The bytes from one text to the next.
#[track_caller]
fn check(from: &str, to: &str, bytes: &str) {
    let mut screen = Screen::new(80, 24);
    screen.paint(&State::new(from)).paint(&State::new(to));
    assert_eq!(String::from_utf8_lossy(&screen.bytes), bytes);
}

#[test]
fn a_key_is_a_few_bytes() {
    check("ab", "abc", "c");
    check("ab", "ab ", " ");
    check("abc", "ab", "\x08\x1b[K");
    check("abc", "ab|c", "\x08");
    check("x = ", "x = 1", "\x1b[33m1\x1b[m");
    check("print(aaaa|, bbbbbbbbbbbbbbbbb)", "print(aaaax|, bbbbbbbbbbbbbbbbb)", "\x1b[@x");
    check("print(aaaax|, bbbbbbbbbbbbbbbbb)", "print(aaaa|, bbbbbbbbbbbbbbbbb)", "\x08\x1b[P");
    check("if x:", "if x:\n", "\r\n\x1b[1;35m... \x1b[m");
    check("a\nb|", "a|\nb", "\x1b[A");
    check("same", "same", "");
}

#[test]
fn a_key_in_a_full_row_moves_one_character_down() {
    let mut screen = Screen::new(20, 12);
    screen.paint(&State::new("aaa|aabbbbbcccccddddd"));
    screen.paint(&State::new("aaax|aabbbbbcccccddddd"));
    assert_eq!(screen.rows(), [">>> aaaxaabbbbbcccc\\", "cddddd"]);
    assert!(screen.bytes.len() <= 40, "{:?}", String::from_utf8_lossy(&screen.bytes));
}

#[test]
fn without_colour_there_is_no_sgr() {
    let mut screen = Screen::new(20, 4);
    screen.theme = Theme::none();
    let prompt = Styled::parse("\x1b[31m>\x1b[m ", Kind::Prompt);
    let mut all = Vec::new();
    for text in ["d = '1'", "d = '1'\n2", "", "1\n2\n3\n4\n5\n6"] {
        screen.paint(&State { prompt: prompt.clone(), selection: Some(0..3), ..State::new(text) });
        all.extend_from_slice(&screen.bytes);
    }
    screen.accept(&State::new("1\n2"));
    all.extend_from_slice(&screen.bytes);
    assert!(!all.split(|byte| *byte == 0x1b).any(|part| part.contains(&b'm')), "{}", String::from_utf8_lossy(&all));
}

#[test]
fn growing_scrolls_what_is_above_into_the_scrollback() {
    let mut screen = Screen::new(20, 4);
    screen.print("one\ntwo\nthree\n");
    screen.paint(&State::new("1")).paint(&State::new("1\n2")).paint(&State::new("1\n2\n3"));
    assert_eq!(screen.rows(), ["three", ">>> 1", "... 2", "... 3"]);
    assert_eq!(screen.above(), ["one", "two", "three"]);
}

#[test]
fn a_tall_text_scrolls_in_place() {
    let mut screen = Screen::new(60, 5);
    let line = "a line that is long enough to see";
    let text: Vec<_> = (0..30).map(|number| format!("{line} {number}")).collect();
    let text = text.join("\n");
    let mut state = State::new(&text);
    screen.paint(&state);
    let ends: Vec<_> = (0..30).map(|number| state.text.line_range(number).end).collect();
    for end in ends.iter().rev().chain(&ends) {
        state.cursor = *end;
        screen.paint(&state);
        assert!(screen.bytes.len() < 110, "{:?}", String::from_utf8_lossy(&screen.bytes));
        assert!(screen.above().is_empty());
    }
}

#[test]
fn a_line_in_the_middle_moves_the_others() {
    let mut screen = Screen::new(60, 24);
    let line = "a line that is long enough to see".to_owned();
    let lines = vec![line; 12];
    let (before, after) = (lines[..4].join("\n1"), lines[4..].join("\n2"));
    screen.paint(&State::new(&format!("{before}|\n{after}")));
    screen.paint(&State::new(&format!("{before}\n|\n{after}")));
    assert!(screen.bytes.len() < 80, "{:?}", String::from_utf8_lossy(&screen.bytes));
    assert_eq!(screen.rows().len(), 13);
}

#[test]
fn an_accepted_cell_is_in_the_scrollback_once() {
    for rows in [2, 5, 8, 9, 20] {
        let mut screen = Screen::new(40, rows);
        screen.print("before\n");
        let text: Vec<_> = (0..8).map(|number| format!("line {number}")).collect();
        let mut state = State { below: vec![Styled::plain("menu", Kind::MenuItem)], ..State::new(&text.join("\n")) };
        state.suggestion = Some("more".to_owned());
        screen.paint(&state);
        screen.accept(&state);
        let mut expected = vec!["before".to_owned(), ">>> line 0".to_owned()];
        expected.extend((1..8).map(|number| format!("... line {number}")));
        assert_eq!(screen.above(), expected, "{rows} rows");
        assert_eq!(screen.cursor().1, 0);
        assert!(screen.region().is_empty());
    }
}

#[test]
fn a_short_cell_is_accepted_in_a_new_line() {
    let mut screen = Screen::new(40, 10);
    screen.paint(&State::new("1 + 1"));
    screen.accept(&State::new("1 + 1"));
    assert_eq!(screen.bytes, b"\r\n");
}

#[test]
fn output_goes_above_the_prompt() {
    let mut screen = Screen::new(40, 10);
    let state = State { below: vec![Styled::plain("menu", Kind::MenuItem)], ..State::new("a\nb") };
    screen.paint(&state);
    screen.print("output\n");
    screen.paint(&state);
    assert_eq!(screen.rows(), ["output", ">>> a", "... b", "menu"]);
}

#[test]
fn clearing_the_screen_puts_the_prompt_on_top() {
    let mut screen = Screen::new(40, 10);
    screen.print("output\n");
    screen.paint(&State::new("a\nb"));
    screen.clear_screen();
    assert_eq!(screen.paint(&State::new("a\nb")).rows(), [">>> a", "... b"]);
}

#[test]
fn a_large_update_is_shown_at_once() {
    let mut screen = Screen::new(40, 10);
    let text = "some text to see\n".repeat(5);
    screen.paint(&State::new("")).paint(&State::new(&text));
    let bytes = String::from_utf8_lossy(&screen.bytes).into_owned();
    assert!(bytes.starts_with("\x1b[?2026h\x1b[?25l") && bytes.ends_with("\x1b[?25h\x1b[?2026l"), "{bytes:?}");
}

#[test]
fn blank_rows_at_the_bottom_are_made_before_others_move_there() {
    let mut screen = Screen::new(20, 6);
    screen.print("above\n");
    let below = ["first of the rows", "second of the rows", "third of the rows", "", ""];
    let below = below.map(|line| Styled::plain(line, Kind::MenuItem)).to_vec();
    screen.paint(&State { below: below.clone(), ..State::new("") });
    screen.paint(&State { below, ..State::new("1\n2\n3") });
    assert_eq!(screen.rows()[3..], ["first of the rows", "second of the rows", "third of the rows"]);
}
