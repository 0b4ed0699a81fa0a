"""`_session.Session` in process, on Python 3.10 and later."""

import asyncio
import builtins
import importlib.util
import inspect
import io
import linecache
import marshal
import sys
import unittest
from contextlib import redirect_stdout
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "python" / "keelback" / "_session.py"


def load_session_module():
    spec = importlib.util.spec_from_file_location("_keelback_session", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


session_module = load_session_module()
Session = session_module.Session

COMPLETE = [
    "1", "x=1", "def f(): pass", "def f():\n  pass", "if x:\n  pass\nelse:\n  pass", "", "\n", "# c", "x=1;y=2", "a\nb",
    "(1,\n2)", "'''a\nb'''", "@d\ndef f(): pass", "x = \\\n1", "try:\n  pass\nfinally:\n  pass", "for i in x: pass",
    "await x", "async def f():\n  await x", "[await x for y in z]", "if x:\n  y\n", "class A: pass\nA()",
    "with open(x) as f: pass", "f'{x}'", "match x:\n case 1: pass", "async for x in y: pass", "lambda: (yield)",
    "def f():\n  pass\n\n\nf()", "1 # c", "if x:\n  pass\n# c", "x: int = 1", "from __future__ import annotations",
    "# c\n1", "\n\n1", "1\r\n2", "async with x as y: pass", "x if y else z", "*a, b = c", "print(x)\n", "global x",
]  # fmt: skip
INCOMPLETE = [
    "(", "[1,", "{", "if x:", "if x:\n", "def f():", "def f():\n  # c", "class A:", "'''", '"""a\nb', "@d", "@d\n",
    "x = \\", "x = \\\n", "try:\n  pass", "try:\n  pass\n", "for x in y:", "while 1:", "with x:", "async def f():",
    "if x:\n  pass\nelse:", "f(1,\n2", "x=1\nif y:", "'abc\\", "lambda x:(", "match x:", "match x:\n case 1:",
    "f'''{x}", "async with x:", "f(", "def f(a,\n  b", "if x:\n  if y:", "@a\n@b\n", "x = [\n  1,\n  2,", "x = {'a': (",
]  # fmt: skip
INVALID = [
    "x = = 1", "a b", "1 +", "'abc", "x = ", "return 1", " 1", "def f(:", "else:", "import", "from x import", "break",
    "yield 1", "f(1,, 2)", ")", "1 = x", "x\n  y", "def f():\npass", "nonlocal x", "(]", "for", "lambda", "0777",
    "class", "try:\n pass\nx=1", "await", "f(a=1, a=1)", "del f()", "a\nb c\nd", "continue", "x = 1\n y = 2", "\0",
    "if x\n  y", "print 1", "import *", "'\ud800'\n(,",
]  # fmt: skip


def kind(source):
    try:
        return "incomplete" if Session().compile(source, "<cell 1>") is None else "complete"
    except (SyntaxError, ValueError):
        return "invalid"


class Completeness(unittest.TestCase):
    def test_complete(self):
        for source in COMPLETE:
            with self.subTest(source):
                self.assertEqual(kind(source), "complete")

    def test_incomplete(self):
        for source in INCOMPLETE:
            with self.subTest(source):
                self.assertEqual(kind(source), "incomplete")

    def test_invalid(self):
        for source in INVALID:
            with self.subTest(source):
                self.assertEqual(kind(source), "invalid")

    def test_every_prefix_by_lines_of_a_block_is_incomplete_or_complete(self):
        lines = "@d\ndef f(a,\n      b):\n    '''doc\n    '''\n    return {\n        a: b}\n".splitlines(True)
        for end in range(1, len(lines)):
            self.assertIn(kind("".join(lines[:end])), ("incomplete", "complete"))


class Case(unittest.TestCase):
    def setUp(self):
        self.session = Session()
        had = "_" in vars(builtins)
        before = vars(builtins).get("_")
        self.addCleanup(lambda: setattr(builtins, "_", before) if had else vars(builtins).pop("_", None))

    def run_cell(self, source, **options):
        outcome = self.session.run(source, **options)
        marshal.dumps(outcome, 2)
        return outcome

    def value(self, source):
        outcome = self.run_cell(source)
        self.assertEqual(outcome[0], "value", outcome)
        return outcome

    def raised(self, source, **options):
        outcome = self.run_cell(source, **options)
        self.assertEqual(outcome[0], "raised", outcome)
        return outcome[1]


class Outcomes(Case):
    def test_value(self):
        self.assertEqual(self.run_cell("1+1"), ("value", "2", "int", True, 2, None))

    def test_none(self):
        for source in ("", "# c", "x = 1", "None", "pass", "def f(): return 1", "x = 1;", "for i in [1]: i"):
            with self.subTest(source):
                self.assertEqual(self.run_cell(source), ("none",))

    def test_last_expression_of_several_statements(self):
        self.assertEqual(self.value("x = 2\ny = 3\nx * y")[1], "6")
        self.assertEqual(self.value("x = 2; x + 1")[1], "3")
        self.assertEqual(self.value("1\n2\n3")[1], "3")

    def test_underscore_is_the_last_value(self):
        self.run_cell("41")
        self.run_cell("None")
        self.run_cell("y = 0")
        self.assertEqual(self.value("_ + 1")[1], "42")

    def test_underscore_stays_when_repr_fails(self):
        self.run_cell("41")
        self.run_cell("class R:\n  def __repr__(self): return 1 / 0\nR()")
        self.assertEqual(self.value("_")[1], "41")

    def test_display_hook_of_the_user_shows_the_value(self):
        before = sys.displayhook
        try:
            self.run_cell("import sys; shown = []; sys.displayhook = shown.append")
            self.assertEqual(self.run_cell("5"), ("none",))
            self.assertEqual(self.session.namespace["shown"], [5])
        finally:
            sys.displayhook = before

    def test_incomplete_and_invalid_run_nothing(self):
        self.assertEqual(self.run_cell("x = 1\nif x:"), ("incomplete",))
        self.assertEqual(self.run_cell("x = 1\n)")[0], "invalid")
        self.assertNotIn("x", self.session.namespace)

    def test_invalid_info(self):
        kind, info = self.run_cell("x = = 1", filename="<cell 9>")
        self.assertEqual(kind, "invalid")
        self.assertEqual(info["type"], "SyntaxError")
        self.assertTrue(info["traceback"].startswith('  File "<cell 9>", line 1\n    x = = 1\n        ^\n'))
        self.assertEqual(info["frames"], [])

    def test_invalid_after_parsing_shows_the_line(self):
        for source in ("return 1", "x = 1\nreturn 1"):
            self.assertIn("    return 1\n", self.run_cell(source)[1]["traceback"])

    def test_exit(self):
        for source, expected in [
            ("raise SystemExit", ("exit", 0, None)),
            ("import sys; sys.exit(3)", ("exit", 3, None)),
            ("class Own(SystemExit): pass\nraise Own(2)", ("exit", 2, None, "Own")),
            ("raise SystemExit(-1)", ("exit", 255, None)),
            ("raise SystemExit(256)", ("exit", 0, None)),
            ("raise SystemExit(1 << 70)", ("exit", 255, None)),
            ("raise SystemExit(True)", ("exit", 1, None)),
            ("raise SystemExit('no')", ("exit", 1, "no")),
            ("raise SystemExit((1, 2))", ("exit", 1, "(1, 2)")),
            ("raise SystemExit(1.5)", ("exit", 1, "1.5")),
            ("class S:\n  def __str__(self): 1/0\nraise SystemExit(S())", ("exit", 1, "")),
        ]:
            with self.subTest(source):
                self.assertEqual(self.run_cell(source), expected)

    def test_names_before_an_error_are_kept(self):
        self.raised("a = 1; b = 1 / 0; c = 1")
        self.assertEqual(self.session.namespace["a"], 1)
        self.assertNotIn("c", self.session.namespace)

    def test_namespace_is_that_of_main(self):
        self.assertEqual(self.value("__name__")[4], "__main__")
        self.assertEqual(self.value("locals() is globals()")[4], True)
        for name in ("__doc__", "__spec__", "__package__", "__loader__"):
            self.assertEqual(self.run_cell(name), ("none",))
        self.run_cell("'text'\nx = 1")
        self.assertEqual(self.run_cell("__doc__"), ("none",))
        self.run_cell("x: int = 1")
        self.assertEqual(self.value("__annotations__")[1], "{'x': <class 'int'>}")

    def test_future_statements_last(self):
        self.run_cell("from __future__ import annotations")
        self.run_cell("def f(x: Unknown): pass")
        self.assertEqual(self.value("f.__annotations__")[4], {"x": "Unknown"})

    def test_interrupts_are_plain_exceptions(self):
        for name in ("KeyboardInterrupt", "TimeoutError", "MemoryError", "GeneratorExit"):
            self.assertEqual(self.raised(f"raise {name}")["type"], name)

    def test_pending_interrupt_ends_the_next_cell(self):
        self.session.pending = KeyboardInterrupt()
        self.assertEqual(self.raised("x = 1")["type"], "KeyboardInterrupt")
        self.assertNotIn("x", self.session.namespace)
        self.assertEqual(self.run_cell("x = 1"), ("none",))

    def test_cells_are_counted(self):
        self.run_cell("1")
        self.assertEqual(self.raised("1/0")["frames"][0][0], "<cell 2>")

    def test_a_namespace_of_the_caller(self):
        namespace = {"x": 5}
        self.assertEqual(Session(namespace).run("x")[1], "5")

    def test_type_name(self):
        self.assertEqual(self.value("class A:\n class B: pass\nA.B()")[2], "B")

    def test_a_repr_that_is_a_str_subclass(self):
        outcome = self.value("class S(str): pass\nclass R:\n  def __repr__(self): return S('r')\nR()")
        self.assertIs(type(outcome[1]), str)

    def test_large_expressions_that_no_tree_can_hold(self):
        self.assertIn(self.run_cell("x = 1\n" + "-" * 3000 + "1")[0], ("value", "none", "invalid"))


class Tracebacks(Case):
    def text(self, source, **options):
        return self.raised(source, **options)["traceback"]

    def test_frames_and_lines_of_the_cell(self):
        self.run_cell("def f():\n    return 1 / 0")
        lines = self.text("x = 1\nf()").splitlines()
        lines = [line for line in lines if line.strip("~^ ")]
        self.assertEqual(
            lines,
            [
                "Traceback (most recent call last):",
                '  File "<cell 2>", line 2, in <module>',
                "    f()",
                '  File "<cell 1>", line 2, in f',
                "    return 1 / 0",
                "ZeroDivisionError: division by zero",
            ],
        )

    @unittest.skipIf(sys.version_info < (3, 11), "positions came with 3.11")
    def test_carets_and_columns(self):
        info = self.raised("(1 +\n 1/0)")
        self.assertEqual(info["frames"], [("<cell 1>", 2, 2, 1, 4, "<module>", "1/0)")])
        self.assertIn("~^~", info["traceback"])

    def test_same_as_python3(self):
        source = (
            "def f(n):\n    if n:\n        f(n - 1)\n    raise ValueError('x')\n"
            "try:\n    f(2)\nexcept ValueError as error:\n    raise KeyError('k') from error\n"
        )
        import traceback

        code = compile(source, "<cell 1>", "exec")
        try:
            session_module.remember_source("<cell 1>", source)
            exec(code, {})
        except KeyError as error:
            cause = error.__cause__
            cause.__traceback__ = cause.__traceback__  # the frame of this test is only in the outer one
            error.__traceback__ = error.__traceback__.tb_next
            expected = "".join(traceback.format_exception(error))
        self.assertEqual(self.text(source), expected)

    def test_context(self):
        text = self.text("try:\n  1/0\nexcept ZeroDivisionError:\n  raise KeyError(1)")
        self.assertIn("During handling of the above exception, another exception occurred", text)
        self.assertNotIn("_session", text)

    def test_a_context_that_refers_to_itself(self):
        self.assertIn("ValueError", self.text("a = ValueError(); b = KeyError(); a.__context__ = b; b.__context__ = a; raise a"))

    @unittest.skipIf(sys.version_info < (3, 11), "groups and notes came with 3.11")
    def test_groups_and_notes(self):
        info = self.raised(
            "def f(): raise ValueError(1)\n"
            "errors = []\n"
            "try: f()\nexcept ValueError as e: e.add_note('see here'); errors.append(e)\n"
            "g = ExceptionGroup('many', errors); g.add_note('top'); raise g"
        )
        self.assertIn("  | ExceptionGroup: many (1 sub-exception)", info["traceback"])
        self.assertIn("see here", info["traceback"])
        self.assertEqual(info["notes"], ["top"])

    def test_a_recursion_is_shortened(self):
        info = self.raised("def f(): f()\nf()")
        self.assertIn("[Previous line repeated", info["traceback"])
        self.assertLessEqual(len(info["frames"]), 200)

    def test_a_text_that_fails(self):
        info = self.raised("class E(Exception):\n  def __str__(self): raise KeyError\nraise E(3)")
        self.assertEqual(info["message"], "<exception E.__str__() failed>")
        self.assertEqual(info["args"], [("3", True, 3)])

    def test_args(self):
        info = self.raised("raise ValueError(1, {'a'}, object)")
        self.assertEqual(info["args"], [("1", True, 1), ("{'a'}", True, {"a"}), ("<class 'object'>", False, None)])

    def test_module_and_qualified_name(self):
        info = self.raised("class A:\n  class E(Exception): pass\nraise A.E('m')")
        self.assertEqual((info["type"], info["module"], info["message"]), ("A.E", "__main__", "m"))

    def test_frames_of_awaits(self):
        info = self.raised("async def f():\n  1/0\nawait f()")
        names = [frame[5] for frame in info["frames"] if frame[0] == "<cell 1>"]
        self.assertEqual(names, ["<module>", "f"])

    def test_a_repr_that_raises(self):
        info = self.raised("class R:\n  def __repr__(self): return 1 / 0\nR()")
        self.assertEqual([frame[5] for frame in info["frames"]], ["__repr__"])

    def test_syntax_error_at_run_time(self):
        self.assertIn("in <module>", self.text("eval('1 +')"))

    def test_exception_hook_of_the_user_shows_it(self):
        before = sys.excepthook
        try:
            self.run_cell("import sys; seen = []; sys.excepthook = lambda *a: seen.append(a[0])")
            self.assertEqual(self.raised("1/0")["traceback"], "")
            self.assertEqual(self.session.namespace["seen"], [ZeroDivisionError])
        finally:
            sys.excepthook = before

    def test_last_exception(self):
        self.raised("1/0")
        self.assertIs(sys.last_type, ZeroDivisionError)

    def test_raising_again_in_a_later_cell(self):
        self.raised("try:\n  1/0\nexcept Exception as e: kept = e; raise")
        self.assertEqual(self.text("raise kept").count("_session.py"), 0)


class Sources(Case):
    def test_of_a_function(self):
        self.run_cell("def f():\n    return 1\n")
        self.assertEqual(inspect.getsource(self.session.namespace["f"]), "def f():\n    return 1\n")

    def test_never_stale(self):
        self.run_cell("def f(): pass")
        linecache.checkcache()
        self.assertEqual(inspect.getsource(self.session.namespace["f"]), "def f(): pass\n")

    def kept(self, sources, *cells):
        self.addCleanup(linecache.clearcache)
        for name, source in cells:
            sources.remember(name, source)
        return [name for name in dict.fromkeys(name for name, _ in cells) if linecache.getlines(name)]

    def test_of_the_last_cells(self):
        cells = [(f"<number {number}>", "x") for number in range(5)]
        self.assertEqual(self.kept(session_module.Sources(3, 100), *cells), ["<number 2>", "<number 3>", "<number 4>"])

    def test_of_few_characters(self):
        cells = [("<a>", "a" * 4), ("<b>", "b" * 4), ("<c>", "c" * 4)]
        self.assertEqual(self.kept(session_module.Sources(10, 9), *cells), ["<b>", "<c>"])
        self.assertEqual(self.kept(session_module.Sources(10, 9), *cells, ("<long>", "d" * 99)), ["<long>"])

    def test_a_name_used_again_is_kept(self):
        cells = [("<console>", "old"), ("<other>", "x"), ("<console>", "new"), ("<third>", "y")]
        sources = session_module.Sources(3, 100)
        self.assertEqual(self.kept(sources, *cells), ["<console>", "<other>", "<third>"])
        self.assertEqual(linecache.getlines("<console>"), ["new\n"])

    def test_of_an_old_cell_are_not_shown(self):
        self.session.remember = session_module.Sources(1, 100).remember
        self.run_cell("def f(): return 1/0")
        text = self.raised("f()")["traceback"]
        self.assertIn('File "<cell 1>", line 1, in f\n', text)
        self.assertNotIn("return 1/0", text)
        self.assertIn("    f()\n", text)


class Values(Case):
    def data(self, source):
        return self.value(source)[3:5]

    def test_plain(self):
        for source in (
            "1", "1 << 100", "'a'", "1.5", "True", "2j", "b'x'", "[1, [2]]", "(1, (2,))", "{1: {'a': [None]}}", "{1}",
            "frozenset({1})", "[]", "{(1, 2): 3}",
        ):  # fmt: skip
            with self.subTest(source):
                self.assertEqual(self.data(source), (True, eval(source)))

    def test_converted(self):
        for source, expected in [
            ("bytearray(b'x')", b"x"),
            ("memoryview(b'x')", b"x"),
            ("[bytearray(b'x'), 1]", [b"x", 1]),
            ("import collections\ncollections.OrderedDict(a=1)", {"a": 1}),
            ("collections.Counter('aa')", {"a": 2}),
            ("collections.defaultdict(list, {1: [2]})", {1: [2]}),
            ("collections.namedtuple('P', 'x y')(1, [2])", (1, [2])),
        ]:
            with self.subTest(source):
                has_data, data = self.data(source)
                self.assertTrue(has_data)
                self.assertEqual(data, expected)
                self.assertIs(type(data), type(expected))

    def test_not_plain(self):
        for source in (
            "object()", "len", "...", "compile('1', '', 'eval')", "[compile('1', '', 'eval')]", "int", "StopIteration",
            "l = []; l.append(l); l", "import array\narray.array('i', [1])", "[array.array('i')]", "range(3)",
            "import enum\nclass E(enum.IntEnum): A = 1\nE.A", "[E.A]", "{E.A: 1}", "{1: E.A}",
            "class S(str): pass\nS('x')", "class L(list): pass\nL()", "class D(dict): pass\nD()", "class I(int): pass\nI(3)",
            "import datetime\ndatetime.date(2020, 1, 1)", "import os\nos.stat('.')", "(i for i in [])",
            "x = []\nfor _ in range(300): x = [x]\nx", "m = memoryview(b'x'); m.release(); m",
        ):  # fmt: skip
            with self.subTest(source):
                self.assertEqual(self.data(source), (False, None))

    def test_shared_parts_do_not_explode(self):
        value = [{2}]
        for _ in range(60):
            value = [value, value, {1}]
        self.assertEqual(session_module.plain_data(value), (False, None))

    def test_mime(self):
        self.run_cell(
            "class H:\n"
            "  def _repr_html_(self): return '<b>'\n"
            "  def _repr_png_(self): return bytearray(b'p')\n"
            "  def _repr_json_(self): return {'a': 1}\n"
            "  def _repr_svg_(self): 1/0\n"
            "  def _repr_latex_(self): return None\n"
            "  def _repr_markdown_(self): return ('m', {'meta': 1})\n"
        )
        self.assertEqual(
            self.value("H()")[5],
            {"text/html": "<b>", "image/png": b"p", "application/json": '{"a": 1}', "text/markdown": "m"},
        )

    def test_mime_bundle(self):
        self.run_cell("class B:\n  def _repr_mimebundle_(self, include=None, exclude=None): return {'x/y': 'z', 1: 2}")
        self.assertEqual(self.value("B()")[5], {"x/y": "z"})

    def test_no_mime_from_classes_or_from_instances_that_answer_to_everything(self):
        self.run_cell("class H:\n  def _repr_html_(self): return '<b>'\n")
        self.assertIsNone(self.value("H")[5])
        self.assertIsNone(self.value("class M:\n  def __getattr__(self, n): return lambda *a: 'x'\nM()")[5])


class Awaits(Case):
    def test_await(self):
        self.assertEqual(self.value("import asyncio\nawait asyncio.sleep(0, 7)")[4], 7)
        self.assertEqual(self.value("x = await asyncio.sleep(0, 7)\nx + 1")[4], 8)
        self.assertEqual(self.value("[await asyncio.sleep(0, i) for i in range(3)]")[4], [0, 1, 2])

    def test_async_statements(self):
        self.run_cell("async def g():\n  yield 1\n  yield 2\n")
        self.assertEqual(self.value("t = 0\nasync for i in g(): t += i\nt")[4], 3)

    def test_hook(self):
        seen = []

        def drive(coroutine):
            seen.append(coroutine)
            try:
                coroutine.send(None)
            except StopIteration as stop:
                return stop.value

        session = Session(run_awaitable=drive)
        self.assertEqual(session.run("async def f(): return 3\nawait f()")[4], 3)
        self.assertEqual(len(seen), 1)

    def test_in_a_running_loop(self):
        async def main():
            first = await self.session.run_async("import asyncio\nawait asyncio.sleep(0, 5)")
            second = await self.session.run_async("1 / 0")
            third = await self.session.run_async("(")
            fourth = await self.session.run_async("x = 1")
            return first[4], second[0], third, fourth

        self.assertEqual(asyncio.run(main()), (5, "raised", ("incomplete",), ("none",)))


class Programs(Case):
    def run_program(self, source, filename="<string>"):
        return self.run_cell(source, filename=filename, mode="program")

    def test_no_value(self):
        self.assertEqual(self.run_program("1 + 1"), ("none",))

    def test_no_incomplete(self):
        self.assertEqual(self.run_program("if x:")[0], "invalid")
        self.assertEqual(self.run_program("(")[0], "invalid")

    def test_file(self):
        self.run_program("where = __file__", "/work/a.py")
        self.assertEqual(self.session.namespace["where"], "/work/a.py")

    def test_no_file(self):
        self.assertEqual(self.run_program("__file__")[1]["type"], "NameError")

    def test_doc_string(self):
        self.run_program("'''doc'''\nd = __doc__")
        self.assertEqual(self.session.namespace["d"], "doc")

    def test_name_is_main(self):
        with redirect_stdout(io.StringIO()) as out:
            self.run_program("if __name__ == '__main__': print('main')")
        self.assertEqual(out.getvalue(), "main\n")

    def test_await_and_errors(self):
        self.assertEqual(self.run_program("import asyncio\nawait asyncio.sleep(0)\nx = 1"), ("none",))
        kind, info = self.run_program("def f():\n  1/0\nf()", "/work/a.py")
        self.assertEqual([frame[:2] for frame in info["frames"]], [("/work/a.py", 3), ("/work/a.py", 2)])

    def test_byte_order_mark(self):
        self.assertEqual(self.run_program("\ufeffx = 1"), ("none",))


if __name__ == "__main__":
    unittest.main()
