from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

class _Empty:
    def __bool__(self) -> Literal[False]: ...

_Kind = Literal["positional_or_keyword", "positional_only", "var_positional", "var_keyword", "keyword_only"]

class Parameter:
    empty: _Empty
    __slots__ = ("name", "annotation", "default", "kind")
    name: str
    annotation: Any
    default: Any
    kind: str
    def __init__(self, name: str, annotation: Any = None, default: Any = ..., kind: _Kind = "positional_or_keyword") -> None: ...

class Tool:
    __slots__ = ("function", "name", "doc", "parameters", "ends_cell", "is_async", "_checks")
    function: Callable[..., Any]
    name: str
    doc: str
    parameters: list[Parameter]
    ends_cell: bool
    is_async: bool
    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        doc: str | None = None,
        parameters: Iterable[Parameter] | None = None,
        ends_cell: bool = False,
    ) -> None: ...

_Tools = Iterable[Callable[..., Any] | Tool] | Mapping[str, Callable[..., Any] | Tool]

def to_plain(value: Any) -> Any: ...
def as_tools(tools: _Tools) -> list[Tool]: ...
