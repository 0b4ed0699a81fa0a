from typing import Any

from ._native import PermissionDenied as PermissionDenied
from ._native import SandboxError as SandboxError
from ._native import SessionLost as SessionLost
from ._result import Error, Result

__all__ = ["SandboxError", "SessionLost", "PermissionDenied", "ExecutionError", "LimitError", "ToolError"]

class ToolError(Exception): ...

class ExecutionError(SandboxError):
    error: Error | None
    result: Result | None
    def __init__(self, message: str, error: Error | None = None, result: Result | None = None) -> None: ...

class LimitError(ExecutionError):
    limit: str | None
    limit_text: str | None
    def __init__(
        self,
        message: str,
        error: Error | None = None,
        result: Result | None = None,
        limit: str | None = None,
        limit_text: str | None = None,
    ) -> None: ...

class TimeLimit(LimitError): ...
class CpuLimit(LimitError): ...
class MemoryLimit(LimitError): ...
class OutputLimit(LimitError): ...
class ToolCallLimit(LimitError): ...
class ConnectionLimit(LimitError): ...
class NetworkLimit(LimitError): ...

CLASS_OF_LIMIT: dict[str, type[LimitError]]
