"""`keelback.interact`: a console in the middle of a program, with the full prompt where there is a terminal.

Messages, prompts and ends are those of `keelback.code.InteractiveConsole`, whose reading of lines is replaced by the
whole prompt. Whatever the prompt changes in the process while it is open is as before when it has closed.
"""

import sys
from contextlib import contextmanager

from . import code
from ._front import has_terminal
from ._scope import namespace_of, synchronized
from ._terminal import Terminal

_SIGNALLED = 128  # a prompt that a signal ends has this status and the signal's number


def interact(banner=None, readfunc=None, local=None, exitmsg=None, local_exit=False):
    """Open a console and come back when the user leaves it, as `code.interact` does.

    Where standard input and output are a terminal it has the full prompt, in which cells may `await`. With *readfunc*,
    which is called with a prompt and returns a line, and where there is no terminal, it goes line by line.

    Cells run in the dict *local*. Without one they see the names of the caller; its own variables they change from
    Python 3.13 on, and in a module or class on every version. *banner* comes first and *exitmsg* last; "" stands for
    none. SystemExit leaves the console and is raised here, unless *local_exit* is true; `sys.stdin` stays open.
    """
    if local is None:
        local = namespace_of(sys._getframe(1))
    in_terminal = readfunc is None and isinstance(local, dict) and has_terminal()
    console = InteractiveConsole(local, readfunc, in_terminal, local_exit)
    if readfunc is None and not in_terminal:
        try:
            import readline  # noqa: F401, `input` is better with it
        except ImportError:
            pass
    with _stdin_kept_open():
        console.interact(banner, exitmsg)


@contextmanager
def _stdin_kept_open():
    """Let `exit` and `quit` raise SystemExit and nothing else: those of `site` close `sys.stdin`."""
    import builtins

    changed = code._change_quitters()
    try:
        yield
    finally:
        vars(builtins).update(changed)


class InteractiveConsole(code.InteractiveConsole):
    # The name is what the banner and the exit message say.
    """A console that is left for good by SystemExit; in a terminal, one `raw_input` is the whole of the prompt."""

    def __init__(self, namespace, readfunc, in_terminal, keeps_exit):
        super().__init__(namespace)
        self._readfunc = readfunc
        self._in_terminal = in_terminal
        self._keeps_exit = keeps_exit
        self._is_left = False

    @contextmanager
    def _until_exit(self):
        try:
            yield
        except SystemExit:
            if not self._keeps_exit:
                raise
            self._is_left = True

    def push(self, line, *arguments, **options):
        more = False
        with self._until_exit(), synchronized(self.locals):
            more = super().push(line, *arguments, **options)
        return more

    def raw_input(self, prompt=""):
        if not self._is_left:
            with self._until_exit():
                if self._in_terminal:
                    self._open_prompt()
                elif self._readfunc is None:
                    return super().raw_input(prompt)
                else:
                    return self._readfunc(prompt)
        raise EOFError

    def write(self, data):
        # The prompt that was left has ended its line.
        if not (self._in_terminal and data == "\n"):
            super().write(data)

    def _open_prompt(self):
        status = _Prompt(self.locals).run()
        if status > _SIGNALLED:
            # The prompt has put the terminal back first. What the signal does now is for the program to say.
            import signal

            signal.raise_signal(status - _SIGNALLED)


class _Prompt(Terminal):
    """The prompt before a program's own namespace, in whichever thread the program asks for it."""

    # So that cells of two consoles have different names, and tracebacks the right lines.
    inputs = 0

    @property
    def session(self):
        made = self._session is None
        session = super().session
        if made:
            session.inputs = _Prompt.inputs
            session.failed = self._failed
        return session

    def _failed(self, error):
        outcome = type(self._session).failed(self._session, error)
        if outcome[0] == "exit":
            # Not raised by the cell itself if a `sys.excepthook` of the program did.
            leaves = isinstance(error, SystemExit)
            self._exit = error if leaves else SystemExit(outcome[1] if outcome[2] is None else outcome[2])
        return outcome

    def run_cell(self, source, hidden):
        try:
            with synchronized(self.namespace), _interruptible():
                return super().run_cell(source, hidden)
        finally:
            if self._session is not None:
                _Prompt.inputs = self._session.inputs

    def tell(self, outcome, took):
        if outcome[0] == "exit":
            raise self._exit
        return super().tell(outcome, took)

    def announce(self, loop):
        pass  # the program's own loop, if it has one, stays the current one


@contextmanager
def _interruptible():
    """Ctrl-C is for the cell: under `asyncio.run`, from 3.11 on, it would cancel the task that opened the console."""
    runner = getattr(sys.modules.get("asyncio"), "Runner", None)
    if runner is None:
        yield
        return
    import signal

    handler = signal.getsignal(signal.SIGINT)
    owner = getattr(getattr(handler, "func", None), "__self__", None)  # a partial of a method
    try:
        if isinstance(owner, runner):
            signal.signal(signal.SIGINT, signal.default_int_handler)
        else:
            owner = None
    except ValueError:
        owner = None  # not in the main thread, which alone is interrupted
    try:
        yield
    finally:
        if owner is not None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, handler)
