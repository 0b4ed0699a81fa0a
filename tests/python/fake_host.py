"""A host for the guest's Python code, on an ordinary CPython 3.13: the builtin module `_host`, in Python."""

import importlib.util
import marshal
import os
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class FakeHost:
    """Answers host calls from `functions`, and keeps what crossed in `requests` and `emitted`."""

    def __init__(self):
        self.functions = {}
        self.requests = []
        self.emitted = []
        self.finished = []  # results that the next wait brings
        self.on_wait = []  # called, one per wait, before it answers
        self.hold = False  # keep started calls unanswered
        self.limit_error = None

    def call(self, data):
        assert type(data) is bytes
        request = marshal.loads(data)
        self.requests.append(request)
        kind = request[0]
        if kind == "wait":
            if self.on_wait:
                self.on_wait.pop(0)()
            response, self.finished = self.finished, []
        elif kind == "start":
            _, call_id, name, args, kwargs = request
            if not self.hold:
                self.finished.append((call_id, *self.answer(name, args, kwargs)))
            response = None
        elif kind == "tool":
            response = self.answer(*request[1:])
        else:
            response = None
        return marshal.dumps(response, 2)

    def answer(self, name, args, kwargs):
        try:
            return True, self.functions[name](*args, **kwargs)
        except Exception as error:
            return False, (type(error).__name__, str(error))

    def names(self):
        """The kinds of the host calls so far; forgets them."""
        kinds = [request[0] for request in self.requests]
        self.requests.clear()
        return kinds

    def module(self):
        module = types.ModuleType("_host")
        module.call = self.call
        module.emit = lambda kind, data: self.emitted.append((kind, data))

        def set_output_limit_error(kind, message):
            self.limit_error = (kind, message)

        module.set_output_limit_error = set_output_limit_error
        return module


def load_guest():
    """`(host, guest package)`, prepared as the image is. Once per process."""
    host = FakeHost()
    sys.modules["_host"] = host.module()
    for name in ("session", "pretty", "assist"):
        file = ROOT / "python" / "keelback" / f"_{name}.py"
        spec = importlib.util.spec_from_file_location(f"_keelback_{name}", file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[f"_keelback_{name}"] = module
        spec.loader.exec_module(module)
    # Only the package: the folder also holds stand-ins for modules of the library, such as _socket.
    folder = ROOT / "guest" / "lib" / "_keelback_guest"
    spec = importlib.util.spec_from_file_location(
        "_keelback_guest", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    guest = importlib.util.module_from_spec(spec)
    sys.modules["_keelback_guest"] = guest
    spec.loader.exec_module(guest)
    main, stdin = sys.modules["__main__"], sys.stdin
    sys.modules["__main__"] = types.ModuleType("__main__")
    environment = dict(os.environ)
    guest.prepare()
    for request in guest.WARM_UP * 2:
        guest.request(request)
    guest.settle()
    os.environ.update(environment)
    # The namespace of the cells is a module of its own; the test runner keeps its __main__.
    guest_main = sys.modules["__main__"]
    host.main = guest_main
    sys.modules["__main__"] = main
    sys.stdin = stdin
    host.requests.clear()
    host.emitted.clear()
    return host, guest
