//! Cells: writing them, running them, what the history brings back.

use keelback_editor::edit::Keymap;

use super::*;

#[test]
fn a_value_is_followed_by_a_prompt() {
    let mut prompt = Prompt::new(40, 10);
    prompt.shows(&[">>> |"]).keys("1 + 1<Enter>").shows(&[">>> 1 + 1", "|"]);
    assert_eq!(prompt.cell(), "1 + 1");
    prompt.output("2\n").end(Ended::default()).shows(&[">>> 1 + 1", "2", ">>> |"]);
}

#[test]
fn prompts_follow_the_session() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("1<Enter>").end(Ended { prompts: Some(("In: ".into(), "  : ".into())), ..Ended::default() });
    prompt.keys("if x:<Enter>").ends(&["In: if x:", "  :     |"]);
}

#[test]
fn an_empty_line_is_no_cell() {
    check("<Enter>  <Enter>", &[">>>", ">>>", ">>> |"]);
}

#[test]
fn blocks_are_indented_and_end_at_an_empty_line() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("def f(a):<Enter>return a<Enter>").shows(&[">>> def f(a):", "...     return a", "... |"]);
    prompt.keys("<Enter>");
    assert_eq!(prompt.cell(), "def f(a):\n    return a\n");
}

#[test]
fn several_values_come_in_order() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("1; 2<Enter>");
    for value in ["1", "2"] {
        prompt.front.shown(&crate::backend::Shown { text: value.into(), ..Default::default() });
    }
    prompt.end(Ended::default()).shows(&[">>> 1; 2", "1", "2", ">>> |"]);
}

#[test]
fn a_value_that_was_cut_says_so() {
    let mut prompt = Prompt::new(60, 10);
    prompt.keys("x<Enter>");
    let shown = crate::backend::Shown { text: "[1, 2".into(), pretty: Some("[1,\n 2".into()), cut: true, png: None };
    prompt.front.shown(&shown);
    prompt.end(Ended::default());
    prompt.shows(&[">>> x", "[1,", " 2", "not all of it: print(_) shows the rest", ">>> |"]);
}

#[test]
fn a_traceback_that_was_cut_says_so() {
    let mut prompt = Prompt::new(60, 30);
    prompt.keys("x<Enter>");
    let traceback = format!("Traceback (most recent call last):\nValueError: {}\n", "x".repeat(300_000));
    prompt.end(Ended { traceback: Some(traceback), ..Ended::default() });
    // A quarter of 100 rows of 60 columns.
    prompt.ends(&[&"x".repeat(28), "not all of it: sys.last_value is the exception", ">>> |"]);
    let everything = prompt.everything();
    assert!(everything.len() < 40, "{everything:#?}");
    assert_eq!(everything[1], "Traceback (most recent call last):");
    assert!(everything.iter().any(|row| row.contains(" ... 298,512 characters ... ")), "{everything:#?}");
    // What is no more than a few screens is whole.
    let traceback = format!("Traceback (most recent call last):\nValueError: {}\n", "y".repeat(900));
    prompt.keys("x<Enter>").end(Ended { traceback: Some(traceback), ..Ended::default() });
    prompt.ends(&[&"y".repeat(12), ">>> |"]);
}

#[test]
fn a_cell_that_is_taller_than_the_window_is_kept_once() {
    let mut prompt = Prompt::new(20, 5);
    prompt.keys("<F3>");
    let lines: Vec<String> = (0..12).map(|line| format!("a{line}")).collect();
    prompt.keys(&lines.join("<Enter>")).keys("<M-x>");
    prompt.keys("<F3>\x1b[13;5u"); // paste mode off; C-Enter of kitty
    assert_eq!(prompt.cell(), lines.join("\n"));
    prompt.end(Ended::default());
    let everything = prompt.everything();
    for line in &lines {
        let rows = everything.iter().filter(|row| row.split(' ').next_back() == Some(line)).count();
        assert_eq!(rows, 1, "{line} in {everything:#?}");
    }
}

#[test]
fn up_brings_back_and_down_returns_to_what_was_written() {
    let mut prompt = Prompt::new(40, 10).remembering(&["old", "def f():\n    1", "new"]);
    prompt.keys("wr<Up>").shows(&[">>> new|"]);
    prompt.keys("<Up>").shows(&[">>> def f():", "...     1|"]);
    prompt.keys("<Up><Up>").shows(&[">>> old|"]);
    prompt.keys("<Down><Down><Down><Down>").shows(&[">>> wr|"]);
}

#[test]
fn cells_are_recorded_when_they_run() {
    let mut prompt = Prompt::new(40, 10);
    prompt.run("first", "").run("second", "").keys("<Up><Up>").ends(&[">>> first|"]);
    prompt.keys("<C-o>");
    assert_eq!(prompt.cell(), "first");
    prompt.end(Ended::default()).ends(&[">>> second|"]);
}

#[test]
fn a_search_shows_what_it_finds_and_enter_runs_it() {
    let mut prompt = Prompt::new(40, 10).remembering(&["alpha = 1", "beta = 2"]);
    prompt.keys("<C-r>alp").shows(&["(r-search `alp') |alpha = 1"]);
    prompt.keys("x").shows(&["(r-search `alpx') |alpha = 1"]);
    prompt.keys("<Backspace><Enter>");
    assert_eq!(prompt.cell(), "alpha = 1");
}

#[test]
fn ctrl_g_ends_a_search_without_a_trace() {
    let mut prompt = Prompt::new(40, 10).remembering(&["alpha = 1"]);
    prompt.keys("mine<Left><C-r>alp<C-g>").shows(&[">>> min|e"]);
}

#[test]
fn the_list_shows_what_fits_and_enter_takes_it() {
    let mut prompt = Prompt::new(40, 10).remembering(&["alpha = 1", "beta = 2", "def f():\n    a"]);
    prompt.keys("<C-r><C-r>a").keys("<Down>");
    let screen = prompt.screen();
    assert!(screen[0].starts_with("(search `a') "), "{screen:#?}");
    assert!(screen.iter().any(|row| row == "def f(): ..."), "{screen:#?}");
    let chosen = screen[2].trim_end_matches(" ...").to_owned();
    prompt.keys("<Enter>");
    assert!(prompt.screen()[0].starts_with(&format!(">>> {chosen}")), "{:#?}", prompt.screen());
    assert!(prompt.flows.is_empty());
}

#[test]
fn ctrl_c_drops_the_cell() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("if x:<Enter>y<C-c>").shows(&[">>> if x:", "...     y", "KeyboardInterrupt", ">>> |"]);
    assert!(prompt.flows.is_empty());
}

#[test]
fn ctrl_d_leaves_where_there_is_no_text() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("ab<Left><C-d>").shows(&[">>> a|"]);
    assert!(prompt.flows.is_empty());
    prompt.keys("<Backspace><C-d>").shows(&[">>>", "|"]);
    assert_eq!(prompt.flow(), Flow::Leave(0));
}

#[test]
fn ctrl_l_keeps_what_is_written() {
    let mut prompt = Prompt::new(40, 10);
    prompt.run("print(1)", "1\n").keys("ab<C-l>").shows(&[">>> ab|"]);
}

#[test]
fn what_the_history_suggests_is_grey_until_it_is_taken() {
    let mut prompt = Prompt::new(40, 10).remembering(&["import os.path"]);
    prompt.keys("imp").shows(&[">>> imp|ort os.path"]);
    assert_eq!(prompt.color("ort"), vt100::Color::Idx(8));
    prompt.keys("<C-Right>").shows(&[">>> import| os.path"]);
    prompt.keys("<Right>").shows(&[">>> import os.path|"]);
    assert_ne!(prompt.color("os"), vt100::Color::Idx(8));
    prompt.keys("<Enter>");
    assert_eq!(prompt.cell(), "import os.path");
}

#[test]
fn what_is_not_taken_is_not_run() {
    let mut prompt = Prompt::new(40, 10).remembering(&["a + bc"]);
    prompt.keys("a + b<Enter>").shows(&[">>> a + b", "|"]);
    assert_eq!(prompt.cell(), "a + b");
}

#[test]
fn pasted_text_is_not_indented_and_not_run() {
    let mut prompt = Prompt::new(40, 10);
    prompt.paste("for a in b:\n    c\n\n    d\n").shows(&[">>> for a in b:", "...     c", "...", "...     d", "... |"]);
    assert!(prompt.flows.is_empty());
    prompt.keys("<Enter>");
    assert_eq!(prompt.cell().trim_end(), "for a in b:\n    c\n\n    d");
}

#[test]
fn in_paste_mode_enter_is_a_line() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("<F3>if a:<Enter>b<Enter><Enter>c").shows(&["(paste) if a:", "(paste) b", "(paste)", "(paste) c|"]);
    prompt.keys("<F3>").shows(&[">>> if a:", "... b", "...", "... c|"]);
}

#[test]
fn vi_normal_mode_is_shown() {
    let mut prompt = Prompt::with(40, 10, |options| options.keymap = Keymap::vi());
    prompt.keys("ab").keys("<Escape>").shows(&["[n] >>> a|b"]);
    prompt.keys("x").keys("i").shows(&[">>> |a"]);
}

#[test]
fn type_ahead_waits_for_the_cell() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("a<Enter>b<Enter>c").shows(&[">>> a", "|"]);
    assert_eq!(prompt.cell(), "a");
    prompt.end(Ended::default()).shows(&[">>> a", ">>> b", "|"]);
    assert_eq!(prompt.cell(), "b");
    prompt.end(Ended::default()).shows(&[">>> a", ">>> b", ">>> c|"]);
}

#[test]
fn ctrl_c_while_a_cell_runs_drops_what_was_typed_ahead() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("a<Enter>b<Enter>").keys("<C-c>c");
    assert_eq!(prompt.front.backend.told, ["interrupt"]);
    let traceback = Some("KeyboardInterrupt\n".into());
    prompt.end(Ended { traceback, ..Ended::default() }).shows(&[">>> a", "KeyboardInterrupt", ">>> c|"]);
}

#[test]
fn ctrl_c_in_one_read_with_enter_stops_the_cell_before_it_begins() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("a<Enter>b<C-c>c").shows(&[">>> a", "KeyboardInterrupt", ">>> c|"]);
    assert!(prompt.flows.is_empty());
}

#[test]
fn ctrl_o_goes_on_and_on() {
    let mut prompt = Prompt::new(40, 10).remembering(&["a", "b", "c"]);
    prompt.keys("<Up><Up><Up>");
    for cell in ["a", "b", "c"] {
        prompt.keys("<C-o>");
        assert_eq!(prompt.cell(), cell);
        prompt.end(Ended::default());
    }
    let mut prompt = Prompt::new(40, 10).remembering(&["alpha", "b", "c"]);
    prompt.keys("<C-r>alp<C-o>").end(Ended::default()).ends(&[">>> b|"]);
    prompt.keys("<C-o>").end(Ended::default()).ends(&[">>> c|"]);
}

#[test]
fn a_cell_may_leave() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("exit(3)<Enter>").end(Ended { exit: Some(3), ..Ended::default() });
    assert_eq!(prompt.flow(), Flow::Leave(3));
}

#[test]
fn a_window_of_another_size_shows_the_same_text() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("aaaa + bbbb + cccc").resize(15, 10);
    assert_eq!(prompt.screen().concat().replace('\\', ""), ">>> aaaa + bbbb + cccc|");
    prompt.resize(60, 12).shows(&[">>> aaaa + bbbb + cccc|"]);
    prompt.keys("<Enter>");
    assert_eq!(prompt.cell(), "aaaa + bbbb + cccc");
}

#[test]
fn a_cell_that_the_session_calls_incomplete_goes_on() {
    let incomplete = || Ended { incomplete: true, ..Ended::default() };
    let mut prompt = Prompt::new(40, 12);
    // The session answers after the guess has, and to something that was typed ahead of it.
    prompt.keys("if x: y<Enter><Enter>z");
    assert_eq!(prompt.cell(), "if x: y\n");
    prompt.end(incomplete()).shows(&[">>> if x: y", "...", ">>> if x: y", "...", "... z|"]);
    let mut prompt = Prompt::new(40, 12);
    prompt.keys(":time f()<Enter>");
    assert_eq!(prompt.cell(), "f()");
    prompt.end(incomplete()).ends(&[">>> :time f()", "... |"]);
}

#[test]
fn an_incomplete_cell_that_is_run_as_it_stands_is_an_error() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("f(\x1b[13;5u");
    assert_eq!(prompt.cell(), "f(");
    prompt.end(Ended { incomplete: true, ..Ended::default() });
    prompt.shows(&[">>> f(", "SyntaxError: the cell is not complete", ">>> |"]);
}
