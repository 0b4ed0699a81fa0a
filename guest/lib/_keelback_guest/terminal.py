"""What a session that is shown on a terminal sees of it: `isatty` and its size. The terminal itself is the host's."""

import errno
import os
import sys

size = None  # (columns, lines) of the terminal, or None without one
_STANDARD = (0, 1, 2)
_isatty = os.isatty


def set_size(columns=None, lines=None):
    global size
    size = None if columns is None else (columns, lines)
    from . import session

    session.width = 80 if columns is None else columns


def isatty(fd, /):
    """Return True if the fd is connected to a terminal."""
    return size is not None and fd in _STANDARD or _isatty(fd)


def get_terminal_size(fd=1, /):
    """Return the size of the terminal window as (columns, lines)."""
    if size is None or fd not in _STANDARD:
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
    return os.terminal_size(size)


def prepare():
    for function in (isatty, get_terminal_size):
        function.__module__ = "posix"
    os.isatty = isatty
    os.get_terminal_size = get_terminal_size
    # The file below the streams, to which they pass the question.
    boot = sys.modules.get("_keelback_boot")
    if boot is not None:
        boot._Raw.isatty = lambda self: size is not None
