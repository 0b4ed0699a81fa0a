"""The event loop while the prompt waits for a person: tasks that cells have left behind go on.

It ends when the host asks for it (by a signal, so that a task which is busy is heard out and then not another one), or
when nothing can happen any more: then an idle session costs nothing.
"""

import signal

from . import loop as loop_module

SIGUSR1 = 10

_loop = None
_active = False


def _stop(number, frame):
    if _active:
        _loop.stop()


def _select(timeout=None):
    selector = _loop._selector
    if timeout is None and not loop_module.calls and not selector._fd_to_key:
        _loop.stop()  # every task waits for another
        return ()
    return type(selector).select(selector, timeout)


def run(session):
    """The exception that ended it, or None."""
    global _active
    if not (_loop._ready or _loop._scheduled or loop_module.calls or _loop._selector._fd_to_key):
        return None
    error = None
    _loop._selector.select = _select
    try:
        _active = _loop._busy = session.running = True
        _loop._interrupted = None
        _loop.run_forever()
    except BaseException as left:
        error = left
    finally:
        _active = _loop._busy = session.running = False
        _loop._stopping = False
        del _loop._selector.select
    if _loop._interrupted is not None:
        error, _loop._interrupted = _loop._interrupted, None
    return error


def prepare(loop):
    global _loop
    _loop = loop
    try:
        signal.signal(SIGUSR1, _stop)
    except (ValueError, OSError):  # a system without the signal
        pass
