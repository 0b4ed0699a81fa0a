"""Running one event loop within a call of another, which stands still meanwhile."""

import asyncio
from asyncio import events, tasks
from contextlib import contextmanager

__all__ = ["beside"]


@contextmanager
def beside():
    """Within it another loop may run in this thread, although one runs already."""
    outer = events._get_running_loop()
    if outer is None:
        yield
        return
    task = asyncio.current_task(outer)
    if task is not None:
        tasks._leave_task(outer, task)
    events._set_running_loop(None)
    try:
        yield
    finally:
        events._set_running_loop(outer)
        if task is not None:
            tasks._enter_task(outer, task)
