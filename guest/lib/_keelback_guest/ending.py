"""The end of the interpreter, as a program sees it: python3 frees nearly all it has, which runs finalisers and closes
files. A session's memory is simply dropped, so what a program could notice of that is done here.
"""

import _io
import atexit
import gc
import sys
import traceback
import types

# What instances and other values may still need while they go: it goes after them.
_LATE = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)

_own_modules = set()


def prepare():
    """Called when the image is complete: modules imported from here on are the program's."""
    _own_modules.update(sys.modules)


def finish(session):
    session.running = True
    try:
        try:
            atexit._run_exitfuncs()
        except Exception:
            traceback.print_exc()
        for name in ("last_exc", "last_type", "last_value", "last_traceback"):
            sys.__dict__.pop(name, None)
        flush_files()  # the collector may close a file below its buffer before the buffer
        _let_go(session.namespace)
        for name in [name for name in sys.modules if name not in _own_modules]:
            module = sys.modules.get(name)
            if isinstance(module, types.ModuleType):
                _let_go_of_files(module.__dict__)
        gc.collect()
        flush_files()
    finally:
        session.running = False


def _let_go(namespace):
    """Empty `__main__`: first what may have a finaliser, while the functions and modules it uses are there."""
    for late in (False, True):
        for name in list(namespace):
            if not name.startswith("__") and isinstance(namespace.get(name), _LATE) == late:
                namespace.pop(name, None)
        if not late:
            gc.collect()


def _let_go_of_files(namespace):
    for name, value in list(namespace.items()):
        if isinstance(value, _io._IOBase):
            namespace.pop(name, None)


def flush_files():
    """Write what file objects hold back. A file that is only reachable in a cycle is found too."""
    streams = [value for value in gc.get_objects() if isinstance(value, _io._IOBase)]
    # A text file hands what it holds to the buffer below it.
    streams.sort(key=lambda stream: not isinstance(stream, _io.TextIOWrapper))
    for stream in streams:
        try:
            if not stream.closed and stream.writable():
                stream.flush()
        except Exception:
            pass
