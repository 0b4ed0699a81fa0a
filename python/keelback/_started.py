"""Tasks that cells start. asyncio lets SystemExit of a task through to whatever runs the loop, and with it ends a program
that has done nothing but serve a prompt: here it ends the task.

What there is for this is the loop's task factory. It is ours only while code of a session is on the stack, and hands on to
the one that the program has.
"""

import asyncio
import sys

from . import _session, _steps

__all__ = ["Started", "TaskExit", "exit_of"]

_session.hide_frames_of(__file__)
_steps.machinery(__file__)


class TaskExit(BaseException):
    """SystemExit that a task has raised, for those who await the task."""

    def __init__(self, exit):
        super().__init__(f"a task has raised SystemExit({'' if exit.code is None else repr(exit.code)})")
        self.exit = exit


def exit_of(error):
    """The SystemExit of a task that *error* tells of, also in a group, or None."""
    if isinstance(error, TaskExit):
        return error.exit
    for one in getattr(error, "exceptions", ()) if isinstance(error, BaseException) else ():
        found = exit_of(one)
        if found is not None:
            return found
    return None


class Started:
    """The task factory of *loop* within its `with`."""

    def __init__(self, loop):
        self.loop = loop
        self._programs = None
        # Steps can be within steps: a task that is eager has its first one in the step that makes it.
        self._depth = 0

    def __enter__(self):
        self._depth += 1
        if self._depth == 1:
            self._programs = self.loop.get_task_factory()
            self.loop.set_task_factory(self)

    def __exit__(self, *error):
        self._depth -= 1
        # A factory that the code has set meanwhile stays.
        if self._depth == 0 and self.loop.get_task_factory() is self:
            self.loop.set_task_factory(self._programs)

    def __call__(self, loop, coroutine, **options):
        if asyncio.iscoroutine(coroutine):
            coroutine = _Contained(coroutine, self)
        if self._programs is None:
            kind = _NamedTask if (3, 12) <= sys.version_info < (3, 14) else asyncio.Task
            return kind(coroutine, loop=loop, **options)
        return self._programs(loop, coroutine, **options)


class _NamedTask(asyncio.Task):
    """In Python 3.12 and 3.13 the loop names a task that a factory has made even where no name was given: `None`."""

    def set_name(self, name):
        if name is not None:
            super().set_name(name)


_NamedTask.__name__ = _NamedTask.__qualname__ = "Task"


class _Contained(_steps.Wrapped):
    """*coroutine*, whose SystemExit is a TaskExit; so is that of tasks it starts."""

    def __init__(self, coroutine, started):
        super().__init__(coroutine)
        self._started = started

    def _step(self, resume, *arguments):
        with self._started:
            try:
                return resume(*arguments)
            except SystemExit as error:
                raise TaskExit(error) from error
