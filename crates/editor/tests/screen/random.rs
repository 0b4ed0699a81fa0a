//! Random editing: what was drawn step by step is what would have been drawn at once.

use keelback_editor::{
    layout::{Layout, Styled, full},
    painter::Painter,
    style::Kind,
    text::Text,
    theme::Theme,
};
use proptest::prelude::*;

use crate::emulator::{Screen, State};

#[derive(Clone, Debug)]
enum Step {
    Type(String),
    Erase(usize),
    Cursor(usize),
    Text(String),
    Select(usize, usize),
    Brackets(usize, usize),
    Suggest(Option<String>),
    Below(Vec<String>),
    Accept,
    Print(String),
    Theme(bool),
    Resize(u16, u16),
}

/// Characters of which terminals know the width: narrow, wide, combined, and those that are escaped.
const SURE: &str = "[abd1'( \n\t樂e\u{301}\x1b\u{200b}]{0,60}";
/// The others too.
const DOUBTFUL: &str = "([ab\n樂]|❤\u{fe0f}|👩\u{200d}🚀|🇩🇪|👍🏽|🙂){0,12}";

fn step_or_resize() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => step(SURE),
        1 => any::<bool>().prop_map(Step::Theme),
        1 => (1u16..30, 1u16..12).prop_map(|(columns, rows)| Step::Resize(columns, rows)),
    ]
}

fn step(text: &'static str) -> impl Strategy<Value = Step> {
    let line = "[abd1' 樂]{0,30}";
    prop_oneof![
        6 => "[ab1' \n樂]".prop_map(Step::Type),
        2 => text.prop_map(Step::Type),
        3 => (1usize..4).prop_map(Step::Erase),
        4 => (0usize..200).prop_map(Step::Cursor),
        1 => text.prop_map(Step::Text),
        1 => "([abd1]{10}\n){0,15}".prop_map(Step::Text),
        1 => (0usize..100, 0usize..100).prop_map(|(from, to)| Step::Select(from, to)),
        1 => (0usize..100, 0usize..100).prop_map(|(one, other)| Step::Brackets(one, other)),
        1 => prop::option::of(text).prop_map(Step::Suggest),
        2 => prop::collection::vec(line, 0..6).prop_map(Step::Below),
        1 => Just(Step::Accept),
        1 => "([abx]{1,3}\n){1,4}".prop_map(Step::Print),
    ]
}

fn boundary(state: &State, at: usize) -> usize {
    let text = state.text.as_str();
    (0..=at % (text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Does `step`, and says whether the scrollback may hold parts of the region from then on.
fn apply(step: Step, state: &mut State, screen: &mut Screen, above: &mut Vec<String>) {
    (state.selection, state.brackets) = (None, None);
    match step {
        Step::Type(text) => {
            state.text.replace(state.cursor..state.cursor, &text);
            state.cursor += text.len();
        }
        Step::Erase(count) => {
            let start = boundary(state, state.cursor.saturating_sub(count));
            state.text.replace(start..state.cursor, "");
            state.cursor = start;
        }
        Step::Cursor(at) => state.cursor = boundary(state, at),
        Step::Text(text) => {
            state.cursor = text.len();
            state.text = Text::from(text);
        }
        Step::Select(from, to) => {
            let (from, to) = (boundary(state, from), boundary(state, to));
            state.selection = Some(from.min(to)..from.max(to));
        }
        Step::Brackets(one, other) => state.brackets = Some((boundary(state, one), boundary(state, other))),
        Step::Suggest(text) => state.suggestion = text,
        Step::Below(lines) => {
            state.below = lines.into_iter().map(|line| Styled::plain(line, Kind::MenuItem)).collect();
        }
        Step::Accept => {
            screen.accept(state);
            state.with_view(screen.size, |view| above.extend(full(view).map(|row| row.text().trim_end().to_owned())));
            *state = State::default();
        }
        Step::Print(text) => {
            screen.print(&text);
            above.extend(text.lines().map(str::to_owned));
        }
        Step::Theme(dark) => screen.theme = if dark { Theme::dark() } else { Theme::light() },
        Step::Resize(columns, rows) => screen.resize(columns, rows),
    }
}

/// The same frame by another painter on another terminal.
fn afresh(screen: &mut Screen, state: &State) -> Result<(), TestCaseError> {
    let frame = screen.frame(state);
    let size = screen.size;
    prop_assert!(frame.rows.len() <= usize::from(size.rows) && frame.row < frame.rows.len());
    prop_assert!(frame.column < usize::from(size.columns));
    for row in &frame.rows {
        prop_assert!(row.columns() <= usize::from(size.columns), "{:?}", row);
    }
    let mut other = Screen::new(size.columns, size.rows);
    other.theme = screen.theme.clone();
    std::mem::swap(&mut other.layout, &mut screen.layout);
    other.paint(state);
    std::mem::swap(&mut other.layout, &mut screen.layout);
    prop_assert_eq!(screen.region(), other.region());
    prop_assert_eq!(screen.cursor().1, other.cursor().1);
    prop_assert!(screen.is_left_clean());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn step_by_step_is_as_at_once(
        columns in 6u16..40,
        rows in 1u16..12,
        steps in prop::collection::vec(step(SURE), 1..40),
    ) {
        let mut screen = Screen::new(columns, rows);
        let mut state = State::default();
        let mut above = Vec::new();
        screen.paint(&state);
        for step in steps {
            apply(step, &mut state, &mut screen, &mut above);
            screen.paint(&state);
            afresh(&mut screen, &state)?;
            // The cells that were run and the output: each once, nothing else, and nothing lost.
            prop_assert_eq!(&screen.above(), &above);
        }
    }

    #[test]
    fn any_window_will_do(steps in prop::collection::vec(step_or_resize(), 1..40)) {
        let mut screen = Screen::new(20, 5);
        let mut state = State::default();
        screen.paint(&state);
        for step in steps {
            apply(step, &mut state, &mut screen, &mut Vec::new());
            screen.paint(&state);
            afresh(&mut screen, &state)?;
        }
    }

    #[test]
    fn doubtful_clusters_leave_nothing_behind(steps in prop::collection::vec(step(DOUBTFUL), 1..30)) {
        // A window so wide that no row ends near its edge: this emulator always wraps there.
        let mut screen = Screen::new(2000, 12);
        let mut state = State::default();
        screen.paint(&state);
        for step in steps {
            apply(step, &mut state, &mut screen, &mut Vec::new());
            screen.paint(&state);
            afresh(&mut screen, &state)?;
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,80}|[\\x00-\\x{300}\u{200d}\u{fe0f}\u{1f1e6}-\u{1f1ff}\u{1f466}-\u{1f469}]{0,40}", columns in 0u16..20, rows in 0u16..5, at in 0usize..300) {
        let mut state = State { suggestion: Some(text.clone()), text: Text::from(text), ..State::default() };
        state.cursor = boundary(&state, at);
        let size = keelback_editor::layout::Size { columns, rows };
        let mut out = Vec::new();
        let mut painter = Painter::new();
        let mut layout = Layout::new();
        painter.paint(state.with_view(size, |mut view| layout.frame(&mut view)), &Theme::dark(), &mut out);
        state.with_view(size, |view| {
            let geometry = view.geometry();
            for step in [geometry.row_above(state.cursor, None), geometry.row_below(state.cursor, None)].into_iter().flatten() {
                prop_assert!(state.text.as_str().is_char_boundary(step.offset));
            }
            Ok(())
        })?;
        state.with_view(size, |view| painter.accept(size, full(view), &Theme::dark(), &mut out));
    }
}
