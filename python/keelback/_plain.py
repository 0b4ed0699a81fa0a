"""A prompt line by line in the event loop that runs: for pipes, and for terminals without a cursor."""

import asyncio
import os
import sys
from contextlib import nullcontext

from . import _output
from ._frames import synced
from ._front import prompt_texts
from ._lines import Lines
from ._sigint import Interrupting

__all__ = ["Plain", "wants_plain"]


def wants_plain():
    """Whether the standard streams cannot have the full prompt, or nobody wants it."""
    if os.environ.get("PYTHON_BASIC_REPL") or os.environ.get("TERM", "") in ("", "dumb"):
        return True
    try:
        return not (os.isatty(0) and os.isatty(1) and sys.stdin.fileno() == 0)
    except (AttributeError, OSError, ValueError):
        return True


class Plain:
    """The prompt of *live* on the standard streams."""

    def __init__(self, live, banner):
        self._live = live
        self._banner = banner
        self._lines = Lines()

    async def run(self):
        """Run cells until the input is over; the exit status."""
        program = _output.programs("stdin")
        stdin = _stdin_of(program)
        if stdin is None:
            return 0
        _output.replace("stdin", program, stdin)
        try:
            if self._banner:
                print(self._banner)
            while True:
                status = await self._step(stdin)
                if status is not None:
                    return status
        finally:
            self._live.close()
            _output.replace("stdin", stdin, program)

    async def _step(self, stdin):
        print(prompt_texts()[bool(self._lines)], end="", flush=True)
        try:
            line = await self._read(stdin)
        except KeyboardInterrupt:
            self._lines.clear()
            print("\nKeyboardInterrupt")
            return None
        if not line:
            print()
            return 0
        cell = self._lines.push(line.rstrip("\n"))
        if cell is None:
            return None
        with synced(self._live.namespace), Interrupting(self._live, self._live.loop):
            outcome = await self._live.run(cell)
        if outcome[0] in ("raised", "invalid"):
            sys.stderr.write(outcome[1]["traceback"] + self._live.tell_stubborn())
        elif outcome[0] == "exit":
            if outcome[2] is not None:
                print(outcome[2], file=sys.stderr)
            return outcome[1]
        return None

    async def _read(self, stdin):
        """A line, "" at the end; raises KeyboardInterrupt when Ctrl-C is pressed instead."""
        loop = asyncio.get_running_loop()
        read = loop.create_future()

        def ready():
            if not read.done():
                try:
                    # The compiler says what is wrong with bytes that are no text.
                    line = stdin.take("surrogateescape")
                except BaseException as error:
                    read.set_exception(error)
                    return
                if line is not None:
                    read.set_result(line)

        def interrupted():
            if not read.done():
                read.set_exception(KeyboardInterrupt())

        while stdin.is_ahead and not read.done():
            ready()
        if read.done():
            await asyncio.sleep(0)  # many lines at once do not hold the loop up
            return read.result()
        # A descriptor of our own: the program may wait for the other.
        fd = os.dup(stdin.fileno())
        try:
            with Interrupting(self._live, loop, idle=interrupted) if os.isatty(fd) else nullcontext():
                try:
                    loop.add_reader(fd, ready)
                except PermissionError:
                    while not read.done():
                        ready()  # a file: it is always ready
                try:
                    return await read
                finally:
                    loop.remove_reader(fd)
        finally:
            os.close(fd)


class _Stdin:
    """Lines of *stream*. Whoever reads one takes no more than that, so that the prompt and cells which call `input` share
    it, and what is left is the program's."""

    def __init__(self, stream):
        self._stream = stream
        self._buffer = getattr(stream, "buffer", None)
        self._begun = b""
        # Whether bytes have been read from the system that nobody took yet. It would not tell of those again.
        self.is_ahead = self._buffer is None

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def __iter__(self):
        return iter(self.readline, "")

    def readline(self, size=-1):
        while (line := self.take()) is None:
            pass
        return line

    def take(self, errors=None):
        """A line, "" at the end, or None while its end has not come. Waits for the first byte only."""
        if self._buffer is None:
            return self._stream.readline()  # in memory
        there = self._buffer.peek()
        count = there.find(b"\n") + 1 or len(there)
        taken = self._buffer.read(count)
        self.is_ahead = count < len(there)
        self._begun += taken
        if taken and not taken.endswith(b"\n"):
            return None
        line, self._begun = self._begun, b""
        return line.decode(self._stream.encoding or "utf-8", errors or self._stream.errors or "strict").replace("\r\n", "\n")


_last = None


def _stdin_of(stream):
    """The lines of *stream*: the same object for each prompt, which knows what is left of the one before."""
    global _last
    if stream is not None and (_last is None or _last._stream is not stream):
        _last = _Stdin(stream)
    return None if stream is None else _last
