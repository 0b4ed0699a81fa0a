//! Programs that get the terminal for a while: the pager, the user's editor, the shell, cells.

use super::*;

const SIZE: Size = Size { columns: 40, rows: 10 };

impl Prompt {
    /// What another program writes while it has the terminal.
    fn others(&mut self, text: &str) -> &mut Self {
        self.write();
        self.terminal.process(text.replace('\n', "\r\n").as_bytes());
        self.front.resumed(SIZE);
        self.settle()
    }
}

#[test]
fn after_a_stop_the_draft_is_on_a_fresh_line() {
    let mut prompt = Prompt::new(40, 10);
    prompt.run("1", "1\n").keys("ab<Left><C-z>").shows(&[">>> 1", "1", "|"]);
    assert_eq!(prompt.flow(), Flow::Suspend);
    prompt.others("Stopped\n$ fg\npython\n");
    prompt.shows(&[">>> 1", "1", "Stopped", "$ fg", "python", ">>> a|b"]);
}

#[test]
fn a_line_that_others_left_unfinished_is_kept() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("ab<C-z>").others("$ fg").shows(&["$ fg", ">>> ab|"]);
    for width in [39, 40] {
        let mut prompt = Prompt::new(40, 10);
        let line = "x".repeat(width);
        prompt.keys("ab<C-z>").others(&line).shows(&[&line, ">>> ab|"]);
    }
}

#[test]
fn a_cell_that_has_the_terminal_may_leave_a_line_unfinished() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("print('x', end='')<Enter>").others("x").end(Ended::default());
    prompt.shows(&[">>> print('x', end='')", "x", ">>> |"]);
    prompt.keys("print('x')<Enter>").others("x\n").end(Ended::default());
    prompt.ends(&["x", ">>> print('x')", "x", ">>> |"]);
}

#[test]
fn what_comes_first_after_others_is_on_a_fresh_line() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("f()<Enter>").others("x");
    let traceback = Some("ValueError\n".into());
    prompt.end(Ended { traceback, ..Ended::default() }).shows(&[">>> f()", "x", "ValueError", ">>> |"]);
}

#[test]
fn the_history_is_paged() {
    let mut prompt = Prompt::new(40, 10).remembering(&["a", "def f():\n    b"]);
    prompt.keys("draft<F2>").shows(&["|"]);
    assert_eq!(prompt.flow(), Flow::Page("a\ndef f():\n    b\n".into()));
    prompt.others("").shows(&[">>> draft|"]);
}

#[test]
fn the_users_editor_changes_the_text() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("if a:<Enter>b<C-x><C-e>").shows(&["|"]);
    assert_eq!(prompt.flow(), Flow::Edit("if a:\n    b".into()));
    prompt.front.edited(Some("if c:\n    d\n"));
    prompt.others("").shows(&[">>> if c:", "...     d|"]);
    prompt.keys("<C-x><C-u>").shows(&[">>> if a:", "...     b|"]);
}

#[test]
fn an_editor_that_fails_leaves_the_text() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("ab<C-x><C-e>");
    prompt.front.tell_note("`vi` failed");
    prompt.others("").shows(&["`vi` failed", ">>> ab|"]);
}

#[test]
fn a_question_is_there_again_after_a_stop() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("f()<Enter>").output("name? ");
    prompt.front.needs_input();
    prompt.settle().keys("Bo<C-z>");
    assert_eq!(prompt.flow(), Flow::Suspend);
    prompt.others("$ fg\n").shows(&[">>> f()", "$ fg", "name? Bo|"]);
}

#[test]
fn keys_that_follow_one_for_the_driver_wait() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("a<C-z>b<Enter>");
    assert_eq!(prompt.flow(), Flow::Suspend);
    prompt.others("$ fg\n").shows(&["$ fg", ">>> ab", "|"]);
    assert_eq!(prompt.cell(), "ab");
}
