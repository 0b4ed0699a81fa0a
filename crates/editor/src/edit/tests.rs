mod vi;

use proptest::prelude::*;

use super::{history::Entries, *};
use crate::completeness::guess;

struct Test {
    history: Entries,
}

impl Host for Test {
    fn history(&self) -> &dyn History {
        &self.history
    }

    fn completeness(&mut self, source: &str) -> Completeness {
        guess(source)
    }
}

const SIZE: Size = Size { columns: 80, rows: 24 };

fn entries(texts: &[&str]) -> Test {
    Test { history: Entries(texts.iter().map(|text| (*text).to_owned()).collect()) }
}

/// An editor with `text`, in which `|` is the cursor.
fn editor(text: &str) -> Editor {
    let mut editor = Editor::new(Keymap::vi(), SIZE);
    if let Some(cursor) = text.find('|') {
        editor.set_text(&text.replacen('|', "", 1));
        editor.set_cursor(cursor);
    }
    editor
}

/// Presses keys: names between blanks, and text between quotes.
fn press(editor: &mut Editor, keys: &str, host: &mut Test) -> Action {
    let mut action = Action::Continue;
    for (number, part) in keys.split('`').enumerate() {
        if number % 2 == 1 {
            for char in part.chars() {
                action = editor.key(Key::char(char), host);
                editor.suggest(host);
            }
        } else {
            for key in part.split_whitespace() {
                action = editor.key(key.parse().expect("a key"), host);
                editor.suggest(host);
            }
        }
    }
    action
}

fn shown(editor: &Editor) -> String {
    let mut text = editor.buffer().as_str().to_owned();
    text.insert(editor.buffer().cursor(), '|');
    text
}

#[track_caller]
fn check(text: &str, keys: &str, after: &str) {
    let mut editor = editor(text);
    press(&mut editor, keys, &mut entries(&[]));
    assert_eq!(shown(&editor), after, "{keys}");
}

#[track_caller]
fn check_history(history: &[&str], keys: &str, after: &str) -> Action {
    let mut editor = editor("|");
    let action = press(&mut editor, keys, &mut entries(history));
    assert_eq!(shown(&editor), after, "{keys}");
    action
}

#[test]
fn motions() {
    check("foo.|bar baz", "M-f", "foo.bar| baz");
    check("na|ïve", "M-f", "naïve|");
    check("foo.bar baz|", "M-b M-b `X` M-f `Y`", "foo.XbarY| baz");
    check("(1,\n22|", "C-a `X`", "(1,\nX|22");
    check("(1,|\n22", "Right `X`", "(1,\nX|22");
    check("|bc", "End `d` Home `a`", "a|bcd");
    check("e\u{301}x|", "Left Left `a`", "a|e\u{301}x");
    check("f(a|[1])", "C-]", "f(a[1|])");
    check("|ab", "Left", "|ab");
}

#[test]
fn rows_go_up_and_down_with_their_column() {
    check("(abcdef,\ngh|ijkl", "Up `X`", "(aX|bcdef,\nghijkl");
    check("long line\nab\nlonger| line", "Up Up `X`", "long lX|ine\nab\nlonger line");
    check("abc|", "Up `X`", "X|abc");
    check("(1,\n22|", "Down `X`", "(1,\n22X|");
}

#[test]
fn deleting_and_killing() {
    check("foo bar|", "C-w", "foo |");
    check("os.path.join|", "C-w", "os.path.|");
    check("|foo bar", "M-d", "| bar");
    check("(1,|\n2)", "C-k", "(1,|2)");
    check("(1,|\n2)", "Delete", "(1,|2)");
    check("(1,\n|2)", "Backspace", "(1,|2)");
    check("(1,\nxyz|", "C-u", "(1,\n|");
    check("e\u{301}|", "Backspace", "|");
    check("one|", "C-u `two` C-u C-y", "two|");
    check("one|", "C-u `two` C-u C-y M-y", "one|");
    check("a b c|", "C-w C-w C-y C-y", "a b cb c|");
    check("|abc", "C-d C-d", "|c");
}

#[test]
fn words_and_characters_change_places_and_case() {
    check("ac|b", "C-t", "abc|");
    check("acb|", "C-t", "abc|");
    check("one| two", "M-t", "two one|");
    check("|foo bar", "M-u M-c", "FOO Bar|");
    check("|FOO", "M-l", "foo|");
    check("|", "M-5 `x`", "xxxxx|");
    check("|", "M-1 `2` `x`", "xxxxxxxxxxxx|");
    check("abcdef|", "M-3 Left", "abc|def");
    check("|", "C-q Tab C-q C-a", "\t\u{1}|");
}

#[test]
fn a_selection_is_replaced_killed_and_copied() {
    check("abc|", "S-Left S-Left `x`", "ax|");
    check("abc|", "S-Left S-Left Backspace", "a|");
    check("abc|", "C-Space Left Left C-w C-y C-y", "abcbc|");
    let mut editor = editor("ab|c");
    assert_eq!(press(&mut editor, "S-End M-w", &mut entries(&[])), Action::Copy("c".into()));
    assert_eq!(editor.buffer().selection(), None);
}

#[test]
fn undo_takes_back_word_by_word() {
    check("|", "`one two` C-_", "one|");
    check("|", "`abc` C-w C-_", "abc|");
    check("|", "`abc` C-w C-_ C-_", "|");
    check("|", "`abc` C-w C-_ M-_", "|");
}

#[test]
fn lines_are_indented() {
    check("|", "`def f():` Enter", "def f():\n    |");
    check("|", "`def f():` Enter `if 1:` Enter `x`", "def f():\n    if 1:\n        x|");
    check("|", "`def f():` Enter `if 1:` Enter Backspace `x`", "def f():\n    if 1:\n    x|");
    check("|", "`def f():` Enter Backspace `  a = 1` Enter `if a:` Enter `b`", "def f():\n  a = 1\n  if a:\n    b|");
    check("|", "`for i in x:` Enter `# c` Enter `y`", "for i in x:\n    # c\n    y|");
    check("|", "`foo(` Enter `x`", "foo(\n    x|");
    check("|", "`def f():` Enter `return 1` Enter `x`", "def f():\n    return 1\nx|");
    check("|", "`if 0:` Enter `1` Enter `else:`", "if 0:\n    1\nelse:|");
    check("|", "Tab `x`", "    x|");
    check("(\n  |", "Tab `x`", "(\n    x|");
    check("if x:\n    a\n    |b", "C-Space Up M-]", "if x:\n        |a\n        b");
    check("    a|", "M-[", "a|");
    check("  a\n\n  b|", "C-x h M-;", "  # a\n\n  # b|");
}

#[test]
fn enter_runs_what_is_whole() {
    let run = |keys: &str| press(&mut editor("|"), keys, &mut entries(&[]));
    assert_eq!(run("`1+1` Enter"), Action::Submit("1+1".into()));
    assert_eq!(run("`(1` Enter"), Action::Continue);
    assert_eq!(run("`def f():` Enter `pass` Enter"), Action::Continue);
    assert!(
        matches!(run("`def f():` Enter `pass` Enter Enter"), Action::Submit(source) if source.starts_with("def f():\n    pass"))
    );
    assert_eq!(run("`1+1` M-Enter"), Action::Continue);
    assert_eq!(run("`(1` C-Enter"), Action::Submit("(1".into()));
    assert_eq!(run("C-d"), Action::EndOfInput);
    assert_eq!(run("`a` C-d"), Action::Continue);
    assert_eq!(run("C-c"), Action::Interrupt);
}

#[test]
fn pasted_text_waits_for_enter() {
    let mut host = entries(&[]);
    let mut editor = editor("|");
    editor.paste("def a():\n  for x in 'ab':\n\n    if x:\n      print(x)\n", &mut host);
    assert_eq!(shown(&editor), "def a():\n  for x in 'ab':\n\n    if x:\n      print(x)\n|");
    assert!(matches!(press(&mut editor, "Enter", &mut host), Action::Submit(_)));
}

#[test]
fn paste_mode_neither_indents_nor_runs() {
    check("|", "F3 `def f():` Enter `  x = 7` Enter Enter `  y` Enter", "def f():\n  x = 7\n\n  y\n|");
    let mut editor = editor("|");
    assert_eq!(press(&mut editor, "F3 `1` Enter F3 C-c", &mut entries(&[])), Action::Interrupt);
}

#[test]
fn up_and_down_walk_through_the_history() {
    let history = ["5", "def foo():\n    x = 1", "2+2"];
    check_history(&history, "Up", "2+2|");
    check_history(&history, "Up Up", "def foo():\n    x = 1|");
    check_history(&history, "Up Up Up `X`", "def foo():X|\n    x = 1");
    check_history(&history, "Up Up Up Up", "5|");
    check_history(&history, "Up Up Up Up Up Up", "|5");
    check_history(&history, "Up Up Up Down Down", "2+2|");
    check_history(&history, "`draft` Up Down", "draft|");
    check_history(&history, "Up `0` Up Down", "2+20|");
    check_history(&history, "M-<", "5|");
    check_history(&history, "`x` M-< M->", "x|");
}

#[test]
fn what_becomes_of_a_recalled_entry_is_not_history() {
    let mut host = entries(&["1+1", "2+2"]);
    let mut editor = editor("|");
    press(&mut editor, "Up `0` Up Enter", &mut host);
    editor.next_cell(&mut host);
    host.history.0.push("1+1".into());
    press(&mut editor, "Up Up", &mut host);
    assert_eq!(shown(&editor), "2+2|");
}

#[test]
fn run_and_next_brings_the_entry_after() {
    let mut host = entries(&["1", "2", "3"]);
    let mut editor = editor("|");
    assert_eq!(press(&mut editor, "Up Up Up C-o", &mut host), Action::Submit("1".into()));
    host.history.0.push("1".into());
    editor.next_cell(&mut host);
    assert_eq!(shown(&editor), "2|");
}

#[test]
fn prefix_search_keeps_to_what_was_typed() {
    let history = ["import os", "x = 1", "import re"];
    check_history(&history, "`imp` PageUp", "import re|");
    check_history(&history, "`imp` PageUp PageUp", "import os|");
    check_history(&history, "`imp` PageUp PageUp PageUp PageDown", "import re|");
    check_history(&history, "`imp` PageUp PageDown", "imp|");
    check_history(&["Imp"], "`imp` PageUp", "imp|");
    check_history(&history, "PageUp", "import re|");
}

#[test]
fn incremental_search() {
    let history = ["alpha = 1", "ab = 2", "x = 3"];
    check_history(&history, "C-r `pha`", "al|pha = 1");
    check_history(&history, "C-r `pha` C-e `0`", "alpha = 10|");
    check_history(&history, "C-r `a` C-r", "|alpha = 1");
    check_history(&history, "C-r `a` C-r C-s", "|ab = 2");
    check_history(&history, "`dra` C-r `alp` C-g", "dra|");
    check_history(&history, "`dra` C-r `zzz`", "dra|");
    check_history(&history, "C-r `alx` Backspace", "|alpha = 1");
    assert_eq!(check_history(&history, "C-r `x` Enter", "x = 3|"), Action::Submit("x = 3".into()));
    check_history(&history, "C-r `alp` Tab", "|alpha = 1");
    // From what was found, Up goes on.
    check_history(&history, "C-r `ab` C-e Up", "alpha = 1|");
}

#[test]
fn search_twice_opens_the_list_of_all() {
    let history = ["import numpy", "x = 1", "import nothing"];
    check_history(&history, "C-r C-r `impnum` Enter", "import numpy|");
    check_history(&history, "C-r C-r `import` Down Enter", "import numpy|");
    check_history(&history, "`a` C-r C-r `import` C-g", "a|");
}

#[test]
fn the_history_suggests_and_right_accepts() {
    check_history(&["import os"], "`imp` Right", "import os|");
    check_history(&["import os"], "`imp` M-f", "import|");
    check_history(&["import os"], "`imp` Left Right", "imp|");
    check_history(&["import os"], "`x` Right", "x|");
}

fn completions(editor: &Editor, names: &[&str], from: usize) -> Completions {
    let candidates = names.iter().map(|name| Candidate { text: (*name).into(), ..Candidate::default() }).collect();
    Completions { range: from..editor.buffer().cursor(), candidates, more: false }
}

#[test]
fn completion_in_two_steps() {
    let mut host = entries(&[]);
    let mut editor = editor("os.O_A|");
    for _ in 0..2 {
        assert_eq!(press(&mut editor, "Tab", &mut host), Action::Complete);
        editor.complete(completions(&editor, &["O_ACCMODE", "O_APPEND"], 3));
        assert_eq!(shown(&editor), "os.O_A|");
    }
    press(&mut editor, "Up", &mut host);
    assert_eq!(shown(&editor), "os.O_APPEND|");
    press(&mut editor, "Down", &mut host);
    assert_eq!(shown(&editor), "os.O_A|");
    press(&mut editor, "`P`", &mut host);
    press(&mut editor, "Tab Enter `)`", &mut host);
    assert_eq!(shown(&editor), "os.O_APPEND)|");
}

#[test]
fn the_only_candidate_is_taken_and_so_is_what_all_begin_with() {
    let mut host = entries(&[]);
    let mut editor = editor("os.getp|");
    press(&mut editor, "Tab", &mut host);
    editor.complete(completions(&editor, &["getpid()"], 3));
    assert_eq!(shown(&editor), "os.getpid()|");
    press(&mut editor, "C-u `re`", &mut host);
    press(&mut editor, "Tab", &mut host);
    editor.complete(completions(&editor, &["read_a", "read_b"], 0));
    assert_eq!(shown(&editor), "read_|");
    // What came for another text is not used.
    editor.complete(Completions { range: 0..2, ..completions(&editor, &["x"], 0) });
    assert_eq!(shown(&editor), "read_|");
}

fn any_key() -> impl Strategy<Value = Key> {
    let code = prop_oneof![
        6 => prop::sample::select("ab(){}[]:'\"#\\ .=\t1樂é\u{301}".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        2 => prop::sample::select(('a'..='z').collect::<Vec<_>>()).prop_map(KeyCode::Char),
        1 => prop::sample::select("VUPJDG~$%;,>.@+0".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        4 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Tab, KeyCode::Backspace, KeyCode::Delete, KeyCode::Escape, KeyCode::Left,
            KeyCode::Right, KeyCode::Up, KeyCode::Down, KeyCode::Home, KeyCode::End, KeyCode::PageUp,
            KeyCode::PageDown, KeyCode::Function(3),
        ]),
    ];
    (code, prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.1)).prop_map(
        |(code, ctrl, alt, shift)| {
            let shift = shift && !matches!(code, KeyCode::Char(_));
            Key { code, ctrl, alt, shift }
        },
    )
}

proptest! {
    #[test]
    fn any_keys_leave_the_cursor_between_characters(
        keys in prop::collection::vec(any_key(), 0..60), vi in any::<bool>(), columns in 1u16..30, rows in 1u16..8
    ) {
        let mut host = entries(&["x = 1", "def f():\n    return '樂'\n", "e\u{301}"]);
        let size = Size { columns, rows };
        let mut editor = Editor::new(if vi { Keymap::vi() } else { Keymap::emacs() }, size);
        for key in keys {
            let action = editor.key(key, &mut host);
            prop_assert!(editor.buffer().as_str().is_char_boundary(editor.buffer().cursor()));
            match action {
                Action::Submit(_) => editor.next_cell(&mut host),
                Action::Complete => {
                    let from = editor.buffer().cursor();
                    editor.complete(completions(&editor, &["read_a()", "read_樂", "rest"], from));
                }
                _ => {}
            }
            let selected = editor.vi_selection().unwrap_or_default();
            prop_assert!(editor.buffer().as_str().get(selected).is_some());
            let frame = editor.frame(&host.history);
            prop_assert!(frame.rows.len() <= usize::from(rows).max(1));
        }
        while !editor.buffer().as_str().is_empty() {
            let before = editor.buffer().as_str().to_owned();
            editor.buffer.undo();
            if editor.buffer().as_str() == before {
                break;
            }
        }
    }
}
