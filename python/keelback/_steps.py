"""A coroutine whose steps are known: which session's code is on a thread's stack at this moment.

A cell that awaits runs in steps, between which the loop runs code of others. Only while a step is on the stack may a
signal handler raise KeyboardInterrupt for the cell, and only then do builtins have the session's own `_`, `exit` and
`quit`: the program around the session keeps its own.
"""

import builtins
import sys
import threading
from collections.abc import Coroutine

__all__ = ["Names", "OnStack", "Steps", "Wrapped", "innermost", "machinery", "may_interrupt"]

_MISSING = object()
_builtins = vars(builtins)

# For each thread the cells whose code is on its stack, the innermost last.
_stacks: dict[int, list] = {}


def innermost(thread=None):
    """The request whose cell is the innermost thing that runs in *thread* (an identifier; by default the caller's), or None.

    Tasks which a cell has started are no code of that cell.
    """
    stack = _stacks.get(threading.get_ident() if thread is None else thread)
    return stack[-1].request if stack else None


def may_interrupt(request, frame, thread=None):
    """Whether an exception that is raised now, in *frame*, is caught by what evaluates the cell of *request*.

    For signal handlers, which are told the frame, and for those that raise in another thread.
    """
    stack = _stacks.get(threading.get_ident() if thread is None else thread)
    if not stack or stack[-1].request != request or not stack[-1].is_guarded():
        return False
    # In frames of machinery the evaluation has not been entered yet, or has been left.
    return frame is None or frame.f_code.co_filename not in _machinery


# Frames of these files evaluate cells and are no code of theirs.
_machinery = {__file__, innermost.__code__.co_filename}


def machinery(filename):
    """Raise nothing in frames of *filename*."""
    _machinery.add(filename)


class Leave:
    """`exit` and `quit` of a session: those of `site` close the program's stdin."""

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return f"Use {self._name}() to leave this session; the program goes on"

    def __call__(self, code=None):
        raise SystemExit(code)


class _Builtin:
    """What builtins have for one name while sessions run steps: for the thread of a step its session's, for all other
    threads the program's."""

    def __init__(self, name):
        self._name = name
        self._programs = None
        # For each thread the values of the sessions whose steps are on its stack, the innermost last.
        self._values = {}

    def __repr__(self):
        return repr(self._found())

    def __call__(self, *arguments, **options):
        return self._found()(*arguments, **options)

    def _found(self):
        values = self._values.get(threading.get_ident())
        return values[-1] if values else self._programs

    def enter(self, thread, value):
        found = _builtins.get(self._name)
        # Where `site` was not imported there is no `exit`.
        if found is not None:
            self._values.setdefault(thread, []).append(value)
            if found is not self:
                self._programs = found
                _builtins[self._name] = self

    def leave(self, thread):
        values = self._values.get(thread)
        if values:
            values.pop()
            if not values:
                del self._values[thread]
                if not self._values and _builtins.get(self._name) is self:
                    _builtins[self._name] = self._programs
                    if self._values:  # a step has begun in another thread meanwhile
                        _builtins[self._name] = self


_shared = {name: _Builtin(name) for name in ("exit", "quit", "input")}


class Names:
    """What the code of a session finds among the builtins: its own `_`, `exit` and `quit`."""

    def __init__(self):
        # `_`, once the session has shown a value. A program that gives `_` a meaning, as gettext does, finds it until then.
        self.last = _MISSING
        self._found = _MISSING
        self._own = {name: Leave(name) for name in ("exit", "quit")}

    def give(self, name, value):
        """Let the session find *value*, a function, as the builtin *name*, which is one of `_shared`."""
        self._own[name] = value

    def enter(self):
        self._found = _builtins.get("_", _MISSING)
        _put("_", self._found if self.last is _MISSING else self.last)
        thread = threading.get_ident()
        for name, value in self._own.items():
            _shared[name].enter(thread, value)

    def leave(self):
        thread = threading.get_ident()
        for name in self._own:
            _shared[name].leave(thread)
        now = _builtins.get("_", _MISSING)
        if self.last is not _MISSING or now is not self._found:
            self.last = now
            _put("_", self._found)
        self._found = _MISSING


def _put(name, value):
    if value is _MISSING:
        _builtins.pop(name, None)
    else:
        _builtins[name] = value


class OnStack:
    """Within its `with`, the code of *cell* is the innermost thing that runs in the thread."""

    def __init__(self, cell):
        self._cell = cell

    def __enter__(self):
        _stacks.setdefault(threading.get_ident(), []).append(self._cell)

    def __exit__(self, *error):
        stack = _stacks[threading.get_ident()]
        stack.pop()
        if not stack:
            del _stacks[threading.get_ident()]


class Wrapped(Coroutine):
    """*coroutine*, each of whose steps goes through `_step(resume, *arguments)`, which returns `resume(*arguments)`."""

    def __init__(self, coroutine):
        self._coroutine = coroutine

    def send(self, value):
        return self._step(self._coroutine.send, value)

    def throw(self, *error):
        return self._step(self._coroutine.throw, *error)

    def close(self):
        self._coroutine.close()

    def __await__(self):
        return self

    def __getattr__(self, name):
        # `cr_frame` and its like, by which asyncio shows where a task waits.
        return getattr(self._coroutine, name)


class Steps(Wrapped):
    """*coroutine*, each of whose steps is code of *cell*, within *around*, with *names* among the builtins and in
    *context* if given."""

    def __init__(self, coroutine, cell, around, names=None, context=None):
        super().__init__(coroutine)
        self.cell = cell
        self._around = around
        self._names = names
        self._run = None if context is None else context.run
        self._stack = _stacks.setdefault(threading.get_ident(), [])

    def _step(self, resume, *arguments):
        stack = self._stack
        stack.append(self.cell)
        names = self._names
        if names is not None:
            names.enter()
        try:
            with self._around:
                if self._run is not None:
                    return self._run(resume, *arguments)
                return resume(*arguments)
        finally:
            if names is not None:
                names.leave()
            stack.pop()
