"""`PythonInterpreter`: the methods of dspy's class over one `keelback.Sandbox`."""

import contextvars
import inspect
import os
import threading
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import keelback

from . import _grants, _tools, _values
from ._types import CodeExecutionError, CodeInterpreterError, FinalOutput, with_callbacks

__all__ = ["PythonInterpreter"]


class PythonInterpreter:
    """Runs Python in a sandbox that keeps its variables from one `execute` to the next.

    The guest has no files, environment or network but what is granted here. One interpreter belongs to the thread that
    first executes in it; when its session has ended, by `shutdown` or by a failure, it is not started again.

    *deno_command* is accepted so that old calls work, and ignored.
    *enable_read_paths* and *enable_write_paths* are files and directories, each seen as `/sandbox/<basename>`.
    *sync_files* says whether what the guest wrote goes back to the host after each `execute`; without it, never.
    *enable_env_vars* are names of variables, *enable_network_access* hosts, each `host` or `host:port`.
    *tools* are called by their names; *output_fields*, dicts with `name` and perhaps `type`, are what SUBMIT takes.
    *callbacks* are handlers as in dspy.

    `last_result` is the `keelback.Result` of the latest execute: standard output and error apart and in order, usage,
    rich output.
    """

    execution_instructions = (
        "Python runs as CPython 3.13 in WebAssembly (not Pyodide: there is no `js` module). State persists across "
        "executions, but threads, subprocesses and native extensions are unavailable. The Python standard library is "
        "available. Host filesystem, environment, and network access require explicit permission; granted files are "
        "in /sandbox."
    )

    limits: ClassVar[Any] = None
    """The `keelback.Limits` of every interpreter of this class; None for the sandbox's own. For subclasses to set."""

    packages: ClassVar[tuple] = ()
    """The packages of every interpreter of this class, as `keelback.Sandbox` takes them. For subclasses to set."""

    deno_process = None  # dspy's own code and tests look at it; there is never a process

    def __init__(
        self,
        deno_command: list[str] | None = None,
        enable_read_paths: list[os.PathLike | str] | None = None,
        enable_write_paths: list[os.PathLike | str] | None = None,
        enable_env_vars: list[str] | None = None,
        enable_network_access: list[str] | None = None,
        sync_files: bool = True,
        tools: dict[str, Callable[..., str]] | None = None,
        output_fields: list[dict] | None = None,
        callbacks: list[Any] | None = None,
    ) -> None:
        if isinstance(deno_command, dict):
            raise TypeError("deno_command must be a list of strings, not a dict")
        if deno_command:
            message = "deno_command is ignored: keelback runs Python without Deno"
            warnings.warn(message, DeprecationWarning, stacklevel=2)
        self.deno_command = list(deno_command or ())
        self.enable_read_paths = enable_read_paths or []
        self.enable_write_paths = enable_write_paths or []
        self.enable_env_vars = enable_env_vars or []
        self.enable_network_access = enable_network_access or []
        self.sync_files = sync_files
        self.tools = dict(tools) if tools else {}
        self.output_fields = output_fields
        self.callbacks = list(callbacks or [])
        self.last_result = None
        self._read, self._write = _grants.guest_paths(self.enable_read_paths, self.enable_write_paths)
        self._box = None
        self._session_ended = False
        self._owner_thread = None
        self._context = None  # the context variables of the execute under way
        self._running_tools = []  # their names; one execute may have several
        self._tools_registered = False  # dspy.RLM sets it to False when it has changed `tools` or `output_fields`
        self._registered = {}  # tool name -> what it was made from

    # -- dspy's protocol -------------------------------------------------------------------------------------------

    @with_callbacks
    def start(self) -> None:
        """Make the sandbox ready. `execute` does it too when it has not been done; doing it again changes nothing.

        Raises FileNotFoundError when a path to read does not exist, CodeInterpreterError when the session has ended or
        the sandbox cannot be made.
        """
        self._check_session_active()
        if self._box is not None:
            return
        _grants.prepare(self._read, self._write)
        written = {"write_synced" if self.sync_files else "write_copy": self._write}
        try:
            self._box = keelback.Sandbox(
                read=self._read,
                env=_grants.environment(self.enable_env_vars),
                network=[str(host) for host in self.enable_network_access],
                packages=self.packages,
                limits=self.limits,
                **written,
            )
        except keelback.SandboxError as error:
            raise CodeInterpreterError(str(error)) from error

    @with_callbacks
    def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Run *code* with *variables* set before, and return what it came to.

        Returns a FinalOutput when the code called SUBMIT, else the value of its last expression, else what it printed.
        Where it printed and has a value, `str` of the value tells both.

        Raises SyntaxError for code that is not Python, CodeExecutionError for code that raised, CodeInterpreterError
        when the host's side failed, RuntimeError when called from a second thread.
        """
        if self._running_tools:
            raise CodeInterpreterError("PythonInterpreter cannot execute recursively from one of its tools.")
        self._check_session_active()
        self._check_thread_ownership()
        for name in variables or ():
            if not _tools.valid_name(name):
                raise CodeInterpreterError(f"Invalid variable name: '{name}'")
        values = {name: _values.variable(value) for name, value in (variables or {}).items()}
        if self._box is None:
            self.start()
        self._context = contextvars.copy_context()
        try:
            self._register_tools()
            if values:
                self._box.set(**values)
            self.last_result = result = self._box.run(code)
        except keelback.SessionLost as error:
            self._session_ended = True
            raise CodeInterpreterError(
                f"{error}; interpreter state was lost. Create a new interpreter for a fresh session."
            ) from error
        except keelback.SandboxError as error:
            raise CodeInterpreterError(str(error)) from error
        finally:
            self._context = None
        return _outcome(result)

    def __call__(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """As `execute`."""
        return self.execute(code, variables)

    @with_callbacks
    def shutdown(self) -> None:
        """End the session and give everything back. Nothing can be executed afterwards."""
        self._session_ended = True
        self._owner_thread = None
        box, self._box = self._box, None
        if box is not None:
            box.close()

    @with_callbacks
    def invoke_tool(self, tool_name: str, kwargs: dict[str, Any]) -> Any:
        """Call one of `tools` on the host; an async one is waited for."""
        if tool_name not in self.tools:
            raise CodeInterpreterError(f"Unknown tool: {tool_name}")
        result = _tools.call(self.tools[tool_name], kwargs)
        return _tools.wait_for(result) if inspect.isawaitable(result) else result

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()

    # -- the session -----------------------------------------------------------------------------------------------

    def _check_session_active(self):
        if self._session_ended:
            raise CodeInterpreterError(
                "PythonInterpreter session has ended; create a new interpreter for a fresh session."
            )

    def _check_thread_ownership(self):
        thread = threading.get_ident()
        if self._owner_thread is None:
            self._owner_thread = thread
        elif self._owner_thread != thread:
            raise RuntimeError(
                "PythonInterpreter is not thread-safe and cannot be shared across threads. "
                "Create a separate interpreter instance for each thread."
            )

    # -- tools -----------------------------------------------------------------------------------------------------

    def _register_tools(self):
        """Give the sandbox the tools and the SUBMIT that there are now, if they are not the ones it has."""
        wanted = {name: (function,) for name, function in self.tools.items()}
        if self.output_fields or "SUBMIT" not in wanted:
            wanted["SUBMIT"] = [dict(field) for field in self.output_fields or ()]
        for name in wanted:
            if not _tools.valid_name(name):
                raise CodeInterpreterError(f"Invalid tool name: '{name}'")
        if not self._tools_registered:
            changed = set(self._registered)
        else:
            changed = {name for name, made_from in self._registered.items() if wanted.get(name) != made_from}
        for name in changed:
            self._box.remove_tool(name)
            del self._registered[name]
        for name, made_from in wanted.items():
            if name in self._registered:
                continue
            own = isinstance(made_from, tuple)
            self._box.add_tool(self._tool(name, *made_from) if own else _tools.submit_tool(made_from))
            self._registered[name] = made_from
        self._tools_registered = True

    def _tool(self, name, function):
        """*function* as a tool of the sandbox. What it raises arrives there as a RuntimeError, as in dspy."""
        parameters, stand_ins = _tools.tool_parameters(function)

        def invoke(*args, **kwargs):
            self._running_tools.append(name)
            try:
                arguments = _tools.bind(function, stand_ins, args, kwargs)
                return _values.tool_result(self.invoke_tool(name, arguments))
            except Exception as error:
                raise RuntimeError(_values.tool_error(error)) from None
            finally:
                self._running_tools.remove(name)

        def invoke_anywhere(*args, **kwargs):
            context = self._context
            if context is None or threading.get_ident() == self._owner_thread:
                return invoke(*args, **kwargs)
            # dspy keeps its settings in context variables, and another thread has none of them.
            return context.copy().run(invoke, *args, **kwargs)

        doc = inspect.getdoc(function) or ""
        return keelback.Tool(invoke_anywhere, name=name, doc=doc, parameters=parameters)

    def _extract_parameters(self, function):
        return _tools.extract_parameters(function)

    def _to_json_compatible(self, value):
        return _values.variable(value)


# -- what a cell came to -----------------------------------------------------------------------------------------------


def _outcome(result):
    """What `execute` returns for *result*, or raises."""
    printed = "".join(text for _, text in result.output)
    unsynced = list(result.sync_errors)
    error = result.error
    if error is not None:
        raise _exception(error, result, printed, unsynced)
    if unsynced:
        raise CodeInterpreterError("the code ran, but these files could not be written back: " + "; ".join(unsynced))
    if result.ended_by == "SUBMIT":
        final = FinalOutput(_values.cell_result(result.final))
        final.stdout, final.stderr = result.stdout, result.stderr
        return final
    if not result.has_value:
        return printed
    value = result.value_repr if result.value is None else _values.cell_result(result.value)
    return _values.shown_with(value, printed)


def _exception(error, result, printed, unsynced):
    """The exception for an *error* of the guest. Its text is all that a model gets to see, so it tells everything."""
    syntax = getattr(error, "syntax", None)
    if syntax is not None:
        return _syntax_error(error, syntax)
    args = list(error.args)
    lines = [f"{error.type}: {args or error.message}"]
    if error.traceback:
        lines += ["", error.traceback.rstrip("\n")]
    if printed:
        lines += ["", "Output before the error:", printed.rstrip("\n")]
    if unsynced:
        lines += ["", "Files that could not be written back: " + "; ".join(unsynced)]
    raised = CodeExecutionError("\n".join(lines))
    raised.error_type, raised.error_args = error.type, args
    raised.traceback, raised.limit = error.traceback, error.limit
    raised.stdout, raised.stderr = result.stdout, result.stderr
    return raised


def _syntax_error(error, syntax):
    text = (syntax.text or "").rstrip("\n")
    message = f"Invalid Python syntax. message: {syntax.msg or error.message}"
    if text and syntax.offset:
        shown = text.lstrip()
        start = max(syntax.offset - 1 - (len(text) - len(shown)), 0)
        one_line = syntax.end_lineno in (None, syntax.lineno) and (syntax.end_offset or 0) > syntax.offset
        width = min(syntax.end_offset - syntax.offset, max(len(shown) - start, 1)) if one_line else 1
        message += f"\n    {shown}\n    {' ' * start}{'^' * width}\n"
    position = (syntax.lineno, syntax.offset, syntax.text, syntax.end_lineno, syntax.end_offset)
    return SyntaxError(message, (getattr(syntax, "filename", None), *position))
