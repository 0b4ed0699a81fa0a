"""The namespace of a console that a program opens in the middle of itself: the names its caller sees.

Cells are compiled as modules are, so they want one dict for all names. In a module's own code there is one; elsewhere
a `Scope` joins the caller's locals with its globals.
"""

import sys
from contextlib import contextmanager

_OPTIMIZED = 0x1  # inspect.CO_OPTIMIZED: locals are not in a dict, as in functions
# PEP 667: what `frame.f_locals` gives can change the variables of a function.
_WRITES_BACK = sys.version_info >= (3, 13)
_ABSENT = object()


def namespace_of(frame):
    """The dict for cells that are to run as if they stood in *frame*."""
    if frame.f_locals is frame.f_globals:
        return frame.f_globals
    return Scope(frame)


@contextmanager
def synchronized(namespace):
    """A cell begins with the names of the program as they are, and the program goes on with those of the cell."""
    if not isinstance(namespace, Scope):
        yield
        return
    namespace.synchronize()
    try:
        yield
    finally:
        namespace.synchronize()


class Scope(dict):
    """Names of a frame and of its globals, and what cells define besides.

    An assignment changes the variable of the frame if that is one and can be changed: in functions since Python 3.13,
    in the body of a class always. Otherwise, as `del` in a function does, it concerns the cells only. Globals are not
    rebound, as by code of the function without a `global` statement.

    Names are looked up in the frame, which may change while a cell runs. The interpreter does not ask the class of a
    dict everywhere: the body of a class finds what is in the dict itself, and a function with a `global` statement
    assigns to it. So all names are there too, and `synchronize`, between cells, makes both agree.
    """

    def __init__(self, frame):
        super().__init__()
        self._frame = frame
        self._own = {"__builtins__"}  # names that are the cells'
        self._deleted = set()  # names the frame has and the cells have no more
        self._put = {}  # what was put into the dict itself
        super().__setitem__("__builtins__", frame.f_builtins)
        code = frame.f_code
        if not code.co_flags & _OPTIMIZED:
            self._is_of_frame = lambda name: True
        elif _WRITES_BACK:
            self._is_of_frame = frozenset(code.co_varnames + code.co_cellvars + code.co_freevars).__contains__
        else:
            self._is_of_frame = lambda name: False
        if code.co_flags & _OPTIMIZED:
            self["__annotations__"] = {}  # annotations of variables are not for the module's
        self.synchronize()

    def synchronize(self):
        """Give the frame what cells assigned past this class, and take what the program has changed."""
        for name, value in list(dict.items(self)):
            if name not in self._own and value is not self._put.get(name, _ABSENT):
                self[name] = value
        now = {**self._frame.f_globals, **self._frame.f_locals}
        for name in self._put.keys() - now.keys() - self._own:
            self.pop(name, None)
        self._put = {name: value for name, value in now.items() if name not in self._own | self._deleted}
        self.update(self._put)

    def __getitem__(self, name):
        value = dict.get(self, name, _ABSENT)
        if name not in self._own and name not in self._deleted and value is self._put.get(name, _ABSENT):
            for names in (self._frame.f_locals, self._frame.f_globals):
                if name in names:
                    return names[name]
        if value is _ABSENT:
            raise KeyError(name)
        return value

    def __setitem__(self, name, value):
        self._deleted.discard(name)
        if name not in self._own and self._is_of_frame(name):
            self._frame.f_locals[name] = value
            self._put[name] = value
        else:
            self._own.add(name)
        super().__setitem__(name, value)

    def __delitem__(self, name):
        super().__delitem__(name)
        if name in self._own:
            self._own.discard(name)
        elif not self._frame.f_code.co_flags & _OPTIMIZED:
            del self._frame.f_locals[name]
        # Of a name that was the cells' too, one of the frame's is not to come up.
        self._deleted.add(name)
        self._put.pop(name, None)
