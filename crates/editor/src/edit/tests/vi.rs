//! vi's keys.

use super::*;

#[track_caller]
fn vi(text: &str, keys: &str, after: &str) {
    check(text, &format!("Escape {keys}"), after);
}

#[test]
fn commands() {
    vi("foo bar|", "`b`", "foo |bar");
    vi("foo bar|", "`0dw`", "|bar");
    vi("foo bar|", "`0cwx` Escape `w.`", "x |x");
    vi("foo bar|", "`x`", "foo b|a");
    vi("foo.bar|", "`0wD`", "fo|o");
    vi("a\nb|", "`dd`", "|a");
    vi("a\nb|", "`yyP`", "a\n|b\nb");
    vi("f(a, b)|", "`hci(x` Escape", "f(|x)");
    vi("f(a, b)|", "`0fad2l`", "f(| b)");
    vi("say 'hi'|", "`di'`", "say '|'");
    vi("abc|", "`0rx`", "|xbc");
    vi("abc|", "`0~~`", "AB|c");
    vi("abc|", "`0x` `u`", "|abc");
    vi("a b c d|", "`02dw`", "|c d");
    vi("a|", "`ob` Escape", "a\n|b");
    vi("a,b,c|", "`0f,;`", "a,b|,c");
    check_history(&["1", "2"], "Escape `kk`", "|1");
    check_history(&["1", "2"], "Escape `ia` Escape `k`", "|2");
}

#[test]
fn a_selection_of_characters_takes_the_one_under_the_cursor() {
    vi("abc def|", "`0vld`", "|c def");
    vi("abc def|", "`0wvhd`", "abc|ef");
    vi("abc def|", "`0ved`", "| def");
    vi("abc def|", "`0v$d`", "|");
    vi("a樂b|", "`0lvd`", "a|b");
    vi("f(a, b)|", "`0f(v%d`", "|f");
    vi("ab\ncd|", "`ggvjd`", "|d");
}

#[test]
fn a_selection_of_lines_is_of_whole_ones() {
    vi("a\nb\nc|", "`ggVjd`", "|c");
    vi("a\nb\nc|", "`ggjVd`", "a\n|c");
    vi("a\nb\nc|", "`ggVyGp`", "a\nb\nc\n|a");
    vi("a\nb|", "`ggVj>`", "|    a\n    b");
    vi("a\nb|", "`ggVj2>`", "|        a\n        b");
    vi("    a\n    b|", "`ggVj<`", "|a\nb");
    vi("  a\nb|", "`ggVcx` Escape", "  |x\nb");
    vi("abc\ndef|", "`ggvD`", "|def");
}

#[test]
fn selections_change_kind_and_ends() {
    vi("abc\ndef|", "`ggvVd`", "|def");
    vi("abc|", "`0vvx`", "|bc");
    vi("abc|", "`0v` Escape `x`", "|bc");
    vi("abcd|", "`0lvlohd`", "|d");
    vi("abcd|", "`0lvl` Left `d`", "a|cd");
}

#[test]
fn selections_take_all_operators() {
    vi("abc|", "`0vlcx` Escape", "|xc");
    vi("abc|", "`0vlsx` Escape", "|xc");
    vi("aBc|", "`0v$~`", "|AbC");
    vi("aBc|", "`0v$u`", "|abc");
    vi("aBc|", "`0v$U`", "|ABC");
    vi("aBc|", "`0vlrx`", "|xxc");
    vi("a\n  b\nc|", "`ggVjjJ`", "a b| c");
    vi("a b|", "`0yiwwviwp`", "a |a");
    vi("say 'hi'|", "`hvi'd`", "say '|'");
    vi("f(a, b)|", "`hvi(d`", "f(|)");
}

#[test]
fn what_was_replaced_can_be_put() {
    vi("a b|", "`0yiwwviwp0P`", "|ba a");
    vi("a b|", "`0yiwwviwP0P`", "|aa a");
}

#[test]
fn what_is_selected_is_shown() {
    let mut editor = editor("ab\ncd|");
    press(&mut editor, "Escape `ggv`", &mut entries(&[]));
    assert_eq!(editor.vi_selection(), Some(0..1));
    press(&mut editor, "`l`", &mut entries(&[]));
    assert_eq!(editor.vi_selection(), Some(0..2));
    press(&mut editor, "`Vj`", &mut entries(&[]));
    assert_eq!(editor.vi_selection(), Some(0..5));
    press(&mut editor, "C-k", &mut entries(&[]));
    assert_eq!(editor.vi_selection(), None);
}

#[test]
fn a_selection_never_walks_into_the_history() {
    check_history(&["1", "2"], "`ab` Escape `vkkd`", "|a");
}

#[test]
fn registers_keep_text_by_letter() {
    vi("a b|", "`0\"xdw\"ydw\"xP`", "a| ");
    vi("a b|", "`0\"xyw$\"xp`", "a ba| ");
    vi("ab|", "`0\"xx\"Xx\"xp`", "a|b");
    vi("a\nb|", "`gg\"xyyj\"XyyG\"xp`", "a\nb\n|a\nb");
    vi("a b|", "`0yiww\"_dd`Escape`p`", "|a");
    vi("ab|", "`0\"qp`", "|ab");
    vi("a b c|", "`0\"x2dwP`", "a b| c");
    vi("a b c|", "`0\"xdw.\"xP`", "b| c");
}

#[test]
fn the_clipboard_is_a_register() {
    let mut editor = editor("a b|");
    let action = press(&mut editor, "Escape `0\"+yiw`", &mut entries(&[]));
    assert_eq!(action, Action::Copy("a".into()));
    let action = press(&mut editor, "`v$\"*y`", &mut entries(&[]));
    assert_eq!(action, Action::Copy("a b".into()));
    press(&mut editor, "`$\"+p`", &mut entries(&[]));
    assert_eq!(editor.buffer().as_str(), "a ba b");
}

#[test]
fn registers_outlive_the_cell() {
    let (mut editor, mut host) = (editor("abc|"), entries(&[]));
    press(&mut editor, "Escape `0\"xyiwqaxq`", &mut host);
    editor.next_cell(&mut host);
    press(&mut editor, "`12` Escape `\"xp@a`", &mut host);
    assert_eq!(editor.buffer().as_str(), "12ab");
}

#[test]
fn macros_press_keys_again() {
    vi("abcdef|", "`0qaxq@a`", "|cdef");
    vi("abcdef|", "`0qaxq@a@@`", "|def");
    vi("abcdef|", "`0qaxq3@a`", "|ef");
    vi("a\nb\nc|", "`ggqqA;` Escape `jq2@q`", "a;\nb;\nc|;");
    vi("abc|", "`0@z@@`", "|abc");
    vi("abc|", "`0qaxqqb@a@aq`", "|");
}

#[test]
fn a_macro_does_not_play_itself() {
    vi("abc|", "`0qaxq` `qax@aq` `@a`", "|");
    vi("abcdef|", "`0qax@aq@a`", "|cdef");
}

#[test]
fn a_macro_ends_where_others_have_something_to_do() {
    let (mut editor, mut host) = (editor("|"), entries(&[]));
    assert_eq!(press(&mut editor, "`1` Escape `qaA0` Escape Enter", &mut host), Action::Submit("10".into()));
    editor.next_cell(&mut host);
    let action = press(&mut editor, "`2` Escape `2@a`", &mut host);
    assert_eq!(action, Action::Submit("20".into()));
}

#[test]
fn repeating_takes_a_new_count() {
    vi("a b c d e f|", "`0dw2.`", "|d e f");
    vi("a b c d e f|", "`02dw.`", "|e f");
    vi("a b c d e f|", "`0d2w3.`", "|f");
    vi("abcdef|", "`0xd0$3.`", "|f");
    vi("a b c d|", "`0\"xdw2.\"xP`", "b c| d");
}

#[test]
fn repeating_a_change_of_a_selection_takes_as_much_text() {
    vi("abcdefgh|", "`0vld.`", "|efgh");
    vi("a\nb\nc\nd|", "`ggVjd.`", "|");
    vi("ab cd|", "`0vlcx` Escape `w.`", "x |x");
    vi("abcd|", "`0vlU2l.`", "AB|CD");
}

#[test]
fn counts_repeat_what_is_typed() {
    vi("|", "`3iab` Escape", "ababa|b");
    vi("x|", "`2A!` Escape", "x!|!");
    vi("x|", "`2A!` Escape `.`", "x!!!|!");
    vi("a\nb\nc|", "`gg3J`", "a b| c");
}

#[test]
fn columns_are_aimed_for_as_long_as_lines_change() {
    vi("x\nabcd\na\nabcd|", "`kk`", "x\nabc|d\na\nabcd");
    vi("x\nabcd\nabcd\nabcd|", "`khhk`", "x\na|bcd\nabcd\nabcd");
}
