"""`await keelback.prompt()` without a terminal, and the names of its caller. With one: tests/prompt/test_loop.py."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "python"
sys.path.insert(0, str(PACKAGE))

import keelback  # noqa: E402
from keelback._scope import Scope, namespace_of, synchronized  # noqa: E402

PROGRAM = """
import asyncio, sys
import keelback
ns = {"__name__": "__main__", "asyncio": asyncio}
async def main():
    print("status", await keelback.prompt(ns, banner="hello", exitmsg="bye"))
    print("left:", sys.stdin.readline(), end="")
asyncio.run(main())
"""


def environment():
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KEELBACK"))}
    return {**kept, "PYTHONPATH": str(PACKAGE), "PYTHONUNBUFFERED": "1"}


class Piped(unittest.TestCase):
    def run_program(self, typed, program=PROGRAM):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program], input=typed, capture_output=True, timeout=60, env=environment()
        )
        return done.returncode, done.stdout.decode().replace(">>> ", "").replace("... ", ""), done.stderr.decode()

    def check(self, typed, shown, program=PROGRAM):
        self.assertEqual(self.run_program(typed.encode(), program), (0, shown, ""))

    def test_lines(self):
        self.check("1 + 1\nawait asyncio.sleep(0, 3)\nexit(4)\nmine\n", "hello\n2\n3\nbye\nstatus 4\nleft: mine\n")

    def test_a_block_is_over_at_an_empty_line(self):
        self.check("def f():\n  return 5\n\nf()", "hello\n5\n\nbye\nstatus 0\nleft: ")

    def test_cells_that_read_a_line(self):
        self.check("input('? ')\nfirst\nimport sys; sys.stdin.readline()\r\nsecond\nexit()\nmine\n",
                   "hello\n? 'first'\n'second\\n'\nbye\nstatus 0\nleft: mine\n")

    def test_errors(self):
        status, out, err = self.run_program(b"1 / 0\nawait\nraise SystemExit('why')\n")
        self.assertEqual((status, out), (0, "hello\nbye\nstatus 1\nleft: "))
        self.assertIn('File "<session-1-input-0>", line 1, in <module>', err)
        self.assertIn("SyntaxError", err)
        self.assertTrue(err.endswith("why\n"))

    def test_bytes_that_are_no_text(self):
        status, out, err = self.run_program(b"'\xff'\n1\n")
        self.assertEqual((status, out), (0, "hello\n1\n\nbye\nstatus 0\nleft: "))
        self.assertIn("UnicodeEncodeError", err)

    def test_a_file(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"1 + 1\nawait asyncio.sleep(0.01, 3)\nexit(4)\nmine\n")
            file.seek(0)
            done = subprocess.run([sys.executable, "-c", PROGRAM], stdin=file, capture_output=True, timeout=60, env=environment())
        self.assertEqual((done.stdout.replace(b">>> ", b""), done.stderr), (b"hello\n2\n3\nbye\nstatus 4\nleft: mine\n", b""))

    def test_no_stdin(self):
        program = "import asyncio, keelback, sys\nsys.stdin = None\nprint(asyncio.run(keelback.prompt({})))\n"
        self.check("", "0\n", program)

    def test_a_stdin_in_memory(self):
        program = ("import asyncio, io, keelback, sys\nsys.stdin = io.StringIO('1 + 1\\n2')\n"
                   "print(asyncio.run(keelback.prompt({})))\n")
        self.check("", "2\n2\n\n0\n", program)

    def test_the_loop_goes_on_while_it_waits(self):
        program = """
import asyncio, os, sys
import keelback
async def main():
    task = asyncio.ensure_future(keelback.prompt({"__name__": "__main__"}))
    await asyncio.sleep(0.05)
    os.write(int(sys.argv[1]), b"40 +")  # a line of which a part comes later
    await asyncio.sleep(0.05)
    os.write(int(sys.argv[1]), b" 2\\n")
    await asyncio.sleep(0.05)
    before = len(os.listdir("/dev/fd"))
    task.cancel()
    await asyncio.wait([task])
    print("cancelled", task.cancelled(), len(os.listdir("/dev/fd")) < before, sys.stdin is sys.__stdin__)
asyncio.run(main())
"""
        read, write = os.pipe()
        done = subprocess.run([sys.executable, "-c", program, str(write)], stdin=read, pass_fds=[write], capture_output=True,
                              timeout=60, env=environment())
        os.close(read)
        os.close(write)
        self.assertEqual((done.stdout, done.stderr), (b">>> 42\n>>> cancelled True True True\n", b""))


class Programs(unittest.TestCase):
    """What the command line names, run as `python3` would."""

    def test_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "f.py").write_text("import sys\nprint(__file__, sys.argv, sys.path[0])\n1 / 0\n")

            def run(*python):
                done = subprocess.run([sys.executable, *python, "f.py", "a"], cwd=folder, capture_output=True, text=True,
                                      timeout=60, env=environment() | {"PYTHON_COLORS": "0"})
                return done.returncode, done.stdout, done.stderr

            self.assertEqual(run("-m", "keelback"), run())

    def test_no_file(self):
        done = subprocess.run([sys.executable, "-m", "keelback", "no-such-file.py"], capture_output=True, text=True,
                              timeout=60, env=environment())
        self.assertEqual((done.returncode, done.stderr),
                         (2, "keelback: error: cannot read `no-such-file.py`: No such file or directory\n"))


class Refused(unittest.TestCase):
    def test_without_an_asyncio_loop(self):
        coroutine = keelback.prompt({})
        with self.assertRaisesRegex(RuntimeError, "running asyncio loop.* trio, .*not supported"):
            coroutine.send(None)

    def test_what_is_no_namespace(self):
        with self.assertRaisesRegex(TypeError, "a namespace is a dict, not list"):
            keelback.prompt([])


TOP = "module's"


class Frames(unittest.TestCase):
    def run_in(self, namespace, source):
        with synchronized(namespace):
            return eval(compile(source, "<cell>", "exec"), namespace)

    def test_a_module_is_its_globals(self):
        namespace = {"sys": sys, "namespace_of": namespace_of}
        exec("found = namespace_of(sys._getframe())", namespace)
        self.assertIs(namespace["found"], namespace)

    def test_names_are_those_the_frame_sees(self):
        local, seen = 1, []

        def inner():
            return local

        namespace = namespace_of(sys._getframe())
        self.assertIsInstance(namespace, Scope)
        self.run_in(namespace, "seen += [local, TOP, inner(), [local for _ in '1'], (lambda: (local, TOP))(), __name__]")
        self.assertEqual(seen, [1, TOP, 1, [1], (1, TOP), __name__])
        self.run_in(namespace, "class C: pass\nseen[:] = [C.__module__, locals() is globals()]")
        self.assertEqual(seen, [__name__, True])
        self.assertLessEqual({"local", "TOP", "C"}, namespace.keys())
        with self.assertRaises(NameError):
            self.run_in(namespace, "nowhere")

    def test_what_the_program_changes_is_seen(self):
        local, seen = 1, []

        def change(value):
            nonlocal local
            local = value

        namespace = namespace_of(sys._getframe())
        self.run_in(namespace, "seen.append(local)")
        change(2)
        self.run_in(namespace, "seen.append(local)")
        self.assertEqual(seen, [1, 2])
        self.assertEqual(local, 2)

    def test_variables_are_written_back_where_python_can(self):
        local = 1
        namespace = namespace_of(sys._getframe())
        self.run_in(namespace, "local = 2; new = 3; TOP = 4")
        self.assertEqual(local, 2 if sys.version_info >= (3, 13) else 1)
        self.assertEqual(TOP, "module's")
        self.assertEqual([namespace[name] for name in ("local", "new", "TOP")], [2, 3, 4])
        seen = []
        namespace["seen"] = seen
        self.run_in(namespace, "seen += [local, new, TOP]")
        self.assertEqual(seen, [2, 3, 4])

    def test_the_caller_is_who_calls_and_not_who_awaits(self):
        program = "import asyncio, keelback\nasync def main():\n    mine = 5\n    task = asyncio.ensure_future(keelback.prompt())\n" \
                  "    await task\nasyncio.run(main())\n"
        done = subprocess.run([sys.executable, "-c", program], input=b"mine\n", capture_output=True, timeout=60, env=environment())
        self.assertEqual((done.stdout, done.stderr), (b">>> 5\n>>> \n", b""))


if __name__ == "__main__":
    unittest.main()
