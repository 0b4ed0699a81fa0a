//! Tracebacks that are too much for a screen: a message may have any length, and so may a line of source.

use std::fmt::Write as _;

// Both as for values, see `_pretty.py`.
const ROWS_MAX: usize = 100;
const CHARACTERS_MAX: usize = 20_000;

/// `text` without the middles of its longest lines, and without those in the middle where there are too many; None where
/// all of it is within 100 rows of a window with so many columns, and 20,000 characters.
pub(crate) fn bounded(text: &str, columns: usize) -> Option<String> {
    let columns = columns.max(20);
    let room = CHARACTERS_MAX.min(ROWS_MAX * columns);
    let lines: Vec<(&str, usize)> = text.lines().map(|line| (line, line.chars().count())).collect();
    if lines.iter().map(|(_, length)| length + 1).sum::<usize>() <= room && rows(&lines, columns) <= ROWS_MAX {
        return None;
    }
    // One long line leaves room for the frames above it, and for an exception that this one led to.
    let shorter: Vec<String> = lines.iter().map(|(line, length)| without_middle(line, *length, room / 4)).collect();
    let lines: Vec<(&str, usize)> = shorter.iter().map(|line| (line.as_str(), line.chars().count())).collect();
    let mut bounded = String::new();
    let first = within(lines.iter(), columns, room);
    let last = within(lines[first..].iter().rev(), columns, room);
    for (number, (line, _)) in lines.iter().enumerate() {
        let after = lines.len() - last;
        if number == first && first < after {
            // Writing to a string does not fail.
            let _ = writeln!(bounded, "... {} lines ...", grouped(after - first));
        }
        if number < first || number >= after {
            bounded.push_str(line);
            bounded.push('\n');
        }
    }
    Some(bounded)
}

fn rows(lines: &[(&str, usize)], columns: usize) -> usize {
    lines.iter().map(|(_, length)| length.div_ceil(columns).max(1)).sum()
}

/// How many of `lines` fit in half of what there is.
fn within<'a>(lines: impl Iterator<Item = &'a (&'a str, usize)>, columns: usize, room: usize) -> usize {
    let (mut rows, mut characters) = (0, 0);
    lines
        .take_while(|(_, length)| {
            rows += length.div_ceil(columns).max(1);
            characters += length + 1;
            rows < ROWS_MAX / 2 && characters <= room / 2
        })
        .count()
}

fn without_middle(line: &str, length: usize, most: usize) -> String {
    if length <= most {
        return line.to_owned();
    }
    let left_out = grouped(length - most);
    let at = |place: usize| line.char_indices().nth(place).map_or(line.len(), |(at, _)| at);
    format!("{} ... {left_out} characters ... {}", &line[..at(most / 2)], &line[at(length - (most - most / 2))..])
}

/// `1234` as `1,234`.
fn grouped(number: usize) -> String {
    match number / 1000 {
        0 => number.to_string(),
        thousands => format!("{},{:03}", grouped(thousands), number % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn what_a_screen_holds_stays() {
        let text = format!("Traceback (most recent call last):\nValueError: {}\n", "x".repeat(5000));
        assert_eq!(bounded(&text, 80), None);
        assert_eq!(bounded(&"a\n".repeat(100), 80), None);
        assert_eq!(bounded("", 80), None);
    }

    #[test]
    fn a_long_message_loses_its_middle() {
        let text = format!("Traceback:\n  File \"a\"\nValueError: {}\n", "é".repeat(300_000));
        let bounded = bounded(&text, 80).expect("too long");
        let lines: Vec<&str> = bounded.lines().collect();
        assert_eq!(lines[..2], ["Traceback:", "  File \"a\""]);
        let (x, y) = ("é".repeat(1000 - 12), "é".repeat(1000));
        assert_eq!(lines[2], format!("ValueError: {x} ... 298,012 characters ... {y}"));
    }

    #[test]
    fn many_lines_lose_those_in_the_middle() {
        let text: String = (0..10_000).map(|number| format!("{number}\n")).collect();
        let bounded = bounded(&text, 80).expect("too long");
        let lines: Vec<&str> = bounded.lines().collect();
        assert_eq!((lines[0], lines[48], lines[49]), ("0", "48", "... 9,902 lines ..."));
        assert_eq!((lines[50], lines[98], lines.len()), ("9951", "9999", 99));
    }

    #[test]
    fn both_of_two_long_exceptions_are_seen() {
        let one = |name: &str| format!("Traceback:\n  {name}\n{name}: {}\n", "x".repeat(100_000));
        let bounded = bounded(&(one("First") + &one("Second")), 30).expect("too long");
        for wanted in ["  First\nFirst: xxx", "  Second\nSecond: xxx"] {
            assert!(bounded.contains(wanted), "{bounded}");
        }
    }
}
