//! Which page has which prompt. Every tab has its own; one that is reloaded or has lost its connection finds it again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use keelback_editor::edit::Size;

use super::{
    Application,
    terminal::{Input, Terminal, Window},
};

/// Prompts at a time; a choice: each is a thread and a session.
const MAX: usize = 32;
/// How long prompts are waited for at the end.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// Bytes of the name that a tab has for itself.
const NAME_MAX: usize = 64;

/// The prompts of all tabs.
#[derive(Debug, Default)]
pub(super) struct Terminals(Mutex<HashMap<String, Terminal>>);

impl Terminals {
    /// The prompt of a tab, a new one if it has none, and a window on it.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn open<A: Application>(
        &self,
        application: &A,
        tab: &str,
        size: Size,
    ) -> Result<(Terminal, Window), String> {
        if tab.is_empty() || tab.len() > NAME_MAX {
            return Err("the page does not say which tab it is".into());
        }
        // Held while the session opens: two connections of one tab get one prompt.
        let mut terminals = self.lock();
        if let Some(terminal) = terminals.get(tab)
            && let Some(window) = terminal.open_window()
        {
            return Ok((terminal.clone(), window));
        }
        terminals.remove(tab);
        if terminals.len() >= MAX {
            return Err(format!("{MAX} prompts are open: close a tab"));
        }
        let terminal = Terminal::start(application, size)?;
        let window = terminal.open_window().ok_or("the session has ended at once")?;
        terminals.insert(tab.to_owned(), terminal.clone());
        Ok((terminal, window))
    }

    /// Ends the prompt of a tab, unless it has a window again.
    pub(super) fn close(&self, tab: &str) {
        let mut terminals = self.lock();
        if terminals.get(tab).is_some_and(|terminal| !terminal.has_window())
            && let Some(terminal) = terminals.remove(tab)
        {
            terminal.give(Input::Close);
        }
    }

    /// Ends all prompts, so that the server knows it of all sessions.
    pub(super) fn close_all(&self) {
        let terminals: Vec<Terminal> = self.lock().drain().map(|(_, terminal)| terminal).collect();
        terminals.iter().for_each(|terminal| terminal.give(Input::Close));
        let until = Instant::now() + CLOSE_MAX;
        terminals.iter().for_each(|terminal| terminal.wait(until.saturating_duration_since(Instant::now())));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Terminal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
