"""What comes of a cell."""

from ._errors import CLASS_OF_LIMIT, ExecutionError


class _Record:
    """Equality and a repr by the fields."""

    __slots__ = ()

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None

    def __repr__(self):
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__ if not name.startswith("_"))
        return f"{type(self).__name__}({fields})"


class Usage(_Record):
    """What a cell used.

    time: seconds of wall time. cpu: seconds of CPU time, without tools and waits. peak_memory: bytes.
    output_bytes: bytes written. tool_calls: how many.
    """

    __slots__ = ("time", "cpu", "peak_memory", "output_bytes", "tool_calls")

    def __init__(self, time, cpu, peak_memory, output_bytes, tool_calls):
        self.time, self.cpu, self.peak_memory = time, cpu, peak_memory
        self.output_bytes, self.tool_calls = output_bytes, tool_calls


class Frame(_Record):
    """A frame of the guest's traceback. Lines count from 1, columns in UTF-8 bytes from 0."""

    __slots__ = ("filename", "name", "line", "end_line", "column", "end_column", "source")

    def __init__(self, filename, name, place, source):
        self.filename, self.name, self.source = filename, name, source
        self.line, self.end_line, self.column, self.end_column = place


class SyntaxDetails(_Record):
    """Where a cell is not Python, with the names that SyntaxError has for it."""

    __slots__ = ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset")

    def __init__(self, msg, filename, lineno, offset, text, end_lineno, end_offset):
        self.msg, self.filename, self.lineno, self.offset, self.text = msg, filename, lineno, offset, text
        self.end_lineno, self.end_offset = end_lineno, end_offset


class Error(_Record):
    """An exception that left the guest's code.

    type: the name of its class. module: where that is from. args: its arguments, those that cannot cross as their repr.
    traceback: as python3 prints it, without the machinery's frames. limit: the name of the limit that raised it, or
    None. exit_code: the status of a SystemExit. syntax: `SyntaxDetails` when the cell itself is not Python.
    """

    __slots__ = (
        "type", "module", "message", "args", "traceback", "frames", "notes", "limit", "limit_text", "exit_code", "syntax",
    )

    def __init__(self, type, message, *, module="builtins", args=(), traceback="", frames=(), notes=(), limit=None,
                 limit_text=None, exit_code=None, syntax=None):
        self.type, self.module, self.message, self.args = type, module, message, tuple(args)
        self.traceback, self.notes, self.limit, self.limit_text = traceback, list(notes), limit, limit_text
        self.frames = [Frame(*frame) for frame in frames]
        self.exit_code, self.syntax = exit_code, syntax

    def __str__(self):
        return f"{self.type}: {self.message}" if self.message else self.type


class FileChange(_Record):
    """A granted file that a cell changed. kind: "created", "modified" or "deleted"; size: bytes now."""

    __slots__ = ("path", "kind", "size")

    def __init__(self, path, kind, size):
        self.path, self.kind, self.size = path, kind, size


class Variable(_Record):
    """A name of the session with the type and repr of its value."""

    __slots__ = ("name", "type", "repr")

    def __init__(self, name, type, repr):
        self.name, self.type, self.repr = name, type, repr


class Event(_Record):
    """What a cell gives off while it runs.

    kind: "stdout" or "stderr" with `data` a str, "display" with a dict from MIME type to str, bytes or data, or "result"
    with the `Result`, which is the last.
    """

    __slots__ = ("kind", "data")

    def __init__(self, kind, data):
        self.kind, self.data = kind, data


class Result(_Record):
    """What came of a cell.

    value: the value of its last expression, where that is plain data; value_repr and value_type say what it was in any
    case. stdout, stderr: text. output: both in the order written, as pairs ("stdout" or "stderr", text). display: MIME
    bundles, of `display(...)` and then of the value. error: None, or the `Error`. final, ended_by: what a tool with
    ends_cell returned, and its name. files: granted files it changed. sync_errors: why changed copies did not reach the
    host. usage: a `Usage`.
    """

    __slots__ = (
        "value", "has_value", "value_repr", "value_type", "display", "error", "final", "ended_by", "incomplete",
        "files", "sync_errors", "rolled_back", "usage", "_events", "_output",
    )

    def __init__(self, outcome, events, files, sync_errors, rolled_back, usage):
        self.value = self.value_repr = self.value_type = self.error = self.final = self.ended_by = None
        self.has_value = self.incomplete = False
        self._events, self._output = events, None
        self.display = [data for kind, data in events if kind == "display"] if events else []
        self.files = [FileChange(*change) for change in files] if files else []
        self.sync_errors, self.rolled_back = sync_errors, rolled_back
        self.usage = Usage(*usage)
        kind = outcome[0]
        if kind == "value":
            self.has_value = True
            _, self.value_repr, self.value_type, _, self.value, bundle = outcome
            if bundle:
                self.display.append({"text/plain": self.value_repr, **bundle})
        elif kind == "raised" or kind == "invalid":
            self.error = Error(**outcome[1])
            if kind == "invalid":
                self.error.syntax = _syntax(self.error)
        elif kind == "exit":
            _, code, message, type_name = outcome
            self.error = Error(
                type_name or "SystemExit", message or str(code), args=(message if message is not None else code,), exit_code=code
            )
        elif kind == "final":
            _, self.ended_by, self.final = outcome
        elif kind == "stopped":
            _, limit_text, limit, reason = outcome
            self.error = Error("SessionStopped", reason, module="keelback", limit=limit, limit_text=limit_text)
        elif kind == "incomplete":
            self.incomplete = True
            self.error = Error("SyntaxError", "incomplete input", traceback="SyntaxError: incomplete input\n")
            self.error.syntax = SyntaxDetails("incomplete input", None, None, None, None, None, None)

    @property
    def output(self):
        if self._output is None:
            self._output = _decode(self._events)
        return self._output

    @property
    def stdout(self):
        return "".join([text for stream, text in self.output if stream == "stdout"])

    @property
    def stderr(self):
        return "".join([text for stream, text in self.output if stream == "stderr"])

    def raise_for_error(self):
        """Raise `ExecutionError` (`LimitError` for a limit) when the code raised; return self when it did not."""
        error = self.error
        if error is not None and error.exit_code != 0:
            if error.limit is not None:
                kind = CLASS_OF_LIMIT.get(error.limit)
                if kind is not None:
                    raise kind(f"{error}", error, self, error.limit, error.limit_text)
            raise ExecutionError(error.traceback or str(error), error, self)
        return self

    def __repr__(self):
        shown = f"value={self.value_repr}" if self.has_value else f"error={str(self.error)!r}" if self.error else "done"
        if self.ended_by is not None:
            shown = f"final={self.final!r}"
        return f"<keelback.Result {shown}>"


def _decode(events):
    """Pairs of stream and text. A character cut in two between events is put together again."""
    output, rest = [], {"stdout": b"", "stderr": b""}
    for kind, data in events:
        if kind == "display":
            continue
        data = rest[kind] + data
        text = data.decode("utf-8", "surrogateescape")
        cut = _unfinished(data)
        rest[kind] = data[len(data) - cut:] if cut else b""
        if cut:
            text = data[: len(data) - cut].decode("utf-8", "surrogateescape")
        if text:
            output.append((kind, text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")))
    output += [(kind, data.decode("utf-8", "replace")) for kind, data in rest.items() if data]
    return output


def _unfinished(data):
    """How many bytes at the end begin a character that is not all there."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return 0
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < length else 0
    return 0


def _syntax(error):
    if len(error.args) == 2 and isinstance(error.args[1], (tuple, list)):
        details = (*error.args[1], None, None, None, None, None, None)[:6]
        filename, line, offset, text, end_line, end_offset = details
        return SyntaxDetails(error.args[0], filename, line, offset, text, end_line, end_offset)
    return SyntaxDetails(error.message, None, None, None, None, None, None)
