"""`Sandbox.check`: what is wrong with a cell, and what is not."""

import os
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Literal, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import keelback
from keelback import Finding


def add(a: int, b: int = 2) -> int:
    return a + b


def find(items: "list[str]", *, mode: Literal["fast", "slow"], limit: Optional[int] = None):
    return items


def anything(*parts: str, **options):
    return parts


def loose(value, ratio: float = 0.5, extra=None):
    return value


async def fetch(url: str):
    return url


TOOLS = [add, find, anything, loose, fetch]


class CheckTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = keelback.Sandbox(tools=TOOLS)

    def check(self, code, *expected, box=None):
        """Expected are (kind, line, column, message)."""
        found = (box or self.box).check(code)
        self.assertEqual([(f.kind, f.line, f.column, f.message) for f in found], list(expected))

    # -- syntax ------------------------------------------------------------------------------------------------------

    def test_syntax(self):
        self.check("x = 1\ny = (1,", ("syntax", 2, 4, "'(' was never closed"))
        self.check("def f():\nreturn 1", ("syntax", 2, 0, "expected an indented block after function definition on line 1"))
        self.check("return 3", ("syntax", 1, 0, "'return' outside function"))
        self.check("é = 'ü'; )", ("syntax", 1, 11, "unmatched ')'"))
        self.check("def f():\n    await g()", ("syntax", 2, 4, "'await' outside async function"))

    def test_what_a_cell_may_be(self):
        for code in ("", "1 + 1", "await x", "x = 1; x", "'\\d'", "type X = int", "match x:\n    case {'a': [*y]}: pass"):
            self.check(code)

    def test_odd_sources(self):
        self.assertEqual([f.kind for f in self.box.check("\0")], ["syntax"])
        self.assertEqual([f.kind for f in self.box.check("(" * 500 + ")" * 500)], ["syntax"])
        self.check("import json\r\nimport nosuch\r\n", ("module", 2, 0, "No module named 'nosuch'"))

    # -- modules -----------------------------------------------------------------------------------------------------

    def test_modules(self):
        self.check("import json, os.path, xml.etree.ElementTree, asyncio\nfrom collections.abc import Mapping")
        self.check("import pandas as pd", ("module", 1, 0, "No module named 'pandas'"))
        self.check("def f():\n    from nosuch.deep import x", ("module", 2, 4, "No module named 'nosuch'"))
        self.check("import json.nosuch", ("module", 1, 0, "No module named 'json.nosuch'"))
        self.check("import os.nosuch", ("module", 1, 0, "No module named 'os.nosuch'; 'os' is not a package"))
        self.check("import tkinter", ("module", 1, 0, "No module named 'tkinter': it is not available in the sandbox"))
        self.check("from . import x", ("module", 1, 0, "attempted relative import with no known parent package"))

    def test_imports_that_may_fail(self):
        self.check("try:\n    import nosuch\nexcept ImportError:\n    nosuch = None")
        self.check("import contextlib\nwith contextlib.suppress(ImportError):\n    import nosuch")
        self.check("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nosuch")
        self.check("import sys\nsys.path.insert(0, '/data')\nimport nosuch")
        self.check(
            "try:\n    import nosuch\nexcept KeyError:\n    pass", ("module", 2, 4, "No module named 'nosuch'")
        )

    def test_modules_of_the_session(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "granted.py").write_text("raise SystemExit('ran')")
            with keelback.Sandbox(read={folder: "/data"}) as box:
                self.check("import granted", ("module", 1, 0, "No module named 'granted'"), box=box)
                box.run("import sys; sys.path.append('/data')")
                self.check("import granted", box=box)
                box.run("import types; sys.modules['made'] = types.ModuleType('made')")
                self.check("import made", box=box)

    # -- tools -------------------------------------------------------------------------------------------------------

    def test_calls_that_fit(self):
        self.check(
            "add(1)\nadd(1, 2)\nadd(a=1)\nadd(*x)\nadd(**x)\nadd(y)\nfind(['a'], mode='fast')\nfind((), mode='slow', limit=None)\n"
            "anything('a', 'b', c=1)\nloose(1, 2)\nloose(None, 0.5)\nloose({}, extra=[])\nfetch(url=f'{x}')\n"
            "from tools import add as plus\nplus(3)\nimport tools\ntools.add(1, b=2)"
        )

    def test_calls_that_do_not_bind(self):
        self.check("add()", ("tool", 1, 0, "add() missing 1 required positional argument: 'a'"))
        self.check("add(1, 2, 3)", ("tool", 1, 0, "add() takes from 1 to 2 positional arguments but 3 were given"))
        self.check("fetch('a', 'b')", ("tool", 1, 0, "fetch() takes 1 positional argument but 2 were given"))
        self.check("add(1, c=2)", ("tool", 1, 7, "add() got an unexpected keyword argument 'c'"))
        self.check("add(1, a=2)", ("tool", 1, 7, "add() got multiple values for argument 'a'"))
        self.check("find([])", ("tool", 1, 0, "find() missing 1 required keyword-only argument: 'mode'"))
        self.check("import tools\ntools.nosuch()", ("tool", 2, 0, "there is no tool 'nosuch'"))
        self.check("from tools import nosuch", ("tool", 1, 0, "there is no tool 'nosuch'"))
        self.check(
            "for i in range(3):\n    print([add(x=i) for j in 'ab'])",
            ("tool", 2, 11, "add() missing 1 required positional argument: 'a'"),
            ("tool", 2, 15, "add() got an unexpected keyword argument 'x'"),
        )

    def test_the_words_are_those_of_the_call(self):
        for code in ("add()", "add(1, 2, 3)", "add(1, c=2)", "add(1, a=2)", "find([])"):
            (finding,) = self.box.check(code)
            self.assertEqual(self.box.run(code).error.message, finding.message)

    def test_literals_of_a_wrong_type(self):
        self.check("add('1')", ("tool", 1, 4, "add() argument 'a' must be int, not str"))
        self.check("add(True)", ("tool", 1, 4, "add() argument 'a' must be int, not bool"))
        self.check("add(1, b=-1.5)", ("tool", 1, 9, "add() argument 'b' must be int, not float"))
        self.check("anything('a', 2)", ("tool", 1, 14, "anything() argument 'parts' must be str, not int"))
        self.check("loose(1, '2')", ("tool", 1, 9, "loose() argument 'ratio' must be float, not str"))
        self.check(
            "find('ab', mode=1, limit=[])",
            ("tool", 1, 5, "find() argument 'items' must be list[str], not str"),
            ("tool", 1, 16, "find() argument 'mode' must be Literal['fast', 'slow'], not int"),
            ("tool", 1, 25, "find() argument 'limit' must be Optional[int], not list"),
        )

    def test_other_functions_of_the_name(self):
        self.check("def add(): pass\nadd()")
        self.check("for add in x: add()")
        self.check("f = lambda add: add()")
        self.check("from operator import add\nadd()")
        with keelback.Sandbox(tools=TOOLS) as box:
            box.run("def add(): pass")
            self.check("add()", box=box)
            box.set_tools([find])
            self.check("fetch(1)", box=box)

    # -- await -------------------------------------------------------------------------------------------------------

    def test_coroutines_that_nothing_awaits(self):
        define = "async def f(x=0):\n    return x\n"
        self.check(define + "f()", ("await", 3, 0, "coroutine 'f' was never awaited: write await f(...)"))
        self.check(
            define + "v = f(1)\nprint(v)", ("await", 3, 4, "coroutine 'f' was never awaited: write v = await f(...)")
        )
        self.check(
            define + "async def g():\n    v = f()\n    return v + 1\nawait g()",
            ("await", 4, 8, "coroutine 'f' was never awaited: write v = await f(...)"),
        )
        self.check(
            define + "async def g():\n    f()\nawait g()",
            ("await", 4, 4, "coroutine 'f' was never awaited: write await f(...)"),
        )

    def test_coroutines_that_are_awaited(self):
        define = "import asyncio\nasync def f(x=0):\n    return x\n"
        for rest in (
            "await f()", "v = await f()", "t = f()\nawait t", "await asyncio.gather(f(), f())",
            "t = asyncio.create_task(f())", "ts = [f(i) for i in 'ab']\nawait asyncio.gather(*ts)", "asyncio.run(f())",
            "t = f()\nrun(t)", "def g():\n    t = f()\n    return t", "t = f()\nt.close()", "t = f()\nts = [t]",
            "t = f()\nasync def g():\n    await t",
        ):
            self.check(define + rest)

    def test_what_is_no_coroutine(self):
        self.check("async def f():\n    yield 1\nf()")
        self.check("import functools\n@functools.lru_cache\nasync def f(): pass\nf()")
        self.check("class A:\n    async def f(self): pass\nf()")
        self.check("async def f(): pass\nf = print\nf()")
        # Calls of an async tool wait by themselves.
        self.check("fetch('a')\nx = fetch('b')\nprint(x)\nimport asyncio\nawait asyncio.gather(fetch('a'), fetch('b'))")

    def test_functions_of_earlier_cells(self):
        with keelback.Sandbox() as box:
            box.run("async def f(): pass")
            self.check("f()", ("await", 1, 0, "coroutine 'f' was never awaited: write await f(...)"), box=box)

    # -- the session -------------------------------------------------------------------------------------------------

    def test_nothing_runs_and_nothing_stays(self):
        with keelback.Sandbox(tools=TOOLS) as box:
            box.run("x = 41; x + 1")
            names = box.variables()
            box.check("x = 0; print('ran'); add(1)\nimport nosuch")
            box.check("1 / 0")
            self.assertEqual(box.variables(), names)
            self.assertEqual(box.run("_").value, 42)
            self.assertEqual(box.run("x").value, 41)
            self.assertEqual(box.run("import sys; hasattr(sys, 'last_exc')").value, False)

    def test_forks_and_rollbacks(self):
        with keelback.Sandbox() as box:
            before = box.checkpoint()
            self.check("(", ("syntax", 1, 0, "'(' was never closed"), box=box)
            with box.fork() as fork:
                self.check("(", ("syntax", 1, 0, "'(' was never closed"), box=fork)
            box.rollback(before)
            self.check("(", ("syntax", 1, 0, "'(' was never closed"), box=box)

    def test_what_a_guest_says_is_only_text(self):
        with keelback.Sandbox() as box:
            box.check("1")
            box.run(
                "import sys, marshal, _host\n"
                "sys.modules['_keelback_check'].check = lambda source: _host.emit(3, marshal.dumps("
                "{'text/plain': 'evil\\x1f1\\x1f1\\x1fa\\x1esyntax\\x1fx\\x1f1\\x1fa\\x1etool\\x1f1\\x1f2\\x1fok\\x1e'}, 2))"
            )
            self.assertEqual(box.check("1"), [Finding("tool", "ok", 1, 2)])
            box.run("sys.modules['_keelback_check'].check = lambda source: 1 / 0")
            with self.assertRaisesRegex(keelback.SandboxError, "could not check"):
                box.check("1")
            box.run("sys.modules['_keelback_check'].check = lambda source: _host.emit(3, marshal.dumps({'text/plain': [1]}, 2))")
            self.assertEqual(box.check("1"), [])  # put back

    def test_finding(self):
        finding = Finding("syntax", "m", 2, 3)
        self.assertEqual(str(finding), "2:3: m")
        self.assertEqual(repr(finding), "Finding(kind='syntax', message='m', line=2, column=3)")


if __name__ == "__main__":
    unittest.main()
