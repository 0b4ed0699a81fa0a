"""The stubs say what the package has. Needs mypy."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "python"


@unittest.skipUnless((PACKAGE / "keelback/_pool.py").exists(), "`Pool` and `Finding` are not there yet")
class Stubs(unittest.TestCase):
    def test_stubtest(self):
        environment = {**os.environ, "MYPYPATH": str(PACKAGE), "PYTHONPATH": str(PACKAGE)}
        command = [sys.executable, "-m", "mypy.stubtest", "--ignore-disjoint-bases", "--concise", "--ignore-unused-allowlist"]
        command += ["--allowlist", str(Path(__file__).with_name("stubtest_allow.txt"))]
        command += ["--mypy-config-file", str(Path(__file__).with_name("mypy.ini")), "keelback"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=PACKAGE.parent / "tests")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
