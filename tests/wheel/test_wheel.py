"""The wheel as it is installed: run by the Python of an environment that has nothing but it and pip, outside the project.

`KEELBACK` names the binary that cargo builds; the command of the wheel must be the same. The last class removes the wheel.
"""

import importlib.metadata
import os
import signal
import subprocess
import sys
import sysconfig
import unittest
from pathlib import Path

COMMAND = Path(sysconfig.get_path("scripts"), "keelback")
BINARY = os.environ["KEELBACK"]


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


class Command(unittest.TestCase):
    def check(self, *arguments):
        """What the command says and how it ends, which is what the binary says and how that ends."""
        of_wheel = run(COMMAND, *arguments)
        self.assertEqual(of_wheel, run(BINARY, *arguments))
        return of_wheel

    def test_it_runs_python(self):
        self.assertEqual(self.check("run", "-c", "print(1)"), (0, "1\n", ""))

    def test_help_and_version(self):
        for arguments in (["--help"], ["--version"], ["run", "--help"], ["mcp", "--help"]):
            with self.subTest(arguments):
                status, stdout, stderr = self.check(*arguments)
                self.assertEqual((status, stderr), (0, ""))
                self.assertIn("keelback", stdout)
        self.assertIn(importlib.metadata.version("keelback"), self.check("--version")[1])

    def test_exit_status(self):
        for status, arguments in [
            (7, ["run", "-c", "raise SystemExit(7)"]),
            (1, ["run", "-c", "1/0"]),
            (2, ["run", "--no-such-option"]),
            (2, ["run", "no-such-file.py"]),
        ]:
            with self.subTest(arguments):
                self.assertEqual(self.check(*arguments)[0], status)
        code = "while True: pass"
        self.assertEqual([run(c, "run", "--timeout", "100ms", "-c", code)[0] for c in (COMMAND, BINARY)], [124, 124])

    def test_ctrl_c(self):
        ends = []
        for program in (COMMAND, BINARY):
            code = "print('ready', flush=True)\nwhile True: pass"
            child = subprocess.Popen([program, "run", "-c", code], stdout=-1, stderr=-1, text=True, stdin=-3)
            self.assertEqual(child.stdout.readline(), "ready\n")
            child.send_signal(signal.SIGINT)
            _, stderr = child.communicate()
            ends.append((child.returncode, stderr.splitlines()[-1]))
        self.assertEqual(ends[0], ends[1])
        self.assertEqual(ends[0][1], "KeyboardInterrupt")


class Package(unittest.TestCase):
    def test_it_is_the_installed_one(self):
        import keelback

        self.assertTrue(Path(keelback.__file__).is_relative_to(sys.prefix))
        with keelback.Sandbox() as box:
            self.assertEqual(box.run("import sqlite3, ssl\n6 * 7").value, 42)

    def test_it_takes_no_names_but_its_own(self):
        files = importlib.metadata.files("keelback")
        tops = {file.parts[0] for file in files if file.parts[0] != ".."}
        version = importlib.metadata.version("keelback")
        self.assertEqual(tops, {"keelback", f"keelback-{version}.dist-info"})
        self.assertEqual([file.name for file in files if file.parts[0] == ".."], ["keelback"])
        self.assertIn("py.typed", [file.name for file in files])

    def test_it_carries_the_licences(self):
        licences = {file.name: file for file in importlib.metadata.files("keelback") if "licenses" in file.parts}
        self.assertEqual(set(licences), {"LICENSE-APACHE", "LICENSE-MIT", "THIRD_PARTY.md"})
        self.assertIn("PYTHON SOFTWARE FOUNDATION LICENSE", licences["THIRD_PARTY.md"].read_text("utf-8"))


class Uninstall(unittest.TestCase):
    """Named to come last, as unittest sorts the classes of a module."""

    def test_nothing_stays(self):
        status, _, stderr = run(sys.executable, "-m", "pip", "uninstall", "-q", "-y", "keelback")
        self.assertEqual(status, 0, stderr)
        site = Path(sysconfig.get_path("purelib"))
        self.assertEqual([path.name for path in site.iterdir() if path.name.startswith("keelback")], [])
        self.assertFalse(COMMAND.exists())


if __name__ == "__main__":
    unittest.main()
