//! Time and bytes from a key to the terminal, for short and for very long texts.
#![expect(clippy::print_stdout, reason = "the figures are what it is run for")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use keelback_editor::{
    layout::{Layout, Size, Styled, View, full},
    painter::Painter,
    style::{Kind, Span},
    text::Text,
    theme::Theme,
};

const LINE: &str = "    value = compute('name', 12345, other)  # a comment";

/// As a highlighter would colour [`LINE`]; lexing is not what is measured here.
fn spans(line: &str) -> Vec<Span> {
    let spans = [(12, 19, Kind::Builtin), (20, 26, Kind::String), (28, 33, Kind::Number), (43, 54, Kind::Comment)];
    let spans = spans.into_iter().map(|(start, end, kind)| Span { start, end, kind });
    spans.filter(|span| span.end <= line.len()).collect()
}

struct Bench {
    size: Size,
    prompt: Styled,
    continuation: Styled,
    text: Text,
    cursor: usize,
    layout: Layout,
    painter: Painter,
    theme: Theme,
    out: Vec<u8>,
}

impl Bench {
    fn new(size: Size, lines: usize) -> Self {
        let text = Text::from(vec![LINE; lines].join("\n"));
        Bench {
            size,
            prompt: Styled::plain(">>> ", Kind::Prompt),
            continuation: Styled::plain("... ", Kind::Continuation),
            cursor: text.len(),
            text,
            layout: Layout::new(),
            painter: Painter::new(),
            theme: Theme::dark(),
            out: Vec::new(),
        }
    }

    fn view<'a>(&'a self, spans: &'a mut dyn FnMut(usize) -> Vec<Span>) -> View<'a> {
        View {
            size: self.size,
            prompt: &self.prompt,
            continuation: &self.continuation,
            text: &self.text,
            cursor: self.cursor,
            selection: None,
            brackets: None,
            found: None,
            spans,
            suggestion: None,
            below: &[],
        }
    }

    fn paint(&mut self) -> (Duration, usize) {
        self.out.clear();
        let start = Instant::now();
        let mut layout = std::mem::take(&mut self.layout);
        let frame = layout.frame(&mut self.view(&mut |line| spans(self.text.line(line))));
        self.layout = layout;
        self.painter.paint(frame, &self.theme, &mut self.out);
        (start.elapsed(), black_box(&self.out).len())
    }

    fn insert(&mut self, text: &str) {
        self.text.replace(self.cursor..self.cursor, text);
        self.cursor += text.len();
    }

    fn accept(&mut self) -> (Duration, usize) {
        self.out.clear();
        let mut painter = std::mem::take(&mut self.painter);
        let mut out = std::mem::take(&mut self.out);
        let start = Instant::now();
        let mut spans = |line| spans(self.text.line(line));
        painter.accept(self.size, full(self.view(&mut spans)), &self.theme, &mut out);
        let time = start.elapsed();
        (self.painter, self.out) = (painter, out);
        (time, self.out.len())
    }
}

fn report(name: &str, mut samples: Vec<(Duration, usize)>) {
    samples.sort();
    let bytes = samples.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let at = |part: usize| samples[(samples.len() - 1) * part / 100].0.as_nanos() as f64 / 1000.0;
    println!("{name:44} median {:9.1} µs  p99 {:9.1} µs  at most {bytes:7} bytes", at(50), at(99));
}

fn main() {
    for size in [Size { columns: 80, rows: 24 }, Size { columns: 200, rows: 220 }] {
        println!("{} columns, {} rows", size.columns, size.rows);
        for lines in [0, 200, 10_000] {
            let mut bench = Bench::new(size, lines);
            bench.paint();
            let key = |bench: &mut Bench, key: &str| {
                bench.insert(key);
                bench.paint()
            };
            report(&format!("key at the end, {lines} lines"), (0..19).map(|_| key(&mut bench, "x")).collect());
            let mut bench = Bench::new(size, lines);
            bench.cursor = bench.text.line_range(lines / 2).start + bench.text.line(lines / 2).len() / 3;
            bench.paint();
            report(&format!("key within a line, {lines} lines"), (0..19).map(|_| key(&mut bench, "x")).collect());
            let mut bench = Bench::new(size, lines);
            bench.paint();
            report(&format!("Enter at the end, {lines} lines"), (0..100).map(|_| key(&mut bench, "\n    ")).collect());
        }
        report("first paint, 10000 lines", (0..20).map(|_| Bench::new(size, 10_000).paint()).collect());
        let accept = |_| {
            let mut bench = Bench::new(size, 10_000);
            bench.paint();
            bench.accept()
        };
        report("accept, 10000 lines", (0..20).map(accept).collect());
    }
}
