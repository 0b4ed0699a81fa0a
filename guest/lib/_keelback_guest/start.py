"""What surrounds the cells: arguments, environment, randomness, the builtins that `site` would add, programs."""

import atexit
import builtins
import io
import os
import random
import sys
from marshal import dumps

import _host
import _random
import _socket
from _keelback_session import mime_bundle

from . import terminal


class OutputLimitError(RuntimeError):
    """Raised by output once the host refuses more."""


OutputLimitError.__module__ = "builtins"

_DISPLAY = 3


def display(*objects):
    """Show objects as rich output: whatever they say about themselves, and their repr."""
    for value in objects:
        bundle = {"text/plain": str(repr(value))}
        bundle.update(mime_bundle(value) or {})
        _host.emit(_DISPLAY, dumps(bundle, 2))


class _Quitter:
    """`exit` and `quit`, as `site` makes them."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"Use {self.name}() to exit"

    def __call__(self, code=None):
        raise SystemExit(code)


class _Notice:
    """`copyright`, `credits` and `license`: shown by their repr, printed when called."""

    def __init__(self, text):
        self.__text = text

    def __repr__(self):
        return self.__text

    def __call__(self):
        print(self.__text)


class _Help:
    """`help`, without a pager: there is no terminal to page on."""

    def __repr__(self):
        return "Type help(object) for help about object."

    def __call__(self, *args, **kwargs):
        import pydoc

        pydoc.pager = pydoc.plainpager
        if not args and not kwargs:
            # Somebody has to answer its questions.
            if terminal.size is None:
                print(self)
                return None
            return pydoc.Helper()()
        return pydoc.Helper(output=sys.stdout)(*args, **kwargs)


def _breakpoint(*args, **kwargs):
    raise RuntimeError("breakpoint() is not available in the sandbox: there is no terminal behind it")


class _Stdin(io.RawIOBase):
    """Descriptor 0, looked at only when something reads: at its end if the host does not offer it."""

    name = "<stdin>"
    mode = "rb"

    def readable(self):
        return True

    def fileno(self):
        return 0

    def isatty(self):
        return terminal.size is not None

    def readinto(self, buffer):
        try:
            data = os.read(0, len(buffer))
        except OSError:
            return 0
        buffer[: len(data)] = data
        return len(data)


def open_stdin():
    stream = io.TextIOWrapper(io.BufferedReader(_Stdin()), "utf-8", "surrogateescape")
    stream.mode = "r"
    return stream


_limits = {}


def set_output_limit(text):
    """What OutputLimitError says; *text* is the limit as the host writes it, e.g. "1000 bytes of output"."""
    _host.set_output_limit_error(OutputLimitError, f"cell used all {text or 'its share of output'}")


def prepare(session):
    builtins.OutputLimitError = OutputLimitError
    set_output_limit(None)
    # Programs that look through python3's exceptions (pickle's tests do) should find those and no others.
    hidden = {"OutputLimitError", "ToolError", "__dir__"}
    builtins.__dir__ = lambda: sorted(builtins.__dict__.keys() - hidden)
    builtins.display = display
    builtins.exit = _Quitter("exit")
    builtins.quit = _Quitter("quit")
    builtins.copyright = _Notice(sys.copyright)
    builtins.credits = _Notice(
        "Thanks to CWI, CNRI, BeOpen, Zope Corporation, the Python Software Foundation,\n"
        "and a cast of thousands for supporting Python development.  See www.python.org\n"
        "for more information."
    )
    builtins.license = _Notice("See https://www.python.org/psf/license/")
    builtins.help = _Help()
    sys.stdin = sys.__stdin__ = open_stdin()
    sys.breakpointhook = sys.__breakpointhook__ = _breakpoint
    _limits["recursion"] = sys.getrecursionlimit()
    _limits["path"] = list(sys.path)
    # The functions that the library registered while the image was made belong to the image, not to a program.
    atexit._clear()
    _patch_getfile()
    reset()


def reset():
    sys.argv = [""]
    sys.path[:] = ["", *_limits["path"]]
    sys.setrecursionlimit(_limits["recursion"])


def apply(session, options):
    """The options of a "start" or "fork" request. What is absent stays as it is."""
    argv = options.get("argv")
    if argv is not None:
        sys.argv = list(argv) or [""]
    env = options.get("env")
    if env is not None:
        # Not os.environ.update: the Python of MutableMapping touches a dozen pages.
        data = os.environ._data
        for name in list(data):
            os.unsetenv(name)
        data.clear()
        for name, value in env.items():
            name, value = os.fsencode(name), os.fsencode(value)
            os.putenv(name, value)
            data[name] = value
    if "network" in options:
        _socket.granted = options["network"]
    recursion_limit = options.get("recursion_limit")
    if recursion_limit:
        sys.setrecursionlimit(recursion_limit)
    reseed(options.get("random_seed"))


def reseed(seed=None):
    """Give every source of chance that lives in memory a start of its own: images and snapshots are shared."""
    if seed is None:
        seed = os.urandom(32)
    # What random.seed does with a number, without its Python.
    _random.Random.seed(random._inst, int.from_bytes(seed, "little"))
    random._inst.gauss_next = None
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile._name_sequence = None
    uuid = sys.modules.get("uuid")
    if uuid is not None:
        uuid._last_timestamp = None
        uuid._node = None
        # No hardware address to read: the number that RFC 9562 asks for in that case, from the generator just seeded.
        uuid.getnode = _getnode


def _getnode():
    """Get the hardware address as a 48-bit positive integer: in the sandbox a random one, with the multicast bit."""
    import uuid

    if uuid._node is None:
        uuid._node = random.getrandbits(48) | (1 << 40)
    return uuid._node


def program_path(filename):
    """sys.path[0]: the program's directory, or the working directory without a file."""
    first = os.path.dirname(os.path.abspath(filename)) if filename else ""
    if sys.path:
        sys.path[0] = first
    else:
        sys.path.append(first)
    if filename and sys.argv and sys.argv[0] == "":
        sys.argv[0] = filename


def run_module(session, name):
    """`python3 -m NAME`: the outcome of a program."""
    import runpy

    try:
        session.running = True
        name, spec, code = runpy._get_module_details(name, runpy._Error)
        session.running = False
    except runpy._Error as error:
        session.running = False
        return ("exit", 1, f"{sys.executable}: {error}")
    except BaseException as error:
        session.running = False
        return session.failed(error)
    sys.argv[:1] = [spec.origin or name]
    session.namespace.update(
        __name__="__main__",
        __file__=spec.origin,
        __cached__=spec.cached,
        __doc__=None,
        __loader__=spec.loader,
        __package__=spec.parent,
        __spec__=spec,
    )
    return session.run_code(code)


def _patch_getfile():
    """Let `inspect.getsource` find classes of cells, as it finds their functions: `__main__` has no file to look in."""
    import inspect
    import linecache

    getfile = inspect.getfile

    def getfile_of_cells(object):
        try:
            return getfile(object)
        except (OSError, TypeError):
            if not isinstance(object, type) or object.__module__ != "__main__":
                raise
            line = vars(object).get("__firstlineno__")
            for filename, entry in reversed(list(linecache.cache.items())):
                if line and filename.startswith(("<cell ", "<python-input-")) and len(entry) == 4 and line <= len(entry[2]):
                    if _begins_class(entry[2], line - 1, object.__name__):
                        return filename
            raise

    getfile_of_cells.__name__ = getfile_of_cells.__qualname__ = "getfile"
    getfile_of_cells.__doc__ = getfile.__doc__
    getfile_of_cells.__module__ = "inspect"
    inspect.getfile = getfile_of_cells


def _begins_class(lines, index, name):
    """Whether the class *name* begins at *index*, perhaps with its decorators."""
    for line in lines[index:]:
        words = line.replace("(", " ").replace(":", " ").replace("[", " ").split()
        if words[:1] == ["class"]:
            return words[1:2] == [name]
        if not line.lstrip().startswith("@"):
            return False
    return False
