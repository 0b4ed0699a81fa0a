"""The console beside a Tk window in `examples/`, with its window: on an X server without a screen."""

import os
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/prompt"))

from terminal import Session  # noqa: E402


class Window(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The server takes a free number for its display, and writes it where it is told to.
        readable, writable = os.pipe()
        command = ["Xvfb", "-displayfd", str(writable), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
        server = subprocess.Popen(command, pass_fds=[writable], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(server.wait)
        cls.addClassCleanup(server.terminate)
        os.close(writable)
        with open(readable) as numbers:
            cls.display = ":" + numbers.readline().strip()

    def setUp(self):
        env = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "DISPLAY": self.display}
        self.console = Session([sys.executable, "-W", "error", str(ROOT / "examples/console_tk.py")], env=env)
        self.addCleanup(self.console.close)
        self.console.wait_for(rb">>> $", start=0)

    def type(self, keys, expected):
        """Type *keys* and wait until *expected*, a regular expression, is what comes of it."""
        start = len(self.console.buf)
        self.console.write(keys.encode())
        self.console.wait_for(expected.encode(), start=start)

    def test_lines_use_the_window(self):
        # Every answer is after a new line, and what was typed is not.
        self.type("label['text'] = 'hello'\n", r"\n>>> $")
        self.type("root.update(); label.winfo_viewable()\n", r"\n(1|True)\r\n>>> $")
        self.type("label.winfo_width() > 80 and label.winfo_height() > 80\n", r"\nTrue\r\n>>> $")
        self.type("1/0\n", r"\nZeroDivisionError: division by zero\r\n>>> $")
        # Nothing is typed here: the loop goes on by itself.
        self.type("name = root.after(10, print, 'from the ' + 'loop')\n", r"from the loop\r\n$")
        self.type("exit()\n", r"exit\(\)")
        self.assertEqual(self.console.wait(), 0)

    def test_ctrl_c_and_ctrl_d(self):
        self.type("if True:\n", r"\n\.\.\. $")
        self.type("\x03", r"\nKeyboardInterrupt\r\n>>> $")
        self.type("print('be' + 'gun'); [0 for _ in iter(int, 1) if False]\n", r"\nbegun\r\n$")
        self.type("\x03", r"\nKeyboardInterrupt\r\n>>> $")
        self.type("label.winfo_exists()\n", r"\n(1|True)\r\n>>> $")
        self.console.write(b"\x04")
        self.assertEqual(self.console.wait(), 0)

    def test_closing_the_window_is_the_end(self):
        self.type("name = root.after(10, root.destroy)\n", r"name = ")
        self.assertEqual(self.console.wait(), 0)


if __name__ == "__main__":
    unittest.main()
