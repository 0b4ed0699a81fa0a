//! How a report becomes a tool's result: one text a model reads from top to bottom, images, and the same as data.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use keelback_sandbox::{Event, Mime, MimeBundle, Outcome, Raised, Report, Restored, Stream};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value as Json, json};

use super::resources;

/// Bytes of one image; a choice: what clients take.
const MAX_IMAGE: usize = 5 << 20;
/// Images of one result; a choice.
const MAX_IMAGES: usize = 20;

/// What a result says, before it is cut.
struct Account {
    text: String,
    images: Vec<ContentBlock>,
    value: Option<String>,
    error: Option<Json>,
}

/// The result of a cell. `number` names its full text, which comes back when it is too long for the result; `kept` is
/// whether the session was remembered just before the cell.
pub(super) fn result(report: &Report, number: u64, max_text: usize, kept: bool) -> (CallToolResult, Option<String>) {
    let account = account(report, kept);
    let usage = &report.usage;
    let short = |text: &str| {
        cut(text, max_text, "the rest is in the text of this result or its resource").unwrap_or_else(|| text.to_owned())
    };
    let mut error = account.error.clone();
    for key in ["message", "traceback"] {
        if let Some(Json::String(text)) = error.as_mut().and_then(|error| error.get_mut(key)) {
            *text = short(text);
        }
    }
    let structured = json!({
        "stdout": short(&report.text(Stream::Stdout)),
        "stderr": short(&report.text(Stream::Stderr)),
        "value": account.value.as_deref().map(short),
        "error": error,
        "usage": {
            "wall_seconds": usage.wall.as_secs_f64(),
            "cpu_seconds": usage.cpu.as_secs_f64(),
            "memory_bytes": usage.peak_memory_bytes,
            "output_bytes": usage.output_bytes,
        },
    });
    let uri = resources::output_uri(number);
    let mut content = Vec::new();
    let full = match cut(&account.text, max_text, &format!("the full text is resource {uri}")) {
        Some(text) => {
            content.push(ContentBlock::text(text));
            content.push(ContentBlock::resource_link(resources::output(number, &account.text)));
            Some(account.text)
        }
        None => {
            content.push(ContentBlock::text(account.text));
            None
        }
    };
    content.extend(account.images);
    let mut result =
        if account.error.is_some() { CallToolResult::error(content) } else { CallToolResult::success(content) };
    result.structured_content = Some(structured);
    (result, full)
}

fn account(report: &Report, kept: bool) -> Account {
    let mut account = Account { text: String::new(), images: Vec::new(), value: None, error: None };
    let mut bytes = Vec::new();
    for event in &report.events {
        match event {
            Event::Output { bytes: piece, .. } => bytes.extend_from_slice(piece),
            Event::Display(bundle) => {
                account.text.push_str(&String::from_utf8_lossy(&bytes));
                bytes.clear();
                if let Some(text) = plain(bundle) {
                    account.line(text);
                }
                account.images(bundle);
            }
            _ => {}
        }
    }
    account.text.push_str(&String::from_utf8_lossy(&bytes));
    account.outcome(&report.outcome, kept);
    for error in &report.sync_errors {
        account.line(error);
    }
    if account.text.is_empty() && account.images.is_empty() {
        account.text.push_str("(no output)");
    }
    account
}

impl Account {
    /// Adds to the text, on a line of its own.
    fn line(&mut self, text: &str) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }

    fn outcome(&mut self, outcome: &Outcome, kept: bool) {
        match outcome {
            Outcome::Done => {}
            Outcome::Value { repr, mime, .. } => {
                self.line(repr);
                self.value = Some(repr.clone());
                self.images(mime);
            }
            Outcome::Raised(raised) | Outcome::Invalid(raised) => {
                self.line(raised.traceback.trim_end());
                if let Some(limit) = raised.limit {
                    self.line(&format!("(The cell hit its limit, {limit}. The session lives on with what it had.)"));
                }
                self.raised(raised);
            }
            Outcome::Exit { code, message, .. } => {
                let text = message.clone().unwrap_or_else(|| format!("exit status {code}"));
                self.line(&format!("SystemExit: {text}\n(The session lives on.)"));
                if *code != 0 {
                    self.failed("SystemExit", &text, "");
                }
            }
            Outcome::Incomplete => {
                let text = "the code is incomplete: a bracket, string or block is not closed";
                self.line(&format!("SyntaxError: {text}"));
                self.failed("SyntaxError", text, "");
            }
            Outcome::Stopped { reason, restored, .. } => {
                let goes_on = match restored {
                    Restored::Checkpoint if kept => "The session is as it was before this cell.",
                    Restored::Checkpoint => {
                        "The session is as it was some cells ago; list_variables shows what is there."
                    }
                    Restored::Start => "The session began anew: its variables and files are gone.",
                };
                self.line(&format!("{reason}\n({goes_on})"));
                self.failed("Stopped", reason, "");
            }
            _ => self.failed("Unknown", "an outcome this server does not know", ""),
        }
    }

    fn raised(&mut self, raised: &Raised) {
        let name = match raised.module.as_str() {
            "builtins" | "__main__" => raised.type_name.clone(),
            module => format!("{module}.{}", raised.type_name),
        };
        self.failed(&name, &raised.message, &raised.traceback);
    }

    fn failed(&mut self, type_name: &str, message: &str, traceback: &str) {
        self.error = Some(json!({"type": type_name, "message": message, "traceback": traceback}));
    }

    fn images(&mut self, bundle: &MimeBundle) {
        for (name, form) in &bundle.0 {
            if !matches!(name.as_str(), "image/png" | "image/jpeg" | "image/gif" | "image/webp") {
                continue;
            }
            let (data, bytes) = match form {
                Mime::Bytes(bytes) => (BASE64_STANDARD.encode(bytes), bytes.len()),
                // As Jupyter has it: base64 already.
                Mime::Text(text) => {
                    let data: String = text.split_whitespace().collect();
                    match BASE64_STANDARD.decode(&data) {
                        Ok(bytes) => (data, bytes.len()),
                        Err(_) => continue,
                    }
                }
                Mime::Data(_) => continue,
            };
            if bytes > MAX_IMAGE || self.images.len() == MAX_IMAGES {
                self.line(&format!(
                    "(Left out: an image of {bytes} bytes; a result has at most {MAX_IMAGES}, each up to {MAX_IMAGE} bytes.)"
                ));
                continue;
            }
            self.images.push(ContentBlock::image(data, name.as_str()));
            return; // one form of an image is enough
        }
    }
}

fn plain(bundle: &MimeBundle) -> Option<&str> {
    ["text/plain", "text/markdown", "text/html"].iter().find_map(|wanted| {
        let form = bundle.0.iter().find(|(name, _)| name == wanted);
        form.and_then(|(_, form)| if let Mime::Text(text) = form { Some(text.as_str()) } else { None })
    })
}

/// `text` without its middle, when it is longer than `max` bytes; `rest` says where that is.
pub(super) fn cut(text: &str, max: usize, rest: &str) -> Option<String> {
    if text.len() <= max {
        return None;
    }
    let head = text.floor_char_boundary(max / 2);
    let tail = text.ceil_char_boundary(text.len() - (max - max / 2));
    let gone = tail - head;
    Some(format!("{}\n[... {gone} bytes left out here; {rest} ...]\n{}", &text[..head], &text[tail..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_cut_between_characters() {
        assert_eq!(cut("short", 5, "x"), None);
        let text = cut(&"ä".repeat(50), 21, "x").expect("it is too long");
        assert_eq!(text, format!("{}\n[... 80 bytes left out here; x ...]\n{}", "ä".repeat(5), "ä".repeat(5)));
    }

    #[test]
    fn lines_do_not_run_into_each_other() {
        let mut account = Account { text: "printed".into(), images: Vec::new(), value: None, error: None };
        let value =
            Outcome::Value { repr: "7".into(), type_name: "int".into(), data: None, mime: MimeBundle::default() };
        account.outcome(&value, true);
        assert_eq!((account.text.as_str(), account.value.as_deref()), ("printed\n7", Some("7")));
        assert!(account.error.is_none());
    }

    #[test]
    fn images_are_base64_once() {
        let mut account = Account { text: String::new(), images: Vec::new(), value: None, error: None };
        account.images(&MimeBundle(vec![("image/png".into(), Mime::Bytes(vec![1, 2, 3]))]));
        account.images(&MimeBundle(vec![("image/jpeg".into(), Mime::Text("AQ\nID\n".into()))]));
        account.images(&MimeBundle(vec![("image/svg+xml".into(), Mime::Text("<svg/>".into()))]));
        account.images(&MimeBundle(vec![("image/png".into(), Mime::Bytes(vec![0; MAX_IMAGE + 1]))]));
        assert_eq!(
            account.images,
            [ContentBlock::image("AQID", "image/png"), ContentBlock::image("AQID", "image/jpeg")]
        );
        assert!(account.text.contains("Left out"));
    }
}
