from ._arm import arm
from ._check import Finding
from ._errors import (
    ConnectionLimit,
    CpuLimit,
    ExecutionError,
    LimitError,
    MemoryLimit,
    NetworkLimit,
    OutputLimit,
    PermissionDenied,
    SandboxError,
    SessionLost,
    TimeLimit,
    ToolCallLimit,
    ToolError,
)
from ._image import Image
from ._interact import interact
from ._native import __version__
from ._pool import Pool
from ._prompt import prompt
from ._result import Error, Event, FileChange, Frame, Result, Usage, Variable
from ._sandbox import Checkpoint, Limits, Sandbox, load
from ._serve import Server, serve
from ._tools import Parameter, Tool

__all__ = [
    "Checkpoint",
    "ConnectionLimit",
    "CpuLimit",
    "Error",
    "Event",
    "ExecutionError",
    "FileChange",
    "Finding",
    "Frame",
    "Image",
    "LimitError",
    "Limits",
    "MemoryLimit",
    "NetworkLimit",
    "OutputLimit",
    "Parameter",
    "PermissionDenied",
    "Pool",
    "Result",
    "Sandbox",
    "SandboxError",
    "Server",
    "SessionLost",
    "TimeLimit",
    "Tool",
    "ToolCallLimit",
    "ToolError",
    "Usage",
    "Variable",
    "arm",
    "interact",
    "load",
    "prompt",
    "serve",
]
