//! The question for the terminal's background.

use super::*;

const QUESTION: &str = "\x1b]11;?\x1b\\\x1b[c";
const LIGHT: &str = "\x1b]11;rgb:ffff/ffff/f0f0\x1b\\";
const FENCE: &str = "\x1b[?62;22c";

/// A prompt whose cells get the terminal.
fn lending() -> Prompt {
    Prompt::unanswered(40, 10, |options| options.lends_terminal = true)
}

/// A prompt that keeps it.
fn asked() -> Prompt {
    Prompt::unanswered(40, 10, |_| {})
}

fn count(prompt: &Prompt, text: &str) -> usize {
    String::from_utf8_lossy(&prompt.sent).matches(text).count()
}

#[test]
fn it_is_asked_once_below_the_first_prompt() {
    let mut prompt = lending();
    let sent = String::from_utf8_lossy(&prompt.sent).into_owned();
    assert!(sent.find(">>>").expect("a prompt") < sent.find(QUESTION).expect("the question"), "{sent:?}");
    prompt.keys(FENCE).run("1", "1\n").keys("abc");
    assert_eq!(count(&prompt, QUESTION), 1);
}

#[test]
fn it_is_asked_where_nobody_chose() {
    assert!(!Prompt::with(40, 10, |options| options.theme_is_default = false).sent(QUESTION));
    assert!(!Prompt::with(40, 10, |options| options.theme = Theme::none()).sent(QUESTION));
}

#[test]
fn what_was_typed_ahead_is_not_kept_waiting() {
    let mut front = Front::new(Session::default(), Kept::from(History::in_memory()), Prompt::new(40, 10).front.options);
    front.input(b"f()\r");
    assert!(matches!(front.advance(), Some(Flow::Run(_))));
    front.idle();
    assert!(!String::from_utf8_lossy(&front.take_output()).contains(QUESTION));
    front.ended(Ended::default());
    front.idle();
    assert!(String::from_utf8_lossy(&front.take_output()).contains(QUESTION));
}

#[test]
fn a_cell_gets_the_terminal_after_the_answer() {
    let mut prompt = lending();
    prompt.keys("f(").keys(")").front.input(b"\r");
    prompt.settle().shows(&[">>> f()", "|"]);
    assert!(prompt.flows.is_empty() && prompt.front.pending().is_some());
    // The background alone is not all of it.
    prompt.front.input(LIGHT.as_bytes());
    prompt.settle();
    assert!(prompt.flows.is_empty());
    prompt.front.input(format!("{FENCE}x").as_bytes());
    prompt.settle();
    assert_eq!(prompt.cell(), "f()");
    prompt.end(Ended::default()).shows(&[">>> f()", ">>> x|"]).keys("<Backspace>'a'");
    assert_eq!(prompt.color("'a'"), vt100::Color::Idx(22));
}

#[test]
fn a_terminal_without_an_answer_is_waited_for_once() {
    let mut prompt = lending();
    prompt.front.input(b"f()\r");
    prompt.settle();
    assert!(prompt.flows.is_empty());
    prompt.front.flush();
    prompt.settle();
    assert_eq!(prompt.cell(), "f()");
    prompt.end(Ended::default()).front.input(b"g()\r");
    prompt.settle();
    assert_eq!((prompt.cell(), prompt.front.pending()), ("g()".into(), None));
    // Later than that is not too late.
    prompt.end(Ended::default()).keys(LIGHT).keys(FENCE).keys("'a'").ends(&[">>> 'a'|"]);
    assert_eq!(prompt.color("'a'"), vt100::Color::Idx(22));
}

#[test]
fn a_cell_that_has_not_begun_can_be_interrupted() {
    let mut prompt = lending();
    prompt.front.input(b"f()\r");
    prompt.settle().front.input(b"ab\x03c");
    prompt.settle();
    prompt.keys(FENCE).shows(&[">>> f()", "KeyboardInterrupt", ">>> c|"]);
    assert!(prompt.flows.is_empty() && prompt.front.backend.told.is_empty());
}

#[test]
fn a_session_elsewhere_is_not_kept_waiting() {
    let mut prompt = asked();
    prompt.front.input(b"f()\r");
    prompt.settle();
    assert_eq!(prompt.cell(), "f()");
    // An answer is no line for `input()`.
    prompt.front.needs_input();
    prompt.keys(LIGHT).keys(FENCE).keys("a<Enter>");
    assert_eq!(prompt.front.backend.told, ["Some(\"a\\n\")"]);
}

#[test]
fn whoever_comes_next_in_the_terminal_does_not_get_the_answer() {
    for (keys, flow) in [("<C-d>", Flow::Leave(0)), (":quit<Enter>", Flow::Leave(0)), ("<C-z>", Flow::Suspend)] {
        let mut prompt = asked();
        prompt.front.input(&bytes_of(keys));
        prompt.settle();
        assert!(prompt.flows.is_empty(), "{keys}");
        prompt.keys(FENCE);
        assert_eq!(prompt.flow(), flow);
    }
    let mut prompt = asked();
    prompt.front.input(b"exit()\r");
    prompt.settle().flows.clear();
    prompt.end(Ended { exit: Some(3), ..Ended::default() });
    assert!(prompt.flows.is_empty());
    prompt.keys(FENCE);
    assert_eq!(prompt.flow(), Flow::Leave(3));
}

#[test]
fn a_suspended_prompt_goes_on_as_it_was() {
    let mut prompt = asked();
    prompt.front.input(b"ab\x1a");
    prompt.settle().keys(FENCE);
    assert_eq!(prompt.flow(), Flow::Suspend);
    prompt.front.resumed(Size { columns: 40, rows: 10 });
    prompt.settle().keys("c").ends(&[">>> abc|"]);
}
