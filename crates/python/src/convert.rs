//! Values between Python and the sandbox.

use keelback_sandbox::{Mime, MimeBundle, Value};
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
    convert(object, 0)
}

fn convert(object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if depth > DEPTH_MAX {
        return Err(PyValueError::new_err(format!("data is nested more than {DEPTH_MAX} deep, or contains itself")));
    }
    let all = |items: &mut dyn Iterator<Item = Bound<'_, PyAny>>| -> PyResult<Vec<Value>> {
        items.map(|item| convert(&item, depth + 1)).collect()
    };
    if object.is_none() {
        Ok(Value::None)
    } else if let Ok(text) = object.cast::<PyString>() {
        Ok(Value::Str(text.to_cow()?.into_owned()))
    } else if let Ok(value) = object.cast::<PyBool>() {
        Ok(Value::Bool(value.is_true()))
    } else if let Ok(number) = object.cast::<PyInt>() {
        match number.extract::<i64>() {
            Ok(number) => Ok(Value::Int(number)),
            Err(_) => Ok(Value::BigInt(number.extract::<BigInt>()?)),
        }
    } else if let Ok(number) = object.cast::<PyFloat>() {
        Ok(Value::Float(number.value()))
    } else if let Ok(dict) = object.cast::<PyDict>() {
        let mut items = Vec::with_capacity(dict.len());
        for (key, value) in dict {
            items.push((convert(&key, depth + 1)?, convert(&value, depth + 1)?));
        }
        Ok(Value::Dict(items))
    } else if let Ok(list) = object.cast::<PyList>() {
        Ok(Value::List(all(&mut list.iter())?))
    } else if let Ok(tuple) = object.cast::<PyTuple>() {
        Ok(Value::Tuple(all(&mut tuple.iter())?))
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        Ok(Value::Bytes(bytes.as_bytes().to_vec()))
    } else if let Ok(bytes) = object.cast::<PyByteArray>() {
        Ok(Value::Bytes(bytes.to_vec()))
    } else if let Ok(set) = object.cast::<PySet>() {
        Ok(Value::Set(all(&mut set.iter())?))
    } else if let Ok(set) = object.cast::<PyFrozenSet>() {
        Ok(Value::FrozenSet(all(&mut set.iter())?))
    } else if let Ok(number) = object.cast::<PyComplex>() {
        let part = |name| object.getattr(name)?.extract::<f64>();
        let _ = number;
        Ok(Value::Complex(part("real")?, part("imag")?))
    } else {
        Err(PyTypeError::new_err(format!("{} cannot cross to the sandbox", object.get_type().name()?)))
    }
}

/// The Python object for *value*.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Objects { py, keys: Vec::new() }.make(value)
}

/// Keys at a later place of a dict than this are no record's.
const KEYS_MAX: usize = 64;

/// Makes Python objects. Records have the same keys at the same places: each key is one object, hashed once.
struct Objects<'py, 'v> {
    py: Python<'py>,
    keys: Vec<(&'v str, Bound<'py, PyAny>)>,
}

impl<'py, 'v> Objects<'py, 'v> {
    fn make(&mut self, value: &'v Value) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match value {
            Value::None => py.None().into_bound(py),
            Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
            Value::Int(number) => number.into_pyobject(py)?.into_any(),
            Value::BigInt(number) => number.into_pyobject(py)?.into_any(),
            Value::Float(number) => PyFloat::new(py, *number).into_any(),
            Value::Complex(real, imag) => PyComplex::from_doubles(py, *real, *imag).into_any(),
            Value::Str(text) => PyString::new(py, text).into_any(),
            Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
            Value::List(items) => PyList::new(py, self.all(items)?)?.into_any(),
            Value::Tuple(items) => PyTuple::new(py, self.all(items)?)?.into_any(),
            Value::Set(items) => PySet::new(py, self.all(items)?)?.into_any(),
            Value::FrozenSet(items) => PyFrozenSet::new(py, self.all(items)?)?.into_any(),
            Value::Dict(items) => {
                let dict = PyDict::new(py);
                for (place, (key, value)) in items.iter().enumerate() {
                    dict.set_item(self.key(place, key)?, self.make(value)?)?;
                }
                dict.into_any()
            }
        })
    }

    fn all(&mut self, items: &'v [Value]) -> PyResult<Vec<Bound<'py, PyAny>>> {
        items.iter().map(|item| self.make(item)).collect()
    }

    /// The object for the key at `place` of a dict.
    fn key(&mut self, place: usize, key: &'v Value) -> PyResult<Bound<'py, PyAny>> {
        let Value::Str(text) = key else {
            return self.make(key);
        };
        if let Some((known, object)) = self.keys.get(place)
            && *known == text
        {
            return Ok(object.clone());
        }
        let object = PyString::new(self.py, text).into_any();
        let entry = (text.as_str(), object.clone());
        if place < self.keys.len() {
            self.keys[place] = entry;
        } else if place == self.keys.len() && place < KEYS_MAX {
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
