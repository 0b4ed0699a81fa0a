"""The page of `keelback attach --web` in headless Chromium, before an asyncio program with `keelback.serve`."""

import subprocess
import sys
import unittest
from pathlib import Path

from pages import ROOT, ROWS, TASKS, PageCase

PROGRAM = """
import asyncio, sys
import keelback

async def refresh():
    while True:
        await asyncio.sleep(3600)

async def order(number):
    await asyncio.Event().wait()

async def main():
    kept = asyncio.create_task(refresh(), name="refresh")
    async with keelback.serve(globals(), name="shop"):
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            exec(line, globals())

asyncio.run(main())
"""


def of_task(name, part):
    """The text of a part of a task, as JavaScript."""
    tasks = "[...document.querySelectorAll('.task')]"
    return f"{tasks}.find(task => task.querySelector('.name').textContent === '{name}')?.querySelector('.{part}').textContent"


class ServedTest(PageCase):
    def setUp(self):
        super().setUp()
        variables = {"PYTHONPATH": str(ROOT / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
        program = Path(self.folder, "shop.py")
        program.write_text(PROGRAM)
        self.program = self.start([sys.executable, str(program)], variables, stdin=subprocess.PIPE)
        self.assertEqual(self.program.stdout.readline(), "ready\n")
        self.command = self.attach("shop")
        self.assertIn(f"shop ({self.program.pid})", self.command.title)

    def tell(self, code):
        """Run a line in the program itself."""
        self.program.stdin.write(code + "\n")
        self.program.stdin.flush()

    def test_a_cell_and_output(self):
        page = self.open_prompt()
        self.assertEqual(page.evaluate("document.title"), "shop – keelback")
        page.type("1+1")
        page.enter()
        page.wait(ROWS + r".match(/>>> 1\+1 *\n+2 *\n+>>>/)")
        self.tell("print('order 1841 is paid')")
        page.wait("document.querySelector('#log .out')?.textContent === 'order 1841 is paid'")
        self.assertEqual(page.complaints(), [])

    def test_tasks_come_and_go_and_grow_older(self):
        page = self.open_prompt()
        page.wait(of_task("refresh", "where") + " === 'shop.py:7 in refresh: await asyncio.sleep(3600)'")
        self.tell("one = asyncio.create_task(order(1841), name='order 1841')")
        page.wait(of_task("order 1841", "coroutine") + " === 'order'")
        page.type("two = asyncio.create_task(order(1842), name='order 1842')")
        page.enter()
        page.wait(of_task("order 1842", "where") + "?.startsWith('shop.py:10 in order: ')")
        # What was there before anybody looked may be older than it says.
        page.wait(rf"/^≥ [1-9]\d* s$/.test({of_task('refresh', 'age')})")
        page.wait(rf"/^[1-9]\d* s$/.test({of_task('order 1841', 'age')})")
        # Another page is told the ages of now.
        other = self.open(page.evaluate("location.href"))
        other.wait(rf"/^[1-9]\d* s$/.test({of_task('order 1841', 'age')})")
        self.tell("one.cancel()")
        page.wait(TASKS + ".includes('order 1842') && !" + TASKS + ".includes('order 1841')")

    def test_the_end_of_the_program(self):
        page = self.open_prompt()
        page.type("x = 1")
        self.tell("raise SystemExit")
        page.wait("document.getElementById('notice-text').textContent.startsWith('The program has ended. ')")
        self.assertEqual(page.evaluate("document.getElementById('state-text').textContent"), "not connected")
        self.assertTrue(page.evaluate("document.getElementById('tasks-none').hidden"))
        # There is nothing that could still be done.
        shown = "[...document.querySelectorAll('.task button, #notice button')].filter(button => button.checkVisibility())"
        self.assertEqual(page.evaluate(shown + ".length"), 0)
        self.assertEqual(self.program.wait(20), 0)
        self.assertEqual(self.command.wait(20), 1)
        self.picture(page, "ended")


if __name__ == "__main__":
    unittest.main()
