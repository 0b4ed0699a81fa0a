"""What runs in a program, for those who look at it from outside: the tasks of its event loop, and its threads.

Nothing here runs in the loop: a loop that is held can be looked at too.
"""

import asyncio
import functools
import linecache
import os
import sys
import threading
import time
import weakref

__all__ = ["Tasks", "stacks"]

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
# How many tasks and frames are told: choices.
TASKS_MAX = 1000
FRAMES_MAX = 100


class _Seen:
    """What is kept of a task: its number, when it was seen first, and the last look before that."""

    __slots__ = ("number", "first", "before")

    def __init__(self, number, first, before):
        self.number, self.first, self.before = number, first, before


class Tasks:
    """The tasks of loops. Each keeps the number it was given, which no other one gets."""

    def __init__(self):
        self._seen = weakref.WeakKeyDictionary()
        self._last = 0
        # The loop that was looked at, and when.
        self._looked_at = None, None

    def find(self, number):
        """The task with a number, or None."""
        for task, seen in list(self._seen.items()):
            if seen.number == number:
                return task
        return None

    def list(self, loop):
        """`(tasks, more)`: rows of number, name, coroutine, numbers of those that await it, session, frames, age, age_max.

        asyncio does not note when a task was made. It is at least *age* old, the seconds since it was seen first, and at
        most *age_max*, those since the last look at this loop in which it was not there; None where that was the first.
        Those of cells are known. Tasks that are awaited come after those that await them.
        """
        now = time.perf_counter()
        found = asyncio.all_tasks(loop)
        last_loop, looked = self._looked_at
        self._looked_at = loop, now
        before = looked if last_loop is loop else None
        for task in found:
            if task not in self._seen:
                self._last += 1
                began = _began(task)
                times = (now, before) if began is None else (began, began)
                self._seen[task] = _Seen(self._last, *times)
        found = sorted(found, key=self._number)
        more = len(found) > TASKS_MAX
        found = found[:TASKS_MAX]
        awaited_by = _awaited_by(found)
        rows = []
        for task in _parents_first(found, awaited_by):
            numbers = sorted(self._number(parent) for parent in awaited_by[task])
            seen = self._seen[task]
            age, age_max = now - seen.first, None if seen.before is None else now - seen.before
            what = task.get_name(), _coroutine_name(task), numbers, _session_of(task), _frames(task)
            rows.append((seen.number, *what, age, age_max))
        return rows, more

    def _number(self, task):
        return self._seen[task].number


def _parents_first(tasks, awaited_by):
    ordered, seen = [], set()

    def add(task):
        if task not in seen:
            seen.add(task)
            for parent in awaited_by[task]:
                add(parent)
            ordered.append(task)

    for task in tasks:
        try:
            add(task)
        except RecursionError:
            # Chains that long are told in the order they were made in.
            ordered += [task for task in tasks if task not in set(ordered)]
            break
    return ordered


def _awaited_by(tasks):
    """For each task those that wait for it: directly, or through `gather`, `wait`, `shield` or a group."""
    known = set(tasks)
    parents = {task: set() for task in tasks}
    # Futures that stand for others, by who waits for them.
    waiters = {}
    for task in tasks:
        waited = getattr(task, "_fut_waiter", None)
        if waited in known:
            parents[waited].add(task)
        elif waited is not None:
            waiters[waited] = task
            for child in getattr(waited, "_children", ()):
                if child in known:
                    parents[child].add(task)
                else:
                    waiters[child] = task
    for task in tasks:
        for parent in getattr(task, "_asyncio_awaited_by", None) or ():  # from 3.14 on asyncio knows
            if parent in known:
                parents[task].add(parent)
        for callback, _ in getattr(task, "_callbacks", None) or ():
            for thing in _held_by(callback):
                parent = waiters.get(thing) if isinstance(thing, asyncio.Future) else None
                parent = parent or getattr(thing, "_parent_task", None)  # of a TaskGroup
                if parent in known and parent is not task:
                    parents[task].add(parent)
    return parents


def _held_by(callback):
    """What a callback was made with."""
    if isinstance(callback, functools.partial):
        yield from callback.args
        callback = callback.func
    yield getattr(callback, "__self__", None)
    for cell in getattr(callback, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:
            pass  # not bound yet


def _coroutine_name(task):
    coroutine = task.get_coro()
    name = getattr(coroutine, "__qualname__", None)
    return name if isinstance(name, str) else type(coroutine).__qualname__


def _began(task):
    """When the cell began that a task runs; None of other tasks."""
    steps = sys.modules.get(f"{__package__}._steps")
    coroutine = task.get_coro()
    if steps is None or not isinstance(coroutine, steps.Steps):
        return None
    return getattr(coroutine.cell.request, "began", None)


def _session_of(task):
    get_context = getattr(task, "get_context", None)  # from 3.12 on
    live = sys.modules.get(f"{__package__}._live")
    if get_context is None or live is None:
        return None
    session = get_context().get(live._current)
    return None if session is None else session.name


def _frames(task):
    """Where a task waits, the outermost first."""
    frames = []
    awaited = task.get_coro()
    while awaited is not None and len(frames) < FRAMES_MAX:
        for prefix in ("cr", "gi", "ag"):
            frame = getattr(awaited, f"{prefix}_frame", None)
            if frame is not None:
                if not frame.f_code.co_filename.startswith(_PACKAGE):
                    frames.append(_row(frame, frame.f_lineno))
                break
        else:
            break
        awaited = getattr(awaited, "gi_yieldfrom" if prefix == "gi" else f"{prefix}_await", None)
    return frames


def _row(frame, line):
    code = frame.f_code
    name = getattr(code, "co_qualname", code.co_name)
    text = linecache.getline(code.co_filename, line or 0, frame.f_globals).strip()
    return code.co_filename, line or 0, name, text


def stack_of(frame):
    """The rows of a thread's stack, the outermost first, without our own."""
    frames = []
    while frame is not None and len(frames) < FRAMES_MAX:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            frames.append(_row(frame, frame.f_lineno))
        frame = frame.f_back
    return frames[::-1]


def stacks(loop_thread):
    """For each thread `(name, is_loop, frames)`, that of the loop first, but for the one that asks."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    rows = []
    for number, frame in sys._current_frames().items():
        if number != threading.get_ident():
            is_loop = number == loop_thread
            rows.append((names.get(number, f"thread {number}"), is_loop, stack_of(frame)))
    return sorted(rows, key=lambda row: not row[1])
