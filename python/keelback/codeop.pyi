import sys
from types import CodeType
from typing import Any

__all__ = ["compile_command", "Compile", "CommandCompiler"]

PyCF_DONT_IMPLY_DEDENT: int
PyCF_ALLOW_INCOMPLETE_INPUT: int

if sys.version_info >= (3, 14):
    PyCF_ONLY_AST: int

    def compile_command(source: str, filename: str = "<input>", symbol: str = "single", flags: int = 0) -> CodeType | None: ...

else:
    def compile_command(source: str, filename: str = "<input>", symbol: str = "single") -> CodeType | None: ...

class Compile:
    flags: int
    def __init__(self) -> None: ...
    if sys.version_info >= (3, 14):
        def __call__(self, source: str, filename: str, symbol: str, flags: int = 0, **kwargs: Any) -> Any: ...
    elif sys.version_info >= (3, 11):
        def __call__(self, source: str, filename: str, symbol: str, **kwargs: Any) -> CodeType: ...
    else:
        def __call__(self, source: str, filename: str, symbol: str) -> CodeType: ...

class CommandCompiler:
    compiler: Compile
    def __init__(self) -> None: ...
    def __call__(self, source: str, filename: str = "<input>", symbol: str = "single") -> CodeType | None: ...
