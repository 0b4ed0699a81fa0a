"""What it means to run a cell.

One file for every front: in a process it is imported by the extension module, in the sandbox it is part of the guest
image under the name `_keelback_session`. It uses the standard library only and runs on Python 3.10 and later.

A cell or a program ends in an *outcome*, a tuple of plain data whose first item says which kind it is::

    ("none",)                                               no value
    ("value", repr, type_name, has_data, data, mime)        the value of the last expression
    ("raised", info)                                        an exception
    ("exit", code, message)                                 SystemExit; of a subclass its name follows
    ("incomplete",)                                         more lines could finish the cell
    ("invalid", info)                                       no further line could

What is not here: reading input, showing output, event loops. Whoever embeds a `Session` gives it `run_awaitable`, and
for interactive cells `show`.
"""

import ast
import builtins
import linecache
import marshal
import sys
import traceback
import types
import weakref
from collections import deque

__all__ = ["Session", "Sources", "exception_info", "hide_frames_of", "plain_data", "prompts", "set_prompts"]

# Frames of code from these files are machinery: no traceback shows them.
_hidden_files = {__file__, (lambda: None).__code__.co_filename}

NONE = ("none",)
INCOMPLETE = ("incomplete",)

_COROUTINE = 0x80  # inspect.CO_COROUTINE
_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_ALLOW_INCOMPLETE = 0x4000  # codeop.PyCF_ALLOW_INCOMPLETE_INPUT
_PARSE = ast.PyCF_ONLY_AST | _ALLOW_INCOMPLETE
_FUTURES = 0
for _name in __import__("__future__").all_feature_names:
    _FUTURES |= getattr(__import__("__future__"), _name).compiler_flag
_FUTURES &= ~0x10  # nested_scopes shares its bit with CO_NESTED

# More frames than this help nobody; the text of the traceback has the same idea of its own.
_FRAMES_MAX = 200
# Deeper than CPython's own recursion limit; formatting takes microseconds a frame.
_TRACEBACK_MAX = 4000


def hide_frames_of(filename):
    """Leave the frames of code compiled from *filename* out of tracebacks."""
    _hidden_files.add(filename)


class Session:
    """A namespace in which cells run one after the other.

    *namespace* is the dict cells run in; without one the session makes a module of its own, as `__main__` is one.
    *run_awaitable* takes a coroutine and returns its result: it is called for cells that use `await` at top level.
    """

    def __init__(self, namespace=None, run_awaitable=None):
        self.module = None
        if namespace is None:
            self.module = types.ModuleType("__main__")
            namespace = self.module.__dict__
            namespace["__builtins__"] = builtins
            namespace["__annotations__"] = {}
            fill_main(namespace)
        self.namespace = namespace
        self.count = 0
        # Interactive cells so far: they are called <python-input-0> and so on, as CPython's prompt does.
        self.inputs = 0
        # What shows a value of an interactive cell: `show(text, pretty, mime)`. Without one it is printed.
        self.show = None
        # `lay_out(value, width)` gives the first two of these; without one they are the repr and None.
        self.lay_out = None
        self.width = 80
        # True exactly while code of the cell runs: only then may a signal handler raise. At other times it leaves
        # its exception in `pending`, and the cell raises it on entry.
        self.running = False
        self.pending = None
        self.flags = 0
        # Whether cells may await outside of functions. Programs may, or not: `python3 FILE` does not let them.
        self.top_level_await = True
        # What `is_whole` has compiled, and from what.
        self._compiled = None
        # What is given the name and the source of every cell before it runs.
        self.remember = _sources.remember
        # How code without a top-level await is run. An embedder may put `context.run` of a contextvars.Context around
        # it, so that all cells share one.
        self.evaluate = eval
        if run_awaitable is not None:
            self.run_awaitable = run_awaitable

    # -- compiling -------------------------------------------------------------------------------------------------

    def _flags(self):
        return (_AWAIT if self.top_level_await else 0) | self.flags

    def compile(self, source, filename):
        """Compile a cell: `(statements, expression)`, or None when more lines could finish it.

        Either of the pair may be None: *expression* is the last statement when that is an expression. Raises what
        `compile` raises (SyntaxError, ValueError, OverflowError ...) when no further line could make it valid.
        A submission is a whole cell: several statements are one, and a block that has all its lines is complete.
        """
        newline = source.find("\n")
        # One line is most often an expression. Warnings about escapes would be given twice if it is not.
        if (newline < 0 or newline == len(source) - 1) and "\\" not in source:
            try:
                return None, compile(source, filename, "eval", self._flags(), True)
            except SyntaxError:
                pass
            if ";" not in source:
                # One line and no expression: no need for a tree to find a last expression in.
                try:
                    code = compile(source, filename, "exec", _ALLOW_INCOMPLETE | self._flags(), True)
                except SyntaxError as error:
                    if _is_incomplete(error):
                        return None
                    raise
                self.flags |= code.co_flags & _FUTURES
                return code, None
        try:
            tree = compile(source, filename, "exec", _PARSE | self._flags(), True)
        except SyntaxError as error:
            if _is_incomplete(error):
                return None
            raise
        except RecursionError:
            # Too deep to be shown as a tree, perhaps not too deep to be compiled.
            return compile(source, filename, "exec", self._flags(), True), None
        body = tree.body
        # A cell that begins with a string does not document the session.
        while len(body) > 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            del body[0]
        last = None
        if body and isinstance(body[-1], ast.Expr):
            last = ast.Expression(body.pop().value)
        statements = expression = None
        flags = self._flags()
        if body:
            statements = compile(tree, filename, "exec", flags, True)
            self.flags |= statements.co_flags & _FUTURES
            flags |= self.flags
        if last is not None:
            expression = compile(last, filename, "eval", flags, True)
        return statements, expression

    def compile_interactive(self, source, filename):
        """Compile a cell whose every expression statement is handed to `sys.displayhook`; None as in `compile`.

        The result is a pair of code objects, to be run in this order, of which either may be None.
        """
        if "\n" not in source:
            try:
                code = compile(source, filename, "single", self._flags(), True)
            except (SyntaxError, RecursionError):
                pass  # a compound statement, or it is wrong: found out below
            else:
                self.flags |= code.co_flags & _FUTURES
                return None, code
        end = _silent_end(source) if len(source) >= _LONG else 0
        if end:
            flags = self.flags
            try:
                return self._compile_halves(source, end, filename)
            except (SyntaxError, RecursionError):
                self.flags = flags  # whatever is wrong is told of the whole cell
        try:
            tree = ast.Interactive(compile(source, filename, "exec", _PARSE | self._flags(), True).body)
            code = compile(tree, filename, "single", self._flags(), True)
        except SyntaxError as error:
            if _is_incomplete(error):
                return None
            raise
        except RecursionError:
            # Too deep to be shown as a tree, perhaps not too deep to be compiled.
            code = compile(source, filename, "single", self._flags(), True)
        self.flags |= code.co_flags & _FUTURES
        return None, code

    def _compile_halves(self, source, end, filename):
        """As `compile_interactive`; what comes before *end* shows nothing and is compiled without a tree, in half the time."""
        silent = compile(source[:end], filename, "exec", self._flags(), True)
        self.flags |= silent.co_flags & _FUTURES
        if end == len(source):
            return silent, None
        # Blank lines keep the line numbers.
        rest = "\n" * source.count("\n", 0, end) + source[end:]
        tree = ast.Interactive(compile(rest, filename, "exec", _PARSE | self._flags(), True).body)
        return silent, compile(tree, filename, "single", self._flags(), True)

    def is_whole(self, source, filename=None):
        """Whether *source* is a whole interactive cell (True), could become one (False), or never will (None).

        What was compiled is kept for `run`, which most likely comes next.
        """
        import warnings

        self._compiled = None
        key = source, filename or self.filename(), self._flags()
        flags = self.flags
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                codes = self.compile_interactive(source, key[1])
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
            return None
        else:
            # What warns is compiled again when it is run: it is to warn then.
            if codes is not None and not warned:
                self._compiled = key, codes, self.flags
            return codes is not None
        finally:
            self.flags = flags

    def awaits(self, source, filename=None):
        """Whether running *source* as an interactive cell awaits outside of functions. What was compiled is kept."""
        key = source, filename or self.filename(), self._flags()
        if self._compiled is None or self._compiled[0] != key:
            self._compiled = None
            flags = self.flags
            try:
                codes = self.compile_interactive(source, key[1])
            except Exception:
                return False  # running it says what is wrong with it
            else:
                if codes is None:
                    return False
                self._compiled = key, codes, self.flags
            finally:
                self.flags = flags
        return any(code is not None and code.co_flags & _COROUTINE for code in self._compiled[1])

    def filename(self):
        """What tracebacks call the next interactive cell, if nobody else names it."""
        return f"<python-input-{self.inputs}>"

    def _compile_again(self, source, filename):
        """`compile_interactive` of a cell that may have been compiled a moment ago."""
        compiled, self._compiled = self._compiled, None
        if compiled is not None and compiled[0] == (source, filename, self._flags()):
            self.flags = compiled[2]
            return compiled[1]
        return self.compile_interactive(source, filename)

    def is_complete(self, source):
        """Whether *source* is a whole cell (True), could become one (False); raises SyntaxError if it never will."""
        flags = self.flags
        try:
            return self.compile(source, "<input>") is not None
        finally:
            self.flags = flags

    # -- running ---------------------------------------------------------------------------------------------------

    def run(self, source, filename=None, mode="cell"):
        """Run *source* and return its outcome.

        *mode* is "cell", "program" for what `python3 FILE` does, or "interactive" for what its prompt does: every
        expression statement is shown as it is reached, and the outcome has no value.
        """
        try:
            if mode == "interactive":
                return self._run_interactive(source, filename)
            if mode != "cell":
                return self._run_program(source, filename)
            self.count += 1
            if filename is None:
                filename = f"<cell {self.count}>"
            try:
                cell = self.compile(source, filename)
            except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
                return invalid_outcome(error, source)
            if cell is None:
                return INCOMPLETE
            self.remember(filename, source)
            statements, expression = cell
            self.running = True
            if self.pending is not None:
                self._raise_pending()
            value = None
            if statements is None and expression is not None and expression.co_flags & _COROUTINE == 0:
                value = self.evaluate(expression, self.namespace)
            elif (statements is not None and statements.co_flags & _COROUTINE) or (
                expression is not None and expression.co_flags & _COROUTINE
            ):
                value = self.run_awaitable(self._await_both(statements, expression))
            else:
                if statements is not None:
                    self.evaluate(statements, self.namespace)
                if expression is not None:
                    value = self.evaluate(expression, self.namespace)
            if value is None:
                self.running = False
                return NONE
            outcome = value_outcome(value)
            self.running = False
            return outcome
        except BaseException as error:
            self.running = False
            return self.failed(error)

    async def run_async(self, source, filename=None, mode="cell"):
        """As `run` for a cell, in the event loop that is already running."""
        if mode == "interactive":
            return await self._run_interactive_async(source, filename)
        self.count += 1
        if filename is None:
            filename = f"<cell {self.count}>"
        try:
            try:
                cell = self.compile(source, filename)
            except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
                return invalid_outcome(error, source)
            if cell is None:
                return INCOMPLETE
            self.remember(filename, source)
            self.running = True
            value = await self._await_both(*cell)
            return NONE if value is None else value_outcome(value)
        except BaseException as error:
            return self.failed(error)
        finally:
            self.running = False

    def run_awaitable(self, coroutine):
        """Run *coroutine* to its end and return its result. Embedders with a loop of their own replace this."""
        import asyncio

        return asyncio.run(coroutine)

    async def _await_both(self, statements, expression=None):
        value = None
        if statements is not None:
            value = eval(statements, self.namespace)
            if statements.co_flags & _COROUTINE:
                await value
            value = None
        if expression is not None:
            value = eval(expression, self.namespace)
            if expression.co_flags & _COROUTINE:
                value = await value
        return value

    def _begin_interactive(self, source, filename):
        """`(codes, None)`, or `(None, outcome)` of a cell that cannot be run."""
        if filename is None:
            filename = self.filename()
        try:
            codes = self._compile_again(source, filename)
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
            self.inputs += 1
            return None, self._refused(error, source)
        if codes is None:
            return None, INCOMPLETE
        self.inputs += 1
        self.remember(filename, source)
        return codes, None

    def _refused(self, error, source):
        """The outcome of an interactive cell that is no Python: the prompt tells it as it tells exceptions."""
        error.__traceback__ = None
        sys.last_exc = error
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, None
        outcome = invalid_outcome(error, source)
        if sys.excepthook is sys.__excepthook__:
            return outcome
        try:
            self.running = True
            text = _hooked(error)
        except BaseException as left:
            return self.failed(left)
        finally:
            self.running = False
        outcome[1]["traceback"] = "" if text is None else text + outcome[1]["traceback"]
        return outcome

    def _run_interactive(self, source, filename):
        codes, outcome = self._begin_interactive(source, filename)
        if codes is None:
            return outcome
        codes = [code for code in codes if code is not None]
        _show_for(self)
        try:
            self.running = True
            if self.pending is not None:
                self._raise_pending()
            if any(code.co_flags & _COROUTINE for code in codes):
                self.run_awaitable(self._await_both(*codes))
            else:
                for code in codes:
                    self.evaluate(code, self.namespace)
            return NONE
        finally:
            self.running = False
            _shown_for()

    async def _run_interactive_async(self, source, filename):
        try:
            codes, outcome = self._begin_interactive(source, filename)
            if codes is None:
                return outcome
            _show_for(self)
            try:
                self.running = True
                await self._await_both(*codes)
                return NONE
            finally:
                self.running = False
                _shown_for()
        except BaseException as error:
            return self.failed(error)

    def displayhook(self, value):
        """What `sys.displayhook` does for this session's interactive cells."""
        if value is None:
            return
        if self.show is None:
            sys.__displayhook__(value)
            return
        builtins._ = None  # as CPython: a failing repr leaves no old value behind
        text, pretty = (text_of(value), None) if self.lay_out is None else self.lay_out(value, self.width)
        kind = type(value)
        self.show(text, pretty, None if kind in _SCALARS or kind in _CONTAINERS else mime_bundle(value))
        builtins._ = value

    def _run_program(self, source, filename):
        if filename is None:
            filename = "<string>"
        try:
            code = compile(source.removeprefix("\ufeff"), filename, "exec", _AWAIT, True)
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
            return invalid_outcome(error, source)
        self.remember(filename, source)
        return self.run_code(code, None if filename.startswith("<") else filename)

    def run_code(self, code, filename=None):
        """Run compiled statements as a program does: the outcome has no value."""
        try:
            if filename is not None:
                self.namespace["__file__"] = filename
            self.running = True
            if self.pending is not None:
                self._raise_pending()
            if code.co_flags & _COROUTINE:
                self.run_awaitable(self._await_both(code, None))
            else:
                self.evaluate(code, self.namespace)
            self.running = False
            return NONE
        except BaseException as error:
            self.running = False
            return self.failed(error)

    def _raise_pending(self):
        error, self.pending = self.pending, None
        raise error

    def failed(self, error):
        """The outcome of a cell that *error* left."""
        if isinstance(error, SystemExit):
            return exit_outcome(error)
        leaving = None
        # Text of exceptions is code of the cell, and may run for ever: let signals in, here only.
        try:
            self.running = True
            info = exception_info(error)
            self.running = False
        except SystemExit as second:
            self.running = False
            leaving = second  # from the user's sys.excepthook
        except BaseException as second:
            self.running = False
            # What an interrupt cut short is told by it; what there was no memory to show is told without a traceback.
            info = bare_info(second if isinstance(second, (KeyboardInterrupt, TimeoutError)) else error)
        return ("raised", info) if leaving is None else exit_outcome(leaving)


# Cells shorter than this are compiled in no time as it is; a choice.
_LONG = 10_000


def _silent_end(source):
    """Where the first statement begins that may show something, from what its first line looks like.

    All before it are definitions, imports and assignments, if they are Python at all: the text is not parsed. A
    statement begins at the start of a line, or behind a semicolon. What begins one there and what is the text of a
    string need not be told apart: either has to look right.
    """
    import re

    # Other line ends, and what sets the column back to 0.
    if "\r" in source or "\f" in source:
        return 0
    # A body goes on until the next line at the margin, and shows nothing whatever is in it.
    body = re.compile(r"(?:async[ \t]+)?def[ \t]|class[ \t]")
    other = re.compile(r"@|(?:from|import)[ \t]|[^\W\d]\w*[ \t]*=(?!=)|[)\]}]")
    end = len(source)
    begun, is_body = 0, True
    for line in re.finditer(r"^[^\s#]|\Z", source, re.MULTILINE):
        start = line.start()
        if not is_body and source.find(";", begun, start) >= 0:
            end = begun
            break
        begun, is_body = start, body.match(source, start) is not None
        if not is_body and other.match(source, start) is None:
            end = start
            break
    # These mean something else where nothing is above them.
    return 0 if re.search(r"\b(?:global|__future__)\b", source[end:]) else end


def _is_incomplete(error):
    # The second text is for f-strings: some releases of 3.12 do not call those incomplete.
    return error.msg == "incomplete input" or error.msg.startswith("unterminated triple-quoted")


def fill_main(namespace):
    """The names that every `__main__` has."""
    namespace.update(__name__="__main__", __doc__=None, __package__=None, __loader__=None, __spec__=None)


def remember_source(filename, source):
    """Let tracebacks and `inspect` find the lines of *source*; its entry in `linecache`.

    Entries without a time are never dropped as stale.
    """
    lines = source.splitlines(True)
    if lines and lines[-1][-1] != "\n":
        lines[-1] += "\n"
    entry = linecache.cache[filename] = (len(source), None, lines, filename)
    return entry


class Sources:
    """The sources that `linecache`, which forgets nothing by itself, is to keep: the last *cells*, of *characters* at most.

    Tracebacks through older cells show no line of them. The last one is kept whatever its length.
    """

    def __init__(self, cells, characters):
        self.cells = cells
        self.characters = characters
        self._kept = deque()
        self._length = 0

    def remember(self, filename, source):
        # Without a lock, which a forked child might inherit held: sessions in two threads at once may only miscount.
        entry = remember_source(filename, source)
        self._kept.append(entry)
        self._length += entry[0]
        while len(self._kept) > 1 and (len(self._kept) > self.cells or self._length > self.characters):
            old = self._kept.popleft()
            self._length -= old[0]
            # Unless another cell has the name since.
            if linecache.cache.get(old[3]) is old:
                linecache.cache.pop(old[3], None)


# Of all sessions of the process, also those that ended: what they defined lives on. Both are choices: ten short cells a
# second fill the first in a quarter of an hour.
_sources = Sources(10_000, 10_000_000)


# -- interactive cells ---------------------------------------------------------------------------------------------

# Sessions with interactive cells, by the id of their namespace: what shows a value is found by where it came up, so that
# sessions which wait side by side in one event loop do not show each other's.
_sessions = weakref.WeakValueDictionary()
_shows = 0


def _display(value):
    """`sys.displayhook` while interactive cells run."""
    frame = sys._getframe(1)
    while frame is not None:
        session = _sessions.get(id(frame.f_globals))
        if session is not None and session.namespace is frame.f_globals:
            session.displayhook(value)
            return
        frame = frame.f_back
    sys.__displayhook__(value)


def _show_for(session):
    global _shows
    _sessions[id(session.namespace)] = session
    _shows += 1
    if getattr(sys, "displayhook", None) is sys.__displayhook__:
        sys.displayhook = _display


def _shown_for():
    global _shows
    _shows -= 1
    if _shows == 0 and getattr(sys, "displayhook", None) is _display:
        sys.displayhook = sys.__displayhook__


def set_prompts():
    """`sys.ps1` and `sys.ps2`, by which programs tell an interactive session."""
    for name, text in (("ps1", ">>> "), ("ps2", "... ")):
        if not hasattr(sys, name):
            setattr(sys, name, text)


def prompts():
    """The texts of `sys.ps1` and `sys.ps2` now: they may be objects whose text changes."""
    texts = []
    for name, text in (("ps1", ">>> "), ("ps2", "... ")):
        try:
            text = str.__str__(str(getattr(sys, name, text)))
        except Exception:
            pass
        texts.append(text)
    return tuple(texts)


# -- values --------------------------------------------------------------------------------------------------------

_SCALARS = {int, str, float, bool, type(None), bytes, complex}
_CONTAINERS = {list, dict, tuple, set, frozenset}

_MIME_METHODS = (
    ("text/html", "_repr_html_"),
    ("text/markdown", "_repr_markdown_"),
    ("image/svg+xml", "_repr_svg_"),
    ("image/png", "_repr_png_"),
    ("image/jpeg", "_repr_jpeg_"),
    ("text/latex", "_repr_latex_"),
    ("application/json", "_repr_json_"),
)


def text_of(value):
    """The repr of *value*. A subclass of str, which it may be, would not cross."""
    text = repr(value)
    return text if type(text) is str else str.__str__(text)


def value_outcome(value):
    """The outcome of a cell whose last expression is *value*, which is not None.

    A `sys.displayhook` of the user's own shows the value itself: the outcome is then without one.
    """
    if sys.displayhook is not sys.__displayhook__ and sys.displayhook is not _display:
        sys.displayhook(value)
        return NONE
    text = text_of(value)
    builtins._ = value
    kind = type(value)
    if kind in _SCALARS:
        return ("value", text, kind.__name__, True, value, None)
    has_data, data = plain_data(value)
    return ("value", text, kind.__name__, has_data, data, None if kind in _CONTAINERS else mime_bundle(value))


def mime_bundle(value):
    """What *value* says about showing itself, by MIME type, or None. A method that fails is as one that is not there."""
    kind = type(value)
    bundle = {}
    method = getattr(kind, "_repr_mimebundle_", None)
    if method is not None:
        try:
            data = method(value)
            if isinstance(data, tuple):
                data = data[0]
            for mime, item in dict(data).items():
                _add_mime(bundle, mime, item)
        except Exception:
            pass
    for mime, name in _MIME_METHODS:
        method = getattr(kind, name, None)
        if method is not None and mime not in bundle:
            try:
                item = method(value)
                if isinstance(item, tuple):
                    item = item[0]
                _add_mime(bundle, mime, item)
            except Exception:
                pass
    return bundle or None


def _add_mime(bundle, mime, item):
    if type(mime) is not str or item is None:
        return
    if isinstance(item, str):
        bundle[mime] = str(item)
    elif isinstance(item, (bytes, bytearray, memoryview)):
        bundle[mime] = bytes(item)
    else:
        import json

        bundle[mime] = json.dumps(item)


_DEPTH_MAX = 200
_ITEMS_MAX = 10_000_000  # a choice: data larger than this is asked for in pieces


class NotPlain(Exception):
    """A value that is not plain data. `args` are the offending value, or a text."""


def plain_data(value):
    """`(True, data)` when *value* is plain data, else `(False, None)`.

    Plain are None, bool, int, float, complex, str, bytes, tuple, list, dict, set and frozenset. Bytes-like objects
    become bytes, named tuples tuples, and the dicts of `collections` dicts. Other subclasses carry a meaning that would
    be lost, and are not plain.
    """
    kind = type(value)
    if kind in _SCALARS:
        return True, value
    try:
        return True, to_plain(value)
    except NotPlain:
        return False, None


def to_plain(value):
    """*value* as plain data; raises NotPlain."""
    return _to_plain(value, 0, [_ITEMS_MAX])


def _to_plain(value, depth, budget):
    kind = type(value)
    if kind in _SCALARS:
        return value
    if depth > _DEPTH_MAX:
        raise NotPlain("is nested too deeply or refers to itself")
    if kind is dict or kind in _dict_types():
        budget[0] -= len(value) + 10
        if budget[0] < 0:
            raise NotPlain("is too large")
        if set(map(type, value)) <= _SCALARS and set(map(type, value.values())) <= _SCALARS:
            return value if kind is dict else dict(value)
        depth += 1
        # dict(value) first: a subclass may override items()
        return {
            _to_plain(key, depth, budget): _to_plain(item, depth, budget) for key, item in dict.items(value)
        }
    if kind is list or kind is tuple or kind is set or kind is frozenset:
        budget[0] -= len(value) + 10
        if budget[0] < 0:
            raise NotPlain("is too large")
        if set(map(type, value)) <= _SCALARS:
            return value
        depth += 1
        return kind([_to_plain(item, depth, budget) for item in value])
    if kind is bytearray or kind is memoryview:
        try:
            return bytes(value)
        except (ValueError, BufferError):  # a released view
            raise NotPlain(value) from None
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return _to_plain(tuple(value), depth, budget)
    raise NotPlain(value)


def _dict_types():
    collections = sys.modules.get("collections")
    if collections is None:
        return ()
    return collections.OrderedDict, collections.defaultdict, collections.Counter


# -- exceptions ----------------------------------------------------------------------------------------------------


def invalid_outcome(error, source):
    if isinstance(error, SyntaxError) and error.text is None and error.lineno is not None:
        # Errors found after parsing are without their line.
        lines = source.splitlines(True)
        if 0 < error.lineno <= len(lines):
            error.text = lines[error.lineno - 1]
    return ("invalid", exception_info(error, True))


def exit_outcome(error):
    """SystemExit as python3 understands it: an int is the status, other things are printed."""
    if type(error) is not SystemExit:
        return (*_exit_status(error.code), type(error).__qualname__)
    return _exit_status(error.code)


def _exit_status(code):
    if code is None:
        return ("exit", 0, None)
    if isinstance(code, int):
        # The process's status is the lowest eight bits of a C int; what does not fit becomes -1.
        code = int(code)
        return ("exit", code & 0xFF if -(1 << 63) <= code < 1 << 63 else 0xFF, None)
    try:
        return ("exit", 1, str(str(code)))
    except BaseException:
        return ("exit", 1, "")


def exception_info(error, only=False):
    """What is known of an exception, as plain data. With *only* the text is without a traceback (invalid cells)."""
    shortened = clean_traceback(error)
    # The frames of a MemoryError or of a very deep recursion hold what used the memory up.
    if not only and not shortened and not isinstance(error, MemoryError):
        sys.last_exc = error
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    hook = sys.excepthook
    if hook is not sys.__excepthook__ and not only:
        # The user's own hook shows the exception, as under python3.
        text = _hooked(error)
        if text is None:
            info = bare_info(error)
            info["traceback"] = ""
            info["frames"] = _frames(_stack(error))
            return info
    else:
        text = ""
    trace = traceback.TracebackException(
        type(error), error, None if only else error.__traceback__, limit=_limit(), compact=True
    )
    info = bare_info(error)
    info["traceback"] = text + "".join(trace.format_exception_only() if only else trace.format())
    if not only:
        info["frames"] = _frames(trace.stack)
    return info


def bare_info(error):
    """`exception_info` without anything that could run much of the user's code."""
    kind = type(error)
    try:
        message = str(str(error))
    except BaseException:
        message = f"<exception {kind.__name__}.__str__() failed>"
    args = []
    for item in error.args:
        try:
            text = str(repr(item))
        except BaseException:
            text = f"<{type(item).__name__} object whose repr() failed>"
        args.append((text, *plain_data(item)))
    notes = getattr(error, "__notes__", None)
    line = f"{kind.__qualname__}: {message}\n" if message else f"{kind.__qualname__}\n"
    return {
        "type": kind.__qualname__,
        "module": str(kind.__module__),
        "message": message,
        "args": args,
        "traceback": line,
        "frames": [],
        "notes": [item for item in notes if type(item) is str] if isinstance(notes, list) else [],
    }


def _hooked(error):
    """Call the user's `sys.excepthook`. None when it has shown the exception, else what to say before it is shown.

    What an interrupt of the user raises in the hook, and SystemExit, leave it.
    """
    try:
        sys.excepthook(type(error), error, error.__traceback__)
        return None
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as failed:
        failed.__context__ = None
        clean_traceback(failed)
        lines = traceback.format_exception(type(failed), failed, failed.__traceback__, limit=_limit())
        return f"Error in sys.excepthook:\n{''.join(lines)}\nOriginal exception was:\n"


def _limit():
    """`sys.tracebacklimit` as python3 understands it: the last frames count. The `traceback` module takes the first."""
    limit = getattr(sys, "tracebacklimit", None)
    if limit is None:
        return None
    return -max(limit, 0) if isinstance(limit, int) else -_TRACEBACK_MAX


def _stack(error):
    return traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__))


def _frames(stack):
    if len(stack) > _FRAMES_MAX:
        stack = stack[: _FRAMES_MAX // 2] + stack[-_FRAMES_MAX // 2 :]
    frames = []
    for frame in stack:
        frames.append(
            (
                frame.filename,
                frame.lineno,
                getattr(frame, "end_lineno", None),
                getattr(frame, "colno", None),
                getattr(frame, "end_colno", None),
                frame.name,
                frame.line,
            )
        )
    return frames


def clean_traceback(error):
    """Take the machinery's frames out of *error* and all it is linked to. True when a traceback was too long."""
    shortened = False
    seen = set()
    todo = [error]
    while todo:
        error = todo.pop()
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        trace = error.__traceback__
        if trace is not None:
            error.__traceback__, long = _visible(trace)
            shortened |= long
        todo += (error.__cause__, error.__context__)
        if isinstance(getattr(error, "exceptions", None), tuple):
            todo += error.exceptions
    return shortened


def _shortened(kept):
    """The first and the last frames of a very deep recursion, with a line for those between."""
    count = len(kept) - _TRACEBACK_MAX
    note = f"<{count} frames left out>"
    frame = eval(compile("__import__('sys')._getframe()", note, "eval").replace(co_name="..."), {})
    half = _TRACEBACK_MAX // 2
    trace = None
    for entry in reversed([*kept[:half], None, *kept[-half:]]):
        if entry is None:
            trace = types.TracebackType(trace, frame, 0, 1)
        else:
            trace = types.TracebackType(trace, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return trace


def _visible(trace):
    kept = []
    hidden = False
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in _hidden_files:
            hidden = True
        else:
            kept.append(trace)
        trace = trace.tb_next
    if not kept:
        return None, False
    if len(kept) > _TRACEBACK_MAX:
        return _shortened(kept), True
    if hidden:
        for index in range(len(kept) - 1):
            if kept[index].tb_next is not kept[index + 1]:
                kept[index].tb_next = kept[index + 1]
        if kept[-1].tb_next is not None:
            kept[-1].tb_next = None
    return kept[0], False
