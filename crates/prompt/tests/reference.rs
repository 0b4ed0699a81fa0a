//! `docs/terminal.md` is what the tables of the code give, and its example of a configuration is one.

#[path = "../examples/reference/text.rs"]
mod text;

use keelback_prompt::config::Config;

#[test]
fn the_reference_is_up_to_date() {
    let written = std::fs::read_to_string(text::path()).expect("docs/terminal.md");
    assert!(
        written == text::text(),
        "docs/terminal.md is not what the tables give: cargo run -p keelback-prompt --example reference"
    );
}

#[test]
fn the_example_of_a_configuration_is_one() {
    let (_, wrong) = Config::parse(text::CONFIGURATION);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
