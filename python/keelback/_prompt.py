"""`await keelback.prompt()`: a prompt in the event loop that runs.

Cells are tasks of that loop (`_live.py`). While the user types, the loop goes on: it is told when there are keys, and
nothing waits for them in a thread. A cell has the terminal as it was before the prompt.
"""

import asyncio
import atexit
import signal
import sys

from ._frames import namespace_of, synced
from ._front import Front
from ._live import Live
from ._plain import Plain, wants_plain
from ._sigint import Interrupting

__all__ = ["prompt"]

# Whether a prompt is open: there is one terminal.
_open = False


def prompt(namespace=None, *, banner=None, exitmsg=None):
    """Open a prompt in the running asyncio loop and return its exit status; the loop goes on meanwhile.

    Cells run in this loop and in this thread, with *namespace* (a dict) as their globals and with top-level `await`;
    without one they see the names of the caller, and from Python 3.13 on set its variables. *banner* is written first,
    *exitmsg* at the end. The prompt is over at Ctrl-D and when a cell raises SystemExit, whose status is returned. When
    the task that awaits it is cancelled, or the loop ends, the terminal is put back at once.

    Where standard input and output are not a terminal, cells are read line by line.

    Raises RuntimeError when no asyncio loop runs (trio has none), or when a prompt is open already; TypeError when
    *namespace* is not a dict.
    """
    if namespace is None:
        # Here and not in the coroutine, whose caller may be the loop.
        namespace = namespace_of(sys._getframe(1))
    elif not isinstance(namespace, dict):
        raise TypeError(f"a namespace is a dict, not {type(namespace).__name__}")
    return _run(namespace, banner, exitmsg)


async def _run(namespace, banner, exitmsg):
    global _open
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "keelback.prompt needs a running asyncio loop (uvloop's is one): trio, and anyio on trio, are not supported"
        ) from None
    if _open:
        raise RuntimeError("a prompt is open in this process already")
    _open = True
    made = [name for name in ("ps1", "ps2") if not hasattr(sys, name)]
    try:
        live = Live(namespace, loop=loop)
        front = (Plain if wants_plain() else Prompt)(live, banner)
        status = await front.run()
        if exitmsg:
            print(exitmsg)
        return status
    finally:
        _open = False
        for name in made:
            vars(sys).pop(name, None)


class Prompt(Front):
    """The prompt of *live* in this process's terminal."""

    def __init__(self, live, banner):
        super().__init__(live.namespace, banner)
        self.live = live
        self.session = live.session
        self.own(live.session)

    def filename(self):
        return self.live.filename()

    async def run(self):
        """Show the prompt and run cells until the user leaves; the exit status."""
        # For processes that end without ending their loop.
        close = self.native.close
        atexit.register(close)
        try:
            flow = self.begin()
            while True:
                if flow is None:
                    flow = await self.wait_in_loop()
                if flow[0] == "leave":
                    return self._left(flow[1])
                status = await self._run_cell(*flow[1:])
                if status is not None:
                    return status
                flow = None
        finally:
            self.live.close()
            self.end()
            atexit.unregister(close)

    async def _run_cell(self, source, hidden):
        from time import perf_counter, process_time

        wall, cpu = perf_counter(), process_time()
        self.ready()
        if hidden:
            outcome = self.run_hidden(source)
        else:
            with synced(self.namespace), Interrupting(self.live, self.live.loop):
                outcome = await self.live.run(source)
        self.streams.flush()
        return self.tell(outcome, (perf_counter() - wall, process_time() - cpu))

    def _left(self, status):
        if status == 128 + signal.SIGTERM:
            # The prompt has had the signal in place of the program, which it was meant for.
            self.end()
            signal.raise_signal(signal.SIGTERM)
        return status
