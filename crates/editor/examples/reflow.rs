//! Paints a text on a terminal, and again at each new size given on standard input as `COLUMNS ROWS`: to see what a real
//! terminal makes of it when its window is resized.

use std::io::{self, BufRead, Write};

use keelback_editor::{
    layout::{Layout, Size, Styled, View},
    painter::Painter,
    style::Kind,
    text::Text,
    theme::Theme,
};

fn main() -> io::Result<()> {
    let text = Text::from("def f(argument, another_argument):\n    return '可口可乐; 可口可樂', argument\n\nf(1, 2)");
    let (mut layout, mut painter, mut cursor) = (Layout::new(), Painter::new(), text.len());
    let (prompt, continuation) = (Styled::plain(">>> ", Kind::Prompt), Styled::plain("... ", Kind::Continuation));
    let mut paint = |size: Size, cursor: usize| {
        let frame = layout.frame(&mut View {
            size,
            prompt: &prompt,
            continuation: &continuation,
            text: &text,
            cursor,
            selection: None,
            brackets: None,
            found: None,
            spans: &mut |_| Vec::new(),
            suggestion: None,
            below: &[],
        });
        let mut out = Vec::new();
        painter.paint(frame, &Theme::dark(), &mut out);
        io::stdout().write_all(&out)?;
        io::stdout().flush()
    };
    for line in io::stdin().lock().lines() {
        let line = line?;
        let numbers: Vec<u16> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [at] => cursor = usize::from(at).min(text.len()),
            [columns, rows] => paint(Size { columns, rows }, cursor)?,
            _ => return Ok(()),
        }
    }
    Ok(())
}
