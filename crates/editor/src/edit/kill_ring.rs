//! What was killed, to be yanked again.

use std::collections::VecDeque;

/// Kills that are kept.
const KILLS_MAX: usize = 60; // as Emacs

/// What was killed, the newest first.
#[derive(Clone, Debug, Default)]
pub(super) struct KillRing {
    kills: VecDeque<String>,
}

/// Where a further kill goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// An entry of its own.
    New,
    /// Before the newest: a kill that went backwards after another kill.
    Front,
    /// After the newest: a kill that went forwards after another kill.
    Back,
}

impl KillRing {
    /// Keeps `text`.
    pub(super) fn push(&mut self, text: &str, side: Side) {
        if text.is_empty() {
            return;
        }
        match (side, self.kills.front_mut()) {
            (Side::Front, Some(newest)) => newest.insert_str(0, text),
            (Side::Back, Some(newest)) => newest.push_str(text),
            _ => {
                self.kills.truncate(KILLS_MAX - 1);
                self.kills.push_front(text.to_owned());
            }
        }
    }

    /// The newest.
    #[must_use]
    pub(super) fn newest(&self) -> Option<&str> {
        self.kills.front().map(String::as_str)
    }

    /// Makes the next older one the newest, and that one the oldest.
    pub(super) fn rotate(&mut self) -> Option<&str> {
        if !self.kills.is_empty() {
            self.kills.rotate_left(1);
        }
        self.newest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_in_a_row_are_one() {
        let mut ring = KillRing::default();
        ring.push("b", Side::New);
        ring.push("c", Side::Back);
        ring.push("a", Side::Front);
        ring.push("x", Side::New);
        assert_eq!(ring.newest(), Some("x"));
        assert_eq!(ring.rotate(), Some("abc"));
        assert_eq!(ring.rotate(), Some("x"));
    }
}
