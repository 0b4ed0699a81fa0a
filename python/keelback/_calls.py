"""Calls of async tools: coroutines in an event loop of the host, while the guest runs in another thread.

The host's side of a session cancels a call when the guest gives it up or the cell that made it ends. `Calls` then waits
until the coroutine is over, so that nothing of a cell runs on when its result is there.
"""

import threading
import time

# How long a coroutine that was cancelled is waited for before it is left to itself; a choice.
_WAIT_SECONDS = 1.0

_here = threading.local()  # the calls of the sandbox whose cell runs in this thread


class Call:
    """One call, which begins in *loop* as soon as that gets to it."""

    __slots__ = ("loop", "cancelled", "over", "_task", "_lock")

    def __init__(self, loop):
        self.loop = loop
        self.cancelled = False
        self.over = threading.Event()
        self._task = None
        self._lock = threading.Lock()

    def begin(self, function, resolve):
        """Run the coroutine that *function* gives. Called in the loop."""
        with self._lock:
            if self.cancelled:
                self.over.set()
                return
            self._task = self.loop.create_task(_kept(function))

        def done(task):
            try:
                if task.cancelled():
                    resolve(False, RuntimeError("the tool call was cancelled"))
                elif task.exception() is not None:
                    resolve(False, task.exception())
                else:
                    resolve(*task.result())
            finally:
                self.over.set()

        self._task.add_done_callback(done)

    def cancel(self):
        """From any thread: the coroutine, if it has begun, gets a CancelledError."""
        with self._lock:
            self.cancelled = True
            task = self._task
        if task is not None:
            try:
                self.loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:  # the loop is closed
                self.over.set()


async def _kept(function):
    """Whether the coroutine returned, and what it returned or raised. The loop does not end with a tool that exits."""
    try:
        return True, await function()
    except SystemExit as error:
        return False, error
    except KeyboardInterrupt as error:
        if threading.current_thread() is threading.main_thread():
            raise  # Ctrl-C, which is for the host's program
        return False, error


class Calls:
    """The calls under way of one sandbox."""

    __slots__ = ("_under_way",)

    def __init__(self):
        self._under_way = set()

    def __enter__(self):
        """A cell runs in this thread."""
        stack = _here.__dict__.setdefault("stack", [])
        stack.append(self)

    def __exit__(self, *error):
        _here.stack.pop()
        self.settle()

    def settle(self):
        """Wait for the calls that were cancelled."""
        until = None
        for call in list(self._under_way):
            if call.over.is_set():
                self._under_way.discard(call)
            elif call.cancelled:
                until = until or time.monotonic() + _WAIT_SECONDS
                _wait(call, until)
                self._under_way.discard(call)


def _wait(call, until):
    """Wait for a call, unless its loop cannot get on meanwhile."""
    from asyncio import _get_running_loop

    if _get_running_loop() is call.loop:
        return
    while call.loop.is_running() and time.monotonic() < until:
        # In pieces, for the loop may stop.
        if call.over.wait(0.05):
            return


def start(loop, function, resolve):
    """Have the coroutine that *function* gives run in *loop*; a function that cancels it."""
    call = Call(loop)
    stack = getattr(_here, "stack", None)
    if stack:
        stack[-1]._under_way.add(call)
    loop.call_soon_threadsafe(call.begin, function, resolve)
    return call.cancel
