//! What a client asks. A message from a client is `{"id": 7, "op": "eval", ...}`; the one response to it is
//! `{"id": 7, "ok": {...}}` or `{"id": 7, "error": {"code": ..., "message": ...}}`.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::reply::{
    Checked, Completed, Done, Evaluated, Inspected, Interrupted, Opened, Sessions, StackList, TaskList, Welcome,
};

/// The version of the protocol. A server answers a client of another one with [`Code::Version`] and closes.
pub const VERSION: u32 = 1;

/// Tells the requests of one connection apart; the client counts.
pub type RequestId = u64;

/// Counts the cells of a session, from 1. It is the same for all its clients.
pub type CellNumber = u64;

/// A request with its reply.
pub trait Op: Serialize + DeserializeOwned {
    /// The name on the wire.
    const NAME: &'static str;
    /// What the response to it holds.
    type Reply: Serialize + DeserializeOwned;
}

/// Declares the requests: one struct each, and [`Request`] of all of them.
macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident $wire:literal -> $reply:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl Op for $name {
            const NAME: &'static str = $wire;
            type Reply = $reply;
        })*

        /// Any request.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each is documented at its struct")]
        pub enum Request {
            $($name($name),)*
        }

        impl Request {
            fn of(op: &str, fields: Map<String, Value>) -> Result<Request, Failure> {
                match op {
                    $($wire => serde_json::from_value(Value::Object(fields))
                        .map(Request::$name)
                        .map_err(|error| Failure::new(Code::BadRequest, format!("`{op}`: {error}"))),)*
                    _ => Err(Failure::new(Code::UnknownOp, format!("unknown request `{}`", brief(op)))),
                }
            }

            /// The names of all requests.
            pub const NAMES: &[&str] = &[$($wire),*];

            /// Whether `reply` is one to the request `op`.
            #[cfg(test)]
            pub(crate) fn has_reply(op: &str, reply: Value) -> bool {
                match op {
                    $($wire => serde_json::from_value::<$reply>(reply).is_ok(),)*
                    _ => false,
                }
            }

            /// Its name on the wire.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Request::$name(_) => $wire,)*
                }
            }
        }
    };
}

ops! {
    /// The first request of a connection, and allowed only there.
    Hello "hello" -> Welcome {
        /// [`VERSION`] of the client.
        version: u32,
        /// What the client calls itself, for lists and transcripts.
        #[serde(default)]
        client: String,
        /// The token of a TCP server, in hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    }
    /// A new session, which this connection is attached to.
    Open "open" -> Opened {
        /// Its name; without one the server makes one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Columns of the window, for values shown over several lines.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        columns: Option<u16>,
    }
    /// The events of a session, from now on or after those the client has seen.
    Attach "attach" -> Opened {
        /// The session.
        session: String,
        /// The sequence number of the last event the client has; without it only later ones come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    }
    /// No further events of the session; it goes on.
    Detach "detach" -> Done {
        /// The session.
        session: String,
    }
    /// Ends the session, and the cell that runs in it.
    Close "close" -> Done {
        /// The session.
        session: String,
    }
    /// The sessions of the server.
    List "list" -> Sessions {}
    /// Runs a cell; the response comes when it is over.
    Eval "eval" -> Evaluated {
        /// The session.
        session: String,
        /// One submission, of any number of lines and statements.
        source: String,
        /// The file name in tracebacks, instead of one made from the number of the cell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
        /// The most bytes of one shown value, instead of the server's limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quota: Option<usize>,
        /// Where it runs.
        #[serde(default)]
        place: Place,
    }
    /// Whether a source is a whole cell.
    Check "check" -> Checked {
        /// The session.
        session: String,
        /// The source.
        source: String,
        /// It is typed line by line, without a way back: a block is whole after an empty line, as for `codeop`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        lines: bool,
    }
    /// What could stand at the cursor.
    Complete "complete" -> Completed {
        /// The session.
        session: String,
        /// The source.
        source: String,
        /// A byte offset into its UTF-8.
        cursor: usize,
    }
    /// What is known of a name, a call or the namespace.
    Inspect "inspect" -> Inspected {
        /// The session.
        session: String,
        /// What is asked for.
        what: Aspect,
        /// The expression of names and attributes, or for [`Aspect::Signature`] the source.
        #[serde(default)]
        source: String,
        /// For [`Aspect::Signature`]: a byte offset into the source.
        #[serde(default)]
        cursor: usize,
    }
    /// Stops a cell. Answered at once, whatever the program does.
    Interrupt "interrupt" -> Interrupted {
        /// The session.
        session: String,
        /// The cell that is meant: another one is left alone. Without it and `request`, the one that runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cell: Option<CellNumber>,
        /// The same by the id of this connection's own `eval`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
    }
    /// A line for the cell that waits for input.
    Input "input" -> Done {
        /// The session.
        session: String,
        /// The line with its end; null is the end of input.
        text: Option<String>,
    }
    /// The window of the client has changed.
    Resize "resize" -> Done {
        /// The session.
        session: String,
        /// Columns.
        columns: u16,
    }
    /// Whether this connection gets what the application itself prints, as events without a session.
    Tail "tail" -> Done {
        /// Yes or no.
        on: bool,
    }
    /// The tasks of the event loop.
    Tasks "tasks" -> TaskList {}
    /// Cancels one of them.
    Cancel "cancel" -> Done {
        /// Its id, from [`Tasks`].
        task: u64,
    }
    /// What each thread does.
    Stacks "stacks" -> StackList {}
}

/// Where a cell runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the thread and the event loop of the application.
    #[default]
    Loop,
    /// In a thread of the session's own: a cell that computes long does not hold the loop. No top-level await.
    Thread,
}

/// What [`Inspect`] asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Type, signature and documentation of an expression.
    #[default]
    Doc,
    /// The call around the cursor.
    Signature,
    /// The source of an expression's value.
    Source,
    /// The names of the namespace with type and value, in short.
    Vars,
    /// Whether the namespace has this name.
    Defined,
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For programs.
    pub code: Code,
    /// For people: one line that names the value and the limit.
    pub message: String,
}

impl Failure {
    /// A failure.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }
}

/// The kinds of [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// The server speaks another version.
    Version,
    /// The token is wrong or missing.
    Unauthorized,
    /// The message is not understood.
    BadRequest,
    /// There is no such request.
    UnknownOp,
    /// There is no such session, cell or task.
    Unknown,
    /// A limit is reached; the message names it.
    Limit,
    /// The server only lets look.
    ReadOnly,
    /// The application did not answer in time.
    Timeout,
    /// This program or Python cannot do it.
    Unsupported,
    /// The session or the server has ended.
    Closed,
}

/// Reads a request: its id where there is one, so that a failure can be told to its sender.
///
/// # Errors
/// What is not an object with an `id`, a known `op` and its fields. Unknown fields are ignored.
pub fn read_request(frame: &[u8]) -> (Option<RequestId>, Result<Request, Failure>) {
    let bad = |message: String| Failure::new(Code::BadRequest, message);
    let mut fields: Map<String, Value> = match serde_json::from_slice(frame) {
        Ok(fields) => fields,
        Err(error) => return (None, Err(bad(format!("not a JSON object: {error}")))),
    };
    let Some(id) = fields.remove("id").and_then(|id| id.as_u64()) else {
        return (None, Err(bad("`id` is not a number from 0".into())));
    };
    let Some(Value::String(op)) = fields.remove("op") else {
        return (Some(id), Err(bad("`op` is not a string".into())));
    };
    (Some(id), Request::of(&op, fields))
}

/// A request as it is sent; encode it with [`crate::frame::encode`].
#[derive(Debug, Serialize)]
pub struct Outgoing<'a, O> {
    /// The client's number of it.
    pub id: RequestId,
    op: &'static str,
    #[serde(flatten)]
    fields: &'a O,
}

impl<'a, O: Op> Outgoing<'a, O> {
    /// The request `fields` with a number.
    #[must_use]
    pub fn new(id: RequestId, fields: &'a O) -> Self {
        Outgoing { id, op: O::NAME, fields }
    }
}

/// At most 40 characters of what a peer sent, for messages.
fn brief(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Decoder, encode};

    fn read(text: &str) -> (Option<RequestId>, Result<Request, Failure>) {
        read_request(text.as_bytes())
    }

    #[test]
    fn a_request_comes_as_it_was_sent() {
        let eval = Eval { session: "a".into(), source: "1+1".into(), ..Eval::default() };
        let mut bytes = Vec::new();
        encode(&Outgoing::new(7, &eval), &mut bytes).expect("short");
        let mut decoder = Decoder::new();
        decoder.push(&crate::frame::PREFACE);
        decoder.push(&bytes);
        let frame = decoder.next_frame().expect("a frame").expect("whole");
        assert_eq!(frame, br#"{"id":7,"op":"eval","session":"a","source":"1+1","place":"loop"}"#);
        assert_eq!(read_request(frame), (Some(7), Ok(Request::Eval(eval))));
    }

    #[test]
    fn what_is_left_out_has_its_default_and_what_is_unknown_is_ignored() {
        let (id, request) = read(r#"{"id":1,"op":"open","later":[1.5,{}]}"#);
        assert_eq!((id, request), (Some(1), Ok(Request::Open(Open::default()))));
    }

    #[test]
    fn failures_name_what_is_wrong() {
        for (text, id, code, message) in [
            ("[]", None, Code::BadRequest, "not a JSON object"),
            ("{", None, Code::BadRequest, "not a JSON object"),
            (r#"{"id":-1,"op":"list"}"#, None, Code::BadRequest, "`id` is not a number"),
            (r#"{"id":3}"#, Some(3), Code::BadRequest, "`op` is not a string"),
            (r#"{"id":3,"op":"fly"}"#, Some(3), Code::UnknownOp, "unknown request `fly`"),
            (r#"{"id":3,"op":"close"}"#, Some(3), Code::BadRequest, "missing field `session`"),
            (r#"{"id":3,"op":"eval","session":"a","source":7}"#, Some(3), Code::BadRequest, "expected a string"),
        ] {
            let (got, failure) = read(text);
            let failure = failure.expect_err(text);
            assert_eq!((got, failure.code), (id, code), "{text}");
            assert!(failure.message.contains(message), "{text}: {failure}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_not_recursed_into() {
        let deep = format!(r#"{{"id":1,"op":"list","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep).1.is_err());
    }
}
