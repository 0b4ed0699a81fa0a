"""Where served programs are found: a folder of this user with a socket and a small file for each."""

import contextlib
import os
import sys
import time

__all__ = ["Entry", "folder", "program_name", "remove_leftovers"]


def folder():
    """The folder of sockets: `$XDG_RUNTIME_DIR/keelback`, or one in the folder for temporary files."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.path.isdir(base):
        return os.path.join(base, "keelback")
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", f"keelback-{os.getuid()}")


def program_name():
    """What this program is called by."""
    path = sys.argv[0] if getattr(sys, "argv", None) else ""
    if path == "-m":  # the module is not known yet
        words = sys.orig_argv
        path = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    if path == "-c":
        path = ""
    name = os.path.splitext(os.path.basename(path))[0]
    if name == "__main__":
        name = os.path.basename(os.path.dirname(os.path.abspath(path)))
    return _for_files(name.strip("-")) or "python"


def _for_files(name):
    """*name* as part of a file name, which for a socket has little room."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)[:32]


def make_folder(path):
    """Make *path* for this user alone. Raises PermissionError when it is somebody else's or open to others."""
    try:
        os.mkdir(path, 0o700)
        os.chmod(path, 0o700)  # the umask may have taken something away
    except FileExistsError:
        pass
    found = os.lstat(path)
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or not os.path.isdir(path):
        raise PermissionError(f"the folder `{path}` is not for this user alone")


def remove_leftovers():
    """Remove what servers have left that were killed: their process is gone, and their socket refuses."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder()):
            if name.endswith(".json"):
                with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
                    _remove_leftover(os.path.join(folder(), name))


def _remove_leftover(path):
    import json
    import socket

    with open(path, encoding="utf-8") as file:
        told = json.load(file)
    named = told.get("socket")
    if _is_alive(told["pid"], told.get("process")):
        return
    if told.get("armed"):
        # The ids of processes in another container mean nothing here.
        if _is_near(told.get("process")):
            os.unlink(path)
        return
    if not named:
        return
    # The socket has the last word.
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            client.connect(named)
        return
    except (ConnectionRefusedError, FileNotFoundError):
        pass
    os.unlink(path)
    if named == path.removesuffix(".json") + ".sock":
        os.unlink(named)


def _is_alive(pid, process=None):
    if process is not None and _is_near(process):
        return _identity(pid) == process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _identity(pid):
    """What tells a process from all others, also from later ones with its number: the namespace of its number, and when it
    began, in ticks of the system's clock. None of one that is not there, and on systems without `/proc`."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name of the program, in parentheses, may hold anything; what follows is counted from the third field.
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else f"{os.readlink('/proc/self/ns/pid')} {fields[22 - 3]}"
    except (OSError, IndexError):
        return None


def _is_near(process):
    """Whether the identity is that of a process which could be seen from here."""
    own = _identity(os.getpid())
    return own is not None and isinstance(process, str) and process.rpartition(" ")[0] == own.rpartition(" ")[0]


class Entry:
    """The file that tells of a server, or of a program that is ready to begin one."""

    def __init__(self, name):
        self.name = name
        self._file = None

    @staticmethod
    def free_stem(name):
        """`NAME-PID`, with a further number when this process has that already."""
        stem = base = os.path.join(folder(), f"{_for_files(name)}-{os.getpid()}")
        number = 1
        while os.path.exists(stem + ".json") and _is_ours(stem + ".json"):
            number += 1
            stem = f"{base}-{number}"
        return stem

    def write(self, stem, **more):
        """Tell of it in `STEM.json`; *more* says where it is."""
        told = {
            "name": self.name,
            "pid": os.getpid(),
            "program": os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else sys.executable,
            "argv": sys.argv,
            "started": time.time(),
            "python": sys.version.split()[0],
            **more,
        }
        process = _identity(os.getpid())
        if process is not None:
            told["process"] = process
        import json

        path = f"{stem}.json"
        new = f"{path}.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)
            json.dump(told, file)
        os.replace(new, path)
        self._file = path

    def remove(self):
        path, self._file = self._file, None
        if path is not None:
            try:
                os.unlink(path)
            except OSError:
                pass


def _is_ours(path):
    import json

    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file).get("pid") == os.getpid()
    except (OSError, ValueError):
        return False
