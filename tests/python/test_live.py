"""Sessions in a running event loop: `_live.Live`, and the modules below it. What cells do is for tests/live."""

import asyncio
import builtins
import contextlib
import contextvars
import io
import signal
import sys
import threading
import unittest
import unittest.mock
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from keelback import _output, _steps  # noqa: E402
from keelback._lines import Lines  # noqa: E402
from keelback._live import Live, innermost  # noqa: E402

STUBBORN = """
async def stubborn():
    while not stop.is_set():
        try:
            await stop.wait()
        except asyncio.CancelledError:
            refused.append(1)
"""


class LiveTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.written = []

    def open(self, namespace=None, routed=True, **options):
        namespace = {"__name__": "__main__"} if namespace is None else namespace
        namespace.setdefault("asyncio", asyncio)
        live = Live(namespace, **options)
        if routed:
            live.route(lambda name, text: self.written.append((name, text)))
        self.addCleanup(live.close)
        return live

    def out(self):
        text = "".join(text for _, text in self.written)
        self.written.clear()
        return text

    async def check(self, live, source, shown=""):
        self.assertEqual(await live.run(source), ("none",))
        self.assertEqual(self.out(), shown)

    async def raised(self, live, source):
        outcome = await live.run(source)
        self.assertEqual(outcome[0], "raised", outcome)
        return outcome[1]

    async def until(self, true):
        while not true():
            await asyncio.sleep(0)


class Cells(LiveTest):
    async def test_the_program_may_write_to_the_namespace_meanwhile(self):
        namespace = {"n": 1, "a b": 1, "class": 2, 3: 4}
        live = self.open(namespace)
        cell = asyncio.ensure_future(live.run("before = 0; await asyncio.sleep(0.02); k = n"))
        await self.until(lambda: "before" in namespace)
        namespace.update(n=99, fresh=1)
        self.assertEqual(await cell, ("none",))
        self.assertEqual([namespace[key] for key in ("n", "fresh", "k", "a b", "class", 3)], [99, 1, 99, 1, 2, 4])

    async def test_functions_of_cells_see_what_the_program_binds(self):
        namespace = {"val": 1}
        await self.check(self.open(namespace), "def getval(): return val\n")
        namespace["val"] = 7
        self.assertEqual(namespace["getval"](), 7)

    async def test_sessions_side_by_side_lose_no_writes(self):
        namespace = {}
        first, second = self.open(namespace), self.open(namespace)
        await asyncio.gather(first.run("a = 1; await asyncio.sleep(0); b = 2"), second.run("c = 3; await asyncio.sleep(0); d = 4"))
        self.assertEqual([namespace[name] for name in "abcd"], [1, 2, 3, 4])

    async def test_cells_of_a_session_are_run_one_after_the_other(self):
        live = self.open()
        await asyncio.gather(live.run("await asyncio.sleep(0); x = [1]"), live.run("x.append(2)"), live.run("x"))
        self.assertEqual(self.out(), "[1, 2]\n")

    async def test_values_go_to_the_session_that_shows_them(self):
        namespace, shown = {}, []
        sessions = [self.open(namespace) for _ in range(2)]
        for number, live in enumerate(sessions):
            live.show = lambda text, pretty, mime, number=number: shown.append((number, text))
        await asyncio.gather(*(live.run("await asyncio.sleep(0)\n5\nawait asyncio.sleep(0, 6)") for live in sessions))
        self.assertEqual(sorted(shown), [(0, "5"), (0, "6"), (1, "5"), (1, "6")])

    async def test_incomplete_and_invalid_cells_do_not_run(self):
        live = self.open()
        self.assertEqual(await live.run("if x:"), ("incomplete",))
        self.assertEqual((await live.run("a b"))[0], "invalid")
        self.assertEqual([live.is_complete(source) for source in ("1", "if x:", "a b")], [True, False, None])

    async def test_tracebacks_have_frames_of_the_user_only(self):
        live = self.open(name="my")
        await live.run("async def f(): return 1 / 0\n")
        for source in ("f.__name__; await f()", "f.__name__\nasync for _ in f(): pass"):
            frames = (await self.raised(live, source))["frames"]
            self.assertTrue(all(frame[0].startswith("<my-input-") for frame in frames), frames)
        self.assertEqual(frames[0][0], "<my-input-2>")

    async def test_exit_ends_the_session_and_leaves_stdin_open(self):
        live = self.open()
        ends = await asyncio.gather(live.run("exit(3)"), live.run("print('not run')"))
        self.assertEqual(ends, [("exit", 3, None)] * 2)
        self.assertEqual(await live.run("print('not run')"), ("exit", 3, None))
        self.assertEqual(self.out(), "")
        self.assertFalse(sys.stdin.closed)
        self.assertNotEqual(type(builtins.exit).__module__, "keelback._steps")
        self.assertEqual(await self.open().run("async def f(): raise SystemExit('why')\nawait f()"), ("exit", 1, "why"))

    async def test_every_cell_is_a_task(self):
        live = self.open(name="my")
        await self.check(live, "asyncio.current_task().get_name()", "'my-cell-0'\n")
        await self.check(live, "t = asyncio.current_task()")
        await self.check(live, "t is asyncio.current_task(), t.done()", "(False, True)\n")

    async def test_stacks_of_tasks_are_those_of_cells(self):
        live = self.open(name="my")
        cell = asyncio.ensure_future(live.run("await asyncio.sleep(1000)"))
        await self.until(lambda: live.is_busy)
        await asyncio.sleep(0)
        task = next(task for task in asyncio.all_tasks() if task.get_name() == "my-cell-0")
        self.assertEqual(task.get_coro().cr_code.co_name, "_evaluate")
        self.assertTrue(task.get_stack())
        live.interrupt()
        await cell

    async def test_nothing_is_left_after_a_hundred_sessions(self):
        tasks, threads, streams = asyncio.all_tasks(), threading.active_count(), (sys.stdout, sys.stderr, sys.stdin)
        for _ in range(100):
            live = self.open()
            await live.run("1")
            await live.run("await asyncio.sleep(0)")
            live.close()
        self.assertEqual((asyncio.all_tasks(), threading.active_count()), (tasks, threads))
        self.assertEqual((sys.stdout, sys.stderr, sys.stdin), streams)
        self.assertIs(sys.displayhook, sys.__displayhook__)

    async def test_closing_cancels_the_cell_and_those_that_wait(self):
        live, ended = self.open(), []
        live.start("await asyncio.sleep(1000)", 1, ended.append)
        live.start("print('not run')", 2, ended.append)
        await asyncio.sleep(0)
        live.close()
        await self.until(lambda: len(ended) == 2)
        self.assertEqual({outcome[1]["type"] for outcome in ended}, {"CancelledError"})

    async def test_cancelling_who_waits_cancels_the_cell(self):
        live = self.open()
        cell = asyncio.ensure_future(live.run("x = 1; await asyncio.sleep(1000)"))
        behind = asyncio.ensure_future(live.run("x = 2"))
        await self.until(lambda: "x" in live.namespace)
        behind.cancel()
        cell.cancel()
        await asyncio.wait([cell, behind])
        self.assertTrue(cell.cancelled() and behind.cancelled())
        await self.check(live, "x", "1\n")


EXITING = """
async def leave(code=3):
    await asyncio.sleep(0)
    raise SystemExit(code)
async def start(code=3):
    return asyncio.create_task(leave(code))
"""


class Started(LiveTest):
    """Tasks that cells start, and SystemExit in them: it would end the loop, and these tests with it."""

    async def test_the_task_ends_and_the_loop_goes_on(self):
        live = self.open()
        await self.check(live, EXITING)
        await self.check(live, "task = asyncio.create_task(leave()); further = await start()")
        await self.check(live, "done = await asyncio.wait([task, further])")
        shown = "a task has raised SystemExit(3)\n" * 2
        await self.check(live, "for done in task, further: print(done.exception())\n", shown)
        await self.check(live, "type(task.exception().exit), task.done()", "(<class 'SystemExit'>, True)\n")

    async def test_a_cell_that_awaits_it_ends_the_session(self):
        for source in (
            "await asyncio.create_task(leave())",
            "await asyncio.gather(leave(), asyncio.sleep(0))",
            "await (await start())",
            *(["async with asyncio.TaskGroup() as group: group.create_task(leave())"] if sys.version_info >= (3, 11) else []),
        ):
            live = self.open()
            await self.check(live, EXITING)
            self.assertEqual(await live.run(source), ("exit", 3, None), source)

    async def test_other_ends_are_what_they_were(self):
        live = self.open()
        await self.check(live, "async def f(x): await asyncio.sleep(0); return 1 / x\n")
        await self.check(live, "task = asyncio.create_task(f(2), name='half')\n(await task, task.get_name())", "(0.5, 'half')\n")
        raised = await self.raised(live, "await asyncio.create_task(f(0))")
        self.assertEqual(raised["type"], "ZeroDivisionError")
        await self.check(live, "task = asyncio.create_task(asyncio.sleep(60)); told = task.cancel(); done = await asyncio.wait([task])")
        await self.check(live, "task.cancelled()", "True\n")
        await self.check(live, "task = asyncio.create_task(f(1))")
        self.assertRegex(repr(live.namespace["task"]), r"<Task \w+ name='Task-\d+' coro=<f\(\)")
        await live.namespace["task"]

    async def test_the_programs_factory_makes_the_tasks(self):
        loop, made = asyncio.get_running_loop(), []

        def factory(loop, coroutine, **options):
            made.append(coroutine.__qualname__)
            return asyncio.Task(coroutine, loop=loop, **options)

        loop.set_task_factory(factory)
        live = self.open()
        await self.check(live, EXITING)
        made.clear()
        await self.check(live, "done = await asyncio.wait([asyncio.create_task(leave())])")
        self.assertEqual(made[-1], "leave")
        await self.check(live, "done[0].pop().exception().exit.code", "3\n")
        self.assertIs(loop.get_task_factory(), factory)
        # One that a cell has set stays.
        await self.check(live, "asyncio.get_running_loop().set_task_factory(None)")
        self.assertIsNone(loop.get_task_factory())

    @unittest.skipIf(sys.version_info < (3, 12), "there are no eager tasks")
    async def test_eager_tasks(self):
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        live = self.open()
        await self.check(live, EXITING + "async def at_once(): raise SystemExit(4)\n")
        await self.check(live, "tasks = [asyncio.create_task(at_once()), asyncio.create_task(leave())]")
        await self.check(live, "done = await asyncio.wait(tasks); [t.exception().exit.code for t in tasks]", "[4, 3]\n")
        self.assertIs(loop.get_task_factory(), asyncio.eager_task_factory)


class Builtins(LiveTest):
    async def test_underscore_is_the_sessions_own(self):
        self.addCleanup(vars(builtins).pop, "_", None)
        for program in (None, str):
            with self.subTest(program):
                if program is not None:
                    builtins._ = program
                first, second = self.open(), self.open()
                await self.check(first, "1", "1\n")
                await self.check(second, "2", "2\n")
                await self.check(first, "await asyncio.sleep(0); _ + 10", "11\n")
                await self.check(second, "_; await asyncio.sleep(0); _", "2\n2\n")
                self.assertIs(getattr(builtins, "_", None), program)

    async def test_a_program_that_has_underscore_shares_it_until_a_value_is_shown(self):
        self.addCleanup(vars(builtins).pop, "_", None)
        builtins._ = str.upper
        await self.check(self.open(), "print(_('a')); 5; _", "A\n5\n5\n")


class Contexts(LiveTest):
    async def test_the_callers_variables_are_seen_and_not_written(self):
        variable = contextvars.ContextVar("variable")
        variable.set("caller")
        live = self.open({"variable": variable})
        await self.check(live, "variable.get()", "'caller'\n")
        await self.check(live, "token = variable.set('session'); await asyncio.sleep(0)")
        await self.check(live, "await asyncio.sleep(0, variable.get())", "'session'\n")
        await self.check(live, "variable.reset(token); variable.get()", "'caller'\n")
        self.assertEqual(variable.get(), "caller")

    async def test_a_context_that_is_shared(self):
        variable, context = contextvars.ContextVar("variable"), contextvars.copy_context()
        # The second caller runs in the context itself.
        for name, begin in (("a", lambda open, *a, **o: open(*a, **o)), ("b", context.run)):
            live = begin(self.open, {"variable": variable}, context=context)
            await self.check(live, f"token = variable.set('{name}')")
            self.assertEqual(context[variable], name)


class Interrupts(LiveTest):
    async def test_a_cell_that_awaits(self):
        live, ended = self.open(), []
        await self.check(live, "n = 0\nasync def count():\n  global n\n  while True: await asyncio.sleep(0); n += 1")
        await self.check(live, "task = asyncio.ensure_future(count())")
        live.start("x = 1; await asyncio.sleep(1000); x = 2", 7, ended.append)
        await self.until(lambda: "x" in live.namespace)
        self.assertFalse(live.interrupt(8))
        self.assertTrue(live.interrupt(7))
        await self.until(lambda: ended)
        self.assertEqual((ended[0][0], ended[0][1]["traceback"]), ("raised", "KeyboardInterrupt\n"))
        await self.check(live, "x", "1\n")
        n = live.namespace["n"]
        await self.until(lambda: live.namespace["n"] > n)
        live.namespace["task"].cancel()
        self.assertFalse(live.interrupt())

    async def test_a_cell_that_ends_well_all_the_same(self):
        live = self.open()
        cell = asyncio.ensure_future(live.run("try: await asyncio.sleep(1000)\nexcept asyncio.CancelledError: 'caught'"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.assertTrue(live.interrupt())
        self.assertEqual(await cell, ("none",))
        self.assertEqual(self.out(), "'caught'\n")

    async def test_cells_that_have_not_begun(self):
        live = self.open()
        cells = [asyncio.ensure_future(live.run(f"print({number})", request=number)) for number in range(3)]
        await asyncio.sleep(0)  # they are given to the session, and the first has its task
        self.assertTrue(live.interrupt(2) and live.interrupt(0))
        first, second, third = await asyncio.gather(*cells)
        self.assertEqual((first[1]["type"], third[1]["type"]), ("KeyboardInterrupt", "KeyboardInterrupt"))
        self.assertEqual((second, self.out()), (("none",), "1\n"))

    async def test_a_cell_that_refuses_is_let_go_of_and_kept(self):
        stop, refused = asyncio.Event(), []
        live = self.open({"stop": stop, "refused": refused}, name="my")
        await self.check(live, STUBBORN)
        cell = asyncio.ensure_future(live.run("await stubborn()"))
        await self.until(lambda: live.is_busy)
        await asyncio.sleep(0)
        live.interrupt()
        await self.until(lambda: refused)
        self.assertFalse(cell.done())
        live.interrupt()
        self.assertEqual((await cell)[1]["type"], "KeyboardInterrupt")
        self.assertEqual(list(live.stubborn), ["my-cell-1"])
        await self.check(live, "40 + 2", "42\n")
        task = live.stubborn["my-cell-1"]
        self.assertFalse(task.done())
        stop.set()
        await task
        await asyncio.sleep(0)
        self.assertEqual(live.stubborn, {})

    def on_signal(self, live):
        """Let SIGUSR1 do what a front's handler does; what it did is in the list."""
        did = []

        def handler(number, frame):
            request = innermost()
            did.append(request)
            if request is not None:
                live.raise_here(request, frame)
            live.loop.call_soon_threadsafe(live.interrupt)

        self.addCleanup(signal.signal, signal.SIGUSR1, signal.signal(signal.SIGUSR1, handler))
        return did

    async def test_synchronous_code(self):
        live = self.open({"signal": signal}, loop=asyncio.get_running_loop())
        did = self.on_signal(live)
        for source in (
            "signal.raise_signal(signal.SIGUSR1)\nwhile True: pass",
            "await asyncio.sleep(0)\nsignal.raise_signal(signal.SIGUSR1)\nwhile True: pass",
            "class R:\n  def __repr__(self): signal.raise_signal(signal.SIGUSR1); return ''\nwhile True: R()",
        ):
            with self.subTest(source):
                self.written.clear()
                self.assertEqual((await self.raised(live, source))["type"], "KeyboardInterrupt")
        self.assertEqual(len(did), 3)
        self.assertNotIn(None, did)
        self.assertIsNone(innermost())

    async def test_tasks_that_a_cell_started_are_not_the_cell(self):
        live = self.open({"signal": signal}, loop=asyncio.get_running_loop())
        did = self.on_signal(live)
        await self.check(live, "async def other(): signal.raise_signal(signal.SIGUSR1); return 'went on'\n")
        info = await self.raised(live, "task = asyncio.ensure_future(other()); await asyncio.sleep(1000)")
        self.assertEqual((did, info["traceback"]), ([None], "KeyboardInterrupt\n"))
        self.assertEqual(await live.namespace["task"], "went on")

    async def test_the_innermost_of_sessions_in_one_another(self):
        live = self.open({"innermost": innermost})
        await live.run("innermost()", request=11)
        self.assertEqual(self.out(), "11\n")
        await live.run("async def f(): return innermost()\n")
        await live.run("innermost(), await f(), await asyncio.ensure_future(f())", request=12)
        self.assertEqual(self.out(), "(12, 12, None)\n")


class Output(LiveTest):
    async def test_the_program_keeps_its_own(self):
        with contextlib.redirect_stdout(io.StringIO()) as program:
            live = self.open()
            cell = asyncio.ensure_future(live.run("print('mine'); await asyncio.sleep(0.01); print('mine')"))
            await self.until(lambda: self.written)
            print("program")
            await cell
            live.close()
        self.assertEqual((self.out(), program.getvalue()), ("mine\nmine\n", "program\n"))

    async def test_tasks_of_a_session_write_to_it_after_their_cell(self):
        live = self.open()
        await self.check(live, "import sys\nasync def later():\n  await go.wait()\n  print('later', file=sys.stderr)")
        await self.check(live, "go = asyncio.Event(); task = asyncio.ensure_future(later())")
        live.namespace["go"].set()
        await live.namespace["task"]
        self.assertEqual(self.written, [("stderr", "later"), ("stderr", "\n")])

    async def test_two_sessions(self):
        first, second = [], []
        sessions = self.open(), self.open()
        for live, written in zip(sessions, (first, second)):
            live.route(lambda name, text, written=written: written.append(text))
        await asyncio.gather(*(live.run("print(1, end=''); await asyncio.sleep(0); print(2, end='')") for live in sessions))
        self.assertEqual((first, second), (["1", "", "2", ""],) * 2)
        sessions[0].close()
        await sessions[1].run("print(3)")
        self.assertIn("3", second)

    async def test_the_stream_of_a_session(self):
        live = self.open()
        await self.check(
            live,
            "import sys; out = sys.stdout\n"
            "out.isatty(), out.encoding, out.writable(), out.closed, out.name, out.write('ab')",
            "ab(False, 'utf-8', True, False, '<stdout>', 2)\n",
        )
        await self.check(live, "out.writelines(['a', 'b']); out.flush(); out.close(); out.closed", "abFalse\n")
        await self.check(live, "out.buffer.write(b'\\xc3') + out.buffer.write(b'\\xa9'); sys.stdout.buffer.flush()", "é2\n")
        self.assertEqual((await self.raised(live, "out.fileno()"))["type"], "UnsupportedOperation")
        self.assertEqual((await self.raised(live, "out.write(1)"))["type"], "TypeError")
        await self.check(live, "with out: 1", "1\n")

    async def test_the_stream_of_everyone_else(self):
        program = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
        with contextlib.redirect_stdout(program):
            live = self.open()
            self.assertIsNot(sys.stdout, program)
            self.assertEqual((sys.stdout.encoding, sys.stdout.buffer), ("latin-1", program.buffer))
            self.assertEqual(sys.stdout.write("é"), 1)
            sys.stdout.flush()
            live.close()
            self.assertIs(sys.stdout, program)
        self.assertEqual(program.buffer.getvalue(), b"\xe9")

    async def test_streams_that_others_put_in_place_stay(self):
        live = self.open()
        with contextlib.redirect_stdout(io.StringIO()) as others:
            live.close()
            self.assertIs(sys.stdout, others)

    async def test_input(self):
        live, lines = self.open(), iter(["first\n", "second\n", ""])
        live.route(lambda name, text: self.written.append((name, text)), lambda: next(lines))
        await self.check(live, "input('name? ')", "name? 'first'\n")
        await self.check(live, "import sys; sys.stdin.readline()", "'second\\n'\n")
        self.assertEqual((await self.raised(live, "input()"))["type"], "EOFError")
        live.route(lambda name, text: None)
        self.assertEqual((await self.raised(live, "input()"))["type"], "EOFError")

    async def test_a_session_without_output_of_its_own(self):
        streams = sys.stdout, sys.stderr, sys.stdin
        with contextlib.redirect_stdout(io.StringIO()) as program:
            await self.open(routed=False).run("print(1); 2")
        self.assertEqual((sys.stdout, sys.stderr, sys.stdin), streams)
        self.assertEqual(program.getvalue(), "1\n2\n")
        self.assertIsNone(_output.routed.get())


class LinesTest(unittest.TestCase):
    def test_a_block_is_over_at_an_empty_line(self):
        lines = Lines()
        self.assertEqual(lines.push("1"), "1")
        self.assertEqual([lines.push("if x:"), lines.push("  await y")], [None, None])
        self.assertTrue(lines)
        self.assertEqual(lines.push(""), "if x:\n  await y\n")
        self.assertEqual([lines.push(line) for line in ("f(", "", ")")], [None, None, "f(\n\n)"])
        self.assertEqual([lines.push(line) for line in ("", "# c", "a b", "'\0'")], ["", "# c", "a b", "'\0'"])
        lines.push("(")
        lines.clear()
        self.assertFalse(lines)


class NamesOfSessions(unittest.TestCase):
    def elsewhere(self, call):
        """What *call* returns in another thread."""
        found = []
        thread = threading.Thread(target=lambda: found.append(call()))
        thread.start()
        thread.join()
        return found[0]

    def test_other_threads_have_the_programs_while_a_step_runs(self):
        def programs():
            return "program"

        with unittest.mock.patch("builtins.input", programs):
            names, others = _steps.Names(), _steps.Names()
            names.give("input", lambda: "session")
            others.give("input", lambda: "other session")
            names.enter()
            taken = input
            self.assertEqual((input(), self.elsewhere(lambda: input())), ("session", "program"))

            def step():
                others.enter()
                try:
                    return input()
                finally:
                    others.leave()

            self.assertEqual(self.elsewhere(step), "other session")
            self.assertEqual(input(), "session")
            names.leave()
            self.assertIs(builtins.input, programs)
            # Who has kept it has the program's, too.
            self.assertEqual(taken(), "program")


if __name__ == "__main__":
    unittest.main()
