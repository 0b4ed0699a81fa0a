"""Interrupts: the host sets CPython's signal flags, these handlers raise.

A handler raises only while code of the cell runs. In the machinery around it the exception waits in
`session.pending`, and in the event loop's it is handed to the cell's task, so that no bookkeeping is cut in two.
"""

import asyncio
import os
import signal
import sys

SIGINT, SIGALRM, SIGXCPU = 2, 14, 24

# Texts of the limits, as the host writes them (e.g. "5 s").
limits = {}

_session = None
_loop = None
# Between taking a callback from the queue and calling it, an exception would lose the callback.
_machinery = {
    sys.modules["asyncio.base_events"].BaseEventLoop._run_once.__code__.co_filename,
    asyncio.Handle._run.__code__.co_filename,
}


def make_error(number):
    if number == SIGALRM:
        return TimeoutError(f"cell used all {limits.get('wall', 'its share')} of wall time")
    if number == SIGXCPU:
        return TimeoutError(f"cell used all {limits.get('cpu', 'its share')} of CPU time")
    return KeyboardInterrupt()


def handle(number, frame):
    if not _session.running:
        _session.pending = make_error(number)
        return
    running = asyncio._get_running_loop()
    if running is None or running._thread_id is None or not hasattr(running, "interrupt"):
        raise make_error(number)
    error = make_error(number)
    in_cell = running.interrupt(error)
    if in_cell or frame is None or frame.f_code.co_filename not in _machinery:
        raise error


def prepare(session, loop):
    global _session, _loop
    _session, _loop = session, loop
    for number in (SIGINT, SIGALRM, SIGXCPU):
        try:
            signal.signal(number, handle)
        except (ValueError, OSError):  # a system without the signal
            pass
