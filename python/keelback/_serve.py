"""A prompt on a socket: `serve`."""

import atexit
import math
import os
import sys
import weakref

from . import _homes
from ._ahead import Ahead
from ._discovery import Entry, folder, make_folder, program_name, remove_leftovers
from ._native import VERSION
from ._native import Server as _NativeServer
from ._program import Program

__all__ = ["Server", "serve"]

# Servers that were not closed. A program need not keep its server; the end of the interpreter closes what is left, and a
# child of fork what it has inherited.
_open = set()


# For how long a loop may be held by default, in seconds; a choice.
_GUARD = 0.5


class Server:
    """A served program, made by `serve`. Closed by `close`, or at the end of a `with` or an `async with`."""

    def __init__(self, program, home, entry, path, native):
        self._program = program
        self._home = home
        self._entry = entry
        self._native = native
        self._ahead = None
        self.path = path
        """The path of the Unix socket, or None."""
        self.address = None if path is not None else native.address
        """`host:port` of a TCP server, or None."""
        self.key = native.key
        """What clients of a TCP server have to know; whoever has it may run code here."""
        self.name = entry.name
        """The name in `keelback attach`'s list."""

    def __repr__(self):
        where = self.path or self.address
        return f"<keelback.Server {self.name!r} {'closed' if self.is_closed else f'at {where}'}>"

    @property
    def is_closed(self):
        """Whether `close` was called, or the event loop has ended."""
        return self._native is None

    def fileno(self):
        """A descriptor that is readable when `pump` has something to do, for `select` and the loops of toolkits."""
        return self._native.fileno()

    def pump(self, timeout=0.0):
        """Run what clients want, waiting for it at most *timeout* seconds. For servers with `where="main"`.

        A cell that awaits goes on in the next call. Raises RuntimeError for other servers.
        """
        turn = getattr(self._home, "turn", None)
        if turn is None:
            raise RuntimeError('only a server with where="main" is pumped: the cells of this one run by themselves')
        turn(timeout)

    def close(self):
        """End all sessions, connections and threads of the server, and remove its files. Further calls do nothing."""
        native, self._native = self._native, None
        if native is None:
            return
        _open.discard(self)
        self._entry.remove()
        self._join_ahead()
        native.end_input()
        self._home.leave()
        native.close()
        self._home.release()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        self.close()

    def _join_ahead(self):
        """Wait for the modules that are being imported: a thread of the server's is to be gone, or a fork comes."""
        if self._ahead is not None:
            self._ahead.join()
            self._ahead = None

    def _abandon(self):
        """In a child of fork: the threads, the socket and its file are the parent's."""
        native, self._native = self._native, None
        if native is not None:
            native.abandon()
            self._program.abandon()
            self._home.abandon()


def serve(
    namespace=None,
    path=None,
    host=None,
    port=None,
    *,
    name=None,
    where=None,
    read_only=False,
    transcript=None,
    grace=60.0,
    guard="auto",
    banner=None,
    public=False,
    certificate=None,
    private_key=None,
):
    """Serve a prompt in this program, for `keelback attach`.

    *namespace* is the dict that cells run in; without one they run in the globals of the caller. Without *path* and *host*
    the server listens on a Unix socket in a folder of this user, where `keelback attach` finds it by *name* (the program's
    by default); *host* and *port* (0 is any free one) make it listen on TCP with TLS, for clients that know `Server.key`.
    Addresses of all interfaces are refused without *public*. *certificate* and *private_key* are PEM files, instead of a
    certificate made for this server.

    *where* says where cells run: "loop" is the event loop that runs now (the default where one does), "thread" a thread of
    the server's own with an event loop (the default elsewhere), "main" the main thread, whenever it calls `Server.pump`.

    *read_only* servers run no cells. *transcript* is a file that gets a line of JSON for each cell. Sessions outlive their
    connections for *grace* seconds, then what runs in them is cancelled; with None they are kept as long as the server. A loop that is held for longer than *guard* seconds while a client is attached is
    reported, with the line that holds it; with where="main" that is a program which has not called `pump` for so long.
    None reports nothing; "auto" is 0.5 s, and None with where="main".

    Raises OSError when the socket cannot be made, ValueError for arguments that do not go together.
    """
    if namespace is None:
        namespace = sys._getframe(1).f_globals
    if path is not None and (host is not None or port is not None):
        raise ValueError("a server has a path, or a host and a port")
    if (certificate is None) != (private_key is None):
        raise ValueError("a certificate and its private key are given together")
    return start(
        namespace,
        path,
        host,
        port,
        name=name,
        where=where,
        options={
            "read_only": read_only,
            "transcript": None if transcript is None else os.fspath(transcript),
            "grace": None if grace is None or grace == math.inf else grace,
            "guard": guard,
            "banner": banner,
            "public": public,
            "certificate": certificate,
            "private_key": private_key,
        },
    )


def start(namespace, path, host, port, *, name, where, options):
    """A server that runs."""
    if sys.platform == "win32":
        raise NotImplementedError("keelback.serve() does not run on Windows: its Unix sockets do not tell who connects")
    program = Program(namespace)
    has_loop = _loop_runs()
    if where is None:
        where = "loop" if has_loop else "thread"
    if where == "loop" and not has_loop:
        raise RuntimeError('where="loop" wants a running event loop: use "thread", or "main" with Server.pump()')
    kinds = {
        "loop": _homes.RunningLoop,
        "thread": _homes.OwnThread,
        "main": _homes.TurnedLoop,
        "follow": _homes.FollowedLoop,
    }
    if where not in kinds:
        raise ValueError(f'where is "loop", "thread" or "main", not {where!r}')
    home = kinds[where](program)
    entry = Entry(name or program_name())
    stem = _stem(entry, required=path is None and host is None and port is None)
    if path is None and host is None and port is None:
        path = stem + ".sock"
    elif path is not None:
        path = os.path.abspath(os.fspath(path))
    if options["banner"] is None:
        options["banner"] = _banner(entry.name, options["read_only"])
    options.update(
        path=path,
        host=host or "127.0.0.1",
        port=port or 0,
        name=entry.name,
        python=sys.version.split()[0],
        hidden=os.path.dirname(os.path.abspath(__file__)) + os.sep,
        pumped=where == "main",
    )
    if options["guard"] == "auto":
        options["guard"] = None if where == "main" else _GUARD
    native = program.native = _NativeServer(program, options)
    try:
        home.begin()
        server = Server(program, home, entry, path, native)
        if stem is not None:
            entry.write(stem, socket=path, address=server.address)
    except BaseException:
        native.close()
        home.release()
        raise
    if where == "loop":
        home.at_end_of_loop(_closer(server))
        # The first cell and the first completion hold the loop for less when these are there.
        server._ahead = Ahead("_live", "_answers", "_assist")
    if not _open:
        _watch_process()
    _open.add(server)
    return server


def _closer(server):
    """`Server.close` that does not keep the server."""
    known = weakref.ref(server)

    def close():
        server = known()
        if server is not None:
            server.close()

    return close


def _loop_runs():
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _stem(entry, required):
    """Where the files of the server are, without their ends. None where there is no such place and none is needed."""
    try:
        make_folder(folder())
        remove_leftovers()
        return entry.free_stem(entry.name)
    except OSError:
        if required:
            raise
        return None


def _banner(name, read_only):
    mode = ", read-only" if read_only else ""
    return f"keelback {VERSION}, Python {sys.version.split()[0]}: {name}, pid {os.getpid()}{mode}"


# -- the process ---------------------------------------------------------------------------------------------------

_is_watched = False


def _watch_process():
    """A fork leaves the servers to the parent; the end of the interpreter closes them."""
    global _is_watched
    if not _is_watched:
        _is_watched = True
        os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
        atexit.register(_close_all)


def _before_fork():
    for server in list(_open):
        server._join_ahead()


def _after_fork():
    for server in list(_open):
        server._abandon()
    _open.clear()


def _close_all():
    for server in list(_open):
        server.close()
