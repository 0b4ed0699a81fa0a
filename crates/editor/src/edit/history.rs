//! What the editor asks of a history, and the walk through it with Up and Down.

use std::collections::HashMap;

/// An entry of a history. What the number means is the history's own affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry(pub u64);

/// Entries from the newest to the oldest; each is a whole cell without line ends at its end.
pub trait History {
    /// The entry before `entry`, or the newest.
    fn older(&self, entry: Option<Entry>) -> Option<Entry>;
    /// The entry after `entry`.
    fn newer(&self, entry: Entry) -> Option<Entry>;
    /// Its text.
    fn text(&self, entry: Entry) -> String;
    /// The nearest entry older than `before` (or of all) that contains `needle`.
    fn search_older(&self, needle: &str, before: Option<Entry>) -> Option<Entry>;
    /// The nearest entry newer than `after` that contains `needle`.
    fn search_newer(&self, needle: &str, after: Entry) -> Option<Entry>;
    /// The nearest entry older than `before` (or of all) that begins with `prefix`.
    fn prefix_older(&self, prefix: &str, before: Option<Entry>) -> Option<Entry>;
    /// The nearest entry newer than `after` that begins with `prefix`.
    fn prefix_newer(&self, prefix: &str, after: Entry) -> Option<Entry>;
    /// The entries that fit `needle` best, the best first.
    fn fuzzy(&self, needle: &str, count: usize) -> Vec<Entry>;
    /// The newest entry that begins with `prefix` and is longer.
    fn suggest(&self, prefix: &str) -> Option<String> {
        let entry = self.prefix_older(prefix, None)?;
        Some(self.text(entry)).filter(|text| text.len() > prefix.len())
    }
}

/// Where Up and Down are, and what was made of the entries on the way. History itself is never edited.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// None is the text that is being written.
    pub at: Option<Entry>,
    drafts: HashMap<Option<Entry>, String>,
}

impl Walk {
    /// Goes to `entry`, leaving `text` behind; the text to show.
    pub fn go(&mut self, entry: Option<Entry>, text: &str, history: &dyn History) -> String {
        let unchanged = self.at.is_some_and(|at| history.text(at) == text);
        if unchanged {
            self.drafts.remove(&self.at);
        } else {
            self.drafts.insert(self.at, text.to_owned());
        }
        self.at = entry;
        match self.drafts.get(&entry) {
            Some(draft) => draft.clone(),
            None => entry.map_or_else(String::new, |entry| history.text(entry)),
        }
    }
}

/// A history in memory, for tests and for prompts without a file.
#[derive(Clone, Debug, Default)]
pub struct Entries(pub Vec<String>);

impl Entries {
    fn find(&self, mut numbers: impl Iterator<Item = usize>, fits: impl Fn(&str) -> bool) -> Option<Entry> {
        numbers.find(|number| fits(&self.0[*number])).map(|number| Entry(number as u64))
    }

    fn below(&self, entry: Option<Entry>) -> usize {
        entry.map_or(self.0.len(), |entry| entry.0 as usize)
    }
}

impl History for Entries {
    fn older(&self, entry: Option<Entry>) -> Option<Entry> {
        self.find((0..self.below(entry)).rev(), |_| true)
    }

    fn newer(&self, entry: Entry) -> Option<Entry> {
        self.find(entry.0 as usize + 1..self.0.len(), |_| true)
    }

    fn text(&self, entry: Entry) -> String {
        self.0[entry.0 as usize].clone()
    }

    fn search_older(&self, needle: &str, before: Option<Entry>) -> Option<Entry> {
        self.find((0..self.below(before)).rev(), |text| text.contains(needle))
    }

    fn search_newer(&self, needle: &str, after: Entry) -> Option<Entry> {
        self.find(after.0 as usize + 1..self.0.len(), |text| text.contains(needle))
    }

    fn prefix_older(&self, prefix: &str, before: Option<Entry>) -> Option<Entry> {
        self.find((0..self.below(before)).rev(), |text| text.starts_with(prefix))
    }

    fn prefix_newer(&self, prefix: &str, after: Entry) -> Option<Entry> {
        self.find(after.0 as usize + 1..self.0.len(), |text| text.starts_with(prefix))
    }

    fn fuzzy(&self, needle: &str, count: usize) -> Vec<Entry> {
        let fits = |text: &str| {
            let mut chars = text.chars();
            needle.chars().all(|wanted| chars.any(|char| char.eq_ignore_ascii_case(&wanted)))
        };
        (0..self.0.len()).rev().filter(|number| fits(&self.0[*number])).map(|n| Entry(n as u64)).take(count).collect()
    }
}
