"""Signals of the server's own: one that interrupts cells in the main thread, and one for each guarded server that makes
`faulthandler` write a stack. They are real-time signals nobody handles; the program's SIGINT is left alone."""

import faulthandler
import signal
import threading

from . import _session, _steps

__all__ = ["off_signal", "on_signal", "release_dump", "release_interrupt", "reserve_dump", "reserve_interrupt"]

_session.hide_frames_of(__file__)
_steps.machinery(__file__)

_dumps: set[int] = set()
# The number of the signal that interrupts, and how many servers use it.
_interrupt = None
_users = 0
# What the main thread does besides when that signal comes.
_others: list = []


def _free():
    """A signal that nobody handles, or None."""
    if hasattr(signal, "SIGRTMAX"):
        # The highest of all is used by debuggers.
        candidates = range(signal.SIGRTMAX - 1, signal.SIGRTMIN, -1)
    else:
        candidates = (signal.SIGURG, signal.SIGIO)
    for number in candidates:
        # What `faulthandler` handles is not known to `signal`.
        if number not in _dumps and signal.getsignal(number) == signal.SIG_DFL:
            return int(number)
    return None


def _is_main():
    return threading.current_thread() is threading.main_thread()


def reserve_interrupt():
    """The signal that interrupts a cell in the main thread; None in other threads, where no handlers run."""
    global _interrupt, _users
    if not _is_main():
        return None
    if _users == 0:
        _interrupt = _free()
        if _interrupt is None:
            return None
        signal.signal(_interrupt, _raise)
    _users += 1
    return _interrupt


def release_interrupt():
    """As often as it was reserved. Only the main thread can take the handler away; until then it does nothing."""
    global _users
    _users -= 1
    if _users == 0 and _is_main() and signal.getsignal(_interrupt) is _raise:
        # One that is on its way is dropped: without a handler it would end the program.
        signal.signal(_interrupt, signal.SIG_IGN)
        signal.signal(_interrupt, signal.SIG_DFL)


def _raise(number, frame):
    for function in _others:
        function()
    request = _steps.innermost()
    take = getattr(request, "take_interrupt", None)
    if take is not None and _steps.may_interrupt(request, frame) and take():
        raise KeyboardInterrupt


def reserve_dump(descriptor):
    """The signal at which the thread it is sent to writes its stack to *descriptor*; None when none is free."""
    number = _free()
    if number is not None:
        faulthandler.register(number, descriptor, all_threads=False, chain=False)
        _dumps.add(number)
    return number


def release_dump(number):
    """Nobody sends it any more."""
    faulthandler.unregister(number)
    _dumps.discard(number)


def on_signal(function):
    """Call *function* in the main thread whenever the signal comes that interrupts."""
    _others.append(function)


def off_signal(function):
    _others.remove(function)
