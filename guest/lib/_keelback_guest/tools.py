"""The host's functions, as functions of the guest.

A tool is an ordinary function: its signature, `help` and the errors of a wrong call are Python's own. How a call gives
its result depends on where the call stands, see awaited.py: a plain call waits and gives the value; a call whose result
flows into an `await` starts at once and gives a `ToolCall` to await, so that many run side by side.
"""

import builtins
import keyword
import sys
import types
import warnings
from collections.abc import Coroutine
from marshal import dumps, loads

import _host
from _keelback_session import NotPlain, hide_frames_of, to_plain

from . import awaited, cell_end
from .loop import calls

_session = None
_names = set()  # what the last request put into the namespace
_next_id = 0

_MISSING = type("_Missing", (), {"__repr__": lambda self: "..."})()

_ANNOTATIONS = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": None,
}


class ToolError(Exception):
    """A tool failed on the host with an exception that is not one of Python's builtin ones."""


ToolError.__module__ = "builtins"  # where it can always be found


class ToolCall:
    """A tool call under way. `await` gives its result; anything else is a mistake, and says so."""

    def __init__(self, name, call_id, frame):
        self.__dict__.update(
            __name__=name, __qualname__=name, _id=call_id, _done=False, _ok=False, _payload=None,
            _waiting=[], _awaited=False, _steps=None,
            _place=(frame.f_code.co_filename, frame.f_lineno),
        )

    def _finish(self, ok, payload):
        self._done, self._ok, self._payload = True, ok, payload
        waiting, self.__dict__["_waiting"] = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def __setattr__(self, name, value):
        if name not in self.__dict__:
            raise self._misuse()
        self.__dict__[name] = value

    def __await__(self):
        self._awaited = True
        return self._wait()

    def _wait(self):
        if not self._done:
            import asyncio

            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                yield from future
            except BaseException:
                if future in self._waiting:
                    self._waiting.remove(future)
                if not self._waiting:
                    self._give_up()
                raise
        if self._ok:
            return self._payload
        raise make_error(*self._payload)

    def _give_up(self):
        """Nobody waits for the result."""
        if not self._done:
            calls.pop(self._id, None)
            self._finish(False, ("keelback.cancelled", ""))
            _host.call(dumps(("cancel", self._id), 2))

    # The methods of a coroutine, so that asyncio.create_task and asyncio.run take a call as they take one.
    def send(self, value):
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.send(value)

    def throw(self, *error):
        if self._steps is None:
            # A task that was cancelled before its first step.
            self._steps = self.__await__()
            self._give_up()
        return self._steps.throw(*error)

    def close(self):
        if self._steps is not None:
            self._steps.close()
        else:
            self._awaited = True
            self._give_up()

    def _as_coroutine(self):
        return _Steps(self)

    def __repr__(self):
        return f"<tool call not awaited: write await {self.__name__}(...)>"

    def __del__(self):
        if not self._awaited:
            warnings.warn_explicit(f"tool call '{self.__name__}' was never awaited", RuntimeWarning, *self._place)

    def __getattr__(self, name):
        if name.startswith(("__", "cr_", "gi_", "ag_", "_ipython", "_repr", "_asyncio")):
            raise AttributeError(f"'ToolCall' object has no attribute '{name}'")
        raise self._misuse()

    def _misuse(self):
        return TypeError(f"the call of {self.__name__}() was not awaited: write await {self.__name__}(...)")

    def _refuse(self, *args):
        raise self._misuse()


class _Steps(Coroutine):
    """A tool call as a task holds it: looked at like any coroutine."""

    def __init__(self, call):
        self.__name__ = self.__qualname__ = call.__name__
        self.send, self.throw, self.close = call.send, call.throw, call.close

    def __await__(self):
        return self

    send = throw = close = None  # those of the call


for _name in (
    "str format bool len iter int float complex index bytes getitem setitem delitem contains call add radd sub "
    "rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod divmod rdivmod pow rpow lshift rlshift rshift rrshift "
    "and rand or ror xor rxor matmul rmatmul neg pos abs invert lt le gt ge round enter exit aenter aexit"
).split():
    setattr(ToolCall, f"__{_name}__", ToolCall._refuse)


def make_error(type_name, message):
    """The exception that a failed call raises: one of Python's own by name, else a ToolError."""
    if type_name == "keelback.end":
        return cell_end.begin(_session)
    if type_name == "keelback.cancelled":
        from asyncio import CancelledError

        return CancelledError("the tool call was cancelled")
    kind = getattr(builtins, type_name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(message)
        except Exception:  # UnicodeDecodeError and its like need more than a message
            pass
    if type_name in ("", "ToolError", "Exception"):
        return ToolError(message)
    return ToolError(f"{type_name}: {message}" if message else type_name)


# -- calling ---------------------------------------------------------------------------------------------------------


def _call(name, parameters, values, frame):
    """What every tool's body does. *values* are the bound arguments, *frame* is the caller's."""
    args, kwargs = [], {}
    positional = True  # until a parameter was left out
    for (key, json_type, has_default, default, kind, _), value in zip(parameters, values):
        if kind == 1:
            args += [_cross(name, key, item, json_type) for item in value]
        elif kind == 2:
            for extra, item in value.items():
                kwargs[extra] = _cross(name, extra, item, json_type)
        elif value is _MISSING:
            positional = False
        else:
            if not (has_default and (value is default or value == default and type(value) is type(default))):
                value = _cross(name, key, value, json_type)
            if positional and kind == 0:
                args.append(value)
            else:
                kwargs[key] = value
    if awaited.is_awaited(frame):
        return _start_call(name, args, kwargs, frame)
    ok, payload = loads(_host.call(dumps(("tool", name, tuple(args), kwargs), 2)))
    if ok:
        return payload
    raise make_error(*payload)


def _start_call(name, args, kwargs, frame):
    global _next_id
    _next_id += 1
    call = ToolCall(name, _next_id, frame)
    calls[_next_id] = call
    try:
        _host.call(dumps(("start", call._id, name, tuple(args), kwargs), 2))
    except BaseException:
        calls.pop(call._id, None)
        call._awaited = True
        raise
    return call


def _cross(name, key, value, json_type):
    """*value* as plain data, or a TypeError that names the parameter."""
    if type(value) is ToolCall:
        raise value._misuse()
    try:
        plain = to_plain(value)
    except NotPlain as error:
        reason = error.args[0]
        if type(reason) is not str or reason is value:
            inner = type(reason).__name__
            if reason is value:
                raise TypeError(f"{name}() argument '{key}': {inner} cannot be passed to a tool") from None
            raise TypeError(
                f"{name}() argument '{key}': {type(value).__name__} holds {inner}, which cannot be passed to a tool"
            ) from None
        raise TypeError(f"{name}() argument '{key}': {type(value).__name__} {reason}") from None
    if json_type and not _fits(plain, json_type):
        raise TypeError(f"{name}() argument '{key}' must be {json_type}, not {type(value).__name__}")
    return plain


def _fits(value, json_type):
    kind = type(value)
    if json_type == "integer":
        return kind is int
    if json_type == "number":
        return kind is int or kind is float
    if json_type == "string":
        return kind is str
    if json_type == "boolean":
        return kind is bool
    if json_type == "array":
        return kind is list or kind is tuple
    if json_type == "object":
        return kind is dict
    if json_type == "null":
        return value is None
    return True


# -- making ----------------------------------------------------------------------------------------------------------


def make(name, parameters, doc):
    """The function for a tool. Raises ValueError for parameters that no Python function can have."""
    declared, bare = [], False
    defaults = {"_call": _call, "_getframe": sys._getframe, "_MISSING": _MISSING}
    after_default = False
    fixed = []
    for key, json_type, has_default, default, kind, annotation in map(_described, parameters):
        if not key.isidentifier() or keyword.iskeyword(key):
            raise ValueError(f"tool `{name}`: `{key}` cannot be the name of a parameter")
        if kind == 0:
            # Parameters of a JSON schema come in any order: one without a default after one with is keyword-only.
            if after_default and not has_default and not bare and not any(p[4] == 1 for p in parameters):
                declared.append("*")
                bare = True
            after_default = after_default or has_default
            declared.append(f"{key}=_MISSING" if has_default else key)
            fixed.append((key, json_type, has_default, default, 3 if bare else 0, annotation))
        elif kind == 3:
            if not bare and not any(p[4] == 1 for p in parameters):
                declared.append("*")
            bare = True
            declared.append(f"{key}=_MISSING" if has_default else key)
            fixed.append((key, json_type, has_default, default, 3, annotation))
        else:
            declared.append("*" * kind + key)
            fixed.append((key, json_type, has_default, default, kind, annotation))
    visible = name if name.isidentifier() and not keyword.iskeyword(name) else "tool"
    taken = {p[0] for p in parameters}
    inner = {}
    for helper in ("_call", "_getframe", "_MISSING"):
        while helper in taken:
            raise ValueError(f"tool `{name}`: `{helper}` cannot be the name of a parameter")
    filename = f"<tool {name}>"
    hide_frames_of(filename)
    values = "".join(f"{p[0]}, " for p in parameters)
    # Declared as source: binding, and the errors of a wrong call, are then the interpreter's own.
    source = f"def {visible}({', '.join(declared)}): return _call(_name, _parameters, ({values}), _getframe(1))"
    defaults.update(_name=name, _parameters=tuple(fixed), __name__="tools")
    exec(compile(source, filename, "exec", 0, True), defaults, inner)
    function = inner[visible]
    function.__name__ = function.__qualname__ = name
    function.__module__ = "tools"
    function.__doc__ = doc or None
    function.__signature__ = _signature(fixed)
    return function


def _described(parameter):
    """A parameter as the host describes it; the text of its annotation may be left out."""
    return tuple(parameter) if len(parameter) == 6 else (*parameter, "")


class _Annotation:
    """Shown in a signature as its text."""

    def __init__(self, text):
        self._text = text

    def __repr__(self):
        return self._text


def _signature(parameters):
    from inspect import Parameter, Signature

    kinds = {
        0: Parameter.POSITIONAL_OR_KEYWORD,
        1: Parameter.VAR_POSITIONAL,
        2: Parameter.VAR_KEYWORD,
        3: Parameter.KEYWORD_ONLY,
    }
    return Signature(
        [
            Parameter(
                key,
                kinds[kind],
                default=default if has_default and kind in (0, 3) else Parameter.empty,
                annotation=_Annotation(text) if text else _ANNOTATIONS.get(json_type, Parameter.empty),
            )
            for key, json_type, has_default, default, kind, text in parameters
        ],
        __validate_parameters__=False,
    )


def install(listed):
    """Make the listed tools the session's: names of its namespace, and attributes of the module `tools`."""
    namespace = _session.namespace
    module = sys.modules.get("tools")
    made = {name: make(name, parameters, doc) for name, parameters, doc in listed}
    for name in _names:
        if getattr(namespace.get(name), "__module__", None) == "tools":
            del namespace[name]
    _names.clear()
    if type(module) is _ToolsModule:
        del sys.modules["tools"]
    if made:
        module = _ToolsModule("tools", "The functions that the host offers.")
        module.ToolError = ToolError
        module.__dict__.update(made)
        module.__all__ = [*made, "ToolError"]
        sys.modules["tools"] = module
        namespace.update(made)
        _names.update(made)


class _ToolsModule(types.ModuleType):
    pass


def prepare(session):
    global _session
    _session = session
    builtins.ToolError = ToolError
    hide_frames_of(awaited.is_awaited.__code__.co_filename)
