"""Ctrl-C while a cell runs in an event loop."""

import os
import signal

__all__ = ["Interrupting"]


class Interrupting:
    """Within its `with`, SIGINT is for the cell that *live* runs in *loop*: synchronous code is interrupted, what awaits
    is cancelled. Then the handlers of before are in place again.

    *idle* is called in the loop when no cell runs. With *keep_own* a handler that somebody else has installed stays.
    Signals reach the main thread only: in others this does nothing.
    """

    def __init__(self, live, loop, keep_own=False, idle=None):
        self._live = live
        self._loop = loop
        self._keep_own = keep_own
        self._idle = idle
        self._before = None
        self._loops = None
        self._pipe = None

    def __enter__(self):
        before = signal.getsignal(signal.SIGINT)
        if before is None or (self._keep_own and before is not signal.default_int_handler):
            return
        try:
            signal.signal(signal.SIGINT, self._interrupt)
        except ValueError:
            return
        self._before = before
        # A handler of `add_signal_handler` is called by the loop, whatever the signal's own is; nothing public tells it.
        handlers = getattr(self._loop, "_signal_handlers", None)
        if isinstance(handlers, dict):
            self._loops = handlers.pop(signal.SIGINT, None)
        self._wake_loop()

    def __exit__(self, *error):
        self._wake_no_more()
        if self._loops is not None:
            self._loop._signal_handlers.setdefault(signal.SIGINT, self._loops)
        if self._before is not None and signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.signal(signal.SIGINT, self._before)
            if self._loops is not None:
                signal.siginterrupt(signal.SIGINT, False)

    def _wake_loop(self):
        """Let signals end the loop's wait: of one that comes just before it the handler is called after it only."""
        pipe = os.pipe()
        try:
            for fd in pipe:
                os.set_blocking(fd, False)
            before = signal.set_wakeup_fd(pipe[1], warn_on_full_buffer=False)
            if before == -1:
                self._loop.add_reader(pipe[0], os.read, pipe[0], 4096)
                self._pipe, pipe = pipe, ()
            else:
                # The loop is woken already: uvloop always is, asyncio's for handlers of its own.
                signal.set_wakeup_fd(before)
        except NotImplementedError:
            signal.set_wakeup_fd(-1)  # a loop that waits for no descriptors
        finally:
            for fd in pipe:
                os.close(fd)

    def _wake_no_more(self):
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            now = signal.set_wakeup_fd(-1)
            if now != pipe[1]:
                signal.set_wakeup_fd(now)
            if not self._loop.is_closed():
                self._loop.remove_reader(pipe[0])
            for fd in pipe:
                os.close(fd)

    def _interrupt(self, number, frame):
        live = self._live
        request = live.running_request()
        if request is None:
            if self._idle is not None:
                self._loop.call_soon_threadsafe(self._idle)
        elif not live.raise_here(request, frame):
            self._loop.call_soon_threadsafe(live.interrupt, request)
