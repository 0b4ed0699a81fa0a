"""`await keelback.prompt()` in a terminal: the prompt in the event loop of a program."""

import os
import signal
import sys
import unittest
from pathlib import Path

from test_pty import CTRL_C, CTRL_D, PromptTest

# What each program begins with; LOOP is the name of a module with another loop's `install`.
HEAD = """
import asyncio, os, sys, threading
import keelback
if os.environ.get("LOOP"):
    __import__(os.environ["LOOP"]).install()
def say(*words, **more):
    print("".join(words), flush=True, **more)
def soon(*call):
    "When the cell awaits, and no code of it is on the stack."
    asyncio.get_running_loop().call_soon(*call)
"""
PROGRAM = """
ns = {"__name__": "__main__", "asyncio": asyncio, "say": say, "soon": soon}
async def main():
    status = await keelback.prompt(ns)
    say("pro", "gram goes on, status ", str(status))
asyncio.run(main())
"""


class LoopTest(PromptTest):
    def program(self, source=PROGRAM, **env):
        """A program whose prompt waits for its first cell."""
        shown = self.spawn([sys.executable, self.file("program.py", HEAD + source)], LOOP=os.environ.get("LOOP"), **env)
        shown.before = shown.modes()
        shown.see(rb">>> ")
        return shown

    def enter(self, prompt, cell):
        """A cell and Enter, without waiting for its end."""
        prompt.session.paste(cell.encode())
        prompt.see(rb"\S")
        prompt.type("\r")


class Cells(LoopTest):
    def test_they_run_in_the_loop_of_the_program(self):
        prompt = self.program(
            """
ns = {"__name__": "__main__", "asyncio": asyncio, "threading": threading}
async def main():
    ns["mine"] = asyncio.get_running_loop()
    await keelback.prompt(ns)
asyncio.run(main())
"""
        )
        prompt.run("asyncio.get_running_loop() is mine, threading.main_thread() is threading.current_thread()", rb"\(True, True\)")
        prompt.run("await asyncio.sleep(0, 41) + 1", b"42")
        prompt.run("_ + 1; asyncio.current_task() is not None", b"43(?s:.*)True")
        self.assertEqual(prompt.leave(), 0)
        self.assert_given_back(prompt)

    def test_the_loop_goes_on_while_nothing_is_typed(self):
        prompt = self.program(PROGRAM.replace("    status", "    asyncio.get_running_loop().call_later(0.05, say, 'ti', 'ck')\n    status"))
        prompt.type("abc")
        prompt.see(rb"abc")
        if b"tick" not in prompt.session.buf:
            prompt.see(rb"tick(?s:.*)>>> abc")

    def test_the_names_of_the_caller(self):
        prompt = self.program(
            """
top = "module's"
async def main():
    local = 41
    await keelback.prompt()
    say("local is ", str(local))
asyncio.run(main())
"""
        )
        prompt.run("local + 1, top, [local for _ in 'a'], (lambda: local)()", rb"\(42, \"module's\", \[41\], 41\)")
        prompt.run("def f(): return local, top\nlocal = 5; f()", rb"\(5, \"module's\"\)")
        prompt.type(CTRL_D)
        prompt.see(b"local is 5" if sys.version_info >= (3, 13) else b"local is 41")
        self.assertEqual(prompt.session.wait(), 0)

    def test_errors_show_frames_of_the_user(self):
        prompt = self.program()
        prompt.run("async def f(): 1 / 0", b"")
        prompt.run("await f()", rb"Traceback(?s:.*)in <module>(?s:.*)in f(?s:.*)ZeroDivisionError")
        self.assertNotIn("_live.py", prompt.text())
        self.assertNotIn("asyncio/", prompt.text())

    def test_a_paste_is_one_cell(self):
        text = (
            "def f():\n    a = 1\n\n    return a\n\ndef g():\n    b = 2\n\n    return b\n\n"
            "f()\nimport asyncio\nawait asyncio.sleep(0, f() + g())\n"
        )
        for bracketed in (True, False):
            with self.subTest(bracketed=bracketed):
                prompt = self.program()
                if bracketed:
                    self.enter(prompt, text)
                else:
                    prompt.type(text.replace("\n", "\r"))
                prompt.see(rb"\x001\r\n3\r\n(?s:.*)>>> ")
                prompt.run("f.__code__.co_filename[-8:], g.__code__.co_filename[-8:]", rb"\('input-0>', 'input-0>'\)")

    def test_keys_typed_while_a_cell_runs_are_kept(self):
        prompt = self.program()
        self.enter(prompt, "soon(say, 'be', 'gun'); await asyncio.sleep(0.2); x = 41")
        prompt.see(rb"begun")
        prompt.type("x + 1\r")
        prompt.see(rb"42(?s:.*)>>> ")

    def test_input(self):
        prompt = self.program()
        prompt.type("name = input('na' + 'me? '); await asyncio.sleep(0)\r")
        prompt.see(rb"name\? ")
        prompt.type("bob\r")
        prompt.see(rb">>> ")
        prompt.run("name * 2", b"'bobbob'")

    def test_the_size_is_that_of_the_window(self):
        prompt = self.program()
        self.enter(prompt, "go = asyncio.Event(); asyncio.get_running_loop().call_later(0.2, go.set); "
                   "soon(say, 'be', 'gun'); await go.wait()")
        prompt.see(rb"begun")
        prompt.session.resize(30, 40)
        prompt.see(rb">>> ")
        prompt.run("[*range(20)]", rb"\[\s+0,(?s:.*)\s19\s")


class Synchronous(LoopTest):
    def test_the_prompt_of_the_command_in_a_loop(self):
        """It has a loop of its own for cells that await; the program's stands still."""
        prompt = self.program(
            """
from keelback._terminal import Terminal
async def main():
    task = asyncio.current_task()
    ns = {"__name__": "__main__", "asyncio": asyncio, "mine": asyncio.get_running_loop()}
    status = Terminal(ns).run()
    say("pro", "gram goes on ", str((status, asyncio.current_task() is task)))
asyncio.run(main())
"""
        )
        prompt.run("await asyncio.sleep(0, 42); asyncio.get_running_loop() is mine", rb"42(?s:.*)False")
        prompt.run("task = asyncio.ensure_future(asyncio.sleep(0.01, 7)); await asyncio.sleep(0)")
        prompt.run("await task", b"7")
        prompt.type("exit(3)\r")
        prompt.see(rb"program goes on \(3, True\)")
        self.assertEqual(prompt.session.wait(), 0)


class Interrupts(LoopTest):
    def test_an_await_and_not_what_runs_beside_it(self):
        prompt = self.program()
        prompt.run("n = 0\nasync def count():\n    global n\n    while True: await asyncio.sleep(0.001); n += 1\n")
        prompt.run("task = asyncio.ensure_future(count())")
        self.enter(prompt, "x = 1; soon(say, 'be', 'gun'); await asyncio.sleep(1000); x = 2")
        prompt.see(rb"begun")
        start = len(prompt.session.buf)
        prompt.interrupt()
        self.assertEqual(bytes(prompt.session.buf[start:]).count(b"KeyboardInterrupt"), 1)
        self.assertNotIn(b"Traceback", prompt.session.buf[start:])
        prompt.run("x", b"1")
        prompt.run("m = n; await asyncio.sleep(0.05); n > m, task.done()", rb"\(True, False\)")
        self.assertEqual(prompt.leave(), 0)

    def test_synchronous_code(self):
        for work in ("for _ in range(10**12): pass", "import time; time.sleep(1000)", "input()",
                     "await asyncio.sleep(0)\nwhile True: pass"):
            with self.subTest(work):
                prompt = self.program()
                self.enter(prompt, f"x = 41; say('be', 'gun')\n{work}")
                prompt.see(rb"begun")
                prompt.interrupt(again="time" in work or "input" in work)
                prompt.run("x + 1", b"42")
                self.assertEqual(prompt.leave(), 0)
                self.assert_given_back(prompt)

    def test_what_is_typed_is_dropped(self):
        prompt = self.program()
        prompt.interrupt()
        prompt.type("print('never'\r")
        prompt.see(rb"never")
        prompt.interrupt()
        prompt.run("print('Y', 1 + 1)", b"Y 2")

    def test_twice_on_a_cell_that_refuses(self):
        prompt = self.program()
        prompt.run("async def s():\n    while True:\n        try: await asyncio.sleep(1000)\n"
                   "        except asyncio.CancelledError: soon(say, 'n', 'o')\n")
        self.enter(prompt, "soon(say, 'be', 'gun'); await s()")
        prompt.see(rb"begun")
        prompt.type(CTRL_C)
        prompt.see(rb"no\r")
        prompt.type(CTRL_C)
        prompt.see(rb"KeyboardInterrupt(?s:.*)the task 'session-1-cell-1' goes on(?s:.*)>>> ")
        prompt.run("_.get_name(), _.done()", rb"\('session-1-cell-1', False\)")

    def test_the_programs_handler_is_in_place_outside(self):
        prompt = self.program()
        prompt.run("import signal; say(signal.getsignal(signal.SIGINT).__qualname__)", rb"Interrupting")
        prompt.run("asyncio.get_running_loop().call_later(0.01, lambda: "
                   "say('now ', str(signal.getsignal(signal.SIGINT)))) and None")
        prompt.see(rb"now (?s:.*)>>> ")
        self.assertNotIn("now <bound method Interrupting", prompt.text())

    def test_a_handler_of_the_loop(self):
        prompt = self.program(
            """
import signal
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, say, "the pro", "gram's")
    await keelback.prompt({"__name__": "__main__", "asyncio": asyncio, "say": say, "soon": soon})
asyncio.run(main())
"""
        )
        if not os.environ.get("LOOP"):
            self.enter(prompt, "soon(say, 'be', 'gun'); await asyncio.sleep(1000)")
            prompt.see(rb"begun")
            prompt.interrupt()
            self.assertNotIn("the program's", prompt.text())
        os.kill(prompt.session.pid, signal.SIGINT)
        prompt.see(rb"the program's(?s:.*)>>> ")


class Output(LoopTest):
    def test_tasks_and_threads_write_above_the_prompt(self):
        writers = {
            "lines": ("print('ti' + 'ck', n)", rb"tick 0\r(?s:.*)tick 1\r(?s:.*)tick 2\r"),
            "no end of line": ("print('ti' + 'ck', n, end=' ')", rb"tick 0 (?s:.*)tick 1 (?s:.*)tick 2 "),
            "progress": ("sys.stdout.write('\\r' + 'ti' + f'ck {n}')", rb"tick 0(?s:.*)tick 1(?s:.*)tick 2"),
            "a log": ("log.warning('ti' + 'ck %s', n)", rb"tick 0\r(?s:.*)tick 1\r(?s:.*)tick 2\r"),
        }
        program = """
import logging
logging.basicConfig(stream=sys.stderr, format="%(message)s")
ns = {"__name__": "__main__", "asyncio": asyncio, "threading": threading, "sys": sys, "log": logging.getLogger()}
asyncio.run(keelback.prompt(ns))
"""
        for name, (write, wanted) in writers.items():
            for where in ("task", "thread"):
                with self.subTest(name, where=where):
                    prompt = self.program(program)
                    if where == "task":
                        prompt.run("go = asyncio.Event()\nasync def ticks():\n    await go.wait()\n"
                                   f"    for n in range(3):\n        {write}\n        await asyncio.sleep(0.02)\n")
                        prompt.run("task = asyncio.ensure_future(ticks())")
                    else:
                        prompt.run("import time; go = threading.Event()\ndef ticks():\n    go.wait()\n"
                                   f"    for n in range(3):\n        {write}\n        time.sleep(0.02)\n")
                        prompt.run("threading.Thread(target=ticks).start()")
                    prompt.run("asyncio.get_running_loop().call_later(0.1, go.set) and None")
                    prompt.type("partial_inp")
                    prompt.see(wanted)
                    prompt.type("ut")
                    prompt.see(rb"ut")
                    self.assertEqual(prompt.leave(CTRL_C + CTRL_D), 0)


class Ends(LoopTest):
    def test_the_program_goes_on(self):
        for keys, status in [(CTRL_D, "0"), ("exit()\r", "0"), ("exit(3)\r", "3"), ("raise SystemExit\r", "0"),
                             ("await asyncio.sleep(0); raise SystemExit('wh' + 'y')\r", "1")]:
            with self.subTest(keys):
                prompt = self.program()
                prompt.type(keys)
                prompt.see(b"program goes on, status " + status.encode())
                self.assertEqual(prompt.session.wait(), 0)
                self.assert_given_back(prompt)

    def test_a_second_prompt(self):
        prompt = self.program(
            """
async def main():
    ns = {"__name__": "__main__"}
    await keelback.prompt(ns, exitmsg="over " + "now")
    say("bet", "ween ", input("li" + "ne? "))
    await keelback.prompt(ns, banner="sec" + "ond")
asyncio.run(main())
"""
        )
        prompt.run("x = 41")
        prompt.type("exit()\r")
        prompt.see(rb"over now\r?\n(?s:.*)line\? ")
        prompt.type("them\r")
        prompt.see(rb"between them(?s:.*)second(?s:.*)>>> ")
        prompt.run("x + 1", b"42")
        self.assertEqual(prompt.leave(), 0)
        self.assert_given_back(prompt)

    def test_the_loop_ends_while_the_prompt_is_open(self):
        programs = {
            "cancelled": "task.cancel()",
            "left alone": "return",
            "raised": "raise SystemExit(0)",
        }
        for name, end in programs.items():
            with self.subTest(name):
                prompt = self.program(
                    f"""
async def main():
    task = asyncio.ensure_future(keelback.prompt({{}}))
    while not os.path.exists("end"):
        await asyncio.sleep(0.01)
    {end}
    await asyncio.wait([task])
    say("canc", "elled ", str(task.cancelled()))
    sys.stdin.readline()
asyncio.run(main())
"""
                )
                prompt.type("abc")
                prompt.see(rb"abc")
                self.file("end", "")
                if name == "cancelled":
                    prompt.see(rb"cancelled True")
                    self.assert_given_back(prompt)
                    prompt.type("\r")
                self.assertEqual(prompt.session.wait(), 0)
                self.assert_given_back(prompt)
                os.unlink(Path(self.home, "end"))

    def test_a_loop_that_nobody_ends(self):
        prompt = self.program(
            """
loop = asyncio.new_event_loop()
task = loop.create_task(keelback.prompt({}))
loop.run_until_complete(asyncio.sleep(0.2))
"""
        )
        prompt.session.wait()
        self.assert_given_back(prompt)

    def test_cancelled_while_a_cell_awaits(self):
        prompt = self.program(
            """
async def main():
    task = asyncio.ensure_future(keelback.prompt({"asyncio": asyncio, "say": say, "soon": soon}))
    while not os.path.exists("end"):
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    say("tasks: ", str(len(asyncio.all_tasks())))
asyncio.run(main())
"""
        )
        self.enter(prompt, "soon(say, 'be', 'gun'); await asyncio.sleep(1000)")
        prompt.see(rb"begun")
        self.file("end", "")
        prompt.see(rb"tasks: [12]")
        self.assertEqual(prompt.session.wait(), 0)
        self.assert_given_back(prompt)

    def test_sigterm_is_the_programs(self):
        prompt = self.program()
        os.kill(prompt.session.pid, signal.SIGTERM)
        self.assertEqual(prompt.session.wait(), -signal.SIGTERM)
        self.assert_given_back(prompt)

    def test_nothing_is_left_after_a_hundred_prompts(self):
        prompt = self.program(
            """
def counts():
    return len(os.listdir("/dev/fd")), threading.active_count(), len(asyncio.all_tasks()), id(sys.stdout)
async def main():
    await keelback.prompt({})
    before = counts()
    for _ in range(100):
        task = asyncio.ensure_future(keelback.prompt({}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    del task
    say("le", "ft: ", str(before == counts()))
asyncio.run(main())
"""
        )
        prompt.type(CTRL_D)
        prompt.see(rb"left: True")
        self.assertEqual(prompt.session.wait(), 0)
        self.assert_given_back(prompt)

    def test_one_at_a_time(self):
        prompt = self.program(
            """
async def main():
    task = asyncio.ensure_future(keelback.prompt({}))
    await asyncio.sleep(0)
    try:
        await keelback.prompt({})
    except RuntimeError as error:
        say("refu", "sed: ", str(error))
    await task
asyncio.run(main())
"""
        )
        if b"refused: a prompt is open" not in prompt.session.buf:
            prompt.see(rb"refused: a prompt is open")
        self.assertEqual(prompt.leave(), 0)


if __name__ == "__main__":
    unittest.main()
