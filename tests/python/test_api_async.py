"""`Sandbox.arun`, `stream` and `astream`, async tools, and what interrupts them."""

import asyncio
import contextvars
import functools
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from keelback import Event, Limits, Sandbox, SessionLost, Tool  # noqa: E402


class Async(unittest.IsolatedAsyncioTestCase):
    def make(self, **options):
        box = Sandbox(**options)
        self.addCleanup(box.close)
        return box

    async def test_arun(self):
        result = await self.make().arun("print('a'); 42")
        self.assertEqual((result.value, result.stdout), (42, "a\n"))

    async def test_the_loop_goes_on_meanwhile(self):
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        box = self.make(tools=[Tool(lambda: loop.call_soon_threadsafe(ready.set) and None, name="hello")])
        task = asyncio.ensure_future(box.arun("hello()\nwhile True: pass"))
        await ready.wait()
        self.assertTrue(box.interrupt())
        self.assertEqual((await task).error.type, "KeyboardInterrupt")

    async def test_async_tools_run_in_the_callers_loop(self):
        loop, seen = asyncio.get_running_loop(), []

        async def f(x):
            seen.append((asyncio.get_running_loop() is loop, threading.current_thread() is threading.main_thread()))
            return x + 1

        box = self.make(tools=[f])
        for one in (box, box.fork()):
            self.addCleanup(one.close)
            self.assertEqual((await one.arun("await f(1)")).value, 2)
        self.assertEqual(seen, [(True, True)] * 2)

    async def test_run_inside_a_running_loop(self):
        seen = []

        async def f(x):
            seen.append(asyncio.get_running_loop())
            return x + 1

        self.assertEqual(self.make(tools=[f]).run("await f(1)").value, 2)
        self.assertIsNot(seen[0], asyncio.get_running_loop())

    async def test_twenty_tools_at_once(self):
        running, everyone = 0, asyncio.Event()

        async def f(x):
            nonlocal running
            running += 1
            if running == 20:
                everyone.set()
            await everyone.wait()
            return x

        box = self.make(tools=[f], limits=Limits(time=20))
        result = await box.arun("import asyncio\nawait asyncio.gather(*[f(i) for i in range(20)])")
        self.assertEqual(result.value, list(range(20)), result.error)

    async def test_many_sandboxes_at_once(self):
        inside, everyone = 0, asyncio.Event()

        async def f():
            nonlocal inside
            inside += 1
            if inside == 8:
                everyone.set()
            await everyone.wait()

        boxes = [self.make(tools=[f], limits=Limits(time=20)) for _ in range(8)]
        results = await asyncio.gather(*[box.arun(f"await f()\n{i}") for i, box in enumerate(boxes)])
        self.assertEqual([result.value for result in results], list(range(8)))

    async def test_forgotten_await(self):
        async def f():
            return 1

        result = await self.make(tools=[f]).arun("call = f()\nresult = call + 1\nawait call")
        self.assertEqual(str(result.error), "TypeError: the call of f() was not awaited: write await f(...)")

    async def test_a_plain_call_of_an_async_tool_waits(self):
        async def f():
            return 1

        self.assertEqual((await self.make(tools=[f]).arun("f() + 1")).value, 2)

    async def test_exceptions_of_async_tools(self):
        async def f(x: int):
            raise ValueError("bad")

        box = self.make(tools=[f])
        result = await box.arun("try: await f(1)\nexcept ValueError as e: r = str(e)\nr")
        self.assertEqual(result.value, "bad")
        self.assertEqual((await box.arun("await f('x')")).error.type, "TypeError")

    async def test_ends_cell_of_an_async_tool(self):
        async def submit(x):
            return x

        box = self.make(tools=[Tool(submit, ends_cell=True)])
        result = await box.arun("await submit(3)\nprint('after')")
        self.assertEqual((result.final, result.stdout), (3, ""))

    async def test_cancel_interrupts(self):
        started = asyncio.Event()

        async def f():
            started.set()
            await asyncio.Event().wait()

        box = self.make(tools=[f])
        task = asyncio.ensure_future(box.arun("kept = 1\nawait f()"))
        await started.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(box.run("kept").value, 1)

    async def test_a_call_that_the_guest_cancels_is_cancelled_at_once(self):
        cancelled = asyncio.Event()

        async def f():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        box = self.make(tools=[f])
        result = await box.arun("import asyncio\ntry: await asyncio.wait_for(f(), 0.01)\nexcept TimeoutError: r = 1\nr")
        self.assertEqual(result.value, 1)
        await asyncio.wait_for(cancelled.wait(), 5)

    async def test_nothing_of_a_cell_runs_on_after_its_end(self):
        running = 0
        started = asyncio.Event()

        async def f():
            nonlocal running
            running += 1
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)  # its end takes some turns of the loop
                running -= 1

        submit = Tool(lambda: 1, name="submit", ends_cell=True)
        box = self.make(tools=[f, submit], limits=Limits(time=0.2))
        many = "import asyncio\ntasks = [asyncio.create_task(f()) for _ in range(3)]\nawait asyncio.sleep(0)\n"
        for end in ["1/0", "submit()", "raise SystemExit(3)", "await asyncio.sleep(9)", "await f()", "f()"]:
            with self.subTest(end=end):
                await box.arun(many + end)
                self.assertEqual((running, len(asyncio.all_tasks())), (0, 1))
        box = self.make(tools=[f])
        for turn in range(40):
            started.clear()
            task = asyncio.ensure_future(box.arun("await f()" if turn % 2 else many + "await tasks[0]"))
            await started.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual((running, len(asyncio.all_tasks())), (0, 1), turn)

    async def test_calls_of_a_cell_that_ended_well_go_on(self):
        answer = asyncio.Event()

        async def f():
            await answer.wait()
            return 5

        box = self.make(tools=[f])
        await box.arun("import asyncio\ntask = asyncio.create_task(f())\nawait asyncio.sleep(0)")
        self.assertEqual((await box.arun("1/0")).error.type, "ZeroDivisionError")
        answer.set()
        self.assertEqual((await box.arun("await task")).value, 5)

    async def test_a_tool_that_exits_is_an_error_of_the_tool(self):
        async def leave(code):
            raise SystemExit(code)

        async def f():
            return 1

        box = self.make(tools=[leave, f], limits=Limits(time=20))
        for run in (box.arun, functools.partial(asyncio.to_thread, box.run)):
            self.assertEqual(str((await run("await leave(3)")).error), "ToolError: SystemExit: 3")
            self.assertEqual((await run("await f()")).value, 1)

    async def test_cancel_of_code_that_catches_the_interrupt(self):
        caught = threading.Event()
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        tools = [Tool(lambda: loop.call_soon_threadsafe(ready.set) and None, name="ready"), Tool(caught.set, name="caught")]
        box = self.make(tools=tools)
        task = asyncio.ensure_future(
            box.arun("try:\n    ready()\n    while True: pass\nexcept KeyboardInterrupt: caught()\nwhile True: pass")
        )
        await ready.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertTrue(caught.is_set())

    async def test_cancel_of_what_has_hardly_begun(self):
        box = self.make()
        for _ in range(5):
            task = asyncio.ensure_future(box.arun("while True: pass"))
            await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
        self.assertEqual(box.run("1").value, 1)

    async def test_context_of_the_caller(self):
        variable = contextvars.ContextVar("variable", default=0)
        variable.set(5)
        box = self.make(tools=[Tool(lambda: variable.get(), name="f")])
        self.assertEqual((await box.arun("f()")).value, 5)

    async def test_astream(self):
        box = self.make()
        events = [event async for event in box.astream("print('a')\nimport sys\nprint('é', file=sys.stderr)\ndisplay(1)\n7")]
        self.assertEqual(events[-1].kind, "result")
        self.assertEqual(events[-1].data.value, 7)
        self.assertEqual(events[-1].data.stdout, "a\n")
        self.assertEqual(gathered(events), {"stdout": "a\n", "stderr": "é\n"})
        self.assertIn(Event("display", {"text/plain": "1"}), events)

    async def test_astream_left_early(self):
        box = self.make()
        stream = box.astream("print('a', flush=True)\nwhile True: pass")
        async for event in stream:
            self.assertEqual(event, Event("stdout", "a\n"))
            break
        await stream.aclose()
        self.assertEqual(box.run("1").value, 1)

    async def test_async_with(self):
        async with Sandbox() as box:
            self.assertEqual((await box.arun("1")).value, 1)
        with self.assertRaises(SessionLost):
            await box.arun("1")


def gathered(events):
    texts = {"stdout": "", "stderr": ""}
    for event in events:
        if event.kind in texts:
            texts[event.kind] += event.data
    return texts


class Stream(unittest.TestCase):
    def test_events_come_while_the_code_runs(self):
        seen = threading.Event()

        with Sandbox(tools=[Tool(lambda: seen.wait(20), name="f")]) as box:
            events = []
            for event in box.stream("print('a', flush=True)\nf()"):
                events.append(event)
                seen.set()
            self.assertEqual(events[0], Event("stdout", "a\n"))
            self.assertIs(events[-1].data.value, True)

    def test_left_early(self):
        with Sandbox() as box:
            for event in box.stream("kept = 1\nprint('a', flush=True)\nwhile True: pass"):
                self.assertEqual(event.data, "a\n")
                break
            self.assertEqual(box.run("kept").value, 1)

    def test_errors_are_results(self):
        with Sandbox() as box:
            (event,) = box.stream("1/0")
            self.assertEqual(event.data.error.type, "ZeroDivisionError")

    def test_characters_are_not_cut(self):
        code = "import sys\nfor b in 'é🐍'.encode(): sys.stdout.buffer.write(bytes([b])); sys.stdout.flush()"
        with Sandbox() as box:
            events = list(box.stream(code))
        self.assertEqual(gathered(events)["stdout"], "é🐍")
        self.assertEqual(events[-1].data.stdout, "é🐍")

    def test_nothing_of_a_cell_runs_on_after_its_end(self):
        running = 0
        started = threading.Event()

        async def f():
            nonlocal running
            running += 1
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                running -= 1

        with Sandbox(tools=[f]) as box:
            for turn in range(40):
                started.clear()
                interrupter = threading.Thread(target=lambda: started.wait() and box.interrupt())
                interrupter.start()
                box.run("await f()" if turn % 2 else "f()")
                interrupter.join()
                self.assertEqual(running, 0, turn)
            started.clear()
            box.run("import asyncio\ntask = asyncio.create_task(f())\nawait asyncio.sleep(0)")
            started.wait()
            self.assertEqual(running, 1)
        self.assertEqual(running, 0)

    def test_async_tools_without_a_loop(self):
        async def f(x):
            await asyncio.sleep(0)
            return x

        with Sandbox(tools=[f]) as box:
            self.assertEqual(box.run("await f(1)").value, 1)
            self.assertEqual(list(box.stream("await f(2)"))[-1].data.value, 2)
            self.assertEqual(asyncio.run(box.arun("await f(3)")).value, 3)
            self.assertEqual(asyncio.run(box.arun("await f(4)")).value, 4)


if __name__ == "__main__":
    unittest.main()
