//! What a prompt asks of its session for the keys that complete.

use keelback_editor::{
    completeness::Completeness,
    edit::{Candidate, Completions, Keymap, Signature, Size},
    theme::Theme,
};
use keelback_prompt::{
    backend::Backend,
    front::{Front, Options},
    history::History,
    images::Protocol,
    record::Kept,
};

/// A session whose names all begin alike, and that counts how often it is asked for them.
#[derive(Default)]
struct Counting(usize);

impl Backend for Counting {
    fn completeness(&mut self, _: &str) -> Option<Completeness> {
        None
    }

    fn complete(&mut self, _: &str, cursor: usize) -> Completions {
        self.0 += 1;
        let candidate =
            |text: &str| Candidate { text: text.to_owned(), kind: "variable".to_owned(), detail: String::new() };
        Completions { range: 0..cursor, candidates: vec![candidate("name_1"), candidate("name_2")], more: false }
    }

    fn signature(&mut self, _: &str, _: usize) -> Option<Signature> {
        None
    }

    fn describe(&mut self, _: &str) -> Option<String> {
        None
    }

    fn defined(&mut self, _: &str) -> bool {
        false
    }

    fn command(&mut self, _: &str, _: &str) -> Result<String, String> {
        Err(String::new())
    }

    fn commands(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        &[]
    }

    fn interrupt(&mut self) {}

    fn reply(&mut self, _: Option<String>) {}
}

#[track_caller]
fn check(keys: &str, shown: &str, asked: usize) {
    let options = Options {
        theme: Theme::none(),
        keymap: Keymap::emacs(),
        size: Size { columns: 80, rows: 24 },
        theme_is_default: false,
        lends_terminal: false,
        images: Protocol::None,
    };
    let mut front = Front::new(Counting::default(), Kept::from(History::in_memory()), options);
    front.begin((">>> ".into(), "... ".into()));
    for key in keys.bytes() {
        front.input(&[key]);
        assert_eq!(front.advance(), None);
        front.paint();
    }
    let output = String::from_utf8(front.take_output()).expect("all we write is UTF-8");
    assert!(output.contains(shown), "{output:?}");
    assert_eq!(front.backend.0, asked, "times asked after {keys:?}");
}

#[test] // the first Tab says that there are several, the second shows them
fn a_second_tab_asks_nothing() {
    check("name_\t\t", "name_2", 1);
}

#[test]
fn a_tab_after_a_change_asks_again() {
    check("n\t\t", "name_2", 2);
    check("name_\tx\x7f\t", "[ not unique ]", 2);
}
