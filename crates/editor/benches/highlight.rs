//! What a key costs the colours, and Enter the rest: `cargo bench -p keelback-editor --bench highlight`.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::{Duration, Instant};

use keelback_editor::{completeness, highlight::Highlighter, indent, text::Text};

const SCREEN: usize = 50;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn look(highlighter: &mut Highlighter, text: &Text, last: usize) -> usize {
    (last.saturating_sub(SCREEN - 1)..=last).map(|line| highlighter.line(text, line).len()).sum()
}

fn measure(name: &str, source: &str) {
    let mut text = Text::from(source);
    let mut highlighter = Highlighter::new();
    let last = text.line_count() - 1;
    let all = (0..21).map(|_| {
        let start = Instant::now();
        highlighter.reset(&text);
        highlighter.line(&text, last);
        start.elapsed()
    });
    let all = median(all.collect());
    let mut keys = |at: fn(&Text) -> usize, char: &str| {
        let mut times = (Vec::new(), Vec::new());
        for round in 0..200 {
            let offset = at(&text);
            let line = text.line_at(offset);
            let range = if round % 2 == 0 { offset..offset } else { offset - char.len()..offset };
            let change = text.replace(range, if round % 2 == 0 { char } else { "" });
            let start = Instant::now();
            highlighter.changed(&text, change);
            highlighter.line(&text, line.min(text.line_count() - 1));
            times.0.push(start.elapsed());
            let start = Instant::now();
            let last = (line + SCREEN / 2).min(text.line_count() - 1);
            std::hint::black_box(look(&mut highlighter, &text, last));
            times.1.push(start.elapsed());
        }
        (median(times.0), median(times.1))
    };
    let end = keys(Text::len, "a");
    let newline = keys(Text::len, "\n");
    let middle = keys(|text| text.line_range(text.line_count() / 2).end, "a");
    let quotes = keys(|text| text.line_range(10).end, "'''");
    println!(
        "{name}: whole {all:?}; line, then {SCREEN} lines: key at end {end:?}, new line {newline:?}, in the middle {middle:?}, triple quote above {quotes:?}"
    );
}

fn enter(name: &str, source: &str) {
    let text = Text::from(source);
    let time = |work: &dyn Fn() -> usize| {
        let times = (0..21).map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        });
        median(times.collect())
    };
    let guess = time(&|| completeness::guess(source) as usize);
    let decide = time(&|| completeness::enter(&text, text.len(), completeness::Completeness::Complete) as usize);
    let after = time(&|| indent::after(&text, text.len(), 4));
    println!("{name}: guess {guess:?}, enter {decide:?}, indentation {after:?}");
}

fn main() {
    let rows = "    {\"aab\": [1, 2, 3.5], \"bab\": \"ba ab\"},  # aab\n".repeat(10_000);
    let rows = format!("x = [\n{rows}");
    measure("open bracket", &rows);
    enter("open bracket", &rows);
    let functions: String = (0..2500)
        .map(|n| format!("def function_{n}(a, b=None):\n    for i in range(len(a)):\n        print(f\"{{i}}: {{a[i]!r}}\", b)\n    return a\n"))
        .collect();
    measure("functions", &functions);
    enter("functions", functions.trim_end());
    let docstring =
        format!("def f():\n    '''\n{}", "    Some words of a text, which is no code at all.\n".repeat(10_000));
    measure("docstring", &docstring);
}
