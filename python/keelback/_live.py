"""A session in an event loop that belongs to somebody else.

A cell is compiled once, in `single` mode with `await` allowed, and its code runs with the namespace as its globals:
nothing is wrapped around it and nothing copied, so other code may change the namespace meanwhile. Each cell is one task
of the loop, whether it awaits or not, and all cells of a session share one context of context variables.

Fronts are a terminal (`_prompt.py`) and a server. They give cells to `Live.start` or `Live.run` and are handed outcomes
(see `_session.py`); nothing that a cell does, SystemExit included, reaches the loop.
"""

import asyncio
import builtins
import contextvars
import itertools
import sys
from collections import deque

from . import _output, _session, _sigint, _started, _steps

__all__ = ["Live", "innermost"]

innermost = _steps.innermost

for _module in (_output, _sigint, _steps):
    _session.hide_frames_of(_module.__file__)
_session.hide_frames_of(__file__)
_steps.machinery(__file__)

_TASKS_HAVE_CONTEXTS = sys.version_info >= (3, 11)
_TASKS_ARE_EAGER = sys.version_info >= (3, 12)
_numbers = itertools.count(1)

# The session whose code runs, also in tasks which its cells started.
_current = contextvars.ContextVar("keelback_session", default=None)


class _Cell:
    """A cell that waits, runs or is over."""

    def __init__(self, source, filename, request, done, session):
        self.source = source
        self.filename = filename
        self.request = self if request is None else request
        self.done = done
        self.task = None
        self.interrupted = False
        # True exactly while its code runs or awaits.
        self.running = False
        self._session = session

    def is_guarded(self):
        """Whether what is raised now ends the cell and nothing else."""
        return self.running or self._session.running


class Live:
    """A session before *namespace* (a dict) in the event loop that runs, or in *loop*.

    All methods are for the loop's thread. *name* is what its tasks and its tracebacks call the session. *context* is the
    `contextvars.Context` its cells run in; without one they have a copy of the caller's, so that what they set stays in
    the session. A front that runs cells without a loop as well gives its *session*; `_`, `exit` and `quit` are then those
    of the process.
    """

    def __init__(self, namespace, *, name=None, context=None, loop=None, session=None):
        self.namespace = namespace
        self.name = name or f"session-{next(_numbers)}"
        self.context = contextvars.copy_context() if context is None else context
        self.loop = loop
        self.session = _session.Session(namespace) if session is None else session
        # The outcome of SystemExit: no cell is run after it.
        self.exited = None
        # Tasks whose cells did not end when they were interrupted twice, by name. They go on.
        self.stubborn = {}
        self._untold = []
        self._names = _steps.Names() if session is None else None
        self._cell = None
        self._waiting = deque()
        # What is around its code, in the loop of its cells.
        self._started = None
        self._routed = False
        self._set(_current, self)

    # -- cells -----------------------------------------------------------------------------------------------------

    async def run(self, source, filename=None, request=None):
        """Run a cell after those that were given before, and return its outcome.

        Nothing that the cell raises is raised here. When the task that awaits this is cancelled, the cell is too.
        """
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def done(outcome):
            if not ended.done():
                ended.set_result(outcome)

        cell = self._begin(source, filename, request, done)
        try:
            return await ended
        except asyncio.CancelledError:
            self._drop(cell)
            raise

    def start(self, source, request, done, filename=None):
        """Run a cell after those that were given before; `done(outcome)` is called in the loop when it is over.

        *request* is what `interrupt` and `innermost` call the cell by. Where the loop can, the cell's first step is taken
        before this returns, and *done* may be called: a turn of the loop is a tenth of what a short cell takes.
        """
        self._begin(source, filename, request, done, eager=_TASKS_ARE_EAGER)

    @property
    def is_busy(self):
        """Whether a cell runs."""
        return self._cell is not None

    def is_complete(self, source):
        """Whether *source* is a whole cell (True), could become one (False) or never will (None)."""
        return self.session.is_whole(source, self.filename())

    def filename(self):
        """What tracebacks call the next cell: Python's own prompt is one and calls it by a number, these may be many."""
        return f"<{self.name}-input-{self.session.inputs}>"

    def interrupt(self, request=None):
        """Interrupt the cell of *request*, by default the one that runs. False when there is none.

        A cell that awaits is cancelled and ends in KeyboardInterrupt; one that waits for its turn is not run. One that
        does not end is let go of at the second call: its outcome is KeyboardInterrupt, and its task, which goes on, is
        in `stubborn`. Synchronous code is not reached from here: see `raise_here`.
        """
        cell = self._cell
        if cell is None or (request is not None and cell.request != request):
            return self._interrupt_waiting(request)
        if not cell.interrupted:
            cell.interrupted = True
            # The task of a cell that begins in this call of the loop is not there yet.
            if cell.task is not None:
                cell.task.cancel()
        else:
            task = cell.task
            self.stubborn[task.get_name()] = task
            self._untold.append(task)
            task.add_done_callback(self._forget)
            self._finish(cell, self.session.failed(KeyboardInterrupt()))
        return True

    def raise_here(self, request, frame=None):
        """Raise KeyboardInterrupt when synchronous code of the cell of *request* is the innermost thing that runs.

        For signal handlers, which pass the frame they are told. Returns False when there is nothing to raise in: then
        `interrupt` is to be called in the loop.
        """
        if _steps.may_interrupt(request, frame):
            raise KeyboardInterrupt
        return False

    def tell_stubborn(self):
        """A line for each task that was let go of since the last call. The last one is `_` from now on."""
        text = ""
        for task in self._untold:
            text += f"the task {task.get_name()!r} goes on: it did not end when it was cancelled; it is `_`\n"
            if self._names is None:
                builtins._ = task
            else:
                self._names.last = task
        self._untold.clear()
        return text

    def running_request(self):
        """The request of the cell that runs or awaits, or None."""
        return None if self._cell is None else self._cell.request

    def close(self):
        """End the session: its cells are cancelled, tasks which they started go on. Its output is no longer its own."""
        while self._waiting:
            cell = self._waiting.popleft()
            cell.done(self.session.failed(asyncio.CancelledError()))
        for task in (*self.stubborn.values(), *([] if self._cell is None else [self._cell.task])):
            if task is not None:
                task.cancel()
        self.unroute()

    # -- output and values -------------------------------------------------------------------------------------------

    def route(self, sink, ask=None):
        """Give the session output of its own: `sink(name, text)` for "stdout" and "stderr", `ask()` for lines of input.

        `ask` returns a line with its newline, or "" at the end of input. It is called in the loop's thread by code that
        waits for its answer, so the loop waits too.
        """
        if not self._routed:
            self._routed = True
            _output.hold()
        self._set(_output.routed, _output.Ends(sink, ask))

    def unroute(self):
        """The output of the session is the program's again."""
        if self._routed:
            self._routed = False
            self._set(_output.routed, None)
            _output.let_go()

    def give(self, name, value):
        """Let cells find *value* where the program has a builtin *name*. Tasks which they start find the program's."""
        self._names.give(name, value)

    def remember(self, value):
        """Let *value* be `_` of the next cell."""
        self._names.last = value

    @property
    def show(self):
        """What shows a value: `show(text, pretty, mime)` as of `Session`. Without one it is printed."""
        return self.session.show

    @show.setter
    def show(self, show):
        self.session.show = show

    def _set(self, variable, value):
        try:
            self.context.run(variable.set, value)
        except RuntimeError:
            variable.set(value)  # the context is that of the caller, who wants to share it

    # -- from here on: how a cell runs -------------------------------------------------------------------------------

    def _begin(self, source, filename, request, done, eager=False):
        cell = _Cell(source, filename, request, done, self.session)
        if self._cell is None:
            self._run(cell, eager)
        else:
            self._waiting.append(cell)
        return cell

    def _run(self, cell, eager=False):
        if self.exited is not None:
            cell.done(self.exited)
            return
        self._cell = cell
        loop = self.loop or asyncio.get_running_loop()
        if self._started is None or self._started.loop is not loop:
            self._started = _started.Started(loop)
        name = f"{self.name}-cell-{self.session.inputs}"
        if _TASKS_HAVE_CONTEXTS:
            steps = _steps.Steps(self._evaluate(cell), cell, self._started, self._names)
            # A loop with a factory of its own makes tasks of its own kind.
            if eager and loop.get_task_factory() is None:
                task = asyncio.Task(steps, loop=loop, name=name, context=self.context, eager_start=True)
            else:
                task = loop.create_task(steps, name=name, context=self.context)
        else:
            steps = _steps.Steps(self._evaluate(cell), cell, self._started, self._names, self.context)
            task = loop.create_task(steps, name=name)
        cell.task = task
        if cell.interrupted:
            task.cancel()
        # For one that is cancelled before its first step.
        task.add_done_callback(lambda task: self._finish(cell, None))

    async def _evaluate(self, cell):
        session = self.session
        outcome = None
        _show_begins()
        try:
            codes, outcome = session._begin_interactive(cell.source, cell.filename or self.filename())
            if codes is not None:
                cell.running = True
                for code in codes:
                    value = None if code is None else eval(code, self.namespace)
                    if value is not None:
                        await value
                cell.running = False
                outcome = _session.NONE
        except BaseException as error:
            cell.running = False
            if cell.interrupted and isinstance(error, asyncio.CancelledError):
                error = KeyboardInterrupt()
            error = _started.exit_of(error) or error
            outcome = session.failed(error)
        finally:
            _show_ends()
        self._finish(cell, outcome)

    def _finish(self, cell, outcome):
        """The cell is over, or is let go of: hand its outcome over and run the next."""
        if self._cell is not cell:
            return
        if outcome is None:
            outcome = self.session.failed(KeyboardInterrupt() if cell.interrupted else asyncio.CancelledError())
        if outcome[0] == "exit":
            self.exited = outcome
        self._cell = None
        try:
            cell.done(outcome)
        finally:
            while self._waiting and self._cell is None:
                self._run(self._waiting.popleft())

    def _drop(self, cell):
        """Nobody waits for *cell* any more."""
        if cell is self._cell:
            cell.interrupted = True
            cell.task.cancel()
        elif cell in self._waiting:
            self._waiting.remove(cell)

    def _interrupt_waiting(self, request):
        for cell in self._waiting:
            if cell.request == request:
                self._waiting.remove(cell)
                cell.done(self.session.failed(KeyboardInterrupt()))
                return True
        return False

    def _forget(self, task):
        self.stubborn.pop(task.get_name(), None)


# -- values --------------------------------------------------------------------------------------------------------

_cells = 0


def _display(value):
    """`sys.displayhook` while cells run: the session is found by the context, for several may share a namespace."""
    live = _current.get()
    if live is None:
        _session._display(value)
    else:
        live.session.displayhook(value)


def _show_begins():
    global _cells
    _cells += 1
    if getattr(sys, "displayhook", None) in (sys.__displayhook__, _session._display):
        sys.displayhook = _display


def _show_ends():
    global _cells
    _cells -= 1
    if _cells == 0 and getattr(sys, "displayhook", None) is _display:
        sys.displayhook = _session._display if _session._shows else sys.__displayhook__
