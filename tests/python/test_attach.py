"""`keelback attach` before programs that serve: what crosses the command and the package. KEELBACK names the command."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEELBACK = os.environ.get("KEELBACK", str(ROOT / "target/release/keelback"))
sys.path.insert(0, str(ROOT / "bench/prompt"))

from terminal import Session  # noqa: E402

# A service with a task, whose namespace is its module.
SERVICE = """
import asyncio, sys
import keelback

cache = {"a": 1}

async def refresh():
    while True:
        await asyncio.sleep(3600)

async def main():
    task = asyncio.create_task(refresh(), name="refresh")
    async with keelback.serve(name="web", **OPTIONS) as server:
        print(server.address, server.key, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    task.cancel()

asyncio.run(main())
"""

ARMED = """
import sys, time
import keelback

answer = 42
keelback.arm(name="dormant")
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""

PLAIN = "import sys; print('ready', flush=True); sys.stdin.read()"


class AttachTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kb")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        names = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
        self.environment = {name: os.environ[name] for name in names if name in os.environ}
        self.environment.setdefault("PYTHONPATH", str(ROOT / "python"))
        self.environment |= {"HOME": self.folder, "XDG_RUNTIME_DIR": self.folder, "TERM": "xterm-256color"}

    def program(self, source):
        """A program, and the first line it prints."""
        command = [sys.executable, "-c", source]
        pipe = subprocess.PIPE
        program = subprocess.Popen(command, env=self.environment, stdin=pipe, stdout=pipe, text=True)
        self.addCleanup(program.wait)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.stdin.close)
        self.addCleanup(program.kill)
        return program, program.stdout.readline().split()

    def service(self, options="{}"):
        return self.program(SERVICE.replace("**OPTIONS", f"**{options}"))

    def attach(self, *args, input="", **env):
        environment = self.environment | env
        command = [KEELBACK, "attach", *args]
        done = subprocess.run(command, env=environment, input=input, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def test_cells_run_in_the_programs_loop_and_namespace(self):
        self.service()
        self.assertEqual(self.attach("-e", "len(cache)"), (0, "1\n", ""))
        code = "import asyncio; await asyncio.sleep(0); cache['b'] = asyncio.current_task() is not None"
        self.assertEqual(self.attach("web", "-e", code), (0, "", ""))
        program = "for key in cache:\n    print(key)\ncache['b']\n"
        self.assertEqual(self.attach("web", input=program), (0, "a\nb\nTrue\n", ""))
        self.assertEqual(self.attach("-e", "input('name? ')", input="Bob\n"), (0, "name? 'Bob'\n", ""))

    def test_what_code_raises_is_the_exit_status(self):
        self.service()
        status, out, err = self.attach("-e", "def f():\n    1 / 0\nf()")
        self.assertEqual((status, out), (1, ""))
        self.assertIn('File "<string>", line 2, in f', err)
        self.assertTrue(err.endswith("ZeroDivisionError: division by zero\n"), err)
        self.assertEqual(self.attach("-e", "raise SystemExit(7)")[0], 7)
        self.assertEqual(self.attach("-e", "len(cache)"), (0, "1\n", ""))

    def test_ctrl_c_interrupts_the_cell_and_not_the_program(self):
        self.service()
        command = [KEELBACK, "attach", "-e", "print('on', flush=True)\nwhile True: pass"]
        pipe = subprocess.PIPE
        done = subprocess.Popen(command, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        with done:
            self.assertEqual(done.stdout.readline(), "on\n")
            done.send_signal(signal.SIGINT)
            _, err = done.communicate(timeout=60)
        self.assertEqual(done.returncode, 130, err)
        self.assertEqual(self.attach("-e", "len(cache)"), (0, "1\n", ""))

    def test_a_program_that_is_killed_ends_what_waits_for_it(self):
        program, _ = self.service()
        command = [KEELBACK, "attach", "-e", "print('on', flush=True); await asyncio.sleep(3600)"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, stdin=pipe, text=True) as done:
            self.assertEqual(done.stdout.readline(), "on\n")
            program.kill()
            _, err = done.communicate(timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the program has ended", err)

    def test_over_tls_with_the_key(self):
        _, (address, key) = self.service("{'host': '127.0.0.1'}")
        self.assertEqual(self.attach(address, "-e", "len(cache)", KEELBACK_KEY=key), (0, "1\n", ""))
        wrong = key[:-2] + ("AA" if key[-2:] != "AA" else "BB")
        self.assertEqual(self.attach(address, "-e", "len(cache)", KEELBACK_KEY=wrong)[:2], (1, ""))

    def test_a_prepared_program_is_woken(self):
        program, _ = self.program(ARMED)
        status, _, err = self.attach("dormant", "-e", "answer")
        self.assertEqual(status, 1)
        self.assertIn("nobody can be asked", err)
        self.assertEqual(self.attach("dormant", "--yes", "-e", "answer"), (0, "42\n", ""))
        self.assertEqual(self.attach(str(program.pid), "-e", "answer"), (0, "42\n", ""))

    @unittest.skipUnless(sys.version_info < (3, 14), "later ones need no preparation")
    @unittest.skipUnless(sys.platform == "linux", "processes are looked at on Linux")
    def test_a_program_that_is_not_prepared_is_left_alone(self):
        program, _ = self.program(PLAIN)
        status, _, err = self.attach(str(program.pid), "-e", "1")
        self.assertEqual(status, 1)
        self.assertIn(f"runs Python 3.{sys.version_info[1]} and is not prepared\nhint: a program is prepared by", err)
        self.assertIsNone(program.poll())

    def test_the_prompt(self):
        self.service()
        prompt = Session([KEELBACK, "attach"], self.environment, cwd=self.folder)
        self.addCleanup(prompt.close)
        seen = 0

        def run(keys, pattern):
            nonlocal seen
            prompt.write(keys.encode())
            prompt.wait_for(pattern, 60, start=seen)
            seen = len(prompt.buf)

        run("", rb">>> ")
        run("cache\r", rb"'a'(?s:.*)>>> ")
        run(":tasks\r", rb"refresh(?s:.*)>>> ")
        run("await asyncio.sleep(3600)\r", rb"\n")
        run("\x03", rb"KeyboardInterrupt(?s:.*)>>> ")
        run("x = cache\r", rb"\n(?s:.*)>>> ")
        run("\x04", rb"comes back to it")
        self.assertEqual(prompt.wait(), 0)
        self.assertEqual(self.attach("-e", "x is cache"), (0, "True\n", ""))


if __name__ == "__main__":
    unittest.main()
