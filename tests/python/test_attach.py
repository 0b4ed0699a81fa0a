"""`keelback attach` before programs that serve: what crosses the command and the package. KEELBACK names the command."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import termios
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


def setUpModule():
    # A shell leaves it ignored for what it runs in the background, and so would the programs of these tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
        # Not the last character, of which only some are whole bytes' end.
        wrong = key[:-3] + ("A" if key[-3] != "A" else "B") + key[-2:]
        status, out, err = self.attach(address, "-e", "len(cache)", KEELBACK_KEY=wrong)
        self.assertEqual((status, out), (1, ""))
        self.assertIn("the token is wrong", err)
        _, (other, other_key) = self.service("{'host': '127.0.0.1'}")
        status, out, err = self.attach(address, "-e", "len(cache)", KEELBACK_KEY=other_key)
        self.assertEqual((status, out), (1, ""))
        self.assertIn("is not the server of this key", err)
        status, _, err = self.attach(address, "-e", "1")
        self.assertIn("wants a key", err)
        keys = pathlib.Path(self.folder, "key")
        keys.write_text(key + "\n")
        self.assertEqual(self.attach(address, "--key", str(keys), "-e", "len(cache)")[:2], (0, "1\n"))

    def test_what_is_no_client_holds_up_no_other_over_tls(self):
        _, (address, key) = self.service("{'host': '127.0.0.1'}")
        where = ("127.0.0.1", int(address.rpartition(":")[2]))
        strangers = []
        # The last two never get further: half a handshake, and none.
        for said in (b"POST / HTTP/1.1\r\nContent-Length: 13\r\n\r\ncache.clear()", b"\0keelb\r\n", b"\x16\x03\x01\x02\x00\x01", b""):
            stranger = socket.create_connection(where, timeout=60)
            self.addCleanup(stranger.close)
            stranger.sendall(said)
            strangers.append(stranger)
        self.assertEqual(self.attach(address, "-e", "len(cache)", KEELBACK_KEY=key), (0, "1\n", ""))
        for stranger in strangers[:2]:
            answer = b""
            with contextlib.suppress(ConnectionError):
                while data := stranger.recv(1000):
                    answer += data
            self.assertLess(len(answer), 16, "at most an alert")

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


    def test_a_program_that_is_killed_leaves_the_terminal_as_it_was(self):
        for keys, shown in (("half", rb"half"), ("print('on'); await asyncio.sleep(3600)\r", rb"\non")):
            program, _ = self.service()
            prompt = Session([KEELBACK, "attach"], self.environment, cwd=self.folder)
            self.addCleanup(prompt.close)
            before = termios.tcgetattr(prompt.fd)
            prompt.wait_for(rb">>> ", 60)
            self.assertNotEqual(termios.tcgetattr(prompt.fd)[3] & termios.ICANON, termios.ICANON)
            prompt.write(keys.encode())
            prompt.wait_for(shown, 60)
            program.kill()
            prompt.wait_for(rb"the program has ended", 60)
            self.assertEqual(prompt.wait(), 1)
            self.assertEqual(termios.tcgetattr(prompt.fd), before)

    def test_an_interrupted_cell_says_so_once(self):
        self.service()
        prompt = Session([KEELBACK, "attach"], self.environment, cwd=self.folder)
        self.addCleanup(prompt.close)
        prompt.wait_for(rb">>> ", 60)
        for cell in ("print('on', flush=True); await asyncio.sleep(3600)", "import time; print('on'); time.sleep(3600)"):
            seen = len(prompt.buf)
            prompt.write(cell.encode() + b"\r")
            prompt.wait_for(rb"\non", 60, start=seen)
            prompt.write(b"\x03")
            prompt.wait_for(rb"KeyboardInterrupt(?s:.*)>>> ", 60, start=seen)
            self.assertEqual(bytes(prompt.buf[seen:]).count(b"KeyboardInterrupt"), 1)


if __name__ == "__main__":
    unittest.main()
