"""Programs that are served only when somebody asks for it: by a signal, or by a variable of the environment."""

import os
import signal as _signal
import sys
import threading

from ._discovery import Entry, folder, make_folder, program_name

__all__ = ["Armed", "arm", "serve_main"]

_DEFAULTS = {
    "read_only": False,
    "transcript": None,
    "grace": 60.0,
    "guard": "auto",
    "banner": None,
    "public": False,
    "certificate": None,
    "private_key": None,
}
_main_is_served = False


class Armed:
    """A program that begins to serve when a signal comes; made by `arm`."""

    def __init__(self, number, namespace, path, name, read_only):
        self._number = number
        self._namespace = namespace
        self._path = path
        self._name = name
        self._options = {**_DEFAULTS, "read_only": read_only}
        self._entry = Entry(name or program_name())
        self.server = None
        """The server, once the signal has come."""
        self._before = _signal.signal(number, self._begin)
        self._tell()

    def _tell(self):
        try:
            make_folder(folder())
            self._entry.write(self._entry.free_stem(self._entry.name), armed=int(self._number))
        except OSError:
            pass  # it can still be sent the signal by hand

    def _begin(self, number, frame):
        if self.server is None or self.server.is_closed:
            self._entry.remove()
            try:
                self.server = _start(self._namespace, self._path, self._name, self._options)
            except Exception as error:
                # The program goes on: it has not asked for this now.
                print(f"keelback: cannot serve: {error}", file=sys.stderr)

    def disarm(self):
        """Put the handler of before back. A server that was begun goes on."""
        self._entry.remove()
        if _signal.getsignal(self._number) == self._begin:
            _signal.signal(self._number, self._before)


def arm(signal=None, namespace=None, path=None, *, name=None, read_only=False):
    """Begin to serve this program when *signal* comes (SIGUSR2 by default), and cost nothing until then.

    The other arguments are those of `serve`; without *namespace* cells run in `__main__`. Call it in the main thread. If an
    event loop runs there when the signal comes, cells run in that loop; otherwise wherever one runs later, or in a thread.
    """
    if sys.platform == "win32":
        raise NotImplementedError("keelback.arm() waits for a signal, which Windows does not have")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signals are handled in the main thread: call keelback.arm() there")
    # What takes long is not done in the handler.
    from . import _serve  # noqa: F401

    number = _signal.SIGUSR2 if signal is None else signal
    return Armed(number, namespace, path, name, read_only)


def _start(namespace, path, name, options):
    from ._serve import _loop_runs, start

    if namespace is None:
        namespace = sys.modules["__main__"].__dict__
    where = "loop" if _loop_runs() else "follow"
    return start(namespace, path, None, None, name=name, where=where, options=dict(options))


def serve_main():
    """What the line of the `.pth` file does: serve `__main__` as the variable KEELBACK_SERVE says.

    It holds the path of a socket, or "1" for one that `keelback attach` finds.
    """
    global _main_is_served
    if _main_is_served:
        return  # in a virtual environment `site` runs the lines of a `.pth` file twice
    _main_is_served = True
    wanted = os.environ.get("KEELBACK_SERVE", "")
    path = None
    if wanted not in ("", "1"):
        path = wanted
        # A program that this one starts cannot have the same socket.
        del os.environ["KEELBACK_SERVE"]
    try:
        _start(None, path, None, _DEFAULTS)
    except Exception as error:
        print(f"keelback: KEELBACK_SERVE: cannot serve: {error}", file=sys.stderr)
