"""The terminal prompt on the interpreter this package is installed in: what `keelback` and `python -m keelback` open.

Cells run in the main thread. Those that await run in one event loop that lives as long as the prompt; the others run
outside of it, so that `asyncio.run` works in them. A program's own use of the terminal (`input()`, `pdb`, full-screen
programs) finds it as it was before the prompt.
"""

from ._front import Front, new_session

_COROUTINE = 0x80  # inspect.CO_COROUTINE


class Terminal(Front):
    """A prompt in this process's terminal, before *namespace*."""

    def __init__(self, namespace, banner=None):
        super().__init__(namespace, banner)
        self.loop = None
        self._session = None
        self._context = None

    @property
    def session(self):
        if self._session is None:
            import contextvars

            self._session = new_session(self.namespace)
            self._session.evaluate = self._evaluate
            self._context = contextvars.copy_context()
            self.own(self._session)
        return self._session

    def _evaluate(self, code, namespace):
        return self._context.run(eval, code, namespace)

    # -- the main loop ---------------------------------------------------------------------------------------------

    def run(self):
        """Show the prompt and run cells until the user leaves; the exit status."""
        flow = None
        begun = False
        try:
            while True:
                try:
                    if not begun:
                        begun = True
                        flow = self.begin()
                    if flow is None:
                        flow = self.wait()
                    if flow[0] == "leave":
                        return flow[1]
                    status = self.run_cell(*flow[1:])
                    if status is not None:
                        return status
                except KeyboardInterrupt:
                    # SIGINT from elsewhere, or Ctrl-C on the way from the prompt to the cell or back.
                    self.native.interrupt()
                flow = None
        finally:
            self.end()
            self.close_loop()

    def wait(self):
        woken = self._wake_on_signals()
        try:
            if self.loop is not None and self._tasks():
                return self._wait_beside_tasks()
            self.waiting = True
            return self.native.wait()
        finally:
            self.waiting = False
            if woken:
                self._wake_no_more()

    def _wait_beside_tasks(self):
        import asyncio

        waits = self.loop.create_task(self.wait_in_loop())
        try:
            return self._run_in_loop(waits)
        finally:
            if not waits.done():
                waits.cancel()
                self._run_in_loop(asyncio.wait([waits]))

    def _wake_on_signals(self):
        """Let signals end the wait: one that comes just before it begins would have its handler called after the next
        key only. Where the user has something else woken that stays, and in other threads there are no handlers."""
        import _signal

        try:
            before = _signal.set_wakeup_fd(self.native.wake_fd(), warn_on_full_buffer=False)
        except ValueError:
            return False
        if before in (-1, self.native.wake_fd()):
            return True
        try:
            _signal.set_wakeup_fd(before)
            return False
        except OSError:
            return True  # it was closed since

    def _wake_no_more(self):
        import _signal

        now = _signal.set_wakeup_fd(-1)
        if now != self.native.wake_fd():
            _signal.set_wakeup_fd(now)

    def _tasks(self):
        import asyncio

        return bool(asyncio.all_tasks(self.loop)) or bool(getattr(self.loop, "_scheduled", None))

    # -- cells -----------------------------------------------------------------------------------------------------

    def run_cell(self, source, hidden):
        """Run a cell, tell the prompt how it ended; an exit status when the user leaves by it."""
        from time import perf_counter, process_time

        wall, cpu = perf_counter(), process_time()
        try:
            self.ready()
            if hidden:
                outcome = self.run_hidden(source)
            elif self._awaits(source):
                outcome = self._run_awaiting(source)
            else:
                outcome = self.session.run(source, mode="interactive")
            self.streams.flush()
        except KeyboardInterrupt as error:
            # Ctrl-C between the cell and here.
            outcome = self.session.failed(error)
        return self.tell(outcome, (perf_counter() - wall, process_time() - cpu))

    def _awaits(self, source):
        code = self.compile_ahead(source)
        return code is not None and code.co_flags & _COROUTINE != 0

    def _run_awaiting(self, source):
        """Run a cell as a task of the prompt's loop; Ctrl-C cancels it and leaves the other tasks alone."""
        import asyncio

        from ._live import Live
        from ._sigint import Interrupting

        if self.loop is None:
            self.loop = asyncio.new_event_loop()
            self.live = Live(self.namespace, context=self._context, loop=self.loop, session=self.session)
        try:
            # A handler of the user's own stays.
            with Interrupting(self.live, self.loop, keep_own=True):
                outcome = self._run_in_loop(self.live.run(source, self.filename()))
        except BaseException as error:
            # What another task has stopped the loop with. The cell is not to be waited for.
            self.live.interrupt()
            self.live.interrupt()
            return self.session.failed(error)
        return outcome

    def _run_in_loop(self, awaitable):
        import asyncio

        from ._nested import beside

        asyncio.set_event_loop(self.loop)
        with beside():
            return self.loop.run_until_complete(awaitable)

    def close_loop(self):
        """Cancel what still runs, as `asyncio.run` does at its end."""
        loop, self.loop = self.loop, None
        if loop is None or loop.is_closed():
            return
        import asyncio

        from ._nested import beside

        try:
            with beside():
                tasks = asyncio.all_tasks(loop)
                for task in tasks:
                    task.cancel()
                if tasks:
                    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
                loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
