//! What submissions, words and commands do.

use keelback_editor::edit::Action;

use super::{Flow, Front, Record, Run, State, judge::Judge};
use crate::{
    backend::Backend,
    commands,
    words::{self, Submission, Word},
};

impl<B: Backend, R: Record> Front<B, R> {
    pub(super) fn act(&mut self, action: Action) -> Option<Flow> {
        match action {
            Action::Continue => None,
            Action::Submit(source) => self.submit(&source),
            Action::Interrupt => {
                self.finish_line();
                self.note("KeyboardInterrupt");
                self.editor.drop_cell();
                self.begin_cell();
                None
            }
            Action::EndOfInput if self.help.is_some() => {
                self.finish_line();
                self.leave_help();
                None
            }
            Action::EndOfInput => {
                self.finish_line();
                Some(Flow::Leave(0))
            }
            Action::Complete => {
                let buffer = self.editor.buffer();
                let cursor = buffer.cursor();
                // The first Tab wrote what all have in common, or nothing: only without a change is this still true.
                let known = self.completions.take().filter(|known| known.range.end == cursor);
                let completions = known.unwrap_or_else(|| self.backend.complete(buffer.as_str(), cursor));
                self.editor.complete(completions.clone());
                self.completions = (self.editor.buffer().cursor() == cursor).then_some(completions);
                None
            }
            Action::Document => {
                let expression = self.editor.expression_at_cursor();
                let text = self.backend.describe(&expression);
                match text {
                    Some(text) => self.present(&text),
                    None => {
                        self.editor.set_message(format!("nothing is known of `{expression}`"));
                        None
                    }
                }
            }
            Action::Help => {
                if self.help.is_some() {
                    self.finish_line();
                    self.leave_help();
                } else {
                    let buffer = self.editor.buffer();
                    let draft = (buffer.as_str().to_owned(), buffer.cursor());
                    self.painter.clear(&mut self.out);
                    self.enter_help(draft);
                }
                None
            }
            Action::ShowHistory => {
                self.painter.clear(&mut self.out);
                self.stop_for_driver();
                Some(Flow::Page(self.record.listing()))
            }
            Action::EditExternally => {
                self.painter.clear(&mut self.out);
                self.stop_for_driver();
                Some(Flow::Edit(self.editor.buffer().as_str().to_owned()))
            }
            Action::Copy(text) => {
                self.copy(&text);
                None
            }
            Action::ClearScreen => {
                self.clear_screen();
                None
            }
            Action::Suspend => {
                self.painter.clear(&mut self.out);
                self.stop_for_driver();
                Some(Flow::Suspend)
            }
        }
    }

    fn stop_for_driver(&mut self) {
        self.painter.forget();
        self.stale = true;
    }

    pub(super) fn input_action(&mut self, action: Action) -> Option<Flow> {
        match action {
            Action::Submit(line) => {
                self.finish_line();
                self.state = State::Running;
                self.backend.reply(Some(line + "\n"));
                None
            }
            Action::EndOfInput => {
                self.finish_line();
                self.state = State::Running;
                self.backend.reply(None);
                None
            }
            Action::Suspend | Action::ClearScreen => self.act(action),
            Action::Copy(text) => {
                self.copy(&text);
                None
            }
            _ => None,
        }
    }

    fn submit(&mut self, source: &str) -> Option<Flow> {
        self.finish_line();
        if self.help.is_some() {
            return self.help_topic(source.trim());
        }
        match words::read(source) {
            Submission::Nothing => {
                self.editor.drop_cell();
                self.begin_cell();
                None
            }
            Submission::Word(word) if !self.backend.defined(word.name()) => self.word(word),
            Submission::Command { name, argument } => {
                self.keep(source);
                self.submitted = Some((source.to_owned(), argument.to_owned()));
                self.command(name, argument)
            }
            _ => {
                self.keep(source);
                self.submitted = Some((source.to_owned(), source.to_owned()));
                Some(Flow::Run(Run { source: source.to_owned(), timed: false, hidden: false }))
            }
        }
    }

    fn keep(&mut self, source: &str) {
        if let Some(trouble) = self.record.record(source.trim_end()) {
            self.note(&trouble);
        }
    }

    fn word(&mut self, word: Word) -> Option<Flow> {
        match word {
            Word::Exit | Word::Quit => return Some(Flow::Leave(0)),
            Word::Clear => {
                self.editor.drop_cell();
                self.begin_cell();
                self.clear_screen();
            }
            Word::Help => self.enter_help((String::new(), 0)),
            Word::Copyright | Word::Credits | Word::License => {
                let source = match word {
                    Word::License => "license()".to_owned(), // it asks for a key after each page
                    _ => format!("print({})", word.name()),
                };
                return Some(Flow::Run(Run { source, timed: false, hidden: true }));
            }
        }
        None
    }

    // -- help mode ----------------------------------------------------------------------------------------------

    fn enter_help(&mut self, draft: (String, usize)) {
        self.editor.drop_cell();
        // Ctrl-O may have recalled the word: what follows it is no entry of this mode.
        self.editor.set_next_entry(None);
        self.help = Some(draft);
        self.note("A name, keyword, module or topic shows its help; q, an empty line's Ctrl-D or F1 goes back.");
        self.begin_cell();
    }

    fn leave_help(&mut self) {
        let Some((text, cursor)) = self.help.take() else { return };
        self.editor.drop_cell();
        self.begin_cell();
        if !text.is_empty() {
            self.editor.set_text(&text);
            self.editor.set_cursor(cursor);
        }
    }

    fn help_topic(&mut self, topic: &str) -> Option<Flow> {
        match topic {
            "q" | "quit" | "exit" => {
                self.leave_help();
                None
            }
            "" => {
                self.begin_cell();
                None
            }
            _ => {
                // A name of the session is described as such; anything else is a topic.
                let source = format!("__import__('pydoc').help({})", quoted(topic));
                Some(Flow::Run(Run { source, timed: false, hidden: true }))
            }
        }
    }

    // -- commands -----------------------------------------------------------------------------------------------

    fn command(&mut self, name: &str, argument: &str) -> Option<Flow> {
        match name {
            "time" if !argument.is_empty() => {
                self.timed = true;
                return Some(Flow::Run(Run { source: argument.to_owned(), timed: true, hidden: false }));
            }
            "help" | "" | "?" => {
                let text = commands::table(self.backend.commands());
                self.print(&text);
            }
            "clear" => {
                self.editor.drop_cell();
                self.begin_cell();
                self.clear_screen();
                return None;
            }
            "history" => {
                self.begin_cell();
                self.stop_for_driver();
                return Some(Flow::Page(self.record.listing()));
            }
            "quit" | "q" | "exit" => return Some(Flow::Leave(0)),
            "theme" | "keys" => {
                let said = self.change_look(name, argument);
                self.say(said);
            }
            "doc" => {
                let text = self.backend.describe(argument);
                let text = text.ok_or_else(|| format!("nothing is known of `{argument}`"));
                self.say(text);
            }
            _ if self.backend.commands().iter().any(|(known, _, _)| *known == name) => {
                let said = self.backend.command(name, argument);
                self.say(said);
                if let Some(status) = self.backend.left() {
                    return Some(Flow::Leave(status));
                }
            }
            _ => self.say(Err(format!("`:{name}` is not a command: `:help` lists them"))),
        }
        self.begin_cell();
        None
    }

    fn say(&mut self, said: Result<String, String>) {
        match said {
            Ok(text) if text.is_empty() => {}
            Ok(text) => self.print(&text),
            Err(message) => self.note(&format!("error: {message}")),
        }
    }

    /// Shows text above the prompt, or in a pager when it is longer than the window.
    fn present(&mut self, text: &str) -> Option<Flow> {
        if text.lines().count() + 2 > usize::from(self.options.size.rows) {
            self.painter.clear(&mut self.out);
            self.stop_for_driver();
            return Some(Flow::Page(text.to_owned()));
        }
        let text = text.to_owned();
        self.above(|front| front.print(&text));
        None
    }

    /// What a judge is, for calls outside of keys.
    pub(super) fn with_judge<T>(
        &mut self,
        call: impl FnOnce(&mut keelback_editor::edit::Editor, &mut Judge<'_, B, R>) -> T,
    ) -> T {
        let mut judge = Judge { backend: &mut self.backend, record: &self.record, help: self.help.is_some() };
        call(&mut self.editor, &mut judge)
    }
}

/// As a string literal of Python.
fn quoted(text: &str) -> String {
    let mut literal = String::from("'");
    for char in text.chars().filter(|char| !char.is_control()) {
        if matches!(char, '\\' | '\'') {
            literal.push('\\');
        }
        literal.push(char);
    }
    literal + "'"
}
