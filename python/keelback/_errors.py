"""Exceptions of the host's side. What the guest's code did wrong is in `Result.error`."""

from ._native import PermissionDenied, SandboxError, SessionLost

__all__ = ["SandboxError", "SessionLost", "PermissionDenied", "ExecutionError", "LimitError", "ToolError"]


class ToolError(Exception):
    """Raise it in a tool to give the guest its own `ToolError` with this message."""


class ExecutionError(SandboxError):
    """The code raised, and `Result.raise_for_error` was asked. `error` is the `Error`."""

    def __init__(self, message, error=None, result=None):
        super().__init__(message)
        self.error = error
        self.result = result


class LimitError(ExecutionError):
    """A limit ended the code. `limit` is its name, `limit_text` its value as text, for example ``"5s of wall time"``."""

    def __init__(self, message, error=None, result=None, limit=None, limit_text=None):
        super().__init__(message, error, result)
        self.limit = limit
        self.limit_text = limit_text


class TimeLimit(LimitError):
    """All of `Limits.time` was used."""


class CpuLimit(LimitError):
    """All of `Limits.cpu` was used."""


class MemoryLimit(LimitError):
    """All of `Limits.memory` was used."""


class OutputLimit(LimitError):
    """All of `Limits.output` was used."""


class ToolCallLimit(LimitError):
    """All of `Limits.tool_calls` was used."""


class ConnectionLimit(LimitError):
    """More connections than `Limits.connections`, or one that took too long."""


class NetworkLimit(LimitError):
    """All of `Limits.network_sent` or `Limits.network_received` was used."""


CLASS_OF_LIMIT = {
    "time": TimeLimit,
    "cpu": CpuLimit,
    "memory": MemoryLimit,
    "output": OutputLimit,
    "tool_calls": ToolCallLimit,
    "connections": ConnectionLimit,
    "connect_time": ConnectionLimit,
    "network_sent": NetworkLimit,
    "network_received": NetworkLimit,
}
