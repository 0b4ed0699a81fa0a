"""What cannot exist in a sandbox says so: modules that are absent, functions of `os` that WASI lacks."""

import errno
import os
import sys

# Modules of the standard library that need what the sandbox does not have.
ABSENT = frozenset(
    """
    _ctypes ctypes _curses _curses_panel curses _tkinter tkinter turtle turtledemo idlelib _ssl ssl _hashlib readline
    _multiprocessing _posixshmem _posixsubprocess _dbm _gdbm termios tty pty fcntl resource grp pwd syslog mmap
    _interpreters _interpchannels _interpqueues nis ossaudiodev spwd ensurepip venv lib2to3
    """.split()
)

# Functions that python3 has on Linux. Asking for a permission or an owner (chmod, getuid) is left out: programs test
# whether those exist and do without.
FUNCTIONS = """
    system popen fork forkpty kill killpg pipe pipe2 wait wait3 wait4 waitpid waitid posix_spawn posix_spawnp
    execl execle execlp execlpe execv execve execvp execvpe spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp
    spawnvpe openpty login_tty setsid setpgid nice mkfifo mknod chroot sendfile memfd_create eventfd pidfd_open
""".split()


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
    for name in FUNCTIONS:
        if not hasattr(os, name) or name in ("popen",) or name.startswith(("exec", "spawn")):
            function = _refusal(name)
            setattr(os, name, function)
            posix = sys.modules["posix"]
            if not hasattr(posix, name):
                setattr(posix, name, function)


    # Read before the function that would refuse is called.
    for name, value in (("WNOHANG", 1), ("WUNTRACED", 2)):
        if not hasattr(os, name):
            setattr(os, name, value)


def _refusal(name):
    def refused(*args, **kwargs):
        raise OSError(errno.ENOSYS, f"os.{name} is not available in the sandbox")

    refused.__name__ = refused.__qualname__ = name
    refused.__module__ = "os"
    return refused
