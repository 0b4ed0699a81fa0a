"""`keelback.interact` line by line, and the names a console shares with its caller.

The full prompt is tested in a terminal, by `tests/prompt/test_interact.py`.
"""

import asyncio
import builtins
import io
import subprocess
import sys
import threading
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

import keelback  # noqa: E402
from keelback import code  # noqa: E402

WRITES_BACK = sys.version_info >= (3, 13)
LIMIT = 5
READS = []


class Lines:
    """A `readfunc` with these lines; an exception is raised, and the input ends after the last."""

    def __init__(self, *lines):
        self.lines = iter(lines)
        self.prompts = []

    def __call__(self, prompt):
        self.prompts.append(prompt)
        line = next(self.lines, EOFError)
        if isinstance(line, str):
            return line
        raise line


class Case(unittest.TestCase):
    def setUp(self):
        names = "ps1", "ps2", "last_type", "last_value", "last_traceback", "last_exc"
        kept = {name: vars(sys)[name] for name in names if name in vars(sys)}
        for name in names:
            vars(sys).pop(name, None)

        def restore():
            for name in names:
                vars(sys).pop(name, None)
            vars(sys).update(kept)
            vars(builtins).pop("_", None)

        self.addCleanup(restore)
        READS.clear()

    def interact(self, *lines, **options):
        """What a console wrote to stdout and stderr."""
        options.setdefault("local", {})
        self.out, self.err = io.StringIO(), io.StringIO()
        with redirect_stdout(self.out), redirect_stderr(self.err):
            keelback.interact(readfunc=Lines(*lines), **options)
        return self.out.getvalue(), self.err.getvalue()


class LineByLine(Case):
    def test_as_the_module(self):
        lines = ["a = 1", "if a:", "  a", "", "1/0", "a b", KeyboardInterrupt, "raise KeyError('k')"]
        for options in ({}, {"banner": ""}, {"banner": "hello", "exitmsg": "bye"}, {"exitmsg": ""}):
            ours = self.interact(*lines, **options)
            out, err, read = io.StringIO(), io.StringIO(), Lines(*lines)
            with redirect_stdout(out), redirect_stderr(err):
                code.interact(readfunc=read, local={}, **options)
            self.assertEqual(ours, (out.getvalue(), err.getvalue()))
        self.assertEqual(read.prompts[:4], [">>> ", ">>> ", "... ", "... "])

    def test_prompts_are_left_as_the_version_does(self):
        self.interact("1")
        self.assertEqual(hasattr(sys, "ps1"), sys.version_info < (3, 14))
        sys.ps1 = sys.ps2 = "mine"
        read = Lines("(", ")")
        with redirect_stdout(io.StringIO()):
            keelback.interact("", read, {}, "")
        self.assertEqual(read.prompts, ["mine"] * 3)

    def test_system_exit(self):
        with self.assertRaises(SystemExit) as left:
            self.interact("a = 1", "raise SystemExit('why')")
        self.assertEqual(left.exception.code, "why")
        ended = sys.version_info >= (3, 13)
        self.assertEqual("now exiting" in self.err.getvalue(), ended)

    def test_local_exit(self):
        for line in ("exit()", "quit(3)", "raise SystemExit", "import sys; sys.exit('why')", SystemExit):
            with self.subTest(line):
                out, err = self.interact("'before'", line, "'after'", banner="", exitmsg="bye", local_exit=True)
                self.assertEqual((out, err), ("'before'\n", "\nbye\n"))

    def test_exit_leaves_stdin_open(self):
        was = builtins.exit, builtins.quit
        for line in ("exit()", "quit(3)"):
            with mock.patch.object(sys, "stdin", io.StringIO("rest")), self.assertRaises(SystemExit):
                self.interact(line)
                self.assertFalse(sys.stdin.closed)
        with self.assertRaises(ZeroDivisionError):
            self.interact(ZeroDivisionError)
        self.assertEqual((builtins.exit, builtins.quit), was)

    def test_nothing_is_left_changed(self):
        import signal

        def state():
            names = "stdin", "stdout", "stderr", "excepthook", "displayhook"
            return [getattr(sys, name) for name in names], [signal.getsignal(number) for number in (2, 15, 1)]

        before = state()
        self.interact("1", "1/0", "exit()", local_exit=True)
        self.assertEqual(state(), before)

    def test_hooks_of_the_program(self):
        shown, failed = [], []
        with mock.patch.object(sys, "displayhook", shown.append):
            with mock.patch.object(sys, "excepthook", lambda kind, *rest: failed.append(kind)):
                self.assertEqual(self.interact("7", "1/0", "a b", banner="", exitmsg=""), ("", "\n"))
        self.assertEqual((shown, failed), ([7], [ZeroDivisionError, SyntaxError]))

    def test_namespaces_that_are_no_dict(self):
        from collections import ChainMap

        self.assertIn("must be a dict", self.interact("x", local=ChainMap())[1])

    def test_streams(self):
        # With a pipe on stdin, and messages where stderr goes.
        program = "import keelback, sys; x = 3; keelback.interact('hi'); print('rest:', sys.stdin.read())"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            input="x + 1\nif x:\n  x\n\nexit\n1/0\n", capture_output=True, text=True, cwd=ROOT / "python",
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith(">>> 4\n>>> ... ... 3\n"), done.stdout)
        self.assertTrue(done.stderr.startswith("hi\nTraceback"), done.stderr)
        self.assertTrue(done.stderr.endswith("\n\nnow exiting InteractiveConsole...\n"), done.stderr)

    def test_importing_the_package_stays_cheap(self):
        program = "import sys, keelback; print(*sorted(name for name in sys.modules if 'keelback' in name))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT / "python")
        self.assertEqual(done.stdout, "keelback\n")

    def test_threads_and_loops(self):
        outs = []
        worker = threading.Thread(target=lambda: outs.append(self.interact("'in a thread'", banner="", exitmsg="")))
        worker.start()
        worker.join()
        self.assertEqual(outs[0][0], "'in a thread'\n")

        async def inside():
            space = {"loop": asyncio.get_running_loop()}
            return self.interact("import asyncio; asyncio.get_running_loop() is loop", local=space)

        self.assertEqual(asyncio.run(inside())[0], "True\n")


def reader(*lines):
    return {"banner": "", "readfunc": Lines(*lines), "exitmsg": ""}


class Callers(Case):
    """Without `local` a console sees the names of the frame that opens it."""

    def quiet(self):
        for redirect in (redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO())):
            redirect.__enter__()
            self.addCleanup(redirect.__exit__, None, None, None)

    def test_a_module_shares_its_own_dict(self):
        space = {"read": reader("x += 1", "y = [x for _ in range(2)]", "def f(): return y", ""), "keelback": keelback}
        self.quiet()
        exec("x = 1\nkeelback.interact(**read)\nz = f()", space)
        self.assertEqual((space["x"], space["y"], space["z"]), (2, [2, 2], [2, 2]))

    def test_a_function(self):
        self.quiet()

        def opens(argument):
            local = "local"
            keelback.interact(
                **reader(
                    "READS.append((argument, local, LIMIT, len('abc')))",
                    "READS.append([local + str(number) for number in range(2) if local])",
                    "READS.append((lambda: local * 2)())",
                    "def f(): return [local, new, LIMIT]",
                    "",
                    "new = 1",
                    "READS.append(f())",
                    "READS.append(('local' in locals(), 'LIMIT' in globals(), 'nothing' in globals()))",
                    "READS.append((__name__, f.__module__))",
                    "class A: here = local",
                    "",
                    "READS.append((A.here, A.__module__))",
                    "READS.append('local' in dir())",
                    "nothing",
                )
            )

        opens("argument")
        self.assertEqual(
            READS,
            [
                ("argument", "local", 5, 3), ["local0", "local1"], "locallocal", ["local", 1, 5], (True, True, False),
                (__name__, __name__), ("local", __name__), True,
            ],
        )  # fmt: skip
        self.assertEqual(sys.stderr.getvalue().count("Traceback"), 1)
        self.assertIn("NameError: name 'nothing'", sys.stderr.getvalue())

    def test_assignments_reach_the_function_where_the_version_allows(self):
        self.quiet()

        def opens(argument):
            local, cell, counter, removed = 1, 1, 0, 1

            def count():
                nonlocal counter
                counter += cell
                return counter

            lines = "local = 2", "cell = 10", "argument += 'ed'", "READS.append(local)"
            lines += "LIMIT = 7", "READS.append(LIMIT)", "del LIMIT"
            calls = "READS.append((count(), counter))", "READS.append((count(), counter))"
            by_global = "def f():", "  global local", "  local += 5", "", "f(); READS.append(local)"
            removing = "del removed", "LIMIT", "READS.append(['removed' in globals(), 'LIMIT' in globals()])", "removed"
            keelback.interact(**reader(*lines, *calls, *by_global, *removing))
            return argument, local, cell, counter, removed

        after = opens("chang")
        if WRITES_BACK:
            self.assertEqual(READS, [2, 7, (10, 10), (20, 20), 7, [False, False]])
            self.assertEqual(after, ("changed", 7, 10, 20, 1))
        else:
            self.assertEqual(READS, [2, 7, (1, 1), (2, 2), 7, [False, False]])
            self.assertEqual(after, ("chang", 1, 1, 2, 1))
        self.assertEqual(LIMIT, 5)
        self.assertEqual(sys.stderr.getvalue().count("NameError"), 2)

    def test_the_body_of_a_class(self):
        self.quiet()

        class Opened:
            one = 1
            keelback.interact(**reader("two = one + LIMIT", "del one", "note: int = 3"))

        self.assertEqual((Opened.two, hasattr(Opened, "one"), Opened.note), (6, False, 3))

    def test_globals_change_while_a_cell_runs(self):
        self.quiet()

        def opens():
            keelback.interact(**reader("change(); READS.append(LATE)"))

        def change():
            globals()["LATE"] = 3

        globals()["change"] = change
        try:
            opens()
        finally:
            del globals()["change"], globals()["LATE"]
        self.assertEqual(READS, [3])

    def test_annotations_are_not_for_the_module(self):
        self.quiet()

        def opens():
            keelback.interact(**reader("note: int = 3", "READS.append(note)"))

        opens()
        self.assertEqual(READS, [3])
        self.assertNotIn("note", globals().get("__annotations__", {}))

    def test_functions_outlive_the_console(self):
        self.quiet()

        def opens():
            local = "kept"  # noqa: F841
            keelback.interact(**reader("READS.append(lambda: (local, new))", "new = 2"))

        opens()
        self.assertEqual(READS[0](), ("kept", 2))

    def test_the_prompt_asks_about_all_names(self):
        from keelback import _assist
        from keelback._scope import namespace_of

        def opens():
            localized = {"key": 1}  # noqa: F841
            scope = namespace_of(sys._getframe())
            for text, name in [("local", "localized"), ("LIM", "LIMIT")]:
                found = _assist.complete(scope, text, len(text))
                self.assertIn(name, [row[0] for row in found[2]])
            self.assertEqual(scope.get("LIMIT"), 5)

        opens()


if __name__ == "__main__":
    unittest.main()
