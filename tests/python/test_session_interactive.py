"""Interactive cells of `_session.Session`, in process."""

import asyncio
import builtins
import io
import sys
import unittest
import unittest.mock
import warnings
from contextlib import redirect_stdout

from test_session import load_session_module

session_module = load_session_module()

HOOKS = ("displayhook", "excepthook")
STATE = ("ps1", "ps2", "tracebacklimit", "last_exc", "last_type", "last_value", "last_traceback")


class Interactive(unittest.TestCase):
    def setUp(self):
        self.session = session_module.Session()
        self.shown = []
        self.session.show = lambda *shown: self.shown.append(shown)

    def tearDown(self):
        for name in HOOKS:
            setattr(sys, name, getattr(sys, f"__{name}__"))
        for name in STATE:
            vars(sys).pop(name, None)
        vars(builtins).pop("_", None)

    def run_cell(self, source):
        return self.session.run(source, mode="interactive")

    def check(self, source, *texts):
        """Runs a cell that ends well; *texts* are what it shows."""
        self.shown.clear()
        self.assertEqual(self.run_cell(source), ("none",))
        self.assertEqual([shown[0] for shown in self.shown], list(texts))

    def raised(self, source, kind="raised"):
        outcome = self.run_cell(source)
        self.assertEqual(outcome[0], kind, outcome)
        return outcome[1]

    def test_every_expression_statement_is_shown(self):
        self.check("1; 2", "1", "2")
        self.check("'a'\nx = 3\nx\nx + 1\n", "'a'", "3", "4")
        self.check("for i in range(3): i", "0", "1", "2")
        self.check("def f(): 5\nf()\nf.__name__", "'f'")
        self.check("None")
        self.check("# nothing")
        self.check("")
        self.check("if 1: pass")

    def test_underscore_is_the_last_value_shown(self):
        self.check("40 + 2", "42")
        self.check("_ + 1; _ + 1", "43", "44")
        self.check("None")
        self.check("_", "44")

    def test_a_repr_that_fails_leaves_no_old_value(self):
        self.check("5", "5")
        info = self.raised("class R:\n  def __repr__(self): return 1/0\nR()")
        self.assertEqual(info["type"], "ZeroDivisionError")
        self.check("_")
        self.assertEqual(info["frames"][0][0], "<python-input-1>")

    def test_the_embedder_says_how_values_are_laid_out(self):
        self.session.width = 10
        self.session.lay_out = lambda value, width: ("short", None) if value == [1] else ("", f"{value} in {width}")
        self.check("[1]; list(range(3))", "short", "")
        self.assertEqual([shown[1] for shown in self.shown], [None, "[0, 1, 2] in 10"])

    def test_mime_bundles(self):
        self.run_cell("class H:\n  def _repr_html_(self): return '<b>'\n  def __repr__(self): return 'H'")
        self.check("H()", "H")
        self.assertEqual(self.shown, [("H", None, {"text/html": "<b>"})])

    def test_without_an_embedder_values_are_printed(self):
        self.session.show = None
        with redirect_stdout(io.StringIO()) as output:
            self.run_cell("1; 2")
        self.assertEqual(output.getvalue(), "1\n2\n")

    def test_the_users_displayhook(self):
        self.run_cell("import sys; seen = []; sys.displayhook = seen.append")
        self.check("7; None")
        self.assertEqual(self.session.namespace["seen"], [7, None])
        self.run_cell("sys.displayhook = sys.__displayhook__")
        self.check("8", "8")

    def test_a_hook_around_the_one_before(self):
        self.run_cell("import sys; old = sys.displayhook; sys.displayhook = lambda v: old([v])")
        self.check("7", "[7]")

    def test_a_displayhook_that_is_none(self):
        info = self.raised("import sys; sys.displayhook = 1; 5")
        self.assertEqual(info["message"], "'int' object is not callable")
        sys.displayhook = sys.__displayhook__
        self.assertEqual(self.raised("import sys; del sys.displayhook; 5")["message"], "lost sys.displayhook")
        self.assertEqual(self.run_cell("x = 1"), ("none",))

    def test_the_hook_is_put_back(self):
        self.run_cell("1")
        self.assertIs(sys.displayhook, sys.__displayhook__)
        self.assertEqual(self.session.run("1")[:2], ("value", "1"))

    def test_inputs_are_numbered_from_0(self):
        self.assertIn('File "<python-input-0>", line 1', self.raised("a b c", "invalid")["traceback"])
        self.run_cell("1")
        self.assertEqual(self.run_cell("("), ("incomplete",))
        self.assertEqual(self.raised("1/0")["frames"][0][0], "<python-input-2>")
        self.session.run("1/0")  # the other cells have their own
        self.assertEqual(self.raised("1/0")["frames"][0][0], "<python-input-3>")

    def test_source_of_earlier_inputs_is_in_tracebacks(self):
        self.run_cell("def f(): return 1/0")
        info = self.raised("f()")
        self.assertIn('File "<python-input-0>", line 1, in f\n    def f(): return 1/0\n', info["traceback"])
        self.assertNotIn("_session", info["traceback"])

    def test_what_cannot_be_run(self):
        self.assertEqual(self.raised(" b", "invalid")["type"], "IndentationError")
        self.assertEqual(self.raised("return", "invalid")["type"], "SyntaxError")
        for source in ("(", "if x:", "'''", "def f():\n  # c", "@d", "x = \\"):
            with self.subTest(source):
                self.assertEqual(self.run_cell(source), ("incomplete",))

    def test_deep_expressions_are_shown_or_refused(self):
        self.check("-" * 1000 + "1", "1")

    def test_what_shows_nothing_is_compiled_apart(self):
        # Cells, and how many characters are known to show nothing.
        functions = "import os\ndef f(x):\n    x\n    return x; x\n\nclass C: 5; x = 7\n@f\ndef g(\n    a,\n): 4\n"
        for source, silent, shown in [
            (functions + "f(1)\nC.x\n", len(functions), ["1", "7"]),
            (functions, len(functions), []),
            ("x = 3; x\nx + 1", 0, ["3", "4"]),
            ("y = 1\nx = (3,\n 4); x", 6, ["(3, 4)"]),
            ("import os; 5\n", 0, ["5"]),
            ("x = 3\nfor i in range(2): i\nx = 4", 6, ["0", "1"]),
            ("x = 3\nx\n", 6, ["3"]),
            ("x = 3 # c\n# c\nx == 3", 14, ["True"]),
            ("x = 3\n\fx\n", 0, ["3"]),
            ("x = 3\rx\n", 0, ["3"]),
            ("x = '''\ny = 2\ntext\n'''\nx", 14, [repr("\ny = 2\ntext\n")]),
            ("x = [\n    3,\n]\nx", 15, ["[3]"]),
            ("x = 3\\\n+ 1\nx", 7, ["4"]),
            ("x = 3\\\n; x", 7, ["3"]),
            ("'doc'\nx = 3", 0, ["'doc'"]),
            ("async def f(): return 5\nawait f()", 24, ["5"]),
            ("async def f(): return 5\nx = await f()\nx", 38, ["5"]),
        ]:
            with self.subTest(source):
                self.assertEqual(session_module._silent_end(source), silent)
                self.check(source, *shown)
                with unittest.mock.patch.object(session_module, "_LONG", 0):
                    self.check(source, *shown)

    def test_parts_of_a_cell_fail_as_one(self):
        for source, kind, line in [
            ("x = 3\ny = 1\nx\n1/0\n", "ZeroDivisionError", 4),
            ("x = 3\ny = 1/0\nx\n", "ZeroDivisionError", 2),
        ]:
            with self.subTest(source), unittest.mock.patch.object(session_module, "_LONG", 0):
                info = self.raised(source)
                self.assertEqual((info["type"], info["frames"][0][1]), (kind, line))
        for source in (
            "x = 3\nx y\n",
            "x = \nx\n",
            "x = 3\nglobal x\n",
            "x = 3\nfrom __future__ import annotations\n",
            "x = 3\nreturn\n",
            "def f():\nx\n",
        ):
            with self.subTest(source):
                tracebacks = []
                for long in (1000, 0):
                    self.session.inputs = 0
                    with unittest.mock.patch.object(session_module, "_LONG", long):
                        tracebacks.append(self.raised(source, "invalid")["traceback"])
                self.assertEqual(*tracebacks)
        with unittest.mock.patch.object(session_module, "_LONG", 0):
            for source in ("def f():\n", "x = 3\ny = (\n", "x = 3\nif x:\n", "x = '''\ntext\n"):
                self.assertEqual(self.run_cell(source), ("incomplete",), source)

    def test_a_cell_that_was_looked_at_is_compiled_once(self):
        compiled = []
        compile_interactive = self.session.compile_interactive
        self.session.compile_interactive = lambda *args: compiled.append(args) or compile_interactive(*args)
        self.assertIs(self.session.is_whole("x = (3"), False)
        self.assertIs(self.session.is_whole("x y"), None)
        self.assertIs(self.session.is_whole("x = 3; x"), True)
        self.check("x = 3; x", "3")
        self.assertEqual(len(compiled), 3)
        # Not the next one of the same text: its name is another.
        self.check("x = 3; x", "3")
        self.assertEqual([args[1] for args in compiled[2:]], ["<python-input-0>", "<python-input-1>"])
        # Looking changes nothing.
        self.assertIs(self.session.is_whole("from __future__ import annotations"), True)
        self.assertEqual(self.session.flags, 0)

    def test_a_cell_that_was_looked_at_warns_when_it_runs(self):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            self.assertIs(self.session.is_whole("1 is 1"), True)
            self.assertEqual(warned, [])
            self.check("1 is 1", "True")
        self.assertEqual({warning.category for warning in warned}, {SyntaxWarning})

    def test_without_await_at_top_level(self):
        self.session.top_level_await = False
        for source in ("await f()", "x = [i async for i in f()]", "x = 3\nawait f()"):
            self.assertEqual(self.raised(source, "invalid")["type"], "SyntaxError")
        self.check("async def f(): await g()\n5", "5")
        self.assertEqual(self.session.run("await f()")[0], "invalid")

    def test_future_imports_stay(self):
        self.check("from __future__ import annotations")
        self.run_cell("def f(a: nosuch): pass")
        self.check("f.__annotations__", "{'a': 'nosuch'}")

    def test_exceptions_are_left_in_sys(self):
        self.raised("1/0")
        self.assertIs(sys.last_type, ZeroDivisionError)
        self.assertIs(sys.last_exc, sys.last_value)
        self.assertEqual(sys.last_traceback.tb_frame.f_code.co_filename, "<python-input-0>")
        self.raised("a b", "invalid")
        self.assertIs(sys.last_type, SyntaxError)
        self.assertIsNone(sys.last_traceback)

    def test_the_users_excepthook(self):
        self.run_cell("import sys; seen = []; sys.excepthook = lambda *a: seen.append((a[0], a[2] is None))")
        self.assertEqual(self.raised("1/0")["traceback"], "")
        self.assertEqual(self.raised("a b", "invalid")["traceback"], "")
        self.assertEqual(self.session.namespace["seen"], [(ZeroDivisionError, False), (SyntaxError, True)])

    def test_an_excepthook_that_fails(self):
        for hook, message in (("1", "'int' object is not callable"), ("lambda *a: {}['k']", "KeyError: 'k'")):
            with self.subTest(hook):
                sys.excepthook = sys.__excepthook__
                self.run_cell(f"import sys; sys.excepthook = {hook}")
                for source, kind, text in (("1/0", "raised", "division by zero"), ("a b", "invalid", "invalid syntax")):
                    traceback = self.raised(source, kind)["traceback"]
                    self.assertTrue(traceback.startswith("Error in sys.excepthook:\n"), traceback)
                    first, rest = traceback.split("\nOriginal exception was:\n")
                    self.assertIn(message, first)
                    self.assertIn(text, rest)
                    self.assertNotIn("_session", traceback)

    def test_an_excepthook_that_exits(self):
        self.run_cell("import sys; sys.excepthook = lambda *a: sys.exit(3)")
        self.assertEqual(self.run_cell("1/0"), ("exit", 3, None))
        self.assertEqual(self.run_cell("a b"), ("exit", 3, None))

    def test_tracebacklimit(self):
        self.run_cell("import sys; sys.tracebacklimit = 1\ndef x1(): 1/0\ndef x2(): x1()")
        text = self.raised("x2()")["traceback"]
        self.assertIn("in x1", text)
        self.assertNotIn("in x2", text)
        self.assertNotIn("<module>", text)
        for limit in (0, -3):
            sys.tracebacklimit = limit
            self.assertNotIn("in x1", self.raised("x2()")["traceback"])
        sys.tracebacklimit = "nonsense"
        text = self.raised("x2()")["traceback"]
        del sys.tracebacklimit
        self.assertIn("in x2", text)

    def test_exit(self):
        self.assertEqual(self.run_cell("import sys; sys.exit(4)"), ("exit", 4, None))

    def test_await(self):
        self.run_cell("import asyncio\nasync def f(n):\n  await asyncio.sleep(0)\n  return n")
        self.check("await f(1); await f(2)\n5", "1", "2", "5")
        self.assertEqual(self.raised("await f(1 / 0)")["type"], "ZeroDivisionError")

    def test_running_is_seen_by_signal_handlers(self):
        self.session.namespace["session"] = self.session
        self.check("session.running", "True")
        self.assertFalse(self.session.running)
        self.session.pending = KeyboardInterrupt()
        self.assertEqual(self.raised("1")["type"], "KeyboardInterrupt")

    def test_sessions_side_by_side_show_their_own(self):
        other = session_module.Session()
        others = []
        other.show = lambda *shown: others.append(shown[0])

        async def main():
            source = "import asyncio\nfor i in range(3):\n  await asyncio.sleep(0)\n  {} + i\n"
            return await asyncio.gather(
                self.session.run_async(source.format(10), mode="interactive"),
                other.run_async(source.format(20), mode="interactive"),
            )

        self.assertEqual(asyncio.run(main()), [("none",), ("none",)])
        self.assertEqual([shown[0] for shown in self.shown], ["10", "11", "12"])
        self.assertEqual(others, ["20", "21", "22"])
        self.assertIs(sys.displayhook, sys.__displayhook__)

    def test_async_cells_that_end_otherwise(self):
        async def outcome(source):
            return await self.session.run_async(source, mode="interactive")

        self.assertEqual(asyncio.run(outcome("(")), ("incomplete",))
        self.assertEqual(asyncio.run(outcome("a b"))[0], "invalid")
        self.assertEqual(asyncio.run(outcome("1/0"))[1]["frames"][0][0], "<python-input-1>")
        self.assertEqual(asyncio.run(outcome("raise SystemExit(2)")), ("exit", 2, None))

    def test_prompts(self):
        self.assertEqual(session_module.prompts(), (">>> ", "... "))
        session_module.set_prompts()
        self.run_cell("import sys\nclass P:\n  n = 0\n  def __str__(self): P.n += 1; return f'[{P.n}] '\nsys.ps1 = P()")
        session_module.set_prompts()
        self.assertEqual(session_module.prompts(), ("[1] ", "... "))
        self.assertEqual(session_module.prompts(), ("[2] ", "... "))
        self.run_cell("class P:\n  def __str__(self): return 1/0\nsys.ps1 = P(); del sys.ps2")
        self.assertEqual(session_module.prompts(), (">>> ", "... "))


if __name__ == "__main__":
    unittest.main()
