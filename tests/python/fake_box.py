"""The Python API of the sandbox over `exec` in this process: for tests of what is built on it, where there is no guest.

Nothing is isolated. Files are copies in a temporary folder that stands for `/sandbox`; `install` puts the names into
the package `keelback` when its extension module is missing.
"""

import ast
import inspect
import io
import os
import shutil
import sys
import tempfile
import traceback
import types


class SandboxError(Exception):
    pass


class SessionLost(SandboxError):
    pass


class Parameter:
    empty = type("empty", (), {"__repr__": lambda self: "empty"})()

    def __init__(self, name, annotation=None, default=empty, kind="positional_or_keyword"):
        self.name, self.annotation, self.default, self.kind = name, annotation, default, kind


class Tool:
    def __init__(self, function, *, name=None, doc=None, parameters=None, ends_cell=False):
        self.function, self.name, self.doc = function, name or function.__name__, doc
        self.parameters, self.ends_cell = parameters, ends_cell


class _Ended(BaseException):
    pass


class _Stream(io.TextIOBase):
    def __init__(self, name, output):
        self.name, self.output = name, output

    def write(self, text):
        if text:
            self.output.append((self.name, text))
        return len(text)


def crosses(value):
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(crosses, value))
    if isinstance(value, dict):
        return all(crosses(item) for pair in value.items() for item in pair)
    return value is None or type(value) in (bool, int, float, str, bytes)


class Sandbox:
    def __init__(
        self, *, read=(), write_synced=(), write_copy=(), env=(), network=(), tools=(), limits=None, packages=()
    ):  # fmt: skip
        self.grants = {"read": read, "write_synced": write_synced, "write_copy": write_copy}
        self.env, self.network, self.limits, self.packages = dict(env), network, limits, packages
        self.namespace = {"__name__": "__main__"}
        self.lost = False
        self.folder = tempfile.mkdtemp()
        self.root = self.folder + "/sandbox"
        if read or write_synced or write_copy:
            os.mkdir(self.root)
        self.write_synced = dict(write_synced)
        for host, guest in {**dict(read), **dict(write_synced), **dict(write_copy)}.items():
            copy = shutil.copytree if os.path.isdir(host) else shutil.copyfile
            copy(host, self._path(guest))
        for tool in tools:
            self.add_tool(tool)

    def _path(self, guest):
        return guest.replace("/sandbox", self.root)

    def add_tool(self, tool):
        scope = {"_call": lambda *args, **kwargs: self._call(tool, args, kwargs)}
        declared, passed = [], []
        for index, p in enumerate(tool.parameters):
            star = {"var_positional": "*", "var_keyword": "**"}.get(p.kind, "")
            default = ""
            if p.default is not Parameter.empty:
                assert crosses(p.default), p.default
                scope[f"_default_{index}"] = p.default
                default = f"=_default_{index}"
            declared.append(f"{star}{p.name}{default}")
            keyword_only = p.kind == "keyword_only"
            if keyword_only and not any(text.startswith("*") for text in declared):
                declared.insert(-1, "*")
            passed.append(f"{p.name}={p.name}" if keyword_only else f"{star}{p.name}")
        exec(f"def {tool.name}({', '.join(declared)}): return _call({', '.join(passed)})", scope)
        function = scope[tool.name]
        function.__doc__ = tool.doc
        types_of = {p.name: p.annotation for p in tool.parameters if p.annotation is not None}

        def entry(*args, **kwargs):
            try:
                given = inspect.signature(function).bind(*args, **kwargs).arguments
            except TypeError:
                return function(*args, **kwargs)  # which says it in Python's own words
            for name, value in given.items():
                kind = types_of.get(name)
                if kind and not isinstance(value, (int, float) if kind is float else kind):
                    raise TypeError(f"{tool.name}() argument '{name}' must be {kind.__name__}")
            return function(*args, **kwargs)

        entry.__name__ = tool.name
        self.namespace[tool.name] = entry

    def _call(self, tool, args, kwargs):
        assert crosses(list(args)) and crosses(kwargs), "an argument cannot cross"
        value = tool.function(*args, **kwargs)
        assert crosses(value), value
        if tool.ends_cell:
            self.final = (tool.name, value)
            raise _Ended
        return value

    def remove_tool(self, name):
        del self.namespace[name]

    def set(self, /, **values):
        for value in values.values():
            assert crosses(value), value
        self.namespace.update(values)

    def run(self, code, *, filename=None, transaction=False):
        if self.lost:
            raise SessionLost("the guest is gone")
        result = types.SimpleNamespace(
            value=None, has_value=False, value_repr=None, value_type=None, output=[], display=[], error=None,
            final=None, ended_by=None, usage=None,
        )  # fmt: skip
        self.final = None
        environment = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.env)
        streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Stream("stdout", result.output), _Stream("stderr", result.output)
        try:
            self._run(code.replace("/sandbox", self.root), result)
        finally:
            sys.stdout, sys.stderr = streams
            os.environ.clear()
            os.environ.update(environment)
        result.stdout = "".join(text for name, text in result.output if name == "stdout")
        result.stderr = "".join(text for name, text in result.output if name == "stderr")
        result.sync_errors = []
        for host, guest in self.write_synced.items():
            try:
                if os.path.isdir(host):
                    shutil.copytree(self._path(guest), host, dirs_exist_ok=True)
                else:
                    shutil.copyfile(self._path(guest), host)
            except OSError as error:
                result.sync_errors.append((guest, error.strerror))
        return result

    def _run(self, code, result):
        value = None
        try:
            tree = ast.parse(code)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "<cell>", "exec"), self.namespace)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), self.namespace)
        except _Ended:
            pass
        except BaseException as error:
            if self.final is None:
                result.error = self._error(error)
        if self.final is not None:
            result.error = None
            result.ended_by, result.final = self.final
        elif result.error is None and value is not None:
            result.has_value, result.value_repr, result.value_type = True, repr(value), type(value).__name__
            result.value = value if crosses(value) else None

    def _error(self, error):
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<cell>"]
        stack = traceback.StackSummary.from_list(frames)
        text = "Traceback (most recent call last):\n" + "".join(stack.format())
        text += "".join(traceback.format_exception_only(error))
        return types.SimpleNamespace(
            type=type(error).__name__, module=type(error).__module__, message=str(error), traceback=text, frames=frames,
            args=tuple(arg if crosses(arg) else repr(arg) for arg in error.args), limit=None,
            exit_code=error.code if isinstance(error, SystemExit) else None,
            syntax=error if isinstance(error, SyntaxError) else None,
        )  # fmt: skip

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lost = True


def install():
    """Give `keelback` these names if it has none of its own; say whether they are these."""
    import keelback

    try:
        import keelback._native  # noqa: F401
    except ImportError:
        for thing in (Sandbox, Tool, Parameter, SandboxError, SessionLost):
            setattr(keelback, thing.__name__, thing)
        return True
    return False
