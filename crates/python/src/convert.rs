//! Values between Python and the sandbox.

use std::borrow::Cow;

use keelback_sandbox::{Binding, Build, Mime, MimeBundle, Scalar, Sequence, Value, build};
use num_bigint::BigInt;
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{
        PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
    },
};

/// Deeper data is most likely data that contains itself.
const DEPTH_MAX: usize = 200;

/// *object* as data; TypeError names the type of what is none.
pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    let mut values = Values(Vec::new());
    write(object, &mut values, 0)?;
    values.0.pop().ok_or_else(|| PyValueError::new_err("there is no data"))
}

/// The name *name* with *object* as its value, which crosses as `from_python` says.
pub(crate) fn binding(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Binding> {
    let mut binding = Binding::new(name);
    write(object, &mut binding, 0)?;
    Ok(binding)
}

/// Takes data item by item, containers first.
trait Sink {
    fn scalar(&mut self, scalar: &Scalar<'_>);
    fn sequence(&mut self, kind: Sequence, len: usize);
    /// After its items.
    fn sequence_end(&mut self, kind: Sequence, len: usize);
    fn dict(&mut self);
    /// After as many keys, each with its value.
    fn dict_end(&mut self, len: usize);
}

impl Sink for Binding {
    fn scalar(&mut self, scalar: &Scalar<'_>) {
        self.scalar(scalar);
    }

    fn sequence(&mut self, kind: Sequence, len: usize) {
        self.sequence(kind, len);
    }

    fn sequence_end(&mut self, _: Sequence, _: usize) {}

    fn dict(&mut self) {
        self.dict();
    }

    fn dict_end(&mut self, _: usize) {
        self.dict_end();
    }
}

/// The values that are whole, those of containers that are not at their end among them.
struct Values(Vec<Value>);

impl Values {
    fn last(&mut self, count: usize) -> std::vec::Drain<'_, Value> {
        let start = self.0.len().saturating_sub(count);
        self.0.drain(start..)
    }
}

impl Sink for Values {
    fn scalar(&mut self, scalar: &Scalar<'_>) {
        self.0.push(match scalar {
            Scalar::None => Value::None,
            Scalar::Bool(value) => Value::Bool(*value),
            Scalar::Int(value) => Value::Int(*value),
            Scalar::BigInt(value) => Value::BigInt(value.clone().into_owned()),
            Scalar::Float(value) => Value::Float(*value),
            Scalar::Complex(real, imag) => Value::Complex(*real, *imag),
            Scalar::Str(text) => Value::from(*text),
            Scalar::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        });
    }

    fn sequence(&mut self, _: Sequence, _: usize) {}

    fn sequence_end(&mut self, kind: Sequence, len: usize) {
        let items = self.last(len).collect();
        self.0.push(match kind {
            Sequence::List => Value::List(items),
            Sequence::Tuple => Value::Tuple(items),
            Sequence::Set => Value::Set(items),
            Sequence::FrozenSet => Value::FrozenSet(items),
        });
    }

    fn dict(&mut self) {}

    fn dict_end(&mut self, len: usize) {
        let mut pairs = Vec::with_capacity(len);
        let mut items = self.last(2 * len);
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            pairs.push((key, value));
        }
        drop(items);
        self.0.push(Value::Dict(pairs));
    }
}

fn write<S: Sink>(object: &Bound<'_, PyAny>, sink: &mut S, depth: usize) -> PyResult<()> {
    if depth > DEPTH_MAX {
        return Err(PyValueError::new_err(format!("data is nested more than {DEPTH_MAX} deep, or contains itself")));
    }
    if object.is_none() {
        sink.scalar(&Scalar::None);
    } else if let Ok(text) = object.cast::<PyString>() {
        sink.scalar(&Scalar::Str(&text.to_cow()?));
    } else if let Ok(value) = object.cast::<PyBool>() {
        sink.scalar(&Scalar::Bool(value.is_true()));
    } else if let Ok(number) = object.cast::<PyInt>() {
        match number.extract::<i64>() {
            Ok(number) => sink.scalar(&Scalar::Int(number)),
            Err(_) => sink.scalar(&Scalar::BigInt(Cow::Owned(number.extract::<BigInt>()?))),
        }
    } else if let Ok(number) = object.cast::<PyFloat>() {
        sink.scalar(&Scalar::Float(number.value()));
    } else if let Ok(dict) = object.cast::<PyDict>() {
        sink.dict();
        for (key, value) in dict {
            write(&key, sink, depth + 1)?;
            write(&value, sink, depth + 1)?;
        }
        sink.dict_end(dict.len());
    } else if let Ok(list) = object.cast::<PyList>() {
        write_all(Sequence::List, list.len(), list.iter(), sink, depth)?;
    } else if let Ok(tuple) = object.cast::<PyTuple>() {
        write_all(Sequence::Tuple, tuple.len(), tuple.iter(), sink, depth)?;
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        sink.scalar(&Scalar::Bytes(bytes.as_bytes()));
    } else if let Ok(bytes) = object.cast::<PyByteArray>() {
        sink.scalar(&Scalar::Bytes(&bytes.to_vec()));
    } else if let Ok(set) = object.cast::<PySet>() {
        write_all(Sequence::Set, set.len(), set.iter(), sink, depth)?;
    } else if let Ok(set) = object.cast::<PyFrozenSet>() {
        write_all(Sequence::FrozenSet, set.len(), set.iter(), sink, depth)?;
    } else if object.cast::<PyComplex>().is_ok() {
        let part = |name| object.getattr(name)?.extract::<f64>();
        sink.scalar(&Scalar::Complex(part("real")?, part("imag")?));
    } else {
        return Err(PyTypeError::new_err(format!("{} cannot cross to the sandbox", object.get_type().name()?)));
    }
    Ok(())
}

fn write_all<'py, S: Sink>(
    kind: Sequence,
    len: usize,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    sink: &mut S,
    depth: usize,
) -> PyResult<()> {
    sink.sequence(kind, len);
    let mut count = 0;
    for item in items {
        write(&item, sink, depth + 1)?;
        count += 1;
    }
    // The length is said before the items; one of them, or the container's own class, may run code that changes it.
    if count != len {
        return Err(PyValueError::new_err("a container changed its size while it was read"));
    }
    sink.sequence_end(kind, len);
    Ok(())
}

/// The Python object for *value*.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    build(value, &mut Objects::new(py))
}

/// Keys at a later place of a dict than this are no record's.
const KEYS_MAX: usize = 64;

/// Makes Python objects. Records have the same keys at the same places: each key is one object, hashed once.
pub(crate) struct Objects<'py> {
    py: Python<'py>,
    keys: Vec<(String, Bound<'py, PyAny>)>,
}

impl<'py> Objects<'py> {
    pub(crate) fn new(py: Python<'py>) -> Self {
        Objects { py, keys: Vec::new() }
    }
}

impl<'py> Build for Objects<'py> {
    type Object = Bound<'py, PyAny>;
    type Error = PyErr;

    fn scalar(&mut self, scalar: Scalar<'_>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match scalar {
            Scalar::None => py.None().into_bound(py),
            Scalar::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
            Scalar::Int(number) => number.into_pyobject(py)?.into_any(),
            Scalar::BigInt(number) => number.as_ref().into_pyobject(py)?.into_any(),
            Scalar::Float(number) => PyFloat::new(py, number).into_any(),
            Scalar::Complex(real, imag) => PyComplex::from_doubles(py, real, imag).into_any(),
            Scalar::Str(text) => PyString::new(py, text).into_any(),
            Scalar::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        })
    }

    fn sequence(&mut self, kind: Sequence, items: Vec<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match kind {
            Sequence::List => PyList::new(py, items)?.into_any(),
            Sequence::Tuple => PyTuple::new(py, items)?.into_any(),
            Sequence::Set => PySet::new(py, items)?.into_any(),
            Sequence::FrozenSet => PyFrozenSet::new(py, items)?.into_any(),
        })
    }

    fn dict(&mut self, items: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>) -> PyResult<Bound<'py, PyAny>> {
        let dict = PyDict::new(self.py);
        for (key, value) in items {
            dict.set_item(key, value)?;
        }
        Ok(dict.into_any())
    }

    fn key(&mut self, index: usize, text: &str) -> PyResult<Bound<'py, PyAny>> {
        if let Some((known, object)) = self.keys.get(index)
            && known == text
        {
            return Ok(object.clone());
        }
        let object = PyString::new(self.py, text).into_any();
        let entry = (text.to_owned(), object.clone());
        if index < self.keys.len() {
            self.keys[index] = entry;
        } else if index == self.keys.len() && index < KEYS_MAX {
            self.keys.push(entry);
        }
        Ok(object)
    }
}

/// A MIME bundle as a dict.
pub(crate) fn mime<'py>(py: Python<'py>, bundle: &MimeBundle) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, form) in &bundle.0 {
        match form {
            Mime::Text(text) => dict.set_item(name, text)?,
            Mime::Bytes(bytes) => dict.set_item(name, PyBytes::new(py, bytes))?,
            Mime::Data(value) => dict.set_item(name, to_python(py, value)?)?,
        }
    }
    Ok(dict)
}
