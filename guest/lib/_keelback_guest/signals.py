"""Interrupts: the host sets CPython's signal flags, these handlers raise.

A handler raises only while code of the cell runs. In the machinery around it the exception waits in
`session.pending`, and in the event loop's it is handed to the cell's task, so that no bookkeeping is cut in two.
"""

import asyncio
import os
import signal
import sys

from .loop import Loop, _Cell, _Selector, _stop
from .tools import ToolCall

SIGINT, SIGALRM, SIGXCPU = 2, 14, 24

# Texts of the limits, as the host writes them (e.g. "5 s").
limits = {}

_session = None
_loop = None
_last = None  # the identity of the last error; it itself would keep frames alive
# Code that an exception would cut in two: between taking a callback from the queue and calling it, the callback would
# be lost. Interrupts that land here are handed to the loop instead.
_machinery = set()
_machinery_files = set()


def make_error(number):
    if number == SIGALRM:
        return TimeoutError(f"cell used all {limits.get('wall', 'its share')} of wall time")
    if number == SIGXCPU:
        return TimeoutError(f"cell used all {limits.get('cpu', 'its share')} of CPU time")
    return KeyboardInterrupt()


def handle(number, frame):
    global _last
    error = make_error(number)
    _last = id(error)
    if not _session.running:
        _session.pending = error
        return
    running = asyncio._get_running_loop()
    if running is not _loop and isinstance(running, Loop) and running._thread_id is not None:
        running.interrupt(error)
    elif _loop._busy:
        if _loop._reporting:
            _loop.interrupt(error)
            return
        if _loop.runs_the_cell() and not _is_machinery(frame):
            raise error
        _loop.interrupt(error)
    else:
        raise error
    if not _is_machinery(frame):
        raise error


def _unraisable(unraisable):
    """An interrupt that landed in a destructor, from which nothing can be raised, is for the cell all the same."""
    error = unraisable.exc_value
    if id(error) == _last and isinstance(error, (KeyboardInterrupt, TimeoutError)) and _session.running and _loop._busy:
        _loop.interrupt(error.with_traceback(None))
    else:
        sys.__unraisablehook__(unraisable)


def _is_machinery(frame):
    if frame is not None and frame.f_code is _Selector.select.__code__:
        return False  # the wait must end at once, and nothing is lost by it
    while frame is not None and frame.f_code.co_filename in _machinery_files:
        if frame.f_code in _machinery:
            return True
        frame = frame.f_back
    return False


def prepare(session, loop):
    global _session, _loop
    _session, _loop = session, loop
    base = asyncio.BaseEventLoop
    for function in (
        base.run_forever,
        base._run_forever_setup,
        base._run_forever_cleanup,
        base._run_once,
        base.call_exception_handler,
        asyncio.selector_events.BaseSelectorEventLoop._process_events,
        asyncio.Handle._run,
        asyncio.TimerHandle._run,
        Loop._run_forever_setup,
        Loop._run_forever_cleanup,
        Loop._process_events,
        Loop.run_cell,
        Loop.turn,
        Loop.interrupt,
        _Cell.drive,
        _Cell.__await__,
        _Cell.interrupt,
        _stop,
        ToolCall._finish,
    ):
        _machinery.add(function.__code__)
    sys.unraisablehook = _unraisable
    _machinery_files.update(code.co_filename for code in _machinery)
    for number in (SIGINT, SIGALRM, SIGXCPU):
        try:
            signal.signal(number, handle)
        except (ValueError, OSError):  # a system without the signal
            pass
