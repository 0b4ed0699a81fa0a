//! Completion, signatures, documentation.

use super::*;

#[test]
fn the_only_candidate_is_inserted() {
    check("z<Tab>", &[">>> zip|"]);
    check("a = pars<Tab>", &[">>> a = parse|"]);
}

#[test]
fn the_common_part_comes_first_and_then_the_menu() {
    let mut prompt = Prompt::new(50, 10);
    prompt.keys("p<Tab>").shows(&[">>> pa|"]);
    prompt.keys("<Tab>");
    assert_eq!(prompt.screen().len(), 4);
}

#[test]
fn a_name_without_a_common_part_is_not_unique_at_first() {
    let mut prompt = Prompt::new(50, 10);
    prompt.keys("pa<Tab>").shows(&[">>> pa|", "[ not unique ]"]);
    prompt.keys("x").shows(&[">>> pax|"]);
}

fn menu() -> Prompt {
    let mut prompt = Prompt::new(50, 10);
    prompt.keys("pa<Tab><Tab>").shows(&[
        ">>> pa|",
        "parse    function  (text) Read it.",
        "partial  class  Some arguments.",
        "path     module",
    ]);
    prompt
}

#[test]
fn the_menu_is_walked_and_enter_takes_an_entry() {
    let mut prompt = menu();
    prompt.keys("<Tab><Down>");
    assert_eq!(prompt.screen()[0], ">>> partial|");
    assert!(prompt.cell_of("partial  class").inverse());
    prompt.keys("<S-Tab>");
    assert_eq!(prompt.screen()[0], ">>> parse|");
    prompt.keys("<Enter>").shows(&[">>> parse|"]);
    assert!(prompt.flows.is_empty());
}

#[test]
fn details_are_looked_up_when_the_menu_stands() {
    let mut prompt = Prompt::new(50, 10);
    prompt.keys("1 + pa<Tab><Tab>").shows(&[
        ">>> 1 + pa|",
        "parse    function  parse?",
        "partial  class  partial?",
        "path     module  path?",
    ]);
    prompt.keys("r<Tab>");
    assert_eq!(prompt.front.backend.told, [r#"details of ["parse", "partial", "path"] at 4"#]);
}

#[test]
fn typing_narrows_the_menu() {
    let mut prompt = menu();
    prompt.keys("r");
    assert_eq!(prompt.screen().len(), 3);
    prompt.keys("<Backspace>");
    assert_eq!(prompt.screen().len(), 4);
}

#[test]
fn cancelling_the_menu_gives_back_what_was_typed() {
    menu().keys("<Tab><Tab><C-g>").shows(&[">>> pa|"]);
    menu().keys("<Tab><Escape>").shows(&[">>> pa|"]);
}

#[test]
fn enter_without_a_choice_runs() {
    let mut prompt = menu();
    prompt.keys("<Enter>").shows(&[">>> pa", "|"]);
    assert_eq!(prompt.cell(), "pa");
}

#[test]
fn output_goes_above_an_open_menu() {
    let mut prompt = menu();
    prompt.keys("<Tab>").output("a task\n");
    assert_eq!(prompt.screen()[..3], ["a task", ">>> parse|", "parse    function  (text) Read it."]);
    prompt.keys("<Down>");
    assert_eq!(prompt.screen()[1], ">>> partial|");
}

#[test]
fn a_signature_follows_the_arguments() {
    let mut prompt = Prompt::new(50, 10);
    prompt.keys("parse(a").shows(&[">>> parse(a|", "parse(text, base=3) -> int"]);
    assert!(prompt.cell_of("text,").bold() && !prompt.cell_of("base").bold());
    prompt.keys(", ").shows(&[">>> parse(a, |", "parse(text, base=3) -> int"]);
    assert!(!prompt.cell_of("text,").bold() && prompt.cell_of("base").bold());
    prompt.keys("1)").shows(&[">>> parse(a, 1)|"]);
    prompt.keys("<Left><Enter>").shows(&[">>> parse(a, 1)", "|"]);
}

#[test]
fn documentation_is_shown_above() {
    let mut prompt = Prompt::new(50, 10);
    prompt.keys("a = parse(<Left><M-h>").shows(&["parse(text)", "", "Read it.", ">>> a = parse|("]);
    prompt.keys("<Home><M-h>");
    assert_eq!(prompt.screen()[4], "nothing is known of `a`");
}

#[test]
fn documentation_that_is_longer_than_the_window_is_paged() {
    let mut prompt = Prompt::new(50, 10);
    prompt.keys("zip<M-h>");
    assert!(matches!(prompt.flow(), Flow::Page(text) if text.ends_with("line 50\n")));
    prompt.front.resumed(Size { columns: 50, rows: 10 });
    prompt.settle().shows(&[">>> zip|"]);
}
