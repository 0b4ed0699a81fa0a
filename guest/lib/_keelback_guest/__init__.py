"""The guest's side of docs/guest-abi.md: one function, `request`, from a tuple to a tuple.

main.c calls `prepare` once, at pre-initialisation, then every request. What a cell is stands in `_keelback_session`;
here it is given an event loop (loop.py), the host's functions (tools.py), its surroundings (start.py) and interrupts
(signals.py).
"""

import builtins
import sys
from asyncio import _get_running_loop
from marshal import dumps, loads

import _keelback_session as session_module
from _keelback_session import Session, hide_frames_of, plain_data

from . import loop as loop_module
from . import assist, cell_end, ending, idle, signals, start, terminal, tools

# The name in the code, which a compiled image may not share with `__file__`.
for _function in (
    hide_frames_of, loop_module.prepare, signals.prepare, start.prepare, tools.prepare, assist.prepare, idle.prepare,
    assist.pretty,
):  # fmt: skip
    hide_frames_of(_function.__code__.co_filename)
hide_frames_of((lambda: None).__code__.co_filename)
for _name in ("_keelback_boot", "_keelback_refusals", "_keelback_select", "_socket", "_ssl"):
    _file = getattr(sys.modules.get(_name), "__file__", None)
    if _file is not None:
        hide_frames_of(_file)
        hide_frames_of(_file.removesuffix("c"))

session = None
loop = None

# Requests that main.c makes at pre-initialisation, so that an instance's own first ones touch few pages of memory.
# `settle` then takes away what they left.
WARM_UP = [
    (
        "start",
        {
            "argv": [""],
            "env": {},
            "random_seed": None,
            "deterministic": False,
            "limits": {"wall": "60 s", "cpu": "60 s", "output": "1 byte of output"},
            "recursion_limit": 1000,
        },
    ),
    ("run", "1+1", "<cell 1>", "cell"),
    ("run", "warm = [1]\nfor warm_index in warm: print(end='')\nwarm", "<cell 2>", "cell"),
    ("run", "import asyncio\nawait asyncio.sleep(0)", "<cell 3>", "cell"),
    ("run", "def warm(): return 1 / 0\nwarm()", "<cell 4>", "cell"),
    ("run", "(", "<cell 5>", "cell"),
    ("run", "warm = ", "<cell 6>", "cell"),
    ("set", "warm", [1]),
    ("get", "warm"),
    ("vars",),
    ("run", "pass", "<string>", "program"),
    # Nothing is shown: there is no host yet that could take it.
    ("whole", "warm = 1\nNone\n"),
    ("run", "warm = 1\nNone\n", None, "interactive"),
    ("complete", "print(warm.real, wa", 19, True),
    ("signature", "print(warm.real, wa", 19),
]


def prepare():
    """Once per image: everything that instances share."""
    global session, loop
    main = sys.modules["__main__"]
    session = Session(main.__dict__)
    # All of them: awaited.py reads the sources of functions that call tools, and the memory of a guest has a limit as it is.
    session.remember = session_module.remember_source
    loop = loop_module.prepare(session)
    start.prepare(session)
    tools.prepare(session)
    signals.prepare(session, loop)
    idle.prepare(loop)
    terminal.prepare()
    assist.prepare(session)
    _handlers.update(assist.handlers(session))
    _reset()


# What a cell is answered with when there is no memory to say how it ended.
OUT_OF_MEMORY = dumps(("raised", session_module.bare_info(MemoryError())), 2)


def settle():
    """After the warm-up: the state in which an instance begins."""
    import linecache

    ending.prepare()
    _reset()
    linecache.clearcache()
    for name in ("last_exc", "last_type", "last_value", "last_traceback", "ps1", "ps2"):
        sys.__dict__.pop(name, None)
    start.reset()
    tools.install([])
    loop_module.renew_context(session)


def _reset():
    namespace = session.namespace
    namespace.clear()
    session_module.fill_main(namespace)
    namespace["__builtins__"] = builtins
    builtins.__dict__.pop("_", None)
    session.count = session.inputs = 0
    session.flags = 0
    session.pending = None


def request(message):
    """One request, a tuple whose first item is its name. Exceptions of the cell are outcomes; others are bugs."""
    kind = message[0]
    try:
        if kind == "run":
            _, source, filename, mode = message
            if mode != "program":
                if mode == "interactive" and session.inputs == 0:
                    session_module.set_prompts()
                if not session.top_level_await:
                    loop_module.leave()  # entered again below
                outcome = session.run(source, filename, mode)
                if loop._ready or loop._scheduled:
                    # The outcome is what was there when the cell ended: tasks may change it now.
                    outcome = loads(dumps(outcome, 2))
                    error = loop.turn()
                    if error is not None:
                        outcome = session.failed(error)
                return outcome
            return _program(source, filename)
        return _handlers[kind](*message[1:])
    except BaseException as error:  # an interrupt in the machinery itself
        session.running = False
        if kind == "run" or kind == "module" or kind == "finish" or kind == "idle":
            return session.failed(error)
        if isinstance(error, (KeyboardInterrupt, TimeoutError)):
            return _handlers[kind](*message[1:])
        raise
    finally:
        if cell_end._session is not None:
            cell_end.over()
        # asyncio.run cut short by an interrupt may have left none.
        if _get_running_loop() is not loop:
            loop_module.enter(loop)
        # What came too late for this cell is not for the next one. Last, for after any call a handler may run.
        session.pending = None


def _program(source, filename):
    real = filename is not None and not filename.startswith("<")
    return _whole_program(filename if real else None, lambda: session.run(source, filename, "program"))


def _module(name):
    return _whole_program(None, lambda: start.run_module(session, name))


def _whole_program(filename, run):
    """A program begins outside any event loop."""
    loop_module.leave()
    try:
        start.program_path(filename)
        outcome = run()
        error = loop.turn() if loop._ready else None
        if error is not None:
            outcome = session.failed(error)
        return outcome
    finally:
        loop_module.enter(loop)


def _idle():
    """While the prompt waits."""
    error = idle.run(session)
    return session_module.NONE if error is None else session.failed(error)


def _finish():
    """What python3 does before it ends: exit functions, then the program's objects go, then files are written."""
    loop_module.leave()
    try:
        ending.finish(session)
        return session_module.NONE
    finally:
        loop_module.enter(loop)


def _start(options):
    start.apply(session, options)
    signals.limits = limits = dict(options.get("limits") or {})
    start.set_output_limit(limits.get("output"))
    session.top_level_await = not options.get("synchronous", False)
    if "terminal" in options:
        terminal.set_size(*options["terminal"] or ())


def _set(name, value):
    session.namespace[name] = value


_MISSING = object()


def _get(name):
    value = session.namespace.get(name, _MISSING)
    if value is _MISSING:
        return (False, False, None, "")
    has_data, data = plain_data(value)
    # The repr of what crosses as data would cost more than the data.
    return (True, has_data, data, "" if has_data else _repr(value))


def _vars():
    namespace = session.namespace
    listed = []
    for name in list(namespace):
        if type(name) is str and not (name.startswith("__") and name.endswith("__")):
            value = namespace[name]
            listed.append((name, type(value).__name__, _repr(value)))
    return listed


def _repr(value):
    session.running = True
    try:
        return str(repr(value))
    except BaseException as error:
        return f"<{type(value).__name__} object whose repr() raised {type(error).__name__}>"
    finally:
        session.running = False


_handlers = {
    "start": _start,
    "fork": _start,
    "module": _module,
    "finish": _finish,
    "idle": _idle,
    "terminal": lambda *size: terminal.set_size(*size),
    "tools": lambda listed: tools.install(listed),
    "set": _set,
    "get": _get,
    "vars": _vars,
}
