"""What the prompts of a terminal share: the native prompt, the program's streams, and what is said of a cell's end.

The prompt itself (keys, history, screen) is native. It is shown before what runs cells is imported: that costs more than
all else at the start, and is done while the user begins to type. So modules are imported where they are used here.
"""

import os
import sys

from ._ahead import Ahead
from ._answers import Answers
from ._streams import Streams

__all__ = ["Front", "has_terminal", "new_session", "prompt_texts"]

_PROMPTS = {"ps1": ">>> ", "ps2": "... "}


def new_session(namespace):
    from ._session import Session

    return Session(namespace)


def prompt_texts():
    """The texts of `sys.ps1` and `sys.ps2`, which are made if they are not there."""
    if not hasattr(sys, "ps1") and not hasattr(sys, "ps2"):
        vars(sys).update(_PROMPTS)
        return tuple(_PROMPTS.values())
    from ._session import prompts, set_prompts

    set_prompts()
    return prompts()


def has_terminal():
    """Whether the full prompt can be shown, and is wanted."""
    if os.environ.get("PYTHON_BASIC_REPL") or os.environ.get("TERM", "") in ("", "dumb"):
        return False
    try:
        return (sys.stdin.fileno(), sys.stdout.fileno()) == (0, 1) and os.isatty(0) and os.isatty(1)
    except (AttributeError, OSError, ValueError):
        return False  # None, or a stream of somebody's own


class Front(Answers):
    """The prompt in this process's terminal, before *namespace*."""

    def __init__(self, namespace, banner=None):
        from . import _native

        super().__init__(namespace)
        self.pid = os.getpid()
        # Whether the prompt stands on the screen.
        self.waiting = False
        self.native = _native.Terminal(self, banner)
        self.streams = Streams(self)
        # The session in an event loop, once there is one.
        self.live = None
        self._ahead = None

    def own(self, session):
        """Show the values of *session*, and leave frames of the prompt out of its tracebacks."""
        from ._session import hide_frames_of

        for function in (self.own, self.show, self.run, self.streams.begin):
            hide_frames_of(function.__code__.co_filename)
        self.answer_for(session)

    def begin(self):
        """Show the prompt. Returns a flow as `native.step` does; `end` is to follow."""
        self.streams.begin()
        self.native.begin(*prompt_texts())
        self.waiting = True
        try:
            flow = self.native.step()
        finally:
            self.waiting = False
        self._ahead = Ahead("_assist", "_session", "_pretty")
        return flow

    def end(self):
        """Give the terminal back. It may be called twice."""
        self.waiting = False
        if self.native is not None:
            self.native.close()
        if self._ahead is not None:
            self._ahead.join()
        self.streams.end()
        # It refers to this object, and nothing collects that ring: its descriptors are to be closed now.
        self.native = None

    def ready(self):
        """A cell is to be run: it may fork, which must not be while another thread imports."""
        if self._ahead is not None:
            self._ahead.join()
        self.session.width = self.native.columns()

    async def wait_in_loop(self):
        """Wait for a cell, or that the user leaves, while the loop goes on."""
        import asyncio

        loop = asyncio.get_running_loop()
        flow = loop.create_future()
        flush = None

        def step(pause=False):
            nonlocal flush
            if flush is not None:
                flush.cancel()
                flush = None
            if flow.done():
                return
            try:
                result = self.native.pause() if pause else self.native.step()
            except BaseException as error:
                flow.set_exception(error)
                return
            if result is not None:
                # From here on nothing stands on the screen that output could tear.
                self.waiting = False
                flow.set_result(result)
            elif (pending := self.native.pending()) is not None:
                flush = loop.call_later(pending, step, True)

        fds = self.native.fds()
        # uvloop makes what it waits for non-blocking, and with it the stdin of the cells.
        blocking = [os.get_blocking(fd) for fd in fds]
        self.waiting = True
        try:
            for fd in fds:
                loop.add_reader(fd, step)
            step()
            return await flow
        finally:
            self.waiting = False
            for fd, blocks in zip(fds, blocking):
                loop.remove_reader(fd)
                os.set_blocking(fd, blocks)
            if flush is not None:
                flush.cancel()

    def tell(self, outcome, took):
        """Say how a cell ended, after *took* seconds by the clock and of computing; an exit status when it left."""
        kind = outcome[0]
        text = None
        if kind in ("raised", "invalid"):
            text = outcome[1]["traceback"]
        elif kind == "incomplete":
            text = "SyntaxError: the cell is not complete\n"
        elif kind == "exit":
            if outcome[2] is not None:
                print(outcome[2], file=sys.stderr)
            return outcome[1]
        if text:
            try:
                sys.stderr.write(self.native.color_traceback(text))
                if self.live is not None:
                    sys.stderr.write(self.live.tell_stubborn())
                self.streams.flush()
            except (OSError, ValueError):
                pass
        self.native.ended(prompt_texts(), took)
        return None

    def run_hidden(self, source):
        """Run a cell that is none of the session's."""
        try:
            exec(source, {"__builtins__": __builtins__})
        except BaseException as error:
            return self.session.failed(error)
        return ("none",)
