"""The program's stdout and stderr while a prompt stands in the terminal: what is written appears above it."""

import io
import os
import sys

from . import _output


class Streams:
    """Streams in place of those of the program, where these are the terminal's. *terminal* has `waiting`, which says
    that a prompt stands on the screen, `pid`, and `native`."""

    def __init__(self, terminal):
        self._terminal = terminal
        self._changed = []

    def begin(self):
        for name, fd in (("stdout", 1), ("stderr", 2)):
            old = _output.programs(name)
            if not _is_terminals(old, fd):
                continue
            old.flush()
            new = _Text(old, fd, self._terminal)
            _output.replace(name, old, new)
            # Who holds the old one, as handlers of `logging` do, looks the method up when it writes.
            old.write = new.write
            self._changed.append((name, old, new))

    def flush(self):
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)

    def end(self):
        while self._changed:
            name, old, new = self._changed.pop()
            _flush(new)
            if vars(old).get("write") == new.write:
                del old.write
            _output.replace(name, new, old)


def _flush(stream):
    flush = getattr(stream, "flush", None)
    if flush is not None:
        try:
            flush()
        except (OSError, ValueError):
            pass


def _is_terminals(stream, fd):
    """Whether *stream* is the process's own, and writes to a terminal."""
    if not isinstance(stream, io.TextIOWrapper) or stream.closed:
        return False
    try:
        return stream.fileno() == fd and os.isatty(fd)
    except (OSError, ValueError):
        return False


class _Text(io.TextIOWrapper):
    def __init__(self, old, fd, terminal):
        buffer = io.BufferedWriter(_Above(fd, terminal))
        super().__init__(buffer, encoding=old.encoding, errors=old.errors, line_buffering=True)
        self._terminal = terminal

    def write(self, text):
        count = super().write(text)
        # Progress without a line's end is seen at once: nothing else comes by that would flush it.
        if self._terminal.waiting:
            self.flush()
        return count


class _Above(io.RawIOBase):
    def __init__(self, fd, terminal):
        self._fd = fd
        self._terminal = terminal

    def writable(self):
        return True

    def fileno(self):
        return self._fd

    def isatty(self):
        return os.isatty(self._fd)

    def write(self, data):
        terminal = self._terminal
        native = terminal.native  # None once the prompt is over, which other threads may come to know late
        data = bytes(data)
        if terminal.waiting and native is not None and os.getpid() == terminal.pid:
            native.above(data)
            return len(data)
        return os.write(self._fd, data)
