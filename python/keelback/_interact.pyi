from collections.abc import Callable
from typing import Any

from . import code

def interact(
    banner: str | None = None,
    readfunc: Callable[[str], str] | None = None,
    local: dict[str, Any] | None = None,
    exitmsg: str | None = None,
    local_exit: bool = False,
) -> None: ...

class InteractiveConsole(code.InteractiveConsole):
    def __init__(
        self,
        namespace: dict[str, Any],
        readfunc: Callable[[str], str] | None,
        in_terminal: bool,
        keeps_exit: bool,
    ) -> None: ...
    def push(self, line: str, *arguments: Any, **options: Any) -> bool: ...
