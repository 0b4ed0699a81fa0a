"""Ctrl-C while a cell runs in an event loop."""

import signal

__all__ = ["Interrupting"]


class Interrupting:
    """Within its `with`, SIGINT is for the cell that *live* runs in *loop*: synchronous code is interrupted, what awaits
    is cancelled. Then the handlers of before are in place again.

    *idle* is called in the loop when no cell runs. With *keep_own* a handler that somebody else has installed stays. Signals reach the main thread only: in others this
    does nothing.
    """

    def __init__(self, live, loop, keep_own=False, idle=None):
        self._live = live
        self._loop = loop
        self._keep_own = keep_own
        self._idle = idle
        self._before = None
        self._loops = None

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

    def __exit__(self, *error):
        if self._loops is not None:
            self._loop._signal_handlers.setdefault(signal.SIGINT, self._loops)
        if self._before is not None and signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.signal(signal.SIGINT, self._before)
            if self._loops is not None:
                signal.siginterrupt(signal.SIGINT, False)

    def _interrupt(self, number, frame):
        live = self._live
        request = live.running_request()
        if request is None:
            if self._idle is not None:
                self._loop.call_soon_threadsafe(self._idle)
        elif not live.raise_here(request, frame):
            self._loop.call_soon_threadsafe(live.interrupt, request)
