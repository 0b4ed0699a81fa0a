"""A served program: takes what the native server has posted, and answers what clients ask of Python."""

import contextvars
import sys
import threading

from . import _served, _session, _steps

__all__ = ["Program"]

_session.hide_frames_of(__file__)
_steps.machinery(__file__)

# What details of candidates may take, in seconds: a key waits for them. A choice.
_DETAILS_MAX = 0.0003


class Program:
    """What serves *namespace*. `native` is its `_native.Server`, once that is there."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.native = None
        self.context = contextvars.copy_context()
        # The loop that cells ran in last, and its thread.
        self.loop = None
        self.thread = None
        self._sessions = {}
        # In a child of fork the server is the parent's.
        self.is_abandoned = False
        self._mirror = None
        self._answers = None
        self._tasks = None

    # -- in the thread that runs cells -----------------------------------------------------------------------------

    def pump(self, loop):
        """Take what was posted. Called in *loop* when the server's descriptor is readable. False if there was nothing."""
        posted = self.native.take()
        self.handle(posted, loop)
        return bool(posted)

    def handle(self, posted, loop):
        for kind, *rest in posted:
            try:
                getattr(self, f"_{kind}")(loop, *rest)
            except Exception:
                # Nothing that goes wrong with one session may reach the loop, or the others.
                _log().exception("keelback: `%s` failed", kind)

    def _open(self, loop, session, columns):
        self._sessions[session] = _served.ServedSession(self, session, columns)

    def _close(self, loop, session):
        found = self._sessions.pop(session, None)
        if found is not None:
            found.close()

    def _cell(self, loop, session, number, source, filename, quota, in_thread):
        found = self._sessions[session]
        request = _served.Request(found, number, quota)
        run = found.run_in_thread if in_thread else found.run
        self.loop, self.thread = loop, threading.get_ident()
        _served.route_getpass()
        run(request, source, filename, loop)

    def _interrupt(self, loop, session, number):
        found = self._sessions.get(session)
        if found is not None:
            found.interrupt(number)

    def _resize(self, loop, session, columns):
        found = self._sessions.get(session)
        if found is not None:
            found.columns = columns

    def _tail(self, loop, on):
        if on and self._mirror is None:
            from ._tap import Tap

            self._mirror = Tap(self.native.sink(None))
        elif not on:
            self._untap()

    def _untap(self):
        tap, self._mirror = self._mirror, None
        if tap is not None:
            tap.remove()

    def _audit(self, loop, event, *arguments):
        try:
            sys.audit(event, *arguments)
        except Exception:
            # It has happened: a hook that does not like it can only say so.
            _log().exception("keelback: a hook for audit event `%s` failed", event)

    def _warning(self, loop, text):
        _log().warning("keelback: %s", text)

    def _held(self, loop, is_pumped, seconds, file, line, function):
        where = f"{file}:{line} in {function}" if file else "code that could not be looked at"
        what = "pump() was not called" if is_pumped else "the event loop was held"
        _log().warning("keelback: %s for %.2f s by %s", what, seconds, where)

    def close(self):
        """End all sessions, without telling the server."""
        for session in list(self._sessions.values()):
            session.close()
        self._leave()

    def _leave(self):
        self._sessions.clear()
        self._untap()
        _served.restore_getpass()

    def abandon(self):
        """In a child of fork: the sessions are the parent's, and what goes on here prints to the program's own streams."""
        self.is_abandoned = True
        for session in self._sessions.values():
            if session.live is not None:
                session.live.unroute()
        self._leave()

    # -- in the thread for questions -------------------------------------------------------------------------------

    @property
    def answers(self):
        if self._answers is None:
            from ._answers import Answers

            self._answers = Answers(self.namespace)
        return self._answers

    def check(self, session, source, in_lines):
        """Whether *source* is a whole cell (True), could become one (False) or never will (None).

        Typed *in_lines*, a block is whole after an empty line.
        """
        found = self._sessions.get(session)
        live = None if found is None else found.live
        checked = _session.Session({})
        if live is not None:
            checked.flags = live.session.flags
        try:
            if in_lines:
                from ._lines import is_whole

                return is_whole(source, checked.flags)
            return checked.compile_interactive(source, "<input>") is not None
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
            return None

    def complete(self, source, place, seconds):
        start, end, matches, more = self.answers.complete(source, place, seconds)
        details = self.answers.details(source, start, [text for text, _, _ in matches], _DETAILS_MAX)
        # Those that there was no time for are left at what they are.
        matches[: len(details)] = [(text, kind, told or detail) for (text, kind, detail), told in zip(matches, details)]
        return start, end, matches, more

    def signature(self, source, place):
        return self.answers.signature(source, place)

    def describe(self, expression):
        return self.answers.describe(expression)

    def defined(self, name):
        return name in self.namespace

    def source_of(self, expression):
        found, text = self.answers.command("src", expression)
        return text if found else None

    def variables(self, _):
        return self.answers.command("vars", "")[1]

    @property
    def tasks_seen(self):
        if self._tasks is None:
            from ._tasks import Tasks

            self._tasks = Tasks()
        return self._tasks

    def tasks(self):
        if self.loop is None or "asyncio" not in sys.modules:
            return [], False
        return self.tasks_seen.list(self.loop)

    def cancel(self, number):
        task = self.tasks_seen.find(number)
        if task is None or task.done():
            return False
        task.get_loop().call_soon_threadsafe(task.cancel)
        return True

    def stacks(self):
        from ._tasks import stacks

        return stacks(self.thread)

    # -- in a thread that interrupts -------------------------------------------------------------------------------

    def interrupt_running(self):
        """Interrupt whatever cell runs in a loop outside the main thread, whether a client wants it or not."""
        request = _steps.innermost(self.thread)
        frame = sys._current_frames().get(self.thread)
        if isinstance(request, _served.Request) and _steps.may_interrupt(request, frame, self.thread):
            request.interrupted = True
            self.native.raise_in(self.thread)

    def interrupt_thread(self, name, number):
        """Interrupt a cell in a loop outside the main thread, if its code runs at this moment."""
        session = self._sessions.get(name)
        request = None if session is None else session.request
        if request is None or request.number != number or request.thread is not None:
            return
        frame = sys._current_frames().get(self.thread)
        if _steps.may_interrupt(request, frame, self.thread) and request.take_interrupt():
            request.raise_in(self.thread, frame)


def _log():
    import logging

    return logging.getLogger("keelback")
