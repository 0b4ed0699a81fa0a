"""Tools and SUBMIT: dspy's functions as tools of a `Sandbox`."""

import asyncio
import concurrent.futures
import contextvars
import inspect
import keyword

import keelback

from ._types import CodeInterpreterError
from ._values import make_jsonable

__all__ = ["bind", "call", "extract_parameters", "submit_tool", "tool_parameters", "valid_name", "wait_for"]

SIMPLE_TYPES = {kind.__name__: kind for kind in (str, int, float, bool, list, dict, type(None))}

_EMPTY = inspect.Parameter.empty
_POSITIONAL = inspect.Parameter.POSITIONAL_ONLY
_ARGS = inspect.Parameter.VAR_POSITIONAL
_KWARGS = inspect.Parameter.VAR_KEYWORD
_KINDS = {
    _POSITIONAL: "positional_or_keyword",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional_or_keyword",
    inspect.Parameter.KEYWORD_ONLY: "keyword_only",
    _ARGS: "var_positional",
    _KWARGS: "var_keyword",
}


def valid_name(name):
    """Whether *name* can be written as a variable."""
    return isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)


def signature_of(function):
    """The signature of *function*; `(*args, **kwargs)` for the builtins that have none."""
    try:
        return inspect.signature(function)
    except ValueError:
        return inspect.signature(lambda *args, **kwargs: None)


def simple_type(parameter):
    """The annotation of *parameter* when it is a simple type, by name or as itself, else None."""
    kind = parameter.annotation
    if isinstance(kind, str):
        kind = SIMPLE_TYPES.get(kind)
    elif kind not in SIMPLE_TYPES.values():  # a comparison, since an annotation need not be hashable
        return None
    return kind


def extract_parameters(function):
    """The parameters of *function* as dspy lists them: dicts of `name` and, where they apply, `type` and `default`."""
    found = []
    for name, parameter in signature_of(function).parameters.items():
        entry = {"name": name}
        if (kind := simple_type(parameter)) is not None:
            entry["type"] = kind.__name__
        if parameter.default is not _EMPTY:
            entry["default"] = parameter.default
        found.append(entry)
    return found


def tool_parameters(function):
    """The parameters of *function* for a `keelback.Tool`, and which value stands in for each default that cannot cross.

    A default that the guest cannot hold is shown there as its repr; the host puts the real one back.
    """
    parameters, stand_ins = [], {}
    for name, parameter in signature_of(function).parameters.items():
        default, kind = parameter.default, simple_type(parameter)
        if default is _EMPTY:
            default = keelback.Parameter.empty
        else:
            if kind is not None and not fits(default, kind):
                kind = None  # `limit: int = None` means what it does, not what it says
            plain = make_jsonable(default)
            if not _crosses(plain):
                stand_ins[name] = plain = f"<{type(default).__name__}>"
                kind = None
            default = plain
        parameters.append(keelback.Parameter(name, kind, default, _KINDS[parameter.kind]))
    return parameters, stand_ins


def _crosses(value):
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_crosses(item) for item in value)
    if isinstance(value, dict):
        return all(_crosses(item) for pair in value.items() for item in pair)
    return value is None or type(value) in (bool, int, float, str, bytes)


def fits(value, kind):
    """Whether *value* may be given where the simple type *kind* is asked for: as PEP 484, an int is a float."""
    return isinstance(value, (int, float) if kind is float else (list, tuple) if kind is list else kind)


def bind(function, stand_ins, args, kwargs):
    """The arguments of a call by name, defaults included: what `invoke_tool` and its callbacks are told."""
    signature = signature_of(function)
    arguments = signature.bind(*args, **kwargs)
    for name, stand_in in stand_ins.items():
        if arguments.arguments.get(name) == stand_in:
            del arguments.arguments[name]
    arguments.apply_defaults()
    named = dict(arguments.arguments)
    for name, parameter in signature.parameters.items():
        if parameter.kind is _KWARGS:
            named.update(named.pop(name))
        elif parameter.kind is _ARGS:
            named[name] = list(named[name])
            if not named[name]:
                del named[name]
    return named


def call(function, arguments):
    """Call *function* with *arguments* by name, and with those by position that can be given in no other way."""
    parameters = signature_of(function).parameters.values()
    if not any(parameter.kind in (_POSITIONAL, _ARGS) for parameter in parameters):
        return function(**arguments)
    arguments = dict(arguments)
    several = next((p.name for p in parameters if p.kind is _ARGS and arguments.get(p.name)), None)
    positional = []
    for parameter in parameters:
        by_name = parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and several is None
        if parameter.kind in (inspect.Parameter.KEYWORD_ONLY, _KWARGS) or by_name or parameter.name not in arguments:
            continue
        value = arguments.pop(parameter.name)
        positional.extend(value if parameter.name == several else [value])
    return function(*positional, **arguments)


def wait_for(awaitable):
    """The result of an async tool, for a caller that may itself run inside an event loop."""

    async def result():
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(result())
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, asyncio.run, result()).result()


def submit_tool(output_fields):
    """SUBMIT for these *output_fields*, or for one value when there are none.

    It is a tool that ends its cell, so nothing in the guest can catch it or pretend to be it.
    """
    fields = {}
    for field in output_fields or ({"name": "output"},):
        name = field["name"]
        if not valid_name(name) or name in fields:
            raise CodeInterpreterError(f"Invalid output field name: {name!r}")
        fields[name] = SIMPLE_TYPES.get(field.get("type"))
    signature = inspect.Signature(
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in fields
    )

    def submit(*args, **kwargs):
        values = signature.bind(*args, **kwargs).arguments
        for name, value in values.items():
            kind = fields[name]
            if kind is not None and not fits(value, kind):
                raise TypeError(
                    f"SUBMIT() argument '{name}' must be {kind.__name__}, not {type(value).__name__}"
                )
        return dict(values)

    empty = keelback.Parameter.empty
    parameters = [keelback.Parameter(name, kind, empty, "positional_or_keyword") for name, kind in fields.items()]
    doc = "Submit the final output and end the execution."
    return keelback.Tool(submit, name="SUBMIT", doc=doc, parameters=parameters, ends_cell=True)
