//! Help mode, words and commands.

use std::time::Duration;

use super::*;
use crate::backend::Took;

const HINT: &str = "A name, keyword, module or topic shows its help; q, an empty line's Ctrl-D or F1 goes back.";

fn prompt() -> Prompt {
    Prompt::new(100, 20)
}

#[test]
fn f1_leads_in_and_back_with_the_draft_kept() {
    let mut prompt = prompt();
    prompt.keys("a = [1,<Left><F1>").shows(&[HINT, "help> |"]);
    prompt.keys("<F1>").shows(&[HINT, "help>", ">>> a = [1|,"]);
}

#[test]
fn every_way_back_is_one() {
    for way in ["q<Enter>", "quit<Enter>", "exit<Enter>", "<C-d>", "<F1>"] {
        let mut prompt = prompt();
        prompt.keys("<F1>").keys(way).ends(&[">>> |"]);
        assert!(prompt.flows.is_empty(), "{way}");
    }
}

#[test]
fn a_topic_is_a_call_that_is_no_cell() {
    let mut prompt = prompt();
    prompt.keys("help<Enter>").keys("it's \\ é<Enter>");
    let Flow::Run(run) = prompt.flow() else { panic!("a cell") };
    assert_eq!((run.source.as_str(), run.hidden), (r"__import__('pydoc').help('it\'s \\ é')", true));
    prompt.output("no documentation\n").end(Ended::default()).ends(&["no documentation", "help> |"]);
}

#[test]
fn help_mode_has_no_history_and_leaves_none() {
    let mut prompt = prompt().remembering(&["old"]);
    prompt.keys("<F1><Up>ol").ends(&["help> ol|"]);
    prompt.keys("d<Enter>").end(Ended::default());
    prompt.keys("<C-d><Up>").ends(&[">>> old|"]);
    prompt.keys("<Up>").ends(&[">>> |old"]);
}

#[test]
fn no_entry_follows_into_help_mode() {
    prompt().remembering(&["help", "a"]).keys("<Up><Up><C-o>").ends(&["help> |"]);
}

#[test]
fn ctrl_c_in_help_mode_stays_there() {
    prompt().keys("<F1>abc<C-c>").ends(&["help> abc", "KeyboardInterrupt", "help> |"]);
}

#[test]
fn words_are_commands() {
    for word in ["exit", "quit", "  exit "] {
        let mut prompt = prompt();
        prompt.keys(word).keys("<Enter>");
        assert_eq!(prompt.flow(), Flow::Leave(0));
    }
    prompt().run("1", "1\n").keys("clear<Enter>").shows(&[">>> |"]);
    let mut prompt = prompt();
    prompt.keys("copyright<Enter>");
    assert_eq!(prompt.cell(), "print(copyright)");
}

#[test]
fn a_variable_shadows_a_word() {
    for word in ["exit", "quit", "help", "clear", "copyright"] {
        let mut prompt = prompt();
        prompt.front.backend.variables = vec![word];
        prompt.keys(word).keys("<Enter>");
        assert_eq!(prompt.cell(), word);
    }
}

#[test]
fn commands_are_listed_with_those_of_the_session() {
    let mut prompt = prompt();
    prompt.keys(":help<Enter>");
    let screen = prompt.screen();
    for (name, argument, does) in crate::commands::COMMANDS.iter().chain(prompt.front.backend.commands()) {
        let listed = |row: &String| row.starts_with(&format!(":{name} {argument}")) && row.ends_with(does);
        assert!(screen.iter().any(listed), "{name} in {screen:#?}");
    }
    assert_eq!(screen.last().map(String::as_str), Some(">>> |"));
}

#[test]
fn commands_of_the_session_are_asked_of_it() {
    prompt().keys(":vars<Enter>").shows(&[">>> :vars", "a  int  1", ">>> |"]);
    prompt().keys(":src x<Enter>").shows(&[">>> :src x", "error: `x` is not a name", ">>> |"]);
    prompt().keys(":doc parse<Enter>").shows(&[">>> :doc parse", "parse(text)", "", "Read it.", ">>> |"]);
    prompt().keys(":doc y<Enter>").shows(&[">>> :doc y", "error: nothing is known of `y`", ">>> |"]);
    prompt().keys(":fly<Enter>").shows(&[">>> :fly", "error: `:fly` is not a command: `:help` lists them", ">>> |"]);
}

#[test]
fn commands_are_in_the_history() {
    prompt().keys(":vars<Enter><Up>").ends(&[">>> :vars|"]);
}

#[test]
fn quitting_and_the_history_are_for_the_driver() {
    let mut prompt = prompt().remembering(&["a", "b"]);
    prompt.keys(":history<Enter>");
    assert_eq!(prompt.flow(), Flow::Page("a\nb\n:history\n".into()));
    prompt.keys(":quit<Enter>");
    assert_eq!(prompt.flow(), Flow::Leave(0));
}

fn took() -> Option<Took> {
    Some(Took { wall: Duration::from_millis(1500), cpu: Duration::from_micros(20) })
}

#[test]
fn a_timed_cell_tells_how_long_it_took() {
    let mut prompt = prompt();
    prompt.keys(":time f()<Enter>");
    let Flow::Run(run) = prompt.flow() else { panic!("a cell") };
    assert_eq!((run.source.as_str(), run.timed), ("f()", true));
    prompt.output("1\n").end(Ended { took: took(), ..Ended::default() });
    prompt.shows(&[">>> :time f()", "1", "1.50 s of time, 20.0 µs of it computing", ">>> |"]);
    prompt.keys("f()<Enter>").end(Ended { took: took(), ..Ended::default() }).ends(&[">>> f()", ">>> |"]);
}

#[test]
fn a_timed_cell_that_raises_is_timed_and_the_next_is_not() {
    let mut prompt = prompt();
    let traceback = Some("ValueError: x\n".to_owned());
    prompt.keys(":time f()<Enter>").end(Ended { took: took(), traceback: traceback.clone(), ..Ended::default() });
    prompt.ends(&["ValueError: x", "1.50 s of time, 20.0 µs of it computing", ">>> |"]);
    // A session that ended has no times.
    prompt.keys(":time f()<Enter>").end(Ended { traceback, ..Ended::default() });
    prompt.keys("f()<Enter>").end(Ended { took: took(), ..Ended::default() }).ends(&[">>> f()", ">>> |"]);
}

#[test]
fn a_timed_block_has_lines() {
    let mut prompt = prompt();
    prompt.keys(":time for a in b:<Enter>c<Enter><Enter>");
    assert_eq!(prompt.cell(), "for a in b:\n    c");
}

#[test]
fn the_look_is_changed_by_commands() {
    let mut prompt = prompt();
    prompt.keys(":theme none<Enter>").ends(&["theme none", ">>> |"]);
    assert_eq!(prompt.keys("if").color("if"), vt100::Color::Default);
    prompt.keys("<C-u>");
    prompt.keys(":theme pink<Enter>").ends(&["error: a theme is `dark`, `light` or `none`", ">>> |"]);
    prompt.keys(":keys vi<Enter>").ends(&["keys of vi", ">>> |"]);
    prompt.keys("<Escape>").ends(&["[n] >>> |"]);
}

#[test]
fn the_licence_is_paged_by_the_interpreter() {
    let mut prompt = prompt();
    prompt.keys("license<Enter>");
    let Flow::Run(run) = prompt.flow() else { panic!("a cell") };
    assert_eq!((run.source.as_str(), run.hidden), ("license()", true));
    prompt.output("page\nHit Return for more: ").front.needs_input();
    prompt.settle();
    prompt.keys("q<Enter>").end(Ended::default()).ends(&["Hit Return for more: q", ">>> |"]);
}
