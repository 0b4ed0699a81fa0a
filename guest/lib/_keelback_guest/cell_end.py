"""The end of a cell that a tool asked for: from the tool's call on, no code of the cell runs.

The tool's call raises `CellEnd`. An `except:` or `finally:` of the cell may catch that; so until the cell is over, every
further step of its code raises it again (PEP 669 events).
"""

import os
import sys

_TOOL = 5  # the number of a monitoring tool that no other tool has by convention

_session = None
_library = os.path.dirname(os.__file__) + "/"


class CellEnd(BaseException):
    """A tool ended the cell. Not for programs: what they do with it has no effect."""


CellEnd.__module__ = "builtins"


def _events():
    events = sys.monitoring.events
    return events.LINE | events.PY_START | events.PY_RESUME | events.JUMP | events.BRANCH | events.CALL


def _step(code, *args):
    filename = code.co_filename
    if filename in _hidden() or filename.startswith(_library):
        return None  # machinery, and the library, are not cut in two
    raise CellEnd


def _hidden():
    from _keelback_session import _hidden_files

    return _hidden_files


def begin(session):
    """Arms it; the exception to raise."""
    global _session
    if _session is None:
        _session = session
        monitoring = sys.monitoring
        if monitoring.get_tool(_TOOL) is not None:
            monitoring.free_tool_id(_TOOL)
        monitoring.use_tool_id(_TOOL, "keelback")
        for number in range(32):
            if _events() & 1 << number:
                monitoring.register_callback(_TOOL, 1 << number, _step)
        monitoring.set_events(_TOOL, _events())
    return CellEnd()


def over():
    """Called when the cell is over. True when a tool ended it."""
    global _session
    if _session is None:
        return False
    _session = None
    monitoring = sys.monitoring
    monitoring.set_events(_TOOL, 0)
    monitoring.free_tool_id(_TOOL)
    return True
