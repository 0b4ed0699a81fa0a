"""`_assist`, on Python 3.10 and later: completions, signatures, documentation and source, without running code."""

import collections
import contextlib
import dataclasses
import enum
import functools
import importlib.util
import io
import itertools
import linecache
import os
import sys
import tempfile
import time
import types
import unittest
import warnings
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "python" / "keelback" / "_assist.py"
_spec = importlib.util.spec_from_file_location("_keelback_assist", SOURCE)
assist = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(assist)

FAR = time.monotonic() + 1e6  # a slow machine is not what is tested


def split(text):
    """A source with `|` where the cursor is."""
    before, after = text.split("|")
    return before + after, len(before)


def complete(text, namespace=None, **more):
    source, cursor = split(text)
    return assist.complete({} if namespace is None else namespace, source, cursor, FAR, **more)


def texts(text, namespace=None, **more):
    return [match[0] for match in complete(text, namespace, **more)[2]]


def execute(source):
    namespace = {"__name__": "__main__"}
    exec(source, namespace)
    return namespace


def raising(*args, **kwargs):
    raise AssertionError("code ran")


class HostileMeta(type):
    __getattribute__ = __getattr__ = __dir__ = __repr__ = __call__ = __instancecheck__ = __subclasscheck__ = raising
    __eq__ = __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = raising
    __hash__ = type.__hash__


class Hostile(metaclass=HostileMeta):
    __getattr__ = __dir__ = __repr__ = __str__ = __eq__ = __bool__ = __len__ = __iter__ = __call__ = raising
    __getitem__ = __contains__ = __format__ = __reduce__ = raising
    __hash__ = object.__hash__
    visible = 1

    def __getattribute__(self, name):
        raise AssertionError("code ran")

    @property
    def prop(self):
        raise AssertionError("code ran")

    @property
    def __class__(self):
        raise AssertionError("code ran")


class Raising:
    def __get__(self, instance, owner):
        raise AssertionError("code ran")


class Names(unittest.TestCase):
    def check(self, text, expected, namespace=None):
        self.assertEqual(texts(text, namespace), expected)

    def test_keywords(self):
        self.check("impo|", ["import "])
        self.check("x = lamb|", ["lambda "])
        self.check("Tru|", ["True"])
        self.check("brea|", ["break", "breakpoint("])
        self.check("els|", ["else:"])
        self.check("x if y els|", ["else "])
        self.check("matc|", ["match "])
        self.check("x = whil|", [])

    def test_globals_and_builtins(self):
        namespace = {"python_thing": 5, "_private": 1, "PI": 3}
        self.check("python_t|", ["python_thing"], namespace)
        self.check("x = (1 + python_t|)", ["python_thing"], namespace)
        self.check("_pri|", ["_private"], namespace)
        self.assertNotIn("_private", texts("|", namespace))
        self.check("isinst|", ["isinstance("])
        self.check("isinst|(x)", ["isinstance"])
        self.check("pyTHON_|", ["python_thing"], namespace)
        self.assertEqual(complete("a = pr|x")[:2], (4, 6))
        self.check("__doc|", ["__doc__"], {"__doc__": None})

    def test_nothing_to_complete(self):
        for text in ("# impo|", "'impo|", "1|", "1.5e|", "x = 0x|", "def pri|", "class pri|", "import os as o|", "nosuch.geten|",
                     "f().|", "'''\nimpo|", "\"\"\"a'|", "b'a|"):  # fmt: skip
            with self.subTest(text):
                self.check(text, [], {"f": raising})

    def test_fields_of_f_strings(self):
        namespace = {"value": 1, "os": os}
        self.check("f'{val|", ["value"], namespace)
        self.check("f'{{val|", [], namespace)
        self.check("f'a {value} val|", [], namespace)
        self.check("f'{value:>{val|", ["value"], namespace)
        self.check("f'{value!r} {os.getpi|}'", ["getpid()"], namespace)
        self.check('f"""\n{f\'{val|', ["value"], namespace)
        self.check("f'{value:>10}' + val|", ["value"], namespace)

    def test_call_suffixes(self):
        namespace = execute(
            "import functools\ndef none(): pass\ndef some(a=1): pass\ndef rest(*a): pass\nclass Empty: pass\n"
            "class Init:\n  def __init__(self, a): pass\n  def meth(self): pass\n  def more(self, a): pass\n"
            "  @classmethod\n  def make(cls): pass\n  @staticmethod\n  def stat(): pass\nobj = Init(1)\n"
            "class Call:\n  def __call__(self): pass\ncall = Call()\nimport types\nx = types.SimpleNamespace(call=call)"
        )
        for text, expected in (
            ("none|", "none()"), ("som|", "some("), ("res|", "rest("), ("Emp|", "Empty()"), ("Ini|", "Init("),
            ("obj.met|", "meth()"), ("obj.mor|", "more("), ("obj.mak|", "make()"), ("obj.sta|", "stat()"),
            ("Init.met|", "meth("), ("x.cal|", "call("), ("@non|", "none"), ("@obj.met|", "meth"),
        ):  # fmt: skip
            with self.subTest(text):
                self.check(text, [expected], namespace)
        self.check("os.getpid|", ["getpid()"], {"os": os})
        self.check("itertools.accum|", ["accumulate("], {"itertools": itertools})

    def test_kinds(self):
        namespace = execute("import os\nn = 1\ndef f(): pass\nclass C: pass\nc = C()")
        kinds = {text.rstrip("()"): kind for text, kind, _ in complete("|", namespace)[2]}
        self.assertEqual([kinds[name] for name in ("os", "n", "f", "C", "c", "print", "if ")],
                         ["module", "variable", "function", "class", "variable", "function", "keyword"])  # fmt: skip
        self.assertEqual(complete("c|", namespace)[2][0], ("c", "variable", "C"))


class Attributes(unittest.TestCase):
    def test_no_code_runs(self):
        namespace = {"h": object.__new__(Hostile), "H": Hostile}
        self.assertEqual(texts("h.vis|", namespace), ["visible"])
        self.assertEqual(texts("h.pro|", namespace), ["prop"])
        self.assertEqual(texts("H.vis|", namespace), ["visible"])
        for text in ("h.|", "H.|", "h.__|", "|", "h.prop.|", "h.visible.|", "h[0].|", "h[|", "h['|", "h(|", "H(|", "h.nosuch.|"):
            with self.subTest(text):
                complete(text, namespace)
                source, cursor = split(text)
                assist.signature(namespace, source, cursor)
                assist.detail(namespace, source, cursor, "x")
        for expression in ("h", "H", "h.prop", "h.visible", "H.prop", "h.nosuch"):
            assist.describe(namespace, expression)
            assist.source_of(namespace, expression)
        self.assertEqual(assist.describe(namespace, "h")["type"], "Hostile")
        self.assertEqual(assist.defined(namespace, ["h", "H", "x", "print"]), [True, True, False, True])

    def test_descriptors_are_not_asked(self):
        class C:
            prop = property(raising)
            desc = Raising()
            cached = functools.cached_property(raising)

            def __init__(self):
                self.own = 1

        namespace = {"c": C(), "C": C}
        self.assertEqual(texts("c.|", namespace), ["cached", "desc", "own", "prop"])
        self.assertEqual(texts("c.desc.|", namespace), [])
        self.assertEqual(texts("c.prop.|", namespace), [])
        namespace["c"].__dict__["desc"] = "text"
        self.assertIn("join(", texts("c.desc.|", namespace))  # without __set__ the instance's own comes first

    def test_dunder_dict_of_ones_own(self):
        class C:
            x = 1
            __dict__ = property(raising)

        self.assertEqual(texts("c.|", {"c": C()}), ["x"])

    def test_slots(self):
        class C:
            __slots__ = ("text", "empty")

        c = C()
        c.text = "t"
        self.assertEqual(texts("c.|", {"c": c}), ["empty", "text"])
        self.assertIn("join(", texts("c.text.jo|", {"c": c}))
        self.assertEqual(texts("c.empty.|", {"c": c}), [])

    def test_lazy_modules_stay_unloaded(self):
        class Lazy(types.ModuleType):
            __getattribute__ = __getattr__ = raising

        module = Lazy("lazy")
        types.ModuleType.__dict__["__dict__"].__get__(module)["name"] = 1
        self.assertEqual(texts("m.na|", {"m": module}), ["name"])

    def test_warnings_are_silent(self):
        namespace = execute("import warnings\nclass D:\n  @property\n  def test_func(self): warnings.warn('careful')\nd = D()")
        with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stderr(io.StringIO()) as output:
            warnings.simplefilter("always")
            self.assertEqual(texts("d.test_f|", namespace), ["test_func"])
            complete("'\\d'.jo|", namespace)
        self.assertEqual((caught, output.getvalue()), ([], ""))

    def test_private_names_are_hidden(self):
        namespace = execute("class C: pub1 = 1; pub2 = 2; _priv = 3; __mangled = 4")
        self.assertEqual(texts("C.|", namespace), ["pub1", "pub2"])
        self.assertEqual(texts("C._|", namespace), ["_C__mangled", "_priv"])
        self.assertIn("__init__(", texts("C.__ini|", namespace))

    def test_paths(self):
        Point = collections.namedtuple("Point", "x y")
        namespace = {
            "d": {"k": [1, "text"], 2: {"n": os}}, "t": (os,), "os": os, "p": Point(1, "s"), "o": collections.OrderedDict(a="s"),
            "deep": types.SimpleNamespace(a=types.SimpleNamespace(b="s")), "sub": type("D", (dict,), {"__getitem__": raising})(k="s"),
        }  # fmt: skip
        for text in ('d["k"][1].jo|', "d[2]['n'].path.jo|", "t[0].path.jo|", "t[-1].path.jo|", "deep.a.b.jo|", "o['a'].jo|",
                     "os . path . jo|", "(os).path.jo|", "x = [d['k'][1].jo|", "'a'.jo|", "f'{1}'.jo|", "str().jo|",
                     "(os\n.path\n.jo|"):  # fmt: skip
            with self.subTest(text):
                self.assertEqual(texts(text, namespace), ["join("])
        for text in ("sub['k'].|", "d[f()].|", "d['no'].|", "t[9].|", "t[:1].|", "(os + 1).|", "x.os.path.jo|", "not.jo|"):
            with self.subTest(text):
                self.assertEqual(texts(text, namespace), [])
        self.assertEqual(texts("[1].appe|"), ["append("])
        self.assertEqual(texts("{1}.ad|"), ["add("])
        self.assertEqual(texts("{1: 2}.setd|"), ["setdefault("])

    def test_classes(self):
        class Color(enum.Enum):
            RED = 1
            GREEN = 2

        self.assertEqual(texts("Color.RE|", {"Color": Color}), ["RED"])
        self.assertEqual(texts("int.from_b|"), ["from_bytes("])
        self.assertEqual(texts("C().me|", execute("class C:\n  def meth(self): pass")), ["meth()"])
        # What a metaclass makes of the call is its own affair.
        self.assertEqual(texts("H().|", {"H": Hostile}), [])

    def test_a_namespace_that_changes_meanwhile_or_is_odd(self):
        class Odd(dict):
            __getitem__ = get = __iter__ = keys = __contains__ = raising

        self.assertEqual(texts("nam|", Odd(name=1)), texts("nam|", {"name": 1}))
        self.assertEqual(texts("nam|", {"name": 1, 5: 2, None: 3}), ["name"])


class Keys(unittest.TestCase):
    def check(self, text, *expected, namespace=None):
        namespace = namespace or {"d": {"ab c": 1, "it's": 2, 'q"q': 3, 3: 4, "new\nline": 5}}
        self.assertEqual(texts(text, namespace), list(expected))

    def test_keys(self):
        self.check("d['a|", "ab c']")
        self.check('d["a|', 'ab c"]')
        self.check('d["a|"]', "ab c")
        self.check('d["a|]', 'ab c"')
        self.check("d['it|", "it\\'s']")
        self.check('d["it|', 'it\'s"]')
        self.check('d["q|', 'q\\"q"]')
        self.check("d['new|", "new\\nline']")
        self.check("d[r'new|")
        self.check("d['ab |", "ab c']")
        self.check("d[|", "'ab c']", '"it\'s"]', "'q\"q']", "'new\\nline']")
        self.check("x['a|", namespace={"x": [1]})
        self.check("['a|")
        self.check("e['d']['k|", "kk']", namespace={"e": {"d": {"kk": 1}}})
        self.assertEqual(complete("x = d['a|", {"d": {"abc": 1}})[:2], (7, 8))

    def test_what_is_inserted_is_python(self):
        keys = ["a'b", 'a"b', "a\\b", "a\tb", "a'\"b", "aé"]
        for quote in ("'", '"', "'''", '"""'):
            for inserted in texts(f"d[{quote}a|", {"d": dict.fromkeys(keys)}):
                self.assertIn(eval(f"{quote}{inserted}"[: -1]), keys)
            self.assertEqual(len(texts(f"d[{quote}a|", {"d": dict.fromkeys(keys)})), len(keys))


class Arguments(unittest.TestCase):
    def test_names_of_parameters(self):
        namespace = execute(
            "import functools, dataclasses\ndef f(name, nation=1, *, note): pass\ndef g(a, /, abc, *abx): pass\n"
            "@dataclasses.dataclass\nclass P:\n  name: str\n  nation: int = 0\n"
            "part = functools.partial(f, nation=2)\n@functools.wraps(f)\ndef w(*a, **k): pass\n"
            "class M:\n  def meth(self, name): pass\n  def __call__(self, nation): pass\nm = M()\n"
        )
        for text, expected in (
            ("f(na|", ["name=", "nation="]), ("f(1, n|", ["nation=", "note="]), ("f(note=1, n|", ["name=", "nation="]),
            ("f(\n  na|", ["name=", "nation="]), ("P(na|", ["name=", "nation="]), ("part(n|", ["name=", "nation=", "note="]),
            ("w(na|", ["name=", "nation="]), ("m.meth(na|", ["name="]), ("m(na|", ["nation="]), ("g(ab|", ["abc="]),
            ("f(x=na|", []), ("f([na|", []), ("f(na + na|", []), ("def f(na|", []), ("f(g(1), na|", ["nation="]),
            ("f((1, 2), na|", ["nation="]), ("f(*x, na|", ["name=", "nation="]), ("open('a', mo|", ["mode="]),
            ("sorted(x, re|", ["reverse="]),
        ):  # fmt: skip
            with self.subTest(text):
                found = [match[0] for match in complete(text, namespace)[2] if match[1] == "argument"]
                self.assertEqual(found, expected)


class Signatures(unittest.TestCase):
    def check(self, text, shown, active, namespace=None):
        """*shown* is the signature with the active parameter in brackets."""
        source, cursor = split(text)
        found = assist.signature({} if namespace is None else namespace, source, cursor, FAR)
        if shown is None:
            self.assertIsNone(found)
            return
        text, spans, index, _ = found
        self.assertEqual((text, index), (shown, active))
        for begin, end in spans:
            self.assertTrue(0 <= begin < end <= len(text))

    def test_signatures(self):
        namespace = execute(
            "def f(a, b: int = 2, *args, c, d='x', **rest): 'Does it.\\n\\nMore.'\ndef p(a, /, b, *, c=None): pass\ndef o(x, /): pass"
        )
        shown = "f(a, b: int = 2, *args, c, d='x', **rest)"
        for text, active in (("f(|", 0), ("f(1, |", 1), ("f(1, 2, |", 2), ("f(1, 2, 3, 4|", 2), ("f(c=|", 3), ("f(1, zz=|", 5),
                             ("f([1, 2|", 0), ("f((1, 2), |", 1), ("f(x, {1: 2}, d=(|", 4), ("y = f(1,\n  |", 1),
                             ("f(')', |", 1), ("if f(1, |:\n  pass", 1), ("f(|)", 0)):  # fmt: skip
            with self.subTest(text):
                self.check(text, shown, active, namespace)
        self.check("p(1, |", "p(a, /, b, *, c=None)", 1, namespace)
        self.check("o(|", "o(x, /)", 0, namespace)
        self.check("o(1, |", "o(x, /)", None, namespace)
        self.check("len(|", assist.signature({}, "len(", 4)[0], 0)
        source, cursor = split("f(|")
        self.assertEqual(assist.signature(namespace, source, cursor)[3], "Does it.")
        text, spans, _, _ = assist.signature(namespace, source, cursor)
        self.assertEqual([text[begin:end] for begin, end in spans], ["a", "b: int = 2", "*args", "c", "d='x'", "**rest"])

    def test_inner_and_outer_calls(self):
        namespace = execute("def f(a, b): pass\ndef g(x): pass")
        self.check("f(g(1), |", "f(a, b)", 1, namespace)
        self.check("f(1, g(|", "g(x)", 0, namespace)
        self.check("f(1, [g, |", "f(a, b)", 1, namespace)

    def test_no_signature(self):
        for text in ("|", "f|", "nosuch(|", "(|", "def len(|", "class C(|", "# len(|", "1(|", "'len(|'"):
            with self.subTest(text):
                self.check(text, None, None)
        self.assertIsNone(assist.signature({"x": 5}, "x(", 2))

    def test_classes_and_odd_callables(self):
        class Base:
            def __init__(self, a):
                pass

        class Anything(Base):
            def __new__(cls, *args, **kwargs):
                pass

        @dataclasses.dataclass
        class Data:
            name: str
            n: int = 3

        namespace = {"Base": Base, "Anything": Anything, "Data": Data, "P": collections.namedtuple("P", "x y"),
                     "part": functools.partial(sorted, reverse=True), "cached": functools.lru_cache(Base.__init__)}  # fmt: skip
        self.check("Base(|", "Base(a)", 0, namespace)
        self.check("Anything(|", "Anything(a)", 0, namespace)
        shown = "Data(name: str, n: int = 3)"
        self.check("Data(|", shown if sys.version_info < (3, 14) else "Data(name, n=3)", 0, namespace)
        self.check("P(1, |", "P(x, y)", 1, namespace)
        self.check("cached(|", "cached(self, a)", 0, namespace)
        self.assertIn("reverse=True", assist.signature(namespace, "part(", 5)[0])
        self.assertIsNotNone(assist.signature({}, "dict(", 5))

    def test_defaults_are_not_asked_for_their_repr(self):
        def f(a=object.__new__(Hostile), b=(1, 2), c=print, d="x" * 100, e=[]):
            pass

        self.check("f(|", "f(a=..., b=(1, 2), c=print, d=..., e=[])", 0, {"f": f})


class Imports(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "zqa_pub.py").write_text(
            "raise AssertionError('imported')\nbarbar = 1\ndef barfun(): pass\nclass BarClass: inner = 2\n"
            "import os as bar_os, sys.path\nif True:\n  bar_if: int = 3\ntry:\n  from x import bar_from\nexcept E:\n  bar_except = 1\n"
            "bar_a, (bar_b, *bar_c) = 1\n_barprivate = 1\nbare: int\n"
        )
        (self.folder / "_zqa_priv.py").write_text("")
        (self.folder / "zqa_broken.py").write_text("def ok(): pass\nthis is no python\nvalue = 1\nx == 2\n")
        (self.folder / "zqa_long.py").write_text("early = 1\n" + "# filler\n" * 10_000 + "async def late(): pass\n")
        package = self.folder / "zqa_package"
        (package / "inner").mkdir(parents=True)
        (package / "__init__.py").write_text("raise AssertionError('imported')\nthing = 1\n")
        (package / "module.py").write_text("deep = 1\n")
        (package / "inner" / "__init__.py").write_text("")
        (package / "inner" / "leaf.py").write_text("")
        (self.folder / "not-a-name.py").write_text("")
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))

    def check(self, text, *expected):
        before = set(sys.modules)
        self.assertEqual(texts(text), list(expected))
        self.assertEqual({name for name in set(sys.modules) - before if "zqa" in name or name == "graphlib"}, set())

    def test_modules(self):
        self.assertEqual(texts("import jso|")[0], "json")
        self.check("import re as r, importli|", "importlib")
        self.check("import prin|")
        self.check("from prin|")
        self.check("import zqa_p|", "zqa_package", "zqa_pub")
        self.check("import _zq|", "_zqa_priv")
        self.check("import zqa_package.|", "inner", "module")
        self.check("import zqa_package.inner.l|", "leaf")
        self.check("from zqa_package.in|", "inner")
        self.check("x = 1; import zqa_pu|", "zqa_pub")
        self.check("if x: import zqa_pu|", "zqa_pub")
        self.check("import os.pat|", "path")
        self.check("import zqa_pub |", "as ")
        self.check("from . import |")
        self.assertEqual(texts("import JSO|")[0], "json")
        if sys.version_info >= (3, 11):
            self.check("import importlib.resources.ab|", "abc")

    def test_names_in_modules(self):
        self.check("from graphlib import Topo|", "TopologicalSorter")
        self.check("from zqa_pub import |", "BarClass", "bar_a", "bar_b", "bar_c", "bar_except", "bar_from", "bar_if", "bar_os",
                   "barbar", "barfun", "sys")  # fmt: skip
        self.check("from zqa_pub import _b|", "_barprivate")
        self.check("from zqa_pub import barbar, barf|", "barfun")
        self.check("from zqa_pub import (barbar,\n  barf|", "barfun")
        self.check("from zqa_pub import barbar, barb|")
        self.check("from zqa_pub import barbar as b|")
        self.check("from zqa_package import |", "inner", "module", "thing")
        self.check("from zqa_package.module import |", "deep")
        self.check("from zqa_broken import |", "ok", "value")
        self.check("from zqa_long import |", "early", "late")
        self.check("from nosuch import |")
        self.check("from json |", "import ")
        self.check("from os import getpi|", "getpid")

    def test_new_files_are_seen(self):
        self.check("import zqa_new|")
        (self.folder / "zqa_new.py").write_text("")
        os.utime(self.folder, ns=(1, 1))  # as if time had passed
        self.check("import zqa_new|", "zqa_new")

    def test_archives(self):
        with zipfile.ZipFile(self.folder / "a.zip", "w") as archive:
            archive.writestr("zqz_module.py", "")
        sys.path.append(str(self.folder / "a.zip"))
        self.addCleanup(sys.path.remove, str(self.folder / "a.zip"))
        self.check("import zqz|", "zqz_module")

    def test_a_strange_path(self):
        before = list(sys.path)
        sys.path[:0] = [None, 5, "\0", "/nonexistent", str(self.folder / "zqa_pub.py")]
        try:
            self.check("import zqa_pu|", "zqa_pub")
        finally:
            sys.path[:] = before


class Files(unittest.TestCase):
    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("one.txt", "onion", ".hidden", "it's"):
                Path(folder, name).write_text("")
            Path(folder, "orange").mkdir()
            self.assertEqual(texts(f"'{folder}/o|"), ["one.txt", "onion", "orange/"])
            self.assertEqual(texts(f"open('{folder}/.h|"), [".hidden"])
            self.assertEqual(complete(f"'{folder}/on|")[0], len(folder) + 2)
            self.assertEqual(texts(f"'{folder}/i|"), [])
            self.assertEqual(texts(f"'{folder}/o|", paths=False), [])
            self.assertEqual(texts(f"f'{folder}/o|"), [])
            self.assertEqual(texts("'/nonexistent/o|"), [])
            before = os.getcwd()
            os.chdir(folder)
            try:
                self.assertEqual(texts("open('on|"), ["one.txt", "onion"])
                self.assertEqual(texts("print('on|"), [])
            finally:
                os.chdir(before)


class Descriptions(unittest.TestCase):
    def test_describe(self):
        namespace = execute("def f(a):\n  '''First.\n\n     Indented.\n  '''\nclass C:\n  'Doc of C.'\nc = C()\nn = 5")
        self.assertEqual(assist.describe(namespace, "f"),
                         {"type": "function", "signature": "f(a)", "doc": "First.\n\nIndented.", "file": "<string>"})  # fmt: skip
        self.assertEqual(assist.describe(namespace, "C")["signature"], "C()")
        self.assertEqual(assist.describe(namespace, "c")["doc"], "Doc of C.")
        self.assertEqual(assist.describe(namespace, "n")["type"], "int")
        self.assertTrue(assist.describe({"os": os}, " os.path.join ")["file"].endswith(".py"))
        for expression in ("nosuch", "f()", "1 +", "", "n.real", "\0"):
            self.assertIsNone(assist.describe(namespace, expression), expression)

    def test_detail(self):
        namespace = execute("def f(a, b=1): 'Does it.'\nclass C: 'Of C.'\nn = 5\nimport os")
        for source, start, text, expected in (
            ("f", 0, "f(", ("(a, b=1)", "Does it.")), ("x = n", 4, "n", ("int", "")), ("C", 0, "C()", ("()", "Of C.")),
            ("impo", 0, "import ", ("keyword", "")), ("os.getp", 3, "getpid()", ("()", "Return the current process id.")),
            ("nosuch.x", 7, "x", ("", "")), ("import ", 7, "os", ("module", "OS routines for NT or Posix depending on what system we're on.")),
        ):  # fmt: skip
            with self.subTest(source):
                self.assertEqual(assist.detail(namespace, source, start, text), expected)
        self.assertEqual(assist.detail(namespace, "from os import ge", 15, "getpid")[0], "()")

    def test_detail_of_methods_written_in_c(self):
        class Plain:
            @staticmethod
            def make(a): "Makes one."

        # Which of them tell their parameters, and how, is another thing in each release.
        pop = "(k[,d]) -> v, remove specified key and return the corresponding value."
        namespace = {"d": {}, "t": time, "C": Plain, "copyreg": __import__("copyreg")}
        for source, text, kind, short in (
            ("d.", "pop(", "method", {pop, "(key, default=<unrepresentable>, /)"}),
            ("{}.", "pop(", "method", {pop, "(key, default=<unrepresentable>, /)"}),
            ("dict.", "pop(", "method", {pop, "(self, key, default=<unrepresentable>, /)"}),
            ("d.", "keys", "method", {"() -> a set-like object providing a view on D's keys", "()"}),
            ("''.", "join(", "method", {"(iterable, /)"}),
            ("dict.", "fromkeys(", "method", {"(iterable, value=None, /)"}),
            ("t.", "time", "function", {"() -> floating-point number", "() -> floating point number", "()"}),
            ("C.", "make(", "function", {"(a)"}),
        ):
            with self.subTest(source + text):
                start, _, matches, _ = assist.complete(namespace, source + text[:3], len(source) + 3)
                self.assertIn((text.rstrip("()"), kind), [(name.rstrip("()"), kind) for name, kind, _ in matches])
                told, doc = assist.detail(namespace, source, start, text)
                self.assertIn(told, short)
                self.assertFalse(doc.endswith(told))
        self.assertEqual(assist.detail(namespace, "import _struct; _struct.", 24, "nosuch"), ("", ""))
        for name in ("max", "vars"):  # without a signature
            short, doc = assist.detail({}, "", 0, name + "(")
            self.assertNotIn("builtin", short)
            self.assertTrue(short or doc)

    def test_source_of(self):
        source = "x = 1\ndef f():\n  return 1\n\nclass C:\n  def m(self):\n    pass\n\ny = 2\n"
        name = "<python-input-77>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        self.addCleanup(linecache.cache.pop, name)
        namespace = {"__name__": "__main__", "collections": collections, "Counter": collections.Counter, "os": os, "contextlib": contextlib}
        exec(compile(source, name, "exec"), namespace)
        sys.modules["__main__"].__file__, before = None, getattr(sys.modules["__main__"], "__file__", None)
        self.addCleanup(setattr, sys.modules["__main__"], "__file__", before)
        self.assertEqual(assist.source_of(namespace, "f"), ("def f():\n  return 1\n", name, 2))
        self.assertEqual(assist.source_of(namespace, "C"), ("class C:\n  def m(self):\n    pass\n", name, 5))
        self.assertEqual(assist.source_of(namespace, "C.m"), ("  def m(self):\n    pass\n", name, 6))
        self.assertTrue(assist.source_of(namespace, "Counter")[0].startswith("class Counter(dict):\n"))
        self.assertTrue(assist.source_of(namespace, "os.path.join")[0].startswith("def join("))
        self.assertTrue(assist.source_of(namespace, "contextlib")[1].endswith("contextlib.py"))
        for expression in ("len", "x", "nosuch", "int"):
            self.assertIsNone(assist.source_of(namespace, expression))


class Bounds(unittest.TestCase):
    def test_a_million_names(self):
        namespace = {f"name_{number}": number for number in range(1_000_000)}
        for source in ("name_9", "", "zzz", "name_999999", "print(name_"):
            matches, more = assist.complete(namespace, source, len(source))[2:]
            self.assertLessEqual(len(matches), 2500)
        self.assertTrue(assist.complete(namespace, "name_", 5)[3])
        self.assertTrue(assist.complete(namespace, "name_", 5, time.monotonic() - 1)[3])
        self.assertTrue(assist.complete({"d": namespace}, "d['name_", 8)[3])
        module = types.ModuleType("m")
        vars(module).update(namespace)
        self.assertTrue(assist.complete({"m": module}, "m.name_", 7)[3])

    def test_long_and_strange_sources(self):
        filler = "x = [1, 2, 'abc']\n" * 20_000
        self.assertEqual(texts(filler + "impo|"), ["import "])
        self.assertEqual(texts("x" * 100_000 + "|"), [])
        for source in ("(" * 5000, "[" * 5000 + "]" * 5000, "a." * 5000, "'" * 999, 'f"{' * 500, "f'''{x:{" * 50, "\\", "\0", "\ud800.",
                       ")" * 100, "a[" * 3000, "}", "f'}", "f'{x!r:}' }", "é.é", "@", ".", "..", "...", "from", "import ,", "from . ",
                       "lambda:", "a(**", "x\n  .", "f'{x:'", "f'{'", "rb'", "f(x=1, **{'a': "):  # fmt: skip
            for cursor in {0, len(source) // 2, len(source), len(source) + 5, -3}:
                start, end, matches, more = assist.complete({"a": 1, "é": "s"}, source, cursor)
                self.assertTrue(0 <= start <= end, (source[:10], cursor))
                assist.signature({"a": 1}, source, cursor)
            assist.describe({"a": 1}, source)
            assist.source_of({"a": 1}, source)


if __name__ == "__main__":
    unittest.main()
