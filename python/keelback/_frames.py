"""The names that a frame sees, as a namespace for cells."""

import sys
from contextlib import contextmanager

__all__ = ["FrameNamespace", "namespace_of", "synced"]

# Python reads these past `__missing__`, for imports and for the classes and functions that cells define.
_EAGER = ("__name__", "__package__", "__spec__", "__loader__", "__file__", "__builtins__")


def namespace_of(frame):
    """The globals of a frame of a module, otherwise a `FrameNamespace`."""
    return frame.f_globals if frame.f_locals is frame.f_globals else FrameNamespace(frame)


@contextmanager
def synced(namespace):
    """While a cell runs in *namespace*: what the frame has is there before it, and the frame has it afterwards."""
    if not isinstance(namespace, FrameNamespace):
        yield
        return
    namespace.refresh()
    try:
        yield
    finally:
        namespace.write_back()


class FrameNamespace(dict):
    """The names that *frame* sees. What is assigned stays here, and from Python 3.13 on the frame's own variables, which
    `write_back` then sets, change with it."""

    def __init__(self, frame):
        super().__init__()
        self._frame = frame
        self._globals = frame.f_globals
        for name in _EAGER:
            if name in self._globals:
                self[name] = self._globals[name]
        self._seen = {}
        self.refresh()

    def __missing__(self, name):
        return self._globals[name]

    def refresh(self):
        """Take over what has changed in the frame, for other code may run in it meanwhile."""
        # A copy: up to Python 3.12 the frame fills the dict it has given anew each time.
        now = dict(self._frame.f_locals)
        for name, value in now.items():
            if name not in self._seen or self._seen[name] is not value:
                self[name] = value
        for name in self._seen.keys() - now.keys():
            self.pop(name, None)
        self._seen = now

    def write_back(self):
        """Set the frame's variables to what cells have made of them, where Python allows it."""
        if sys.version_info < (3, 13):
            return
        local = self._frame.f_locals
        code = self._frame.f_code
        for name in {*code.co_varnames, *code.co_cellvars, *code.co_freevars}:
            value = self.get(name, self)
            if value is not self and self._seen.get(name, self) is not value:
                local[name] = self._seen[name] = value

    def known(self):
        """All names with their values, as a plain dict."""
        return {**self._globals, **self}
