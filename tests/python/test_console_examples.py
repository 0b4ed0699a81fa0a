"""The consoles in `examples/` do what they say."""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
sys.path.insert(0, str(ROOT / "python"))


def start(name, *arguments, **options):
    command = [sys.executable, "-W", "error", EXAMPLES / name, *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    return subprocess.Popen(command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)


class Examples(unittest.TestCase):
    def test_a_job(self):
        with start("console.py", stderr=subprocess.PIPE) as job:
            out, err = job.communicate("number, total\norders[number] = 5\n", timeout=60)
        self.assertEqual(out, ">>> (2, 20)\n>>> >>> total: 32\n")
        self.assertEqual(err, "Order 2 costs -5. Set orders[number]; Ctrl-D goes on.\n\n")

    def test_a_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "console.sock")
            # It tells when it may be connected to.
            program = (
                f"import sys, socket; sys.path.insert(0, {str(EXAMPLES)!r})\nimport console_socket\n"
                "listen = socket.socket.listen\n"
                "def listening(self):\n    listen(self)\n    print('ready', flush=True)\n"
                f"socket.socket.listen = listening\nconsole_socket.serve({path!r}, {{}})"
            )
            env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
            command = [sys.executable, "-W", "error", "-c", program]
            with subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE) as server, self.ending(server):
                self.assertEqual(server.stdout.readline(), "ready\n")
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
                first = self.talk(path, "x = 6\nif x:\n  print(x * 7)\n\n1/0\n")
                self.assertTrue(first.startswith("hello\n>>> >>> ... ... 42\n>>> Traceback"), first)
                self.assertTrue(first.endswith("ZeroDivisionError: division by zero\n>>> \nbye\n"), first)
                self.assertIn("6\n", self.talk(path, "x\nraise SystemExit\n"))
                self.assertEqual(server.wait(timeout=60), 0)
            self.assertFalse(os.path.exists(path))

    @contextlib.contextmanager
    def ending(self, server):
        try:
            yield
        finally:
            server.kill()

    def talk(self, path, text):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(path)
            client.sendall(text.encode())
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(4096), b"")).decode()


if importlib.util.find_spec("_tkinter"):
    import tkinter

    class Tk(unittest.TestCase):
        """Without a window, which wants a display: Tcl alone has the same main loop."""

        def test_the_main_loop_goes_on(self):
            spec = importlib.util.spec_from_file_location("console_tk", EXAMPLES / "console_tk.py")
            example = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(example)
            tcl = tkinter.Tcl()
            readable, writable = os.pipe()
            self.addCleanup(os.close, writable)
            ticks, seen, ended = [], [], []

            def tick():
                # Each line is typed by the loop itself, so it goes on between them.
                ticks.append(len(seen))
                lines = [b"seen.append(1)\n", b"if 1:\n", b"  seen.append(2)\n\n", b"raise SystemExit\n"]
                if len(ticks) <= len(lines):
                    os.write(writable, lines[len(ticks) - 1])
                    tcl.after(1, tick)

            with open(readable) as stdin, mock.patch.object(sys, "stdin", stdin):
                with mock.patch("builtins.print") as shown:
                    example.TkConsole(tcl, {"seen": seen}, ended=lambda: ended.append(True)).start()
                    tick()
                    while not ended:
                        tcl.tk.dooneevent(0)
            self.assertEqual(seen, [1, 2])
            self.assertGreaterEqual(len(ticks), 4)
            self.assertEqual([call.args[0] for call in shown.mock_calls], [">>> ", ">>> ", "... ", "... ", ">>> "])


if __name__ == "__main__":
    unittest.main()
