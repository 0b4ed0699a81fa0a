//! Python's `marshal` format, version 2, restricted to plain data: the form in which every value crosses between the
//! host and a guest (docs/guest-abi.md).
//!
//! The decoder reads what an untrusted guest wrote: nothing is allocated before its bytes are known to be there, and
//! nesting, item count and size have a stated maximum. Only the codes that CPython writes for version 2 are known here.

use std::{borrow::Cow, convert::Infallible};

use keelback_session::Value;
use num_bigint::{BigInt, Sign};

use crate::transfer::{Build, Scalar, Sequence};

/// Deepest nesting that is decoded; CPython's own marshal stops writing at 2,000.
pub(crate) const MAX_DEPTH: usize = 1_000;
/// Most items (containers and scalars together) in one message; at 32 bytes each they are 128 MiB in the host.
pub(crate) const MAX_ITEMS: usize = 4 << 20;

/// Why bytes are not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("value ends after {len} bytes, in the middle of an item")]
    Truncated { len: usize },
    #[error("value has an item of unknown type `{code:#04x}` at byte {offset}")]
    UnknownType { code: u8, offset: usize },
    #[error("value is nested deeper than {limit}")]
    TooDeep { limit: usize },
    #[error("value has more than {limit} items")]
    TooManyItems { limit: usize },
    #[error("value is followed by {count} further bytes")]
    TrailingBytes { count: usize },
    #[error("int at byte {offset} has a digit above 32767 or a leading zero")]
    MalformedInt { offset: usize },
}

/// Decodes exactly one value.
///
/// # Errors
/// [`DecodeError`] when the bytes are not one whole value within the limits.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = reader.value(&mut Values).map_err(ReadError::into_data)?;
    reader.end()?;
    Ok(value)
}

/// Why nothing was built of bytes.
#[derive(Debug)]
pub(crate) enum ReadError<E> {
    Data(DecodeError),
    Build(E),
}

impl ReadError<Infallible> {
    pub(crate) fn into_data(self) -> DecodeError {
        match self {
            ReadError::Data(error) => error,
            ReadError::Build(never) => match never {},
        }
    }
}

impl<E> From<DecodeError> for ReadError<E> {
    fn from(error: DecodeError) -> Self {
        ReadError::Data(error)
    }
}

/// Builds [`Value`]s.
pub(crate) struct Values;

impl Build for Values {
    type Object = Value;
    type Error = Infallible;

    fn scalar(&mut self, scalar: Scalar<'_>) -> Result<Value, Infallible> {
        Ok(match scalar {
            Scalar::None => Value::None,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Int(value) => Value::Int(value),
            Scalar::BigInt(value) => Value::BigInt(value.into_owned()),
            Scalar::Float(value) => Value::Float(value),
            Scalar::Complex(re, im) => Value::Complex(re, im),
            Scalar::Str(text) => Value::Str(text.to_owned()),
            Scalar::Bytes(bytes) => Value::Bytes(bytes.to_owned()),
        })
    }

    fn sequence(&mut self, kind: Sequence, items: Vec<Value>) -> Result<Value, Infallible> {
        Ok(match kind {
            Sequence::List => Value::List(items),
            Sequence::Tuple => Value::Tuple(items),
            Sequence::Set => Value::Set(items),
            Sequence::FrozenSet => Value::FrozenSet(items),
        })
    }

    fn dict(&mut self, items: Vec<(Value, Value)>) -> Result<Value, Infallible> {
        Ok(Value::Dict(items))
    }
}

/// Reads values one after the other.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    items: usize,
}

/// Where a value stands: what ends a dict is none, and a key is built as one.
#[derive(Clone, Copy)]
enum Place {
    Item,
    Key(usize),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, offset: 0, items: 0 }
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        match self.bytes.len() - self.offset {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }

    /// The number of items of a tuple, which are to be read next; None when it is no tuple.
    pub(crate) fn tuple(&mut self) -> Result<Option<usize>, DecodeError> {
        let [code] = self.array()?;
        Ok(match code {
            b'(' => Some(self.len()?),
            b')' => Some(self.array::<1>()?[0].into()),
            _ => None,
        })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let rest = &self.bytes[self.offset..];
        let taken = rest.get(..len).ok_or(DecodeError::Truncated { len: self.bytes.len() })?;
        self.offset += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self.take(N)?.try_into().expect("take returns the length asked for"))
    }

    fn len(&mut self) -> Result<usize, DecodeError> {
        let len = i32::from_le_bytes(self.array()?);
        usize::try_from(len).map_err(|_| DecodeError::Truncated { len: self.bytes.len() })
    }

    fn float(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    fn text<B: Build>(
        &mut self,
        build: &mut B,
        len: usize,
        place: Place,
    ) -> Result<Result<B::Object, B::Error>, DecodeError> {
        let bytes = self.take(len)?;
        let text = match str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(bytes),
        };
        Ok(match place {
            Place::Key(index) => build.key(index, &text),
            Place::Item => build.scalar(Scalar::Str(&text)),
        })
    }

    fn sequence<B: Build>(
        &mut self,
        build: &mut B,
        kind: Sequence,
        len: usize,
        depth: usize,
    ) -> Result<B::Object, ReadError<B::Error>> {
        // Every item has at least one byte, so a length beyond what is left is refused before it is reserved.
        if len > self.bytes.len() - self.offset {
            return Err(DecodeError::Truncated { len: self.bytes.len() }.into());
        }
        if len > MAX_ITEMS - self.items.min(MAX_ITEMS) {
            return Err(DecodeError::TooManyItems { limit: MAX_ITEMS }.into());
        }
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(self.required(build, depth)?);
        }
        build.sequence(kind, items).map_err(ReadError::Build)
    }

    /// One value.
    pub(crate) fn value<B: Build>(&mut self, build: &mut B) -> Result<B::Object, ReadError<B::Error>> {
        let offset = self.offset;
        let value = self.item(build, 0, Place::Item)?;
        value.ok_or_else(|| DecodeError::UnknownType { code: b'0', offset }.into())
    }

    fn required<B: Build>(&mut self, build: &mut B, depth: usize) -> Result<B::Object, ReadError<B::Error>> {
        let offset = self.offset;
        let value = self.item(build, depth + 1, Place::Item)?;
        value.ok_or_else(|| DecodeError::UnknownType { code: b'0', offset }.into())
    }

    /// None for the end of a dict.
    fn item<B: Build>(
        &mut self,
        build: &mut B,
        depth: usize,
        place: Place,
    ) -> Result<Option<B::Object>, ReadError<B::Error>> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep { limit: MAX_DEPTH }.into());
        }
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(DecodeError::TooManyItems { limit: MAX_ITEMS }.into());
        }
        let offset = self.offset;
        let [code] = self.array()?;
        let built = match code {
            b'0' => return Ok(None),
            b'N' => build.scalar(Scalar::None),
            b'F' => build.scalar(Scalar::Bool(false)),
            b'T' => build.scalar(Scalar::Bool(true)),
            b'i' => build.scalar(Scalar::Int(i32::from_le_bytes(self.array()?).into())),
            b'l' => build.scalar(self.long(offset)?),
            b'g' => build.scalar(Scalar::Float(self.float()?)),
            b'y' => build.scalar(Scalar::Complex(self.float()?, self.float()?)),
            b's' => {
                let len = self.len()?;
                build.scalar(Scalar::Bytes(self.take(len)?))
            }
            b'u' | b't' | b'a' | b'A' => {
                let len = self.len()?;
                self.text(build, len, place)?
            }
            b'z' | b'Z' => {
                let [len] = self.array()?;
                self.text(build, len.into(), place)?
            }
            b'[' | b'(' | b'<' | b'>' => {
                let len = self.len()?;
                let kind = match code {
                    b'[' => Sequence::List,
                    b'(' => Sequence::Tuple,
                    b'<' => Sequence::Set,
                    _ => Sequence::FrozenSet,
                };
                return self.sequence(build, kind, len, depth).map(Some);
            }
            b')' => {
                let [len] = self.array()?;
                return self.sequence(build, Sequence::Tuple, len.into(), depth).map(Some);
            }
            b'{' => {
                let mut items = Vec::new();
                while let Some(key) = self.item(build, depth + 1, Place::Key(items.len()))? {
                    items.push((key, self.required(build, depth)?));
                }
                build.dict(items)
            }
            code => return Err(DecodeError::UnknownType { code, offset }.into()),
        };
        built.map(Some).map_err(ReadError::Build)
    }

    /// An int beyond 32 bits: a signed count of 15-bit digits, least significant first.
    fn long(&mut self, offset: usize) -> Result<Scalar<'static>, DecodeError> {
        let count = i32::from_le_bytes(self.array()?);
        let digits = self.take(count.unsigned_abs() as usize * 2)?;
        let digit = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]);
        let malformed = digits.chunks_exact(2).any(|pair| digit(pair) > 0x7fff)
            || digits.chunks_exact(2).last().is_some_and(|pair| digit(pair) == 0);
        if malformed {
            return Err(DecodeError::MalformedInt { offset });
        }
        // Repack 15-bit digits into bytes; linear, where a multiplication for each digit would be quadratic.
        let mut magnitude = Vec::with_capacity(digits.len());
        let (mut word, mut bits) = (0u32, 0);
        for pair in digits.chunks_exact(2) {
            word |= u32::from(digit(pair)) << bits;
            bits += 15;
            while bits >= 8 {
                magnitude.push(word as u8);
                word >>= 8;
                bits -= 8;
            }
        }
        magnitude.push(word as u8);
        let sign = if count < 0 { Sign::Minus } else { Sign::Plus };
        let value = BigInt::from_bytes_le(sign, &magnitude);
        Ok(i64::try_from(&value).map_or_else(|_| Scalar::BigInt(Cow::Owned(value)), Scalar::Int))
    }
}

/// Appends `value` to `out`. A text or container of more than `i32::MAX` items cannot be said in this format and is
/// cut off by the guest's own memory limit long before.
pub(crate) fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::None => encode_scalar(&Scalar::None, out),
        Value::Bool(value) => encode_scalar(&Scalar::Bool(*value), out),
        Value::Int(value) => encode_scalar(&Scalar::Int(*value), out),
        Value::BigInt(value) => encode_scalar(&Scalar::BigInt(Cow::Borrowed(value)), out),
        Value::Float(value) => encode_scalar(&Scalar::Float(*value), out),
        Value::Complex(re, im) => encode_scalar(&Scalar::Complex(*re, *im), out),
        Value::Str(text) => encode_scalar(&Scalar::Str(text), out),
        Value::Bytes(bytes) => encode_scalar(&Scalar::Bytes(bytes), out),
        Value::List(items) => encode_sequence(Sequence::List, items, out),
        Value::Tuple(items) => encode_sequence(Sequence::Tuple, items, out),
        Value::Set(items) => encode_sequence(Sequence::Set, items, out),
        Value::FrozenSet(items) => encode_sequence(Sequence::FrozenSet, items, out),
        Value::Dict(items) => {
            out.push(DICT);
            for (key, value) in items {
                encode(key, out);
                encode(value, out);
            }
            out.push(DICT_END);
        }
    }
}

/// What keys and values in turn follow,
pub(crate) const DICT: u8 = b'{';
/// up to this.
pub(crate) const DICT_END: u8 = b'0';

pub(crate) fn encode_scalar(scalar: &Scalar<'_>, out: &mut Vec<u8>) {
    match scalar {
        Scalar::None => out.push(b'N'),
        Scalar::Bool(false) => out.push(b'F'),
        Scalar::Bool(true) => out.push(b'T'),
        Scalar::Int(value) => match i32::try_from(*value) {
            Ok(small) => {
                out.push(b'i');
                out.extend(small.to_le_bytes());
            }
            Err(_) => encode_long(&BigInt::from(*value), out),
        },
        Scalar::BigInt(value) => match i64::try_from(value.as_ref()) {
            Ok(small) => encode_scalar(&Scalar::Int(small), out),
            Err(_) => encode_long(value, out),
        },
        Scalar::Float(value) => {
            out.push(b'g');
            out.extend(value.to_le_bytes());
        }
        Scalar::Complex(re, im) => {
            out.push(b'y');
            out.extend(re.to_le_bytes());
            out.extend(im.to_le_bytes());
        }
        Scalar::Str(text) => encode_bytes(b'u', text.as_bytes(), out),
        Scalar::Bytes(bytes) => encode_bytes(b's', bytes, out),
    }
}

fn encode_bytes(code: u8, bytes: &[u8], out: &mut Vec<u8>) {
    encode_head(code, bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn encode_head(code: u8, len: usize, out: &mut Vec<u8>) {
    out.push(code);
    out.extend((len as i32).to_le_bytes());
}

/// What the items of a sequence follow.
pub(crate) fn encode_sequence_head(kind: Sequence, len: usize, out: &mut Vec<u8>) {
    let code = match kind {
        Sequence::List => b'[',
        Sequence::Tuple => b'(',
        Sequence::Set => b'<',
        Sequence::FrozenSet => b'>',
    };
    encode_head(code, len, out);
}

fn encode_sequence(kind: Sequence, items: &[Value], out: &mut Vec<u8>) {
    encode_sequence_head(kind, items.len(), out);
    items.iter().for_each(|item| encode(item, out));
}

fn encode_long(value: &BigInt, out: &mut Vec<u8>) {
    let (sign, magnitude) = value.to_bytes_le();
    let mut digits: Vec<u16> = Vec::with_capacity(magnitude.len() * 8 / 15 + 1);
    let (mut word, mut bits) = (0u32, 0);
    for byte in magnitude {
        word |= u32::from(byte) << bits;
        bits += 8;
        if bits >= 15 {
            digits.push((word & 0x7fff) as u16);
            word >>= 15;
            bits -= 15;
        }
    }
    digits.push(word as u16);
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let count = digits.len() as i32;
    out.push(b'l');
    out.extend(if sign == Sign::Minus { -count } else { count }.to_le_bytes());
    digits.iter().for_each(|digit| out.extend(digit.to_le_bytes()));
}

/// The bytes of a tuple, the form of every request.
pub(crate) fn tuple(items: impl IntoIterator<Item = Value>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&Value::Tuple(items.into_iter().collect()), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], value: Value) {
        assert_eq!(decode(bytes), Ok(value.clone()));
        let mut out = Vec::new();
        encode(&value, &mut out);
        assert_eq!(decode(&out), Ok(value));
    }

    #[test] // the bytes are those of marshal.dumps(value, 2) in CPython 3.13
    fn reads_what_cpython_writes() {
        check(b"N", Value::None);
        check(b"i\xfe\xff\xff\xff", Value::Int(-2));
        check(b"l\x03\x00\x00\x00\x00\x00\x00\x00\x04\x00", Value::Int(1 << 32));
        check(b"l\xfd\xff\xff\xff\x00\x00\x00\x00\x04\x00", Value::Int(-(1 << 32)));
        check(b"l\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04", Value::BigInt(BigInt::from(2).pow(70)));
        check(b"g\x00\x00\x00\x00\x00\x00\xf8?", Value::Float(1.5));
        check(b"u\x02\x00\x00\x00\xc3\xa4", Value::from("ä"));
        check(b"s\x01\x00\x00\x00a", Value::Bytes(b"a".to_vec()));
        check(b"(\x02\x00\x00\x00TF", Value::Tuple(vec![Value::Bool(true), Value::Bool(false)]));
        check(b"{u\x01\x00\x00\x00ai\x01\x00\x00\x000", Value::Dict(vec![(Value::from("a"), Value::Int(1))]));
    }

    #[test]
    fn refuses_what_is_not_a_value() {
        assert_eq!(decode(b""), Err(DecodeError::Truncated { len: 0 }));
        assert_eq!(decode(b"[\xff\xff\xff\x7f"), Err(DecodeError::Truncated { len: 5 }));
        assert_eq!(decode(b"[\xff\xff\xff\xff"), Err(DecodeError::Truncated { len: 5 }));
        assert_eq!(decode(b"NN"), Err(DecodeError::TrailingBytes { count: 1 }));
        assert_eq!(decode(b"c"), Err(DecodeError::UnknownType { code: b'c', offset: 0 }));
        assert_eq!(decode(b"{NN"), Err(DecodeError::Truncated { len: 3 }));
        assert_eq!(decode(b"{N0"), Err(DecodeError::UnknownType { code: b'0', offset: 2 }));
        assert_eq!(decode(b"l\x01\x00\x00\x00\xff\xff"), Err(DecodeError::MalformedInt { offset: 0 }));
        let deep = [b"(\x01\x00\x00\x00".repeat(MAX_DEPTH + 1), b"N".to_vec()].concat();
        assert_eq!(decode(&deep), Err(DecodeError::TooDeep { limit: MAX_DEPTH }));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::None),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (any::<i64>(), 64u32..400).prop_map(|(n, bits)| Value::BigInt(BigInt::from(n | 1) << bits)),
            any::<i32>().prop_map(|n| Value::Float(n.into())),
            ".*".prop_map(Value::Str),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Tuple),
                proptest::collection::vec((inner.clone(), inner), 0..6).prop_map(Value::Dict),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(value in values()) {
            let mut out = Vec::new();
            encode(&value, &mut out);
            prop_assert_eq!(decode(&out), Ok(value));
        }

        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn damaged_values_are_a_value_or_an_error(value in values(), at in any::<usize>(), byte in any::<u8>()) {
            let mut out = Vec::new();
            encode(&value, &mut out);
            let at = at % out.len();
            out[at] = byte;
            let _ = decode(&out);
        }
    }
}
