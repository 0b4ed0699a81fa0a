"""The package `keelback` from the host's side: values, results, limits, states, tools, grants."""

import dataclasses
import enum
import math
import os
import sys
import tempfile
import threading
import typing
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

import keelback  # noqa: E402
from keelback import Limits, Sandbox, SandboxError, SessionLost, Tool  # noqa: E402


class Case(unittest.TestCase):
    options = {}

    def setUp(self):
        self.box = self.make(**self.options)

    def make(self, **options):
        box = Sandbox(**options)
        self.addCleanup(box.close)
        return box

    def value(self, code, box=None):
        result = (box or self.box).run(code).raise_for_error()
        self.assertTrue(result.has_value, result)
        return result.value

    def error(self, code, box=None):
        result = (box or self.box).run(code)
        self.assertIsNotNone(result.error, result)
        return result.error


class Values(Case):
    def test_a_container_that_changes_its_size_is_refused(self):
        class Odd(set):
            def __iter__(self):
                return iter([*set(self), "more"])

        self.box.set(x=1)
        with self.assertRaisesRegex(ValueError, "changed its size"):
            self.box.set(x=[Odd({1})])
        self.assertEqual(self.box.get("x"), 1)

    def test_what_crosses_is_the_same_on_both_sides(self):
        for value in [
            None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**63, 2**70, -(2**70), 0.1, -0.0, math.inf, -math.inf, 1e-320,
            "", "naïve 🐍 \0", b"", b"\0\xff", (), (1,), [], {}, set(), frozenset(), {1, "a", None}, frozenset({(1, 2)}),
            1 + 2j, {"a": [1, (2, {3: {4.0, b"5"}})], (1, None): frozenset({"x"})}, [[[[]]]],
        ]:  # fmt: skip
            with self.subTest(value=value):
                self.box.set(x=value)
                for back in (self.box.get("x"), self.value("[x]")[0], self.value(f"[{value!r}]".replace("inf", "1e999"))[0]):
                    self.assertEqual(back, value)
                    self.assertIs(type(back), type(value))
                    if type(value) is float:
                        self.assertEqual(repr(back), repr(value))  # -0.0 == 0.0

    def test_nan(self):
        self.box.set(x=math.nan)
        self.assertTrue(math.isnan(self.box.get("x")))
        self.assertTrue(self.value("x != x"))

    def test_order_of_a_dict_is_kept(self):
        self.box.set(x={"b": 1, "a": 2})
        self.assertEqual(list(self.box.get("x")), ["b", "a"])

    def test_a_hundred_megabytes(self):
        box = self.make(limits=Limits(memory="1GiB"))
        text = "0123456789" * 10_000_000
        box.set(x=text)
        self.assertTrue(box.get("x") == text)

    def test_what_cannot_cross_is_a_type_error(self):
        for value in (object(), len, int, sys, [object()], {"a": range(3)}):
            with self.subTest(value=value), self.assertRaisesRegex(TypeError, "cannot cross to the sandbox"):
                self.box.set(x=value)
        loop = []
        loop.append(loop)
        with self.assertRaises((ValueError, RecursionError)):
            self.box.set(x=loop)
        self.assertEqual(self.value("1"), 1)

    def test_what_cannot_leave_is_a_type_error(self):
        self.box.run("x = object(); import sys")
        with self.assertRaisesRegex(TypeError, "^the value of 'x' cannot leave the sandbox: <object object at "):
            self.box.get("x")
        with self.assertRaisesRegex(NameError, "^name 'y' is not defined in the sandbox$"):
            self.box.get("y")
        result = self.box.run("x")
        self.assertTrue(result.has_value)
        self.assertIsNone(result.value)
        self.assertEqual(result.value_type, "object")
        self.assertRegex(result.value_repr, "^<object object at ")

    def test_set_get_variables(self):
        self.box.set(a=1, b="x")
        self.box.run("c = [a, b]\ndef f(): pass")
        self.assertEqual(self.box.get("c"), [1, "x"])
        found = {variable.name: variable for variable in self.box.variables()}
        self.assertEqual(found["a"], keelback.Variable("a", "int", "1"))
        self.assertEqual(found["f"].type, "function")
        self.assertEqual(set(found), {"a", "b", "c", "f"})


class Results(Case):
    def test_a_value(self):
        result = self.box.run("print('a'); 6 * 7")
        self.assertEqual((result.value, result.has_value, result.value_repr, result.value_type), (42, True, "42", "int"))
        self.assertIsNone(result.error)
        self.assertIs(result.raise_for_error(), result)
        self.assertFalse(result.incomplete)
        self.assertIsNone(result.final)
        self.assertEqual(repr(result), "<keelback.Result value=42>")
        self.assertEqual(result.usage.output_bytes, 2)
        self.assertGreater(result.usage.peak_memory, 0)
        self.assertGreater(result.usage.time, 0)

    def test_no_value_and_none(self):
        for code in ("x = 1", "None"):
            result = self.box.run(code)
            self.assertIsNone(result.value)
            self.assertIsNone(result.error)
        self.assertFalse(self.box.run("x = 1").has_value)

    def test_output_keeps_its_order(self):
        result = self.box.run("import sys\nprint('a'); print('b', file=sys.stderr); print('c')")
        self.assertEqual("".join(f"{stream[3]}{text}" for stream, text in result.output), "oa\neb\noc\n")
        self.assertEqual((result.stdout, result.stderr), ("a\nc\n", "b\n"))

    def test_output_of_bytes_that_are_not_text(self):
        result = self.box.run("import sys\nfor b in 'é🐍'.encode() + b'\\xff.': sys.stdout.buffer.write(bytes([b])); sys.stdout.flush()")
        self.assertEqual(result.stdout, "é🐍\ufffd.")

    def test_display(self):
        code = "class A:\n  def __repr__(self): return 'A()'\n  def _repr_html_(self): return '<a>'\ndisplay(A())\nA()"
        result = self.box.run(code)
        self.assertEqual(result.display, [{"text/plain": "A()", "text/html": "<a>"}] * 2)

    def test_errors(self):
        error = self.error("def f(x):\n    return 1 / x\n\nf(0)")
        self.assertEqual((error.type, error.module, error.message), ("ZeroDivisionError", "builtins", "division by zero"))
        self.assertEqual(error.args, ("division by zero",))
        self.assertEqual([(f.name, f.line, f.source) for f in error.frames], [("<module>", 4, "f(0)"), ("f", 2, "return 1 / x")])
        self.assertEqual((error.frames[1].column, error.frames[1].end_column), (11, 16))
        self.assertTrue(error.traceback.startswith("Traceback (most recent call last):\n"), error.traceback)
        self.assertTrue(error.traceback.endswith("ZeroDivisionError: division by zero\n"), error.traceback)
        self.assertEqual(str(error), "ZeroDivisionError: division by zero")
        self.assertIsNone(error.limit)

    def test_raise_for_error(self):
        result = self.box.run("raise KeyError('x', object)")
        with self.assertRaises(keelback.ExecutionError) as raised:
            result.raise_for_error()
        self.assertIs(raised.exception.error, result.error)
        self.assertIs(raised.exception.result, result)
        self.assertIn("KeyError", str(raised.exception))
        self.assertEqual(result.error.args, ("x", "<class 'object'>"))
        self.assertNotIsInstance(raised.exception, keelback.LimitError)

    def test_notes_and_classes_of_the_guest(self):
        error = self.error("class E(Exception): pass\ne = E('x'); e.add_note('n')\nraise e")
        self.assertEqual((error.type, error.module, error.notes), ("E", "__main__", ["n"]))

    def test_syntax_errors(self):
        error = self.error("x = (1,\ny = 2 +* 3)")
        self.assertEqual(error.type, "SyntaxError")
        error = self.error("a = 1\nb = = 2")
        self.assertEqual((error.syntax.msg, error.syntax.lineno, error.syntax.offset), ("invalid syntax", 2, 5))
        self.assertEqual(error.syntax.text, "b = = 2\n")
        self.assertIn("    ^\nSyntaxError: invalid syntax", error.traceback)
        error = self.box.run("nonsense nonsense", filename="f.py").error
        self.assertEqual(error.syntax.filename, "f.py")
        self.assertEqual(self.error("if 1:\nx").type, "IndentationError")

    def test_system_exit(self):
        for code, status in (("", 0), ("0", 0), ("3", 3), ("'bye'", 1), ("None", 0)):
            result = self.box.run(f"import sys; sys.exit({code})")
            self.assertEqual((result.error.type, result.error.exit_code), ("SystemExit", status), code)
            if status:
                self.assertRaises(keelback.ExecutionError, result.raise_for_error)
            else:
                result.raise_for_error()
        self.assertEqual(self.error("raise SystemExit('bye')").message, "bye")

    def test_kinds_and_filename(self):
        result = self.box.run("print(__name__)\n1 / 0", kind="program", filename="p.py")
        self.assertEqual(result.stdout, "__main__\n")
        self.assertIn('File "p.py", line 2', result.error.traceback)
        self.assertIn("Beautiful is better than ugly.", self.box.run("this", kind="module").stdout)

    def test_results_are_shown_by_their_fields(self):
        self.assertEqual(repr(keelback.Variable("a", "int", "1")), "Variable(name='a', type='int', repr='1')")
        self.assertEqual(repr(self.box.run("1/0")), "<keelback.Result error='ZeroDivisionError: division by zero'>")


class EachLimit(unittest.TestCase):
    def check(self, kind, code, **limits):
        def tool():
            return 1

        with Sandbox(limits=Limits(**limits), tools=[tool]) as box:
            box.run("kept = 5")
            result = box.run(code)
            with self.assertRaises(kind) as raised:
                result.raise_for_error()
            self.assertIsInstance(raised.exception, keelback.LimitError)
            (name,) = limits
            self.assertEqual(raised.exception.limit, name)
            self.assertTrue(raised.exception.limit_text)
            self.assertIs(raised.exception.result, result)
            self.assertEqual(box.run("kept").value, 5)

    def test_time(self):
        self.check(keelback.TimeLimit, "while True: pass", time=0.1)

    def test_cpu(self):
        self.check(keelback.CpuLimit, "while True: pass", cpu=0.1)

    def test_memory(self):
        self.check(keelback.MemoryLimit, "x = bytearray(500 << 20)", memory="150MB")

    def test_output(self):
        self.check(keelback.OutputLimit, "print('x' * 10**6)", output=10_000)

    def test_tool_calls(self):
        self.check(keelback.ToolCallLimit, "for i in range(9): tool()", tool_calls=3)

    def test_a_wait_is_ended_by_the_time_limit(self):
        self.check(keelback.TimeLimit, "import time; time.sleep(60)", time=0.05)

    def test_limits_inside_the_guest(self):
        with Sandbox(limits=Limits(recursion=100, scratch="1MB", open_files=8)) as box:
            self.assertEqual(box.run("def f(): f()\nf()").error.type, "RecursionError")
            self.assertEqual(box.run("open('/tmp/x', 'wb').write(bytes(2 << 20))").error.type, "OSError")
            self.assertEqual(box.run("l = [open('/tmp/y', 'w') for i in range(20)]").error.type, "OSError")

    def test_none_is_no_limit(self):
        names = ["time", "cpu", "memory", "output", "tool_calls", "open_files", "scratch", "connections", "connect_time"]
        names += ["network_sent", "network_received", "grace"]
        for name in names:
            with self.subTest(name), Sandbox(limits=Limits(**{name: None})) as box:
                self.assertEqual(box.run("1").value, 1)

    def test_bad_limits(self):
        with self.assertRaisesRegex(TypeError, "^there is no limit 'tme'; there are: connect_time, "):
            Limits(tme=1)
        with self.assertRaisesRegex(SandboxError, "^limit 'memory' is 'lots': write a number of bytes"):
            Limits(memory="lots")
        for bad in ({"memory": 1.5}, {"memory": []}):
            self.assertRaises(TypeError, Limits, **bad)
        for bad in ({"time": -1}, {"time": math.nan}, {"memory": 1}, {"recursion": 1}):
            with self.subTest(bad), self.assertRaises(SandboxError):
                Sandbox(limits=Limits(**bad))
        self.assertEqual(repr(Limits(memory="2kB", time=1)), "Limits(memory=2000, time=1)")


class States(Case):
    def test_transaction(self):
        self.box.set(x=[1])
        result = self.box.run("x.append(2); y = 1; 1/0", transaction=True)
        self.assertTrue(result.rolled_back)
        self.assertEqual(self.box.get("x"), [1])
        self.assertRaises(NameError, self.box.get, "y")
        result = self.box.run("x.append(2)", transaction=True)
        self.assertFalse(result.rolled_back)
        self.assertEqual(self.box.get("x"), [1, 2])

    def test_fork(self):
        self.box.set(x=[1])
        other = self.box.fork()
        self.addCleanup(other.close)
        self.box.run("x.append(2)")
        other.run("x.append(3)")
        self.assertEqual((self.box.get("x"), other.get("x")), ([1, 2], [1, 3]))
        self.box.close()
        self.assertEqual(other.get("x"), [1, 3])

    def test_checkpoint_any_number_of_times(self):
        self.box.set(x=1)
        checkpoint = self.box.checkpoint()
        for value in (2, 3):
            self.box.set(x=value)
            self.box.rollback(checkpoint)
            self.assertEqual(self.box.get("x"), 1)

    def test_save_and_load(self):
        def tool():
            return 7

        self.box.run("x = {'a': (1, 2)}\ndef f(): return x")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "saved")
            self.box.save(path)
            with keelback.load(path, tools=[tool]) as box:
                self.assertEqual(box.run("f(), tool()").value, ({"a": (1, 2)}, 7))
            with self.assertRaises(SandboxError):
                keelback.load(Path(folder, "absent"))
            path.write_bytes(b"nonsense")
            with self.assertRaises(SandboxError):
                keelback.load(path)

    def test_closed(self):
        checkpoint = self.box.checkpoint()
        self.box.close()
        self.box.close()
        uses = [lambda: self.box.run("1"), lambda: self.box.set(x=1), lambda: self.box.get("x"), self.box.variables,
                self.box.fork, self.box.checkpoint, lambda: self.box.save("/dev/null"), lambda: self.box.set_tools([]),
                lambda: list(self.box.stream("1"))]  # fmt: skip
        for use in uses:
            self.assertRaisesRegex(SessionLost, "^the sandbox is closed$", use)
        self.assertFalse(self.box.interrupt())
        self.box.rollback(checkpoint)
        self.assertEqual(self.value("1"), 1)

    def test_the_end_of_with_writes_open_files(self):
        with tempfile.TemporaryDirectory() as folder:
            with Sandbox(write={folder: "/data"}) as box:
                box.run("f = open('/data/x', 'w'); f.write('abc')")
            self.assertEqual(Path(folder, "x").read_text(), "abc")

    def test_deterministic(self):
        code = "import random, time; (random.random(), time.time())"
        one, two = (self.value(code, self.make(deterministic=5)) for _ in range(2))
        self.assertEqual(one, two)


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


class Movie(typing.TypedDict):
    name: str
    year: int


class Tools(Case):
    def check(self, function, call, wanted, **options):
        self.box.set_tools([Tool(function, name="f", **options)])
        result = self.box.run(call)
        got = str(result.error) if result.error else result.value
        self.assertEqual(got, wanted)

    def test_ways_to_pass(self):
        def f(a, b=2, *rest, c, d=4, **more):
            return [a, b, list(rest), c, d, more]

        self.check(f, "f(1, c=3)", [1, 2, [], 3, 4, {}])
        self.check(f, "f(1, 5, 6, 7, c=3, d=8, e=9)", [1, 5, [6, 7], 3, 8, {"e": 9}])
        self.check(f, "f(a=1, b=0, c=3)", [1, 0, [], 3, 4, {}])
        self.check(f, "f(1)", "TypeError: f() missing 1 required keyword-only argument: 'c'")
        self.check(lambda a, b: 0, "f(1)", "TypeError: f() missing 1 required positional argument: 'b'")
        self.check(lambda a: 0, "f(1, 2)", "TypeError: f() takes 1 positional argument but 2 were given")
        self.check(lambda a: 0, "f(1, b=2)", "TypeError: f() got an unexpected keyword argument 'b'")

    def test_values_cross_both_ways(self):
        for value in (None, 2**70, b"\0", (1, [2]), {1, 2}, frozenset({3}), {"a": 1j}):
            self.check(lambda x, value=value: (type(x) is type(value) and x == value) and x, f"f({value!r})", value)

    def test_a_default_that_cannot_cross(self):
        missing = object()
        self.check(lambda x=missing: x is missing, "f()", True)

    def test_simple_annotations(self):
        def f(a: int, b: str = "x", c: float = 1.0, d: bool = False):
            return [a, b, c, d]

        self.check(f, "f(1, 'y', 2, True)", [1, "y", 2.0, True])
        self.assertIn("TypeError", str(self.box.run("f('1')").error))
        self.assertIn("'a'", str(self.box.run("f('1')").error))
        self.assertIn("TypeError", str(self.box.run("f(1, 2)").error))

    def test_optional_and_literal(self):
        def f(a: typing.Optional[int] = None, b: typing.Literal["x", "y"] = "x"):
            return [a, b]

        self.check(f, "f()", [None, "x"])
        self.check(f, "f(3, 'y')", [3, "y"])
        self.check(f, "f('3')", "TypeError: f() argument 'a': must be int or NoneType, not str '3'")
        self.check(f, "f(b='z')", "TypeError: f() argument 'b': must be one of 'x', 'y', not str 'z'")

    def test_containers(self):
        def f(a: typing.List[int], b: typing.Dict[str, int] = {}, c: typing.Tuple[int, str] = (1, "a")):  # noqa: B006
            return [a, b, c]

        self.check(f, "f([1], {'a': 2}, (3, 'b'))", [[1], {"a": 2}, (3, "b")])
        self.check(f, "f([1, 'x'])", "TypeError: f() argument 'a': must be int, not str 'x'")
        self.check(f, "f([], {'a': '2'})", "TypeError: f() argument 'b': must be int, not str '2'")
        self.check(f, "f([], {}, (1,))", "TypeError: f() argument 'c': must be a tuple of 2, not tuple (1,)")

        def g(a: list[int], b: dict[str, int] = {}, c: set[int] = set()):  # noqa: B006
            return [a, b, c]

        self.check(g, "f([1], {'a': 2}, {3})", [[1], {"a": 2}, {3}])
        self.check(g, "f({})", "TypeError: f() argument 'a': must be a list, not dict {}")

        def h(a: "int | None"):
            return a

        self.check(h, "f(None)", None)
        self.check(h, "f('x')", "TypeError: f() argument 'a': must be int or NoneType, not str 'x'")

    def test_classes(self):
        def f(movie: Movie, point: Point = Point(0)):
            return [movie["name"], type(point).__name__, point]

        self.check(f, "f({'name': 'a', 'year': 1}, {'x': 1, 'y': 2})", ["a", "Point", {"x": 1, "y": 2.0}])
        self.check(f, "f({'name': 'a'})", "TypeError: f() argument 'movie': Movie lacks ['year']")
        self.check(f, "f({'name': 1, 'year': 1})", "TypeError: f() argument 'movie': must be str, not int 1")
        self.check(f, "f({'name': '', 'year': 1, 'z': 1})", "TypeError: f() argument 'movie': Movie has no key ['z']")
        error = "TypeError: f() argument 'point': must be int, not str 'a'"
        self.check(f, "f({'name': 'a', 'year': 1}, {'x': 'a'})", error)

    def test_results(self):
        for result, wanted in ((Color.RED, "red"), (Level.HIGH, 3), (Point(1, 2.5), {"x": 1, "y": 2.5}),
                               ([Color.RED, {"a": Point(1)}], ["red", {"a": {"x": 1, "y": 0.0}}])):  # fmt: skip
            self.check(lambda result=result: result, "f()", wanted)
        self.check(lambda: object(), "f()", "TypeError: object cannot cross to the sandbox")

    def test_enum_arguments(self):
        def f(color: Color):
            return color is Color.RED

        self.check(f, "f('red')", True)
        self.check(f, "f('blue')", "TypeError: f() argument 'color': must be one of 'red', not str 'blue'")

    def test_pydantic(self):
        try:
            import pydantic
        except ImportError:
            self.skipTest("pydantic is not installed")

        class User(pydantic.BaseModel):
            name: str
            age: int = 0

        def f(user: User):
            return [type(user).__name__, user]

        f.__annotations__ = {"user": User}
        self.check(f, "f({'name': 'a', 'age': '3'})", ["User", {"name": "a", "age": 3}])
        self.box.set_tools([Tool(f, name="f")])
        error = self.error("f({})")
        self.assertEqual(error.type, "TypeError")
        self.assertIn("f() argument 'user'", error.message)

    def test_help_shows_signature_and_docstring(self):
        def search(query: str, limit: int = 10) -> list:
            """Look for things."""
            return []

        self.box.set_tools([search])
        text = self.box.run("help(search)").stdout
        self.assertIn("search(query: str, limit: int = 10)", text)
        self.assertIn("Look for things.", text)

    def test_exceptions_by_name(self):
        class Own(Exception):
            pass

        def f(name):
            raise {"v": ValueError("bad"), "k": KeyError("key"), "own": Own("mine"), "t": keelback.ToolError("told")}[name]

        self.box.set_tools([f])
        code = "try: f({!r})\nexcept {} as e: r = (type(e).__name__, e.args)\nr"
        self.assertEqual(self.value(code.format("v", "ValueError")), ("ValueError", ("bad",)))
        self.assertEqual(self.value(code.format("k", "KeyError")), ("KeyError", ("key",)))
        self.assertEqual(self.value(code.format("t", "ToolError")), ("ToolError", ("told",)))
        self.assertIn("mine", str(self.error("f('own')")))
        self.assertNotIn(__file__, self.error("f('v')").traceback)

    def test_ends_cell(self):
        self.box.set_tools([Tool(lambda answer: {"answer": answer}, name="submit", ends_cell=True)])
        result = self.box.run("try:\n  submit(42)\nexcept BaseException:\n  print('caught')\nprint('after')")
        self.assertEqual((result.final, result.ended_by, result.stdout), ({"answer": 42}, "submit", ""))
        self.assertIsNone(result.error)
        self.assertEqual(self.value("1"), 1)

        def refuse():
            raise ValueError("no")

        self.check(refuse, "f()", "ValueError: no", ends_cell=True)

    def test_add_and_remove(self):
        self.box.add_tool(Tool(lambda: 1, name="f"))
        self.assertEqual(self.value("f()"), 1)
        self.box.add_tool(Tool(lambda: 2, name="f"))
        self.assertEqual(self.value("f()"), 2)
        self.assertEqual([tool.name for tool in self.box.tools], ["f"])
        self.box.remove_tool("f")
        self.assertEqual(self.error("f()").type, "NameError")
        self.assertRaises(SandboxError, self.box.remove_tool, "f")
        with self.assertRaisesRegex(SandboxError, "^two tools are called 'f'$"):
            self.box.set_tools([Tool(len, name="f"), Tool(repr, name="f")])
        self.assertRaises(TypeError, Tool, 3)

    def test_tools_by_name_and_other_callables(self):
        class Counter:
            def __init__(self):
                self.count = 0

            def __call__(self, by: int = 1):
                self.count += by
                return self.count

        self.box.set_tools({"count": Counter(), "size": len, "up": str.upper})
        self.assertEqual(self.value("count(), count(5), size('abc'), up('a')"), (1, 6, 3, "A"))

    def test_parameters_by_hand(self):
        parameters = [keelback.Parameter("a", int), keelback.Parameter("b", default=5)]
        self.check(lambda *args, **kwargs: [list(args), kwargs], "f(1)", [[1], {}], parameters=parameters)
        self.assertRaises(SandboxError, keelback.Parameter, "a", kind="odd")

    def test_a_tool_cannot_use_the_sandbox_that_called_it(self):
        self.check(lambda: self.box.run("1"), "f()", "ToolError: SandboxError: the sandbox is in use: a session runs one cell at a time")
        self.box.set_tools([Tool(self.box.close, name="f")])
        self.assertIn("a tool cannot close the sandbox that called it", str(self.error("f()")))

    def test_a_tool_may_use_another_sandbox(self):
        other = self.make()
        self.check(lambda: other.run("21 * 2").value, "f()", 42)

    def test_tools_of_a_fork(self):
        self.box.set_tools([Tool(lambda: 1, name="f")])
        other = self.box.fork()
        self.addCleanup(other.close)
        other.set_tools([Tool(lambda: 2, name="f")])
        self.assertEqual((self.value("f()"), self.value("f()", other)), (1, 2))


class Grants(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "a.txt").write_text("old")

    def run_in(self, code, **grants):
        with Sandbox(**grants) as box:
            result = box.run(code)
        return result.error.type if result.error else result.value

    def test_nothing_is_granted(self):
        read = f"open({str(self.folder / 'a.txt')!r}).read()"
        self.assertEqual(self.run_in(read), "FileNotFoundError")
        self.assertEqual(self.run_in(read, read=[self.folder]), "old")

    def test_read_does_not_write(self):
        write = "open('/data/a.txt', 'w').write('new')"
        self.assertEqual(self.run_in(write, read={self.folder: "/data"}), "PermissionError")
        self.assertEqual((self.folder / "a.txt").read_text(), "old")
        self.assertEqual(self.run_in(write, write={self.folder: "/data"}), 3)
        self.assertEqual((self.folder / "a.txt").read_text(), "new")

    def test_write_copy_stays_in_the_sandbox(self):
        code = "open('/data/a.txt', 'w').write('new'); open('/data/a.txt').read()"
        self.assertEqual(self.run_in(code, write_copy={self.folder: "/data"}), "new")
        self.assertEqual((self.folder / "a.txt").read_text(), "old")

    def test_write_synced_when_the_cell_ends_well(self):
        with Sandbox(write_synced={self.folder: "/data"}) as box:
            result = box.run("open('/data/a.txt', 'w').write('new')\nopen('/data/b.txt', 'w').write('x')")
            self.assertEqual((self.folder / "a.txt").read_text(), "new")
            changes = {change.path: (change.kind, change.size) for change in result.files}
            self.assertEqual(changes, {"/data/a.txt": ("modified", 3), "/data/b.txt": ("created", 1)})
            self.assertEqual(result.sync_errors, [])
            box.run("open('/data/a.txt', 'w').write('wrong'); 1/0")
            self.assertEqual((self.folder / "a.txt").read_text(), "new")

    def test_env(self):
        self.assertEqual(self.run_in("import os; os.environ.get('HOME_X')", env={"HOME_X": "1"}), "1")
        os.environ["KEELBACK_TEST_X"] = "2"
        self.addCleanup(os.environ.pop, "KEELBACK_TEST_X")
        self.assertEqual(self.run_in("import os; os.environ.get('KEELBACK_TEST_X')"), None)
        self.assertEqual(self.run_in("import os; os.environ.get('KEELBACK_TEST_X')", env=["KEELBACK_TEST_X", "NO"]), "2")

    def test_stdin_arguments_cwd(self):
        self.assertEqual(self.run_in("input()"), "EOFError")
        self.assertEqual(self.run_in("input(), input()", stdin="é\nb\n"), ("é", "b"))
        self.assertEqual(self.run_in("import sys; sys.argv", arguments=["x", "y"])[-2:], ["x", "y"])
        self.assertEqual(self.run_in("open('a.txt').read()", read={self.folder: "/data"}, cwd="/data"), "old")

    def test_network(self):
        import socket

        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"hello")

        port = server.getsockname()[1]
        code = f"import socket\nwith socket.create_connection(('127.0.0.1', {port})) as s: r = s.recv(5)\nr"
        self.assertEqual(self.run_in(code), "PermissionError")
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        self.assertEqual(self.run_in(code, network=[f"127.0.0.1:{port}"]), b"hello")
        thread.join()

    def test_grants_that_cannot_be_given(self):
        with self.assertRaises(keelback.PermissionDenied):
            Sandbox(read={self.folder / "absent": "/data"})
        with self.assertRaises(keelback.PermissionDenied):
            Sandbox(network=["not a host!"])
        for bad in ({"read": "x"}, {"env": "HOME"}, {"network": "host"}):
            with self.assertRaisesRegex(TypeError, "not one "):
                Sandbox(**bad)
        with self.assertRaisesRegex(SandboxError, "has no place of its own in the sandbox"):
            Sandbox(read=["../x"])


if __name__ == "__main__":
    unittest.main()
