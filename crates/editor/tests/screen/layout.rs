//! Prompts, wrapping, wide and strange characters, overlays.

use keelback_editor::{
    layout::{Layout, Size, Styled, View},
    style::Kind,
};

use crate::emulator::{Screen, State};

/// `size` is columns and rows; `cursor` is column and row.
#[track_caller]
fn check(size: (u16, u16), text: &str, rows: &[&str], cursor: (u16, u16)) {
    check_state(size, &State::new(text), rows, cursor);
}

#[track_caller]
fn check_state(size: (u16, u16), state: &State, rows: &[&str], cursor: (u16, u16)) {
    let mut screen = Screen::new(size.0, size.1);
    screen.paint(state);
    assert_eq!(
        (screen.rows(), screen.cursor()),
        (rows.iter().map(|row| (*row).to_owned()).collect(), (cursor.1, cursor.0))
    );
}

#[test]
fn lines_have_their_prompts() {
    check((80, 24), "", &[">>>"], (4, 0));
    check((80, 24), "if a:\n    |b\n", &[">>> if a:", "...     b", "..."], (8, 1));
}

#[test]
fn long_lines_are_broken_with_a_mark() {
    check((20, 12), "aaaaabbbbbcccccddddd", &[">>> aaaaabbbbbccccc\\", "ddddd"], (5, 1));
    check((20, 12), "aaaaabbbbbccccc", &[">>> aaaaabbbbbccccc"], (19, 0));
    check((12, 12), "aaaaaa樂", &[">>> aaaaaa\\", "樂"], (2, 1));
    check(
        (10, 20),
        "if some_condition:\n    some_function()",
        &[">>> if so\\", "me_condit\\", "ion:", "...     s\\", "ome_funct\\", "ion()"],
        (5, 5),
    );
}

#[test]
fn the_cursor_is_where_the_next_character_is() {
    check((20, 12), "aaaaabbbbbccccc|ddddd", &[">>> aaaaabbbbbccccc\\", "ddddd"], (0, 1));
    check((80, 24), "|樂", &[">>> 樂"], (4, 0));
    check((80, 24), "e\u{301}e\u{301}e\u{301}x", &[">>> e\u{301}e\u{301}e\u{301}x"], (8, 0));
    check((80, 24), "\ta\tb", &[">>>         a       b"], (21, 0));
    check((80, 24), "a\x1bb\u{200b}", &[">>> a^[b\\u200b"], (14, 0));
}

#[test]
fn a_cluster_takes_the_columns_that_we_say() {
    check((80, 24), "'\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}'", &[">>> '\u{1f3f3}\u{fe0f}\u{200d}'"], (8, 0));
}

#[test]
fn right_to_left_text_stays_in_its_order() {
    check((80, 24), "'שלום'|.x", &[">>> 'שלום'.x"], (10, 0));
}

#[test]
fn narrow_windows_have_little_prompt_or_none() {
    check((7, 9), "abcd", &[">>>abc\\", "d"], (1, 1));
    check((5, 9), "abcd", &[">abc\\", "d"], (1, 1));
    check((4, 9), "abcd", &["abc\\", "d"], (1, 1));
    check((2, 9), "ab", &["a\\", "b"], (1, 1));
    check((1, 9), "ab", &["a", "b"], (0, 1));
    check((1, 1), "ab樂", &["?"], (0, 0));
}

#[test]
fn prompts_may_have_lines_and_escapes() {
    let prompt = Styled::parse("\x1b[32mtop\x1b[0m\n\x1b[1mpy>\x1b[0m ", Kind::Prompt);
    let state = State { prompt, ..State::new("x\ny") };
    check_state((80, 24), &state, &["top", "py> x", "... y"], (5, 2));
    check_state((80, 2), &state, &["py> x", "... y"], (5, 1));
}

#[test]
fn tall_texts_scroll_to_the_cursor() {
    let text = "1\n2\n3\n4\n5\n6";
    check((80, 4), text, &["... 3", "... 4", "... 5", "... 6"], (5, 3));
    check((80, 4), &format!("|{text}"), &[">>> 1", "... 2", "... 3", "... 4"], (4, 0));
    check((80, 1), "1\n2|\n3", &["... 2"], (5, 0));
    check((5, 3), "abcdefghijkl|mnopqrst", &["defg\\", "hijk\\", "lmno\\"], (1, 2));
}

#[test]
fn scrolling_is_no_more_than_it_takes() {
    let mut screen = Screen::new(80, 3);
    for (text, rows) in [
        ("1\n2\n3\n4\n5|", ["... 3", "... 4", "... 5"]),
        ("1\n2\n3\n|4\n5", ["... 3", "... 4", "... 5"]),
        ("1\n|2\n3\n4\n5", ["... 2", "... 3", "... 4"]),
        ("1\n2\n3\n|4\n5", ["... 2", "... 3", "... 4"]),
        ("1\n2\n|3", [">>> 1", "... 2", "... 3"]),
    ] {
        assert_eq!(screen.paint(&State::new(text)).rows(), rows);
    }
}

#[test]
fn suggestions_are_after_the_end_and_one_line() {
    let with = |text: &str| State { suggestion: Some("print(1)\nmore".to_owned()), ..State::new(text) };
    check_state((80, 24), &with("x = "), &[">>> x = print(1) ..."], (8, 0));
    check_state((80, 24), &with("x| = "), &[">>> x ="], (5, 0));
    check_state((10, 24), &with("x = "), &[">>> x = p\\", "rint(1) .\\", ".."], (8, 0));
}

#[test]
fn rows_below_get_what_the_text_leaves() {
    let below = |text: &str| State {
        below: (0..9).map(|number| Styled::plain(format!("menu {number}"), Kind::MenuItem)).collect(),
        ..State::new(text)
    };
    check_state((6, 5), &below("x"), &[">>x", "menu 0", "menu 1", "menu 2", "menu 3"], (3, 0));
    check_state((80, 5), &below("1\n2\n3\n4\n5"), &["... 3", "... 4", "... 5", "menu 0", "menu 1"], (5, 2));
    check_state((80, 1), &below("x"), &[">>> x"], (5, 0));
}

#[test]
fn a_place_on_the_screen_has_an_offset() {
    let mut screen = Screen::new(10, 3);
    let state = State::new("if some_condition:\n    x|");
    screen.paint(&state);
    assert_eq!(screen.rows(), ["me_condit\\", "ion:", "...     x"]);
    for (row, column, offset) in [
        (0, 0, Some(5)),
        (0, 3, Some(8)),
        (0, 9, Some(13)),
        (1, 9, Some(18)),
        (2, 0, Some(19)),
        (2, 9, Some(24)),
        (3, 0, None),
    ] {
        let found = state.with_view(screen.size, |view| screen.layout.offset_at(&view, row, column));
        assert_eq!(found, offset, "row {row}, column {column}");
    }
}

#[test]
fn work_is_that_of_the_rows_that_are_seen() {
    let state = State::new(&"x = 1\n".repeat(10_000));
    let mut asked = Vec::new();
    let mut layout = Layout::new();
    let prompt = Styled::plain(">>> ", Kind::Prompt);
    layout.frame(&mut View {
        size: Size { columns: 80, rows: 4 },
        prompt: &prompt,
        continuation: &prompt,
        text: &state.text,
        cursor: state.cursor,
        selection: None,
        brackets: None,
        found: None,
        spans: &mut |line| {
            asked.push(line);
            Vec::new()
        },
        suggestion: None,
        below: &[],
    });
    assert_eq!(asked, [9_997, 9_998, 9_999, 10_000]);
}
