"""An asyncio program with a prompt: a counter that goes on while you look at it.

    python examples/prompt.py
    >>> counter.value
    >>> counter.step = 10
    >>> await counter.reaches(1000)
"""

import asyncio

import keelback


class Counter:
    def __init__(self):
        self.value = 0
        self.step = 1
        self._changed = asyncio.Condition()

    async def run(self):
        while True:
            await asyncio.sleep(0.1)
            async with self._changed:
                self.value += self.step
                self._changed.notify_all()

    async def reaches(self, value):
        """Wait until the counter is at *value* or above; what it is then."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.value >= value)
        return self.value


async def main():
    counter = Counter()
    task = asyncio.create_task(counter.run())
    status = await keelback.prompt(banner="`counter` counts: Ctrl-D ends the prompt and the program goes on")
    task.cancel()
    print("the counter is at", counter.value)
    return status


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
