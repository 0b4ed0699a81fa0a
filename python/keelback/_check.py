"""`Sandbox.check`: what is wrong with a cell before it runs. The sandbox itself looks, with its own parser."""

import os

from ._errors import SandboxError
from ._result import _Record

_MODULE = "_keelback_check"
_FILENAME = "<check>"
_KINDS = frozenset(("syntax", "module", "tool", "await"))
_compiled = None


class Finding(_Record):
    """Something wrong with code that has not run.

    kind: "syntax"; "module", an import of what the sandbox does not have; "tool", a call that does not fit the tool's
    signature; "await", a coroutine that nothing awaits. line counts from 1, column in UTF-8 bytes from 0.
    """

    __slots__ = ("kind", "message", "line", "column")

    def __init__(self, kind, message, line, column):
        self.kind, self.message, self.line, self.column = kind, message, line, column

    def __str__(self):
        return f"{self.line}:{self.column}: {self.message}"


def check(box, code):
    """The findings of *code* in the sandbox *box*, by line. Nothing of *code* runs, and nothing of it is parsed here."""
    # An expression without a value: it leaves no name, and `_` as it is.
    call = f"getattr(__import__('sys').modules.get({_MODULE!r}), 'check', id)({code!r}) and None"
    text = _ask(box, call)
    if text is None:
        # The sandbox has not checked anything yet, or was rolled back to before it did.
        _ask(box, _definition())
        text = _ask(box, call)
        if text is None:
            raise SandboxError("the sandbox gave no findings: its code has changed how modules are found")
    return _findings(text)


def _ask(box, cell):
    outcome, events, *_ = box._session.run(cell, _FILENAME, "cell", False, None, False)
    if outcome[0] != "done":
        reason = outcome[1].get("message") if outcome[0] == "raised" else outcome[-1]
        raise SandboxError(f"the sandbox could not check the code: {reason}")
    for kind, data in events:
        if kind == "display":
            text = data.get("text/plain")
            return text if isinstance(text, str) else None
    return None


def _definition():
    """A cell that puts the check into a module of the sandbox."""
    global _compiled
    if _compiled is None:
        # Compiled once, which takes longer than many checks, in a sandbox that runs nothing else.
        from ._sandbox import Sandbox

        with open(os.path.join(os.path.dirname(__file__), "_check_guest.py"), encoding="utf-8") as file:
            source = file.read()
        with Sandbox() as box:
            result = box.run(f"import marshal; marshal.dumps(compile({source!r}, '<{_MODULE}>', 'exec'))")
            _compiled = result.raise_for_error().value
    return (
        f"(lambda sys, module: (exec(__import__('marshal').loads({_compiled!r}), module.__dict__), "
        f"sys.modules.update({_MODULE}=module)))(__import__('sys'), type(__import__('sys'))({_MODULE!r})) and None"
    )


def _findings(text):
    """What the sandbox said. It is the guest's word: text and numbers, whatever they say."""
    found = []
    for record in text.split("\x1e") if text else ():
        kind, line, column, message = (record.split("\x1f") + [""] * 4)[:4]
        if kind in _KINDS and line.isdecimal() and column.isdecimal() and len(line) < 10 and len(column) < 10:
            found.append(Finding(kind, message, int(line), int(column)))
    return found
