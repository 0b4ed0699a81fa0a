"""Where `print` of a session goes: to the session, and from the program around it to where it always went.

While a session has output of its own, `sys.stdout`, `sys.stderr` and `sys.stdin` are streams that look at a context
variable: code of the session, and the tasks and callbacks it started, carry the session's `Ends`; all other code is
handed on to the stream that was there before. With the last such session the streams are put back.

What does not carry a context keeps the program's streams: threads that are started by hand, processes, and whoever
wrote to a stream it had taken from `sys` before, as the handlers of `logging` do.
"""

import codecs
import contextvars
import io
import sys

from ._native import Ends, Writer

__all__ = ["Ends", "hold", "let_go", "programs", "replace", "routed"]


# The `Ends` of the session whose code runs, or None.
routed = contextvars.ContextVar("keelback_output", default=None)
_get = routed.get


class _Input:
    """The stream *name* of the session that looks at it; for everyone else *stream*. For output there is `Writer`."""

    def __init__(self, name, stream):
        self._name = name
        self._stream = stream
        self._own = _Read()

    def __getattr__(self, name):
        return getattr(self._stream if _get() is None else self._own, name)

    def __iter__(self):
        return iter(self._stream if _get() is None else self._own)

    def __repr__(self):
        return f"<{self._name} of the session that runs, else {self._stream!r}>"

    # The methods that look special names up on the type.

    def __enter__(self):
        return (self._stream if _get() is None else self._own).__enter__()

    def __exit__(self, *error):
        return (self._stream if _get() is None else self._own).__exit__(*error)


class _Written(io.TextIOBase):
    """Text that goes to the sink of the session. Nothing is held back, so there is nothing to flush."""

    encoding = "utf-8"
    errors = "backslashreplace"
    mode = "w"
    line_buffering = True
    write_through = True

    def __init__(self, name):
        self.name = f"<{name}>"
        self.buffer = _Bytes(name)
        self._stream = name

    def writable(self):
        return True

    def write(self, text):
        _get().sink(self._stream, text)
        return len(text)

    def close(self):
        """A session cannot close what others write to."""


class _Bytes(io.RawIOBase):
    """`sys.stdout.buffer` of a session: UTF-8 whose characters may come in pieces."""

    def __init__(self, name):
        self._name = name
        # One for each session: a character may be waiting for its last byte.
        self._decoder = contextvars.ContextVar("keelback_decoder", default=None)

    def writable(self):
        return True

    def write(self, data):
        decoder = self._decoder.get()
        if decoder is None:
            decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
            self._decoder.set(decoder)
        text = decoder.decode(bytes(data))
        if text:
            _get().sink(self._name, text)
        return len(data)

    def close(self):
        """As that of the text."""


class _Read(io.TextIOBase):
    """Lines that the session is asked for."""

    encoding = "utf-8"
    errors = "strict"
    mode = "r"
    name = "<stdin>"

    def readable(self):
        return True

    def readline(self, size=-1):
        ask = _get().ask
        line = "" if ask is None else ask()
        # The rest of a line that is read in pieces would have to be kept for each session: `input` never does that.
        return line

    def read(self, size=-1):
        if size is not None and size >= 0:
            return self.readline()
        return "".join(iter(self.readline, ""))

    def close(self):
        """As that of the output."""


def _output(name, stream):
    return Writer(name, stream, _get, _Written(name))


_STREAMS = {"stdout": _output, "stderr": _output, "stdin": _Input}
_installed: dict = {}
_holders = 0


def hold():
    """Put the streams in place of those of `sys`, if they are not there; `let_go` is called as often."""
    global _holders
    _holders += 1
    if _holders == 1:
        for name, kind in _STREAMS.items():
            stream = getattr(sys, name)
            if stream is not None:
                _installed[name] = kind(name, stream)
                setattr(sys, name, _installed[name])


def let_go():
    """With the last holder the streams that were there before are put back, where nobody has put others since."""
    global _holders
    _holders -= 1
    if _holders == 0:
        for name, stream in _installed.items():
            if getattr(sys, name) is stream:
                setattr(sys, name, stream._stream)
        _installed.clear()


def programs(name):
    """The program's own stream *name*, also while sessions have output of their own."""
    stream = getattr(sys, name)
    return stream._stream if stream is not None and stream is _installed.get(name) else stream


def replace(name, old, new):
    """Make *new* the program's stream *name* where that is *old*."""
    installed = _installed.get(name)
    if installed is not None and installed._stream is old:
        installed._stream = new
    elif getattr(sys, name) is old:
        setattr(sys, name, new)
