//! Colours, images, the clipboard.

use super::*;
use crate::{backend::Shown, front::Run};

const TRACEBACK: &str = "Traceback (most recent call last):\n  File \"<input>\", line 1, in <module>\n    1 / 0\n    ~~^~~\n\
                         ZeroDivisionError: division by zero\n";

#[test]
fn code_and_tracebacks_have_colours() {
    let mut prompt = Prompt::new(60, 12);
    prompt.keys("def f(): return 'x'").ends(&[">>> def f(): return 'x'|"]);
    assert_eq!((prompt.color("def"), prompt.color("'x'")), (vt100::Color::Idx(4), vt100::Color::Idx(2)));
    let traceback = Some(TRACEBACK.to_owned());
    prompt.keys("<C-c>1 / 0<Enter>").end(Ended { traceback, ..Ended::default() });
    prompt.ends(&["    1 / 0", "    ~~^~~", "ZeroDivisionError: division by zero", ">>> |"]);
    assert_eq!((prompt.color("ZeroDivisionError"), prompt.color("~~^")), (vt100::Color::Idx(5), vt100::Color::Idx(1)));
    assert_eq!(prompt.color("Traceback"), vt100::Color::Default);
}

#[test]
fn without_colours_no_style_is_ever_set() {
    let mut prompt = Prompt::with(60, 12, |options| options.theme = Theme::none()).remembering(&["def g(): pass"]);
    let traceback = Some(TRACEBACK.to_owned());
    prompt.keys("def").keys("<C-c>parse(1").keys("<C-c>pa<Tab><Tab><Tab><C-c>'a' + #b");
    prompt.keys("<C-c>1 / 0<Enter>").end(Ended { traceback, ..Ended::default() });
    prompt.keys("<F1><F1>:fly<Enter><C-r>g<C-g><C-c>((]<Left>\x1b]11;rgb:ffff/ffff/ffff\x07");
    assert_eq!(prompt.flow(), Flow::Run(Run { source: "1 / 0".into(), timed: false, hidden: false }));
    prompt.front.shown(&Shown { pretty: Some("['a',\n 1]".into()), cut: true, ..Shown::default() });
    prompt.front.resumed(Size { columns: 60, rows: 12 });
    prompt.settle();
    let text = String::from_utf8(prompt.sent).expect("UTF-8");
    for (at, _) in text.match_indices("\x1b[") {
        let end = text[at + 2..].find(|char| matches!(char, '@'..='~')).expect("a whole sequence");
        assert_ne!(text.as_bytes()[at + 2 + end], b'm', "{:?}", &text[at..]);
    }
}

#[test]
fn the_background_decides_between_dark_and_light() {
    let keyword = |report: &str, chosen: bool| {
        let mut prompt = Prompt::with(40, 10, |options| options.theme_is_default = !chosen);
        prompt.keys("'a' if b").keys(report).shows(&[">>> 'a' if b|"]);
        prompt.color("'a'")
    };
    let dark = vt100::Color::Idx(2);
    assert_eq!(keyword("\x1b]11;rgb:0000/0000/0000\x07", false), dark);
    assert_eq!(keyword("\x1b]11;rgb:ffff/ffff/f0f0\x1b\\", false), vt100::Color::Idx(22));
    assert_eq!(keyword("\x1b]11;rgb:ffff/ffff/f0f0\x1b\\", true), dark);
}

fn png() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("in memory");
    writer.write_image_data(&[255, 0, 0]).expect("in memory");
    writer.finish().expect("in memory");
    bytes
}

#[test]
fn images_are_shown_as_the_terminal_can() {
    for (protocol, begins) in [
        (Protocol::Kitty, Some("\x1b_Ga=T")),
        (Protocol::Iterm, Some("\x1b]1337;File=")),
        (Protocol::Sixel, Some("\x1bPq")),
        (Protocol::None, None),
    ] {
        let mut prompt = Prompt::with(80, 10, |options| options.images = protocol);
        prompt.keys("plot<Enter>");
        prompt.front.shown(&Shown { text: "<plot>".into(), png: Some(png()), ..Shown::default() });
        prompt.end(Ended::default()).ends(&[">>> |"]);
        let rows = prompt.screen();
        match begins {
            Some(begins) => {
                assert!(prompt.sent(begins) && !prompt.sent("<plot>"));
                assert_eq!(rows.len(), 3, "{rows:#?}");
            }
            None => assert!(rows[1] == "<plot>" && rows[2].starts_with("an image of "), "{rows:#?}"),
        }
    }
}

#[test]
fn an_image_above_the_prompt_is_not_sent_again() {
    let mut prompt = Prompt::with(80, 10, |options| options.images = Protocol::Kitty);
    prompt.front.shown(&Shown { png: Some(png()), ..Shown::default() });
    prompt.settle().output("a").output("b\n").shows(&["", "ab", ">>> |"]);
    prompt.output("\x1b_Ga=T;AAAA\x1b\\").output("c\n");
    let sent = String::from_utf8_lossy(&prompt.sent).matches("\x1b_G").count();
    assert_eq!(sent, 2);
    prompt.ends(&["c", ">>> |"]);
}

#[test]
fn copying_goes_to_the_systems_clipboard() {
    let mut prompt = Prompt::new(40, 10);
    prompt.keys("abc<M-w>").shows(&[">>> abc|"]);
    assert!(prompt.sent("\x1b]52;c;YWJj\x07"));
}
