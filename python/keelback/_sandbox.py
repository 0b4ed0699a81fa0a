"""`Sandbox`: a session with its grants."""

import atexit
import os
import threading

from ._calls import Calls
from ._errors import SandboxError, SessionLost
from ._native import Session, shut_down
from ._result import Event, Result, Variable
from ._tools import Tool, as_tools, to_plain

_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


# How long code whose result nobody waits for may take over the end that an interrupt asks it for; a choice.
_INTERRUPT_AGAIN_SECONDS = 1.0


def _bytes(name, size):
    """A size in bytes: an int, or a text like "256MiB"."""
    if size is None or isinstance(size, int):
        return size
    if not isinstance(size, str):
        raise TypeError(f"limit {name!r} is a number of bytes or a text, not {type(size).__name__}")
    digits = size.rstrip("BKMGibkmg ")
    unit = size[len(digits):].strip().lower() or "b"
    try:
        return int(float(digits) * _UNITS[unit])
    except (KeyError, ValueError):
        raise SandboxError(f"limit {name!r} is {size!r}: write a number of bytes, or for example '256MiB'") from None


class Limits:
    """What a cell, or a session, may use. None is no limit; what is left out has its default.

    time, cpu: seconds of a cell (60). memory: bytes of the session (1 GiB). output: bytes a cell writes (64 MiB).
    tool_calls: of a cell (10,000). open_files (256). scratch: bytes of private files (64 MiB). recursion (1,000).
    connections: open at a time. network_sent, network_received: bytes of a cell. connect_time: seconds.
    grace: seconds a cell may go on after a limit before it is stopped from outside (1). Sizes may be texts: "256MiB".
    """

    _SIZES = ("memory", "output", "scratch", "network_sent", "network_received")
    _NAMES = ("time", "cpu", "grace", "tool_calls", "open_files", "recursion", "connections", "connect_time", *_SIZES)
    __slots__ = ("_given",)

    def __init__(self, **limits):
        for name in limits:
            if name not in self._NAMES:
                raise TypeError(f"there is no limit {name!r}; there are: {', '.join(sorted(self._NAMES))}")
        self._given = {
            name: _bytes(name, value) if name in self._SIZES else value for name, value in limits.items()
        }
        # A time limit alone should not be cut short by the default of the other.
        if self._given.get("time", 0) is None or (self._given.get("time") or 0) > 60:
            self._given.setdefault("cpu", self._given["time"])

    def __repr__(self):
        return f"Limits({', '.join(f'{name}={value!r}' for name, value in self._given.items())})"


def _grants(paths, name):
    """Pairs of host path and guest path."""
    if isinstance(paths, (str, os.PathLike)):
        raise TypeError(f"{name} takes a mapping or a list of paths, not one path: {name}=[{paths!r}]")
    if hasattr(paths, "items"):
        pairs = list(paths.items())
    else:
        pairs = []
        for path in paths:
            text = os.fspath(path)
            if os.path.isabs(text):
                pairs.append((text, text))
            else:
                pairs.append((text, "/work/" + os.path.normpath(text)))
    made = []
    for host, guest in pairs:
        guest = os.fspath(guest)
        if ".." in guest.split("/"):
            raise SandboxError(f"{name}: {os.fspath(host)!r} has no place of its own in the sandbox: give a guest path")
        made.append((os.fspath(host), guest if guest.startswith("/") else "/work/" + guest))
    return made


def _environment(env):
    if hasattr(env, "items"):
        return [(str(name), str(value)) for name, value in env.items()]
    if isinstance(env, str):
        raise TypeError(f"env takes names or a mapping, not one text: env=[{env!r}]")
    return [(name, os.environ[name]) for name in env if name in os.environ]


def _secrets(secrets):
    if not secrets:
        return []
    return [(host, header, value) for host, headers in secrets.items() for header, value in headers.items()]


class Checkpoint:
    """A state of a sandbox to go back to, from `Sandbox.checkpoint`."""

    __slots__ = ("_session",)

    def __init__(self, session):
        self._session = session


class Sandbox:
    """A Python session that may reach only what is granted.

    read, write, write_synced, write_copy: host paths (relative ones appear below /work) or a mapping from host path to
    guest path. What is written under *write* changes the host's files at once; under *write_synced* when a cell ends
    well; under *write_copy* never. env: names to hand on, or a mapping. stdin: str or bytes to read. network: hosts,
    addresses or networks, with a port or without. secrets: ``{host: {header: value}}``, added on the host's side.
    tools: callables, sync or async. limits: a `Limits`. deterministic: a seed that pins clock and randomness.
    image: an `Image` to begin with, whose packages it has, too.

    One cell runs at a time; different sandboxes run in different threads at once. Raises `PermissionDenied` for a
    grant that cannot be given.
    """

    def __init__(self, *, read=(), write=(), write_synced=(), write_copy=(), env=(), stdin=None, network=(),
                 secrets=None, root_certificates=None, packages=(), tools=(), limits=None, arguments=None, cwd=None,
                 deterministic=None, image=None, _load=None):
        self._tools, self._calls = as_tools(tools), Calls()
        options = {
            "read": _grants(read, "read"),
            "write": _grants(write, "write"),
            "write_synced": _grants(write_synced, "write_synced"),
            "write_copy": _grants(write_copy, "write_copy"),
            "env": _environment(env),
            "tools": [tool._described(_event_loop) for tool in self._tools],
            "limits": dict(limits._given) if limits is not None else {},
        }
        if stdin is not None:
            options["stdin"] = stdin.encode() if isinstance(stdin, str) else bytes(stdin)
        if network:
            if isinstance(network, str):
                raise TypeError(f"network takes a list of hosts, not one text: network=[{network!r}]")
            options["network"] = list(network)
        if secrets:
            options["secrets"] = _secrets(secrets)
        if root_certificates is not None:
            options["root_certificates"] = list(root_certificates)
        if packages:
            options["packages"] = [os.fspath(path) for path in packages]
        if arguments is not None:
            options["arguments"] = list(arguments)
        if deterministic is not None:
            options["deterministic"] = deterministic
        if image is not None:
            options["image"] = image._image
        self._session = Session(options) if _load is None else Session.load(os.fspath(_load), options)
        if cwd is not None:
            self.run(f"import os; os.chdir({cwd!r}); del os").raise_for_error()

    # -- running -----------------------------------------------------------------------------------------------------

    def run(self, code, *, filename=None, transaction=False, kind="cell"):
        """Run *code* to its end and return its `Result`. What the code did wrong is in `Result.error`.

        When the code raises, hits a limit or is interrupted, the async tools it called are cancelled, and this returns
        when they are over. transaction: when the code raises or hits a limit the session is as it was before. kind:
        "cell", or "program" (as ``python3 FILE``), "module" (code is a module's name, as ``python3 -m``). Raises
        `SessionLost` when the session is over, and KeyboardInterrupt after Ctrl-C, which interrupts the code first.
        """
        return Result(*self._run(code, filename, kind, transaction, None, _is_main()))

    def _run(self, *cell):
        with self._calls:
            return self._session.run(*cell)

    async def arun(self, code, *, filename=None, transaction=False, kind="cell"):
        """As `run`, without blocking the event loop; async tools run in the caller's loop. Cancelling interrupts,
        once a second until the code has ended."""
        import asyncio

        future = self._start(asyncio.get_running_loop(), self._run, code, filename, kind, transaction, None, False)
        try:
            return Result(*await asyncio.shield(future))
        except asyncio.CancelledError:
            await self._stop(future)
            raise

    def _start(self, loop, function, *args):
        """Call in another thread, in the caller's context, with *loop* for the async tools."""
        from contextvars import copy_context

        context, session = copy_context(), self._session

        def call():
            _here.loop = loop
            _begun.add(session)
            try:
                return context.run(function, *args)
            finally:
                _begun.discard(session)
                _here.loop = None

        return loop.run_in_executor(_executor(), call)

    async def _stop(self, future):
        """Interrupt what runs in *future*, which may not have begun, and wait for its end."""
        import asyncio

        while not future.done():
            # An interrupt may get lost in the code, which may also catch it: once is not enough.
            interrupted = self._session.interrupt()
            await asyncio.wait([future], timeout=_INTERRUPT_AGAIN_SECONDS if interrupted else 0.001)
        if not future.cancelled():
            future.exception()

    def stream(self, code, *, filename=None, transaction=False, kind="cell"):
        """Run *code* and give its `Event`s as they come; the last one is ("result", Result)."""
        import queue

        events, stopped = queue.SimpleQueue(), []

        def run():
            if not stopped:
                self._run_into(events.put, code, filename, kind, transaction)

        thread = threading.Thread(target=run, daemon=True)
        finished = False
        try:
            # Ctrl-C may come while this waits for the thread, too.
            thread.start()
            while True:
                event = events.get()
                finished = event.kind in ("result", "failed")
                if event.kind == "failed":
                    raise event.data
                yield event
                if finished:
                    return
        finally:
            stopped.append(True)
            while not finished and thread.is_alive():
                interrupted = self._session.interrupt()
                thread.join(_INTERRUPT_AGAIN_SECONDS if interrupted else 0.001)  # else it has not begun
            if thread.is_alive():
                thread.join()

    async def astream(self, code, *, filename=None, transaction=False, kind="cell"):
        """As `stream`, for ``async for``."""
        import asyncio

        loop = asyncio.get_running_loop()
        events = asyncio.Queue()

        def put(event):
            loop.call_soon_threadsafe(events.put_nowait, event)

        future = self._start(loop, self._run_into, put, code, filename, kind, transaction)
        finished = False
        try:
            while True:
                event = await events.get()
                finished = event.kind in ("result", "failed")
                if event.kind == "failed":
                    raise event.data
                yield event
                if finished:
                    return
        finally:
            if finished:
                await asyncio.wait([future])
            else:
                await self._stop(future)

    def _run_into(self, put, code, filename, kind, transaction):
        from codecs import getincrementaldecoder

        decoders = {name: getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}
        written = []

        def sink(stream, data):
            written.append((stream, data))
            if stream != "display":
                data = decoders[stream].decode(data)
            if data:
                put(Event(stream, data))

        try:
            outcome, _, *rest = self._run(code, filename, kind, transaction, sink, False)
            put(Event("result", Result(outcome, written, *rest)))
        except BaseException as error:
            put(Event("failed", error))

    def interrupt(self):
        """Raise KeyboardInterrupt in the code that runs now, from any thread. False when none does."""
        return self._session.interrupt()

    def check(self, code):
        """What is wrong with *code*, before anything runs: a list of `Finding`, empty when nothing is."""
        from ._check import check

        return check(self, code)

    # -- values ------------------------------------------------------------------------------------------------------

    def set(self, /, **values):
        """Give names of the session new values: plain data, which crosses without loss. TypeError for other things."""
        for name, value in values.items():
            try:
                self._session.set(name, value)
            except TypeError:
                # Data that is plain needs no copy; other things may become plain.
                self._session.set(name, to_plain(value))

    def get(self, name):
        """The value of *name*. NameError when there is none, TypeError when its value cannot cross."""
        found = self._session.get(name)
        if found is None:
            raise NameError(f"name {name!r} is not defined in the sandbox")
        text, has_value, value = found
        if not has_value:
            raise TypeError(f"the value of {name!r} cannot leave the sandbox: {text:.200}")
        return value

    def variables(self):
        """The names of the session, as `Variable`s."""
        return [Variable(*entry) for entry in self._session.variables()]

    # -- tools -------------------------------------------------------------------------------------------------------

    @property
    def tools(self):
        return list(self._tools)

    def set_tools(self, tools):
        """Offer these tools from now on, instead of those before."""
        made = as_tools(tools)
        self._session.set_tools([tool._described(_event_loop) for tool in made])
        self._tools = made

    def add_tool(self, tool):
        tool = tool if isinstance(tool, Tool) else Tool(tool)
        self.set_tools([*(other for other in self._tools if other.name != tool.name), tool])

    def remove_tool(self, name):
        if all(tool.name != name for tool in self._tools):
            raise SandboxError(f"there is no tool {name!r}")
        self.set_tools([tool for tool in self._tools if tool.name != name])

    # -- states ------------------------------------------------------------------------------------------------------

    def _with(self, session):
        box = object.__new__(type(self))
        box._session, box._tools, box._calls = session, list(self._tools), Calls()
        return box

    def fork(self):
        """A second sandbox in the same state; both go on by themselves. `SandboxError` names what cannot be copied."""
        return self._with(self._session.fork())

    def checkpoint(self):
        """A state to come back to with `rollback`, any number of times."""
        return Checkpoint(self._session.fork())

    def rollback(self, checkpoint):
        """Go back to *checkpoint*."""
        session = checkpoint._session.fork()
        before, self._session = self._session, session
        before.close()
        self._calls.settle()

    def save(self, path):
        """Write the session to a file, for `keelback.load` in another process."""
        self._session.save(os.fspath(path))

    def close(self):
        """Give everything back. Further use raises `SessionLost`."""
        self._session.close()
        self._calls.settle()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        try:
            self._end()
        finally:
            self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        import asyncio

        await asyncio.get_running_loop().run_in_executor(_executor(), self.__exit__)

    def _end(self):
        """What python3 does before it ends, so that open files are written."""
        try:
            self._run("", None, "finish", False, None, _is_main())
        except SandboxError:
            pass

    def __repr__(self):
        return f"<keelback.Sandbox at {id(self):#x}>"


def load(path, **options):
    """The session saved at *path*, as a `Sandbox` with the grants, tools and limits of *options*."""
    return Sandbox(_load=path, **options)


def _is_main():
    return threading.current_thread() is threading.main_thread()


_background = None
_pool = None
_lock = threading.Lock()
_here = threading.local()  # the loop of the `arun` that runs in this thread
_begun = set()  # sessions that run in threads of `_executor`


def _forget():
    """In a child of fork there are no threads but one."""
    global _background, _pool, _lock
    _background, _pool, _lock = None, None, threading.Lock()
    _begun.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
atexit.register(shut_down)


def _interrupt_begun():
    """The loops are gone, and nobody waits for these cells but the interpreter, which is ending."""
    for session in list(_begun):
        session.interrupt()


def _executor():
    """Threads for `arun`; as many as cells run at once."""
    global _pool
    with _lock:
        if _pool is None:
            from concurrent.futures import ThreadPoolExecutor

            _pool = ThreadPoolExecutor(1024, "keelback")
            # Before the executor's own, which waits for its threads. Private, so perhaps not there: then it waits.
            register = getattr(threading, "_register_atexit", None)
            if register is not None:
                register(_interrupt_begun)
        return _pool


def _event_loop():
    """Where async tools run: the loop of the `arun` of this thread, else one in a thread of its own."""
    loop = getattr(_here, "loop", None)
    return loop if loop is not None and loop.is_running() else _background_loop()


def _background_loop():
    global _background
    with _lock:
        if _background is None:
            import asyncio

            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="keelback-tools", daemon=True).start()
            _background = loop
        return _background
