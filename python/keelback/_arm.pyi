from os import PathLike
from typing import Any

from ._serve import Server

__all__ = ["Armed", "arm", "serve_main"]

class Armed:
    server: Server | None
    def __init__(
        self,
        number: int,
        namespace: dict[Any, Any] | None,
        path: str | PathLike[str] | None,
        name: str | None,
        read_only: bool,
    ) -> None: ...
    def disarm(self) -> None: ...

def arm(
    signal: int | None = None,
    namespace: dict[Any, Any] | None = None,
    path: str | PathLike[str] | None = None,
    *,
    name: str | None = None,
    read_only: bool = False,
) -> Armed: ...
def serve_main() -> None: ...
