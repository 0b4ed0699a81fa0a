//! What a program says of itself, for the terminal. Output of cells is passed on as it is, as at any prompt; names, lines of
//! files and messages are no output, and the terminal takes no orders from them.

/// One line: `?` stands for each control character.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}

/// Several lines, with tabs.
pub(super) fn lines(text: &str) -> String {
    let is_layout = |char| matches!(char, '\n' | '\t');
    text.chars().map(|char| if char.is_control() && !is_layout(char) { '?' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_sequence_is_left() {
        let text = "a\x1b[2J\u{9b}2J\r\n\tä\x07\x7f";
        assert_eq!(line(text), "a?[2J?2J???ä??");
        assert_eq!(lines(text), "a?[2J?2J?\n\tä??");
    }
}
