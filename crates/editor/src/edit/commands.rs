//! What each command does.

use std::ops::Range;

use super::{Action, Command, Direction, Editor, Host, Last, Menu, Search, kill_ring::Side, menu::Completions};
use crate::{
    completeness::{Enter, enter, enter_pasted},
    key::Key,
    motion,
    text::Text,
};

impl Editor {
    pub(super) fn run(&mut self, command: Command, before: Last, host: &mut dyn Host) -> Action {
        use Command as C;
        let times = self.times();
        if !matches!(command, C::Complete) {
            self.buffer.begin_step(false);
        }
        match command {
            C::Accept => return self.enter(host),
            C::InsertLine => self.open_line(),
            C::RunNow => return self.submit(),
            C::RunAndNext => {
                self.next = self.walk.at.and_then(|at| host.history().newer(at));
                return self.submit();
            }
            C::Left => self.motion(false, |editor| motion::left(editor.buffer.text(), editor.cursor())),
            C::Right if self.take_suggestion(false) => {}
            C::Right => self.motion(false, |editor| motion::right(editor.buffer.text(), editor.cursor())),
            C::WordLeft => self.motion(false, |editor| motion::word_left(editor.buffer.text(), editor.cursor())),
            C::WordRight if self.take_suggestion(true) => {}
            C::WordRight => self.motion(false, |editor| motion::word_right(editor.buffer.text(), editor.cursor())),
            C::LineStart => self.motion(false, |editor| editor.buffer.line_range().start),
            C::LineEnd => self.motion(false, |editor| editor.buffer.line_range().end),
            C::TextStart => self.motion(false, |_| 0),
            C::TextEnd => self.motion(false, |editor| editor.buffer.text().len()),
            C::StatementUp => {
                self.motion(false, |editor| motion::statement_start(editor.buffer.text(), editor.cursor()))
            }
            C::StatementDown => {
                self.motion(false, |editor| motion::statement_end(editor.buffer.text(), editor.cursor()));
            }
            C::MatchingBracket => {
                let pair = self.highlighter.matching_bracket(self.buffer.text(), self.cursor());
                if let Some((here, there)) = pair {
                    let goal = if self.cursor() == there { here } else { there };
                    self.motion(false, |_| goal);
                }
            }
            C::SelectLeft => self.motion(true, |editor| motion::left(editor.buffer.text(), editor.cursor())),
            C::SelectRight => self.motion(true, |editor| motion::right(editor.buffer.text(), editor.cursor())),
            C::SelectWordLeft => self.motion(true, |editor| motion::word_left(editor.buffer.text(), editor.cursor())),
            C::SelectWordRight => self.motion(true, |editor| motion::word_right(editor.buffer.text(), editor.cursor())),
            C::SelectLineStart => self.motion(true, |editor| editor.buffer.line_range().start),
            C::SelectLineEnd => self.motion(true, |editor| editor.buffer.line_range().end),
            C::SelectUp | C::SelectDown => {
                self.buffer.select();
                let cursor = self.row(command == C::SelectDown).unwrap_or(self.cursor());
                self.buffer.set_cursor(cursor);
                self.last = Last::Vertical;
            }
            C::SelectAll => self.buffer.select_all(),
            C::SetMark => {
                self.buffer.deselect();
                self.buffer.select();
                self.marked = true;
            }
            C::Copy => {
                let range = self.buffer.selection().unwrap_or_else(|| self.buffer.line_range());
                let text = self.text()[range].to_owned();
                self.kills.push(&text, Side::New);
                self.leave_selection();
                return Action::Copy(text);
            }
            C::Up | C::HistoryPrevious => self.up(host),
            C::Down | C::HistoryNext => self.down(host),
            C::HistoryFirst => {
                let mut first = None;
                while let Some(older) = host.history().older(first) {
                    first = Some(older);
                }
                if first.is_some() {
                    self.recall(first, host);
                }
            }
            C::HistoryLast => {
                if self.walk.at.is_some() {
                    self.recall(None, host);
                }
            }
            C::PrefixPrevious | C::PrefixNext => self.prefix_search(command == C::PrefixPrevious, before, host),
            C::SearchOlder | C::SearchNewer => {
                let direction = if command == C::SearchOlder { Direction::Older } else { Direction::Newer };
                self.search = Some(Search::new(direction, self.buffer.as_str(), self.buffer.cursor()));
            }
            C::LastArgument => self.last_argument(before, host),
            C::DeleteLeft => self.delete_left(),
            C::DeleteRight => self.delete_right(),
            C::DeleteRightOrEnd => {
                if self.buffer.text().is_empty() {
                    return Action::EndOfInput;
                }
                self.delete_right();
            }
            C::KillLineEnd => {
                let end = self.buffer.line_range().end;
                let at_end = self.cursor() == end && end < self.text().len();
                self.kill(self.cursor()..if at_end { end + 1 } else { end }, Side::Back, before);
            }
            C::KillLineStart => {
                self.kill(self.buffer.line_range().start..self.cursor(), Side::Front, before);
            }
            C::KillWordLeft => match self.buffer.selection() {
                Some(range) => {
                    self.kill(range, Side::New, before);
                    self.leave_selection();
                }
                None => {
                    let start = self.repeat(motion::word_left);
                    self.kill(start..self.cursor(), Side::Front, before);
                }
            },
            C::KillWordRight => {
                let end = self.repeat(motion::word_right);
                self.kill(self.cursor()..end, Side::Back, before);
            }
            C::KillText => self.kill(0..self.text().len(), Side::New, before),
            C::Yank => {
                if let Some(text) = self.kills.newest().map(str::to_owned) {
                    let start = self.buffer.selection().map_or(self.cursor(), |range| range.start);
                    self.buffer.insert(&text);
                    self.last = Last::Yank { start };
                }
            }
            C::YankPop => {
                if let (Last::Yank { start }, Some(text)) = (before, self.kills.rotate().map(str::to_owned)) {
                    let end = self.cursor();
                    self.buffer.replace(start..end, &text);
                    self.last = Last::Yank { start };
                }
            }
            C::Transpose => self.transpose(),
            C::TransposeWords => self.transpose_words(),
            C::UpperWord => self.change_word(str::to_uppercase),
            C::LowerWord => self.change_word(str::to_lowercase),
            C::CapitalWord => self.change_word(capitalized),
            C::Indent => self.shift_lines(true),
            C::Dedent => self.shift_lines(false),
            C::ToggleComment => self.toggle_comment(),
            C::Undo => {
                for _ in 0..times {
                    self.buffer.undo();
                }
            }
            C::Redo => {
                for _ in 0..times {
                    self.buffer.redo();
                }
            }
            C::QuotedInsert => self.quoted = true,
            C::Complete => return self.tab(before),
            C::CompletePrevious => self.shift_lines(false),
            C::Help => return Action::Help,
            C::ShowHistory => return Action::ShowHistory,
            C::PasteMode => self.paste_mode = !self.paste_mode,
            C::Documentation => return Action::Document,
            C::EditExternally => return Action::EditExternally,
            C::ClearScreen => return Action::ClearScreen,
            C::Interrupt => return Action::Interrupt,
            C::Suspend => return Action::Suspend,
            C::Cancel => self.leave_selection(),
            C::ViNormal => self.enter_vi_normal(),
            C::Digit | C::Ignore => {}
        }
        self.after_change();
        Action::Continue
    }

    pub(super) fn text(&self) -> &str {
        self.buffer.as_str()
    }

    pub(super) fn cursor(&self) -> usize {
        self.buffer.cursor()
    }

    fn leave_selection(&mut self) {
        self.buffer.deselect();
        self.marked = false;
    }

    /// Moves the cursor as often as was asked for; `select` extends the selection.
    fn motion(&mut self, select: bool, step: impl Fn(&Editor) -> usize) {
        if select {
            self.buffer.select();
        } else if !self.marked {
            self.buffer.deselect();
        }
        for _ in 0..self.times() {
            let cursor = step(self);
            if cursor == self.cursor() {
                break;
            }
            self.buffer.set_cursor(cursor);
        }
    }

    fn repeat(&self, step: impl Fn(&Text, usize) -> usize) -> usize {
        (0..self.times()).fold(self.cursor(), |at, _| step(self.buffer.text(), at))
    }

    fn kill(&mut self, range: Range<usize>, side: Side, before: Last) {
        let side = if before == Last::Kill { side } else { Side::New };
        let removed = self.buffer.remove(range);
        self.kills.push(&removed, side);
        self.last = Last::Kill;
    }

    /// Takes what the history suggests, or a word of it. False when the cursor is not at the end or nothing is.
    fn take_suggestion(&mut self, word: bool) -> bool {
        let Some(suggestion) = self.suggestion.take().filter(|_| self.buffer.at_end()) else { return false };
        let end = if word { motion::word_right(&Text::from(suggestion.as_str()), 0) } else { suggestion.len() };
        self.buffer.insert(&suggestion[..end]);
        true
    }

    // -- running ------------------------------------------------------------------------------------------------

    fn enter(&mut self, host: &mut dyn Host) -> Action {
        if self.paste_mode {
            self.buffer.insert("\n");
            self.after_change();
            return Action::Continue;
        }
        if !self.python {
            return self.submit();
        }
        let completeness = host.completeness(self.text());
        let decide = if std::mem::take(&mut self.pasted) { enter_pasted } else { enter };
        match decide(self.buffer.text(), self.cursor(), completeness) {
            Enter::Run => self.submit(),
            Enter::NewLine => {
                self.open_line();
                self.after_change();
                Action::Continue
            }
        }
    }

    fn submit(&mut self) -> Action {
        self.suggestion = None;
        self.leave_selection();
        let end = self.text().len();
        self.buffer.set_cursor(end);
        (self.menu, self.signature, self.search) = (None, None, None);
        Action::Submit(self.text().to_owned())
    }

    // -- history ------------------------------------------------------------------------------------------------

    fn recall(&mut self, entry: Option<super::Entry>, host: &mut dyn Host) {
        let text = self.walk.go(entry, self.buffer.as_str(), host.history());
        self.buffer.set(&text);
        self.leave_selection();
    }

    pub(super) fn up(&mut self, host: &mut dyn Host) {
        for _ in 0..self.times() {
            if let Some(cursor) = self.row(false) {
                self.vertical(cursor);
            } else if let Some(older) = host.history().older(self.walk.at) {
                self.recall(Some(older), host);
            } else {
                self.motion(false, |_| 0);
                break;
            }
        }
    }

    pub(super) fn down(&mut self, host: &mut dyn Host) {
        for _ in 0..self.times() {
            if let Some(cursor) = self.row(true) {
                self.vertical(cursor);
            } else if let Some(at) = self.walk.at {
                let newer = host.history().newer(at);
                self.recall(newer, host);
            } else {
                break;
            }
        }
    }

    pub(super) fn vertical(&mut self, cursor: usize) {
        if !self.marked {
            self.buffer.deselect();
        }
        self.buffer.set_cursor(cursor);
        self.last = Last::Vertical;
    }

    fn prefix_search(&mut self, older: bool, before: Last, host: &mut dyn Host) {
        if before != Last::Prefix {
            self.prefix = self.text()[..self.cursor()].to_owned();
        }
        let history = host.history();
        let found = match (older, self.walk.at) {
            (true, at) => history.prefix_older(&self.prefix, at),
            (false, Some(at)) => history.prefix_newer(&self.prefix, at),
            (false, None) => None,
        };
        if found.is_some() || (!older && self.walk.at.is_some()) {
            self.recall(found, host);
        }
        self.last = Last::Prefix;
    }

    fn last_argument(&mut self, before: Last, host: &mut dyn Host) {
        let history = host.history();
        let (start, from) = match before {
            Last::Argument { start } => (start, self.argument_entry),
            _ => (self.cursor(), None),
        };
        let Some(entry) = history.older(from) else { return };
        let text = history.text(entry);
        let text = text.trim_end();
        let word = motion::word_left(&Text::from(text), text.len());
        let end = self.cursor();
        self.buffer.replace(start..end, &text[word..]);
        self.argument_entry = Some(entry);
        self.last = Last::Argument { start };
    }

    /// A key while a search is under way; None when it ended the search and is to be handled as always.
    pub(super) fn search_key(
        &mut self,
        command: Option<Command>,
        typed: Option<char>,
        _key: Key,
        host: &mut dyn Host,
    ) -> Option<Action> {
        let search = self.search.as_mut()?;
        let history = host.history();
        let in_list = search.list.is_some();
        match (command, typed) {
            (None, Some(char)) => {
                search.needle.push(char);
                search.refine(history);
            }
            (Some(Command::DeleteLeft), _) => {
                search.needle.pop();
                search.widen(history);
            }
            (Some(Command::SearchOlder), _) => search.next(Direction::Older, history),
            (Some(Command::SearchNewer), _) => search.next(Direction::Newer, history),
            (Some(Command::Down), _) if in_list => search.next(Direction::Older, history),
            (Some(Command::Up), _) if in_list => search.next(Direction::Newer, history),
            (Some(Command::Cancel), _) => {
                let (text, cursor) = search.origin.clone();
                self.search = None;
                self.buffer.set(&text);
                self.buffer.set_cursor(cursor);
                self.after_change();
                return Some(Action::Continue);
            }
            (Some(Command::Complete), _) => {
                self.end_search(host);
                return Some(Action::Continue);
            }
            (Some(Command::Accept), _) if in_list => {
                self.end_search(host);
                let end = self.text().len();
                self.buffer.set_cursor(end);
                return Some(Action::Continue);
            }
            (Some(Command::Accept), _) => {
                // One Enter takes what was found and runs it, unless it is not a whole cell.
                self.end_search(host);
                let end = self.text().len();
                self.buffer.set_cursor(end);
                return None;
            }
            _ => {
                self.end_search(host);
                return None;
            }
        }
        self.show_found(history);
        Some(Action::Continue)
    }

    pub(super) fn show_found(&mut self, history: &dyn super::History) {
        let Some(search) = &self.search else { return };
        let (text, cursor) = search.found(history).unwrap_or_else(|| search.origin.clone());
        if search.list.is_none() && self.buffer.as_str() != text {
            self.buffer.set(&text);
        }
        if search.list.is_none() {
            self.buffer.set_cursor(cursor);
        }
        self.after_change();
    }

    /// Leaves the search with what was found as the text.
    fn end_search(&mut self, host: &mut dyn Host) {
        let Some(search) = self.search.take() else { return };
        let history = host.history();
        let entry = match &search.list {
            Some(list) => list.entries.get(list.chosen).copied(),
            None => search.at,
        };
        if let Some(entry) = entry {
            // Up and Down go on from here; what was being written stays below.
            self.walk.go(Some(entry), &search.origin.0, history);
            if search.list.is_some() {
                let text = history.text(entry);
                self.buffer.set(&text);
            }
        }
        self.after_change();
    }

    // -- completion ---------------------------------------------------------------------------------------------

    fn tab(&mut self, before: Last) -> Action {
        let blank = self.buffer.before_cursor().trim().is_empty();
        if !self.python || self.paste_mode || (blank && self.buffer.selection().is_none()) {
            self.buffer.begin_step(false);
            let spaces = crate::indent::tab(self.buffer.text(), self.cursor());
            self.buffer.insert(&" ".repeat(spaces));
            self.after_change();
            return Action::Continue;
        }
        if self.buffer.selection().is_some() {
            self.shift_lines(true);
            self.after_change();
            return Action::Continue;
        }
        self.last = before; // `complete` asks whether this is the second time
        Action::Complete
    }

    /// What the session answered to [`Action::Complete`].
    pub fn complete(&mut self, completions: Completions) {
        let again = self.last == Last::Complete;
        self.last = Last::Complete;
        let range = completions.range.clone();
        let fits = range.start <= range.end && range.end == self.cursor() && self.text().is_char_boundary(range.start);
        if !fits || completions.candidates.is_empty() {
            return;
        }
        let typed = self.text()[range.clone()].to_owned();
        let common = completions.common_prefix().to_owned();
        self.buffer.begin_step(false);
        if let [only] = completions.candidates.as_slice() {
            if only.text != typed {
                self.buffer.replace(range, &only.text);
            }
            self.last = Last::Other;
        } else if common.len() > typed.len() && common.starts_with(&typed) {
            self.buffer.replace(range, &common);
        } else if again {
            self.menu = Some(Menu::new(completions, &typed));
        } else {
            self.message = Some("[ not unique ]".into());
        }
        self.after_change();
    }

    /// The menu that is open, for what is said of its candidates.
    pub fn menu_mut(&mut self) -> Option<&mut Menu> {
        self.menu.as_mut()
    }

    /// A key while the menu is open; None when it is to be handled as always.
    pub(super) fn menu_key(&mut self, command: Option<Command>, typed: Option<char>) -> Option<Action> {
        let menu = self.menu.as_mut()?;
        let step = match command {
            Some(Command::Complete | Command::Down | Command::HistoryNext) => Some(true),
            Some(Command::CompletePrevious | Command::Up | Command::HistoryPrevious) => Some(false),
            _ => None,
        };
        if let Some(forward) = step {
            let text = menu.step(forward);
            let range = menu.range.clone();
            menu.range.end = range.start + text.len();
            self.buffer.begin_step(true);
            self.buffer.replace(range, &text);
            self.after_change();
            return Some(Action::Continue);
        }
        let chosen = menu.chosen().is_some();
        match (command, typed) {
            (Some(Command::Accept), _) if chosen => {
                self.menu = None;
                Some(Action::Continue)
            }
            (Some(Command::Cancel), _) => {
                let (range, typed) = (menu.range.clone(), menu.typed().to_owned());
                self.menu = None;
                self.buffer.replace(range, &typed);
                self.after_change();
                Some(Action::Continue)
            }
            (None, Some(char)) if (char.is_alphanumeric() || char == '_') && !chosen => {
                self.type_char(char);
                self.narrow_menu();
                Some(Action::Continue)
            }
            (Some(Command::DeleteLeft), _) if !chosen && menu.range.end > menu.range.start => {
                self.delete_left();
                self.after_change();
                self.narrow_menu();
                Some(Action::Continue)
            }
            _ => {
                self.menu = None;
                None
            }
        }
    }

    fn narrow_menu(&mut self) {
        let cursor = self.cursor();
        let Some(menu) = &mut self.menu else { return };
        menu.range.end = cursor;
        let typed = self.buffer.as_str()[menu.range.clone()].to_owned();
        menu.narrow(&typed);
        if menu.candidates().len() == 0 {
            self.menu = None;
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect(),
        None => String::new(),
    }
}
