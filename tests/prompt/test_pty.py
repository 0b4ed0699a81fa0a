"""The prompt in a terminal of its own: how it begins and ends, signals, and programs that want the terminal.

What the screen shows is for `run_cases.py`; here are the paths that need a process and a terminal. `PROMPT` names
another command to test than the package of this checkout.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench/prompt"))

from terminal import QUERIES, Session, strip  # noqa: E402

COMMAND = shlex.split(os.environ.get("PROMPT", "")) or [sys.executable, "-m", "keelback"]
CTRL_C, CTRL_D, CTRL_Z = b"\x03", b"\x04", b"\x1a"


class Shown:
    """A program, and what of its output a test has looked at."""

    def __init__(self, session):
        self.session, self.seen = session, 0

    def see(self, pattern, timeout=20):
        """Wait for `pattern` after what was seen before."""
        self.session.wait_for(pattern, timeout, start=self.seen)
        self.seen = len(self.session.buf)

    def text(self):
        return strip(bytes(self.session.buf)).replace(b"\0", b"").decode()

    def type(self, text):
        self.session.write(text if isinstance(text, bytes) else text.encode())

    def run(self, cell, wanted=None):
        """A cell and Enter; wait for `wanted` and the prompt after it."""
        self.session.paste(cell.encode())
        self.see(rb"\S")
        self.type("\r")
        # The marks keep the echo of the cell from being taken for its output.
        self.see((wanted or b"") + rb"(?s:.*)>>> ")

    def interrupt(self, again=False):
        """Ctrl-C; *again* if nothing comes of it, where what runs waits in a system call: CPython misses a signal between
        its last look and such a call."""
        self.type(CTRL_C)
        wanted = rb"KeyboardInterrupt(?s:.*)>>> "
        try:
            return self.see(wanted, timeout=5 if again else 20)
        except TimeoutError:
            if not again:
                raise
        self.type(CTRL_C)
        self.see(wanted)

    def modes(self):
        return termios.tcgetattr(self.session.fd)

    def leave(self, keys=CTRL_D):
        self.type(keys)
        return self.session.wait()


class PromptTest(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="prompt-test-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)

    def environment(self, extra):
        strange = ("PYTHON", "KEELBACK", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PAGER", "TMUX", "XDG_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        env |= {"PYTHONPATH": str(ROOT / "python"), "HOME": self.home, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        env |= {"KEELBACK_HISTORY": self.home + "/history", "PAGER": "cat", **extra}
        return {name: value for name, value in env.items() if value is not None}

    def file(self, name, text):
        path = Path(self.home, name)
        path.write_text(text)
        return str(path)

    def spawn(self, command, queries=QUERIES, **env):
        shown = Shown(Session(command, self.environment(env), cwd=self.home, queries=queries))
        self.addCleanup(shown.session.close)
        return shown

    def start(self, *arguments, **env):
        """A prompt that waits for its first cell."""
        shown = self.spawn([*COMMAND, *(arguments or ["-q"])], **env)
        shown.before = shown.modes()
        shown.see(rb">>> ")
        return shown

    def history(self):
        return Path(self.home, "history").read_bytes().split(b"\0\n")[1:-1]

    def assert_given_back(self, shown):
        """The terminal is as it was, and its modes are off."""
        after = shown.modes()
        self.assertEqual(after[:4], shown.before[:4])
        self.assertFalse(shown.session.bracketed)


class Ends(PromptTest):
    def test_leaving_gives_the_terminal_back(self):
        for keys, status in [
            (CTRL_D, 0),
            ("exit\r", 0),
            ("exit()\r", 0),
            ("raise SystemExit(3)\r", 3),
            ("import sys; sys.exit(4)\r", 4),
            ("quit('why')\r", 1),
        ]:
            with self.subTest(keys):
                prompt = self.start()
                self.assertNotEqual(prompt.modes()[3], prompt.before[3])
                self.assertEqual(prompt.leave(keys), status)
                self.assert_given_back(prompt)

    def test_signals_that_end_it_give_the_terminal_back(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                prompt = self.start()
                prompt.type("abc")
                prompt.see(rb"abc")
                os.kill(prompt.session.pid, number)
                self.assertEqual(prompt.session.wait(), 128 + number)
                self.assert_given_back(prompt)

    def test_a_cell_has_the_terminal_as_it_was(self):
        # So whatever ends the process then leaves nothing behind.
        prompt = self.start()
        prompt.run("import os, signal, sys, termios", b"")
        prompt.session.paste(b"print('c' + 'ell', flush=True); signal.pause()")
        prompt.see(rb"pause\(\)")
        prompt.type("\r")
        prompt.see(rb"cell")
        self.assert_given_back(prompt)
        os.kill(prompt.session.pid, signal.SIGKILL)
        self.assertEqual(prompt.session.wait(), -signal.SIGKILL)
        self.assert_given_back(prompt)

    def test_what_was_entered_outlives_a_kill(self):
        prompt = self.start()
        prompt.run("a = 1")
        os.kill(prompt.session.pid, signal.SIGKILL)
        prompt.session.wait()
        self.assertEqual(self.history(), [b"a = 1"])

    def test_two_prompts_keep_both_histories(self):
        first, second = self.start(), self.start()
        first.run("a = 1")
        second.run("b = 2")
        first.run("c = 3")
        self.assertEqual([first.leave(), second.leave()], [0, 0])
        self.assertEqual(self.history(), [b"a = 1", b"b = 2", b"c = 3"])

    def test_atexit_and_threads_run_to_their_end(self):
        prompt = self.start()
        prompt.run("import atexit, threading; atexit.register(print, 'at', 'exit', sep='-') and None")
        prompt.run("t = threading.Timer(0.2, print, ['timer', 'done'], {'sep': '-'}); t.start()")
        self.assertEqual(prompt.leave(), 0)
        self.assertIn("timer-done", prompt.text())
        self.assertIn("at-exit", prompt.text())


class Interrupts(PromptTest):
    def test_ctrl_c_ends_what_runs(self):
        for work in ("while True: pass", "time.sleep(1000)", "input()", "await asyncio.sleep(1000)",
                     "subprocess.run(['sleep', '1000'])"):
            with self.subTest(work):
                prompt = self.start()
                prompt.run("import asyncio, subprocess, time; x = 41")
                prompt.session.paste(f"print('g' + 'o', flush=True)\n{work}".encode())
                prompt.see(rb"go|\)")
                prompt.type("\r")
                prompt.see(rb"go\b")
                prompt.interrupt(again="while" not in work and "await" not in work)
                prompt.run("x + 1", b"42")
                self.assertEqual(prompt.leave(), 0)
                self.assert_given_back(prompt)

    def test_ctrl_c_at_the_prompt_drops_the_cell(self):
        prompt = self.start()
        prompt.type("abc")
        prompt.see(rb"abc")
        prompt.type(CTRL_C)
        prompt.see(rb"KeyboardInterrupt(?s:.*)>>> ")
        prompt.run("6 * 7", b"42")

    def test_sigint_from_elsewhere_is_as_ctrl_c(self):
        prompt = self.start()
        prompt.type("abc")
        prompt.see(rb"abc")
        os.kill(prompt.session.pid, signal.SIGINT)
        prompt.see(rb"KeyboardInterrupt(?s:.*)>>> ")
        prompt.run("6 * 7", b"42")

    def test_a_handler_of_the_users_own_is_called(self):
        prompt = self.start()
        prompt.run("import os, signal; _ = signal.signal(signal.SIGUSR1, lambda *_: print('ha' + 'ndled'))")
        prompt.type("abc")
        prompt.see(rb"abc")
        os.kill(prompt.session.pid, signal.SIGUSR1)
        prompt.see(rb"handled(?s:.*)>>> abc")

    def test_stopped_and_continued_under_a_shell(self):
        shell = self.spawn(["bash", "--norc", "--noprofile", "-i"], PS1="sh$ ", PS2="", HISTFILE=None)
        shell.see(rb"sh\$ ")
        shell.type(shlex.join([*COMMAND, "-q"]) + "\r")
        shell.see(rb">>> ")
        shell.type("x = 4")
        shell.see(rb"x = 4")
        shell.type(CTRL_Z)
        shell.see(rb"Stopped(?s:.*)sh\$ ")
        self.assertFalse(shell.session.bracketed and b"\x1b[?2004h" not in shell.session.buf[-40:])
        shell.type("echo $((40 + 1))\r")
        shell.see(rb"\b41\b(?s:.*)sh\$ ")
        shell.type("fg\r")
        shell.see(rb">>> x = 4")
        shell.type("2\r")
        shell.see(rb">>> ")
        # Once more while a cell runs.
        shell.type("import time; [(print('ti' + 'ck', flush=True), time.sleep(0.02)) for _ in iter(int, 1)]\r")
        shell.see(rb"tick")
        shell.type(CTRL_Z)
        shell.see(rb"Stopped(?s:.*)sh\$ ")
        shell.type("fg\r")
        shell.see(rb"tick")
        shell.type(CTRL_C)
        shell.see(rb"KeyboardInterrupt(?s:.*)>>> ")
        shell.run("x", b"42")
        shell.type(CTRL_D)
        shell.see(rb"sh\$ ")

    def test_the_size_is_that_of_the_window(self):
        prompt = self.start()
        prompt.run("import os")
        prompt.session.resize(30, 40)
        prompt.run("os.get_terminal_size()", rb"columns=40, lines=30")
        # Wider than the window: shown over several lines.
        prompt.run("[*range(20)]", rb"\[\s+0,(?s:.*)\s19\s")


class Programs(PromptTest):
    """What a cell does with the terminal."""

    def test_input(self):
        prompt = self.start()
        prompt.type("name = input('na' + 'me? ')\r")
        prompt.see(rb"name\? ")
        prompt.type("bob\r")
        prompt.see(rb">>> ")
        prompt.run("name * 2", b"'bobbob'")

    def test_the_end_of_input_is_not_the_end_of_the_prompt(self):
        prompt = self.start()
        prompt.type("input('lin' + 'e? ')\r")
        prompt.see(rb"line\? ")
        prompt.type(CTRL_D)
        prompt.see(rb"EOFError(?s:.*)>>> ")
        prompt.run("6 * 7", b"42")

    def test_getpass_is_not_shown(self):
        prompt = self.start()
        prompt.type("import getpass; p = getpass.getpass('se' + 'cret? ')\r")
        prompt.see(rb"secret\? ")
        prompt.type("hush\r")
        prompt.see(rb">>> ")
        self.assertNotIn("hush", prompt.text())
        prompt.run("p[::-1]", b"'hsuh'")

    def test_pdb(self):
        prompt = self.start()
        prompt.run("def f(a):\n    b = a + 1\n    breakpoint()\n    return b")
        prompt.type("f(41)\r")
        prompt.see(rb"\(Pdb\) ")
        prompt.type("p b, 'st' + 'op'\r")
        prompt.see(rb"\(42, 'stop'\)(?s:.*)\(Pdb\) ")
        prompt.type("c\r")
        prompt.see(rb"42(?s:.*)>>> ")

    def test_a_program_that_reads_single_keys(self):
        program = self.file(
            "keys.py",
            "import os, termios, tty\n"
            "modes = termios.tcgetattr(0)\n"
            "tty.setraw(0)\n"
            "os.write(1, b'key' + b'? ')\n"
            "print(ord(os.read(0, 1)))\n"
            "termios.tcsetattr(0, termios.TCSANOW, modes)\n",
        )
        prompt = self.start()
        prompt.type(f"import subprocess, sys; subprocess.run([sys.executable, {program!r}]).returncode\r")
        prompt.see(rb"key\? ")
        prompt.type(CTRL_C)
        prompt.see(rb"\b3\b(?s:.*)\b0\b(?s:.*)>>> ")
        prompt.run("6 * 7", b"42")

    def test_the_history_in_a_pager(self):
        pager = self.file("pager.sh", "cat\necho end of it\nread line </dev/tty\necho read $line\n")
        prompt = self.start(PAGER="sh " + pager)
        prompt.run("a = 1")
        prompt.type(":history\r")
        prompt.see(rb"a = 1(?s:.*)end of it")
        prompt.type("back\r")
        prompt.see(rb"read back(?s:.*)>>> ")

    def test_tasks_print_above_the_prompt(self):
        prompt = self.start()
        prompt.run("import asyncio; event = asyncio.Event()")
        prompt.run("async def tick():\n    for i in range(3):\n        await asyncio.sleep(0.01)\n"
                   "        print('ti' + 'ck', i)\n    event.set()")
        prompt.run("task = asyncio.ensure_future(tick()); await asyncio.sleep(0)")
        prompt.type("event.is_s")
        prompt.see(rb"tick 2(?s:.*)>>> event.is_s")
        prompt.type("et()\r")
        prompt.see(rb"True(?s:.*)>>> ")
        prompt.run("await event.wait(); 42", b"42")
        self.assertEqual(prompt.leave(), 0)

    def test_threads_print_above_the_prompt(self):
        prompt = self.start()
        prompt.run("import threading; go = threading.Event()")
        prompt.run("threading.Thread(target=lambda: (go.wait(), print('thr' + 'ead'))).start()")
        prompt.run("_ = threading.Timer(0.01, go.set).start()")
        prompt.type("abc")
        prompt.see(rb"abc")
        if "thread" not in strip(bytes(prompt.session.buf)).decode():
            prompt.see(rb"thread(?s:.*)>>> abc")


class Background(PromptTest):
    """The terminal's background, which the prompt asks for."""

    FENCE = b"\x1b[?62;22c"

    def string_color(self, prompt):
        start = len(prompt.session.buf)
        prompt.type("'a'")
        prompt.see(rb"'a'")
        return re.search(rb"\x1b\[([0-9;]*)m'", prompt.session.buf[start:])[1].removeprefix(b"0;")

    def test_it_decides_between_dark_and_light(self):
        for color, wanted in ((b"rgb:0000/0000/0000", b"32"), (b"rgb:ffff/ffff/ffff", b"38;5;22")):
            with self.subTest(color):
                queries = [(re.compile(rb"\x1b\]11;\?\x1b\\\x1b\[c"), b"\x1b]11;" + color + b"\x1b\\" + self.FENCE)]
                prompt = self.spawn([*COMMAND, "-q"], queries)
                prompt.see(rb">>> ")
                # What is typed before the question is answered may come to a prompt that waits no longer.
                while b"\x1b]11;?" not in prompt.session.buf:
                    prompt.session.read(20)
                prompt.run("6 * 7", b"42")
                self.assertEqual(self.string_color(prompt), wanted)

    def test_a_cell_does_not_read_the_answer(self):
        prompt = self.spawn([*COMMAND, "-q"], [])
        prompt.see(rb">>> ")
        prompt.type(b"name = input('na' + 'me? ')\r\x1b]11;rgb:ffff/ffff/ffff\x1b\\" + self.FENCE)
        prompt.see(rb"name\? ")
        prompt.type("bob\r")
        prompt.see(rb">>> ")
        prompt.run("name * 2", b"'bobbob'")

    def test_a_terminal_need_not_answer(self):
        prompt = self.spawn([*COMMAND, "-q"], [])
        prompt.see(rb">>> ")
        prompt.type("6 * 7\r")
        prompt.see(rb"\b42\b(?s:.*)>>> ")
        self.assertEqual(prompt.leave(), 0)


class CommandLine(PromptTest):
    def run_it(self, *arguments, stdin="", **env):
        done = subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, text=True, timeout=30,
                              cwd=self.home, env=self.environment(env))
        return done.returncode, done.stdout, done.stderr

    def test_programs(self):
        script = self.file("script.py", "import sys\nprint(sys.argv[1:], __name__)\nsys.exit(5)\n")
        self.assertEqual(self.run_it("-c", "import sys; print(sys.argv)", "a"), (0, "['-c', 'a']\n", ""))
        self.assertEqual(self.run_it(script, "-x", "1"), (5, "['-x', '1'] __main__\n", ""))
        self.assertEqual(self.run_it("-m", "script", "b"), (5, "['b'] __main__\n", ""))
        self.assertEqual(self.run_it(stdin="print(6 * 7)\n"), (0, "42\n", ""))
        self.assertEqual(self.run_it("-", "c", stdin="import sys; print(sys.argv)\n"), (0, "['-', 'c']\n", ""))
        status, out, err = self.run_it("-c", "1 / 0")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("ZeroDivisionError", err)
        status, _, err = self.run_it("missing.py")
        self.assertEqual(status, 2)
        self.assertIn("missing.py", err)

    def test_a_prompt_after_a_program(self):
        script = self.file("script.py", "import sys\nx = 41\nprint('st' + 'arted', sys.argv[1:])\n")
        prompt = self.start("-q", "-i", script, "a")
        self.assertIn("started ['a']", prompt.text())
        prompt.run("x + 1", b"42")
        self.assertEqual(prompt.leave(), 0)
        self.assert_given_back(prompt)

    def test_a_prompt_after_a_program_that_failed(self):
        prompt = self.start("-q", "-i", "-c", "x = 41; 1 / 0")
        self.assertIn("ZeroDivisionError", prompt.text())
        prompt.run("x + 1", b"42")

    def test_without_await_at_top_level(self):
        prompt = self.start("-q", "--no-async")
        prompt.run("import asyncio")
        prompt.run("await asyncio.sleep(0)", b"SyntaxError: 'await' outside function")
        prompt.run("async def f(): return 42")
        prompt.run("asyncio.run(f())", b"42")
        self.assertEqual(prompt.leave(), 0)
        prompt = self.start("-q", "--no-async", "--async")
        prompt.run("import asyncio; await asyncio.sleep(0, 42)", b"42")

    def test_the_startup_file(self):
        startup = self.file("startup.py", "import sys\nx = 41\nsys.ps1 = '>>>> '\n")
        prompt = self.spawn([*COMMAND, "-q"], PYTHONSTARTUP=startup)
        prompt.see(rb">>>> ")
        prompt.type("x + 1\r")
        prompt.see(rb"42(?s:.*)>>>> ")

    def test_plain_prompts(self):
        for env in ({"TERM": "dumb"}, {"PYTHON_BASIC_REPL": "1"}):
            with self.subTest(env):
                prompt = self.start("--async", **env)
                prompt.type("def f():\r    return 6 * 7\r\r")
                prompt.see(rb"\.\.\. (?s:.*)>>> ")
                prompt.type("f()\r")
                prompt.see(rb"\b42\b(?s:.*)>>> ")
                self.assertNotIn(b"\x1b", prompt.session.buf)
                # Commands are the full prompt's, so its first line names none.
                self.assertIn(b"; Ctrl-D leaves", prompt.session.buf)
                self.interrupt_input(prompt)
                prompt.type("raise SystemExit(3)\r")
                self.assertEqual(prompt.session.wait(), 3)

    def interrupt_input(self, prompt):
        # CPython's input() misses a signal between its prompt and its read, in its own plain prompt too.
        for _ in range(10):
            prompt.type(CTRL_C)
            try:
                return prompt.see(rb"KeyboardInterrupt(?s:.*)>>> ", timeout=2)
            except TimeoutError:
                pass
        self.fail("not interrupted")

    def test_what_is_typed_before_the_prompt_is_kept(self):
        prompt = self.spawn([*COMMAND, "-q"])
        prompt.type("6 * 7\rprint('se' + 'cond')\r")
        prompt.see(rb"\b42\b(?s:.*)second(?s:.*)>>> ")


if __name__ == "__main__":
    unittest.main()
