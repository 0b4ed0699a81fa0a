from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from os import PathLike
from typing import Any, Literal, TypedDict

from typing_extensions import Self, Unpack

from ._check import Finding
from ._image import Image
from ._result import Event, Result, Variable
from ._tools import Tool, _Tools

_Path = str | PathLike[str]
_Paths = Iterable[_Path] | Mapping[Any, _Path]
_Size = int | str | None
_Kind = Literal["cell", "program", "module"]

class Limits:
    __slots__ = ("_given",)
    def __init__(
        self,
        *,
        time: float | None = ...,
        cpu: float | None = ...,
        grace: float | None = ...,
        memory: _Size = ...,
        output: _Size = ...,
        tool_calls: int | None = ...,
        open_files: int | None = ...,
        scratch: _Size = ...,
        recursion: int | None = ...,
        connections: int | None = ...,
        connect_time: float | None = ...,
        network_sent: _Size = ...,
        network_received: _Size = ...,
    ) -> None: ...

class Checkpoint:
    __slots__ = ("_session",)
    def __init__(self, session: Any) -> None: ...

class _Options(TypedDict, total=False):
    read: _Paths
    write: _Paths
    write_synced: _Paths
    write_copy: _Paths
    env: Iterable[str] | Mapping[str, str]
    stdin: str | bytes | None
    network: Iterable[str]
    secrets: Mapping[str, Mapping[str, str]] | None
    root_certificates: bytes | None
    packages: Iterable[_Path]
    tools: _Tools
    limits: Limits | None
    arguments: Iterable[str] | None
    cwd: str | None
    deterministic: int | None
    image: Image | None

class Sandbox:
    def __init__(
        self,
        *,
        read: _Paths = (),
        write: _Paths = (),
        write_synced: _Paths = (),
        write_copy: _Paths = (),
        env: Iterable[str] | Mapping[str, str] = (),
        stdin: str | bytes | None = None,
        network: Iterable[str] = (),
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        root_certificates: bytes | None = None,
        packages: Iterable[_Path] = (),
        tools: _Tools = (),
        limits: Limits | None = None,
        arguments: Iterable[str] | None = None,
        cwd: str | None = None,
        deterministic: int | None = None,
        image: Image | None = None,
        _load: _Path | None = None,
    ) -> None: ...
    def run(
        self, code: str, *, filename: str | None = None, transaction: bool = False, kind: _Kind = "cell"
    ) -> Result: ...
    async def arun(
        self, code: str, *, filename: str | None = None, transaction: bool = False, kind: _Kind = "cell"
    ) -> Result: ...
    def stream(
        self, code: str, *, filename: str | None = None, transaction: bool = False, kind: _Kind = "cell"
    ) -> Generator[Event, None, None]: ...
    def astream(
        self, code: str, *, filename: str | None = None, transaction: bool = False, kind: _Kind = "cell"
    ) -> AsyncGenerator[Event, None]: ...
    def interrupt(self) -> bool: ...
    def check(self, code: str) -> list[Finding]: ...
    def set(self, /, **values: Any) -> None: ...
    def get(self, name: str) -> Any: ...
    def variables(self) -> list[Variable]: ...
    @property
    def tools(self) -> list[Tool]: ...
    def set_tools(self, tools: _Tools) -> None: ...
    def add_tool(self, tool: Callable[..., Any] | Tool) -> None: ...
    def remove_tool(self, name: str) -> None: ...
    def fork(self) -> Self: ...
    def checkpoint(self) -> Checkpoint: ...
    def rollback(self, checkpoint: Checkpoint) -> None: ...
    def save(self, path: _Path) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *error: object) -> None: ...

def load(path: _Path, **options: Unpack[_Options]) -> Sandbox: ...
