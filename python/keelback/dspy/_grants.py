"""From dspy's lists of paths, names and hosts to what a `Sandbox` is given."""

import os

from ._types import CodeInterpreterError

__all__ = ["environment", "guest_paths", "prepare"]


def guest_paths(read, write):
    """The grants as `({host: guest}, {host: guest})`, for reading and for writing; a path in both is for writing.

    Every path appears as `/sandbox/<basename>`, under the name it was given by; links are followed on the host.

    Raises CodeInterpreterError when two different files would have one name.
    """
    named = {}
    for writable, paths in ((True, write), (False, read)):
        for path in paths:
            if not path:
                continue
            given = os.path.abspath(os.path.expanduser(os.fspath(path)))
            host = os.path.realpath(given)
            first = named.setdefault(os.path.basename(given), (host, given, writable))
            if first[0] != host:
                raise CodeInterpreterError("Mounted files must have unique basenames inside the sandbox.")
    grants = {}, {}
    for name, (host, given, writable) in named.items():
        grant = grants[writable]
        grant[given if host in grant else host] = f"/sandbox/{name}"  # one file may have two names
    return grants


def prepare(read, write):
    """Create the files for writing that are missing; raise FileNotFoundError for what should be read and is missing."""
    for host in read:
        if not os.path.exists(host):
            raise FileNotFoundError(f"Cannot mount non-existent file: {host}")
    for host in write:
        if not os.path.exists(host):
            open(host, "a").close()


def environment(names):
    """The variables of the host with these *names*; those it does not have are left out."""
    names = [str(name).strip() for name in names]
    return {name: os.environ[name] for name in names if name in os.environ}
