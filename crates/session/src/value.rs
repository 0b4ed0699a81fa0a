//! Data that crosses between a program and its host without loss.

use std::fmt;

use num_bigint::BigInt;
use serde_json::{Map, Number, Value as Json};

/// Python data of the builtin types. Everything here crosses in both directions and comes back equal and of the same
/// type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An int that fits 64 bits.
    Int(i64),
    /// Any other int.
    BigInt(BigInt),
    /// A float, nan and infinities among them.
    Float(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// A str. Lone surrogates, which UTF-8 cannot say, arrive as U+FFFD.
    Str(String),
    /// A bytes, bytearray or memoryview object.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A set.
    Set(Vec<Value>),
    /// A frozenset.
    FrozenSet(Vec<Value>),
    /// A dict, in its order; keys of any hashable kind.
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// The JSON form. What JSON has no word for becomes an object with one key: `{"$bytes": base64}`,
    /// `{"$tuple": [...]}`, `{"$set": [...]}`, `{"$frozenset": [...]}`, `{"$complex": [re, im]}`,
    /// `{"$float": "nan" | "inf" | "-inf"}`, and `{"$dict": [[key, value], ...]}` for a dict with a key that is not a str
    /// or that could be taken for one of these. Ints of any size are JSON numbers.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let list = |items: &[Value]| Json::Array(items.iter().map(Value::to_json).collect());
        match self {
            Value::None => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::BigInt(value) => Json::Number(Number::from_string_unchecked(value.to_string())),
            Value::Float(value) => match Number::from_f64(*value) {
                Some(number) => Json::Number(number),
                None if value.is_nan() => tagged("$float", Json::from("nan")),
                None if *value > 0.0 => tagged("$float", Json::from("inf")),
                None => tagged("$float", Json::from("-inf")),
            },
            Value::Complex(re, im) => {
                tagged("$complex", Json::Array(vec![Value::Float(*re).to_json(), Value::Float(*im).to_json()]))
            }
            Value::Str(text) => Json::from(text.as_str()),
            Value::Bytes(bytes) => tagged("$bytes", Json::from(base64(bytes))),
            Value::List(items) => list(items),
            Value::Tuple(items) => tagged("$tuple", list(items)),
            Value::Set(items) => tagged("$set", list(items)),
            Value::FrozenSet(items) => tagged("$frozenset", list(items)),
            Value::Dict(items) => dict_to_json(items),
        }
    }

    /// The value a JSON text's data stands for; the tags of [`Value::to_json`] are plain dicts here.
    #[must_use]
    pub fn from_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::None,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => number_from_json(number),
            Json::String(text) => Value::Str(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Value::from_json).collect()),
            Json::Object(map) => {
                Value::Dict(map.iter().map(|(k, v)| (Value::Str(k.clone()), Value::from_json(v))).collect())
            }
        }
    }

    /// The text, when this is a str.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number, when this is an int of 64 bits.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    /// The JSON form on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Str(text)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value::Int(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

fn tagged(tag: &str, json: Json) -> Json {
    Json::Object(Map::from_iter([(tag.to_owned(), json)]))
}

fn dict_to_json(items: &[(Value, Value)]) -> Json {
    let plain = items.iter().all(|(key, _)| matches!(key, Value::Str(_)))
        && !matches!(items, [(Value::Str(key), _)] if key.starts_with('$'));
    if plain {
        let pairs = items.iter().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.to_json())));
        Json::Object(pairs.collect())
    } else {
        let pairs = items.iter().map(|(key, value)| Json::Array(vec![key.to_json(), value.to_json()]));
        tagged("$dict", Json::Array(pairs.collect()))
    }
}

fn number_from_json(number: &Number) -> Value {
    if let Some(value) = number.as_i64() {
        return Value::Int(value);
    }
    let text = number.to_string();
    match text.parse::<BigInt>() {
        Ok(value) => Value::BigInt(value),
        Err(_) => Value::Float(text.parse().unwrap_or(f64::NAN)),
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0u32, |word, (i, byte)| word | u32::from(*byte) << (16 - 8 * i));
        for i in 0..4 {
            let digit = BASE64[(word >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: Value, json: &str) {
        assert_eq!(value.to_json().to_string(), json);
    }

    #[test]
    fn json_keeps_what_json_can_say() {
        check(Value::None, "null");
        check(Value::Int(-5), "-5");
        check(Value::Float(2.0), "2.0");
        check(Value::BigInt(BigInt::from(2).pow(70)), "1180591620717411303424");
        check(Value::List(vec![Value::from("ä"), Value::from(true)]), "[\"ä\",true]");
        check(Value::Dict(vec![(Value::from("a"), Value::from(1))]), "{\"a\":1}");
    }

    #[test]
    fn json_tags_what_json_cannot_say() {
        check(Value::Float(f64::NAN), "{\"$float\":\"nan\"}");
        check(Value::Float(f64::NEG_INFINITY), "{\"$float\":\"-inf\"}");
        check(Value::Bytes(b"abcd".to_vec()), "{\"$bytes\":\"YWJjZA==\"}");
        check(Value::Bytes(Vec::new()), "{\"$bytes\":\"\"}");
        check(Value::Tuple(vec![Value::Int(1)]), "{\"$tuple\":[1]}");
        check(Value::Dict(vec![(Value::Int(1), Value::None)]), "{\"$dict\":[[1,null]]}");
        check(Value::Dict(vec![(Value::from("$set"), Value::None)]), "{\"$dict\":[[\"$set\",null]]}");
    }

    #[test]
    fn numbers_come_back_from_json() {
        let parse = |text: &str| Value::from_json(&serde_json::from_str(text).expect("valid JSON"));
        assert_eq!(parse("1180591620717411303424"), Value::BigInt(BigInt::from(2).pow(70)));
        assert_eq!(parse("-9"), Value::Int(-9));
        assert_eq!(parse("1.5"), Value::Float(1.5));
    }
}
