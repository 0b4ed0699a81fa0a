"""`keelback.code` and `keelback.codeop` beside the standard modules of the Python that runs.

CPython's own tests of them are run by `code_suites.py`. Here both do the same things, and what is seen of each must be
the same: whatever the version does is right.
"""

import ast
import builtins
import importlib.util
import inspect
import re
import sys
import sysconfig
import unittest
import warnings
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

import keelback.code as our_code  # noqa: E402
import keelback.codeop as our_codeop  # noqa: E402


def standard(name, **replaced):
    """A fresh copy of a standard module, wherever `sys.modules` leads."""
    spec = importlib.util.spec_from_file_location("standard_" + name, Path(sysconfig.get_path("stdlib"), name + ".py"))
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, replaced):
        spec.loader.exec_module(module)
    return module


their_codeop = standard("codeop")
their_code = standard("code", codeop=their_codeop)

CODE, CODEOP = (their_code, our_code), (their_codeop, our_codeop)
LAST = ("last_type", "last_value", "last_traceback", "last_exc")
PROMPTS = ("ps1", "ps2")
NONE = object()
ADDRESS = re.compile(" at 0x[0-9a-f]+")


class Stream:
    """Keeps each call of `write`."""

    def __init__(self):
        self.written = []

    def write(self, text):
        self.written.append(text)

    def flush(self):
        pass


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        kept = {name: vars(sys)[name] for name in (*LAST, *PROMPTS) if name in vars(sys)}
        underscore = vars(builtins).get("_", NONE)

        def restore():
            for name in (*LAST, *PROMPTS):
                vars(sys).pop(name, None)
            vars(sys).update(kept)
            vars(builtins).pop("_", None)
            if underscore is not NONE:
                builtins._ = underscore

        self.addCleanup(restore)

    def same(self, does, modules=CODE):
        """*does* with each module: what it returns or raises, writes and leaves behind is the same."""
        theirs, ours = (self.seen(does, module) for module in modules)
        self.assertEqual(ours, theirs)
        return ours

    def seen(self, does, module):
        for name in (*LAST, *PROMPTS):
            vars(sys).pop(name, None)
        vars(builtins).pop("_", None)
        out, err = Stream(), Stream()
        with mock.patch.object(sys, "stdout", out), mock.patch.object(sys, "stderr", err):
            try:
                result = does(module)
            except BaseException as error:
                result = ("raised", type(error), str(error))
        # The module's own frames are told by function: files and lines are each module's own.
        last = getattr(sys, "last_value", None)
        frames = []
        trace = getattr(sys, "last_traceback", None)
        while trace is not None:
            frames.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        left = {name: getattr(sys, name) for name in PROMPTS if hasattr(sys, name)}
        details = vars(last) if last is not None else None
        syntax = isinstance(last, SyntaxError)
        if syntax:
            details = (last.msg, last.filename, last.lineno, last.offset, last.text, last.end_lineno, last.end_offset)
        underscore = vars(builtins).get("_", NONE)
        kinds = [name for name in LAST if hasattr(sys, name)]
        written = [ADDRESS.sub("", text) for text in out.written]
        underscore = ADDRESS.sub("", repr(underscore))
        return result, written, err.written, frames, left, repr(type(last)), details, underscore, kinds


class Shape(Case):
    def test_names(self):
        for theirs, ours in (CODE, CODEOP):
            self.assertEqual(ours.__all__, theirs.__all__)
            public = {name for name in vars(theirs) if not name.startswith("_")}
            self.assertEqual(public - set(vars(ours)), set())
        for name in ("_maybe_compile", "_compile", "_features"):
            self.assertTrue(hasattr(our_codeop, name))
        for name in [name for name in vars(their_codeop) if name.startswith("PyCF")]:
            self.assertEqual(getattr(our_codeop, name), getattr(their_codeop, name))
        self.assertEqual(hasattr(our_codeop, "PyCF_ONLY_AST"), hasattr(their_codeop, "PyCF_ONLY_AST"))

    def test_signatures_and_attributes(self):
        for standard, replacing in (CODE, CODEOP):
            for name in standard.__all__:
                original, replaced = getattr(standard, name), getattr(replacing, name)
                with self.subTest(name):
                    self.assertEqual(inspect.signature(replaced), inspect.signature(original))
                    self.assertTrue(inspect.getdoc(replaced))
                    if not isinstance(original, type):
                        continue
                    self.assertEqual(
                        [base.__name__ for base in replaced.__mro__], [base.__name__ for base in original.__mro__]
                    )
                    for method in [name for name in vars(original) if callable(getattr(original, name))]:
                        ours, theirs = getattr(replaced, method), getattr(original, method)
                        self.assertEqual(inspect.signature(ours), inspect.signature(theirs), method)
        for hook in ("_showtraceback", "_excepthook"):
            self.assertEqual(
                hasattr(our_code.InteractiveInterpreter, hook), hasattr(their_code.InteractiveInterpreter, hook)
            )

    def test_instances(self):
        for arguments in [(), ({"a": 1},), (None, "<tty>")]:
            self.same(lambda code: sorted(vars(code.InteractiveConsole(*arguments))))
            self.same(lambda code: code.InteractiveConsole(*arguments).locals)
        self.same(lambda codeop: vars(codeop.Compile()), CODEOP)
        self.same(lambda codeop: [*vars(codeop.CommandCompiler())], CODEOP)
        namespace = {}
        self.assertIs(our_code.InteractiveInterpreter(namespace).locals, namespace)

    def test_neither_imports_the_other(self):
        self.assertEqual(our_code.CommandCompiler.__module__, "keelback.codeop")
        for module in (our_code, our_codeop):
            tree = ast.parse(Path(module.__file__).read_text())
            imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0}
            self.assertEqual(imported & {"code", "codeop"}, set())


SOURCES = [
    "", "\n", "# comment", "  # comment\n\n", "a = 1", "a = 1\n", "a = 1\n\n", "1; 2", "1 +", "1 + \\", "1 + \\\n",
    "(1,", "(1,\n", "]", "(]", "'abc", "'''abc", "'''abc\n", "f'''{1}", "f'{", "if 1:", "if 1:\n", "if 1:\n  2",
    "if 1:\n  2\n", "if 1:\n  2\n\n", "if 1: 2", "if 1: 2\n", "if 1:\n2", "if 1:\n  2\nelse:", "if 1:\n  2\n3",
    "def f(): pass", "def f(): pass\n", "def f(x, x): pass", "def f(x, x): pass\n", "def f():\n  return 1\n", "@a",
    "@a\n", "class A:", "class A: x = 1\n", "try:\n  1\nexcept E:\n  2\n", "try:\n  1", "while 0:\n  1\nelse:\n  2\n",
    "with a: pass", "for x in (): pass\n", "return 1", "yield", "await x", "break", "a b", "0777", "1e", "08", "1_",
    "x = = 2", "del f()", "f() = 1", "\0", "a\0b", "\t", "  a", "a\n b", "'\\d'", "'\\d'; 1 is 1", "assert (1, 'a')",
    "x is 1", "from __future__ import annotations", "from __future__ import braces", "from __future__ import nothing",
    "lambda: (yield)", "print 1", "exec 'a'", "a = b'é'", "\ufeffa = 1", "é = 1", "a\u2028b", "\ud800", "'\ud800'",
    "x\r\n", "if 1:\r\n  2\r\n", "match x:", "match x:\n  case 1:", "async def f():", "async def f(): await g()\n",
    "nonlocal x", "global x", "{**a, 'b': 1", "[x for x in", "not", "a if b", "\\", "\\\n\n", "'a' 'b", "(" * 300,
    "9" * 5000,
]  # fmt: skip


def outcome(does):
    """What came of a call, to be compared: code by its parts, errors by theirs, warnings with both."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            made = does()
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
            made = (type(error), error.args)
        if isinstance(made, ast.AST):
            made = ast.dump(made, include_attributes=True)
    return made, [(item.category, str(item.message), item.filename, item.lineno) for item in warned]


class Compiling(Case):
    def test_commands(self):
        for source in SOURCES:
            for symbol in ("single", "exec", "eval"):
                with self.subTest(source=source, symbol=symbol):
                    one = self.same(lambda m: outcome(lambda: m.compile_command(source, "<f>", symbol)), CODEOP)[0]
                    other = self.same(lambda m: outcome(lambda: m.CommandCompiler()(source, "<f>", symbol)), CODEOP)[0]
                    self.assertIs(one[0] is None, other[0] is None)
                    self.same(lambda m: outcome(lambda: m.Compile()(source, "<f>", symbol)), CODEOP)

    def test_symbols_and_arguments_that_are_wrong(self):
        for arguments in [("1", "<f>", "other"), (1,), (b"1",), (None,), ("1", None), ("1", "<f>", None), ()]:
            self.same(lambda m: m.compile_command(*arguments), CODEOP)
            self.same(lambda m: m.CommandCompiler()(*arguments), CODEOP)
            self.same(lambda m: m.Compile()(*arguments), CODEOP)

    def test_future_statements_are_remembered(self):
        def does(codeop):
            compiler = codeop.CommandCompiler()
            compiler("from __future__ import annotations")
            space = {}
            exec(compiler("def f(x: nowhere): pass\n"), space)
            return compiler.compiler.flags, space["f"].__annotations__

        self.assertEqual(self.same(does, CODEOP)[0][1], {"x": "nowhere"})
        self.same(lambda m: outcome(lambda: m.Compile()("x", "<f>", "exec", incomplete_input=False)), CODEOP)

    def test_flags(self):
        def does(codeop):
            compiler = codeop.Compile()
            compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            return outcome(lambda: compiler("await x", "<f>", "single"))

        self.same(does, CODEOP)
        only = ast.PyCF_ONLY_AST
        self.same(lambda m: outcome(lambda: m.Compile()("x", "<f>", "single", only)), CODEOP)
        self.same(lambda m: outcome(lambda: m.Compile()("x", "<f>", "single", flags=only)), CODEOP)
        self.same(lambda m: outcome(lambda: m.compile_command("x", "<f>", "single", only)), CODEOP)
        self.same(lambda m: outcome(lambda: m.compile_command("x", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)), CODEOP)

    def test_a_compiler_of_the_caller_is_asked_in_the_same_way(self):
        def does(codeop):
            calls = []

            def compiler(*arguments, **options):
                calls.append((arguments, options))
                return compile(*arguments[:3], "exec")

            compiler.flags = 7
            commands = codeop.CommandCompiler()
            commands.compiler = compiler
            for source in ("a", "(", "(]"):
                try:
                    commands(source)
                except Exception as error:
                    calls.append(type(error))
            return calls

        self.same(does, CODEOP)


class Running(Case):
    def push(self, *lines, locals=None, prepare=None, hook=None):
        """Both consoles are given *lines*; what each call returned, and the rest."""

        def does(code):
            console = code.InteractiveConsole({"__name__": "x"} if locals is None else locals())
            if prepare is not None:
                prepare(console)
            with mock.patch.object(sys, "excepthook", hook or sys.__excepthook__):
                results = [console.push(line) for line in lines]
            kept = None
            if locals is None:
                kept = {key: ADDRESS.sub("", repr(value)) for key, value in console.locals.items()}
                kept.pop("__builtins__", None)
            return [result if isinstance(result, bool) else repr(result) for result in results], console.buffer, kept

        return self.same(does)

    def test_every_source(self):
        for source in SOURCES:
            if len(source) < 100:
                with self.subTest(source):
                    self.push(source)
                    self.push(*source.split("\n"), "")

    def test_what_is_shown(self):
        self.assertEqual(self.push("1; 'a'")[1], ["1", "\n", "'a'", "\n"])
        self.push("None")
        self.push("for i in range(2): i", "")
        self.push("if 1:", "  2", "  3", "")
        self.push("x = 1\ny = 2")

    def test_errors(self):
        error = self.push("1/0")
        self.assertIn('  File "<console>", line 1, in <module>', error[2][0])
        self.push("def f(): 1/0", "", "f()")
        self.push("raise ValueError('a') from KeyError('b')")
        self.push("try: 1/0\nfinally: x", "")
        self.push("raise KeyboardInterrupt")
        self.push("raise GeneratorExit")
        self.push("raise SystemExit(3)")
        self.push("raise SystemExit")
        self.push("class E(Exception):", "  def __str__(self): 1/0", "", "raise E")
        self.push("raise SyntaxError('mine')")
        self.push("raise SyntaxError('mine', ('f', 1, 2, 'text'))")
        self.push("exec('a b')")
        self.push("def f(): f()", "", "f()")
        if sys.version_info >= (3, 11):
            self.push("raise ExceptionGroup('a', [ValueError('b')])")

    def test_namespaces(self):
        from collections import ChainMap, OrderedDict
        from types import MappingProxyType

        for make in (OrderedDict, ChainMap, lambda: MappingProxyType({}), list):
            self.push("x = 1", "x", locals=make)

    def test_excepthook(self):
        def hook(kind, value, trace):
            frames = []
            while trace is not None:
                frames.append(trace.tb_frame.f_code.co_name)
                trace = trace.tb_next
            sys.stdout.write(f"{kind.__name__} {value} {frames}")

        self.push("1/0", hook=hook)
        self.push("a b", hook=hook)
        self.push("def f(): 1/0", "", "f()", hook=hook)

        def leaves(kind, value, trace):
            raise SystemExit(4)

        self.push("1/0", hook=leaves)
        self.push("a b", hook=leaves)
        if sys.version_info < (3, 13):
            self.push("1/0", hook=lambda *error: [][0])

    if hasattr(our_code.InteractiveInterpreter, "_excepthook"):

        def test_an_excepthook_that_fails(self):
            # Its report is written by `sys.__excepthook__`, to the real stderr.
            def does(code):
                def told(kind, error, trace):
                    print(kind, error.__context__, file=sys.stderr)

                with mock.patch.object(sys, "__excepthook__", told):
                    with mock.patch.object(sys, "excepthook", lambda *error: [][0]):
                        return code.InteractiveConsole().push("1/0")

            self.assertIn("Error in sys.excepthook:", self.same(does)[2])

    def test_subclasses(self):
        def does(code):
            class Console(code.InteractiveConsole):
                written = []

                def write(self, text):
                    self.written.append(text)

                def showtraceback(self):
                    # As documented for long: the first entry is the console's own.
                    self.written.append([frame.f_code.co_name for frame, _ in _walk(sys.exc_info()[2])])

            console = Console()
            return [console.push(line) for line in ("a b", "1/0", "def f(): 1/0", "", "f()")], Console.written

        self.assertIn(["runcode", "<module>", "f"], self.same(does)[0][1])

        def sees(code):
            space = {"sys": sys}
            code.InteractiveInterpreter(space).runsource("f = sys._getframe(1).f_code.co_name")
            return space["f"]

        self.assertEqual(self.same(sees)[0], "runcode")

    def test_interpreter(self):
        self.same(lambda code: code.InteractiveInterpreter().runsource("1 +"))
        self.same(lambda code: code.InteractiveInterpreter().runsource("(1 +"))
        self.same(lambda code: code.InteractiveInterpreter().runsource("a = 1\nb = 2", symbol="exec"))
        self.same(lambda code: code.InteractiveInterpreter().runsource("1 + 1", "<e>", "eval"))
        self.same(lambda code: code.InteractiveInterpreter().runsource("a b", "<e>"))
        self.same(lambda code: code.InteractiveInterpreter().runcode("print(__name__, __doc__)"))
        self.same(lambda code: code.InteractiveInterpreter().runcode(b"1/0"))
        self.same(lambda code: code.InteractiveInterpreter().runcode(3))
        for source in (1, b"1", None):
            self.same(lambda code: code.InteractiveInterpreter().runsource(source))
        self.same(lambda code: code.InteractiveInterpreter().showtraceback())
        self.same(lambda code: code.InteractiveInterpreter().showsyntaxerror())
        self.same(lambda code: code.InteractiveInterpreter().showsyntaxerror("<f>"))

    def test_what_compile_raises_besides(self):
        for error in (MemoryError, RecursionError, KeyboardInterrupt, OverflowError, TypeError, SyntaxError):

            def does(code):
                console = code.InteractiveConsole()
                console.compile = mock.Mock(side_effect=error("text"))
                return console.push("x")

            self.same(does)

    if "filename" in inspect.signature(their_code.InteractiveConsole.push).parameters:

        def test_push_with_a_name_and_a_symbol(self):
            seen = self.same(lambda code: code.InteractiveConsole().push("1/0", "<mine>"))
            self.assertIn('File "<mine>"', seen[2][0])
            self.same(lambda code: code.InteractiveConsole().push("a b", filename="<mine>"))
            self.same(lambda code: code.InteractiveConsole().push("a = 1\na", _symbol="exec"))

    def test_the_line_of_an_error_is_filled_in(self):
        # Errors found after parsing have none of their own.
        self.push("def f():\n  return\nreturn 5\n")
        self.same(lambda code: code.InteractiveInterpreter().runsource("x = 1\nnonlocal x\n", "<f>", "exec"))

        def parts(code):
            try:
                raise SyntaxError("m", ("other", 2, 1, None))
            except SyntaxError:
                console = code.InteractiveConsole()
                console.showsyntaxerror("<f>", **({"source": "a\nb"} if hasattr(console, "_showtraceback") else {}))

        self.same(parts)


def _walk(trace):
    import traceback

    return traceback.walk_tb(trace)


class Interacting(Case):
    def interact(self, *lines, banner=None, exitmsg=None, prepare=None, **options):
        """A console reads *lines*: text, or exceptions to raise; then its input ends."""

        def does(code):
            prompts = []
            feed = iter(lines)

            def read(prompt=""):
                prompts.append(prompt)
                line = next(feed, EOFError)
                if isinstance(line, str):
                    return line
                raise line

            if prepare is not None:
                prepare()
            console = code.InteractiveConsole({"sys": sys}, **options)
            with mock.patch.object(code, "input", read, create=True):
                quitters = vars(builtins).get("exit"), vars(builtins).get("quit")
                try:
                    result = console.interact(banner, exitmsg)
                except BaseException as error:
                    result = (type(error), error.args)
                self.assertEqual((vars(builtins).get("exit"), vars(builtins).get("quit")), quitters)
            return result, prompts, console.buffer

        return self.same(does)

    def test_lines(self):
        seen = self.interact("a = 1", "if a:", "  a", "", "1/0", "b = (", "a)")
        self.assertEqual(seen[0][1], [">>> ", ">>> ", "... ", "... ", ">>> ", ">>> ", "... ", ">>> "])

    def test_banner_and_exit_message(self):
        class Odd:
            def __str__(self):
                return "odd"

            def __format__(self, spec):
                return "format"

            def __bool__(self):
                return False

        class Even(Odd):
            def __bool__(self):
                return True

        for banner in (None, "", "hello", 0, 7, Odd(), Even(), [], ["a"], ()):
            self.interact(banner=banner)
        for message in (None, "", "bye", 0, 7, Odd(), Even(), [], (1,), (1, 2)):
            self.interact(banner="", exitmsg=message)

    def test_interrupts(self):
        seen = self.interact("if 1:", "  2", KeyboardInterrupt, "3")
        self.assertEqual(seen[0][1], [">>> ", "... ", "... ", ">>> ", ">>> "])
        self.assertIn("\nKeyboardInterrupt\n", seen[2])
        self.interact("if 1:", KeyboardInterrupt, KeyboardInterrupt)

    def test_other_ends(self):
        self.interact("raise SystemExit(3)")
        self.interact("(", "a = 1 +", SystemExit)
        self.interact(ValueError("from the reader"))

    def test_prompts(self):
        def mine():
            sys.ps1, sys.ps2 = 1, ("a", "b")

        self.interact("(", ")", prepare=mine)
        self.interact("sys.ps1 = 'new'; sys.ps2 = 5", "(", ")")

        def one():
            sys.ps2 = "mine"

        self.interact("(", ")", prepare=one)
        self.interact("del sys.ps1", "1")

    if "local_exit" in inspect.signature(their_code.interact).parameters:

        def test_local_exit(self):
            for line in ("exit()", "quit()", "exit(3)", "raise SystemExit('why')", "exit", "print(repr(quit))"):
                self.interact("if 1:", "  2", KeyboardInterrupt, line, "1", local_exit=True)
            for line in ("raise SystemExit('why')", "exit", "print(repr(quit))"):
                self.interact(line, "1", local_exit=False)
            self.interact("if 1:", SystemExit, local_exit=True)
            self.interact(ValueError("from the reader"), local_exit=True)

            def does(code):
                with mock.patch.multiple(builtins, create=True, exit=None, quit=5):
                    console = code.InteractiveConsole({}, local_exit=True)
                    console.raw_input = mock.Mock(side_effect=["exit", "quit()"])
                    console.interact()
                    return builtins.quit

            self.same(does)

    def test_function(self):
        def does(code):
            read = mock.Mock(side_effect=["b = a", "if a:", "  a", "", EOFError])
            space = {"a": 5}
            return code.interact("hello", read, space, "bye"), sorted(space), read.mock_calls

        self.same(does)
        self.same(lambda code: code.interact(readfunc=mock.Mock(side_effect=["__name__", EOFError])))

    def test_subclasses_read_and_write_as_they_like(self):
        def does(code):
            class Named(code.InteractiveConsole):
                text = ""

                def raw_input(self, prompt=""):
                    self.text += prompt
                    if len(self.text) > 10:
                        raise EOFError
                    return "[__name__, 1/0]"

                def write(self, data):
                    self.text += data

            console = Named()
            console.interact("hello")
            return console.text

        self.assertIn("now exiting Named...\n", self.same(does)[0])


if __name__ == "__main__":
    unittest.main()
