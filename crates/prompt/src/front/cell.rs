//! A cell from the session's side: it begins, asks for a line, ends.

use keelback_editor::completeness::{Completeness, guess};

use super::{Flow, Front, Record, State, judge::Judge};
use crate::{
    backend::{Backend, Ended},
    show,
};

impl<B: Backend, R: Record> Front<B, R> {
    /// A cell waits for a line.
    pub fn needs_input(&mut self) {
        self.state = State::Input;
        // What was printed without a line end is the prompt: the editor writes its last row again.
        let prompt = match self.partial.last_row(self.options.size.columns) {
            Some(prompt) => {
                self.partial.clear();
                prompt
            }
            None => String::new(),
        };
        self.painter.forget();
        self.editor.drop_cell();
        self.editor.set_python(false);
        self.editor.set_prompts(prompt, "");
        self.stale = true;
    }

    /// The cell is over; while none runs, the session is.
    pub fn ended(&mut self, mut ended: Ended) -> Option<Flow> {
        self.secret = None;
        if self.state != State::Running {
            self.finish_line();
        }
        self.state = State::Running;
        self.held = None;
        if !self.partial.is_empty() {
            self.line_end();
        }
        let submitted = self.submitted.take();
        if ended.incomplete {
            match submitted {
                // The guess was wrong. Where it was right, somebody wanted the cell to run as it stands.
                Some((text, source)) if guess(&source) != Completeness::Incomplete => {
                    self.begin_cell();
                    self.editor.reopen(&text);
                    return None;
                }
                _ => ended.traceback = Some("SyntaxError: the cell is not complete\n".into()),
            }
        }
        if let Some(traceback) = &ended.traceback {
            let text = self.traceback_text(traceback);
            self.write_output(text.as_bytes());
        }
        let timed = std::mem::take(&mut self.timed);
        if let Some(took) = ended.took.filter(|_| timed) {
            self.note(&format!("{} of time, {} of it computing", show::seconds(took.wall), show::seconds(took.cpu)));
        }
        if let Some(message) = &ended.message {
            self.note(message);
        }
        if let Some(code) = ended.exit {
            return self.hand_out(Flow::Leave(code));
        }
        if let Some(prompts) = ended.prompts {
            self.prompts = prompts;
        }
        self.begin_cell();
        None
    }

    /// A cell runs already: the first prompt comes when it has [ended](Self::ended).
    pub fn begin_running(&mut self, prompts: (String, String)) {
        self.prompts = prompts;
        self.state = State::Running;
    }

    /// The first cell begins, with these prompts.
    pub fn begin(&mut self, prompts: (String, String)) {
        self.prompts = prompts;
        self.begin_cell();
    }

    pub(super) fn begin_cell(&mut self) {
        self.state = State::Editing;
        self.signature_of = None;
        // Where Ctrl-O goes on from is an entry of the cell before.
        let next = self.record.begin_cell(self.editor.next_entry());
        self.editor.set_next_entry(next);
        self.completions = None;
        self.editor.set_python(self.help.is_none());
        let mut judge = Judge { backend: &mut self.backend, record: &self.record, help: self.help.is_some() };
        self.editor.next_cell(&mut judge);
        self.show_prompts();
        self.stale = true;
    }

    fn show_prompts(&mut self) {
        match &self.help {
            Some(_) => self.editor.set_prompts("help> ", ""),
            None => self.editor.set_prompts(self.prompts.0.clone(), self.prompts.1.clone()),
        }
    }
}
