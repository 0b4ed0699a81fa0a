"""Where the cells of a served program run: in the loop that runs already, in a thread with a loop of its own, in a loop
that the program turns now and then, or in whichever of these there is."""

import contextlib
import os
import select
import signal
import sys
import threading
import time

from . import _session, _signals, _steps

__all__ = ["FollowedLoop", "OwnThread", "RunningLoop", "TurnedLoop"]

_session.hide_frames_of(__file__)
_steps.machinery(__file__)

# How long the main thread may take to say whether a loop runs in it, in seconds; a choice. It does not while it is in
# code that looks at no signals.
_ANSWER_MAX = 0.05
# How long the end of a server waits for a loop in another thread; a choice.
_END_MAX = 2.0


class _Home:
    """`begin` is called once `program.native` is there. `leave` stops taking what is posted; afterwards no cell runs."""

    def __init__(self, program):
        self.program = program
        self._signals = []
        self._interrupt = self._dump = None

    def _reserve_interrupt(self):
        """A signal that interrupts cells in the main thread, which this is called in; in others there is none."""
        self._interrupt = _signals.reserve_interrupt()
        if self._interrupt is not None:
            self._signals.append(_signals.release_interrupt)

    def _reserve_dump(self):
        """A signal that makes any thread write its stack."""
        dump = self._dump = _signals.reserve_dump(self.program.native.dump_fd())
        if dump is not None:
            self._signals.append(lambda: _signals.release_dump(dump))

    def _settle(self):
        """The calling thread runs cells from now on."""
        self.program.thread = threading.get_ident()
        is_main = threading.current_thread() is threading.main_thread()
        self.program.native.here(self._interrupt if is_main else None, self._dump)

    def abandon(self):
        """In a child of fork: nobody takes what is posted, and no signals are sent."""
        self.release()

    def release(self):
        """The native threads have ended: nobody sends signals any more."""
        while self._signals:
            self._signals.pop()()


class RunningLoop(_Home):
    """The loop that runs in the calling thread."""

    def begin(self):
        import asyncio

        self.loop = self.program.loop = asyncio.get_running_loop()
        self._reserve_interrupt()
        self._reserve_dump()
        self._settle()
        self.loop.add_reader(self.program.native.fileno(), self.program.pump, self.loop)

    def at_end_of_loop(self, close):
        """Call *close* when the loop shuts down, as `asyncio.run` does at its end: with its asynchronous generators."""
        self._last_words = _last_words(close)
        with contextlib.suppress(StopIteration):
            self._last_words.__anext__().send(None)

    def leave(self):
        if self.loop.is_closed():
            return self._leave()
        if threading.get_ident() == self.program.thread or not self.loop.is_running():
            self.loop.remove_reader(self.program.native.fileno())
            return self._leave()
        left = threading.Event()

        def leave():
            self.loop.remove_reader(self.program.native.fileno())
            self._leave()
            left.set()

        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(leave)
            left.wait(_END_MAX)

    def _leave(self):
        self.program.close()
        last_words, self._last_words = getattr(self, "_last_words", None), None
        if last_words is not None and not last_words.ag_running:
            with contextlib.suppress(StopIteration, RuntimeError):
                last_words.aclose().send(None)


async def _last_words(close):
    try:
        yield
    finally:
        close()


class OwnThread(_Home):
    """A thread with a loop of its own, which runs as long as the server."""

    def begin(self):
        import asyncio

        self._reserve_dump()
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="keelback-cells", daemon=True)
        self._thread.start()
        ready.wait()

    def _run(self, ready):
        import asyncio

        loop = self.loop
        asyncio.set_event_loop(loop)
        self.program.loop = loop
        self._settle()
        loop.add_reader(self.program.native.fileno(), self._pump, loop)
        ready.set()
        try:
            loop.run_forever()
        finally:
            _end_loop(loop)

    def _pump(self, loop):
        self.program.pump(loop)

    def abandon(self):
        super().abandon()
        # Its descriptors only: what the loop does when it is closed would reach the parent's, which shares the selector.
        loop = self.loop
        for end in ("_selector", "_ssock", "_csock"):
            if hasattr(loop, end):
                getattr(loop, end).close()

    def leave(self):
        if not self._thread.is_alive():
            return
        if threading.get_ident() == self._thread.ident:
            # A cell closes the server: the thread ends after it.
            self.loop.remove_reader(self.program.native.fileno())
            self.program.close()
            self.loop.stop()
            return

        def leave():
            self.loop.remove_reader(self.program.native.fileno())
            self.program.close()
            self.loop.stop()

        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(leave)
        end = time.monotonic() + _END_MAX
        while self._thread.is_alive() and time.monotonic() < end:
            self._thread.join(0.01)
            # A cell that computes is interrupted; what it does then is up to it.
            self.program.interrupt_running()


class TurnedLoop(_Home):
    """A loop that the program turns in its main thread, by `Server.pump`."""

    def begin(self):
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a server whose cells run in the main thread is to be started there")
        import asyncio

        self.loop = self.program.loop = asyncio.new_event_loop()
        self._came = None
        self._reserve_interrupt()
        self._reserve_dump()
        self._settle()
        self.loop.add_reader(self.program.native.fileno(), self._pump)

    def _pump(self):
        # The guard asks without wanting anything.
        if self.program.pump(self.loop) and self._came is not None and not self._came.done():
            self._came.set_result(None)

    def turn(self, timeout):
        """Wait for something that clients want, *timeout* seconds at most, and begin it; meanwhile cells go on."""
        if not self.loop.is_closed():
            self.loop.run_until_complete(self._turn(timeout))

    async def _turn(self, timeout):
        import asyncio

        self._came = self.loop.create_future()
        await asyncio.wait([self._came], timeout=timeout)
        self._came = None
        # What has begun goes on until it waits.
        for _ in range(4):
            await asyncio.sleep(0)

    def leave(self):
        if not self.loop.is_running() and not self.loop.is_closed():
            self.loop.remove_reader(self.program.native.fileno())
            self.program.close()
            _end_loop(self.loop)


def _end_loop(loop):
    """Cancel what cells have left behind, as `asyncio.run` does at its end."""
    import asyncio

    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=_END_MAX))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


class FollowedLoop(OwnThread):
    """The loop that runs in the main thread, whenever one does; otherwise that of a thread. For programs that do not know
    that they are served: the thread takes what is posted, and asks the main thread, by the signal for interrupts."""

    def begin(self):
        self._answered = threading.Event()
        self._followed = None
        self.loop = None
        self._reserve_interrupt()
        self._reserve_dump()
        if self._interrupt is None:
            raise RuntimeError("a program is to be served from its main thread")
        _signals.on_signal(self._look)
        self._signals.append(lambda: _signals.off_signal(self._look))
        self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run_when_needed, name="keelback-cells", daemon=True)
        self._thread.start()

    def _run_when_needed(self):
        # What nobody attaches to does without an event loop, and without importing it.
        ready, _, _ = select.select([self.program.native.fileno(), self._wake[0]], [], [])
        if self._wake[0] not in ready:
            import asyncio

            self.loop = asyncio.new_event_loop()
            self._run(threading.Event())

    def leave(self):
        os.write(self._wake[1], b"x")
        if self.loop is None:
            self._thread.join()
            self.program.close()
        else:
            super().leave()
        for descriptor in self._wake:
            os.close(descriptor)

    def abandon(self):
        super().abandon()
        for descriptor in self._wake:
            os.close(descriptor)

    def _look(self):
        """In the main thread: the loop that runs there."""
        asyncio = sys.modules.get("asyncio")
        get = getattr(asyncio, "_get_running_loop", None)  # not there while it is being imported
        self._followed = None if get is None else get()
        self._answered.set()

    def _pump(self, loop):
        posted = self.program.native.take()
        # Nothing is the guard's question whether the loop comes: the main thread is not to be asked for one each time.
        followed = self._find() if posted else self._known()
        if followed is not None:
            with contextlib.suppress(RuntimeError):  # it was closed in this moment
                followed.call_soon_threadsafe(self._handle_in_main, posted, followed)
                return
        self._settle()
        self.program.handle(posted, loop)

    def _known(self):
        return self._followed if self._followed is not None and self._followed.is_running() else None

    def _find(self):
        if self._known() is None:
            self._answered.clear()
            signal.pthread_kill(threading.main_thread().ident, self._interrupt)
            if not self._answered.wait(_ANSWER_MAX):
                self._followed = None
        return self._followed

    def _handle_in_main(self, posted, loop):
        held = self.program.native.came()
        self._settle()
        self.program.handle(posted if held is None else [*posted, held], loop)
