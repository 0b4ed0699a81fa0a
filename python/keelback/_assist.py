"""What a prompt can say about code that is being typed: completions, signatures, documentation, source.

No code of the user's runs for it. Names are looked up in dicts and in the static structure of classes; properties,
`__getattr__`, `__dir__` and functions are never called, and modules are read instead of imported. Nothing raised inside
leaves these functions, and none works much longer than until its *deadline*, a time of `time.monotonic`.

Offsets count code points. In the sandbox this file is `_keelback_assist`.
"""

import ast
import builtins
import functools
import importlib.machinery
import inspect
import keyword
import os
import re
import stat
import sys
import types
import warnings
from time import monotonic

__all__ = ["complete", "defined", "describe", "detail", "lookup", "signature", "source_of"]

_SECONDS = 0.05  # a choice: a completion that takes longer is felt
_MATCHES_MAX = 2000
_CHUNK = 4096  # names looked at between two looks at the clock
_UNKNOWN = object()


class _Instance:
    """Stands for some instance of a class, of which only the class is known."""

    def __init__(self, kind):
        self.kind = kind


def _silent(default):
    """Makes a function answer *default* (or what that returns) where something in it raises or warns."""

    def wrap(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return function(*args, **kwargs)
            except Exception:
                return default(*args, **kwargs) if callable(default) else default

        return call

    return wrap


# -- tokens ----------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"(?P<blank>[ \t\f]+|\\\r?\n)"
    r"|(?P<comment>\#[^\n]*)"
    r"|(?P<newline>\r?\n)"
    r"|(?P<string>(?:[rR][bBfFtT]?|[bBfFtT][rR]?|[uU])?(?:'''|\"\"\"|'|\"))"
    r"|(?P<number>(?:\d|\.\d)(?:[eE][+-](?=\d)|\w|\.(?!\.))*)"
    r"|(?P<name>\w+)"
    r"|(?P<op>\.\.\.|:=|->|\*\*=?|//=?|>>=?|<<=?|[-+*/%&|^@=<>!]=?|.)",
    re.DOTALL,
)
_BODY = {
    "'": re.compile(r"(?:[^'\\\n]|\\.)*", re.DOTALL),
    '"': re.compile(r'(?:[^"\\\n]|\\.)*', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\]|\\.|'(?!''))*", re.DOTALL),
    '"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*', re.DOTALL),
}
_FIELD_BODY = {
    "'": re.compile(r"(?:[^'\\\n{}]|\\.|\{\{|\}\})*", re.DOTALL),
    '"': re.compile(r'(?:[^"\\\n{}]|\\.|\{\{|\}\})*', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\{}]|\\.|'(?!'')|\{\{|\}\})*", re.DOTALL),
    '"""': re.compile(r'(?:[^"\\{}]|\\.|"(?!"")|\{\{|\}\})*', re.DOTALL),
}
_SPEC = re.compile(r"[^{}\n]*")
_TAIL = 32_768  # of longer cells the statements around the cursor are looked at
_PAIRS = {")": "(", "]": "[", "}": "{"}


class _Token:
    __slots__ = ("kind", "text", "start", "end")

    def __init__(self, kind, text, start, end):
        self.kind = kind
        self.text = text
        self.start = start
        self.end = end


def _tokens(source, end):
    """The tokens of `source[:end]`, blanks and comments left out; unfinished code is the usual case.

    Returns `(tokens, open)`: *open* is None in code, "comment" in a comment, and in a string its token, which is then
    the last one. What stands between the braces of an f-string is code, its braces are brackets.
    """
    position = 0
    if end > _TAIL:
        position = max(0, max(source.rfind(f"\n{first}", end - _TAIL, end) for first in "@cdfitw") + 1)
    tokens = []
    # Around the cursor: "(" "[" "{" and for a field of an f-string (quote, token of the string, state).
    stack = []
    mode = None  # (quote, is_format_spec) while in the text of an f-string
    while position < end:
        if mode is not None:
            quote, spec, string = mode
            match = (_SPEC if spec else _FIELD_BODY[quote]).match(source, position, end)
            position = match.end()
            if position >= end:
                string.end = end
                return tokens, string
            character = source[position]
            if character == "{":
                stack.append(mode)
                tokens.append(_Token("op", "{", position, position + 1))
                position += 1
                mode = None
            elif character == "}" and spec:
                tokens.append(_Token("op", "}", position, position + 1))
                position += 1
                mode = stack.pop()
            elif character == "}" or (character == "\n" and spec):
                position += 1
            else:  # the closing quote, or the end of a line that should have had it
                position += len(quote) if character != "\n" else 0
                string.end = position
                mode = None
            continue
        match = _TOKEN.match(source, position, end)
        kind, text, start = match.lastgroup, match.group(), position
        position = match.end()
        if kind == "blank":
            continue
        if kind == "comment":
            if position == end:
                return tokens, "comment"
            continue
        token = _Token(kind, text, start, position)
        if kind == "string":
            prefix = text.rstrip("'\"").lower()
            quote = text[len(prefix) :]
            tokens.append(token)
            if "f" in prefix or "t" in prefix:
                mode = (quote, False, token)
                continue
            position = _BODY[quote].match(source, position, end).end()
            token.end = position = min(position, end)
            if not source.startswith(quote, position) or position + len(quote) > end:
                if position >= end:
                    return tokens, token
                continue  # not closed on its line
            token.end = position = position + len(quote)
            token.text = source[start:position]
            continue
        if kind == "newline" and stack:
            continue
        if kind == "op":
            if text in "([{":
                stack.append(text)
            elif stack and isinstance(stack[-1], tuple) and text in ("}", ":", "!"):
                if text == "}":
                    tokens.append(token)
                    mode = stack.pop()
                else:
                    mode = (stack[-1][0], True, stack[-1][2])
                continue
            elif text in _PAIRS and stack and stack[-1] == _PAIRS[text]:
                stack.pop()
        tokens.append(token)
    return (tokens, mode[2]) if mode is not None else (tokens, None)


def _expression_start(tokens, last):
    """The index of the first token of the primary that ends with token *last*, or None."""
    index = last
    while index >= 0:
        token = tokens[index]
        if token.kind == "op" and token.text in ")]":
            index = _opening(tokens, index)
            if index is None:
                return None
            before = tokens[index - 1] if index > 0 else None
            if before is not None and _is_operand(before):
                index -= 1
                continue
            return index
        if token.kind not in ("name", "string") and not (token.kind == "op" and token.text == "}"):
            return None
        if token.kind == "op":
            begin = _opening(tokens, index)
            # A field of an f-string: its braces lie within the string's token.
            string = begin
            while string is not None and string >= 0:
                if tokens[string].kind == "string" and tokens[string].end > token.start:
                    return string
                string -= 1
            return begin
        if index > 1 and tokens[index - 1].kind == "op" and tokens[index - 1].text == ".":
            index -= 2
            continue
        return index
    return None


def _is_operand(token):
    if token.kind == "name":
        return token.text not in _NO_OPERANDS
    return token.kind == "string" or (token.kind == "op" and token.text in ")]}")


_NO_OPERANDS = set(keyword.kwlist) - {"None", "True", "False"}


def _opening(tokens, index):
    """The index of the bracket that the one at *index* closes."""
    depth = 0
    for at in range(index, -1, -1):
        token = tokens[at]
        if token.kind != "op":
            continue
        if token.text in ")]}":
            depth += 1
        elif token.text in "([{":
            depth -= 1
            if depth == 0:
                return at
    return None


def _enclosing(tokens):
    """The index of the innermost bracket that is open at the end, or None."""
    depth = 0
    for at in range(len(tokens) - 1, -1, -1):
        token = tokens[at]
        if token.kind == "op":
            if token.text in ")]}":
                depth += 1
            elif token.text in "([{":
                if depth == 0:
                    return at
                depth -= 1
        elif token.kind == "newline" and depth == 0:
            return None
    return None


def _statement(tokens):
    """The tokens of the simple statement that the last token is in."""
    depth = 0
    for at in range(len(tokens) - 1, -1, -1):
        token = tokens[at]
        if token.kind == "newline" and depth <= 0:
            return tokens[at + 1 :]
        if token.kind == "op":
            if token.text in ")]}":
                depth += 1
            elif token.text in "([{":
                depth -= 1
            elif depth == 0 and token.text in ";:":
                return tokens[at + 1 :]
    return tokens


# -- looking at objects ----------------------------------------------------------------------------------------------

_mro_of = type.__dict__["__mro__"].__get__
_dict_of_class = type.__dict__["__dict__"].__get__
_module_dict = types.ModuleType.__dict__["__dict__"].__get__
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType,
              types.WrapperDescriptorType, types.MethodWrapperType, types.ClassMethodDescriptorType)  # fmt: skip
_METHODS = _FUNCTIONS[2:]


def _one_of(kind, kinds):
    """Whether a class is one of *kinds*: a metaclass may have an idea of its own what equal means."""
    for other in kinds:  # noqa: SIM110: this is asked for every match, and `any` takes three times as long
        if kind is other:
            return True
    return False


def _is(value, kind):
    """isinstance that asks nobody: `__class__` may be a property."""
    return issubclass(type(value), kind)


def _class_entry(mro, name):
    for entry in mro:
        found = _dict_of_class(entry).get(name, _UNKNOWN)
        if found is not _UNKNOWN:
            return found
    return _UNKNOWN


def _instance_dict(value):
    """The dict of an instance, or None; a class may have put something else in its place."""
    if _is(value, types.ModuleType):
        return _module_dict(value)
    if _is(value, type):
        return None
    for entry in _mro_of(type(value)):
        found = _dict_of_class(entry).get("__dict__", _UNKNOWN)
        if found is not _UNKNOWN:
            if not _one_of(type(found), (types.GetSetDescriptorType, types.MemberDescriptorType)):
                return None
            instance = found.__get__(value)
            return instance if _is(instance, dict) else None
    return None


def _unwrap(found, instance, owner):
    """What a class entry is when it is reached through *instance* (or a class, when that is _UNKNOWN)."""
    kind = type(found)
    if kind is staticmethod:
        return found.__func__
    if kind is classmethod:
        return types.MethodType(found.__func__, owner) if callable(found.__func__) else _UNKNOWN
    if instance is _UNKNOWN:
        return found
    if kind is types.FunctionType:
        return types.MethodType(found, instance)
    if kind is types.MemberDescriptorType and type(instance) is not _Instance:
        return found.__get__(instance)  # a slot
    if _one_of(kind, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        if type(instance) is _Instance:
            return types.MethodType(found, instance)
        return found.__get__(instance)
    if _one_of(kind, (types.BuiltinFunctionType, types.ClassMethodDescriptorType)) or _is(found, type):
        return found
    if _class_entry(_mro_of(kind), "__get__") is not _UNKNOWN:
        return _UNKNOWN  # a property, or something like it
    return found


def _attribute(value, name):
    """The attribute, as far as it can be known without running code; else _UNKNOWN."""
    return _attributes(value)(name)


def _attributes(value):
    """A function from a name to the attribute, for when a thousand are asked for."""
    if type(value) is _Instance:
        return _entries_of(value.kind, value)
    if _is(value, type):
        own, of_kind = _entries_of(value, _UNKNOWN), _entries_of(type(value), value)

        def in_class(name):
            found = own(name)
            return of_kind(name) if found is _UNKNOWN else found

        return in_class
    entries = _instance_dict(value)
    in_kind = _entries_of(type(value), value)
    if entries is None:
        return in_kind
    dicts = [_dict_of_class(entry) for entry in _mro_of(type(value))]
    sets = _known_by_class("__set__")

    def in_instance(name):
        found = dict.get(entries, name, _UNKNOWN)
        if found is _UNKNOWN:
            return in_kind(name)
        for entry in dicts:
            descriptor = entry.get(name, _UNKNOWN)
            if descriptor is not _UNKNOWN:
                return in_kind(name) if sets(type(descriptor)) else found
        return found

    return in_instance


def _entries_of(owner, instance):
    """A function from a name to what the class *owner* has for it, as `_unwrap` gives it; _UNKNOWN if there is nothing."""
    dicts = [_dict_of_class(entry) for entry in _mro_of(owner)]
    gets = _known_by_class("__get__")

    def entry_of(name):
        for entries in dicts:
            found = entries.get(name, _UNKNOWN)
            if found is not _UNKNOWN:
                return _unwrap(found, instance, owner) if gets(type(found)) else found
        return _UNKNOWN

    return entry_of


def _known_by_class(name):
    """A function from a class to whether it has an attribute *name*, which looks once for each."""
    known = {}  # by id: a metaclass may have an idea of its own what equal means

    def has(kind):
        told = known.get(id(kind))
        if told is None:
            told = known[id(kind)] = _class_entry(_mro_of(kind), name) is not _UNKNOWN
        return told

    return has


def _attribute_names(value):
    """The dicts whose keys are the names of attributes."""
    if type(value) is _Instance:
        return [_dict_of_class(entry) for entry in _mro_of(value.kind)]
    if _is(value, type):
        dicts = [_dict_of_class(entry) for entry in _mro_of(value)]
        members = dicts[0].get("_member_map_")
        return [*dicts, members] if type(members) is dict else dicts
    entries = _instance_dict(value)
    dicts = [_dict_of_class(entry) for entry in _mro_of(type(value))]
    return dicts if entries is None else [entries] if _is(value, types.ModuleType) else [entries, *dicts]


def _name(namespace, name):
    found = dict.get(namespace, name, _UNKNOWN)
    return _module_dict(builtins).get(name, _UNKNOWN) if found is _UNKNOWN else found


_SUBSCRIPTED = (list, tuple, str, bytes)


def _subscript(value, key):
    kind = type(value)
    collections = sys.modules.get("collections")
    if kind is dict or (collections is not None and _one_of(kind, (collections.OrderedDict, collections.defaultdict))):
        return dict.get(value, key, _UNKNOWN)
    if _one_of(kind, _SUBSCRIPTED) and type(key) is int and -len(value) <= key < len(value):
        return value[key]
    return _UNKNOWN


def _evaluate(namespace, node):
    """The value of a parsed expression of names, attributes and constant subscripts, or _UNKNOWN."""
    if isinstance(node, ast.Name):
        return _name(namespace, node.id)
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Attribute):
        value = _evaluate(namespace, node.value)
        return value if value is _UNKNOWN else _attribute(value, node.attr)
    if isinstance(node, ast.Subscript):
        value = _evaluate(namespace, node.value)
        key = node.slice
        sign = 1
        if isinstance(key, ast.UnaryOp) and isinstance(key.op, ast.USub):
            key, sign = key.operand, -1
        if value is _UNKNOWN or not isinstance(key, ast.Constant):
            return _UNKNOWN
        return _subscript(value, -key.value if sign < 0 and type(key.value) is int else key.value)
    if isinstance(node, ast.Call):
        # An instance of a class, where making one is nobody's own idea.
        kind = _evaluate(namespace, node.func)
        if kind is not _UNKNOWN and type(kind) is not _Instance and _is(kind, type):
            if _class_entry(_mro_of(type(kind)), "__call__") is type.__dict__["__call__"] and kind is not type:
                return _Instance(kind)
        return _UNKNOWN
    for display, kind in _DISPLAYS:
        if isinstance(node, display):
            return _Instance(kind)
    return _UNKNOWN


_DISPLAYS = ((ast.JoinedStr, str), ((ast.List, ast.ListComp), list), ((ast.Dict, ast.DictComp), dict),
             ((ast.Set, ast.SetComp), set), (ast.Tuple, tuple), (ast.GeneratorExp, types.GeneratorType))  # fmt: skip


def lookup(namespace, expression):
    """`(True, value)` of an expression that can be evaluated without running code, else `(False, None)`."""
    try:
        node = ast.parse(expression.strip(), mode="eval").body
        value = _evaluate(namespace, node)
    except Exception:
        return False, None
    return (False, None) if value is _UNKNOWN or type(value) is _Instance else (True, value)


def _value_of(namespace, source, tokens, last):
    """The value of the primary that ends with token *last*."""
    start = _expression_start(tokens, last)
    if start is None:
        return _UNKNOWN
    text = source[tokens[start].start : max(tokens[start].end, tokens[last].end)]
    if len(text) > 10_000:
        return _UNKNOWN
    try:
        return _evaluate(namespace, ast.parse(f"({text}\n)", mode="eval").body)
    except (SyntaxError, ValueError):
        return _UNKNOWN


# -- signatures ------------------------------------------------------------------------------------------------------

# A parameter is (name, kind, text); kinds as in `inspect`.
_POSITIONAL_ONLY, _POSITIONAL, _VAR_POSITIONAL, _KEYWORD_ONLY, _VAR_KEYWORD = range(5)
_PLAIN = {int, float, complex, bool, str, bytes, type(None), type(Ellipsis)}
_DATA = {id(kind) for kind in (*_PLAIN, dict, list)}


def _brief(value):
    """The text of a default value, where making it runs no code of others."""
    kind = type(value)
    if _one_of(kind, _PLAIN):
        text = repr(value)
        return text if len(text) <= 40 else "..."
    if _one_of(kind, (tuple, list, dict, set, frozenset)) and not value:
        return repr(value)
    if kind is tuple and len(value) < 5 and all(_one_of(type(item), _PLAIN) for item in value):
        return repr(value)
    if _one_of(kind, _FUNCTIONS) or kind is type:
        return value.__name__
    return "..."


def _annotation(value):
    if type(value) is str:
        return value
    if _is(value, type):
        name = _class_name(value)
        return name if type(value) is not types.GenericAlias else repr(value)
    if _dict_of_class(type(value)).get("__module__") in ("typing", "types"):
        return repr(value).replace("typing.", "")
    return ""


def _class_name(kind):
    return type.__dict__["__name__"].__get__(kind)


def _function_parameters(function):
    code = function.__code__
    names = code.co_varnames
    positional, keyword_only = code.co_argcount, code.co_kwonlyargcount
    defaults = function.__defaults__ or ()
    keyword_defaults = function.__kwdefaults__ or {}
    # From 3.14 on annotations are code that runs when they are asked for.
    annotations = function.__annotations__ if sys.version_info < (3, 14) else {}
    parameters = []

    def add(name, kind, default=_UNKNOWN):
        text = {_VAR_POSITIONAL: "*", _VAR_KEYWORD: "**"}.get(kind, "") + name
        annotation = _annotation(annotations[name]) if name in annotations else ""
        if annotation:
            text += f": {annotation}"
        if default is not _UNKNOWN:
            text += f" = {_brief(default)}" if annotation else f"={_brief(default)}"
        parameters.append((name, kind, text))

    first_default = positional - len(defaults)
    for index in range(positional):
        kind = _POSITIONAL_ONLY if index < code.co_posonlyargcount else _POSITIONAL
        add(names[index], kind, defaults[index - first_default] if index >= first_default else _UNKNOWN)
    at = positional + keyword_only
    if code.co_flags & 0x04:
        add(names[at], _VAR_POSITIONAL)
        at += 1
    for index in range(positional, positional + keyword_only):
        add(names[index], _KEYWORD_ONLY, keyword_defaults.get(names[index], _UNKNOWN))
    if code.co_flags & 0x08:
        add(names[at], _VAR_KEYWORD)
    return parameters


def _from_signature(signature):
    return [(name, int(parameter.kind), str(parameter)) for name, parameter in signature.parameters.items()]


def _parameters(value, depth=0):
    """The parameters of a callable, or None where they are not known."""
    kind = type(value)
    if depth > 20:
        return None
    if kind is types.FunctionType:
        entries = value.__dict__
        told = entries.get("__signature__")
        if type(told) is inspect.Signature:
            return _from_signature(told)
        wrapped = entries.get("__wrapped__", _UNKNOWN)
        if wrapped is not _UNKNOWN and wrapped is not value:
            return _parameters(wrapped, depth + 1)
        return _function_parameters(value)
    if kind is types.MethodType:
        found = _parameters(value.__func__, depth + 1)
        return found[1:] if found and found[0][1] <= _POSITIONAL else found
    if kind is functools.partial:
        return _partial_parameters(value, depth)
    if _one_of(kind, _FUNCTIONS):
        found = _from_signature(inspect.signature(value))
        return found[1:] if kind is types.ClassMethodDescriptorType else found
    if type(value) is not _Instance and _is(value, type):
        return _class_parameters(value, depth)
    if kind is functools._lru_cache_wrapper:
        wrapped = value.__dict__.get("__wrapped__", _UNKNOWN)
        return None if wrapped is _UNKNOWN else _parameters(wrapped, depth + 1)
    call = _class_entry(_mro_of(value.kind if kind is _Instance else kind), "__call__")
    if type(call) is types.FunctionType:
        return _parameters(call, depth + 1)[1:]
    return None


def _partial_parameters(value, depth):
    found = _parameters(value.func, depth + 1)
    if found is None:
        return None
    rest = []
    given = len(value.args)
    by_keyword = False
    for name, kind, text in found:
        if kind <= _POSITIONAL and given:
            given -= 1
            continue
        if name in value.keywords and _one_of(kind, (_POSITIONAL, _KEYWORD_ONLY)):
            text = f"{text.split('=')[0].rstrip()}={_brief(value.keywords[name])}"
            by_keyword = True
        if by_keyword and kind == _POSITIONAL:
            kind = _KEYWORD_ONLY
        if not (by_keyword and kind == _VAR_POSITIONAL):
            rest.append((name, kind, text))
    return rest


def _class_parameters(kind, depth):
    if kind is type:
        return None
    call = _class_entry(_mro_of(type(kind)), "__call__")
    if call is not type.__dict__["__call__"]:
        if type(call) is types.FunctionType:
            return _parameters(call, depth + 1)[1:]
        return None
    for entry in _mro_of(kind):
        if entry is object:
            return []
        entries = _dict_of_class(entry)
        in_c = False
        for name in ("__new__", "__init__"):
            found = entries.get(name, _UNKNOWN)
            if type(found) is staticmethod:
                found = found.__func__
            if type(found) is types.FunctionType:
                # A __new__ that takes anything leaves it to __init__.
                found = _parameters(found, depth + 1)[1:]
                if name == "__new__" and [parameter[1] for parameter in found] == [_VAR_POSITIONAL, _VAR_KEYWORD]:
                    continue
                return found
            in_c |= found is not _UNKNOWN
        if in_c:
            # Told by its text, if at all.
            text = type.__dict__["__text_signature__"].__get__(entry)
            if not text or type(text) is not str:
                return None
            return _from_signature(inspect.signature(entry))
    return []


def _takes_nothing(value):
    """Whether a callable has no parameters at all; False where that is not known."""
    kind = type(value)
    if kind is types.FunctionType:
        code = value.__code__
        return not (code.co_argcount or code.co_kwonlyargcount or code.co_flags & 0x0C) and not value.__dict__
    if kind is types.MethodType and type(value.__func__) is types.FunctionType:
        code = value.__func__.__code__
        return code.co_argcount == 1 and not (code.co_kwonlyargcount or code.co_flags & 0x0C)
    if _one_of(kind, (types.BuiltinFunctionType, types.MethodWrapperType)):
        return value.__text_signature__ in ("()", "($self, /)", "($module, /)")
    if kind is types.MethodType:
        return value.__func__.__text_signature__ == "($self, /)"
    if type(value) is not _Instance and _is(value, type):
        return type(value) is type and _class_parameters(value, 0) == []
    return False


def _is_callable(value):
    kind = type(value)
    if _one_of(kind, _FUNCTIONS):
        return True
    call = _class_entry(_mro_of(value.kind if kind is _Instance else kind), "__call__")
    return call is not _UNKNOWN and call is not None


# -- completions -----------------------------------------------------------------------------------------------------


class _Found:
    """Matches of a prefix, gathered until there are enough or the time is over."""

    def __init__(self, prefix, deadline, call_suffix=True):
        self.prefix = prefix
        self.deadline = deadline
        self.call_suffix = call_suffix
        self.more = False
        self.seen = set()
        self.matches = []

    def names(self, names, prefix=None):
        """Those of *names* that begin with the prefix and have not come up before, sorted; private names last."""
        prefix = self.prefix if prefix is None else prefix
        hidden = "_" if prefix == "" else "__" if prefix == "_" else None
        chosen = []
        for at in range(0, len(names), _CHUNK):
            chunk = names[at : at + _CHUNK] if len(names) > _CHUNK else names
            for name in chunk:
                if type(name) is str and name.startswith(prefix) and not (hidden and name.startswith(hidden)):
                    chosen.append(name)
            # To sort ten times what is shown is worth it, to sort a million names is not.
            if at + _CHUNK < len(names) and (len(chosen) > 10 * _MATCHES_MAX or monotonic() > self.deadline):
                self.more = True
                break
        chosen = sorted(set(chosen).difference(self.seen))
        self.seen.update(chosen)
        return chosen

    def add(self, text, kind, detail=""):
        self.matches.append((text, kind, detail))

    def room(self):
        """Whether there is room and time for another match."""
        if len(self.matches) >= _MATCHES_MAX or (len(self.matches) % 256 == 255 and monotonic() > self.deadline):
            self.more = True
            return False
        return True

    def values(self, names, get):
        """Adds *names* with what their values tell."""
        matches, suffix = self.matches, self.call_suffix
        for name in names:
            if not self.room():
                return
            try:
                matches.append(_told(name, get(name), suffix))
            except Exception:
                matches.append((name, "variable", ""))

    def fallback(self, names):
        """The names that match when case does not count, for when there is no other match."""
        prefix = self.prefix.lower()
        if not prefix or len(names) > 50_000:
            return []
        return sorted(name for name in names if type(name) is str and name.lower().startswith(prefix))


def _told(name, value, call_suffix):
    """`(text, kind, detail)` of a name that stands for *value*."""
    kind = type(value)
    if id(kind) in _DATA:  # most of a thousand names
        return name, "variable", kind.__name__
    if value is _UNKNOWN:
        return name, "property", ""
    if kind is types.ModuleType:
        return name, "module", "module"
    if _one_of(kind, _FUNCTIONS):
        what = "method" if _is_method(value) else "function"
    elif kind is type or (kind is not _Instance and _is(value, type)):
        what = "class"
    elif not _is_callable(value):
        return name, "variable", _class_name(kind)
    else:
        what = "variable"
    if call_suffix:
        name += "()" if _takes_nothing(value) else "("
    return name, what, _class_name(kind) if what == "variable" else what


def _is_method(value):
    kind = type(value)
    if kind is types.BuiltinFunctionType:
        owner = value.__self__
        return owner is not None and not _is(owner, types.ModuleType)
    return _one_of(kind, _METHODS)


_NOT_SPACED = {"True", "False", "None", "break", "continue", "pass", "_"}
_WITH_COLON = {"try", "finally", "else"}
_IN_EXPRESSIONS = {"and", "or", "not", "in", "is", "if", "else", "for", "lambda", "await", "async", "None", "True",
                   "False", "yield", "from", "import", "as"}  # fmt: skip
_KEYWORDS = sorted({*keyword.kwlist, *getattr(keyword, "softkwlist", ())} - {"_"})


@_silent(lambda namespace, source, cursor, *rest, **more: (cursor, cursor, [], False))
def complete(namespace, source, cursor, deadline=None, paths=True):
    """`(start, end, matches, more)`: what could stand in `source[start:end]`, a match being `(text, kind, detail)`.

    Matches begin with what has been typed; where nothing does, case does not count. *more* tells that there are further
    ones. With *paths* false no file names are looked for.
    """
    deadline = monotonic() + _SECONDS if deadline is None else deadline
    cursor = max(0, min(cursor, len(source)))
    tokens, inside = _tokens(source, cursor)
    if inside == "comment":
        return cursor, cursor, [], False
    if inside is not None:
        return _in_string(namespace, source, cursor, tokens, inside, deadline, paths)
    last = tokens[-1] if tokens else None
    prefix = ""
    if last is not None and last.end == cursor and last.kind in ("name", "number"):
        if last.kind == "number" and not last.text.startswith("."):
            return cursor, cursor, [], False
        prefix = last.text
        tokens = tokens[:-1]
    follows = source[cursor : cursor + 1]
    start = cursor - len(prefix)
    before = tokens[-1] if tokens else None
    found = _Found(prefix, deadline, follows != "(")
    statement = _statement(tokens)
    head = statement[0].text if statement else ""
    if head in ("import", "from") and statement[0].kind == "name":
        _in_import(namespace, found, statement)
    elif before is not None and before.kind == "op" and before.text == ".":
        if len(tokens) > 1 and tokens[-2].end <= before.start:
            _of_object(found, _value_of(namespace, source, tokens, len(tokens) - 2), _decorates(statement))
    elif before is not None and before.kind == "name" and before.text in ("def", "class", "as", "global", "nonlocal"):
        if before.text == "global":
            found.values(found.names(list(dict.keys(namespace))), lambda name: dict.get(namespace, name))
            found.matches = [(text.rstrip("()"), kind, detail) for text, kind, detail in found.matches]
    else:
        if not _of_keys(namespace, source, tokens, found):
            _arguments(namespace, source, tokens, found)
            _names(namespace, found, statement, tokens)
    return start, cursor, found.matches, found.more


def _decorates(statement):
    return bool(statement) and statement[0].text == "@"


def _names(namespace, found, statement, tokens):
    if _decorates(statement):
        found.call_suffix = False
    names = list(dict.keys(namespace))
    own = found.names(names)
    found.values(own, lambda name: dict.get(namespace, name))
    found.more |= not found.room() and len(own) > len(found.matches)
    begins = not statement
    words = []
    for word in _KEYWORDS:
        if word.startswith(found.prefix) and word not in found.seen and (begins or word in _IN_EXPRESSIONS):
            found.seen.add(word)
            if word in _WITH_COLON and begins:
                words.append((word + ":", "keyword", "keyword"))
            else:
                words.append((word if word in _NOT_SPACED else word + " ", "keyword", "keyword"))
    known = _module_dict(builtins)
    built_in = _Found(found.prefix, found.deadline, found.call_suffix)
    built_in.seen = found.seen
    built_in.values(built_in.names(list(known)), known.get)
    found.matches += sorted(words + built_in.matches, key=lambda match: (match[0].startswith("_"), match[0]))
    if not found.matches:
        others = found.fallback([*names, *known])
        found.values(others, lambda name: _name(namespace, name))


def _of_object(found, value, bare):
    if value is _UNKNOWN:
        return
    if bare:
        found.call_suffix = False
    names = []
    for entries in _attribute_names(value):
        names += list(entries)
    if _is(value, types.ModuleType):
        names += [name for name in ("__dict__",) if found.prefix.startswith("__")]
    found.values(found.names(names) or found.fallback(names), _attributes(value))


def _of_keys(namespace, source, tokens, found):
    """The string keys of `d[|`, quotes and all. True when that is what is asked for."""
    if found.prefix or len(tokens) < 2 or tokens[-1].kind != "op" or tokens[-1].text != "[":
        return False
    if not _is_operand(tokens[-2]):
        return False
    value = _value_of(namespace, source, tokens, len(tokens) - 2)
    if value is _UNKNOWN or not _is(value, dict):
        return False
    for key in _keys(value, found, ""):
        found.add(f"{key!r}]", "key")
    return bool(found.matches)


def _keys(value, found, prefix):
    keys = []
    for number, key in enumerate(list(dict.keys(value))):
        if type(key) is str and key.startswith(prefix):
            keys.append(key)
        if number % _CHUNK == _CHUNK - 1 and monotonic() > found.deadline:
            found.more = True
            break
    if len(keys) > _MATCHES_MAX:
        found.more = True
        del keys[_MATCHES_MAX:]
    return keys


def _in_string(namespace, source, cursor, tokens, string, deadline, paths):
    """In a string: a key of a dict, or the name of a file."""
    quote_at = string.start + len(string.text.rstrip("'\""))
    prefix = source[string.start : quote_at].lower()
    quote = string.text[quote_at - string.start :][:3]
    quote = quote if quote in ("'''", '"""') else quote[:1]
    begin = quote_at + len(quote)
    typed = source[begin:cursor]
    found = _Found(typed, deadline)
    nothing = (cursor, cursor, [], False)
    if "b" in prefix or "\n" in typed or ("\\" in typed and "r" not in prefix):
        return nothing
    before = tokens[-2] if len(tokens) > 1 else None
    if before is not None and before.kind == "op" and before.text == "[" and len(tokens) > 2 and _is_operand(tokens[-3]):
        value = _value_of(namespace, source, tokens, len(tokens) - 3)
        if value is not _UNKNOWN and _is(value, dict) and "f" not in prefix:
            closing = "" if source.startswith(quote, cursor) else quote
            if closing and not source.startswith("]", cursor):
                closing += "]"
            for key in _keys(value, found, typed):
                inner = _escaped(key, quote, "r" in prefix)
                if inner is not None:
                    found.add(inner + closing, "key")
            return begin, cursor, found.matches, found.more
        return nothing
    opens = len(tokens) > 2 and before.text == "(" and tokens[-3].kind == "name" and tokens[-3].text == "open"
    if paths and "f" not in prefix and (opens or "/" in typed):
        return _files(typed, begin, cursor, found)
    return nothing


def _escaped(key, quote, raw):
    """*key* as it stands between quotes, or None if it cannot."""
    if raw:
        return key if key.isprintable() and quote not in key and not key.endswith("\\") else None
    inner = repr(key)[1:-1]
    if repr(key)[0] != quote[0]:
        inner = inner.replace("\\'", "'").replace(quote[0], "\\" + quote[0])
    return inner


def _files(typed, begin, cursor, found):
    folder, slash, name = typed.rpartition("/")
    start = begin + len(folder) + len(slash)
    if typed.startswith("~/"):
        folder = os.path.expanduser(folder)
    names = []
    with os.scandir(folder + slash if slash else ".") as entries:
        for number, entry in enumerate(entries):
            if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
                names.append((entry.name + "/", "folder") if entry.is_dir() else (entry.name, "file"))
            if number % 256 == 255 and monotonic() > found.deadline:
                found.more = True
                break
    names.sort()
    for text, kind in names[:_MATCHES_MAX]:
        if text.rstrip("/").isprintable() and not set(text) & set("'\"\\"):
            found.add(text, kind)
    return start, cursor, found.matches, found.more or len(names) > _MATCHES_MAX


def _call_around(tokens):
    """`(index of the bracket, index of the last token of the callee)` of the call that is being typed, or None."""
    while True:
        at = _enclosing(tokens)
        if at is None:
            return None
        if at > 0 and tokens[at].text == "(" and _is_operand(tokens[at - 1]) and tokens[at - 1].kind != "string":
            start = _expression_start(tokens, at - 1)
            if start is not None and start > 0 and tokens[start - 1].text in ("def", "class"):
                return None
            return at, at - 1
        tokens = tokens[:at]


def _given(tokens):
    """What stands in a call's brackets so far: `(positional count, names given, name of the current one or None)`.

    The current argument is the one at the end of *tokens*.
    """
    positional, names = 0, []
    depth = 0
    begin = 0
    parts = []
    for at, token in enumerate(tokens):
        if token.kind == "op":
            if token.text in "([{":
                depth += 1
            elif token.text in ")]}":
                depth -= 1
            elif token.text == "," and depth == 0:
                parts.append(tokens[begin:at])
                begin = at + 1
    starred = False
    for part in parts:
        if len(part) > 1 and part[0].kind == "name" and part[1].text == "=":
            names.append(part[0].text)
        else:
            starred |= bool(part) and part[0].text in ("*", "**")
            positional += 1
    current = tokens[begin:]
    name = current[0].text if len(current) > 1 and current[0].kind == "name" and current[1].text == "=" else None
    return positional, names, name, current, starred


def _arguments(namespace, source, tokens, found):
    """The names of the parameters of the call being typed, as `name=`."""
    call = _call_around(tokens)
    if call is None:
        return
    bracket, last = call
    positional, names, _, current, starred = _given(tokens[bracket + 1 :])
    if current or _enclosing(tokens) != bracket:
        return
    value = _value_of(namespace, source, tokens, last)
    if value is _UNKNOWN:
        return
    try:
        parameters = _parameters(value) or []
    except Exception:
        return
    count = 0
    for name, kind, text in parameters:
        if kind <= _POSITIONAL:
            count += 1
            if count <= positional and not starred:
                continue
        if _one_of(kind, (_POSITIONAL, _KEYWORD_ONLY)) and name not in names and name.startswith(found.prefix):
            if name.isidentifier():
                found.add(f"{name}=", "argument", text)


# -- imports ---------------------------------------------------------------------------------------------------------

_SUFFIXES = sorted(importlib.machinery.all_suffixes(), key=len, reverse=True)
_listed = {}  # folder or archive: (time of its last change, {name: is a package})
_parsed = {}  # source file: (time and size, names)
_PARSED_MAX_BYTES = 48 << 10  # about what is parsed in half the time there is
_READ_MAX_BYTES = 2 << 20
_DEFINES = re.compile(r"^(?:(?:async\s+)?def\s+(\w+)|class\s+(\w+)|(\w+)(?:\s*:[^=\n]+)?\s*=(?!=))", re.MULTILINE)


def _in_import(namespace, found, statement):
    """After `import` or `from`, of which *statement* holds what comes before the cursor."""
    found.call_suffix = False
    texts = [token.text for token in statement if token.text not in "()"]
    if texts[0] == "from":
        if "import" not in texts:
            dotted = texts[1:]
            if dotted and dotted[-1] != ".":
                if "import".startswith(found.prefix):
                    found.add("import ", "keyword", "keyword")
                return
            _modules(found, "".join(dotted))
            return
        at = texts.index("import")
        if texts[-1] not in ("import", ","):
            return  # after a name, or `as`
        taken = set(texts[at + 1 :])
        _names_of_module(found, "".join(texts[1:at]), taken)
        return
    dotted = []
    for text in texts[1:]:
        dotted = [] if text == "," else [*dotted, text]
    if dotted and dotted[-1] != ".":
        if "as" not in dotted and "as".startswith(found.prefix):
            found.add("as ", "keyword", "keyword")
        return
    _modules(found, "".join(dotted))


def _modules(found, dotted):
    """Modules below the package *dotted*, which ends with a point, or those at the top."""
    if dotted.startswith("."):
        return
    package = dotted.rstrip(".")
    names = list(_submodules(package, found)) if package else list(_top_modules(found))
    for name in found.names(names) or found.fallback(names):
        if not found.room():
            return
        found.add(name, "module", "module")


def _top_modules(found):
    yield from sys.builtin_module_names
    yield "__main__"
    for folder in sys.path:
        if monotonic() > found.deadline:
            found.more = True
            return
        if type(folder) is str:
            yield from _listing(folder or ".")


def _submodules(package, found):
    for folder in _package_folders(package):
        yield from _listing(folder)
    # Those that are made as they are imported: os.path.
    beginning = package + "."
    for name in list(sys.modules):
        if type(name) is str and name.startswith(beginning):
            yield name[len(beginning) :].partition(".")[0]


def _package_folders(package):
    """Where the modules of a package lie, found without importing it."""
    module = sys.modules.get(package)
    if module is not None and _is(module, types.ModuleType):
        path = _module_dict(module).get("__path__")
        if path is None:
            return []
        if type(path) is not list:  # of a namespace package
            path = getattr(path, "_path", None) if type(path).__name__ == "_NamespacePath" else None
        return [folder for folder in path or () if type(folder) is str]
    parent, _, name = package.rpartition(".")
    folders = _package_folders(parent) if parent else [folder or "." for folder in sys.path if type(folder) is str]
    found = []
    for folder in folders:
        if _listing(folder).get(name):
            return [os.path.join(folder, name)]
        candidate = os.path.join(folder, name)
        if os.path.isdir(candidate):
            found.append(candidate)
    return found


def _listing(folder):
    """The modules in one entry of a path: name to whether it is a package."""
    try:
        status = os.stat(folder)
    except (OSError, ValueError):
        return {}
    known = _listed.get(folder)
    # The time of a relative folder is not that of another one of the same name.
    stamp = (status.st_mtime_ns, status.st_ino, status.st_dev)
    if known is not None and known[0] == stamp:
        return known[1]
    names = {}
    try:
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(folder) as entries:
                for entry in entries:
                    _list_entry(folder, entry, names)
        else:
            import pkgutil
            import zipimport

            for name, is_package in pkgutil.iter_zipimport_modules(zipimport.zipimporter(folder)):
                names[name] = is_package
    except Exception:
        pass
    if len(_listed) > 1000:
        _listed.clear()
    _listed[folder] = (stamp, names)
    return names


def _list_entry(folder, entry, names):
    name = entry.name
    if name.isidentifier():
        if entry.is_dir():
            for suffix in _SUFFIXES:
                if os.path.exists(os.path.join(folder, name, "__init__" + suffix)):
                    names[name] = True
                    return
        return
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            stem = name[: -len(suffix)]
            if stem.isidentifier() and stem != "__init__":
                names.setdefault(stem, False)
            return


def _names_of_module(found, dotted, taken):
    if dotted.startswith(".") or not dotted:
        return
    module = sys.modules.get(dotted)
    if module is not None and _is(module, types.ModuleType):
        entries = _module_dict(module)
        own = [name for name in list(entries) if name not in taken]
        chosen = found.names(own) or found.fallback(own)
        found.values(chosen, entries.get)
    else:
        own = [name for name in _names_in_source(dotted) if name not in taken]
        for name in found.names(own) or found.fallback(own):
            found.add(name, "variable")
    below = [name for name in _submodules(dotted, found) if name not in taken]
    for name in found.names(below):
        if not found.room():
            return
        found.add(name, "module", "module")
    if not found.prefix and not found.matches:
        return
    found.matches.sort(key=lambda match: (match[0].startswith("_"), match[0]))


def _source_file(dotted):
    parent, _, name = dotted.rpartition(".")
    folders = _package_folders(parent) if parent else [folder or "." for folder in sys.path if type(folder) is str]
    for folder in folders:
        for file in (os.path.join(folder, name, "__init__.py"), os.path.join(folder, name + ".py")):
            if os.path.isfile(file):
                return file
    return None


def _names_in_source(dotted):
    """The names that a module's source defines at its top."""
    file = _source_file(dotted)
    if file is None:
        return ()
    status = os.stat(file)
    stamp = (status.st_mtime_ns, status.st_size)
    known = _parsed.get(file)
    if known is not None and known[0] == stamp:
        return known[1]
    names = ()
    if status.st_size <= _READ_MAX_BYTES:
        with open(file, "rb") as opened:
            data = opened.read(_READ_MAX_BYTES)
        try:
            if len(data) > _PARSED_MAX_BYTES:
                raise ValueError
            names = dict.fromkeys(_defined_by(ast.parse(data).body))
        except (SyntaxError, ValueError, RecursionError):
            text = data.decode("utf-8", "replace")
            names = dict.fromkeys(match[match.lastindex] for match in _DEFINES.finditer(text))
    if len(_parsed) > 200:
        _parsed.clear()
    _parsed[file] = (stamp, names)
    return names


def _defined_by(body):
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                if name != "*":
                    yield name
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _targets(target)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                yield from _targets(node.target)
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
            for part in ("body", "orelse", "finalbody"):
                yield from _defined_by(getattr(node, part, ()))
            for handler in getattr(node, "handlers", ()):
                yield from _defined_by(handler.body)
        elif type(node).__name__ == "TypeAlias":
            yield from _targets(node.name)


def _targets(node):
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, (ast.Tuple, ast.List)):
        for item in node.elts:
            yield from _targets(item)
    elif isinstance(node, ast.Starred):
        yield from _targets(node.value)


# -- what is known of an object --------------------------------------------------------------------------------------


def _doc(value):
    """The docstring, cleaned, or ""."""
    kind = type(value)
    if kind is types.MethodType:
        return _doc(value.__func__)
    if _one_of(kind, _FUNCTIONS):
        doc = value.__doc__
    elif kind is property:
        doc = value.__doc__
    elif kind is _Instance:
        return _doc(value.kind)
    elif _is(value, types.ModuleType):
        doc = _module_dict(value).get("__doc__")
    else:
        owner = value if _is(value, type) else kind
        doc = _dict_of_class(owner).get("__doc__")
        if _is(value, type) and type(doc) is types.GetSetDescriptorType:
            doc = None
    return inspect.cleandoc(doc) if type(doc) is str else ""


def _first_line(doc):
    return doc.partition("\n")[0].strip()


def _signature_text(value, name):
    """`(text, spans of its parameters, parameters)`, or None."""
    try:
        parameters = _parameters(value)
    except Exception:
        parameters = None
    if parameters is None:
        line = _first_line(_doc(value))
        # Older functions written in C say it in their documentation, methods with a letter for the object.
        called = re.match(rf"(?:\w+\.)?(?={re.escape(name)}\()", line)
        return (line[called.end() :], [], []) if called else None
    text = f"{name}("
    spans = []
    previous = None
    for index, (_, kind, parameter) in enumerate(parameters):
        if index:
            text += ", "
        if previous == _POSITIONAL_ONLY and kind != _POSITIONAL_ONLY:
            text += "/, "
        if kind == _KEYWORD_ONLY and previous not in (_VAR_POSITIONAL, _KEYWORD_ONLY):
            text += "*, "
        spans.append((len(text), len(text) + len(parameter)))
        text += parameter
        previous = kind
    if previous == _POSITIONAL_ONLY:
        text += ", /"
    return text + ")", spans, parameters


@_silent(None)
def signature(namespace, source, cursor, deadline=None):
    """What is being called at *cursor*: `(text, spans, active, doc)`, or None.

    *spans* are the parameters' places in *text*, *active* the index of the one being given or None, *doc* the first
    line of the documentation.
    """
    tokens, inside = _tokens(source, max(0, min(cursor, len(source))))
    call = _call_around(tokens)
    if call is None:
        return None
    bracket, last = call
    value = _value_of(namespace, source, tokens, last)
    if value is _UNKNOWN or not (_is_callable(value) or _is(value, type)):
        return None
    name = tokens[last].text if tokens[last].kind == "name" else "..."
    told = _signature_text(value, name)
    if told is None:
        return None
    text, spans, parameters = told
    positional, _, named, _, _ = _given(tokens[bracket + 1 :])
    doc = _first_line(_doc(value))
    return text, spans, _active(parameters, positional, named), "" if doc.endswith(text) else doc


def _active(parameters, positional, named):
    if named is not None:
        for index, (name, kind, _) in enumerate(parameters):
            if name == named and _one_of(kind, (_POSITIONAL, _KEYWORD_ONLY)):
                return index
        return next((index for index, item in enumerate(parameters) if item[1] == _VAR_KEYWORD), None)
    for index, (_, kind, _) in enumerate(parameters):
        if kind == _VAR_POSITIONAL or (kind <= _POSITIONAL and index == positional):
            return index
        if kind > _VAR_POSITIONAL:
            break
    return None


def _file_of(value):
    code = _code_of(value)
    if code is not None:
        name = code.co_filename
        # A frozen module has its source in the library all the same.
        module = sys.modules.get(name[8:-1]) if name.startswith("<frozen ") else None
        return name if module is None else _module_dict(module).get("__file__", name)
    if type(value) is not _Instance and _is(value, type):
        module = sys.modules.get(_dict_of_class(value).get("__module__"))
    else:
        module = value
    if module is not None and _is(module, types.ModuleType):
        file = _module_dict(module).get("__file__")
        return file if type(file) is str else None
    return None


def _code_of(value):
    kind = type(value)
    if kind is types.MethodType:
        return _code_of(value.__func__)
    if kind is functools.partial:
        return _code_of(value.func)
    if kind is property:
        return _code_of(value.fget)
    if _one_of(kind, (staticmethod, classmethod)):
        return _code_of(value.__func__)
    if kind is types.FunctionType or kind is functools._lru_cache_wrapper:
        wrapped = value.__dict__.get("__wrapped__", _UNKNOWN)
        if wrapped is not _UNKNOWN and wrapped is not value:
            return _code_of(wrapped)
        return getattr(value, "__code__", None)
    return value if kind is types.CodeType else None


@_silent(None)
def describe(namespace, expression, deadline=None):
    """What is known of the value of *expression*: a dict of str with `type`, `signature`, `doc`, `file`; or None."""
    found, value = lookup(namespace, expression)
    if not found:
        return None
    name = re.split(r"\W+", expression.strip())[-1] or "..."
    told = _signature_text(value, name) if _is_callable(value) else None
    return {
        "type": _class_name(type(value)),
        "signature": told[0] if told else "",
        "doc": _doc(value),
        "file": _file_of(value) or "",
    }


@_silent(("", ""))
def detail(namespace, source, start, text, deadline=None):
    """`(short, doc)` of a match *text* that would stand at *start*: its type or parameters, a line of documentation."""
    word = text.rstrip("()= :")
    if word in _KEYWORDS and text[-1] in " :":
        return "keyword", ""
    value = _UNKNOWN
    tokens, inside = _tokens(source[:start] + word, start + len(word))
    if inside is None and tokens:
        statement = _statement(tokens)
        if statement and statement[0].text in ("import", "from"):
            return _import_detail(statement, word)
        value = _value_of(namespace, source[:start] + word, tokens, len(tokens) - 1)
    if value is _UNKNOWN:
        return ("keyword", "") if word in _KEYWORDS else ("", "")
    doc = _first_line(_doc(value))
    told = _signature_text(value, word) if _is_callable(value) else None
    if told is not None:
        return told[0][len(word) :] if told[0].startswith(word) else told[0], "" if doc.endswith(told[0]) else doc
    if _one_of(type(value), _FUNCTIONS):
        return "", doc  # what it is stands beside it
    name = _class_name(type(value)) if type(value) is not _Instance else _class_name(value.kind)
    return name, doc if _is(value, (type, types.ModuleType)) else ""


def _import_detail(statement, word):
    texts = [token.text for token in statement if token.text not in "()"]
    if texts[0] == "from" and "import" in texts:
        module = sys.modules.get("".join(texts[1 : texts.index("import")]))
        value = _module_dict(module).get(word, _UNKNOWN) if module is not None else _UNKNOWN
        if value is _UNKNOWN:
            return "", ""
        told = _signature_text(value, word) if _is_callable(value) else None
        kind = type(value)
        short = told[0][len(word) :] if told else "" if _one_of(kind, _FUNCTIONS) else _class_name(kind)
        return short, _first_line(_doc(value))
    dotted = []
    for text in texts[1:]:
        dotted = [] if text == "," else [*dotted, text]
    module = sys.modules.get("".join(dotted))
    return "module", _first_line(_doc(module)) if module is not None and _is(module, types.ModuleType) else ""


@_silent(None)
def source_of(namespace, expression, deadline=None):
    """`(text, file, line number)` of the source of what *expression* stands for, or None."""
    import linecache

    found, value = lookup(namespace, expression)
    if not found:
        return None
    code = _code_of(value)
    if code is not None:
        file = _file_of(value)
        lines = _lines_of(linecache, file)
        number = code.co_firstlineno
        if not 0 < number <= len(lines):
            return None
        return "".join(inspect.getblock(lines[number - 1 :])), file, number
    if _is(value, types.ModuleType):
        file = _file_of(value)
        text = "".join(_lines_of(linecache, file)) if file else ""
        return (text, file, 1) if text else None
    return _class_source(linecache, value) if _is(value, type) else None


def _lines_of(linecache, file):
    if not file.startswith("<"):
        linecache.checkcache(file)
    return linecache.getlines(file)


def _class_source(linecache, kind):
    file = _file_of(kind)
    # A class of a cell: the newest cell that has one of this name.
    files = [file] if file else [name for name in reversed(list(linecache.cache)) if name.startswith("<")]
    pattern = re.compile(rf"^\s*class\s+{re.escape(_class_name(kind))}\b")
    first = _dict_of_class(kind).get("__firstlineno__")
    for file in files:
        lines = _lines_of(linecache, file)
        numbers = [number for number, line in enumerate(lines, 1) if pattern.match(line)]
        if not numbers:
            continue
        if type(first) is int and 0 < first <= numbers[-1]:
            number = first  # of its decorators
        else:
            number = numbers[-1]
        return "".join(inspect.getblock(lines[number - 1 :])), file, number
    return None


@_silent(lambda namespace, names: [False] * len(names))
def defined(namespace, names):
    """Whether each of *names* is known, in the namespace or as a builtin."""
    return [_name(namespace, name) is not _UNKNOWN for name in names]
