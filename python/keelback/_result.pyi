from collections.abc import Iterable, Sequence
from typing import Any, Literal

class _Record:
    __slots__ = ()
    def __eq__(self, other: object) -> bool: ...

class Usage(_Record):
    __slots__ = ("time", "cpu", "peak_memory", "output_bytes", "tool_calls")
    time: float
    cpu: float
    peak_memory: int
    output_bytes: int
    tool_calls: int
    def __init__(self, time: float, cpu: float, peak_memory: int, output_bytes: int, tool_calls: int) -> None: ...

class Frame(_Record):
    __slots__ = ("filename", "name", "line", "end_line", "column", "end_column", "source")
    filename: str
    name: str
    line: int | None
    end_line: int | None
    column: int | None
    end_column: int | None
    source: str
    def __init__(
        self, filename: str, name: str, place: tuple[int | None, int | None, int | None, int | None], source: str
    ) -> None: ...

class SyntaxDetails(_Record):
    __slots__ = ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset")
    msg: str
    filename: str | None
    lineno: int | None
    offset: int | None
    text: str | None
    end_lineno: int | None
    end_offset: int | None
    def __init__(
        self,
        msg: str,
        filename: str | None,
        lineno: int | None,
        offset: int | None,
        text: str | None,
        end_lineno: int | None,
        end_offset: int | None,
    ) -> None: ...

class Error(_Record):
    __slots__ = (
        "type", "module", "message", "args", "traceback", "frames", "notes", "limit", "limit_text", "exit_code", "syntax",
    )  # fmt: skip
    type: str
    module: str
    message: str
    args: tuple[Any, ...]
    traceback: str
    frames: list[Frame]
    notes: list[str]
    limit: str | None
    limit_text: str | None
    exit_code: int | None
    syntax: SyntaxDetails | None
    def __init__(
        self,
        type: str,
        message: str,
        *,
        module: str = "builtins",
        args: Iterable[Any] = (),
        traceback: str = "",
        frames: Iterable[tuple[Any, ...]] = (),
        notes: Iterable[str] = (),
        limit: str | None = None,
        limit_text: str | None = None,
        exit_code: int | None = None,
        syntax: SyntaxDetails | None = None,
    ) -> None: ...

class FileChange(_Record):
    __slots__ = ("path", "kind", "size")
    path: str
    kind: Literal["created", "modified", "deleted"]
    size: int
    def __init__(self, path: str, kind: Literal["created", "modified", "deleted"], size: int) -> None: ...

class Variable(_Record):
    __slots__ = ("name", "type", "repr")
    name: str
    type: str
    repr: str
    def __init__(self, name: str, type: str, repr: str) -> None: ...

class Event(_Record):
    __slots__ = ("kind", "data")
    kind: Literal["stdout", "stderr", "display", "result"]
    data: Any
    def __init__(self, kind: Literal["stdout", "stderr", "display", "result"], data: Any) -> None: ...

class Result(_Record):
    __slots__ = (
        "value", "has_value", "value_repr", "value_type", "display", "error", "final", "ended_by", "incomplete",
        "files", "sync_errors", "rolled_back", "usage", "_events", "_output",
    )  # fmt: skip
    value: Any
    has_value: bool
    value_repr: str | None
    value_type: str | None
    display: list[dict[str, Any]]
    error: Error | None
    final: Any
    ended_by: str | None
    incomplete: bool
    files: list[FileChange]
    sync_errors: list[str]
    rolled_back: bool
    usage: Usage
    def __init__(
        self,
        outcome: tuple[Any, ...],
        events: Sequence[tuple[str, Any]],
        files: Iterable[tuple[Any, ...]],
        sync_errors: list[str],
        rolled_back: bool,
        usage: tuple[Any, ...],
    ) -> None: ...
    @property
    def output(self) -> list[tuple[Literal["stdout", "stderr"], str]]: ...
    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...
    def raise_for_error(self) -> Result: ...
