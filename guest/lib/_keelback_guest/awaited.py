"""Whether the result of the call that a frame is making flows into an `await`.

The rule: a call gives something to await when it stands

 - directly after `await`;
 - in the operand of an `await` or among the arguments of one of asyncio's functions (`gather`, `create_task`,
   `wait_for` ...), also as an element of a display, a comprehension, a generator expression or a lambda's body there;
 - as the value, or an element of the value, of a name that such a place uses: `t = f(1); await t`, also with
   `ts.append(f(1))`, `ts = [f(i) for i in r]`, `for t in ts: await t`.

Everywhere else the call waits and gives the value itself; an argument of any other function is such a place, even
inside an `await`'s operand (`await save(f(1))` passes the value).
"""

import ast
import linecache
from opcode import opmap

from . import loop

_GET_AWAITABLE = opmap["GET_AWAITABLE"]
_ASYNC = 0x80 | 0x200  # inspect.CO_COROUTINE | CO_ASYNC_GENERATOR

# Functions that take awaitables. By their last name: `asyncio.gather`, `gather`, `group.create_task`.
_TAKES_AWAITABLES = frozenset(
    "gather wait wait_for shield as_completed ensure_future create_task run run_until_complete "
    "run_coroutine_threadsafe isawaitable iscoroutine timeout".split()
)
# Methods that keep their arguments, and builtins that hand them on.
_METHODS_KEEP = frozenset("append add extend insert appendleft put put_nowait".split())
_BUILTINS_KEEP = frozenset("list tuple set map zip enumerate reversed".split())

_answers = {}  # (code, offset) to bool; code objects of equal cells are equal, and so are their answers
_trees = {}  # filename to (source, tree with parents)
_ANSWERS_MAX = 4096


def is_awaited(frame):
    """Whether the call under way in *frame* gives something to await."""
    code = frame.f_code
    if not _may_await(frame):
        return False
    key = (code, code.co_filename, frame.f_lasti)
    answer = _answers.get(key)
    if answer is None:
        if len(_answers) >= _ANSWERS_MAX:
            _answers.clear()
        answer = _answers[key] = _next_is_await(code, frame.f_lasti) or _flows_into_await(code, frame.f_lasti)
    return answer


def _may_await(frame):
    """A cheap answer first: synchronous code that names none of asyncio's functions has plain calls only."""
    for _ in range(8):
        code = frame.f_code
        if code.co_flags & _ASYNC or not _TAKES_AWAITABLES.isdisjoint(code.co_names):
            return True
        # The statements of a cell are compiled apart from its last expression, where the await may be.
        if code.co_name == "<module>" and loop.session_loop()._cell is not None:
            return True
        # Comprehensions and lambdas are part of the code around them.
        if code.co_name not in ("<genexpr>", "<listcomp>", "<lambda>", "<setcomp>", "<dictcomp>"):
            return False
        frame = frame.f_back
        if frame is None:
            return False
    return False


def _next_is_await(code, offset):
    instructions = code.co_code
    offset += 2
    while offset < len(instructions) and instructions[offset] == 0:  # inline caches
        offset += 2
    return offset < len(instructions) and instructions[offset] == _GET_AWAITABLE


def _flows_into_await(code, offset):
    tree = _tree(code.co_filename)
    if tree is None:
        return False
    position = next(_skip(code.co_positions(), offset // 2), None)
    if position is None or None in position:
        return False
    line, end_line, column, end_column = position
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.expr)
            and node.lineno == line
            and node.col_offset == column
            and node.end_lineno == end_line
            and node.end_col_offset == end_column
        ):
            if isinstance(node, ast.Await):
                return True
            return _Scope(node).flows(node)
    return False


def _skip(iterator, count):
    for _ in range(count):
        next(iterator, None)
    return iterator


def _tree(filename):
    source = "".join(linecache.getlines(filename))
    known = _trees.get(filename)
    if known is not None and known[0] == source:
        return known[1]
    try:
        tree = compile(source, filename, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is not None:
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                child.parent = node
    if len(_trees) >= 16:
        _trees.clear()
    _trees[filename] = (source, tree)
    return tree


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


class _Scope:
    """The function (or module) around a call, and the names in it whose values are awaited."""

    def __init__(self, node):
        while not isinstance(node, _FUNCTIONS):
            node = node.parent
        self.node = node
        self._names = None

    def flows(self, node):
        """Whether the value of *node* flows into an await."""
        while True:
            parent = node.parent
            if isinstance(parent, ast.Await):
                return True
            if isinstance(parent, ast.Call):
                if node is parent.func:
                    # (lambda: f(1))() and make(f)(1): the value of the call
                    if not isinstance(node, ast.Lambda):
                        return False
                else:
                    name = _last_name(parent.func)
                    if name in _TAKES_AWAITABLES:
                        return True
                    if not _keeps(parent.func):
                        return False
                    if isinstance(parent.func, ast.Attribute) and name != "put":
                        return self._is_awaited_name(parent.func.value)
            elif isinstance(parent, ast.comprehension):
                if node is not parent.iter:
                    return False
                if self._is_awaited_name(parent.target):
                    return True
                return False
            elif isinstance(parent, _COMPREHENSIONS):
                if isinstance(parent, ast.DictComp) and node is not parent.value:
                    return False
            elif isinstance(parent, (ast.For, ast.AsyncFor)):
                return node is parent.iter and self._is_awaited_name(parent.target)
            elif isinstance(parent, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
                return any(self._is_awaited_name(target) for target in targets)
            elif isinstance(parent, ast.NamedExpr):
                if self._is_awaited_name(parent.target):
                    return True
            elif isinstance(parent, ast.IfExp):
                if node is parent.test:
                    return False
            elif isinstance(parent, ast.BinOp):
                # [f(1)] + [f(2)], [f(1)] * 2
                if not isinstance(node, (ast.List, ast.Tuple, ast.BinOp, *_COMPREHENSIONS)):
                    return False
            elif not isinstance(
                parent, (ast.Starred, ast.keyword, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Lambda)
            ):
                return False
            node = parent

    def _is_awaited_name(self, target):
        return not self._awaited_names().isdisjoint(_target_names(target))

    def _awaited_names(self):
        if self._names is None:
            names, edges = set(), []
            for node in ast.walk(self.node):
                if isinstance(node, ast.Await):
                    names.update(_spine(node.value))
                elif isinstance(node, ast.Call) and _last_name(node.func) in _TAKES_AWAITABLES:
                    names.update(_spine(node))
                elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
                    edges.append((node.target, node.iter))
                elif isinstance(node, ast.Assign):
                    edges += [(target, node.value) for target in node.targets]
                elif isinstance(node, (ast.NamedExpr, ast.AnnAssign, ast.AugAssign)) and node.value is not None:
                    edges.append((node.target, node.value))
            edges = [(_target_names(target), _spine(value)) for target, value in edges]
            changed = True
            while changed:
                changed = False
                for targets, sources in edges:
                    if not names.isdisjoint(targets) and not sources <= names:
                        names |= sources
                        changed = True
            self._names = names
        return self._names


def _last_name(node):
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _keeps(function):
    """Whether what a function is given lives on in what it returns or belongs to."""
    if isinstance(function, ast.Attribute):
        return function.attr in _METHODS_KEEP
    return isinstance(function, ast.Name) and function.id in _BUILTINS_KEEP


def _target_names(node):
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, (ast.Subscript, ast.Attribute, ast.Starred)):
        return _target_names(node.value)
    if isinstance(node, (ast.Tuple, ast.List)):
        return set().union(*map(_target_names, node.elts))
    return set()


def _spine(node):
    """The names whose values an expression hands on, as against those it computes with."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, (ast.Starred, ast.Subscript, ast.Attribute, ast.Await)):
        return _spine(node.value)
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return set().union(*map(_spine, node.elts))
    if isinstance(node, ast.Dict):
        return set().union(*map(_spine, node.values))
    if isinstance(node, ast.IfExp):
        return _spine(node.body) | _spine(node.orelse)
    if isinstance(node, ast.BinOp):
        return _spine(node.left) | _spine(node.right)
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        return _spine(node.elt)
    if isinstance(node, ast.DictComp):
        return _spine(node.value)
    if isinstance(node, ast.Call):
        name = _last_name(node.func)
        found = set()
        if name in _TAKES_AWAITABLES or _keeps(node.func):
            for argument in node.args:
                found |= _spine(argument)
            for item in node.keywords:
                found |= _spine(item.value)
        elif isinstance(node.func, ast.Attribute):
            found |= _spine(node.func.value)  # tasks.values(), queue.pop()
        return found
    return set()
