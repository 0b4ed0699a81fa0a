//! How far lines are indented: after Enter, as a clause is typed, and by Tab and Backspace.
//!
//! All widths are columns; a tab reaches to the next multiple of four.

use std::borrow::Cow;

use crate::{
    outline::{Outline, Statement, TAB, columns, is_blank},
    text::Text,
};

/// Columns of one level in `text`: those of its first indented statement, or else `remembered` (four at first).
#[must_use]
pub fn unit(text: &Text, remembered: usize) -> usize {
    unit_of(&Outline::until(text, text.len()).statements, remembered)
}

fn unit_of(statements: &[Statement], remembered: usize) -> usize {
    let deeper = statements.windows(2).find(|pair| pair[0].opens_block && pair[1].indent > pair[0].indent);
    deeper.map_or(remembered, |pair| pair[1].indent - pair[0].indent)
}

/// Columns before a line that Enter at byte `offset` opens.
///
/// A level more after a colon that opens a block and after a bracket that ends its line, a level less after a statement
/// that leaves its block, else as before. Within a string the line above is followed, as editors do.
#[must_use]
pub fn after(text: &Text, offset: usize, remembered: usize) -> usize {
    let outline = Outline::until(text, offset);
    let unit = unit_of(&outline.statements, remembered);
    let line = text.line_at(offset);
    let range = text.line_range(line);
    let prefix = &text.as_str()[range.start..offset];
    let own = columns(prefix);
    if outline.state.in_string() {
        return own;
    }
    if let Some(bracket) = outline.brackets.last() {
        let after_bracket = text.as_str()[bracket.at + 1..offset].trim_start_matches([' ', '\t']);
        let opener = text.line_at(bracket.at);
        if opener == line && (after_bracket.is_empty() || after_bracket.starts_with('#')) {
            // A bracket that stands alone is flush with what is in it, as in CPython's prompt.
            let alone = is_blank(&text.as_str()[range.start..bracket.at]);
            return columns(text.line(line)) + if alone { 0 } else { unit };
        }
        // The line on which the item began that ends here: what it opened and closed since does not count.
        let level = outline.state.level();
        let began = (opener + 1..=line).rev().find(|line| outline.levels[*line] == level).unwrap_or(opener);
        return columns(if began == line { prefix } else { text.line(began) });
    }
    let Some(statement) = outline.statements.last() else { return own };
    if outline.continued {
        return if statement.first_line == line { statement.indent + unit } else { own };
    }
    if is_blank(prefix) || prefix.trim_start().starts_with('#') {
        return own;
    }
    if statement.opens_block {
        return statement.indent + unit;
    }
    if leaves_block(text, statement) {
        let outer = outline.statements.iter().rev().find(|outer| outer.indent < statement.indent);
        return outer.map_or(0, |outer| outer.indent);
    }
    statement.indent
}

/// Whether nothing after `statement` in its block can run.
fn leaves_block(text: &Text, statement: &Statement) -> bool {
    let last = text.as_str()[statement.last_part..statement.end].trim_start();
    !statement.is_compound(text)
        && matches!(crate::outline::first_word(last), "return" | "pass" | "break" | "continue" | "raise")
}

/// `columns` as blanks: tabs as far as they go where the line at `offset` is indented with tabs, else spaces.
#[must_use]
pub fn blanks(text: &Text, offset: usize, columns: usize) -> String {
    if text.line(text.line_at(offset)).starts_with('\t') {
        "\t".repeat(columns / TAB) + &" ".repeat(columns % TAB)
    } else {
        " ".repeat(columns)
    }
}

/// The columns that a clause belongs at (`else:`, `elif`, `except`, `finally:`, `case`), asked when the character that
/// ends its word was typed before byte `cursor`: those of the statement it continues. `None` where nothing fits, or it is
/// there already.
#[must_use]
pub fn dedent_keyword(text: &Text, cursor: usize) -> Option<usize> {
    let line = text.line_at(cursor);
    let prefix = &text.as_str()[text.line_range(line).start..cursor];
    // A name may begin like a keyword, so the character after it decides.
    let clause = match prefix.trim_start_matches([' ', '\t']) {
        "else:" => "else",
        "elif " | "elif(" => "elif",
        "except:" | "except " | "except*" | "except(" => "except",
        "finally:" => "finally",
        "case " | "case(" | "case[" | "case{" | "case\"" | "case'" => "case",
        _ => return None,
    };
    let indent = columns(prefix);
    let before = Outline::until(text, text.line_range(line).start);
    if !before.state.at_statement() {
        return None;
    }
    let mut inner = indent + 1;
    for (at, statement) in before.statements.iter().enumerate().rev() {
        if statement.indent >= inner {
            continue;
        }
        // The nearest statement at its column: what is above it there is cut off by it.
        inner = statement.indent;
        if clause == "case" {
            match statement.word(text) {
                "case" => return (statement.indent < indent).then_some(statement.indent),
                "match" if statement.opens_block => return None,
                _ => {}
            }
        } else if continues(text, &before.statements[..=at], clause) {
            return (statement.indent < indent).then_some(statement.indent);
        }
    }
    None
}

/// Whether `clause` can follow the last of `statements` at its column.
fn continues(text: &Text, statements: &[Statement], clause: &str) -> bool {
    let Some(last) = statements.last() else { return false };
    let chain = statements.iter().rev().filter(|statement| statement.indent <= last.indent);
    let mut words =
        chain.take_while(|statement| statement.indent == last.indent).map(|statement| match statement.word(text) {
            "async" => "for",
            word => word,
        });
    let Some(word) = words.next() else { return false };
    match clause {
        "elif" => matches!(word, "if" | "elif"),
        "except" => matches!(word, "try" | "except"),
        "else" => matches!(word, "if" | "elif" | "for" | "while" | "except"),
        // An `else` may be that of a loop or a condition.
        "finally" => match word {
            "try" | "except" => true,
            "else" => words.find(|word| *word != "elif") == Some("except"),
            _ => false,
        },
        _ => false,
    }
}

/// How many bytes of leading blanks Backspace at byte `cursor` removes: back to the next column at which a line above
/// begins. 0 where the cursor is not among the leading blanks, and Backspace is what it always is.
#[must_use]
pub fn backspace(text: &Text, cursor: usize) -> usize {
    let line = text.line_at(cursor);
    let prefix = &text.as_str()[text.line_range(line).start..cursor];
    if prefix.is_empty() || !is_blank(prefix) {
        return 0;
    }
    if !prefix.bytes().all(|byte| byte == b' ') {
        return 1;
    }
    let indent = prefix.len();
    let above = (0..line).rev().map(|line| text.line(line)).filter(|line| !is_blank(line)).map(columns);
    let column = above.into_iter().find(|column| *column < indent).unwrap_or((indent - 1) / TAB * TAB);
    indent - column
}

/// How many spaces Tab at byte `cursor` inserts: up to the next multiple of a level.
#[must_use]
pub fn tab(text: &Text, cursor: usize) -> usize {
    let range = text.line_range(text.line_at(cursor));
    let prefix = &text.as_str()[range.start..cursor];
    let column = if is_blank(prefix) { columns(prefix) } else { prefix.chars().count() };
    TAB - column % TAB
}

/// `line` with its leading tabs as spaces.
#[must_use]
pub fn expand_tabs(line: &str) -> Cow<'_, str> {
    let code = line.trim_start_matches([' ', '\t']);
    let blanks = &line[..line.len() - code.len()];
    if blanks.contains('\t') { Cow::Owned(" ".repeat(columns(blanks)) + code) } else { Cow::Borrowed(line) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `|` is the cursor.
    fn parse(source: &str) -> (Text, usize) {
        let cursor = source.find('|').expect("there is a cursor");
        (Text::from(source.replacen('|', "", 1)), cursor)
    }

    #[track_caller]
    fn check_after(source: &str, expected: usize) {
        let (text, cursor) = parse(source);
        assert_eq!(after(&text, cursor, 4), expected, "{source}");
    }

    #[test]
    fn a_level_more_after_a_colon() {
        check_after("def f():|", 4);
        check_after("def f():  # foo|", 4);
        check_after("def f():  # foo: |", 4);
        check_after("def f():\n    if 1:|", 8);
        check_after("def f():\n  if 1:|", 4);
        check_after("def f(a,\n      b):|", 4);
        check_after("def f():|\n    b", 4);
        check_after("x = {1:|", 0);
        check_after("x = a[1:|", 0);
        check_after("f(lambda:|", 0);
        check_after("if x: y|", 0);
        check_after("'''\n:'''|", 0);
        check_after("# a:|", 0);
        check_after("'a:|", 0);
        check_after("x = ':'|", 0);
    }

    #[test]
    fn lines_go_on_where_the_last_one_began() {
        check_after("|", 0);
        check_after("x = 1|", 0);
        check_after("def f():\n    a = 1|", 4);
        check_after("for i in x:\n    # c|", 4);
        check_after("for i in x:\n    # c:|", 4);
        check_after("def f():\n    |", 4);
        check_after("def f():\n    a\n\n|", 0);
        check_after("    x = f(\n        1,\n    )|", 4);
        check_after("x = '''\n   a'''|", 0);
    }

    #[test]
    fn brackets_indent_what_is_in_them() {
        check_after("foo(|", 4);
        check_after("foo(  # c|", 4);
        check_after("foo(a,|", 0);
        check_after("foo(\n    a,|", 4);
        check_after("foo(\n    a, [|", 8);
        check_after("foo(\n    a, [\n        1,\n    ],|", 4);
        check_after("x = [\n    {\n        1: 2,\n    },|", 4);
        check_after("x = {\n  'a': [1,\n        2],|", 2);
        check_after("[1,\n|", 0);
        check_after("if a and (|", 4);
        check_after("x = f(|)", 4);
        check_after("f'{x[|", 4);
    }

    #[test]
    fn a_level_less_after_leaving_a_block() {
        for word in
            ["return", "return 1", "pass", "break", "continue", "raise X", "return (\n        1)", "x = 1; return"]
        {
            check_after(&format!("if 1:\n    if 2:\n        {word}|"), 4);
            check_after(&format!("if 1:\n  {word}  # c|"), 0);
        }
        check_after("if 1:\n    passing = 1|", 4);
        check_after("if 1:\n    if x: return|", 4);
        check_after("if 1:\n    return (|", 8);
        check_after("return|", 0);
    }

    #[test]
    fn strings_follow_the_line_above_and_backslashes_indent_once() {
        check_after("def f():\n    '''Doc:|", 4);
        check_after("def f():\n    '''Doc:\n\n      a:|", 6);
        check_after("x = '''|", 0);
        check_after("x = 1 + \\|", 4);
        check_after("x = 1 + \\\n  2 + \\|", 2);
        check_after("if a or \\\n   b:|", 4);
    }

    #[test]
    fn the_unit_is_that_of_the_first_block() {
        assert_eq!(unit(&Text::from("x = (\n  1)\nif 1:\n   y"), 4), 3);
        assert_eq!(unit(&Text::from("if 1:\n\n  # c\n\ty"), 2), 4);
        assert_eq!(unit(&Text::from("if 1: y\n"), 2), 2);
        assert_eq!(after(&Text::from("def g():"), 8, 2), 2);
    }

    #[track_caller]
    fn check_dedent(source: &str, expected: Option<usize>) {
        let (text, cursor) = parse(source);
        assert_eq!(dedent_keyword(&text, cursor), expected, "{source}");
    }

    #[test]
    fn clauses_go_below_what_they_continue() {
        check_dedent("if 0:\n    1\n    else:|", Some(0));
        check_dedent("for x in y:\n    if x:\n        print(x)\n        else:|", Some(4));
        check_dedent("if a:\n    b\n    elif |", Some(0));
        check_dedent("if a:\n    b\n    elif|", None);
        check_dedent("try:\n    b\n    except |", Some(0));
        check_dedent("try:\n    b\nexcept A:\n    c\n    except:|", Some(0));
        check_dedent("try:\n    b\nexcept A:\n    c\nelse:\n    d\n    finally:|", Some(0));
        check_dedent("if a:\n    b\nelse:\n    d\n    finally:|", None);
        check_dedent("while a:\n    b\n\n    # c\n    else:|", Some(0));
        check_dedent("async for a in b:\n    b\n    else:|", Some(0));
        check_dedent("match x:\n    case 1:\n        y\n        case |", Some(4));
        check_dedent("match x:\n    case |", None);
        check_dedent("match x:\n    case 1:\n        if y:\n            z\n            else:|", Some(8));
    }

    #[test]
    fn clauses_stay_where_they_fit_or_nothing_does() {
        check_dedent("if 0:\n    1\nelse:|", None);
        check_dedent("for x in y:\n    if x: z\n    else:|", None);
        check_dedent("if 0:\n    1\nx = 1\nif 2:\n    3\nelse:\n    4\n    else:|", None);
        check_dedent("if 0:\n    1\nx = 1\n    else:|", None);
        check_dedent("if 0:\n    (\n    else:|", None);
        check_dedent("if 0:\n    '''\n    else:|", None);
        check_dedent("    else:|", None);
        check_dedent("if 0:\n    x = 1 if 2 else:|", None);
        check_dedent("try:\n    exception|", None);
    }

    #[track_caller]
    fn check_backspace(source: &str, expected: usize) {
        let (text, cursor) = parse(source);
        assert_eq!(backspace(&text, cursor), expected, "{source}");
    }

    #[test]
    fn backspace_goes_back_a_level() {
        check_backspace("def f():\n    if 1:\n        |", 4);
        check_backspace("def f():\n    if 1:\n    |", 4);
        check_backspace("def f():\n  if 1:\n       |", 5);
        check_backspace("      |", 2);
        check_backspace("    |x", 4);
        check_backspace("    x|", 0);
        check_backspace("|", 0);
        check_backspace("if 1:\n\t|", 1);
    }

    #[test]
    fn tab_goes_to_the_next_multiple_of_four() {
        for (source, expected) in [("|", 4), ("(\n  |", 2), ("    |", 4), ("ab|", 2), ("\t|", 4), ("é|", 3)] {
            let (text, cursor) = parse(source);
            assert_eq!(tab(&text, cursor), expected, "{source}");
        }
    }

    #[test]
    fn tabs_become_spaces_and_stay_tabs_in_lines_of_tabs() {
        assert_eq!(expand_tabs("\tx\ty"), "    x\ty");
        assert_eq!(expand_tabs("  \tx"), "    x");
        assert_eq!(expand_tabs("  x"), "  x");
        assert_eq!(blanks(&Text::from("\tx"), 1, 10), "\t\t  ");
        assert_eq!(blanks(&Text::from("    x"), 1, 8), "        ");
    }

    proptest! {
        #[test]
        fn any_text_has_indentation(source in "[a:('\"{#\\n \t\\\\)}\\]f;樂]{0,40}", at in any::<prop::sample::Index>()) {
            let text = Text::from(source);
            let at = at.index(text.len() + 1);
            let at = (0..=at).rev().find(|at| text.as_str().is_char_boundary(*at)).unwrap_or(0);
            let _ = after(&text, at, 4);
            let _ = dedent_keyword(&text, at);
            prop_assert!(backspace(&text, at) <= at);
            prop_assert!((1..=4).contains(&tab(&text, at)));
        }
    }
}
