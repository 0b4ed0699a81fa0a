"""A sandbox for Python code that nobody has read.

    import keelback

    with keelback.Sandbox(read={"data": "/data"}, limits=keelback.Limits(time=5)) as box:
        result = box.run("len(open('/data/rows.csv').readlines())")
        print(result.value)
"""

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
from ._native import __version__
from ._result import Error, Event, FileChange, Frame, Result, Usage, Variable
from ._sandbox import Checkpoint, Limits, Sandbox, load
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
    "SessionLost",
    "TimeLimit",
    "Tool",
    "ToolCallLimit",
    "ToolError",
    "Usage",
    "Variable",
    "load",
]


def __getattr__(name):
    # Imported on demand: a program that makes one sandbox does not wait for them.
    if name == "Pool":
        from ._pool import Pool

        return Pool
    if name == "Image":
        from ._image import Image

        return Image
    if name == "Finding":
        from ._check import Finding

        return Finding
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
