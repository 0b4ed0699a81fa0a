"""What cannot exist in a sandbox says so: modules that are absent, functions of `os` that WASI lacks."""

import errno
import os
import sys

# Modules of the standard library that need what the sandbox does not have.
ABSENT = frozenset(
    """
    _ctypes _curses _curses_panel curses _tkinter tkinter turtle turtledemo idlelib _hashlib readline
    _multiprocessing _posixshmem _posixsubprocess _dbm _gdbm termios tty pty fcntl resource grp pwd syslog mmap
    _interpreters _interpchannels _interpqueues nis ossaudiodev spwd ensurepip venv lib2to3
    """.split()
)

# Functions that every system's `os` has: they are there and refuse.
FUNCTIONS = """
    system popen execl execle execlp execlpe execv execve execvp execvpe
    spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe
""".split()

# Functions that python3 has on Linux only. Programs test whether they exist and do without, so they do not; but whoever
# uses one reads why.
MISSING = frozenset(
    """
    fork forkpty kill killpg pipe pipe2 wait wait3 wait4 waitpid waitid posix_spawn posix_spawnp openpty login_tty setsid
    setpgid nice mkfifo mknod chroot sendfile memfd_create eventfd pidfd_open getuid geteuid getgid getegid setuid setgid
    getppid getpgid getpgrp getgroups getlogin umask chmod chown lchown fchmod fchown getpriority setpriority
    sched_getaffinity sched_setaffinity getloadavg ttyname mincore splice
    """.split()
)


class _Absent:
    """Last on sys.meta_path: explains a module that python3 would have."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}: it is not available in the sandbox", name=name)
        return None


def install():
    """Explain absent modules from now on."""
    sys.meta_path.append(_Absent)


def refuse_functions():
    """Give `os` the functions it lacks. After the library's imports, which look at what exists."""
    posix = sys.modules["posix"]
    for name in FUNCTIONS:
        function = _refusal(name)
        setattr(os, name, function)
        if not hasattr(posix, name):
            setattr(posix, name, function)
    os.__getattr__ = _explain
    # Read before the function that would refuse is called.
    for name, value in (("WNOHANG", 1), ("WUNTRACED", 2)):
        if not hasattr(os, name):
            setattr(os, name, value)


def _explain(name):
    """`os.__getattr__`."""
    if name in MISSING:
        raise AttributeError(f"module 'os' has no attribute {name!r}: it is not available in the sandbox", name=name, obj=os)
    raise AttributeError(f"module 'os' has no attribute {name!r}", name=name, obj=os)


def _refusal(name):
    def refused(*args, **kwargs):
        raise OSError(errno.ENOSYS, f"os.{name} is not available in the sandbox")

    refused.__name__ = refused.__qualname__ = name
    refused.__module__ = "os"
    return refused
