//! A session in another program: it tells more, and it may go.

use super::*;
use crate::backend::Told;

#[test]
fn an_exception_may_come_at_any_time() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("ab");
    assert_eq!(prompt.front.tell(Told::Raised("ValueError: x\n".into())), None);
    prompt.settle().shows(&["ValueError: x", ">>> ab|"]);
    prompt.keys("<Enter>").output("no end");
    assert_eq!(prompt.front.tell(Told::Raised("ValueError: y\n".into())), None);
    prompt.end(Ended::default()).ends(&[">>> ab", "no end", "ValueError: y", ">>> |"]);
    assert_ne!(prompt.color("ValueError: y"), vt100::Color::Default);
}

#[test]
fn a_session_may_end_while_a_cell_is_written() {
    let mut prompt = Prompt::new(40, 10);
    let ended = Ended { message: Some("the program has ended".into()), exit: Some(1), ..Ended::default() };
    prompt.keys("x = (").end(ended).shows(&[">>> x = (", "the program has ended", "|"]);
    assert_eq!(prompt.flow(), Flow::Leave(1));
}

#[test]
fn a_session_may_begin_with_a_cell_that_runs() {
    let options = Options {
        theme: Theme::none(),
        keymap: Keymap::emacs(),
        size: Size { columns: 20, rows: 5 },
        theme_is_default: false,
        images: Protocol::None,
        lends_terminal: false,
    };
    let mut front = Front::new(Session::default(), Kept::from(History::in_memory()), options);
    front.begin_running(("? ".into(), ".. ".into()));
    front.output(b"out\n");
    front.input(b"\x03");
    assert_eq!(front.backend.told, ["interrupt"]);
    assert_eq!((front.advance(), front.take_output()), (None, b"out\r\n".to_vec()));
    front.ended(Ended::default());
    front.paint();
    assert!(String::from_utf8_lossy(&front.take_output()).contains("? "));
}

#[test]
fn a_command_may_leave() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys(":leave<Enter>").shows(&[">>> :leave", "|"]);
    assert_eq!(prompt.flow(), Flow::Leave(3));
}

#[test]
fn the_session_is_told_of_the_windows_size() {
    let mut prompt = Prompt::new(40, 10);
    prompt.resize(30, 10);
    prompt.front.resumed(Size { columns: 30, rows: 10 });
    prompt.front.resumed(Size { columns: 50, rows: 10 });
    assert_eq!(prompt.front.backend.told, ["30 columns", "50 columns"]);
}
