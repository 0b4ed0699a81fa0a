"""What tests of the page share: a browser, a program, and `keelback attach --web` before it.

`KEELBACK` names the command, `CHROMIUM` another browser than the one on PATH; `PICTURES` a folder for screenshots.
"""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from devtools import Browser

ROOT = Path(__file__).resolve().parent.parent.parent
KEELBACK = os.environ.get("KEELBACK") or str(ROOT / "target/release/keelback")
ROWS = "(document.querySelector('.xterm-rows')?.innerText ?? '').replaceAll('\\u00a0', ' ')"
TASKS = "[...document.querySelectorAll('.task .name')].map(name => name.textContent).join()"


class PageCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.profile = tempfile.mkdtemp(prefix="page-test-")
        cls.addClassCleanup(shutil.rmtree, cls.profile, ignore_errors=True)
        cls.browser = Browser(cls.profile)
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="page-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def attach(self, target):
        """Serve the page of a program: its process, and the page's address in `url`."""
        process = self.start([KEELBACK, "attach", target, "--web", "--no-open"], stdin=subprocess.DEVNULL)
        process.title = process.stdout.readline()
        self.url = process.stdout.readline().strip()
        return process

    def start(self, command, variables=(), **options):
        """A process whose home is the folder of the test."""
        strange = ("KEELBACK", "PYTHON", "NO_COLOR", "XDG_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        env |= {"HOME": self.folder, "XDG_RUNTIME_DIR": self.folder, "KEELBACK_HISTORY": self.folder + "/history"}
        env |= dict(variables)
        process = subprocess.Popen(command, env=env, cwd=self.folder, stdout=subprocess.PIPE, text=True, **options)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def open(self, url=None, **options):
        page = self.browser.page(**options)
        self.addCleanup(page.close)
        page.open(url or self.url)
        return page

    def open_prompt(self, **options):
        page = self.open(**options)
        page.wait(ROWS + ".includes('>>>')")
        return page

    def picture(self, page, name):
        """A screenshot, where somebody wants to see them."""
        if folder := os.environ.get("PICTURES"):
            page.picture(f"{folder}/{name}.png")
