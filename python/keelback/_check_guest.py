"""What `Sandbox.check` runs in the sandbox: the guest's own parser, modules and tools decide. Never imported here.

Findings leave as a display of their own; nothing of the check stays in the session's names, `_` or its lines.

Only statements that stand on a line with an import, an async function or the name of a tool are looked at closely:
reading every node of a tree would take longer than running most cells.
"""

import ast
import linecache
import re
import sys
import warnings
from bisect import bisect_left
from marshal import dumps

import _host
import _keelback_guest
from _keelback_guest import awaited
from _keelback_refusals import ABSENT

DISPLAY = 3
FILENAME = "<check>"
SEPARATORS = str.maketrans("\x1e\x1f", "  ")
_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_COROUTINE = 0x80  # inspect.CO_COROUTINE
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_ASYNC_NAMES = re.compile(r"\basync\s+def\s+(\w+)").findall
# What may change where modules are found while the code runs: then nothing is said about them.
_CHANGES_PATH = re.compile(r"\bsys\s*\.\s*(?:path|modules|meta_path)\b|\baddsitedir\b").search
_CODE = type((lambda: None).__code__)
_FUNCTION = type(lambda: None)

_pattern = None, None
_found = set()  # modules that are there; those that are not may come
_accepted = {}  # text of an annotation to the names of types it takes, or None


def check(source):
    """Emit the findings of *source* and return None."""
    # The check is none of the session's cells.
    _keelback_guest.session.count -= 1
    linecache.cache.pop(FILENAME, None)
    findings = sorted(find(source), key=lambda finding: finding[2:])
    text = "\x1e".join(
        f"{kind}\x1f{line}\x1f{column}\x1f{message.translate(SEPARATORS)}" for kind, message, line, column in findings
    )
    _host.emit(DISPLAY, dumps({"text/plain": text}, 2))


def find(source):
    session = _keelback_guest.session
    flags = _AWAIT | session.flags
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, FILENAME, "exec", flags, True)
        words = _words(session.namespace, source)
        if words.search(source) is None:
            return []
        tree = compile(source, FILENAME, "exec", flags | ast.PyCF_ONLY_AST, True)
    except SyntaxError as error:
        return [("syntax", error.msg or "invalid syntax", error.lineno or 1, _column(source, error))]
    except (ValueError, OverflowError, MemoryError, RecursionError) as error:
        return [("syntax", str(error) or "too deeply nested", 1, 0)]
    if "\r" in source:
        source = source.replace("\r\n", "\n").replace("\r", "\n")
    search = words.search
    lines = [number for number, line in enumerate(source.split("\n"), 1) if search(line)]
    reader = _Reader(session.namespace, tree, code, lines)
    return reader.findings(not _CHANGES_PATH(source))


def _column(source, error):
    """The column in UTF-8 bytes from 0, of one in characters from 1."""
    lines = source.splitlines()
    if not error.lineno or not error.offset or error.lineno > len(lines):
        return 0
    return len(lines[error.lineno - 1][: error.offset - 1].encode("utf-8", "replace"))


def _words(namespace, source):
    """A pattern for what makes a line worth reading."""
    global _pattern
    module = sys.modules.get("tools")
    names = {name for name, value in namespace.items() if _is_async(value)}
    names.update(_keelback_guest.tools._names, ("import", "async"))
    if "async" in source:
        names.update(_ASYNC_NAMES(source))
    if module is not None:
        names.add("tools")
    if _pattern[0] != names:
        _pattern = names, re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
    return _pattern[1]


def _is_async(value):
    return type(value) is _FUNCTION and value.__code__.co_flags & _COROUTINE


class _Reader:
    """Collects what a tree imports, binds and calls, then judges it."""

    def __init__(self, namespace, tree, code, lines):
        self.namespace, self.tree, self.code, self.lines = namespace, tree, code, lines
        self.calls = []  # calls of a name or of an attribute of a name
        self.imports = []  # (module's name, node)
        self.bound = {}  # name to how often it is bound
        self.from_tools = {}  # name to tool's name
        self.defined = {}  # names of async functions to their nodes
        self.declared = set()  # global and nonlocal
        self.found = []
        self.guards = 0

    def findings(self, modules):
        self.read_all(self.tree, self.tree.body)
        if modules:
            for name, node in self.imports:
                self.judge_import(name, node)
        asynchronous = self.async_names()
        for call in self.calls:
            tool = self.tool_of(call.func)
            if tool is not None:
                self.judge_call(call, tool)
            elif type(call.func) is ast.Name and call.func.id in asynchronous:
                self.judge_await(call)
        return self.found

    def add(self, kind, message, node):
        self.found.append((kind, message, node.lineno, node.col_offset))

    # -- reading -----------------------------------------------------------------------------------------------------

    def read_all(self, parent, statements):
        lines = self.lines
        for statement in statements:
            first = statement.lineno
            if isinstance(statement, _DEFINITIONS) and statement.decorator_list:
                first = min(first, statement.decorator_list[0].lineno)
            index = bisect_left(lines, first)
            if index < len(lines) and lines[index] <= statement.end_lineno:
                statement.parent = parent
                self.read(statement)

    def read(self, node):
        reader = _readers.get(type(node))
        if reader is not None:
            reader(self, node)
        for field in node._fields:
            value = getattr(node, field, None)
            if type(value) is list:
                if not value:
                    continue
                if isinstance(value[0], ast.stmt):
                    guarded = field == "body" and _guards(node)
                    self.guards += guarded
                    self.read_all(node, value)
                    self.guards -= guarded
                    continue
                for item in value:
                    if isinstance(item, ast.AST):
                        item.parent = node
                        self.read(item)
            elif isinstance(value, ast.AST) and type(value) not in _LEAVES:
                value.parent = node
                self.read(value)

    def bind(self, name):
        self.bound[name] = self.bound.get(name, 0) + 1

    def read_name(self, node):
        if type(node.ctx) is not ast.Load:
            self.bind(node.id)

    def read_argument(self, node):
        self.bind(node.arg)

    def read_definition(self, node):
        if type(node.parent) is ast.ClassDef:
            return  # a method is not called by its bare name
        if type(node) is ast.AsyncFunctionDef and not node.decorator_list:
            self.defined.setdefault(node.name, []).append(node)
        else:
            self.bind(node.name)

    def read_except(self, node):
        if node.name:
            self.bind(node.name)

    def read_scope(self, node):
        self.declared.update(node.names)

    def read_call(self, node):
        self.calls.append(node)

    def read_import(self, node):
        for alias in node.names:
            if alias.name != "tools" or alias.asname not in (None, "tools"):
                self.bind(alias.asname or alias.name.partition(".")[0])
            if not self.guards:
                self.imports.append((alias.name, node))

    def read_import_from(self, node):
        if node.level:
            if not self.guards:
                self.add("module", "attempted relative import with no known parent package", node)
            return
        for alias in node.names:
            if node.module == "tools":
                if alias.name == "*":
                    continue
                self.from_tools[alias.asname or alias.name] = alias.name
                if not self.guards and sys.modules.get("tools") and not hasattr(sys.modules["tools"], alias.name):
                    self.add("tool", f"there is no tool {alias.name!r}", node)
            else:
                self.bind(alias.asname or alias.name)
        if not self.guards:
            self.imports.append((node.module, node))

    # -- modules -----------------------------------------------------------------------------------------------------

    def judge_import(self, name, node):
        if name in _found:
            return
        reason = _missing(name)
        if reason is None:
            _found.add(name)
        else:
            self.add("module", reason, node)

    # -- tools -------------------------------------------------------------------------------------------------------

    def tool_of(self, function):
        """The tool that *function* certainly is, or None."""
        module = sys.modules.get("tools")
        if module is None:
            return None
        if type(function) is ast.Name:
            name = function.id
            if name in self.bound or name in self.defined:
                return None
            if name in self.from_tools:
                return _tool(getattr(module, self.from_tools[name], None))
            return _tool(self.namespace.get(name))
        if type(function) is ast.Attribute and type(function.value) is ast.Name and function.value.id == "tools":
            if "tools" in self.bound:
                return None
            if self.namespace.get("tools", module) is not module:
                return None
            found = module.__dict__.get(function.attr)
            if found is None and not function.attr.startswith("__"):
                self.add("tool", f"there is no tool {function.attr!r}", function)
            return _tool(found)
        return None

    def judge_call(self, call, tool):
        name, parameters = tool.__name__, tool.__globals__["_parameters"]
        positional = [p for p in parameters if p[4] == 0]
        by_name = {p[0]: p for p in parameters if p[4] in (0, 3)}
        rest = next((p for p in parameters if p[4] == 1), None)
        others = next((p for p in parameters if p[4] == 2), None)
        starred = False
        given = set()
        for index, argument in enumerate(call.args):
            if type(argument) is ast.Starred:
                starred = True
                break
            if index < len(positional):
                given.add(positional[index][0])
                self.judge_argument(name, positional[index], argument)
            elif rest is not None:
                self.judge_argument(name, rest, argument)
        count = len(call.args)
        if not starred and rest is None and count > len(positional):
            takes = len(positional)
            least = sum(not p[2] for p in positional)
            shown = f"from {least} to {takes}" if least < takes else str(takes)
            self.add(
                "tool",
                f"{name}() takes {shown} positional argument{'' if takes == 1 and least == takes else 's'} "
                f"but {count} {'was' if count == 1 else 'were'} given",
                call,
            )
        unpacked = False
        for item in call.keywords:
            if item.arg is None:
                unpacked = True
                continue
            parameter = by_name.get(item.arg)
            if parameter is not None:
                if item.arg in given:
                    self.add("tool", f"{name}() got multiple values for argument '{item.arg}'", item)
                given.add(item.arg)
                self.judge_argument(name, parameter, item.value)
            elif others is not None:
                self.judge_argument(name, others, item.value, item.arg)
            else:
                self.add("tool", f"{name}() got an unexpected keyword argument '{item.arg}'", item)
        if unpacked:
            return
        for kind, text in ((0, "positional"), (3, "keyword-only")):
            if starred and kind == 0:
                continue
            lacking = [repr(p[0]) for p in parameters if p[4] == kind and not p[2] and p[0] not in given]
            if lacking:
                *most, last = lacking
                listed = f"{', '.join(most)}{',' if len(most) > 1 else ''} and {last}" if most else last
                plural = "s" if most else ""
                self.add("tool", f"{name}() missing {len(lacking)} required {text} argument{plural}: {listed}", call)

    def judge_argument(self, name, parameter, node, key=None):
        wanted = _wanted(parameter)
        if wanted is None:
            return
        kind = _type_of(node)
        if kind is None or kind in wanted:
            return
        _, json_type, has_default, default, _, annotation = parameter
        if has_default and type(node) is ast.Constant and type(node.value) is type(default) and node.value == default:
            return
        self.add("tool", f"{name}() argument '{key or parameter[0]}' must be {annotation or json_type}, not {kind}", node)

    # -- coroutines --------------------------------------------------------------------------------------------------

    def async_names(self):
        names = {name for name, value in self.namespace.items() if _is_async(value)} - self.from_tools.keys()
        if self.defined:
            coroutines = set()
            todo = [self.code]
            while todo:
                for constant in todo.pop().co_consts:
                    if type(constant) is _CODE:
                        todo.append(constant)
                        if constant.co_flags & _COROUTINE:
                            coroutines.add((constant.co_name, constant.co_firstlineno))
            for name, nodes in self.defined.items():
                # Not those that yield: what they give is iterated.
                if all((name, node.lineno) in coroutines for node in nodes):
                    names.add(name)
                else:
                    names.discard(name)
        return names - self.bound.keys()

    def judge_await(self, call):
        name, parent = call.func.id, call.parent
        if type(parent) is ast.Expr:
            self.add("await", f"coroutine '{name}' was never awaited: write await {name}(...)", call)
        elif type(parent) in (ast.Assign, ast.AnnAssign):
            targets = parent.targets if type(parent) is ast.Assign else [parent.target]
            if len(targets) != 1 or type(targets[0]) is not ast.Name:
                return
            scope = awaited._Scope(call)
            target = targets[0].id
            if not scope.flows(call) and target not in self.declared and not _leaves(scope.node, target):
                self.add(
                    "await", f"coroutine '{name}' was never awaited: write {target} = await {name}(...)", call
                )


_readers = {
    ast.Name: _Reader.read_name,
    ast.arg: _Reader.read_argument,
    ast.FunctionDef: _Reader.read_definition,
    ast.AsyncFunctionDef: _Reader.read_definition,
    ast.ClassDef: _Reader.read_definition,
    ast.ExceptHandler: _Reader.read_except,
    ast.MatchAs: _Reader.read_except,
    ast.MatchStar: _Reader.read_except,
    ast.Global: _Reader.read_scope,
    ast.Nonlocal: _Reader.read_scope,
    ast.Call: _Reader.read_call,
    ast.Import: _Reader.read_import,
    ast.ImportFrom: _Reader.read_import_from,
}
_LEAVES = frozenset({ast.Load, ast.Store, ast.Del, ast.Constant, *ast.operator.__subclasses__(), *ast.cmpop.__subclasses__()})


def _guards(node):
    """Whether an import that fails in the body of *node* is expected to."""
    if type(node) is ast.Try:
        return any(_catches(handler.type) for handler in node.handlers)
    if type(node) is ast.With:
        for item in node.items:
            call = item.context_expr
            if type(call) is ast.Call and awaited._last_name(call.func) == "suppress":
                return any(map(_catches, call.args))
    return type(node) is ast.If and awaited._last_name(node.test) == "TYPE_CHECKING"


def _catches(node):
    if node is None:
        return True
    if type(node) is ast.Tuple:
        return any(map(_catches, node.elts))
    return awaited._last_name(node) in ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")


def _missing(name):
    """Why module *name* cannot be imported, or None. Imports nothing: a package that is not loaded is only looked up."""
    path = None
    parts = name.split(".")
    if len(parts) == 1 and name in sys.stdlib_module_names and name not in ABSENT:
        return None  # no need to look it up, which reads folders
    for index in range(len(parts)):
        full = ".".join(parts[: index + 1])
        module = sys.modules.get(full)
        if module is not None:
            path = getattr(module, "__path__", None)
        else:
            if full in ABSENT:
                return f"No module named {full!r}: it is not available in the sandbox"
            spec = _spec(full, path)
            if spec is None:
                return f"No module named {full!r}"
            path = spec.submodule_search_locations
        if path is None and index + 1 < len(parts):
            if ".".join(parts[: index + 2]) in sys.modules:  # os.path
                continue
            return f"No module named {'.'.join(parts[: index + 2])!r}; {full!r} is not a package"
    return None


def _spec(full, path):
    for finder in sys.meta_path:
        spec = finder.find_spec(full, path) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return spec
    return None


def _tool(function):
    if type(function) is _FUNCTION and function.__module__ == "tools" and "_parameters" in function.__globals__:
        return function
    return None


_DISPLAYS = {
    ast.List: "list", ast.ListComp: "list", ast.Tuple: "tuple", ast.Dict: "dict", ast.DictComp: "dict",
    ast.Set: "set", ast.SetComp: "set", ast.JoinedStr: "str",
}


def _type_of(node):
    """The name of the type that a literal has, or None."""
    kind = type(node)
    if kind is ast.Constant:
        return type(node.value).__name__
    if kind is ast.UnaryOp and type(node.op) in (ast.USub, ast.UAdd) and type(node.operand) is ast.Constant:
        return type(node.operand.value).__name__
    return _DISPLAYS.get(kind)


_OF_JSON = {
    "integer": {"int"}, "number": {"int", "float"}, "string": {"str"}, "boolean": {"bool"}, "array": {"list", "tuple"},
    "object": {"dict"}, "null": {"NoneType"},
}
_OF_NAME = {
    "int": {"int"}, "float": {"int", "float"}, "str": {"str"}, "bool": {"bool"}, "bytes": {"bytes", "bytearray"},
    "complex": {"complex"}, "dict": {"dict"}, "Dict": {"dict"}, "Mapping": {"dict"}, "list": {"list", "tuple"},
    "List": {"list", "tuple"}, "tuple": {"list", "tuple"}, "Tuple": {"list", "tuple"}, "None": {"NoneType"},
    "NoneType": {"NoneType"}, "set": {"set", "list", "tuple"}, "frozenset": {"set", "list", "tuple"},
}


def _wanted(parameter):
    """The names of the types that a parameter takes, or None for any."""
    _, json_type, _, _, _, annotation = parameter
    if json_type:
        return _OF_JSON.get(json_type)
    if not annotation:
        return None
    if annotation not in _accepted:
        try:
            _accepted[annotation] = _of_annotation(ast.parse(annotation, mode="eval").body)
        except (SyntaxError, ValueError, RecursionError):
            _accepted[annotation] = None
    return _accepted[annotation]


def _of_annotation(node):
    kind = type(node)
    if kind is ast.Name:
        return _OF_NAME.get(node.id)
    if kind is ast.Constant:
        return {"NoneType"} if node.value is None else None
    if kind is ast.BinOp and type(node.op) is ast.BitOr:
        return _union([node.left, node.right])
    if kind is ast.Subscript:
        name = awaited._last_name(node.value)
        items = node.slice.elts if type(node.slice) is ast.Tuple else [node.slice]
        if name == "Union":
            return _union(items)
        if name == "Optional":
            return _union([*items, ast.Constant(None)])
        if name == "Annotated":
            return _of_annotation(items[0])
        if name == "Literal":
            return {_type_of(item) for item in items}
        return _OF_NAME.get(name)
    return None


def _union(nodes):
    wanted = set()
    for node in nodes:
        one = _of_annotation(node)
        if one is None:
            return None
        wanted |= one
    return wanted


# Functions that use a value and do not keep or await it.
_USE = frozenset("print len str repr int float bool abs round sum min max format type isinstance hash id dir vars".split())


def _leaves(scope, name):
    """Whether the value of *name* goes where it may be awaited unseen: returned, passed on, stored."""
    for node in ast.walk(scope):
        for child in ast.iter_child_nodes(node):
            if type(child) is not ast.Name or child.id != name or type(child.ctx) is not ast.Load:
                continue
            if isinstance(node, ast.Call):
                if child is node.func or awaited._last_name(node.func) not in _USE:
                    return True
            elif isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom, ast.Assign, ast.AnnAssign, ast.AugAssign)):
                return True
            elif isinstance(node, (ast.NamedExpr, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Starred, ast.keyword)):
                return True
            elif isinstance(node, (ast.IfExp, ast.BoolOp, ast.Lambda, ast.ListComp, ast.DictComp, ast.GeneratorExp)):
                return True
            elif isinstance(node, ast.Attribute) and node.attr in ("send", "throw", "close", "__await__"):
                return True
    return False
