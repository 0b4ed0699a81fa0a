//! Values that cross without a [`Value`](crate::Value) in between: a program whose values have a form of their own, such
//! as Python's objects, writes them straight into a request and has them built straight from a response.

use std::borrow::Cow;

use keelback_session::Value;
use num_bigint::BigInt;

use crate::marshal::{self, DecodeError, ReadError, Reader, Values};

/// A value that holds no others.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "as the variants of `Value`")]
pub enum Scalar<'a> {
    None,
    Bool(bool),
    Int(i64),
    BigInt(Cow<'a, BigInt>),
    Float(f64),
    Complex(f64, f64),
    Str(&'a str),
    Bytes(&'a [u8]),
}

/// The kinds of values that hold others in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as the variants of `Value`")]
pub enum Sequence {
    List,
    Tuple,
    Set,
    FrozenSet,
}

/// Makes a program's own objects of what a guest sends.
pub trait Build {
    /// An object.
    type Object;
    /// Why it cannot be made.
    type Error;

    /// A value without others.
    ///
    /// # Errors
    /// Ends the whole; so with the other functions.
    fn scalar(&mut self, scalar: Scalar<'_>) -> Result<Self::Object, Self::Error>;

    /// A sequence of what was made before.
    fn sequence(&mut self, kind: Sequence, items: Vec<Self::Object>) -> Result<Self::Object, Self::Error>;

    /// A dict of what was made before; a key may come twice.
    fn dict(&mut self, items: Vec<(Self::Object, Self::Object)>) -> Result<Self::Object, Self::Error>;

    /// A text that is the key of a dict, the one at place `index`: records repeat theirs.
    fn key(&mut self, index: usize, text: &str) -> Result<Self::Object, Self::Error> {
        let _ = index;
        self.scalar(Scalar::Str(text))
    }
}

/// Builds what `value` stands for.
///
/// # Errors
/// Those of `build`.
pub fn build<B: Build>(value: &Value, build: &mut B) -> Result<B::Object, B::Error> {
    let scalar = match value {
        Value::None => Scalar::None,
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Int(value) => Scalar::Int(*value),
        Value::BigInt(value) => Scalar::BigInt(Cow::Borrowed(value)),
        Value::Float(value) => Scalar::Float(*value),
        Value::Complex(re, im) => Scalar::Complex(*re, *im),
        Value::Str(text) => Scalar::Str(text),
        Value::Bytes(bytes) => Scalar::Bytes(bytes),
        Value::List(items) => return sequence(Sequence::List, items, build),
        Value::Tuple(items) => return sequence(Sequence::Tuple, items, build),
        Value::Set(items) => return sequence(Sequence::Set, items, build),
        Value::FrozenSet(items) => return sequence(Sequence::FrozenSet, items, build),
        Value::Dict(items) => {
            let mut made = Vec::with_capacity(items.len());
            for (index, (key, value)) in items.iter().enumerate() {
                let key = match key {
                    Value::Str(text) => build.key(index, text)?,
                    key => self::build(key, build)?,
                };
                made.push((key, self::build(value, build)?));
            }
            return build.dict(made);
        }
    };
    build.scalar(scalar)
}

fn sequence<B: Build>(kind: Sequence, items: &[Value], build: &mut B) -> Result<B::Object, B::Error> {
    let made = items.iter().map(|item| self::build(item, build)).collect::<Result<_, _>>()?;
    build.sequence(kind, made)
}

/// A name and the value that it shall have, written item by item for [`Session::bind`](crate::Session::bind): one value
/// in all. A message of another shape ends the session.
///
/// ```
/// use keelback_sandbox::{Binding, Engine, Outcome, Scalar, Sequence, SessionOptions};
///
/// let mut session = Engine::new()?.session(SessionOptions::default())?;
/// let mut pair = Binding::new("pair");
/// pair.sequence(Sequence::Tuple, 2);
/// pair.scalar(&Scalar::Int(1));
/// pair.scalar(&Scalar::Str("one"));
/// session.bind(pair)?;
/// let report = session.run("pair")?;
/// assert!(matches!(report.outcome, Outcome::Value { repr, .. } if repr == "(1, 'one')"));
/// # Ok::<(), keelback_sandbox::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Binding(Vec<u8>);

impl Binding {
    /// For the name `name`, and so far without a value.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut bytes = Vec::new();
        marshal::encode_sequence_head(Sequence::Tuple, 3, &mut bytes);
        marshal::encode_scalar(&Scalar::Str("set"), &mut bytes);
        marshal::encode_scalar(&Scalar::Str(name), &mut bytes);
        Binding(bytes)
    }

    /// Writes a value without others.
    pub fn scalar(&mut self, scalar: &Scalar<'_>) {
        marshal::encode_scalar(scalar, &mut self.0);
    }

    /// Begins a sequence, whose `len` items are to be written next.
    pub fn sequence(&mut self, kind: Sequence, len: usize) {
        marshal::encode_sequence_head(kind, len, &mut self.0);
    }

    /// Begins a dict: keys and values are to be written in turn, and then its end.
    pub fn dict(&mut self) {
        self.0.push(marshal::DICT);
    }

    /// Ends a dict.
    pub fn dict_end(&mut self) {
        self.0.push(marshal::DICT_END);
    }

    pub(crate) fn into_request(self) -> Vec<u8> {
        self.0
    }
}

/// What a name is bound to, as the guest sent it.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a>(pub(crate) &'a [u8]);

/// The repr of what a name is bound to, and the object for it when it is plain data: then the repr is empty.
pub type Named<T> = (String, Option<T>);

/// Why there is nothing to show for a name.
#[derive(Debug)]
pub enum FoundError<E> {
    /// The guest sent something else than is agreed.
    Protocol(String),
    /// It could not be built.
    Build(E),
}

impl Found<'_> {
    /// None when the name is not bound.
    ///
    /// # Errors
    /// [`FoundError`]
    pub fn build<B: Build>(self, build: &mut B) -> Result<Option<Named<B::Object>>, FoundError<B::Error>> {
        let mut reader = Reader::new(self.0);
        let shape = || FoundError::Protocol("`get` gave something else than a tuple of four".into());
        let data = |error: DecodeError| FoundError::Protocol(error.to_string());
        if reader.tuple().map_err(data)? != Some(4) {
            return Err(shape());
        }
        let plain = |reader: &mut Reader<'_>| reader.value(&mut Values).map_err(|error| data(error.into_data()));
        let (found, has_data) = (plain(&mut reader)?, plain(&mut reader)?);
        let object = reader.value(build).map_err(|error| match error {
            ReadError::Data(error) => data(error),
            ReadError::Build(error) => FoundError::Build(error),
        })?;
        let repr = plain(&mut reader)?;
        reader.end().map_err(data)?;
        match (found, repr) {
            (Value::Bool(true), Value::Str(repr)) => {
                Ok(Some((repr, (has_data == Value::Bool(true)).then_some(object))))
            }
            (Value::Bool(false), _) => Ok(None),
            _ => Err(shape()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Result<Option<(String, Option<Value>)>, String> {
        Found(bytes).build(&mut Values).map_err(|error| match error {
            FoundError::Protocol(text) => text,
            FoundError::Build(never) => match never {},
        })
    }

    #[test]
    fn a_binding_is_the_request_for_the_same_value() {
        let mut binding = Binding::new("x");
        binding.sequence(Sequence::List, 2);
        binding.dict();
        binding.scalar(&Scalar::Str("k"));
        binding.scalar(&Scalar::Int(1 << 40));
        binding.dict_end();
        binding.scalar(&Scalar::None);
        let dict = Value::Dict(vec![(Value::from("k"), Value::Int(1 << 40))]);
        let value = Value::List(vec![dict, Value::None]);
        assert_eq!(binding.into_request(), marshal::tuple([Value::from("set"), Value::from("x"), value]));
    }

    #[test]
    fn what_is_found_is_read_or_refused() {
        let reply = |items: &[Value]| marshal::tuple(items.iter().cloned());
        let (yes, no) = (Value::Bool(true), Value::Bool(false));
        let value = Value::Dict(vec![(Value::from("a"), Value::Set(vec![Value::Float(0.5)]))]);
        let bytes = reply(&[yes.clone(), yes.clone(), value.clone(), Value::from("")]);
        assert_eq!(found(&bytes), Ok(Some((String::new(), Some(value)))));
        assert!(found(&bytes[..bytes.len() - 1]).is_err());
        assert!(found(&[&bytes[..], b"N"].concat()).is_err());
        let bytes = reply(&[yes.clone(), no.clone(), Value::None, Value::from("<f>")]);
        assert_eq!(found(&bytes), Ok(Some(("<f>".into(), None))));
        assert_eq!(found(&reply(&[no.clone(), no.clone(), Value::None, Value::from("")])), Ok(None));
        assert!(found(&reply(&[yes.clone(), yes.clone(), Value::None])).is_err());
        assert!(found(&reply(&[Value::None, yes.clone(), Value::None, Value::from("")])).is_err());
        assert!(found(b"N").is_err() && found(b"").is_err() && found(b"(\xff\xff\xff\xff").is_err());
    }
}
