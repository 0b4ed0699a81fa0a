"""A sandbox for Python code that nobody has read.

    import keelback

    with keelback.Sandbox(read={"data": "/data"}, limits=keelback.Limits(time=5)) as box:
        result = box.run("len(open('/data/rows.csv').readlines())")
        print(result.value)
"""

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


# Where each name is. They are imported on demand: a prompt is shown, and a program that makes one sandbox begins,
# without waiting for the rest.
_NAMES = {
    "_arm": ("arm",),
    "_check": ("Finding",),
    "_errors": (
        "ConnectionLimit",
        "CpuLimit",
        "ExecutionError",
        "LimitError",
        "MemoryLimit",
        "NetworkLimit",
        "OutputLimit",
        "PermissionDenied",
        "SandboxError",
        "SessionLost",
        "TimeLimit",
        "ToolCallLimit",
        "ToolError",
    ),
    "_image": ("Image",),
    "_interact": ("interact",),
    "_native": ("__version__",),
    "_pool": ("Pool",),
    "_prompt": ("prompt",),
    "_result": ("Error", "Event", "FileChange", "Frame", "Result", "Usage", "Variable"),
    "_sandbox": ("Checkpoint", "Limits", "Sandbox", "load"),
    "_serve": ("Server", "serve"),
    "_tools": ("Parameter", "Tool"),
}


def __getattr__(name):
    for module, names in _NAMES.items():
        if name in names:
            from importlib import import_module

            value = globals()[name] = getattr(import_module("." + module, __name__), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__, "__version__"})
