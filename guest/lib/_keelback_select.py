"""`select` over the host's connections: CPython's C module knows only files of WASI."""

import select
import time

import _socket

POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 2, 4, 8, 16, 32

_select = select.select


def _fd(item):
    fd = item if isinstance(item, int) else item.fileno()
    if not isinstance(fd, int):
        raise TypeError("argument must be an int, or have a fileno() method.")
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd


def wait(interests, timeout):
    """Wait for sockets: dict of descriptor to bits (1 read, 2 write); the same of those that are ready."""
    if timeout is not None:
        timeout = max(0.0, float(timeout))
    return dict(_socket.call("poll", timeout, list(interests.items())))


def select_(rlist, wlist, xlist, timeout=None, /):
    """Wait until one or more sockets or files are ready."""
    reads, writes = [(item, _fd(item)) for item in rlist], [(item, _fd(item)) for item in wlist]
    if not any(_socket.is_socket(fd) for _, fd in reads + writes):
        if not reads and not writes and not xlist and timeout is not None:
            time.sleep(max(0, timeout))
            return [], [], []
        return _select(rlist, wlist, xlist, timeout)
    interests = {}
    for bit, items in ((1, reads), (2, writes)):
        for _, fd in items:
            if _socket.is_socket(fd):
                interests[fd] = interests.get(fd, 0) | bit
    ready = wait(interests, timeout)
    return (
        [item for item, fd in reads if ready.get(fd, 0) & 1],
        [item for item, fd in writes if ready.get(fd, 0) & 2],
        [],
    )


select_.__name__ = select_.__qualname__ = "select"
select_.__module__ = "select"


class poll:
    """Waits for sockets."""

    def __init__(self):
        self._events = {}

    def register(self, fd, eventmask=POLLIN | POLLPRI | POLLOUT):
        self._events[_fd(fd)] = eventmask

    def modify(self, fd, eventmask):
        fd = _fd(fd)
        if fd not in self._events:
            raise FileNotFoundError(2, "No such file or directory")
        self._events[fd] = eventmask

    def unregister(self, fd):
        del self._events[_fd(fd)]

    def poll(self, timeout=None):
        interests = {}
        for fd, mask in self._events.items():
            if _socket.is_socket(fd):
                interests[fd] = (1 if mask & (POLLIN | POLLPRI) else 0) | (2 if mask & POLLOUT else 0)
        if timeout is not None:
            timeout = None if timeout < 0 else timeout / 1000
        if not interests:
            files = [fd for fd, mask in self._events.items() if mask]
            return [(fd, POLLIN) for fd in select_(files, [], [], timeout)[0]]
        ready = wait(interests, timeout)
        return [(fd, (POLLIN if mask & 1 else 0) | (POLLOUT if mask & 2 else 0)) for fd, mask in ready.items()]


poll.__module__ = "select"


def install():
    """Replace the C functions, before `selectors` looks at them."""
    select.select, select.poll = select_, poll
    for name in ("POLLIN", "POLLPRI", "POLLOUT", "POLLERR", "POLLHUP", "POLLNVAL"):
        setattr(select, name, globals()[name])
