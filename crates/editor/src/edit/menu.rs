//! The completion menu: what could stand here, and which of it is chosen.

use std::{collections::HashSet, ops::Range};

/// Rows of a menu or list at most.
pub(super) const MENU_ROWS: usize = 10;

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
    /// Numbers of those whose details were asked for.
    detailed: HashSet<usize>,
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
            detailed: HashSet::new(),
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

    /// The places of those that are on the screen: the chosen one is.
    #[must_use]
    pub fn visible(&self) -> Range<usize> {
        let first = self.chosen.map_or(0, |place| place.saturating_sub(MENU_ROWS - 1));
        first..self.shown.len().min(first + MENU_ROWS)
    }

    /// Numbers of what is on the screen without that its details were ever asked for, and their texts.
    #[must_use]
    pub fn without_details(&self) -> (Vec<usize>, Vec<String>) {
        let numbers = self.shown[self.visible()].iter().filter(|number| !self.detailed.contains(*number));
        numbers.map(|number| (*number, self.all[*number].text.clone())).unzip()
    }

    /// The details of the candidates of these numbers; an empty one, or none, leaves what is known.
    pub fn set_details(&mut self, numbers: &[usize], details: Vec<String>) {
        self.detailed.extend(numbers);
        for (number, detail) in numbers.iter().zip(details) {
            if !detail.is_empty() {
                self.all[*number].detail = detail;
            }
        }
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
    fn details_are_asked_for_once_and_for_what_is_seen() {
        let names: Vec<String> = (0..30).map(|number| format!("name_{number:02}")).collect();
        let mut menu = menu(&names.iter().map(String::as_str).collect::<Vec<_>>(), "");
        let (numbers, texts) = menu.without_details();
        assert_eq!((numbers.clone(), texts[9].as_str()), ((0..10).collect(), "name_09"));
        menu.set_details(&numbers, vec!["int".into(), String::new()]);
        assert_eq!(menu.candidates().next().map(|candidate| candidate.detail.as_str()), Some("int"));
        for _ in 0..11 {
            menu.step(true);
        }
        assert_eq!(menu.without_details(), (vec![10], vec!["name_10".into()]));
        menu.narrow("9");
        assert_eq!(menu.without_details(), (vec![19, 29], vec!["name_19".into(), "name_29".into()]));
    }

    #[test]
    fn the_common_prefix_ends_between_characters() {
        let candidates = ["naïve", "naîf"].map(|text| Candidate { text: text.into(), ..Candidate::default() }).into();
        let completions = Completions { range: 0..0, candidates, more: false };
        assert_eq!(completions.common_prefix(), "na");
    }
}
