//! What a prompt asks of a session besides running its cells. No code of the user's runs for it, unless the method says
//! so. The guest may be hostile: what it answers is bounded, and its offsets are checked.

use std::ops::Range;

use keelback_session::{
    Completeness, Completion, CompletionKind, Completions, Description, Signature, SourceText, Value,
};

use super::Session;
use crate::{Error, TerminalSize, marshal};

/// More matches than this are of no use, and no honest guest sends them.
const MATCHES_MAX: usize = 10_000;

impl Session {
    /// Whether `source` is a whole interactive cell. What was compiled to know that is kept for the next cell.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn completeness(&mut self, source: &str) -> Result<Completeness, Error> {
        match self.ask_for("whole", [Value::from(source)])? {
            Value::Bool(true) => Ok(Completeness::Complete),
            Value::Bool(false) => Ok(Completeness::Incomplete),
            Value::None => Ok(Completeness::Invalid),
            _ => Err(Error::Protocol("`whole` gave a value of another type".into())),
        }
    }

    /// What could stand at `cursor`, a byte offset in `source`. With `paths` names of the session's files are completed
    /// in strings.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn complete(&mut self, source: &str, cursor: usize, paths: bool) -> Result<Completions, Error> {
        let cursor = floor(source, cursor);
        let response = self.ask_for("complete", [Value::from(source), count(source, cursor), Value::Bool(paths)])?;
        let Some([start, end, matches, more]) = items(response) else {
            return Err(Error::Protocol("`complete` gave a tuple of another shape".into()));
        };
        let mut offsets = Offsets::new(source);
        let start = offsets.byte(&start).unwrap_or(cursor).min(cursor);
        let end = offsets.byte(&end).unwrap_or(cursor).max(start);
        let matches = list(matches).into_iter().take(MATCHES_MAX).filter_map(completion).collect();
        Ok(Completions { range: start..end, matches, more: more == Value::Bool(true) })
    }

    /// More on a completion: its type or parameters, and a line of its documentation. `start` is where the match would
    /// stand in `source`.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn completion_detail(&mut self, source: &str, start: usize, text: &str) -> Result<(String, String), Error> {
        let arguments = [Value::from(source), count(source, floor(source, start)), Value::from(text)];
        match items(self.ask_for("detail", arguments)?) {
            Some([Value::Str(short), Value::Str(doc)]) => Ok((short, doc)),
            _ => Err(Error::Protocol("`detail` gave a tuple of another shape".into())),
        }
    }

    /// The signature of the call around `cursor`, a byte offset in `source`, which need not be finished.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn signature(&mut self, source: &str, cursor: usize) -> Result<Option<Signature>, Error> {
        let arguments = [Value::from(source), count(source, floor(source, cursor))];
        let Some([Value::Str(text), spans, active, Value::Str(doc)]) = items(self.ask_for("signature", arguments)?)
        else {
            return Ok(None);
        };
        let mut offsets = Offsets::new(&text);
        let parameters: Vec<Range<usize>> = list(spans)
            .into_iter()
            .take(MATCHES_MAX)
            .map_while(|span| {
                let [start, end] = items(span)?;
                Some(offsets.byte(&start)?..offsets.byte(&end)?)
            })
            .filter(|span| span.start <= span.end)
            .collect();
        let active = active.as_int().and_then(|index| usize::try_from(index).ok());
        let active = active.filter(|index| *index < parameters.len());
        Ok(Some(Signature { text, parameters, active, doc }))
    }

    /// What is known of the value of an expression made of names, attributes and constant subscripts. None for another
    /// expression, and for a name that is not bound.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn describe(&mut self, expression: &str) -> Result<Option<Description>, Error> {
        let Value::Dict(entries) = self.ask_for("describe", [Value::from(expression)])? else {
            return Ok(None);
        };
        let mut description = Description::default();
        for (key, value) in entries {
            let Value::Str(text) = value else { continue };
            match key.as_str() {
                Some("type") => description.type_name = text,
                Some("signature") => description.signature = text,
                Some("doc") => description.doc = text,
                Some("file") => description.file = text,
                _ => {}
            }
        }
        Ok(Some(description))
    }

    /// The source of what such an expression stands for.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn source_of(&mut self, expression: &str) -> Result<Option<SourceText>, Error> {
        match items(self.ask_for("source", [Value::from(expression)])?) {
            Some([Value::Str(text), Value::Str(file), line]) => {
                let line = line.as_int().and_then(|line| u32::try_from(line).ok()).unwrap_or(1);
                Ok(Some(SourceText { text, file, line }))
            }
            _ => Ok(None),
        }
    }

    /// The repr of what such an expression stands for, over several lines when it is wider than `width`, and whether it
    /// was cut to `max_lines`. Runs the reprs of what is in it. None when one of them fails, too.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn pretty(
        &mut self,
        expression: &str,
        width: usize,
        max_lines: Option<usize>,
    ) -> Result<Option<(String, bool)>, Error> {
        let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let arguments = [Value::from(expression), number(width), max_lines.map_or(Value::None, number)];
        match items(self.ask_for("pretty", arguments)?) {
            Some([Value::Str(text), truncated]) => Ok(Some((text, truncated == Value::Bool(true)))),
            _ => Ok(None),
        }
    }

    /// Whether each name is bound, in the namespace or as a builtin.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn defined(&mut self, names: &[&str]) -> Result<Vec<bool>, Error> {
        let listed = names.iter().map(|name| Value::from(*name)).collect();
        let answers = list(self.ask_for("defined", [Value::List(listed)])?);
        Ok((0..names.len()).map(|index| answers.get(index) == Some(&Value::Bool(true))).collect())
    }

    /// The texts of `sys.ps1` and `sys.ps2` now. Runs their `__str__`, where a program has put objects there.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn prompts(&mut self) -> Result<(String, String), Error> {
        match items(self.ask_for("prompts", [])?) {
            Some([Value::Str(first), Value::Str(second)]) => Ok((first, second)),
            _ => Ok((">>> ".into(), "... ".into())),
        }
    }

    /// The terminal has another size now, or with None there is none.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn set_terminal(&mut self, size: Option<TerminalSize>) -> Result<(), Error> {
        self.options.terminal = size;
        let arguments: Vec<Value> = match terminal(size) {
            Value::Tuple(size) => size,
            _ => Vec::new(),
        };
        self.ask_for("terminal", arguments).map(drop)
    }

    fn ask_for(&mut self, name: &str, arguments: impl IntoIterator<Item = Value>) -> Result<Value, Error> {
        self.simple_revived(marshal::tuple([Value::from(name)].into_iter().chain(arguments)))
    }
}

/// A size as the guest knows it.
pub(super) fn terminal(size: Option<TerminalSize>) -> Value {
    size.map_or(Value::None, |size| Value::Tuple(vec![Value::Int(size.columns.into()), Value::Int(size.lines.into())]))
}

fn items<const N: usize>(value: Value) -> Option<[Value; N]> {
    match value {
        Value::Tuple(items) | Value::List(items) => items.try_into().ok(),
        _ => None,
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::List(items) | Value::Tuple(items) => items,
        _ => Vec::new(),
    }
}

fn completion(value: Value) -> Option<Completion> {
    let [Value::Str(text), Value::Str(kind), Value::Str(detail)] = items(value)? else { return None };
    let kind = match kind.as_str() {
        "argument" => CompletionKind::Argument,
        "class" => CompletionKind::Class,
        "file" => CompletionKind::File,
        "folder" => CompletionKind::Folder,
        "function" => CompletionKind::Function,
        "key" => CompletionKind::Key,
        "keyword" => CompletionKind::Keyword,
        "method" => CompletionKind::Method,
        "module" => CompletionKind::Module,
        "property" => CompletionKind::Property,
        _ => CompletionKind::Variable,
    };
    Some(Completion { text, kind, detail })
}

/// The nearest character boundary at or before `offset`.
fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The number of characters before a byte offset: the guest counts those.
fn count(text: &str, offset: usize) -> Value {
    Value::Int(i64::try_from(text[..offset].chars().count()).unwrap_or(i64::MAX))
}

/// Byte offsets of ascending character offsets, in one pass.
struct Offsets<'a> {
    text: &'a str,
    characters: usize,
    bytes: usize,
}

impl<'a> Offsets<'a> {
    fn new(text: &'a str) -> Self {
        Offsets { text, characters: 0, bytes: 0 }
    }

    /// None when it is not an offset in the text.
    fn byte(&mut self, offset: &Value) -> Option<usize> {
        let offset = usize::try_from(offset.as_int()?).ok()?;
        if offset < self.characters {
            (self.characters, self.bytes) = (0, 0);
        }
        let mut rest = self.text[self.bytes..].char_indices();
        let found = rest.nth(offset - self.characters).map(|(at, _)| self.bytes + at);
        let bytes = match found {
            Some(bytes) => bytes,
            None if self.text[self.bytes..].chars().count() == offset - self.characters => self.text.len(),
            None => return None,
        };
        (self.characters, self.bytes) = (offset, bytes);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_characters_and_stay_in_the_text() {
        let mut offsets = Offsets::new("aé樂b");
        let mut byte = |offset| offsets.byte(&Value::Int(offset));
        assert_eq!([byte(0), byte(1), byte(2), byte(4)], [Some(0), Some(1), Some(3), Some(7)]);
        assert_eq!([byte(3), byte(5), byte(-1), byte(i64::MAX)], [Some(6), None, None, None]);
        assert_eq!((floor("aé", 2), floor("aé", 9)), (1, 3));
        assert_eq!(count("aé樂b", 6), Value::Int(3));
    }
}
