"""A session of a served program: its cells come from the native server and run in the event loop; what becomes of them
goes back."""

import contextlib
import contextvars
import os
import sys
import threading
import time

from . import _session, _steps

__all__ = ["Request", "ServedSession", "restore_getpass", "route_getpass"]

_session.hide_frames_of(__file__)
_steps.machinery(__file__)

# The session whose code runs, also in tasks which it started.
_current = contextvars.ContextVar("keelback_served", default=None)

# How often a cell in a thread of its own is looked at until it can be interrupted, in seconds; a choice.
_AGAIN = 0.005


class Request:
    """A cell that a client wants run. It is what `_steps.innermost` calls the cell by."""

    __slots__ = ("_took", "began", "computed", "interrupted", "number", "quota", "session", "thread")

    def __init__(self, session, number, quota):
        self.session = session
        self.number = number
        self.quota = quota
        self.interrupted = False
        # The thread of a cell that has one of its own.
        self.thread = None

    def begin(self):
        self._took = None
        self.began = time.perf_counter()
        self.computed = time.thread_time()

    def stop(self):
        """In the thread of the cell: seconds by the clock, and of its processor."""
        if self._took is None:
            self._took = time.perf_counter() - self.began, max(0.0, time.thread_time() - self.computed)
        return self._took

    def take_interrupt(self):
        """Whether the cell is to be interrupted now."""
        if not self.session.program.native.take_interrupt(self.session.name, self.number):
            return False
        self.interrupted = True
        return True

    def raise_in(self, thread, frame):
        """Raise KeyboardInterrupt in the cell's *thread*, which is in *frame*, at its next instruction."""
        from ._tasks import stack_of

        self.session.program.native.raise_in(thread, self.session.name, self.number, stack_of(frame))


class ServedSession:
    """A session of *program*. All methods are for the thread of the loop it is in."""

    def __init__(self, program, name, columns):
        self.program = program
        self.name = name
        self.columns = columns
        self.live = None
        # The cell that runs, or the last one: output of tasks that it left behind counts as its.
        self.request = None
        self.context = program.context.copy()
        self.context.run(_current.set, self)
        self._cut = False
        self._stubborn = set()

    def open_in(self, loop):
        """The `Live` in *loop*. A session moves when the program's loop is another one than before."""
        if self.live is not None and (self.live.loop is loop or self.live.is_busy):
            return self.live
        from ._live import Live

        if self.live is not None:
            self.live.close()
        live = self.live = Live(self.program.namespace, name=self.name, context=self.context, loop=loop)
        live.route(self.program.native.sink(self.name), self.ask)
        live.give("input", self.input)
        live.show = self.show
        live.session.lay_out = self.lay_out
        return live

    def run(self, request, source, filename, loop):
        native = self.program.native
        self.request = request
        request.begin()
        if request.take_interrupt():
            self.end(request, _session.Session({}).failed(KeyboardInterrupt()))
            return
        if not self._is_allowed(request, source):
            return
        live = self.open_in(loop)
        live.session.width = self.columns
        native.began(self.name, request.number)
        live.start(source, request, lambda outcome: self.end(request, outcome), filename)

    def _is_allowed(self, request, source):
        try:
            sys.audit("keelback.eval", self.name, request.number, source)
        except BaseException as error:  # a hook refuses it
            self.end(request, ("raised", _session.exception_info(error)))
            return False
        return True

    def end(self, request, outcome):
        if self.program.is_abandoned:
            _end_child(outcome)
        native = self.program.native
        kind, status, text = outcome[0], 0, None
        if kind in ("raised", "invalid"):
            native.raised(self.name, request.number, outcome[1])
            if kind == "raised" and request.interrupted and outcome[1]["type"] == "KeyboardInterrupt":
                kind = "interrupted"
                if self.live is not None:
                    added = self.live.stubborn.keys() - self._stubborn
                    self._stubborn = set(self.live.stubborn)
                    if added:
                        kind, text = "stubborn", added.pop()
                        self.live.tell_stubborn()  # which makes the task `_`
        elif kind == "exit":
            status, text = outcome[1], outcome[2]
        native.ended(self.name, request.number, (kind, status, text), request.stop(), _session.prompts())

    def interrupt(self, number):
        """A client wants the cell interrupted, and no signal handler has done it."""
        request = self.request
        if request is None or request.number != number:
            return
        if request.thread is not None:
            self._interrupt_thread(request)
        elif request.take_interrupt():
            self.live.interrupt(request)

    def close(self):
        if self.live is not None:
            self.live.close()
            self.live = None

    # -- values and input ------------------------------------------------------------------------------------------

    def show(self, text, pretty, mime):
        png = None if mime is None else mime.get("image/png")
        if isinstance(png, str):
            import base64

            png = base64.b64decode(png)
        request = self.request
        self.program.native.shown(self.name, request.number, request.quota, text, pretty, self._cut, png)

    def lay_out(self, value, width):
        text, pretty, self._cut = _session.text_of(value), None, False
        # Clients that are no prompts want all of the text; only the other form is for the window.
        if len(text) > width:
            from ._pretty import shown

            _session.hide_frames_of(shown.__code__.co_filename)
            _, pretty, self._cut = shown(value, width)
        return text, pretty

    def ask(self, prompt="", hidden=False):
        """A line of input with its newline, or "" at the end of input."""
        request = self.request
        try:
            line = self.program.native.line(self.name, request.number, prompt, hidden)
        except KeyboardInterrupt:
            request.interrupted = True
            raise
        return "" if line is None else line

    def input(self, prompt="", /):
        """`input` of the session: the prompt goes with the question."""
        return _without_newline(self.ask(str(prompt)))

    # -- cells in a thread of their own ----------------------------------------------------------------------------

    def run_in_thread(self, request, source, filename, loop):
        self.request = request
        request.begin()
        if not self._is_allowed(request, source):
            return
        live = self.open_in(loop)
        self.program.native.began(self.name, request.number)
        thread = request.thread = CellThread(live, request, source, filename or f"<{self.name}-input-{request.number}>")
        thread.session.displayhook = lambda value: self._display(live, value)

        def done(outcome):
            # The cell is over for the session when the loop hears of it; without one nobody waits for it.
            try:
                loop.call_soon_threadsafe(self.end, request, outcome)
            except RuntimeError:
                pass

        thread.start(done)

    def _display(self, live, value):
        # Builtins are those of the whole program while the loop goes on: `_` is set for the cells in the loop only.
        if value is not None:
            self.show(*self.lay_out(value, self.columns), None)
            live.remember(value)

    def _interrupt_thread(self, request):
        frame = request.thread.frame()
        if _steps.may_interrupt(request, frame, request.thread.ident):
            if request.take_interrupt():
                request.raise_in(request.thread.ident, frame)
        elif request.thread.is_alive():
            self.live.loop.call_later(_AGAIN, self.interrupt, request.number)


class CellThread:
    """The thread of a cell that does not run in the loop. Its code finds the context and the namespace of the session."""

    def __init__(self, live, request, source, filename):
        self.session = _session.Session(live.namespace)
        self.session.flags = live.session.flags
        self.request = request
        self._context = live.context.copy()
        self._source = source
        self._filename = filename
        self._thread = None

    def start(self, done):
        def work():
            self.request.computed = time.thread_time()
            self.request.session.program.native.cell_here(self.request.session.name, self.request.number)
            with _steps.OnStack(self):
                outcome = self.session.run(self._source, self._filename, "interactive")
            self.request.stop()
            done(outcome)

        name = f"{self.request.session.name}-cell-{self.request.number}"
        self._thread = threading.Thread(target=self._context.run, args=(work,), name=name, daemon=True)
        self._thread.start()

    @property
    def ident(self):
        return self._thread.ident

    def is_alive(self):
        return self._thread.is_alive()

    def is_guarded(self):
        return self.session.running

    def frame(self):
        return sys._current_frames().get(self.ident)


# -- fork ---------------------------------------------------------------------------------------------------------


def _end_child(outcome):
    """The end of a child of fork in which a cell has come to its end: what follows is the program, which the parent runs."""
    kind, status = outcome[0], 0
    if kind in ("raised", "invalid"):
        status = 1
        print(outcome[1]["traceback"], end="", file=sys.stderr)
    elif kind == "exit":
        status = outcome[1]
        if outcome[2]:
            print(outcome[2], file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


# -- input ---------------------------------------------------------------------------------------------------------

_getpass = None


def route_getpass():
    """`getpass.getpass` asks the terminal past `sys.stdin`: in sessions it is to ask the client."""
    global _getpass
    if _getpass is None:
        import getpass

        _getpass = getpass.getpass
        getpass.getpass = _ask_hidden


def restore_getpass():
    global _getpass
    if _getpass is not None:
        import getpass

        if getpass.getpass is _ask_hidden:
            getpass.getpass = _getpass
        _getpass = None


def _ask_hidden(prompt="Password: ", stream=None, **options):
    session = _current.get()
    if session is None:
        return _getpass(prompt, stream, **options)
    return _without_newline(session.ask(str(prompt), hidden=True))


def _without_newline(line):
    if not line:
        raise EOFError("EOF when reading a line")
    return line.removesuffix("\n")
