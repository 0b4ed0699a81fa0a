from os import PathLike
from typing import Any, Literal

from typing_extensions import Self

__all__ = ["Server", "serve"]

class Server:
    path: str | None
    address: str | None
    key: str | None
    name: str
    def __init__(self, program: Any, home: Any, entry: Any, path: str | None, native: Any) -> None: ...
    @property
    def is_closed(self) -> bool: ...
    def fileno(self) -> int: ...
    def pump(self, timeout: float = 0.0) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *error: object) -> None: ...

def serve(
    namespace: dict[Any, Any] | None = None,
    path: str | PathLike[str] | None = None,
    host: str | None = None,
    port: int | None = None,
    *,
    name: str | None = None,
    where: Literal["loop", "thread", "main"] | None = None,
    read_only: bool = False,
    transcript: str | PathLike[str] | None = None,
    grace: float | None = 60.0,
    guard: float | Literal["auto"] | None = "auto",
    banner: str | None = None,
    public: bool = False,
    certificate: str | PathLike[str] | None = None,
    private_key: str | PathLike[str] | None = None,
) -> Server: ...
def start(
    namespace: dict[Any, Any],
    path: str | PathLike[str] | None,
    host: str | None,
    port: int | None,
    *,
    name: str | None,
    where: str | None,
    options: dict[str, Any],
) -> Server: ...
