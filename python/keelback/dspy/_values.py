"""Which form values have on the other side.

Three ways lead across, each with dspy's own rules: variables go in, results of tools go in, results of cells come out.
"""

import dataclasses
import datetime
import decimal
import enum
import json
import os
import sys
import uuid

from ._types import CodeInterpreterError

__all__ = ["cell_result", "shown_with", "tool_error", "tool_result", "variable"]

_PLAIN = {str, int, float, bool, bytes, type(None)}
_TEXTUAL = (os.PathLike, uuid.UUID, decimal.Decimal)


def variable(value):
    """*value* as a variable of the guest.

    Tuples and sets become lists, a set's in order when it has one; models, dataclasses, dates and enumerations become
    what they are in JSON. Integers of any size, bytes, nan and inf stay what they are.
    """
    try:
        return _variable(value)
    except RecursionError:
        raise CodeInterpreterError(f"Unsupported value: {type(value).__name__} nested too deeply") from None


def _variable(value):
    if type(value) in _PLAIN:
        return value
    if isinstance(value, enum.Enum):
        return _variable(value.value)
    for kind in (str, int, float, bytes):  # a subclass crosses as what it is one of
        if isinstance(value, kind):
            return kind.__str__(value) if kind is str else kind(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if _is_model(value):
        return _variable(_dump(value))
    if isinstance(value, dict):
        return {_key(key): _variable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        plain = _PLAIN.issuperset(map(type, value))  # true of most long lists, and quick to find out
        return list(value) if plain else [_variable(item) for item in value]
    if isinstance(value, (set, frozenset)):
        items = [_variable(item) for item in value]
        try:
            return sorted(items)
        except TypeError:
            return items
    coerced = _jsonable(value)
    if coerced is value:
        raise CodeInterpreterError(f"Unsupported value type: {type(value).__name__}")
    return _variable(coerced)


def _key(key):
    if isinstance(key, tuple):
        return tuple(_key(item) for item in key)
    key = _variable(key)
    return key if key.__hash__ is not None else str(key)


def tool_result(value):
    """*value* as what a call in the guest returns: JSON as objects, None as an empty string, the rest as its str."""
    value = make_jsonable(value)
    if value is None or isinstance(value, str):
        return "" if value is None else str.__str__(value)
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return str(value)


def make_jsonable(value):
    """*value* with models, dataclasses and named tuples in it as dicts; what has no form in JSON stays as it is."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if _is_model(value):
        return make_jsonable(_dump(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        try:
            return make_jsonable(dataclasses.asdict(value))
        except Exception:  # a field that cannot be copied: the whole is told by its str
            return value
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return make_jsonable(value._asdict())
    if isinstance(value, dict):
        return {key: make_jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(make_jsonable(item) for item in value) if type(value) in (list, tuple) else list(value)
    return _jsonable(value)


def cell_result(value):
    """*value*, the result of a cell or of SUBMIT, for the caller: tuples as lists, all else as it is."""
    if isinstance(value, (list, tuple)):
        plain = _PLAIN.issuperset(map(type, value))
        return list(value) if plain else [cell_result(item) for item in value]
    if isinstance(value, dict):
        return {key: cell_result(item) for key, item in value.items()}
    return value


class _Shown:
    """The value of a cell that printed as well. It is the value; only its `str` begins with what was printed."""

    def __str__(self):
        text = self.printed if self.printed.endswith("\n") else self.printed + "\n"
        return text + str(self.__reduce__()[1][0])  # an item of a list is told by its repr, which has no output

    def __format__(self, spec):
        return str(self) if not spec else super().__format__(spec)

    def __reduce__(self):
        kind = type(self).__mro__[2]
        return kind, (kind(self) if kind is not str else self[:],)


_SHOWN = {kind: type(kind.__name__, (_Shown, kind), {}) for kind in (int, float, str, bytes, list, dict, set)}


def shown_with(value, printed):
    """*value*, such that `str(value)` tells what was *printed* before it: dspy.RLM shows its model no more than that.

    A bool cannot carry anything and is returned as it is.
    """
    kind = _SHOWN.get(type(value))
    if kind is None or not printed:
        return value
    if kind is _SHOWN[list] and value:
        value = [shown_with(value[0], printed), *value[1:]]  # RLM shows a list as the `str` of each item
    shown = kind(value)
    shown.printed = printed
    return shown


def tool_error(error):
    """What the guest hears of an exception in a tool: type and message, without the host's paths."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror is not None:
        message = f"[Errno {error.errno}] {error.strerror}"
    return f"{type(error).__name__}: {message}"


def _is_model(value):
    pydantic = sys.modules.get("pydantic")  # without it nothing can be a model
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _dump(model):
    try:
        return model.model_dump(mode="json")
    except Exception as error:
        raise CodeInterpreterError(f"Unable to serialize {type(model).__name__} as JSON: {error}") from error


def _jsonable(value):
    """*value* as it would be in JSON, or *value* itself when it has no such form."""
    core = sys.modules.get("pydantic_core")
    if core is not None:
        try:
            return core.to_jsonable_python(value)
        except Exception:
            return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, _TEXTUAL):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value
