from collections.abc import Coroutine
from typing import Any

__all__ = ["prompt"]

def prompt(
    namespace: dict[Any, Any] | None = None, *, banner: str | None = None, exitmsg: str | None = None
) -> Coroutine[Any, Any, int]: ...
