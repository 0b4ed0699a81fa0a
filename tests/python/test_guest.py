"""The guest's Python code with a host of the tests' own, on CPython 3.13."""

import asyncio
import builtins
import inspect
import io
import marshal
import os
import random
import signal
import sys
import tempfile
import unittest
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

if sys.version_info[:2] != (3, 13):
    raise unittest.SkipTest("the guest is CPython 3.13")

from fake_host import load_guest

saved = dict(argv=list(sys.argv), path=list(sys.path), recursion=sys.getrecursionlimit(), env=dict(os.environ))
host, guest = load_guest()


def tearDownModule():
    sys.argv[:], sys.path[:] = saved["argv"], saved["path"]
    sys.setrecursionlimit(saved["recursion"])
    os.environ.clear()
    os.environ.update(saved["env"])
    asyncio._set_running_loop(None)
    for name in ("display", "ToolError", "OutputLimitError", "_"):
        vars(builtins).pop(name, None)


def parameter(name, kind="", *default):
    return (name, kind, bool(default), default[0] if default else None, 0)


TOOLS = {
    "double": ([parameter("n", "integer")], "Twice n.", lambda n: 2 * n),
    "fail": ([], "", lambda: int("x")),
    "missing": ([], "", lambda: {}["k"]),
    "odd": ([parameter("text", "", "")], "", None),
    "echo": (
        [parameter("a"), parameter("b", "string", "d"), ("rest", "", False, None, 1), ("more", "", False, None, 2)],
        "",
        lambda *args, **kwargs: [list(args), kwargs],
    ),
    "maybe": ([parameter("x", "string", None)], "", lambda x=0: [x]),
    "late": ([parameter("a", "", 1), parameter("b", "")], "", lambda a=1, *, b: [a, b]),
}
for _type in ("string", "integer", "number", "boolean", "array", "object", "null"):
    TOOLS["take_" + _type] = ([parameter("v", _type)], "", lambda v: v)


class HttpError(Exception):
    pass


def _odd(text=""):
    raise HttpError(text)


class Case(unittest.TestCase):
    count = 0

    def setUp(self):
        self.main, sys.modules["__main__"] = sys.modules["__main__"], host.main
        self.running = asyncio._get_running_loop()
        host.functions = {name: function for name, (_, _, function) in TOOLS.items()}
        host.functions["odd"] = _odd
        guest._reset()
        guest.request(("start", {"argv": [""], "limits": {"wall": "5 s", "cpu": "2 s"}}))
        guest.request(("tools", [(name, parameters, doc) for name, (parameters, doc, _) in TOOLS.items()]))
        self.cell("import asyncio, sys")
        host.requests.clear()
        host.emitted.clear()

    def tearDown(self):
        host.hold = False
        host.finished.clear()
        host.on_wait.clear()
        guest.loop_module.calls.clear()
        self.assertFalse(guest.session.running)
        self.assertIsNone(guest.session.pending)
        self.assertIs(asyncio._get_running_loop(), guest.loop)
        for task in asyncio.all_tasks(guest.loop):
            task.cancel()
        while guest.loop._ready:
            guest.loop.turn()
        self.assertIsNone(guest.loop._cell)
        sys.modules["__main__"] = self.main

    def cell(self, source, mode="cell", filename=None):
        Case.count += 1
        outcome = guest.request(("run", source, filename or f"<cell {Case.count}>", mode))
        marshal.dumps(outcome, 2)
        return outcome

    def value(self, source):
        outcome = self.cell(source)
        self.assertEqual(outcome[0], "value", outcome[1:] and outcome[1])
        return outcome[4]

    def raised(self, source, **options):
        outcome = self.cell(source, **options)
        self.assertEqual(outcome[0], "raised", outcome)
        self.assertNotIn("_keelback", outcome[1]["traceback"])
        self.assertNotIn("_session", outcome[1]["traceback"])
        return outcome[1]

    def printed(self, source, **options):
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(out):
            self.cell(source, **options)
        return out.getvalue()


class Requests(Case):
    def test_run(self):
        self.assertEqual(self.cell("1+1"), ("value", "2", "int", True, 2, None))
        self.assertEqual(self.cell("("), ("incomplete",))

    def test_set_get_vars(self):
        self.assertIsNone(guest.request(("set", "x", [1, {"a": None}])))
        self.assertEqual(self.value("x"), [1, {"a": None}])
        self.assertEqual(guest.request(("get", "x")), (True, True, [1, {"a": None}], ""))
        self.assertEqual(guest.request(("get", "nothing")), (False, False, None, ""))
        self.cell("class R:\n  def __repr__(self): 1/0\nr = R()")
        self.assertEqual(
            guest.request(("get", "r")), (True, False, None, "<R object whose repr() raised ZeroDivisionError>")
        )
        listed = guest.request(("vars",))
        self.assertIn(("x", "list", "[1, {'a': None}]"), listed)
        self.assertFalse([name for name, _, _ in listed if name.startswith("__")])

    def test_display(self):
        self.cell("class H:\n  def _repr_html_(self): return '<b>'\n  def __repr__(self): return 'H'\ndisplay(H(), 2)")
        self.assertEqual(
            [(kind, marshal.loads(data)) for kind, data in host.emitted],
            [(3, {"text/plain": "H", "text/html": "<b>"}), (3, {"text/plain": "2"})],
        )

    def test_output_limit_error(self):
        kind, message = host.limit_error
        self.assertTrue(issubclass(kind, RuntimeError))
        self.assertIs(self.cell("OutputLimitError") and builtins.OutputLimitError, kind)

    def test_a_fresh_image_has_nothing_of_its_warm_up(self):
        self.assertNotIn("warm", host.main.__dict__)


class Surroundings(Case):
    def test_argv_and_environment(self):
        guest.request(("start", {"argv": ["a.py", "x"], "env": {"ONLY": "1"}}))
        self.assertEqual(self.value("sys.argv"), ["a.py", "x"])
        self.assertEqual(self.value("import os; dict(os.environ)"), {"ONLY": "1"})
        self.assertEqual(self.value("os.getenv('ONLY')"), "1")

    def test_recursion_limit(self):
        guest.request(("start", {"recursion_limit": 321}))
        self.assertEqual(self.value("sys.getrecursionlimit()"), 321)
        sys.setrecursionlimit(saved["recursion"])

    def test_forks_differ_and_seeds_repeat(self):
        def numbers():
            return self.value("import random, tempfile, uuid; [random.random(), next(tempfile._get_candidate_names())]")

        seen = []
        for seed in (None, None, b"a", b"a", b"b"):
            guest.request(("fork", {"random_seed": seed}))
            seen.append(numbers())
        self.assertNotEqual(seen[0], seen[1])
        self.assertEqual(seen[2][0], seen[3][0])
        self.assertNotEqual(seen[3], seen[4])

    def test_fork_keeps_names_and_arguments(self):
        guest.request(("start", {"argv": ["kept"]}))
        self.cell("x = 1")
        guest.request(("fork", {}))
        self.assertEqual(self.value("x, sys.argv"), (1, ["kept"]))

    def test_uuid1_of_forks_differ(self):
        seen = set()
        for _ in range(2):
            guest.request(("fork", {}))
            seen.add(self.value("import uuid; uuid.getnode()"))
        self.assertEqual(len(seen), 2)

    def test_exit_and_quit(self):
        self.assertEqual(self.cell("exit()"), ("exit", 0, None))
        self.assertEqual(self.cell("quit(4)"), ("exit", 4, None))
        self.assertEqual(self.cell("exit")[1], "Use exit() to exit")

    def test_breakpoint(self):
        info = self.raised("breakpoint()")
        self.assertEqual(info["type"], "RuntimeError")
        self.assertIn("not available in the sandbox", info["message"])

    def test_help(self):
        self.assertIn("len(obj, /)", self.printed("help(len)"))
        self.assertIn("Help on function double", self.printed("help(double)"))
        self.assertIn("Twice n.", self.printed("help(double)"))
        self.assertIn("double(n: int)", self.printed("help(double)"))

    def test_notices(self):
        for name in ("license", "credits", "copyright"):
            self.assertTrue(self.printed(f"{name}()"))

    def test_source_of_functions_and_classes(self):
        self.cell("class A:\n    x = 1\n")
        self.cell("@staticmethod\ndef f():\n    return 1\nclass A:\n    y = 2\n\nclass B(A): pass")
        self.assertEqual(self.value("import inspect; inspect.getsource(f)"), "@staticmethod\ndef f():\n    return 1\n")
        self.assertEqual(self.value("inspect.getsource(A)"), "class A:\n    y = 2\n")
        self.assertEqual(self.value("inspect.getsource(B)"), "class B(A): pass\n")
        self.assertEqual(self.raised("inspect.getsource(int)")["type"], "TypeError")

    def test_input_without_a_stream(self):
        before = sys.stdin
        sys.stdin = guest.start.open_stdin()
        read = guest.start.os.read
        guest.start.os.read = lambda *a: (_ for _ in ()).throw(OSError(9, "no"))
        try:
            self.assertEqual(self.raised("input()")["type"], "EOFError")
        finally:
            guest.start.os.read = read
            sys.stdin = before


class Programs(Case):
    def run_file(self, text, name="program.py", **more):
        folder = tempfile.mkdtemp()
        path = os.path.join(folder, name)
        Path(path).write_text(text)
        for key, content in more.items():
            Path(folder, key + ".py").write_text(content)
        return path, self.cell(text, "program", path)

    def test_path_and_file(self):
        path, outcome = self.run_file("import beside\nfound = beside.x, __file__, sys.path[0]", beside="x = 5")
        self.assertEqual(outcome, ("none",))
        self.assertEqual(host.main.found, (5, path, os.path.dirname(path)))
        sys.modules.pop("beside", None)

    def test_no_running_loop(self):
        self.assertEqual(self.raised("asyncio.get_running_loop()", mode="program")["type"], "RuntimeError")

    def test_asyncio_run(self):
        self.assertEqual(self.printed("async def m(): print('in')\nasyncio.run(m())", mode="program"), "in\n")

    def test_get_event_loop_and_run_until_complete(self):
        source = "loop = asyncio.new_event_loop()\nprint(loop.run_until_complete(asyncio.sleep(0, 4)))\nloop.close()"
        self.assertEqual(self.printed(source, mode="program"), "4\n")

    def test_nested_asyncio_run_is_refused_as_by_python3(self):
        source = "async def m():\n  c = asyncio.sleep(0)\n  try: asyncio.run(c)\n  finally: c.close()\nasyncio.run(m())"
        info = self.raised(source, mode="program")
        self.assertEqual(info["message"], "asyncio.run() cannot be called from a running event loop")

    def test_top_level_await(self):
        self.assertEqual(self.printed("print(await asyncio.sleep(0, 3))", mode="program"), "3\n")

    def test_exit_functions(self):
        self.assertEqual(self.printed("import atexit\natexit.register(print, 'bye')\nprint('hi')", mode="program"), "hi\n")
        with redirect_stdout(io.StringIO()) as out:
            self.assertEqual(guest.request(("finish",)), ("none",))
        self.assertEqual(out.getvalue(), "bye\n")
        self.assertNotIn("atexit", host.main.__dict__)

    def test_module(self):
        folder = tempfile.mkdtemp()
        Path(folder, "kb_module.py").write_text("import sys\nname = __name__\nif 'fail' in sys.argv: 1/0\nsys.exit(5)\n")
        sys.path.insert(1, folder)
        self.assertEqual(guest.request(("module", "kb_module")), ("exit", 5, None))
        self.assertEqual(host.main.name, "__main__")
        sys.argv.append("fail")
        kind, info = guest.request(("module", "kb_module"))
        self.assertEqual([frame[5] for frame in info["frames"]], ["<module>"])
        kind, code, message = guest.request(("module", "kb_no_such"))
        self.assertEqual((kind, code), ("exit", 1))
        self.assertIn("No module named kb_no_such", message)
        sys.path.remove(folder)


class Loops(Case):
    def test_await(self):
        self.assertEqual(self.value("await asyncio.sleep(0, 3)"), 3)
        self.assertEqual(host.names(), [])

    def test_a_timer_is_one_wait(self):
        host.on_wait.append(lambda: None)
        clock = iter(range(100, 200))
        guest.loop.time = lambda: next(clock)
        try:
            self.cell("await asyncio.sleep(3)")
        finally:
            del guest.loop.time
        self.assertLessEqual(len(host.requests), 1)
        for request in host.requests:
            self.assertIs(type(request[1]), float)

    def test_tasks_go_on_in_later_cells(self):
        self.cell("steps = []\nasync def work():\n  for i in range(3):\n    steps.append(i); await asyncio.sleep(0)\n")
        self.cell("task = asyncio.create_task(work())")
        self.assertEqual(self.value("steps"), [0])
        self.assertEqual(self.value("await task; steps"), [0, 1, 2])

    def test_running_loop_in_a_cell_without_await(self):
        self.assertEqual(self.value("asyncio.get_running_loop() is asyncio.get_event_loop()"), True)

    def test_a_cell_with_await_is_a_task(self):
        self.assertEqual(self.value("await asyncio.sleep(0)\nasyncio.current_task() is not None"), True)
        self.assertEqual(self.value("async with asyncio.timeout(5): x = await asyncio.sleep(0, 2)\nx"), 2)

    def test_asyncio_run_in_a_cell(self):
        self.cell("async def m():\n  await asyncio.sleep(0)\n  return asyncio.get_running_loop()")
        self.assertEqual(self.value("asyncio.run(m()) is not asyncio.get_running_loop()"), True)
        self.assertEqual(self.value("asyncio.run(m()) is await m()"), False)
        self.assertEqual(self.value("with asyncio.Runner() as r: x = r.run(asyncio.sleep(0, 8))\nx"), 8)
        self.assertEqual(self.value("asyncio.get_running_loop().run_until_complete(asyncio.sleep(0, 9))"), 9)
        self.assertEqual(self.value("l = asyncio.new_event_loop(); l.run_until_complete(asyncio.sleep(0, 1))"), 1)

    def test_to_thread_and_executors(self):
        self.assertEqual(self.value("await asyncio.to_thread(lambda: 5)"), 5)
        self.assertEqual(self.raised("await asyncio.to_thread(lambda: 1/0)")["type"], "ZeroDivisionError")

    def test_call_soon_threadsafe(self):
        self.assertEqual(
            self.value("f = asyncio.get_running_loop().create_future(); l = f.get_loop()\n"
                       "l.call_soon_threadsafe(f.set_result, 6)\nawait f"), 6)  # fmt: skip

    def test_unhandled_exceptions_of_tasks_are_reported(self):
        self.cell("async def bad(): raise KeyError('lost')")
        text = self.printed("t = asyncio.create_task(bad()); del t")
        text += self.printed("import gc; gc.collect(); None")
        self.assertIn("Task exception was never retrieved", text)
        self.assertIn("KeyError: 'lost'", text)

    def test_exit_in_an_await_and_in_a_task(self):
        self.assertEqual(self.cell("await asyncio.sleep(0); sys.exit(3)"), ("exit", 3, None))
        self.cell("async def leave(): sys.exit(4)")
        self.assertEqual(self.cell("t = asyncio.create_task(leave())"), ("exit", 4, None))
        self.assertEqual(self.value("await asyncio.sleep(0, 1)"), 1)

    def test_cancelling_the_cell_by_itself(self):
        self.assertEqual(self.raised("asyncio.current_task().cancel(); await asyncio.sleep(0)")["type"], "CancelledError")
        self.assertEqual(self.raised("await asyncio.wait_for(asyncio.Event().wait(), 0)")["type"], "TimeoutError")

    def test_context_variables_are_shared_by_cells(self):
        self.cell("import contextvars; v = contextvars.ContextVar('v'); token = v.set(1)")
        self.cell("await asyncio.sleep(0); t = v.set(2)")
        self.assertEqual(self.value("v.get()"), 2)
        self.assertEqual(self.value("v.reset(token); v.get(None) is None"), True)

    def test_frames_of_the_machinery_are_hidden(self):
        info = self.raised("async def f():\n  await asyncio.sleep(0)\n  1/0\nawait f()")
        self.assertEqual([frame[5] for frame in info["frames"]], ["<module>", "f"])


class Tools(Case):
    def test_plain_calls(self):
        self.assertEqual(self.value("double(4)"), 8)
        self.assertEqual(self.value("[double(i) for i in range(3)]"), [0, 2, 4])
        self.assertEqual(self.value("def f(x): return double(x) + 1\nf(1)"), 3)
        self.assertEqual(self.value("sum(double(i) for i in range(3))"), 6)
        self.assertEqual(self.value("list(map(double, [1]))"), [2])
        self.assertEqual(set(host.names()), {"tool"})

    def test_awaited_calls(self):
        for source, expected in [
            ("await double(4)", 8),
            ("await asyncio.gather(*(double(i) for i in range(20)))", [2 * i for i in range(20)]),
            ("await asyncio.gather(*[double(i) for i in range(3)])", [0, 2, 4]),
            ("await asyncio.gather(double(1), double(2))", [2, 4]),
            ("await asyncio.gather(*map(double, range(3)))", [0, 2, 4]),
            ("await asyncio.gather(*map(lambda i: double(i), range(3)))", [0, 2, 4]),
            ("await asyncio.wait_for(double(3), 5)", 6),
            ("t = double(5)\nx = 1\nawait t", 10),
            ("ts = [double(i) for i in range(3)]\nawait asyncio.gather(*ts)", [0, 2, 4]),
            ("ts = []\nfor i in range(3): ts.append(double(i))\nawait asyncio.gather(*ts)", [0, 2, 4]),
            ("ts = [double(i) for i in range(3)]\n[await t for t in ts]", [0, 2, 4]),
            ("ts = {i: double(i) for i in range(3)}\nawait asyncio.gather(*ts.values())", [0, 2, 4]),
            ("out = []\nts = [double(1)]\nfor t in ts: out.append(await t)\nout", [2]),
            ("t = asyncio.create_task(double(7))\nawait t", 14),
            ("async def m(): return await double(1)\nasyncio.run(m())", 2),
            ("async def m():\n  r = await asyncio.gather(*(double(i) for i in range(3)))\n  return r\nasyncio.run(m())", [0, 2, 4]),
            ("asyncio.run(double(2))", 4),
            ("async def m():\n  async with asyncio.TaskGroup() as g:\n    a = g.create_task(double(1))\n  return a.result()\nawait m()", 2),
            ("async def m():\n  return sorted([await c for c in asyncio.as_completed([double(1), double(0)])])\nawait m()", [0, 2]),
        ]:  # fmt: skip
            with self.subTest(source):
                host.requests.clear()
                self.assertEqual(self.value(source), expected)
                self.assertLessEqual(set(host.names()), {"start", "wait"})

    def test_both_ways_in_one_cell(self):
        self.assertEqual(self.value("a = double(1)\nb = await double(a)\nprint(end='')\na, b"), (2, 4))
        self.assertEqual(self.value("await asyncio.sleep(0)\nx = double(1) + 1\nx"), 3)
        self.assertEqual(self.value("x = [double(i) for i in range(2)]\nawait asyncio.sleep(0)\nx"), [0, 2])

    def test_many_calls_are_under_way_at_once(self):
        self.cell("await asyncio.gather(*(double(i) for i in range(20)))")
        self.assertEqual(host.names(), ["start"] * 20 + ["wait"])

    def test_a_task_started_in_one_cell_and_awaited_in_the_next(self):
        self.cell("t = asyncio.create_task(double(7))")
        self.assertEqual(self.value("await t"), 14)

    def test_a_call_used_without_await(self):
        self.cell("import warnings; warnings.simplefilter('ignore')")
        for use in ("x + 1", "x.upper()", "x[0]", "str(x)", "f'{x}'", "if x: pass", "len(x)", "x < 1", "x()", "-x", "int(x)"):
            with self.subTest(use):
                info = self.raised(f"async def m():\n  x = double(1)\n  {use}\n  await x\nawait m()")
                self.assertEqual(info["type"], "TypeError")
                self.assertIn("write await double(...)", info["message"])

    def test_a_forgotten_call_is_reported(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.cell("async def m():\n  x = double(1)\n  if 0: await x\nawait m()")
        self.assertEqual([str(w.message) for w in caught], ["tool call 'double' was never awaited"])
        self.assertEqual(caught[0].lineno, 2)

    def test_repr_of_a_call(self):
        text = self.value("async def m():\n  x = double(1)\n  r = repr(x)\n  await x\n  return r\nawait m()")
        self.assertEqual(text, "<tool call not awaited: write await double(...)>")

    def test_errors_of_tools(self):
        for source in ("fail()", "await fail()", "(await asyncio.gather(fail()))"):
            info = self.raised(source)
            self.assertEqual(info["type"], "ValueError")
            self.assertIn("invalid literal", info["message"])
        info = self.raised("odd('404')")
        self.assertEqual((info["type"], info["module"], info["message"]), ("ToolError", "builtins", "HttpError: 404"))
        self.assertEqual(self.value("from tools import ToolError as T\ntry: odd()\nexcept T as e: x = 1\nx"), 1)
        self.assertEqual(self.value("try: odd()\nexcept ToolError: x = 2\nx"), 2)

    def test_traceback_of_a_tool_error(self):
        self.assertEqual([frame[5] for frame in self.raised("def f(): fail()\nf()")["frames"]], ["<module>", "f"])
        self.assertEqual([frame[5] for frame in self.raised("async def f(): await fail()\nawait f()")["frames"]], ["<module>", "f"])

    def test_make_error(self):
        make = guest.tools.make_error
        self.assertEqual(repr(make("KeyError", "k")), "KeyError('k')")
        self.assertEqual(type(make("UnicodeDecodeError", "m")).__name__, "ToolError")
        self.assertEqual(type(make("KeyboardInterrupt", "m")).__name__, "ToolError")
        self.assertEqual(type(make("print", "m")).__name__, "ToolError")

    def test_binding(self):
        for source, message in [
            ("double()", "double() missing 1 required positional argument: 'n'"),
            ("double(1, 2)", "double() takes 1 positional argument but 2 were given"),
            ("double(m=1)", "double() got an unexpected keyword argument 'm'"),
            ("double(1, n=2)", "double() got multiple values for argument 'n'"),
        ]:
            with self.subTest(source):
                info = self.raised(source)
                self.assertEqual(info["type"], "TypeError")
                self.assertTrue(info["message"].startswith(message), info["message"])
        self.assertEqual(host.names(), [])

    def test_arguments_arrive_as_given(self):
        self.assertEqual(self.value("echo(1)"), [[1], {}])
        self.assertEqual(self.value("echo(1, 'x', 2, 3, z=4)"), [[1, "x", 2, 3], {"z": 4}])
        self.assertEqual(self.value("echo(a=1, b='x')"), [[1, "x"], {}])
        self.assertEqual(self.value("maybe(), maybe(None), maybe('a')"), ([0], [None], ["a"]))
        self.assertEqual(self.value("late(b=2), late(5, b=3)"), ([1, 2], [5, 3]))

    def test_types(self):
        values = {
            "string": ["'a'"],
            "integer": ["1"],
            "number": ["1", "1.5"],
            "boolean": ["True"],
            "array": ["[1]", "(1,)"],
            "object": ["{'a': 1}"],
            "null": ["None"],
        }
        for name, good in values.items():
            for others, items in values.items():
                for item in items:
                    if item in good:
                        self.assertEqual(self.value(f"[take_{name}({item})]"), [eval(item)])
                    else:
                        with self.subTest(name=name, item=item):
                            info = self.raised(f"take_{name}({item})")
                            given = type(eval(item)).__name__
                            self.assertEqual(info["message"], f"take_{name}() argument 'v' must be {name}, not {given}")

    def test_values_that_cannot_cross(self):
        for source, message in [
            ("echo(object())", "echo() argument 'a': object cannot be passed to a tool"),
            ("echo([object()])", "echo() argument 'a': list holds object, which cannot be passed to a tool"),
            ("echo(1, z=len)", "echo() argument 'z': builtin_function_or_method cannot be passed to a tool"),
            ("l = []; l.append(l)\necho(l)", "echo() argument 'a': list is nested too deeply or refers to itself"),
        ]:
            with self.subTest(source):
                self.assertEqual(self.raised(source)["message"], message)
        self.assertEqual(self.value("import collections\necho(collections.Counter('a'))"), [[{"a": 1}], {}])

    def test_signature_and_names(self):
        self.cell("import inspect")
        self.assertEqual(self.value("str(inspect.signature(double))"), "(n: int)")
        self.assertEqual(self.value("str(inspect.signature(echo))"), "(a, b: str = 'd', *rest, **more)")
        self.assertEqual(self.value("double.__name__, double.__doc__, double.__module__"), ("double", "Twice n.", "tools"))
        self.assertEqual(self.value("import tools; tools.double is double"), True)

    def test_installing_again(self):
        guest.request(("tools", [("other", [], "")]))
        self.assertEqual(self.raised("double(1)")["type"], "NameError")
        self.assertEqual(self.raised("import tools; tools.double")["type"], "AttributeError")
        self.assertEqual(self.value("callable(other)"), True)

    def test_names_that_cannot_be_parameters(self):
        with self.assertRaises(ValueError):
            guest.request(("tools", [("other", [parameter("not a name")], "")]))

    def test_cancelling_a_call_tells_the_host(self):
        host.hold = True
        info = self.raised("await asyncio.wait_for(double(1), 0.000001)")
        self.assertEqual(info["type"], "TimeoutError")
        self.assertIn("cancel", host.names())


    def test_cancelling_a_task_before_its_first_step_tells_the_host(self):
        host.hold = True
        self.cell("t = asyncio.create_task(double(1))\nt.cancel()\ntry: await t\nexcept asyncio.CancelledError: pass")
        self.assertIn("cancel", host.names())

    def test_a_task_of_a_call_can_be_shown(self):
        text = self.value("t = asyncio.create_task(double(1))\nr = repr(t)\nawait t\nr")
        self.assertIn("coro=<double()>", text)

    def test_a_call_that_the_host_cancelled(self):
        host.hold = True
        self.cell("t = asyncio.create_task(double(1))\nawait asyncio.sleep(0)")
        call_id = next(request[1] for request in host.requests if request[0] == "start")
        host.finished.append((call_id, False, ("keelback.cancelled", "")))
        self.assertIs(self.value("await asyncio.wait([t])\nt.cancelled()"), True)


class Interrupts(Case):
    def interrupt(self, number=signal.SIGINT):
        return lambda: signal.raise_signal(number)

    def test_in_plain_code(self):
        self.cell("import signal")
        for number, name, message in [
            ("SIGINT", "KeyboardInterrupt", ""),
            ("SIGALRM", "TimeoutError", "cell used all 5 s of wall time"),
            ("SIGXCPU", "TimeoutError", "cell used all 2 s of CPU time"),
        ]:
            info = self.raised(f"try: signal.raise_signal(signal.{number})\nfinally: cleaned = '{number}'")
            self.assertEqual((info["type"], info["message"]), (name, message))
            self.assertEqual(host.main.cleaned, number)
            self.assertEqual([frame[5] for frame in info["frames"]], ["<module>"])

    def test_while_a_cell_awaits(self):
        for number, name in [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGALRM, "TimeoutError")]:
            host.on_wait.append(self.interrupt(number))
            info = self.raised("cleaned = False\ntry: await asyncio.Event().wait()\nfinally: cleaned = True")
            self.assertEqual(info["type"], name)
            self.assertTrue(host.main.cleaned)
            self.assertEqual(self.value("await asyncio.sleep(0, 1)"), 1)

    def test_the_cell_sees_the_interrupt_itself(self):
        host.on_wait.append(self.interrupt())
        self.assertEqual(
            self.value("try: await asyncio.Event().wait()\nexcept KeyboardInterrupt: x = 'caught'\nawait asyncio.sleep(0)\nx"),
            "caught",
        )

    def test_other_tasks_live_on(self):
        self.cell("e = asyncio.Event()\nasync def work():\n  await e.wait()\n  return 'lived'\nt = asyncio.create_task(work())")
        host.on_wait.append(self.interrupt())
        self.raised("await asyncio.Event().wait()")
        self.assertEqual(self.value("e.set(); await t"), "lived")

    def test_in_a_destructor(self):
        self.cell("import signal\nclass D:\n  def __del__(self): signal.raise_signal(signal.SIGINT)")
        info = self.raised("async def f():\n  D()\n  await asyncio.sleep(60)\nawait f()")
        self.assertEqual(info["type"], "KeyboardInterrupt")

    def test_in_the_report_of_a_task_that_failed(self):
        self.cell("import signal\nclass E(Exception):\n  def __str__(self): signal.raise_signal(signal.SIGALRM); return 'E'")
        self.cell("async def fail(): raise E")
        with redirect_stderr(io.StringIO()):
            info = self.raised(
                "t = asyncio.create_task(fail())\nawait asyncio.sleep(0)\ndel t\nawait asyncio.sleep(60)"
            )
        self.assertEqual(info["type"], "TimeoutError")

    def test_while_a_tool_runs(self):
        host.functions["double"] = lambda n: signal.raise_signal(signal.SIGINT)
        self.assertEqual(self.raised("double(1)")["type"], "KeyboardInterrupt")
        host.hold = True
        host.on_wait.append(self.interrupt())
        self.assertEqual(self.raised("await double(1)")["type"], "KeyboardInterrupt")
        self.assertEqual(host.names()[-1], "cancel")

    def test_in_another_task_that_never_waits(self):
        self.cell("import signal\nasync def spin():\n  signal.raise_signal(signal.SIGALRM)\n  await asyncio.sleep(0)")
        with redirect_stderr(io.StringIO()):
            info = self.raised("t = asyncio.create_task(spin())\nawait asyncio.Event().wait()")
            self.assertEqual(info["message"], "cell used all 5 s of wall time")
            self.cell("del t")

    def test_after_the_cell_in_a_task_that_never_waits(self):
        self.cell("import signal\nasync def spin(): signal.raise_signal(signal.SIGALRM)")
        with redirect_stderr(io.StringIO()):
            self.assertEqual(self.raised("t = asyncio.create_task(spin())")["type"], "TimeoutError")
            self.cell("del t")

    def test_in_asyncio_run(self):
        self.cell("async def m():\n  global cleaned\n  try: await asyncio.Event().wait()\n  finally: cleaned = True")
        for number, name in [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGXCPU, "TimeoutError")]:
            self.cell("cleaned = False")
            host.on_wait.append(self.interrupt(number))
            self.assertEqual(self.raised("asyncio.run(m())")["type"], name)
            self.assertTrue(host.main.cleaned)

    def test_in_asyncio_run_in_another_task(self):
        self.cell("import signal\nasync def spin(): signal.raise_signal(signal.SIGALRM)\n"
                  "async def m():\n  t = asyncio.create_task(spin())\n  await asyncio.Event().wait()")  # fmt: skip
        with redirect_stderr(io.StringIO()):
            self.assertEqual(self.raised("asyncio.run(m())")["type"], "TimeoutError")

    def test_in_a_repr(self):
        self.cell("import signal\nclass R:\n  def __repr__(self): signal.raise_signal(signal.SIGINT)\n")
        self.assertEqual(self.raised("R()")["type"], "KeyboardInterrupt")

    def test_in_the_text_of_an_exception(self):
        self.cell("import signal\nclass E(Exception):\n  def __str__(self): signal.raise_signal(signal.SIGINT)\n")
        self.assertEqual(self.raised("raise E")["type"], "E")

    def test_between_cells_nothing_is_raised(self):
        signal.raise_signal(signal.SIGINT)
        self.assertEqual(self.raised("x = 1")["type"], "KeyboardInterrupt")
        self.assertEqual(self.value("2"), 2)

    def test_at_any_line_of_the_machinery(self):
        """An interrupt at every line the machinery runs still gives a well-formed outcome."""
        ours = {code.co_filename for code in (guest.request.__code__, type(guest.session).run.__code__,
                                              guest.loop_module.Loop.run_cell.__code__)}  # fmt: skip
        for source in ("1+1", "x = 1; 1/0", "await asyncio.sleep(0, 1)", "t = asyncio.create_task(asyncio.sleep(0))"):
            position = 0
            while True:
                seen = 0
                fired = False; where = None

                def trace(frame, event, arg):
                    nonlocal seen, fired, where
                    if frame.f_code.co_filename not in ours:
                        return None
                    if event == "line" and not fired:
                        seen += 1
                        if seen > position:
                            fired = True; where = frame.f_code.co_qualname, frame.f_lineno
                            sys.settrace(None)
                            guest.signals.handle(signal.SIGINT, frame)
                    return trace

                sys.settrace(trace)
                try:
                    outcome = self.cell(source)
                finally:
                    sys.settrace(None)
                self.assertIn(outcome[0], ("value", "none", "raised", "invalid"))
                self.assertFalse(guest.session.running)
                # The session works afterwards; an interrupt after the last line belongs to no cell.
                guest.session.pending = None
                self.assertEqual(self.cell("await asyncio.sleep(0, 5)")[:2], ("value", "5"), (source, position, outcome, where))
                if not fired:
                    break
                position += 1


if __name__ == "__main__":
    unittest.main()
