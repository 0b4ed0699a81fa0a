//! Reads outcomes as the guest reports them (docs/guest-abi.md). The guest may be hostile: what is missing or of the
//! wrong type gets a harmless default, and a message of the wrong shape is an error.

use keelback_session::{Frame, Outcome, Raised, Value};

use crate::host::mime_bundle;

/// The outcome a response stands for, or what is wrong with it.
pub(crate) fn read(response: Value) -> Result<Outcome, String> {
    let Value::Tuple(items) = response else {
        return Err("an outcome is not a tuple".into());
    };
    let mut items = items.into_iter();
    let kind = items.next();
    let mut next = || items.next().unwrap_or(Value::None);
    match kind.as_ref().and_then(Value::as_str) {
        Some("none") => Ok(Outcome::Done),
        Some("value") => {
            let (repr, type_name, has_data, data) = (text(next()), text(next()), next(), next());
            let data = (has_data == Value::Bool(true)).then_some(data);
            Ok(Outcome::Value { repr, type_name, data, mime: mime_bundle(next()) })
        }
        Some("raised") => Ok(Outcome::Raised(raised(next()))),
        Some("exit") => {
            // As the operating system does it: the low eight bits.
            let code = next().as_int().map_or(1, |code| code as u8);
            let mut text = || match next() {
                Value::Str(text) => Some(text),
                _ => None,
            };
            Ok(Outcome::Exit { code, message: text(), type_name: text() })
        }
        Some("incomplete") => Ok(Outcome::Incomplete),
        Some("invalid") => Ok(Outcome::Invalid(raised(next()))),
        _ => Err("an outcome is of no known kind".into()),
    }
}

fn text(value: Value) -> String {
    match value {
        Value::Str(text) => text,
        _ => String::new(),
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::List(items) | Value::Tuple(items) => items,
        _ => Vec::new(),
    }
}

fn raised(info: Value) -> Raised {
    let mut raised = Raised::default();
    let Value::Dict(items) = info else {
        return raised;
    };
    for (key, value) in items {
        match key.as_str() {
            Some("type") => raised.type_name = text(value),
            Some("module") => raised.module = text(value),
            Some("message") => raised.message = text(value),
            Some("traceback") => raised.traceback = text(value),
            Some("args") => raised.args = list(value).into_iter().map(argument).collect(),
            Some("frames") => raised.frames = list(value).into_iter().map(frame).collect(),
            Some("notes") => raised.notes = list(value).into_iter().map(text).collect(),
            _ => {}
        }
    }
    raised
}

fn argument(value: Value) -> (String, Option<Value>) {
    let mut items = list(value).into_iter();
    let mut next = || items.next().unwrap_or(Value::None);
    let (repr, has_data, data) = (text(next()), next(), next());
    (repr, (has_data == Value::Bool(true)).then_some(data))
}

fn frame(value: Value) -> Frame {
    let mut items = list(value).into_iter();
    let mut next = || items.next().unwrap_or(Value::None);
    let number = |value: Value| value.as_int().and_then(|number| u32::try_from(number).ok());
    Frame {
        filename: text(next()),
        line: number(next()).unwrap_or_default(),
        end_line: number(next()).unwrap_or_default(),
        column: number(next()),
        end_column: number(next()),
        name: text(next()),
        source: text(next()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(items: &[Value]) -> Value {
        Value::Tuple(items.to_vec())
    }

    #[test]
    fn outcomes_of_the_wrong_shape_are_refused_or_filled_up() {
        assert!(read(Value::None).is_err());
        assert!(read(tuple(&[])).is_err());
        assert!(read(tuple(&[Value::from("nonsense")])).is_err());
        assert_eq!(read(tuple(&[Value::from("none")])), Ok(Outcome::Done));
        let exit = Outcome::Exit { code: 44, message: None, type_name: None };
        assert_eq!(read(tuple(&[Value::from("exit"), Value::Int(300)])), Ok(exit));
        assert_eq!(read(tuple(&[Value::from("raised"), Value::Int(3)])), Ok(Outcome::Raised(Raised::default())));
        let frames = Value::List(vec![Value::None, tuple(&[Value::from("<cell 1>"), Value::Int(-1)])]);
        let info = Value::Dict(vec![(Value::from("frames"), frames), (Value::None, Value::None)]);
        let Ok(Outcome::Invalid(raised)) = read(tuple(&[Value::from("invalid"), info])) else { panic!("not invalid") };
        assert_eq!(raised.frames[1], Frame { filename: "<cell 1>".into(), ..Frame::default() });
    }
}
