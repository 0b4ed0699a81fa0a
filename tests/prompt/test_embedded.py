"""`keelback.interact` in a terminal: a program opens the full prompt in the middle of itself, and goes on."""

import os
import re
import signal
import sys
import unittest

from test_pty import CTRL_C, CTRL_D, PromptTest

STATE = """
import asyncio, builtins, signal, sys, threading
def state():
    streams = sys.stdin, sys.stdout, sys.stderr, sys.displayhook, sys.excepthook, builtins.exit, builtins.quit
    policy = asyncio.events._event_loop_policy
    loop = getattr(getattr(policy, "_local", None), "_loop", None)
    main = threading.current_thread() is threading.main_thread()
    return streams, [signal.getsignal(number) for number in range(1, 32)], main and signal.set_wakeup_fd(-1), loop
"""


class Embedded(PromptTest):
    def program(self, text, **env):
        """A program that has opened its first prompt."""
        shown = self.spawn([sys.executable, "-W", "error", self.file("program.py", "import keelback\n" + text)], **env)
        shown.before = shown.modes()
        shown.see(rb">>> ")
        return shown

    def ended(self, shown, *texts, status=0):
        """The program has ended so and has given the terminal back."""
        self.assertEqual(shown.session.wait(), status, shown.text())
        self.assert_given_back(shown)
        for text in texts:
            self.assertIn(text, shown.text())

    def test_banner_cells_and_exit_message(self):
        shown = self.program("def f(name):\n    keelback.interact()\n    print('then', name)\nf('one')")
        shown.run("name * 2", b"'oneone'")
        shown.run("[name for _ in range(2)]", rb"\['one', 'one'\]")
        shown.run("1/0", b"ZeroDivisionError")
        shown.run("import asyncio; await asyncio.sleep(0.01, 'slept')", b"'slept'")
        shown.run("name = 'two'")
        shown.type(CTRL_D)
        then = "two" if sys.version_info >= (3, 13) else "one"
        self.ended(shown, f"now exiting InteractiveConsole...\r\nthen {then}\r\n", "(InteractiveConsole)")
        self.assertNotIn("\n\r\nnow", shown.text())
        self.assertNotIn("keelback/_", shown.text())

    def test_names_of_the_caller_are_completed(self):
        shown = self.program("def f():\n    localized = 5\n    keelback.interact('')\nf()")
        shown.type("localiz\t")
        shown.see(rb"localized")
        shown.type("\r")
        shown.see(rb"5(?s:.*)>>> ")
        shown.type(CTRL_D)
        self.ended(shown)

    def test_ways_to_leave(self):
        for keys, end in [
            (CTRL_D, "left None"),
            ("exit\r", "left None"),
            ("exit()\r", "left SystemExit(None)"),
            ("quit(3)\r", "left SystemExit(3)"),
            ("raise SystemExit({'a'})\r", "left SystemExit({'a'})"),
            ("import sys; sys.excepthook = lambda *e: sys.exit(4); 1/0\r", "left SystemExit(4)"),
        ]:
            for local_exit in (False, True):
                with self.subTest(keys=keys, local_exit=local_exit):
                    open_one = f"keelback.interact('', exitmsg='bye', local_exit={local_exit})"
                    shown = self.program(
                        f"left = None\ntry:\n    {open_one}\nexcept SystemExit as error:\n    left = error\n"
                        "print('left', repr(left))\nimport sys\nsys.excepthook = sys.__excepthook__\n"
                        f"{open_one}\nprint('line', input('? '))\n"
                    )
                    shown.type(keys)
                    left = "left None" if local_exit else end
                    # The terminal and standard input serve a second console, and the program.
                    shown.see(re.escape(left.encode()) + rb"(?s:.*)>>> ")
                    shown.run("6 * 7", b"42")
                    shown.type(CTRL_D)
                    shown.see(rb"\? ")
                    shown.type("typed\r")
                    self.ended(shown, "bye", "line typed")

    def test_an_exit_of_the_program(self):
        shown = self.program("keelback.interact('', exitmsg='')")
        shown.type("raise SystemExit('why')\r")
        self.ended(shown, "why", status=1)
        self.assertEqual(shown.text().count("why\r\n"), 1, shown.text())

    def test_nothing_is_left_changed(self):
        shown = self.program(
            STATE + "before = state()\nkeelback.interact('', local_exit=True)\nafter = state()\n"
            "print('same', before == after, before, after)\nprint('prompts', hasattr(sys, 'ps1'))"
        )
        shown.run("import asyncio; await asyncio.sleep(0); task = asyncio.create_task(asyncio.sleep(99))", b"")
        shown.type("exit()\r")
        self.ended(shown, "same True", f"prompts {sys.version_info < (3, 14)}")

    def test_hooks_of_the_program(self):
        shown = self.program(
            "import sys\nsys.ps1 = '>>> '\nsys.displayhook = lambda value: print('shown', value)\n"
            "sys.excepthook = lambda kind, *rest: print('hook', kind.__name__)\nkeelback.interact('')"
        )
        shown.run("6 * 7", b"shown 42")
        shown.run("1/0", b"hook ZeroDivisionError")
        shown.type(CTRL_D)
        self.ended(shown)

    def test_keys_that_interrupt(self):
        shown = self.program("keelback.interact('')\nprint('ended')")
        shown.type("half")
        shown.see(rb"half")
        shown.type(CTRL_C)
        shown.see(rb">>> ")
        shown.session.paste(b"print('be' + 'gun', flush=True)\nwhile True: pass")
        shown.type("\r")
        shown.see(rb"begun")
        shown.type(CTRL_C)
        shown.see(rb"KeyboardInterrupt(?s:.*)>>> ")
        shown.type(CTRL_D)
        self.ended(shown, "ended")

    def test_inside_a_running_loop(self):
        shown = self.program(
            "import asyncio\nasync def main():\n"
            "    loop = asyncio.get_running_loop()\n    task = asyncio.current_task()\n"
            "    mark = 'mine'\n    keelback.interact('')\n    await asyncio.sleep(0)\n"
            "    print('same', loop is asyncio.get_running_loop(), task is asyncio.current_task())\n"
            "asyncio.run(main())"
        )
        shown.run("asyncio.get_running_loop() is loop, mark", rb"\(True, 'mine'\)")
        shown.run("await asyncio.sleep(0.01, 'slept')", b"'slept'")
        for busy in (b"while True: pass", b"await asyncio.sleep(99)"):
            shown.session.paste(b"print('be' + 'gun', flush=True)\n" + busy)
            shown.type("\r")
            shown.see(rb"begun")
            shown.type(CTRL_C)
            shown.see(rb"KeyboardInterrupt(?s:.*)>>> ")
        shown.type(CTRL_D)
        self.ended(shown, "same True True")

    def test_in_a_thread(self):
        shown = self.program(
            "import threading\nworker = threading.Thread(target=keelback.interact, args=('',))\n"
            "worker.start()\nworker.join()\nprint('joined')"
        )
        shown.run("import threading; threading.current_thread() is worker", b"")
        shown.run("import asyncio; await asyncio.sleep(0.01, 'slept')", b"'slept'")
        shown.type(CTRL_D)
        self.ended(shown, "joined")

    def test_a_console_in_a_console(self):
        shown = self.program("x = 'outer'\nkeelback.interact('')")
        shown.type("keelback.interact('in' 'ner', local={'x': 'in' + 'side'})\r")
        shown.see(rb"inner(?s:.*)>>> ")
        shown.run("x", b"'inside'")
        shown.type(CTRL_D)
        shown.see(rb"now exiting InteractiveConsole(?s:.*)>>> ")
        shown.run("x", b"'outer'")
        shown.type(CTRL_D)
        self.ended(shown)

    def test_tracebacks_of_two_consoles(self):
        shown = self.program("space = {}\nkeelback.interact('', local=space)\nkeelback.interact('', local=space)")
        shown.run("def f(): raise KeyError('first')")
        shown.type(CTRL_D)
        shown.see(rb">>> ")
        shown.run("def g(): return f()")
        shown.run("g()", rb"raise KeyError\('first'\)(?s:.*)KeyError")
        shown.type(CTRL_D)
        self.ended(shown)

    def test_signals_that_end_the_program(self):
        handled = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *rest: sys.exit('handled'))\n"
        for prepared, status in [("", -signal.SIGTERM), (handled, 1)]:
            with self.subTest(status):
                shown = self.program(prepared + "keelback.interact('')\nprint('not reached')")
                shown.type("abc")
                shown.see(rb"abc")
                os.kill(shown.session.pid, signal.SIGTERM)
                self.ended(shown, *(["handled"] if prepared else []), status=status)
                self.assertNotIn("not reached", shown.text())

    def test_line_by_line(self):
        for env in ({"TERM": "dumb"}, {"PYTHON_BASIC_REPL": "1"}):
            with self.subTest(env):
                shown = self.program("x = 5\nkeelback.interact('hello')\nprint('end', x)", **env)
                shown.type("x += 1; x\r")
                shown.see(rb"6(?s:.*)>>> ")
                shown.type(CTRL_D)
                self.ended(shown, "now exiting", "end 6")


if __name__ == "__main__":
    unittest.main()
