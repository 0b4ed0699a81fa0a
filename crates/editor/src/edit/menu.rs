//! The completion menu: what could stand here, and which of it is chosen.

use std::ops::Range;

/// One thing that could stand in the place of what is typed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Candidate {
    /// What would be inserted.
    pub text: String,
    /// What it is: `function`, `module`, `keyword` ...
    pub kind: String,
    /// Its type and the first line of its documentation.
    pub detail: String,
}

/// What a session says could stand in a range of the text.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Completions {
    /// The bytes the candidates would take the place of.
    pub range: Range<usize>,
    /// In the order they are offered.
    pub candidates: Vec<Candidate>,
    /// There are more than these.
    pub more: bool,
}

impl Completions {
    /// What all candidates begin with.
    #[must_use]
    pub fn common_prefix(&self) -> &str {
        let Some((first, rest)) = self.candidates.split_first() else { return "" };
        let mut prefix = first.text.as_str();
        for candidate in rest {
            let same = prefix.char_indices().zip(candidate.text.chars()).find(|((_, a), b)| a != b);
            let end = same.map_or(prefix.len().min(candidate.text.len()), |((at, _), _)| at);
            prefix = &prefix[..end];
        }
        prefix
    }
}

/// An open menu.
#[derive(Clone, Debug)]
pub struct Menu {
    /// Where the candidates go; its end follows the cursor.
    pub range: Range<usize>,
    /// All that were given.
    all: Vec<Candidate>,
    /// Numbers of those that fit what is typed now.
    shown: Vec<usize>,
    /// Which of `shown` is chosen.
    chosen: Option<usize>,
    /// What was typed before one was chosen.
    typed: String,
    /// There are more than these.
    pub more: bool,
}

impl Menu {
    /// A menu with nothing chosen.
    #[must_use]
    pub fn new(completions: Completions, typed: &str) -> Self {
        let mut menu = Menu {
            range: completions.range,
            shown: Vec::new(),
            all: completions.candidates,
            chosen: None,
            typed: String::new(),
            more: completions.more,
        };
        menu.narrow(typed);
        menu
    }

    /// Shows what begins with `typed`, and after that what has its characters in order.
    pub fn narrow(&mut self, typed: &str) {
        self.typed = typed.to_owned();
        self.chosen = None;
        let numbers = 0..self.all.len();
        self.shown = numbers.clone().filter(|number| self.all[*number].text.starts_with(typed)).collect();
        let others = numbers.filter(|number| {
            let text = &self.all[*number].text;
            !text.starts_with(typed) && in_order(text, typed)
        });
        self.shown.extend(others);
    }

    /// What is offered now.
    pub fn candidates(&self) -> impl ExactSizeIterator<Item = &Candidate> {
        self.shown.iter().map(|number| &self.all[*number])
    }

    /// The one that is chosen.
    #[must_use]
    pub fn chosen(&self) -> Option<(usize, &Candidate)> {
        let place = self.chosen?;
        Some((place, &self.all[self.shown[place]]))
    }

    /// Chooses the next or the one before; past the ends nothing is chosen. What then stands in the text.
    pub fn step(&mut self, forward: bool) -> String {
        let count = self.shown.len();
        self.chosen = match (self.chosen, forward) {
            (None, true) => (count > 0).then_some(0),
            (None, false) => count.checked_sub(1),
            (Some(place), true) => Some(place + 1).filter(|place| *place < count),
            (Some(place), false) => place.checked_sub(1),
        };
        self.chosen().map_or_else(|| self.typed.clone(), |(_, candidate)| candidate.text.clone())
    }

    /// What was typed before one was chosen.
    #[must_use]
    pub fn typed(&self) -> &str {
        &self.typed
    }
}

fn in_order(text: &str, wanted: &str) -> bool {
    let mut chars = text.chars();
    wanted.chars().all(|wanted| chars.any(|char| char.eq_ignore_ascii_case(&wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(names: &[&str], typed: &str) -> Menu {
        let candidates = names.iter().map(|name| Candidate { text: (*name).into(), ..Candidate::default() }).collect();
        Menu::new(Completions { range: 0..typed.len(), candidates, more: false }, typed)
    }

    #[test]
    fn beyond_the_last_is_what_was_typed() {
        let mut menu = menu(&["abc", "abd"], "ab");
        assert_eq!([true; 4].map(|forward| menu.step(forward)), ["abc", "abd", "ab", "abc"]);
        assert_eq!(menu.step(false), "ab");
        assert_eq!(menu.step(false), "abd");
    }

    #[test]
    fn narrowing_puts_what_begins_so_first() {
        let mut menu = menu(&["read_all", "real", "ready"], "");
        menu.narrow("rea");
        assert_eq!(menu.candidates().count(), 3);
        menu.narrow("ral");
        assert_eq!(menu.candidates().map(|c| c.text.as_str()).collect::<Vec<_>>(), ["read_all", "real"]);
        menu.narrow("x");
        assert_eq!(menu.candidates().len(), 0);
        assert_eq!(menu.step(true), "x");
    }

    #[test]
    fn the_common_prefix_ends_between_characters() {
        let candidates = ["naïve", "naîf"].map(|text| Candidate { text: text.into(), ..Candidate::default() }).into();
        let completions = Completions { range: 0..0, candidates, more: false };
        assert_eq!(completions.common_prefix(), "na");
    }
}
