//! Python's `marshal` format, version 2, restricted to plain data: the form in which every value crosses between the
//! host and a guest (docs/guest-abi.md).
//!
//! The decoder reads what an untrusted guest wrote: nothing is allocated before its bytes are known to be there, and
//! nesting, item count and size have a stated maximum. Only the codes that CPython writes for version 2 are known here.

use keelback_session::Value;
use num_bigint::{BigInt, Sign};

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
    let mut reader = Reader { bytes, offset: 0, items: 0 };
    let value = match reader.value(0)? {
        Item::Value(value) => value,
        Item::Null => {
            return Err(DecodeError::UnknownType { code: b'0', offset: 0 });
        }
    };
    match bytes.len() - reader.offset {
        0 => Ok(value),
        count => Err(DecodeError::TrailingBytes { count }),
    }
}

enum Item {
    Value(Value),
    /// The end of a dict.
    Null,
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    items: usize,
}

impl<'a> Reader<'a> {
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

    fn text(&mut self, len: usize) -> Result<Value, DecodeError> {
        let bytes = self.take(len)?;
        Ok(Value::Str(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(bytes).into_owned(),
        }))
    }

    fn sequence(&mut self, len: usize, depth: usize) -> Result<Vec<Value>, DecodeError> {
        // Every item has at least one byte, so a length beyond what is left is refused before it is reserved.
        if len > self.bytes.len() - self.offset {
            return Err(DecodeError::Truncated { len: self.bytes.len() });
        }
        if len > MAX_ITEMS - self.items.min(MAX_ITEMS) {
            return Err(DecodeError::TooManyItems { limit: MAX_ITEMS });
        }
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(self.required(depth)?);
        }
        Ok(items)
    }

    fn required(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let offset = self.offset;
        match self.value(depth + 1)? {
            Item::Value(value) => Ok(value),
            Item::Null => Err(DecodeError::UnknownType { code: b'0', offset }),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Item, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
        }
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(DecodeError::TooManyItems { limit: MAX_ITEMS });
        }
        let offset = self.offset;
        let [code] = self.array()?;
        Ok(Item::Value(match code {
            b'0' => return Ok(Item::Null),
            b'N' => Value::None,
            b'F' => Value::Bool(false),
            b'T' => Value::Bool(true),
            b'i' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            b'l' => self.long(offset)?,
            b'g' => Value::Float(self.float()?),
            b'y' => Value::Complex(self.float()?, self.float()?),
            b's' => {
                let len = self.len()?;
                Value::Bytes(self.take(len)?.to_vec())
            }
            b'u' | b't' | b'a' | b'A' => {
                let len = self.len()?;
                self.text(len)?
            }
            b'z' | b'Z' => {
                let [len] = self.array()?;
                self.text(len.into())?
            }
            b'[' => {
                let len = self.len()?;
                Value::List(self.sequence(len, depth)?)
            }
            b'(' => {
                let len = self.len()?;
                Value::Tuple(self.sequence(len, depth)?)
            }
            b')' => {
                let [len] = self.array()?;
                Value::Tuple(self.sequence(len.into(), depth)?)
            }
            b'<' => {
                let len = self.len()?;
                Value::Set(self.sequence(len, depth)?)
            }
            b'>' => {
                let len = self.len()?;
                Value::FrozenSet(self.sequence(len, depth)?)
            }
            b'{' => {
                let mut items = Vec::new();
                while let Item::Value(key) = self.value(depth + 1)? {
                    items.push((key, self.required(depth)?));
                }
                Value::Dict(items)
            }
            code => return Err(DecodeError::UnknownType { code, offset }),
        }))
    }

    /// An int beyond 32 bits: a signed count of 15-bit digits, least significant first.
    fn long(&mut self, offset: usize) -> Result<Value, DecodeError> {
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
        Ok(i64::try_from(&value).map_or_else(|_| Value::BigInt(value), Value::Int))
    }
}

/// Appends `value` to `out`. A text or container of more than `i32::MAX` items cannot be said in this format and is
/// cut off by the guest's own memory limit long before.
pub(crate) fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::None => out.push(b'N'),
        Value::Bool(false) => out.push(b'F'),
        Value::Bool(true) => out.push(b'T'),
        Value::Int(value) => match i32::try_from(*value) {
            Ok(small) => {
                out.push(b'i');
                out.extend(small.to_le_bytes());
            }
            Err(_) => encode_long(&BigInt::from(*value), out),
        },
        Value::BigInt(value) => match i32::try_from(value) {
            Ok(small) => encode(&Value::Int(small.into()), out),
            Err(_) => encode_long(value, out),
        },
        Value::Float(value) => {
            out.push(b'g');
            out.extend(value.to_le_bytes());
        }
        Value::Complex(re, im) => {
            out.push(b'y');
            out.extend(re.to_le_bytes());
            out.extend(im.to_le_bytes());
        }
        Value::Str(text) => {
            encode_head(b'u', text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Bytes(bytes) => {
            encode_head(b's', bytes.len(), out);
            out.extend_from_slice(bytes);
        }
        Value::List(items) => encode_sequence(b'[', items, out),
        Value::Tuple(items) => encode_sequence(b'(', items, out),
        Value::Set(items) => encode_sequence(b'<', items, out),
        Value::FrozenSet(items) => encode_sequence(b'>', items, out),
        Value::Dict(items) => {
            out.push(b'{');
            for (key, value) in items {
                encode(key, out);
                encode(value, out);
            }
            out.push(b'0');
        }
    }
}

fn encode_head(code: u8, len: usize, out: &mut Vec<u8>) {
    out.push(code);
    out.extend((len as i32).to_le_bytes());
}

fn encode_sequence(code: u8, items: &[Value], out: &mut Vec<u8>) {
    encode_head(code, items.len(), out);
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
