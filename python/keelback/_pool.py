"""`Pool`: ready sandboxes for servers."""

import threading
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeout

from ._errors import SandboxError
from ._sandbox import Sandbox, _executor
from ._tools import as_tools

# A choice: enough for a burst of short requests; making one more takes a tenth of a millisecond.
_READY = 8
# Seconds without work after which the pool's thread ends; the next sandbox given back starts another.
_IDLE = 5.0


class Pool:
    """At most *size* sandboxes at a time, some of them made in advance. For servers; safe to use from many threads.

    options: what every sandbox gets, as for `Sandbox`. timeout: seconds to wait while *size* sandboxes are in use, None
    to wait for ever; `SandboxError` names the limit. ready: how many unused sandboxes to keep.

        pool = keelback.Pool(100, limits=keelback.Limits(time=5))
        with pool.sandbox() as box: ...           # async with, in an event loop
        result = pool.run("1 + 1")                # await pool.arun("1 + 1")

    Every sandbox is new: one that was used is closed, never given out again.
    """

    def __init__(self, size, *, timeout=None, ready=None, tools=(), **options):
        if not isinstance(size, int) or size < 1:
            raise SandboxError(f"the size of a pool is {size!r}: it needs to be 1 or more")
        self.size, self._timeout = size, timeout
        self._keep = min(size, _READY if ready is None else ready)
        # What the signatures of tools say is found out once, not for every sandbox.
        self._options = {**options, "tools": as_tools(tools)}
        self._lock = threading.Lock()
        self._ready, self._used, self._waiters = deque(), deque(), deque()
        self._in_use = 0
        self._closed = False
        self._thread = None
        self._work = threading.Semaphore(0)
        # A grant that cannot be given is for the caller, now.
        self._ready.append(self._make())
        self._wake()

    def sandbox(self, *, timeout=...):
        """A new sandbox for ``with`` or ``async with``; waits while all are in use. timeout: instead of the pool's."""
        return _Lease(self, self._timeout if timeout is ... else timeout)

    def run(self, code, *, timeout=..., **options):
        """Run *code* in a new sandbox and return its `Result`. options: as for `Sandbox.run`."""
        with self.sandbox(timeout=timeout) as box:
            return box.run(code, **options)

    async def arun(self, code, *, timeout=..., **options):
        """As `run`, without blocking the event loop."""
        async with self.sandbox(timeout=timeout) as box:
            return await box.arun(code, **options)

    @property
    def in_use(self):
        """How many sandboxes are given out."""
        return self._in_use

    def close(self):
        """Give out no more. Who waits gets `SandboxError`; sandboxes in use are closed by their users."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            waiters, self._waiters = self._waiters, deque()
            self._used += self._ready
            self._ready.clear()
            thread = self._thread
        for waiter in waiters:
            if waiter.set_running_or_notify_cancel():
                waiter.set_exception(SandboxError("the pool is closed"))
        if thread is not None and thread is not threading.current_thread():
            self._work.release()
            thread.join()
        self._tidy()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        import asyncio

        await asyncio.get_running_loop().run_in_executor(_executor(), self.close)

    def __repr__(self):
        return f"<keelback.Pool size={self.size} in_use={self._in_use}>"

    # -- places: a lease has one of `size` ---------------------------------------------------------------------------

    def _place(self):
        """None when the caller now has a place, else a future to wait for one."""
        with self._lock:
            if self._closed:
                raise SandboxError("the pool is closed")
            if self._in_use < self.size:
                self._in_use += 1
                return None
            waiter = Future()
            self._waiters.append(waiter)
            return waiter

    def _give_back(self, box=None):
        """End a place, and close its sandbox in the background. The place goes to who waited longest."""
        with self._lock:
            if box is not None:
                self._used.append(box)
            while self._waiters:
                waiter = self._waiters.popleft()
                if waiter.set_running_or_notify_cancel():
                    break
            else:
                waiter = None
                self._in_use -= 1
            closed = self._closed
        if waiter is not None:
            waiter.set_result(None)
        if closed:
            self._tidy()
        else:
            self._wake()

    def _give_up(self, waiter):
        """Stop waiting; True when the place had come by then, and is the caller's."""
        if waiter.cancel():
            with self._lock:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
            return False
        return waiter.exception() is None

    def _busy(self, timeout):
        return SandboxError(f"all {self.size} sandboxes of the pool (size={self.size}) were in use for {timeout:g} s")

    # -- sandboxes ---------------------------------------------------------------------------------------------------

    def _make(self):
        return Sandbox(**self._options)

    def _take(self):
        with self._lock:
            if self._ready:
                return self._ready.popleft()
        return self._make()

    def _wake(self):
        self._work.release()
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._serve, name="keelback-pool", daemon=True)
                self._thread.start()

    def _serve(self):
        while not self._closed:
            if not self._work.acquire(timeout=_IDLE):
                with self._lock:
                    if not self._work.acquire(blocking=False):
                        self._thread = None
                        return
            self._tidy()
            try:
                self._fill()
            except Exception:  # the caller who needs one is told by its own try
                pass

    def _tidy(self):
        while True:
            try:
                box = self._used.popleft()
            except IndexError:
                return
            box.close()

    def _fill(self):
        while True:
            with self._lock:
                wanted = min(self._keep, self.size - self._in_use)
                if self._closed or len(self._ready) >= wanted:
                    return
            box = self._make()
            with self._lock:
                if not self._closed:
                    self._ready.append(box)
                    continue
            box.close()


class _Lease:
    """A place in the pool, and its sandbox, while a ``with`` lasts."""

    __slots__ = ("_pool", "_timeout", "_box")

    def __init__(self, pool, timeout):
        self._pool, self._timeout, self._box = pool, timeout, None

    def __enter__(self):
        pool = self._pool
        waiter = pool._place()
        if waiter is not None:
            try:
                waiter.result(self._timeout)
            except WaitTimeout:
                if not pool._give_up(waiter):
                    raise pool._busy(self._timeout) from None
            except BaseException:
                if pool._give_up(waiter):
                    pool._give_back()
                raise
        return self._begin()

    def __exit__(self, *error):
        box, self._box = self._box, None
        try:
            box._end()
        finally:
            self._pool._give_back(box)

    async def __aenter__(self):
        import asyncio

        pool = self._pool
        waiter = pool._place()
        if waiter is not None:
            try:
                # Shielded: a place that comes while this ends is seen by _give_up.
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(waiter)), self._timeout)
            except asyncio.TimeoutError:
                if not pool._give_up(waiter):
                    raise pool._busy(self._timeout) from None
            except BaseException:
                if pool._give_up(waiter):
                    pool._give_back()
                raise
        return self._begin()

    async def __aexit__(self, *error):
        import asyncio

        # To the end, also when this task is cancelled: the place must be given back.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(_executor(), self.__exit__))

    def _begin(self):
        try:
            self._box = self._pool._take()
        except BaseException:
            self._pool._give_back()
            raise
        return self._box
