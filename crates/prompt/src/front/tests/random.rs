//! Whatever comes, the screen shows what a fresh paint of the same state would show.

use keelback_editor::painter::Painter;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Keys(String),
    Paste(String),
    Output(String),
    Ended,
    NeedsInput,
    Resize(u16, u16),
    Resumed(String),
}

const KEYS: &[&str] = &[
    "a",
    "(",
    ")",
    "[",
    ":",
    " ",
    "'",
    "#",
    "é",
    "樂",
    "p",
    "pa",
    "parse(",
    "if a:",
    "<Enter>",
    "<Enter>",
    "<Enter>",
    "<Tab>",
    "<Tab>",
    "<S-Tab>",
    "<Backspace>",
    "<Up>",
    "<Down>",
    "<Left>",
    "<Right>",
    "<Home>",
    "<End>",
    "<PageUp>",
    "<Escape>",
    "<F1>",
    "<F2>",
    "<F3>",
    "<C-r>",
    "<C-s>",
    "<C-g>",
    "<C-c>",
    "<C-d>",
    "<C-l>",
    "<C-k>",
    "<C-y>",
    "<C-w>",
    "<C-u>",
    "<C-o>",
    "<C-z>",
    "<M-h>",
    "<M-y>",
    "<M-d>",
    "<C-x><C-e>",
    "<C-x><C-u>",
    "<C-_>",
    ":vars<Enter>",
    ":keys vi<Enter>",
    "\x1b[D",
    "long = 'a string that is longer than most of the windows are'",
    "help<Enter>",
    "\x1b]11;rgb:ffff/ffff/ffff\x07",
    "\x1b]11;rgb:0000/0000/0000\x07",
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let keys =
        proptest::collection::vec(proptest::sample::select(KEYS), 1..8).prop_map(|keys| Step::Keys(keys.concat()));
    let output = prop_oneof!["[a-c樂 \t\n\r]{0,30}", "[a-c]{0,90}", Just("\x1b[31mred".to_owned())];
    let step = prop_oneof![
        6 => keys,
        1 => "[a-c:( \n樂]{0,40}".prop_map(Step::Paste),
        3 => output.clone().prop_map(Step::Output),
        3 => Just(Step::Ended),
        1 => Just(Step::NeedsInput),
        1 => (1_u16..60, 1_u16..20).prop_map(|(columns, rows)| Step::Resize(columns, rows)),
        1 => output.prop_map(Step::Resumed),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What is on the screen from the prompt on, cell by cell, and the cursor.
type Region = (Vec<Vec<(String, vt100::Color, bool)>>, (u16, u16));

fn region(screen: &vt100::Screen, top: u16) -> Region {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let cell = |row, column| {
        let cell = screen.cell(row, column).expect("on the screen");
        let text = if cell.has_contents() { cell.contents() } else { " " };
        (text.to_owned(), cell.fgcolor(), cell.inverse())
    };
    let shown = (top..rows).map(|row| (0..columns).map(|column| cell(row, column)).collect()).collect();
    let (row, column) = screen.cursor_position();
    (shown, (row - top, column))
}

impl Prompt {
    fn is_painted_as_if_anew(&mut self) {
        let Front { editor, record, options, .. } = &mut self.front;
        let frame = editor.frame(record.as_history());
        let mut bytes = Vec::new();
        // A last row without text need not be there.
        let height = frame.rows.iter().rposition(|row| row.columns() > 0).map_or(0, |row| row + 1);
        let (at, size) = (frame.row as u16, options.size);
        Painter::default().paint(frame, &options.theme, &mut bytes);
        let mut fresh = vt100::Parser::new(some(size.rows), some(size.columns), 0);
        fresh.process(&bytes);
        let (row, _) = self.terminal.screen().cursor_position();
        assert!(row >= at, "the prompt begins above the window");
        let top = row - at;
        let shown = region(self.terminal.screen(), top);
        let mut expected = region(fresh.screen(), 0);
        assert!(shown.0.len() >= height, "the prompt ends below the window");
        expected.0.truncate(shown.0.len());
        assert_eq!(shown, expected);
    }

    /// Does what a driver does about keys that leave the front to it.
    fn drive(&mut self) {
        while let Some(flow) = self.flows.pop() {
            match flow {
                Flow::Run(_) => return,
                Flow::Edit(text) => self.front.edited(Some(&text)),
                Flow::Leave(_) | Flow::Suspend | Flow::Page(_) => {}
            }
            let size = self.front.options.size;
            self.front.resumed(size);
            self.settle();
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Keys(keys) => {
                self.keys(keys);
            }
            Step::Paste(text) => {
                self.paste(text);
            }
            Step::Output(text) => {
                self.output(text);
            }
            Step::Ended if self.front.is_running() => {
                self.end(Ended::default());
            }
            Step::NeedsInput if self.front.is_running() => {
                self.front.needs_input();
                self.settle();
            }
            Step::Ended | Step::NeedsInput => {}
            Step::Resize(columns, rows) => {
                self.resize(*columns, *rows);
            }
            Step::Resumed(text) => {
                self.write();
                self.terminal.process(text.replace('\n', "\r\n").as_bytes());
                let size = self.front.options.size;
                self.front.resumed(size);
                self.settle();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_screen_is_that_of_a_fresh_paint(steps in steps(), columns in 1_u16..60, rows in 1_u16..20) {
        let mut prompt = Prompt::new(columns, rows).remembering(&["def f():\n    return 1", "pathlib", "a = 1"]);
        for step in &steps {
            prompt.step(step);
            prompt.drive();
            if !prompt.front.is_running() {
                prompt.is_painted_as_if_anew();
            }
        }
    }
}
