"""Prepares the interpreter once, at pre-initialisation: streams, refusals, the library most programs import.

Everything here runs before the image is frozen. What instances do is in the package `_keelback_guest`.
"""

import gc
import io
import os
import sys

import _host
import _keelback_refusals
import _keelback_select

# What most programs import, so that a session finds it already there.
COMMON = """
collections collections.abc json re random math cmath datetime time decimal fractions statistics itertools functools
operator string textwrap typing dataclasses enum abc contextlib copy pickle struct io os os.path pathlib tempfile
traceback linecache inspect ast codeop code asyncio contextvars base64 hashlib hmac secrets uuid csv heapq bisect tokenize
warnings weakref types numbers array binascii unicodedata zoneinfo logging argparse pprint queue threading socket
selectors subprocess signal shutil glob fnmatch calendar locale reprlib keyword opcode dis importlib.resources
importlib.metadata concurrent.futures concurrent.futures.thread zlib gzip html urllib.parse graphlib string copyreg
encodings.ascii encodings.latin_1 encodings.idna stringprep getpass platform runpy pkgutil difflib doctest unittest
""".split()
# Costly to keep and rarely wanted: left to the session that asks for them.
COMMON = [name for name in COMMON if name not in ("doctest", "unittest", "importlib.metadata")]


class _Buffer(io.BufferedWriter):
    """`sys.stdout.buffer`: what is written goes the way of the text, in order."""

    def __init__(self, raw, name, functions):
        super().__init__(raw)
        self._name = name
        _, self.write, self.flush = functions

    @property
    def name(self):
        return self._name


class _Raw(io.RawIOBase):
    """The file below the buffer, as `sys.stdout.buffer.raw`."""

    mode = "wb"

    def __init__(self, number, name, functions):
        self._number = number
        self.name = name
        self._write = functions[1]

    def writable(self):
        return True

    def fileno(self):
        return self._number

    def isatty(self):
        return False

    def write(self, data):
        return self._write(data)


def _make_stream(number, name, errors):
    functions = _host.functions(number)
    write, _, flush = functions

    class TextIOWrapper(io.TextIOWrapper):
        # Plain C functions found on the class: they are not bound, and a print costs no lookup in an instance.
        pass

    TextIOWrapper.__module__ = "_io"
    TextIOWrapper.__qualname__ = "TextIOWrapper"
    TextIOWrapper.__doc__ = io.TextIOWrapper.__doc__
    TextIOWrapper.write = write
    TextIOWrapper.flush = flush

    def writelines(self, lines):
        for line in lines:
            write(line)

    def close(self):
        flush()
        del TextIOWrapper.write  # from now on the base class answers: I/O operation on closed file
        del TextIOWrapper.flush
        io.TextIOWrapper.close(self)

    def __repr__(self):
        return f"<_io.TextIOWrapper name={name!r} mode='w' encoding={self.encoding!r}>"

    TextIOWrapper.__repr__ = __repr__
    TextIOWrapper.writelines = writelines
    TextIOWrapper.close = close
    stream = TextIOWrapper(
        _Buffer(_Raw(number, name, functions), name, functions), "utf-8", errors, "\n", line_buffering=True
    )
    stream.mode = "w"
    return stream


# As the originals show themselves.
_Buffer.__module__ = _Raw.__module__ = "_io"
_Buffer.__name__ = _Buffer.__qualname__ = "BufferedWriter"
_Raw.__name__ = _Raw.__qualname__ = "FileIO"

_streams = {}


def _encode(number, text):
    return text.encode("utf-8", _streams[number].errors)


def _open_streams():
    _streams[1] = sys.stdout = sys.__stdout__ = _make_stream(1, "<stdout>", "surrogateescape")
    _streams[2] = sys.stderr = sys.__stderr__ = _make_stream(2, "<stderr>", "backslashreplace")
    _host.set_encode(_encode)


def _guest():
    import _keelback_guest

    return _keelback_guest


def prepare():
    """Called by main.c once the interpreter runs."""
    _open_streams()
    _keelback_refusals.install()
    _keelback_select.install()
    for name in COMMON:
        __import__(name)
    _keelback_refusals.refuse_functions()
    os.chdir("/work")
    guest = _guest()
    guest.prepare()
    global request, OUT_OF_MEMORY, WARM_UP
    request = guest.request
    OUT_OF_MEMORY = guest.OUT_OF_MEMORY
    # Repeated, so that CPython's specialising interpreter has settled on the forms a session will use.
    WARM_UP = guest.WARM_UP * 12


def settle():
    """Called by main.c after the warm-up requests: the state in which every instance begins."""
    _guest().settle()
    for _ in range(3):
        gc.collect()
    gc.freeze()


def request(message):
    raise RuntimeError("not prepared")


WARM_UP = []
