"""Functions of the host as tools: what their signature says becomes the guest's signature and check."""

import sys

from . import _calls
from ._errors import SandboxError

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}
_KINDS = {"positional_or_keyword": 0, "positional_only": 0, "var_positional": 1, "var_keyword": 2, "keyword_only": 3}


class _Empty:
    def __repr__(self):
        return "<empty>"

    def __bool__(self):
        return False


class Parameter:
    """A parameter of a tool.

    annotation: a type, or None for any. kind: "positional_or_keyword", "keyword_only", "var_positional" or
    "var_keyword". default: plain data; `Parameter.empty` for none.
    """

    empty = _Empty()
    __slots__ = ("name", "annotation", "default", "kind")

    def __init__(self, name, annotation=None, default=empty, kind="positional_or_keyword"):
        if kind not in _KINDS:
            raise SandboxError(f"parameter {name!r} has the unknown kind {kind!r}")
        self.name, self.annotation, self.default, self.kind = name, annotation, default, kind

    def __repr__(self):
        return f"Parameter({self.name!r}, {self.annotation!r}, {self.default!r}, {self.kind!r})"


class Tool:
    """A function of the host that guest code may call by name.

    function: any callable, sync or async. Without *parameters* its signature and annotations are the guest's; the
    docstring becomes the help. With *ends_cell* the cell ends at once when the function returns: `Result.final` is what
    it returned, and nothing in the guest can catch or fake that; when it raises, the guest gets the exception.
    """

    __slots__ = ("function", "name", "doc", "parameters", "ends_cell", "is_async", "_checks")

    def __init__(self, function, *, name=None, doc=None, parameters=None, ends_cell=False):
        import inspect

        if not callable(function):
            raise TypeError(f"a tool is a callable, not {type(function).__name__}")
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self.doc = doc if doc is not None else inspect.getdoc(function) or ""
        self.ends_cell = ends_cell
        call = function if inspect.isroutine(function) else getattr(function, "__call__", function)
        self.is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
        self._checks = {}
        if parameters is None:
            parameters, self._checks = _parameters(function)
        self.parameters = list(parameters)

    def __repr__(self):
        return f"Tool({self.name!r})"

    def _described(self, loop):
        """As the extension module takes it. *loop* gives the event loop for async functions."""
        parameters = []
        for parameter in self.parameters:
            has_default = parameter.default is not Parameter.empty
            default = parameter.default if has_default else None
            if has_default:
                try:
                    default = to_plain(default)
                except TypeError:
                    # The guest leaves it out, and the function puts its own in.
                    default = None
            kind = _KINDS[parameter.kind]
            json_type = _JSON_TYPES.get(parameter.annotation, "")
            parameters.append((parameter.name, json_type, _text(parameter.annotation), kind, has_default, default))
        call = self._start(loop) if self.is_async else self._call()
        return self.name, self.doc, parameters, self.ends_cell, self.is_async, call

    def _call(self):
        function, check = self.function, self._check if self._checks else None

        if check is None:

            def call(*args, **kwargs):
                result = function(*args, **kwargs)
                return result if type(result) in _PLAIN else to_plain(result)

        else:

            def call(*args, **kwargs):
                args, kwargs = check(args, kwargs)
                return to_plain(function(*args, **kwargs))

        return call

    def _start(self, loop):
        def start(resolve, args, kwargs):
            async def run():
                args_, kwargs_ = self._check(args, kwargs)
                return to_plain(await self.function(*args_, **kwargs_))

            return _calls.start(loop(), run, resolve)

        return start

    def _check(self, args, kwargs):
        """The arguments as the annotations want them; TypeError names the one that does not fit."""
        checks = self._checks
        if not checks:
            return args, kwargs
        args = list(args)
        names = [p.name for p in self.parameters if _KINDS[p.kind] == 0]
        rest = next((p.name for p in self.parameters if _KINDS[p.kind] == 1), None)
        for index, value in enumerate(args):
            name = names[index] if index < len(names) else rest
            if name in checks:
                args[index] = self._convert(name, value)
        return args, {
            name: self._convert(name, value) if name in checks else value for name, value in kwargs.items()
        }

    def _convert(self, name, value):
        try:
            return self._checks[name](value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{self.name}() argument '{name}': {error}") from None


_PLAIN = {str, int, float, bool, type(None), bytes}


def _text(annotation):
    """An annotation as it is written in a signature."""
    if annotation is None or annotation is Parameter.empty:
        return ""
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return repr(annotation).replace("typing.", "")


def _parameters(function):
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return [Parameter("args", kind="var_positional"), Parameter("kwargs", kind="var_keyword")], {}
    try:
        import typing

        target = function if not isinstance(function, type) and hasattr(function, "__annotations__") else None
        if target is None:
            target = getattr(type(function), "__call__", function)
        hints = typing.get_type_hints(target)
    except Exception:  # annotations that cannot be evaluated here say nothing
        hints = {}
    parameters, checks = [], {}
    for parameter in signature.parameters.values():
        annotation = hints.get(parameter.name)
        default = Parameter.empty if parameter.default is parameter.empty else parameter.default
        kind = parameter.kind.name.lower()
        parameters.append(Parameter(parameter.name, annotation, default, kind))
        check = None if annotation is None else _check_of(annotation)
        if check is not None:
            checks[parameter.name] = _or_default(check, default)
    return parameters, checks


def _or_default(check, default):
    return lambda value: value if default is not Parameter.empty and value is default else check(value)


def _check_of(annotation):
    """A function from what the guest passed to what the annotation wants, or None when there is nothing to do."""
    import typing

    if annotation in (typing.Any, object) or annotation in (list, dict, str, int, bool):
        return None  # any, or checked in the guest
    if annotation is float:
        return lambda value: float(value) if type(value) is int else value
    if annotation is None or annotation is type(None):
        return lambda value: _want(value is None, "None", value)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        shown = ", ".join(map(repr, args))
        return lambda value: _want(any(value == a and type(value) is type(a) for a in args), f"one of {shown}", value)
    if origin is typing.Annotated:
        return _check_of(args[0])
    if origin is typing.Union or (origin is not None and origin.__name__ == "UnionType"):
        return _union(args)
    if origin in (list, set, frozenset, tuple) or annotation in (set, frozenset, tuple):
        return _sequence(origin or annotation, args)
    if origin is dict:
        key, item = (_full(a) for a in args)
        return lambda value: {key(k): item(v) for k, v in _want(type(value) is dict, "a dict", value).items()}
    if isinstance(annotation, type):
        if hasattr(annotation, "model_validate"):  # pydantic
            return annotation.model_validate
        if typing.is_typeddict(annotation):
            return _typed_dict(annotation)
        if hasattr(annotation, "__dataclass_fields__"):
            return _dataclass(annotation)
        enum = sys.modules.get("enum")
        if enum is not None and isinstance(annotation, enum.EnumMeta):
            return _enum(annotation)
        if annotation in (bytes, complex):
            return lambda value: _want(type(value) is annotation, annotation.__name__, value)
    return None


def _full(annotation):
    """As `_check_of`, for values that the guest has not checked: the items of containers."""
    if annotation in (str, int, bool, list, dict):
        return lambda value: _want(type(value) is annotation, annotation.__name__, value)
    if annotation is float:
        return lambda value: float(_want(type(value) in (int, float), "float", value))
    return _check_of(annotation) or (lambda value: value)


def _want(fits, wanted, value):
    if not fits:
        raise TypeError(f"must be {wanted}, not {type(value).__name__} {value!r:.60}")
    return value


def _union(args):
    checks = [_full(a) for a in args]

    def check(value):
        for one in checks:
            try:
                return one(value)
            except (TypeError, ValueError):
                pass
        raise TypeError(f"must be {' or '.join(map(_text, args))}, not {type(value).__name__} {value!r:.60}")

    return check


def _sequence(kind, args):
    if kind is tuple and args and args[-1] is not Ellipsis:
        checks = [_full(a) for a in args]

        def check(value):
            _want(type(value) in (list, tuple) and len(value) == len(checks), f"a tuple of {len(checks)}", value)
            return tuple(one(item) for one, item in zip(checks, value))

        return check
    item = _full(args[0]) if args else lambda value: value
    accepted = (list, tuple) if kind in (list, tuple) else (set, frozenset, list, tuple)
    return lambda value: kind([item(v) for v in _want(type(value) in accepted, f"a {kind.__name__}", value)])


def _enum(annotation):
    shown = ", ".join(repr(member.value) for member in annotation)

    def check(value):
        found = [m for m in annotation if to_plain(m) == value and type(to_plain(m)) is type(value)]
        _want(found, f"one of {shown}", value)
        return found[0]

    return check


def _typed_dict(annotation):
    import typing

    fields = {name: _full(kind) for name, kind in typing.get_type_hints(annotation).items()}

    def check(value):
        _want(type(value) is dict, annotation.__name__, value)
        missing = sorted(annotation.__required_keys__ - value.keys())
        extra = sorted(value.keys() - fields.keys())
        if missing or extra:
            what = f"lacks {missing}" if missing else f"has no key {extra}"
            raise TypeError(f"{annotation.__name__} {what}")
        return {name: fields[name](item) for name, item in value.items()}

    return check


def _dataclass(annotation):
    import typing

    fields = {name: _full(kind) for name, kind in typing.get_type_hints(annotation).items()}

    def check(value):
        _want(type(value) is dict, f"{annotation.__name__} as a dict", value)
        return annotation(**{name: fields.get(name, lambda v: v)(item) for name, item in value.items()})

    return check


def to_plain(value):
    """*value* as data that crosses. Dataclasses, named tuples and pydantic models become dicts (tuples)."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        if _PLAIN.issuperset(map(type, value)) and _PLAIN.issuperset(map(type, value.values())):
            return value
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    if kind in (list, tuple, set, frozenset):
        if _PLAIN.issuperset(map(type, value)):
            return value
        return kind([to_plain(item) for item in value])
    if kind in (bytearray, complex):
        return value
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return {name: to_plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if hasattr(kind, "model_dump"):
        return to_plain(value.model_dump())
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        return to_plain(value.value)
    for base in (str, bool, int, float, bytes, dict, list, tuple, set, frozenset):
        if isinstance(value, base):
            return to_plain(base(value))
    raise TypeError(f"{kind.__name__} cannot cross to the sandbox")


def as_tools(tools):
    """Tools from callables, `Tool`s or a mapping of names to either."""
    if hasattr(tools, "items"):
        tools = [Tool(function, name=name) if not isinstance(function, Tool) else function for name, function in tools.items()]
    made = [tool if isinstance(tool, Tool) else Tool(tool) for tool in tools]
    names = [tool.name for tool in made]
    for name in names:
        if names.count(name) > 1:
            raise SandboxError(f"two tools are called {name!r}")
    return made
