"""Values laid out over several lines, for people.

The text is a repr in everything but its line breaks: what fits on one line is the repr itself, and of values that are
not containers of the standard library only the repr is known. Work is bounded by the lines that are asked for, not by
the size of the value, but for objects with a repr of their own. In the sandbox this file is `_keelback_pretty`.
"""

import collections
import types

__all__ = ["pretty", "shown"]

_LINES_MAX = 100  # a choice, more than two screens
_CHARACTERS_MAX = 20_000  # for wide windows: a choice as well, ten pages of text
_INDENT = 4
_DEPTH_MAX = 60  # deeper than this lines have no room left anyway
_CUT_MIN = 40  # a string is not cut to less
_NUMBERS = {int, float, complex, bool, type(None)}
_STRINGS = {str: "characters", bytes: "bytes", bytearray: "bytes"}


class _Full(Exception):
    """The lines asked for are used up."""


class _TooLong(Exception):
    """More than fits on the line."""


def shown(value, width=80, max_lines=_LINES_MAX):
    """`(text, pretty, truncated)`: what a prompt shows.

    *text* is the repr where that is what is shown, and *pretty* then None; else *pretty* is what `pretty` says, and *text*
    is empty: the repr has not been made.
    """
    text, truncated = pretty(value, width, max_lines)
    if truncated or ("\n" in text and _shape(value) is not None):
        return "", text, truncated
    return text, None, False


def pretty(value, width=80, max_lines=_LINES_MAX):
    """`(text, truncated)`: the repr of *value*, over several lines when it is wider than *width*.

    *max_lines* counts lines of *width* columns, and with it go 20,000 characters at most; None is without limit. Strings
    in containers are cut in the middle only when there are not lines enough for them. Raises what the repr of the value
    or of something in it raises.
    """
    if _shape(value) is None:
        return _bounded(value, width, max_lines)
    layout = _Layout(width, max_lines, None)
    try:
        return layout.text(value), False
    except _Full:
        pass
    except RecursionError:
        return _bounded(value, width, max_lines)
    # Once more, with long strings cut: then more of the rest is seen.
    layout = _Layout(width, max_lines, max(_CUT_MIN, width))
    try:
        text, full = layout.text(value), False
    except _Full:
        text, full = layout.so_far(), True
    if full:
        text += f"\n... shortened: {_count(value)}"
    elif layout.cut:
        text += "\n... shortened: long strings"
    return text, True


def _count(value):
    try:
        size = _SIZES[_shape(value)](value)
    except Exception:
        return "more lines"
    return f"{size:,} item{'' if size == 1 else 's'} in all"


# -- reprs that cannot be laid out -----------------------------------------------------------------------------------


def _repr(value):
    text = repr(value)
    return text if type(text) is str else str.__str__(text)


def _bounded(value, width, max_lines):
    """`(text, truncated)`: the repr, without its middle where it is over the limits."""
    if max_lines is None:
        return _repr(value), False
    width, max_lines = max(width, 20), max(max_lines, 3)
    most = min(width * max_lines, _CHARACTERS_MAX)
    unit = _STRINGS.get(type(value))
    if unit is None or len(value) <= most:
        text = _repr(value)
        if len(text) <= most and _rows(text, width) <= max_lines:
            return text, False
        if unit is None:
            return _without_middle(text, width, max_lines, most), True
    room = min((max_lines - 1) // 2 * width, most // 2)
    first, last = _first(value, room), _last(value, room)
    left_out = len(value) - len(first) - len(last)
    return f"{first!r}\n... {left_out:,} {unit} ...\n{last!r}", True


def _rows(text, width):
    return sum(max(1, -(-len(line) // width)) for line in text.split("\n"))


def _first(value, room):
    """As much of the beginning of a string as has a repr of *room* characters."""
    part = value[:room]
    while len(part) > 1 and (size := len(repr(part))) > room:
        part = part[: min(len(part) - 1, len(part) * room // size)]
    return part


def _last(value, room):
    part = value[-room:]
    while len(part) > 1 and (size := len(repr(part))) > room:
        part = part[-max(1, min(len(part) - 1, len(part) * room // size)) :]
    return part


def _without_middle(text, width, max_lines, most):
    """*text* with a line in the place of its middle, which is as many lines as have to go, or a part of one."""
    lines, room = (max_lines - 1) // 2, most // 2
    first = _lines_within(text[: room + 1].split("\n"), width, lines, room)
    last = _lines_within([line[::-1] for line in reversed(text[-room - 1 :].split("\n"))], width, lines, room)
    last = [line[::-1] for line in reversed(last)]
    first, last = "\n".join(first), "\n".join(last)
    between = text[len(first) : len(text) - len(last)]
    whole_lines = between[0] == between[-1] == "\n" and len(between) > 1
    what = f"{between.count(chr(10)) - 1:,} lines" if whole_lines else f"{len(between):,} characters"
    return f"{first}\n... {what} ...\n{last}"


def _lines_within(lines, width, rows, room):
    """The first of *lines* that fit in so many rows and characters, and the beginning of the next if it is very long."""
    kept = []
    for line in lines:
        took = max(1, -(-len(line) // width))
        if took > rows or len(line) > room:
            if not kept or took > 10:
                kept.append(line[: min(rows * width, room)])
            break
        kept.append(line)
        rows -= took
        room -= len(line) + 1
        if rows <= 0 or room <= 0:
            break
    return kept


class _Layout:
    def __init__(self, width, max_lines, longest):
        self.width = max(width, 20)
        self.max_lines = max_lines
        self.longest = longest  # strings beyond this are cut
        self.cut = False
        self.rows = 0
        self.characters = 0
        self.lines = []
        self.line = ""
        self.open = {}  # ids of the containers around

    def text(self, value):
        self.value(value, 0, 0)
        self.lines.append(self.line)
        return "\n".join(self.lines)

    def so_far(self):
        return "\n".join(self.lines)

    def end_line(self, indent):
        line = self.line
        self.rows += max(1, -(-len(line) // self.width))
        self.characters += len(line) + 1
        if self.max_lines is not None and (self.rows >= self.max_lines or self.characters > _CHARACTERS_MAX):
            # The line that would be over the limit gives way to the note.
            raise _Full
        self.lines.append(line)
        self.line = " " * indent

    def value(self, value, indent, after):
        """Write *value* at the end of the line; *after* columns follow it."""
        shape = _shape(value)
        room = self.width - len(self.line) - after
        try:
            self.line += self.one_line(value, shape, [room])
            return
        except _TooLong:
            pass
        if id(value) in self.open or len(self.open) > _DEPTH_MAX:
            # A cycle is written by repr; what is nested as deeply as this has no room to be laid out.
            self.line += self.bounded(value)
        elif shape is None:
            self.line += self.leaf(value)
        else:
            self.open[id(value)] = True
            try:
                shape(self, value, indent)
            finally:
                del self.open[id(value)]

    def bounded(self, value):
        if id(value) in self.open:
            return _around(value)
        text = _repr(value)
        self.check(len(text))
        return text

    def leaf(self, value):
        kind = type(value)
        if kind in _STRINGS:
            size = len(value)
            if self.longest is not None and size > self.longest:
                self.cut = True
                half = self.longest // 2
                middle = f"... {size - 2 * half:,} {_STRINGS[kind]} ..."
                first, last = repr(value[:half]), repr(value[-half:])
                return f"{first} {middle} {last}"
            self.check(size)
        text = _repr(value)
        if self.longest is not None and self.is_over(len(text), 0, 0):
            # Nothing else would be seen of what is around it.
            self.cut = True
            half = self.longest // 2
            return f"{text[:half]} ... {len(text) - 2 * half:,} characters ... {text[-half:]}"
        self.check(len(text))
        return text

    def check(self, size):
        """Whether *size* more columns would be over the limit anyway."""
        if self.is_over(size, self.rows, self.characters):
            raise _Full

    def is_over(self, size, rows, characters):
        if self.max_lines is None:
            return False
        return rows + size // self.width > self.max_lines or characters + size > _CHARACTERS_MAX

    def one_line(self, value, shape, room):
        """The repr of *value*, or raises _TooLong as soon as it has more than `room[0]` columns."""
        if shape is None:
            kind = type(value)
            if kind in _STRINGS and len(value) > room[0]:
                raise _TooLong
            text = _repr(value)
            if len(text) > room[0] or "\n" in text:
                raise _TooLong
            room[0] -= len(text)
            return text
        if id(value) in self.open:
            text = _around(value)
            room[0] -= len(text)
            return text
        if len(self.open) > _DEPTH_MAX:
            raise _TooLong
        # An item has a column and a separator of two at least.
        if _SIZES[shape](value) * 3 - 2 > room[0]:
            raise _TooLong
        self.open[id(value)] = True
        try:
            return "".join(_ONE_LINE[shape](self, value, room))
        finally:
            del self.open[id(value)]

    def pieces(self, items, room):
        """The reprs of *items* with separators between, within *room*."""
        first = True
        for item in items:
            if not first:
                room[0] -= 2
                yield ", "
            first = False
            yield self.one_line(item, _shape(item), room)
            if room[0] < 0:
                raise _TooLong

    def pairs(self, pairs, room, key_text):
        first = True
        for key, item in pairs:
            if not first:
                room[0] -= 2
                yield ", "
            first = False
            if key_text is None:
                yield self.one_line(key, _shape(key), room) + ": "
                room[0] -= 2
            else:
                room[0] -= len(key) + len(key_text)
                yield key + key_text
            yield self.one_line(item, _shape(item), room)
            if room[0] < 0:
                raise _TooLong

    # -- over several lines --------------------------------------------------------------------------------------

    def block(self, before, items, after, indent, write):
        """*before*, then each item on a line of its own, then *after*."""
        self.line += before
        inner = indent + _INDENT
        first = True
        for item in items:
            if not first:
                self.line += ","
            first = False
            self.end_line(inner)
            write(item, inner)
        self.end_line(indent)
        self.line += after

    def items(self, before, items, after, indent):
        if items and all(type(item) in _NUMBERS for item in items[:1000]):
            self.filled(before, items, after, indent)
        else:
            self.block(before, items, after, indent, lambda item, inner: self.value(item, inner, 1))

    def filled(self, before, items, after, indent):
        """Numbers, as many on a line as fit: one a line would be a screen for a hundred of them."""
        self.line += before
        inner = indent + _INDENT
        self.end_line(inner)
        empty = True
        for item in items:
            text = repr(item) if type(item) in _NUMBERS else None
            if text is None:
                if not empty:
                    self.line += ","
                    self.end_line(inner)
                self.value(item, inner, 1)
                empty = False
                continue
            if not empty:
                if len(self.line) + len(text) + 3 > self.width:
                    self.line += ","
                    self.end_line(inner)
                else:
                    self.line += ", "
            self.line += text
            empty = False
        self.end_line(indent)
        self.line += after

    def pair(self, pair, inner):
        key, item = pair
        self.value(key, inner, 2)
        self.line += ": "
        self.value(item, inner, 1)

    def field(self, pair, inner):
        name, item = pair
        self.line += f"{name}="
        self.value(item, inner, 1)


def _around(value):
    """How repr writes a container inside itself."""
    if isinstance(value, dict):
        return "{...}"
    if isinstance(value, tuple) and not hasattr(type(value), "_fields"):
        return "(...)"
    if isinstance(value, (list, collections.deque)):
        return "[...]"
    return "..."


def _name(value):
    return type(value).__name__


# -- shapes: how a kind of container is laid out ---------------------------------------------------------------------


def _list(layout, value, indent):
    layout.items("[", value if type(value) is list else list(list.__iter__(value)), "]", indent)


def _tuple(layout, value, indent):
    items = tuple(tuple.__iter__(value))
    layout.items("(", items, ",)" if len(items) == 1 else ")", indent)


def _set(layout, value, indent):
    name = "" if type(value) is set else _name(value)
    layout.items(f"{name}({{" if name else "{", list(value), "})" if name else "}", indent)


def _dict(layout, value, indent):
    layout.block("{", list(dict.items(value)), "}", indent, layout.pair)


def _default_dict(layout, value, indent):
    layout.block(f"{_name(value)}({value.default_factory!r}, {{", list(dict.items(value)), "})", indent, layout.pair)


def _counter(layout, value, indent):
    layout.block(f"{_name(value)}({{", _most_common(value), "})", indent, layout.pair)


def _most_common(value):
    try:
        return sorted(dict.items(value), key=lambda pair: pair[1], reverse=True)
    except TypeError:
        return list(dict.items(value))


def _ordered_dict(layout, value, indent):
    if _ORDERED_AS_PAIRS:
        layout.items(f"{_name(value)}([", list(dict.items(value)), "])", indent)
    else:
        layout.block(f"{_name(value)}({{", list(dict.items(value)), "})", indent, layout.pair)


def _deque(layout, value, indent):
    after = "])" if value.maxlen is None else f"], maxlen={value.maxlen})"
    layout.items(f"{_name(value)}([", list(value), after, indent)


def _fields(value):
    return list(zip(type(value)._fields, tuple.__iter__(value)))


def _named_tuple(layout, value, indent):
    layout.block(f"{_name(value)}(", _fields(value), ")", indent, layout.field)


def _data_fields(value):
    fields = []
    for field in type(value).__dataclass_fields__.values():
        if field.repr and field._field_type.name == "_FIELD":
            fields.append((field.name, getattr(value, field.name)))
    return fields


def _dataclass(layout, value, indent):
    layout.block(f"{type(value).__qualname__}(", _data_fields(value), ")", indent, layout.field)


def _namespace(layout, value, indent):
    name = "namespace" if type(value) is types.SimpleNamespace else _name(value)
    layout.block(f"{name}(", list(vars(value).items()), ")", indent, layout.field)


_ORDERED_AS_PAIRS = repr(collections.OrderedDict(a=1)) == "OrderedDict([('a', 1)])"
_SHAPES = {
    list.__repr__: _list,
    tuple.__repr__: _tuple,
    set.__repr__: _set,
    frozenset.__repr__: _set,
    dict.__repr__: _dict,
    collections.defaultdict.__repr__: _default_dict,
    collections.Counter.__repr__: _counter,
    collections.OrderedDict.__repr__: _ordered_dict,
    collections.deque.__repr__: _deque,
    types.SimpleNamespace.__repr__: _namespace,
}
_NAMED_TUPLE_FILE = collections.namedtuple.__code__.co_filename


def _shape(value):
    """How *value* is laid out, or None when only its repr is known. What decides is the repr its type has."""
    kind = type(value)
    method = kind.__repr__
    shape = _SHAPES.get(method) if getattr(method, "__hash__", None) is not None else None
    if shape is not None:
        if (shape is _dict or shape is _list or shape is _tuple) or _plain(shape, value):
            return shape
        return None
    if type(method) is not types.FunctionType:
        return None
    if issubclass(kind, tuple):
        if method.__code__.co_filename == _NAMED_TUPLE_FILE and method.__name__ == "__repr__" and hasattr(kind, "_fields"):
            return _named_tuple
        return None
    wrapped = getattr(method, "__wrapped__", None)
    if wrapped is not None and "__dataclass_fields__" in kind.__dict__ and kind.__dataclass_params__.repr:
        if "__create_fn__" in getattr(wrapped, "__qualname__", ""):
            return _dataclass
    return None


def _plain(shape, value):
    """Whether the shape is for *value*: the repr of an empty one has another form."""
    if shape is _namespace:
        return bool(vars(value))
    return len(value) > 0


# How many items there are: bounds the work before any is looked at.
_SIZES = {
    _list: list.__len__, _tuple: tuple.__len__, _set: len, _dict: dict.__len__, _default_dict: dict.__len__,
    _counter: dict.__len__, _ordered_dict: dict.__len__, _deque: len, _named_tuple: tuple.__len__,
    _dataclass: lambda value: len(type(value).__dataclass_fields__), _namespace: lambda value: len(vars(value)),
}  # fmt: skip


def _enclosed(before, after, pieces):
    def write(layout, value, room):
        first, last = before(value), after(value)
        room[0] -= len(first) + len(last)
        yield first
        yield from pieces(layout, value, room)
        if room[0] < 0:
            raise _TooLong
        yield last

    return write


def _paired(before, after, items=lambda value: list(dict.items(value)), between=None):
    return _enclosed(before, after, lambda layout, value, room: layout.pairs(items(value), room, between))


def _named(text):
    return lambda value: f"{_name(value)}{text}"


_ONE_LINE = {
    # Of the base class, as its repr has them: a subclass may have other ideas of its items.
    _list: _enclosed(
        lambda value: "[", lambda value: "]", lambda layout, value, room: layout.pieces(list.__iter__(value), room)
    ),
    _tuple: _enclosed(
        lambda value: "(",
        lambda value: ",)" if tuple.__len__(value) == 1 else ")",
        lambda layout, value, room: layout.pieces(tuple.__iter__(value), room),
    ),
    _set: _enclosed(
        lambda value: "{" if type(value) is set else f"{_name(value)}({{",
        lambda value: "}" if type(value) is set else "})",
        lambda layout, value, room: layout.pieces(value, room),
    ),
    _dict: _paired(lambda value: "{", lambda value: "}"),
    _default_dict: _paired(lambda value: f"{_name(value)}({value.default_factory!r}, {{", lambda value: "})"),
    _counter: _paired(_named("({"), lambda value: "})", _most_common),
    _ordered_dict: _enclosed(
        _named("(["), lambda value: "])", lambda layout, value, room: layout.pieces(list(dict.items(value)), room)
    )
    if _ORDERED_AS_PAIRS
    else _paired(_named("({"), lambda value: "})"),
    _deque: _enclosed(
        _named("(["),
        lambda value: "])" if value.maxlen is None else f"], maxlen={value.maxlen})",
        lambda layout, value, room: layout.pieces(value, room),
    ),
    _named_tuple: _paired(_named("("), lambda value: ")", _fields, "="),
    _dataclass: _paired(lambda value: f"{type(value).__qualname__}(", lambda value: ")", _data_fields, "="),
    _namespace: _paired(
        lambda value: "namespace(" if type(value) is types.SimpleNamespace else f"{_name(value)}(",
        lambda value: ")",
        lambda value: list(vars(value).items()),
        "=",
    ),
}
