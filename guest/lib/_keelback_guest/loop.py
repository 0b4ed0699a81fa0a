"""The guest's event loop: asyncio's own, waiting in one host call for tools, sockets and time.

There are no threads: `run_in_executor` (and so `asyncio.to_thread`) runs the function at once and
returns a future that is done. `asyncio.run`, `Runner` and `run_until_complete` work in a program and, with a loop of
their own, inside a cell of the session.
"""

import asyncio
import contextvars
import selectors
from asyncio import events, runners, selector_events
from functools import partial
from marshal import dumps, loads

import _host

# Tool calls under way: call id to ToolCall. Any loop's wait may bring their results.
calls = {}

_session_loop = None


class _Selector(selectors._BaseSelectorImpl):
    """What the loop waits with. The descriptors registered are those of the host's connections."""

    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        if self._loop._ready or self._loop._stopping:
            timeout = 0  # an interrupt came after the loop had looked
        if timeout is not None and timeout <= 0:
            if not calls and not self._fd_to_key:
                return ()
            timeout = 0.0
        elif timeout is not None:
            timeout = float(timeout)
        if not self._fd_to_key:
            return loads(_host.call(dumps(("wait", timeout), 2)))
        sockets = [(fd, key.events) for fd, key in self._fd_to_key.items()]
        return loads(_host.call(dumps(("wait", timeout, sockets), 2)))


class Loop(selector_events.BaseSelectorEventLoop):
    """An event loop whose waits are host calls."""

    def __init__(self):
        super().__init__(_Selector(self))
        self._outer = None
        self._cell = None
        self._interrupted = None
        self._busy = False  # run_cell or turn is at work
        self._reporting = False  # an exception in a task, often from a destructor, where nothing can be raised
        self._context = None  # the session's: the same object for every cell, so that ContextVar tokens stay valid

    def _process_events(self, finished):
        sockets = None
        for item in finished:
            if len(item) == 2:
                # A socket and what it is ready for: bits of the host are those of `selectors`.
                fd, ready = item
                key = self._selector._fd_to_key.get(fd)
                if key is not None:
                    sockets = sockets or []
                    sockets.append((key, ready & key.events))
                continue
            call_id, ok, payload = item
            call = calls.pop(call_id, None)
            if call is not None:
                call._finish(ok, payload)
        if sockets is not None:
            super()._process_events(sockets)

    def _sock_connect_cb(self, future, sock, address):
        if future.done():
            return
        error = sock._connect_error()
        if error is None:
            future.set_result(None)
        elif isinstance(error, (PermissionError, TimeoutError)):
            future.set_exception(error)  # it names a grant or a limit
        else:
            future.set_exception(type(error)(error.errno, f"Connect call failed {address}"))

    # The pair of sockets by which another thread would wake the loop.
    def _make_self_pipe(self):
        pass

    def _close_self_pipe(self):
        pass

    def _write_to_self(self):
        # Wakes a loop that sleeps in another thread: there is none.
        pass

    def create_task(self, coro, *, name=None, context=None):
        # A tool call is no coroutine to everything that looks at tasks.
        step = getattr(type(coro), "_as_coroutine", None)
        return super().create_task(coro if step is None else step(coro), name=name, context=context)

    def default_exception_handler(self, context):
        self._reporting = True
        try:
            super().default_exception_handler(context)
        finally:
            self._reporting = False

    def call_soon_threadsafe(self, callback, *args, context=None):
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor, function, *args):
        """Run *function* now, for there are no threads, and return a future that is done."""
        self._check_closed()
        future = self.create_future()
        try:
            result = function(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            if isinstance(error, StopIteration):
                error = RuntimeError("function raised StopIteration")
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        """As `socket.getaddrinfo`; other tasks go on while the host looks the name up."""
        import _socket

        steps = _socket.lookup(host, port, family, type, proto, flags)
        try:
            name = next(steps)
        except StopIteration as stop:
            return stop.value
        handle = _socket.new_fd()
        try:
            while True:
                try:
                    found = _socket.call("resolve", 0, name, handle)
                    break
                except BlockingIOError:
                    await self._readable(handle)
            steps.send(found)
        except StopIteration as stop:
            return stop.value
        finally:
            _socket.call("close", 0, handle)

    async def _readable(self, handle):
        ready = self.create_future()
        self._add_reader(handle, _set, ready)
        try:
            await ready
        finally:
            self._remove_reader(handle)

    async def shutdown_default_executor(self, timeout=None):
        pass

    def add_signal_handler(self, number, callback, *args):
        raise NotImplementedError("the sandbox has no signals of its own")

    def remove_signal_handler(self, number):
        raise NotImplementedError("the sandbox has no signals of its own")

    # -- loops inside loops --------------------------------------------------------------------------------------

    def _check_running(self):
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        outer = events._get_running_loop()
        if outer is not None and outer is not _session_loop:
            raise RuntimeError("Cannot run the event loop while another loop is running")

    def _run_forever_setup(self):
        outer = events._get_running_loop()
        super()._run_forever_setup()
        self._outer = outer

    def _run_forever_cleanup(self):
        outer, self._outer = self._outer, None
        super()._run_forever_cleanup()
        events._set_running_loop(outer)

    # -- cells ---------------------------------------------------------------------------------------------------

    def run_cell(self, awaited):
        """Run a cell's coroutine as one task, until it ends. Other tasks go on meanwhile, and live on afterwards."""
        try:
            cell = self._cell = _Cell(awaited)
            self._busy = True
            cell.task = self.create_task(cell.drive(), name="cell", context=self._context)
            cell.task.add_done_callback(_stop)
            if cell.interrupted is not None:
                cell.task.cancel()
            while not cell.task.done():
                try:
                    self.run_forever()
                except BaseException as error:
                    # An interrupt of the wait, or SystemExit from another task: it is the cell that is told.
                    cell.interrupt(error)
        finally:
            self._cell = None
            self._stopping = False
            self._busy = False
            awaited.close()
        if cell.ended and cell.error is None:
            return cell.value
        # Not ended: cancelled before its first step.
        error = cell.error or cell.interrupted or asyncio.CancelledError()
        try:
            raise error
        finally:
            error = cell.error = cell.interrupted = None  # no cycle through this frame

    def runs_the_cell(self):
        """Whether what runs now is the cell's own code, as against another task or the loop."""
        return self._cell is not None and asyncio.current_task(self) is self._cell.task

    def interrupt(self, error):
        """Called by signal handlers while this loop runs: end the cell, or else the run."""
        if self._cell is not None:
            self._cell.interrupt(error)
        else:
            self._interrupted = error
            self.stop()

    def run_until_complete(self, future):
        self._interrupted = None
        try:
            return super().run_until_complete(future)
        except RuntimeError as error:
            if self._interrupted is not None and str(error) == "Event loop stopped before Future completed.":
                raise self._interrupted from None
            raise

    def turn(self):
        """Run what is ready, without waiting. Returns an interrupt that came meanwhile, or None."""
        from . import session

        error = None
        try:
            self._busy = True
            self._interrupted = None
            self.call_soon(self.stop)
            session.running = True
            self.run_forever()
        except BaseException as left:
            error = left
        session.running = False
        self._busy = False
        self._stopping = False
        if self._interrupted is not None:
            error, self._interrupted = self._interrupted, None
        return error


def _set(future):
    if not future.done():
        future.set_result(None)


def _stop(task):
    task.get_loop().stop()


class _Cell:
    """Drives a cell's coroutine inside a task, and turns the task's cancellation into the interrupt it stands for.

    Nothing leaves the task: SystemExit and KeyboardInterrupt would stop the loop and every task with it.
    """

    def __init__(self, awaited):
        self.awaited = awaited
        self.task = None
        self.value = None
        self.error = None
        self.ended = False
        self.interrupted = None

    def interrupt(self, error):
        self.interrupted = error
        if self.task is not None:
            self.task.cancel()

    async def drive(self):
        await self

    def __await__(self):
        awaited = self.awaited
        send, argument = awaited.send, None
        try:
            while True:
                yielded = send(argument)
                try:
                    argument = yield yielded
                    send = awaited.send
                except GeneratorExit:
                    awaited.close()
                    raise
                except BaseException as error:
                    send, argument = awaited.throw, error
                    if self.interrupted is not None and isinstance(error, asyncio.CancelledError):
                        argument, self.interrupted = self.interrupted, None
                        self.task.uncancel()
        except StopIteration as stop:
            self.value = stop.value
            self.ended = True
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error
            self.ended = True


# -- asyncio's entry points -------------------------------------------------------------------------------------------


class _Policy(events.BaseDefaultEventLoopPolicy):
    _loop_factory = Loop


def session_loop():
    return _session_loop


def enter(loop):
    """Make *loop* what `asyncio.create_task` finds in code that runs outside any task."""
    events._set_running_loop(loop)


def leave():
    events._set_running_loop(None)


class Runner(runners.Runner):
    __doc__ = runners.Runner.__doc__
    __module__ = "asyncio.runners"

    def run(self, coro, *, context=None):
        """Run a coroutine inside the embedded event loop."""
        outer = events._get_running_loop()
        if outer is not _session_loop:
            return super().run(coro, context=context)
        events._set_running_loop(None)
        try:
            return super().run(coro, context=context)
        finally:
            events._set_running_loop(outer)


_asyncio_run = runners.run


def run(main, *, debug=None, loop_factory=None):
    outer = events._get_running_loop()
    if outer is not _session_loop:
        return _asyncio_run(main, debug=debug, loop_factory=loop_factory)
    events._set_running_loop(None)
    try:
        return _asyncio_run(main, debug=debug, loop_factory=loop_factory)
    finally:
        events._set_running_loop(outer)


def renew_context(session):
    _session_loop._context = contextvars.Context()
    session.evaluate = partial(_session_loop._context.run, eval)


def prepare(session):
    global _session_loop
    run.__doc__ = _asyncio_run.__doc__
    run.__module__ = "asyncio.runners"
    asyncio.run = runners.run = run
    asyncio.Runner = runners.Runner = Runner
    asyncio.set_event_loop_policy(_Policy())
    # What a program asks for by name, and what asyncio makes when a policy is taken away.
    asyncio.DefaultEventLoopPolicy = asyncio.SelectorEventLoopPolicy = _Policy
    asyncio.EventLoop = asyncio.SelectorEventLoop = Loop
    _session_loop = Loop()
    session.run_awaitable = _session_loop.run_cell
    renew_context(session)
    enter(_session_loop)
    return _session_loop
