//! A cell that waits for a line.

use super::*;

fn asking(question: &str) -> Prompt {
    let mut prompt = Prompt::new(20, 10);
    prompt.keys("f()<Enter>").output(question);
    prompt.front.needs_input();
    prompt.settle();
    prompt
}

#[test]
fn what_was_printed_is_the_prompt() {
    let mut prompt = asking("said\nname? ");
    prompt.shows(&[">>> f()", "said", "name? |"]).keys("Bob<Left>").ends(&["name? Bo|b"]);
    prompt.keys("<Home>").ends(&["name? |Bob"]).keys("<Enter>");
    assert_eq!(prompt.front.backend.told, ["Some(\"Bob\\n\")"]);
    prompt.output("hello\n").end(Ended::default());
    prompt.shows(&[">>> f()", "said", "name? Bob", "hello", ">>> |"]);
}

#[test]
fn a_question_may_take_rows() {
    let mut prompt = asking("01234567890123456789name? ");
    prompt.keys("Bob").shows(&[">>> f()", "01234567890123456789", "name? Bob|"]);
    let mut prompt = asking("01234567890123456789");
    prompt.keys("Bob").shows(&[">>> f()", "01234567890123456789", "Bob|"]);
}

#[test]
fn a_question_keeps_its_colours() {
    let mut prompt = asking("\x1b[31mname?\x1b[m ");
    prompt.keys("Bob").ends(&["name? Bob|"]);
    assert_eq!((prompt.color("name"), prompt.color("Bob")), (vt100::Color::Idx(1), vt100::Color::Default));
}

#[test]
fn there_need_be_no_question() {
    asking("").keys("x").shows(&[">>> f()", "x|"]).keys("<Enter>").shows(&[">>> f()", "x", "|"]);
}

#[test]
fn ctrl_d_is_the_end_of_input() {
    let mut prompt = asking("? ");
    prompt.keys("<C-d>").shows(&[">>> f()", "?", "|"]);
    assert_eq!(prompt.front.backend.told, ["None"]);
    assert!(prompt.front.is_running());
}

#[test]
fn ctrl_c_interrupts() {
    let mut prompt = asking("? ");
    prompt.keys("ab<C-c>").shows(&[">>> f()", "? ab", "|"]);
    assert_eq!(prompt.front.backend.told, ["interrupt"]);
    let traceback = Some("KeyboardInterrupt\n".into());
    prompt.end(Ended { traceback, ..Ended::default() }).ends(&["? ab", "KeyboardInterrupt", ">>> |"]);
}

#[test]
fn lines_are_not_python() {
    let mut prompt = asking("? ").remembering(&["x = 1"]);
    prompt.keys("if x:<Up>").ends(&["? |if x:"]);
    prompt.keys("<End><Enter>");
    assert_eq!(prompt.front.backend.told, ["Some(\"if x:\\n\")"]);
    prompt.end(Ended::default()).keys("if x:<Enter>").ends(&[">>> if x:", "...     |"]);
}

#[test]
fn what_was_typed_ahead_answers() {
    let mut prompt = Prompt::new(20, 10);
    prompt.keys("f()<Enter>Bob<Enter>1").output("name? ");
    prompt.front.needs_input();
    prompt.settle().shows(&[">>> f()", "name? Bob", "|"]);
    assert_eq!(prompt.front.backend.told, ["Some(\"Bob\\n\")"]);
    prompt.end(Ended::default()).shows(&[">>> f()", "name? Bob", ">>> 1|"]);
}

#[test]
fn output_goes_above_the_question() {
    let mut prompt = asking("name? ");
    prompt.keys("Bo").output("task\n").shows(&[">>> f()", "task", "name? Bo|"]);
    prompt.keys("<C-l>").shows(&["name? Bo|"]);
}

#[test]
fn a_cell_that_ends_takes_its_question_along() {
    let mut prompt = asking("name? ");
    prompt.keys("Bo").end(Ended::default()).shows(&[">>> f()", "name? Bo", ">>> |"]);
    prompt.keys("if x:<Enter>").ends(&["...     |"]);
}

#[test]
fn two_questions_in_a_row() {
    let mut prompt = asking("a? ");
    prompt.keys("1<Enter>").output("b? ");
    prompt.front.needs_input();
    prompt.settle().keys("2<Enter>").shows(&[">>> f()", "a? 1", "b? 2", "|"]);
}

#[test]
fn a_search_for_a_pasted_text_is_of_no_history_either() {
    let mut prompt = asking("? ").remembering(&["a b"]);
    prompt.keys("<C-r>").paste("a");
    prompt.keys("b<C-g>").ends(&["? |"]);
}

#[test]
fn pasted_lines_answer_one_question_each() {
    let mut prompt = asking("a? ");
    prompt.keys("<Left>1").paste("2\n34\n\n5").shows(&[">>> f()", "a? 12", "|"]);
    for (question, row) in [("b? ", "b? 34"), ("c? ", "c?")] {
        prompt.output(question).front.needs_input();
        prompt.settle().ends(&[row, "|"]);
    }
    // The last line has no end: it waits for Enter.
    prompt.output("d? ").front.needs_input();
    prompt.settle().ends(&["d? 5|"]).keys("<Enter>");
    let told = ["12", "34", "", "5"].map(|line| format!("Some(\"{line}\\n\")"));
    assert_eq!(prompt.front.backend.told, told);
}

#[test]
fn pasted_lines_that_nobody_asks_for_are_a_paste_at_the_prompt() {
    let mut prompt = asking("a? ");
    prompt.flows.clear();
    prompt.paste("1\nx = 2\ny = 3\n").end(Ended::default());
    prompt.shows(&[">>> f()", "a? 1", ">>> x = 2", "... y = 3", "... |"]);
    assert!(prompt.flows.is_empty());
}

#[test]
fn ctrl_c_drops_pasted_lines() {
    let mut prompt = asking("a? ");
    prompt.paste("1\n2\n").keys("<C-c>").end(Ended::default());
    prompt.shows(&[">>> f()", "a? 1", ">>> |"]);
}

#[test]
fn a_secret_is_not_seen_and_not_kept() {
    let mut prompt = Prompt::new(20, 10);
    prompt.keys("f()<Enter>").output("Password: ");
    prompt.front.needs_secret();
    prompt.settle().keys("old<C-u>pässx<Backspace>").shows(&[">>> f()", "Password: |"]);
    prompt.keys("<Enter>").shows(&[">>> f()", "Password:", "|"]);
    assert_eq!(prompt.front.backend.told, ["Some(\"päss\\n\")"]);
    prompt.end(Ended::default()).keys("<C-y>").ends(&[">>> |"]);
}

#[test]
fn a_secret_can_be_refused() {
    let refuse = |keys: &str| {
        let mut prompt = Prompt::new(20, 10);
        prompt.keys("f()<Enter>");
        prompt.front.needs_secret();
        prompt.settle().keys(keys);
        assert!(prompt.front.is_running());
        prompt.front.backend.told.join(" ")
    };
    assert_eq!(refuse("<C-d>"), "None");
    assert_eq!(refuse("ab<C-d><C-c>"), "interrupt");
}
