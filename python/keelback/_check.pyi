from ._result import _Record
from ._sandbox import Sandbox

class Finding(_Record):
    __slots__ = ("kind", "message", "line", "column")
    kind: str
    message: str
    line: int
    column: int
    def __init__(self, kind: str, message: str, line: int, column: int) -> None: ...

def check(box: Sandbox, code: str) -> list[Finding]: ...
