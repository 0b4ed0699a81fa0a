use proptest::prelude::*;

use super::*;

/// One letter for each byte of `source`: what it is coloured as.
fn colours(source: &str) -> String {
    let text = Text::from(source);
    let mut highlighter = Highlighter::new();
    highlighter.reset(&text);
    let lines: Vec<String> = (0..text.line_count())
        .map(|line| {
            let mut letters = vec![b' '; text.line(line).len()];
            for span in highlighter.line(&text, line) {
                let letter = match span.kind {
                    Kind::Keyword => b'k',
                    Kind::SoftKeyword => b'm',
                    Kind::Builtin => b'b',
                    Kind::Definition => b'd',
                    Kind::Decorator => b'@',
                    Kind::String => b's',
                    Kind::Interpolation => b'i',
                    Kind::Number => b'n',
                    Kind::Comment => b'c',
                    Kind::Operator => b'o',
                    Kind::Invalid => b'x',
                    other => panic!("{other:?} is not a kind of code"),
                };
                letters[span.start..span.end].fill(letter);
            }
            String::from_utf8(letters).expect("letters are ASCII")
        })
        .collect();
    lines.join("\n")
}

#[track_caller]
fn check(source: &str, expected: &str) {
    let source = source.trim_start_matches('\n');
    assert_eq!(colours(source), expected.trim_start_matches('\n'), "\n{source}");
}

#[test]
fn code_has_its_colours() {
    check("x = 1 + y  # z", "  o n o    ccc");
    check("def print(a): pass", "kkk dddddo oo kkkk");
    check("class A(Exception): ...", "kkkkk dobbbbbbbbboo ooo");
    check("a.print(print.type)", " o     obbbbbo    o");
    check("for i in range(2): print(i)", "kkk   kk bbbbbonoo bbbbbo o");
    check("None is True", "kkkk kk kkkk");
    check("é = naïve樂", "   o          ");
    check("a $ b ? € `", "  x   x xxx x");
    check("a != b ! c", "  oo   x  ");
    check("a \\ b", "  x  ");
}

#[test]
fn numbers() {
    for number in ["0", "1_000", "0xFF_ff", "0b101", "0o17", "1.5", ".5", "1.", "1e10", "1.5e-3j", "2J"] {
        check(number, &"n".repeat(number.len()));
    }
    check("1if x else 2", "nkk   kkkk n");
    check("12ab 0x1g", "nnxx nnnx");
    check("1e", "nx");
    check("a[1:2]", " onono");
    check("1..real", "nno    ");
}

#[test]
fn strings() {
    check("'a' \"b\" rb'\\'' u'x'", "sss sss ssssss ssss");
    check("'abc\nx = 1", "ssss\n  o n");
    check("'ab\\\ncd' 1", "ssss\nsss n");
    check("'''a\nfor\n''' in", "ssss\nsss\nsss kk");
    check("x'a' fx'a'", " sss   sss");
    check("\"\"\"a\"b\\\"\"\"\"", "sssssssssss");
    check("'# no' # yes", "ssssss ccccc");
    check("''", "ss");
    check("r'\\", "sss");
}

#[test]
fn interpolations() {
    check("f'a{x}b'", "sssi iss");
    check("f'{{x}}'", "ssssssss");
    check("f'{x!r:>{w}.2f}'", "ssi iiiii iiiiis");
    check("f'{print(d[\"k\"])!s}'", "ssibbbbbo osssooiiis");
    check("f'{a:=1}'", "ssi iiiis");
    check("f'{(a:=1)}'", "ssio oonois");
    check("f'{x != y}'", "ssi  oo  is");
    check("f\"{f\"{1}\"}\"", "ssissinisis");
    check("t'{x}' Rf'{x}'", "ssi is sssi is");
    check("f'''{\nprint(\n)\n}''' if", "ssssi\nbbbbbo\no\nisss kk");
    check("f'\\N{DASH}{x}'", "ssssssssssi is");
    check("f'\\{x}'", "sssi is");
}

#[test]
fn a_field_that_is_being_typed_leaves_later_lines_alone() {
    check("f'a {x\nif y: '1'", "ssssi \nkk  o sss");
    check("f'a {x:>\nif y", "ssssi ii\nkk  ");
    check("f'{\n1\n}' if", "ssi\nn\nis kk");
    check("f'{foo(\n1)}' if", "ssi   o\nnois kk");
}

#[test]
fn soft_keywords_only_where_they_act() {
    check("match x:", "mmmmm  o");
    check("match = 1", "      o n");
    check("match.x", "     o ");
    check("match (x):", "mmmmm o oo");
    check("match not x:", "mmmmm kkk  o");
    check("match in x", "      kk  ");
    check("x = match y", "  o        ");
    check("match 'a':\n  case _:\n    _ = 1", "mmmmm ssso\n  mmmm mo\n      o n");
    check("case -1:", "mmmm ono");
    check("case -= 1", "     oo n");
    check("case None: case = 2", "mmmm kkkko      o n");
    check("type X = int", "mmmm   o bbb");
    check("type(x)", "bbbbo o");
    check("type = 1; type Y = 2", "bbbb o no mmmm   o n");
    check("print(\nmatch x)", "bbbbbo\n       o");
    check("if x: match y:", "kk  o mmmmm  o");
    check("{a: match x}", "o o        o");
}

#[test]
fn decorators_are_names_after_an_at_sign() {
    check("@a.b(print)\ndef f(): 1 @ x", "@@@@obbbbbo\nkkk dooo n o  ");
    check("  @property", "  @@@@@@@@@");
    check("(a\n@b)", "o \no o");
}

#[test]
fn lines_go_on_after_a_backslash() {
    check("a.\\\nprint", " oo\n     ");
    check("def \\\nprint()", "kkk o\ndddddoo");
    check("x = \\\nmatch (y)", "  o o\n      o o");
}

#[track_caller]
fn check_brackets(source: &str) {
    let at: Vec<usize> = source.match_indices('|').map(|(at, _)| at).collect();
    let (cursor, partner) = (at[0], at.get(1).map(|at| at - 1));
    let text = Text::from(source.replace('|', ""));
    let mut highlighter = Highlighter::new();
    highlighter.reset(&text);
    assert_eq!(highlighter.matching_bracket(&text, cursor).map(|(_, to)| to), partner, "{source}");
}

#[test] // the first `|` is the cursor, the second is before the partner
fn brackets_find_their_partners() {
    check_brackets("|(a, [b]|)");
    check_brackets("x = |{1: ')', # }\n 2: f'{y}'\n|}");
    check_brackets("f'|{a[0]!r:>{w}|}'");
    check_brackets("f(|[\n'''\n]\n'''\n, 1|])");
    check_brackets("f|( ]");
    check_brackets("'|('");
    check_brackets("f|{x\ny|}");
    check_brackets("f'|{x\ny}");
    check_brackets("no| (x)");
    check_brackets("|(]");
    let text = Text::from("([])");
    let mut highlighter = Highlighter::new();
    highlighter.reset(&text);
    let pairs: Vec<_> = (0..=4).map(|at| highlighter.matching_bracket(&text, at)).collect();
    assert_eq!(pairs, [Some((0, 3)), Some((1, 2)), Some((2, 1)), Some((3, 0)), Some((3, 0))]);
}

const PIECES: [&str; 26] = [
    "'", "\"", "'''", "\"\"\"", "f'", "f\"\"\"", "{", "}", "(", ")", "[", "]", "\n", "\n", "\\", "\\\n", ":", "!r",
    "#", "match ", "def ", "x", " 1.", "樂", "@a.", ",",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn colours_after_edits_are_those_of_the_text(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0usize..6, prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8), any::<prop::sample::Index>()), 1..24),
    ) {
        let mut text = Text::default();
        let mut kept = Highlighter::new();
        let boundary = |text: &Text, at: usize| (0..=at.min(text.len())).rev().find(|at| text.as_str().is_char_boundary(*at)).unwrap_or(0);
        for (start, len, new, seen) in edits {
            let start = boundary(&text, start.index(text.len() + 1));
            let end = boundary(&text, start + len).max(start);
            let change = text.replace(start..end, &new.concat());
            kept.changed(&text, change);
            // Only some lines are looked at, as on a screen.
            let mut fresh = Highlighter::new();
            fresh.reset(&text);
            let seen = seen.index(text.line_count());
            prop_assert_eq!(kept.line(&text, seen), fresh.line(&text, seen));
        }
        let mut fresh = Highlighter::new();
        fresh.reset(&text);
        for line in 0..text.line_count() {
            let spans = fresh.line(&text, line).to_vec();
            prop_assert_eq!(kept.line(&text, line), &spans[..]);
            let mut end = 0;
            for span in &spans {
                prop_assert!(end <= span.start && span.start < span.end && span.end <= text.line(line).len());
                prop_assert!(text.line(line).is_char_boundary(span.start) && text.line(line).is_char_boundary(span.end));
                end = span.end;
            }
        }
        for at in 0..=text.len() {
            if let Some((bracket, partner)) = kept.matching_bracket(&text, at) {
                prop_assert_eq!(kept.matching_bracket(&text, partner), Some((partner, bracket)));
            }
        }
    }

    #[test]
    fn any_text_is_coloured(source in "\\PC{0,60}") {
        let text = Text::from(source);
        let mut highlighter = Highlighter::new();
        highlighter.reset(&text);
        for line in 0..text.line_count() {
            highlighter.line(&text, line);
        }
    }
}
