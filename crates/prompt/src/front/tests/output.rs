//! Output: of cells, and of tasks and threads while a prompt is there.

use super::*;

#[test]
fn whole_lines_go_above_the_prompt() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("ab<Left>").output("one\ntwo\n").shows(&["one", "two", ">>> a|b"]);
    prompt.output("three\n").shows(&["one", "two", "three", ">>> a|b"]);
}

#[test]
fn an_unfinished_line_goes_on() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("ab").output("one ").shows(&["one", ">>> ab|"]);
    prompt.output("two ").shows(&["one two", ">>> ab|"]);
    prompt.output("three\nfour").shows(&["one two three", "four", ">>> ab|"]);
    prompt.output("\n").shows(&["one two three", "four", ">>> ab|"]);
    prompt.output("five\n").shows(&["one two three", "four", "five", ">>> ab|"]);
}

#[test]
fn pieces_that_come_before_the_prompt_is_painted_are_one_line() {
    let mut prompt = Prompt::new(40, 10);
    prompt.run("1", "above\n").keys("x");
    for piece in ["a", "b", "c"] {
        prompt.front.output(piece.as_bytes());
    }
    prompt.settle().shows(&[">>> 1", "above", "abc", ">>> x|"]);
    prompt.output("d\n").shows(&[">>> 1", "above", "abcd", ">>> x|"]);
}

#[test]
fn an_unfinished_line_may_take_rows() {
    let mut prompt = Prompt::new(10, 10);
    prompt.output("0123456789").shows(&["0123456789", ">>> |"]);
    prompt.output("0123456789").shows(&["0123456789", "0123456789", ">>> |"]);
    prompt.output("01\n2\n").shows(&["0123456789", "0123456789", "01", "2", ">>> |"]);
    prompt.output("樂樂樂樂x樂").output("y\n").ends(&["樂樂樂樂x", "樂y", ">>> |"]);
}

#[test]
fn a_character_may_come_in_pieces() {
    let mut prompt = Prompt::new(40, 10);
    for byte in "né樂\n".bytes() {
        prompt.front.output(&[byte]);
        prompt.settle();
    }
    prompt.shows(&["né樂", ">>> |"]);
}

#[test]
fn an_escape_sequence_may_come_in_pieces() {
    let mut prompt = Prompt::new(40, 10);
    for byte in "\x1b[31mred\x1b]0;title\x07!\x1b[m\n".bytes() {
        prompt.front.output(&[byte]);
        prompt.settle();
    }
    prompt.shows(&["red!", ">>> |"]);
    assert_eq!(prompt.color("red"), vt100::Color::Idx(1));
}

#[test]
fn a_progress_bar_stays_in_its_line() {
    let mut prompt = Prompt::new(40, 10);
    for percent in [10, 50, 100] {
        prompt.output(&format!("\r{percent} %"));
    }
    prompt.shows(&["100 %", ">>> |"]).output("\n").shows(&["100 %", ">>> |"]);
}

#[test]
fn what_moves_the_cursor_is_not_written_twice() {
    let mut prompt = Prompt::new(40, 10);
    prompt.output("kept\na\x1b[Kb\x1b[2Cc").output("next\n");
    prompt.shows(&["kept", "ab  c", "next", ">>> |"]);
}

#[test]
fn a_style_that_output_leaves_behind_ends_at_the_prompt() {
    let mut prompt = Prompt::new(40, 10);
    prompt.run("print(red)", "\x1b[31;44mred\n").keys("plain");
    assert_eq!((prompt.color("plain"), prompt.cell_of("plain").bgcolor()), Default::default());
}

#[test]
fn more_lines_than_the_window_has_go_to_the_scrollback() {
    let mut prompt = Prompt::new(40, 5);
    prompt.keys("ab");
    let lines: Vec<String> = (0..20).map(|line| format!("line {line}")).collect();
    prompt.output(&(lines.join("\n") + "\n"));
    let everything = prompt.everything();
    assert_eq!(everything[..20], lines);
    assert_eq!(everything[20], ">>> ab");
}

#[test]
fn a_cell_that_ends_within_a_line_is_followed_by_a_fresh_one() {
    Prompt::new(40, 10).run("print('x', end='')", "x").shows(&[">>> print('x', end='')", "x", ">>> |"]);
    let mut prompt = Prompt::new(40, 10);
    let traceback = Some("ValueError\n".into());
    prompt.keys("f()<Enter>").output("x").end(Ended { traceback, ..Ended::default() });
    prompt.shows(&[">>> f()", "x", "ValueError", ">>> |"]);
}

#[test]
fn notes_begin_on_their_own_line() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("ab").output("x");
    prompt.front.tell_note("note");
    prompt.settle().shows(&["x", "note", ">>> ab|"]);
    prompt.output("y\n").shows(&["x", "note", "y", ">>> ab|"]);
    prompt.keys("<Enter>").output("z");
    prompt.front.tell_note("note");
    prompt.settle().ends(&["z", "note", "|"]);
}

#[test]
fn output_above_a_cell_that_fills_the_window() {
    let mut prompt = Prompt::new(40, 4);
    prompt.paste("a\nb\nc\nd\ne\nf").output("one\ntwo\n");
    prompt.ends(&["... d", "... e", "... f|"]);
    let everything = prompt.everything();
    assert!(everything.iter().any(|row| row == "two"), "{everything:#?}");
}

#[test]
fn an_unfinished_line_survives_a_cell() {
    let mut prompt = Prompt::new(40, 10);
    prompt.output("task ").keys("1<Enter>").shows(&["task", ">>> 1", "|"]);
    prompt.output("1\n").end(Ended::default()).shows(&["task", ">>> 1", "1", ">>> |"]);
}
