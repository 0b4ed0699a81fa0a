"""Threads, signals, fork and the interpreter's end."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import unittest
from pathlib import Path

PACKAGE = str(Path(__file__).resolve().parents[2] / "python")
sys.path.insert(0, PACKAGE)

from keelback import Limits, Sandbox, SandboxError, Tool  # noqa: E402


def setUpModule():
    # A shell leaves it ignored for what it runs in the background, and so would the programs of these tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Threads(unittest.TestCase):
    def test_two_sandboxes_at_once(self):
        # Each waits for the other inside its cell.
        barrier = threading.Barrier(2, timeout=20)
        results = {}

        def run(name):
            with Sandbox(tools=[Tool(lambda: barrier.wait() >= 0, name="meet")]) as box:
                results[name] = box.run(f"meet(), {name!r}").value

        threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, {"a": (True, "a"), "b": (True, "b")})

    def test_one_sandbox_from_two_threads(self):
        started, results = threading.Event(), []
        with Sandbox(tools=[Tool(started.set, name="hello")]) as box:
            thread = threading.Thread(target=lambda: results.append(box.run("hello()\nwhile True: pass")))
            thread.start()
            started.wait()
            for use in (lambda: box.run("1"), lambda: box.set(x=1), box.fork, lambda: list(box.stream("1"))):
                with self.assertRaisesRegex(SandboxError, "^the sandbox is in use: a session runs one cell at a time$"):
                    use()
            self.assertTrue(box.interrupt())
            thread.join()
            self.assertEqual(results[0].error.type, "KeyboardInterrupt")
            self.assertFalse(box.interrupt())
            self.assertEqual(box.run("1").value, 1)

    def test_the_interpreter_is_free_while_a_guest_runs(self):
        # The guest spins in its own code until a thread of the host has stopped it.
        started = threading.Event()
        with Sandbox(tools=[Tool(started.set, name="hello")], limits=Limits(time=20)) as box:

            def other():
                started.wait()
                sum(range(10_000))
                while not box.interrupt():
                    pass

            thread = threading.Thread(target=other)
            thread.start()
            result = box.run("hello()\nwhile True: pass")
            thread.join()
            self.assertEqual(result.error.type, "KeyboardInterrupt")

    def test_close_ends_a_running_cell(self):
        started, errors = threading.Event(), []
        box = Sandbox(tools=[Tool(started.set, name="hello")])
        thread = threading.Thread(target=lambda: errors.append(box.run("hello()\nwhile True: pass").error.type))
        thread.start()
        started.wait()
        box.close()
        thread.join()
        self.assertEqual(errors, ["KeyboardInterrupt"])


class Processes(unittest.TestCase):
    """Programs of their own, which say what happened."""

    def check(self, code, wanted):
        head = "import keelback, os, signal, sys, threading, warnings\nwarnings.simplefilter('ignore')\n"
        environment = {**os.environ, "PYTHONPATH": PACKAGE, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", head + textwrap.dedent(code)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=40)
        self.assertEqual((done.stdout, done.stderr, done.returncode), (wanted, "", 0))

    CTRL_C = """
        def ctrl_c():
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
        """

    def test_ctrl_c_ends_the_guest_then_reaches_the_host(self):
        code = self.CTRL_C + """
        box = keelback.Sandbox(tools=[ctrl_c])
        for i in range(3):
            try:
                box.run("kept = 1\\nctrl_c()\\nwhile True: pass")
                print("not interrupted")
            except KeyboardInterrupt:
                print("host", box.run("kept").value)
        """
        self.check(code, "host 1\n" * 3)

    def test_ctrl_c_in_a_stream(self):
        code = self.CTRL_C + """
        box = keelback.Sandbox(tools=[ctrl_c])
        try:
            for event in box.stream("ctrl_c()\\nwhile True: pass"):
                print(event)
        except KeyboardInterrupt:
            print("host", box.run("1").value)
        """
        self.check(code, "host 1\n")

    def test_ctrl_c_while_a_tool_runs(self):
        code = """
        def tool():
            signal.raise_signal(signal.SIGINT)
            while True:
                pass
        box = keelback.Sandbox(tools=[tool])
        try:
            box.run("try: tool()\\nexcept KeyboardInterrupt: told = True")
        except KeyboardInterrupt:
            print("host", box.run("1").value)
        """
        self.check(code, "host 1\n")

    def test_ctrl_c_after_a_tool_ran_another_sandbox(self):
        code = self.CTRL_C + """
        inner = keelback.Sandbox()
        box = keelback.Sandbox(tools=[ctrl_c, keelback.Tool(lambda: inner.run("1").value, name="other")])
        try:
            box.run("other()\\nctrl_c()\\nwhile True: pass")
        except KeyboardInterrupt:
            print("host", box.run("1").value)
        """
        self.check(code, "host 1\n")

    def test_ctrl_c_with_a_handler_of_the_program(self):
        code = self.CTRL_C + """
        signal.signal(signal.SIGINT, lambda *args: print("handler"))
        box = keelback.Sandbox(tools=[ctrl_c])
        print(box.run("ctrl_c()\\nwhile True: pass").error)
        """
        self.check(code, "handler\nKeyboardInterrupt\n")

    def test_fork(self):
        # A child has its own watch over limits; the parent's sandboxes stay with the parent.
        code = """
        box = keelback.Sandbox()
        child = os.fork()
        if child == 0:
            try:
                box.run("1")
            except keelback.SandboxError as error:
                print(error)
            box.close()
            del box
            with keelback.Sandbox(limits=keelback.Limits(time=0.1)) as own:
                print(own.run("40 + 2").value, own.run("while True: pass").error.limit, flush=True)
            sys.exit(0)
        print(os.waitpid(child, 0)[1], box.run("1").value)
        """
        self.check(code, "the sandbox stayed with the process that made it, before the fork\n42 time\n0 1\n")

    def test_fork_while_a_thread_runs_a_cell(self):
        code = """
        started = threading.Event()
        box = keelback.Sandbox(tools=[keelback.Tool(started.set, name="hello")])
        thread = threading.Thread(target=box.run, args=("hello()\\nwhile True: pass",))
        thread.start()
        started.wait()
        child = os.fork()
        if child == 0:
            print(keelback.Sandbox().run("42").value, flush=True)
            sys.exit(0)
        print(os.waitpid(child, 0)[1], box.interrupt())
        thread.join()
        """
        self.check(code, "42\n0 True\n")

    def test_ctrl_c_of_a_child_is_not_the_parents(self):
        code = self.CTRL_C + """
        def fork():
            child = os.fork()
            if child == 0:
                try:
                    signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt:
                    os._exit(7)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

        box = keelback.Sandbox(tools=[fork])
        print(box.run("r = fork()\\nfor i in range(100_000): pass\\nr").value)
        """
        self.check(code, "7\n")

    def test_multiprocessing(self):
        code = """
        import multiprocessing

        def work(n):
            with keelback.Sandbox() as box:
                return box.run(f"{n} * 2").value

        keelback.Sandbox().run("1")
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(work, [1, 2, 3]))
        """
        self.check(code, "[2, 4, 6]\n")

    def test_the_end_with_live_sandboxes(self):
        self.check("box = keelback.Sandbox()\nbox.run('x = 1')\nother = box.fork()\nprint('end')", "end\n")

    RUNNING = """
        started = threading.Event()
        box = keelback.Sandbox(tools=[keelback.Tool(started.set, name="hello")])
        endless = "hello()\\nwhile True: pass"
        """

    def test_the_end_with_a_cell_in_a_daemon_thread(self):
        code = self.RUNNING + """
        threading.Thread(target=box.run, args=(endless,), daemon=True).start()
        started.wait()
        print("end")
        """
        self.check(code, "end\n")

    def test_the_end_with_a_stream(self):
        code = self.RUNNING + """
        stream = box.stream("hello()\\nprint('a', flush=True)\\nwhile True: pass")
        print(next(stream).data)
        """
        self.check(code, "a\n\n")

    def test_the_end_with_a_cell_of_a_loop_that_is_gone(self):
        code = self.RUNNING + """
        import asyncio

        async def main():
            task = asyncio.ensure_future(box.arun(endless))
            while not started.is_set():
                await asyncio.sleep(0)
            return task

        loop = asyncio.new_event_loop()
        task = loop.run_until_complete(main())
        task._log_destroy_pending = False
        print("end")
        """
        self.check(code, "end\n")

    def test_the_end_of_asyncio_run(self):
        code = self.RUNNING + """
        import asyncio

        async def main():
            task = asyncio.ensure_future(box.arun(endless))
            while not started.is_set():
                await asyncio.sleep(0)
            print("end")

        asyncio.run(main())
        print(box.run("1").value)
        """
        self.check(code, "end\n1\n")

    def test_the_end_with_an_async_tool(self):
        code = """
        import asyncio
        started = threading.Event()
        async def tool():
            started.set()
            await asyncio.Event().wait()
        box = keelback.Sandbox(tools=[tool])
        threading.Thread(target=box.run, args=("await tool()",), daemon=True).start()
        started.wait()
        print("end")
        """
        self.check(code, "end\n")


if __name__ == "__main__":
    unittest.main()
