"""`keelback.serve`: prompts on a socket. What cells do is for tests/live, what servers do without Python for crates/wire."""

import asyncio
import contextlib
import gc
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
from pathlib import Path
from unittest import mock

PACKAGE = str(Path(__file__).resolve().parents[2] / "python")
sys.path.insert(0, PACKAGE)
sys.path.insert(0, str(Path(__file__).resolve().parent))

import keelback  # noqa: E402
from keelback import _discovery, _output  # noqa: E402
from served_client import Client, Refused  # noqa: E402

DONE = "done"


def setUpModule():
    # A shell leaves it ignored for what it runs in the background, and so would the programs of these tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class ServeTest(unittest.TestCase):
    """Each test has a folder of its own for sockets."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        environment = mock.patch.dict(os.environ, XDG_RUNTIME_DIR=self.folder)
        environment.start()
        self.addCleanup(environment.stop)

    def serve(self, namespace=None, **options):
        server = keelback.serve({} if namespace is None else namespace, **options)
        self.addCleanup(server.close)
        return server

    def connect(self, server, **options):
        client = Client(server.path, **options)
        self.addCleanup(client.close)
        return client

    def session(self, server, **options):
        client = self.connect(server)
        client.open(**options)
        return client

    def entries(self):
        folder = Path(_discovery.folder())
        return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []

    def run_loop(self, main):
        """Run *main* in an event loop here, within a time."""
        return asyncio.run(asyncio.wait_for(main(), 60))

    def program(self, source, *, python=(), **environment):
        """A program that is started with *source*; its first line of output is read by the caller."""
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *python, "-c", textwrap.dedent(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": PACKAGE, **environment},
        )

        def end():
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process


def processes_open_files():
    return {name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _is_open(name)}


def _is_open(name):
    with contextlib.suppress(OSError):
        return bool(os.readlink(f"/proc/self/fd/{name}"))
    return False


class Cells(ServeTest):
    def test_values_output_errors(self):
        client = self.session(self.serve({"x": 3}))
        for source, outcome, text in [
            ("x + 1", DONE, "4\n"),
            ("_ * 2", DONE, "8\n"),
            ("print('é'); import sys; print('no', file=sys.stderr)", DONE, "é\nno\n"),
            ("import asyncio; await asyncio.sleep(0, 'slept')", DONE, "'slept'\n"),
            ("for i in range(2):\n    i\n", DONE, "0\n1\n"),
            ("if x:", "incomplete", ""),
        ]:
            self.assertEqual(client.eval(source), (outcome, text), source)
        outcome, text = client.eval("1 / 0")
        self.assertEqual(outcome, "raised")
        self.assertTrue(text.endswith("ZeroDivisionError: division by zero\n"), text)
        self.assertNotIn("keelback", text)
        error = client.events[-2]
        self.assertEqual((error["kind"], error["frames"][0]["line"]), ("ZeroDivisionError", 1))
        self.assertEqual(client.eval("x ="), ("invalid", client.text()))
        self.assertIn("SyntaxError", client.text())

    def test_the_caller_is_served_without_a_namespace(self):
        server = keelback.serve()
        self.addCleanup(server.close)
        self.assertEqual(self.session(server).eval("DONE"), (DONE, "'done'\n"))

    def test_exit_ends_the_session_only(self):
        server = self.serve()
        client = self.session(server)
        self.assertEqual(client.eval("exit(3)")[0], {"exit": {"status": 3, "message": None}})
        client.until(lambda event: event.get("state") == "closed")
        self.assertEqual(self.session(server).eval("1"), (DONE, "1\n"))

    def test_quota(self):
        client = self.session(self.serve())
        client.eval("'é' * 100", quota=21)
        (value,) = [event for event in client.events if event["event"] == "value"]
        self.assertEqual((value["text"], value["cut"]), ("'" + "é" * 10, True))

    def test_pretty_follows_the_window(self):
        client = self.session(self.serve(), columns=40)

        def pretty():
            client.eval("list(range(20))")
            return [event.get("pretty") for event in client.events if event["event"] == "value"]

        self.assertIsNotNone(pretty()[0])
        client.call("resize", session=client.session, columns=200)
        self.assertEqual(pretty(), [None])

    def test_long_values_are_whole_and_short_for_a_window(self):
        client = self.session(self.serve())
        client.eval("'x' * 30_000")
        (value,) = [event for event in client.events if event["event"] == "value"]
        self.assertEqual((value["text"], value["cut"], value["shortened"]), (repr("x" * 30_000), False, True))
        self.assertIn("\n... 22,164 characters ...\n", value["pretty"])

    def test_sessions_on_one_namespace_lose_no_writes(self):
        namespace = {"asyncio": asyncio}
        server = self.serve(namespace)
        first, second = self.session(server), self.session(server)
        number = first.start("a = 1; await asyncio.sleep(0.05); b = a + c")
        while "a" not in namespace:
            second.eval("None")
        self.assertEqual(second.eval("c = 10; _"), ("raised", second.text()))  # `_` is the session's own
        first.wait(number)
        self.assertEqual((namespace["a"], namespace["b"], namespace["c"]), (1, 11, 10))

    def test_two_clients_share_a_session(self):
        server = self.serve()
        first, second = self.session(server, name="shared"), self.connect(server)
        first.eval("x = 1; print('early')")
        second.call("attach", session="shared", after=0)
        second.session = "shared"
        second.until_text("early")
        self.assertEqual(second.eval("x"), (DONE, "1\n"))
        first.until(lambda event: event["event"] == "value")

    def test_a_thread_of_its_own(self):
        server = self.serve({})
        client = self.session(server)
        source = "import threading; threading.current_thread().name, threading.get_ident()"
        _, in_loop = client.eval(source)
        outcome, in_thread = client.eval(source, place="thread")
        self.assertEqual(outcome, DONE)
        self.assertIn("-cell-", in_thread)
        self.assertNotEqual(in_loop, in_thread)
        self.assertEqual(client.eval("print('x'); y = 5", place="thread"), (DONE, "x\n"))
        self.assertEqual(client.eval("y, 1/0", place="thread")[0], "raised")
        number = client.start("print('begun')\nwhile True: pass", place="thread")
        client.until_text("begun")
        client.call("interrupt", session=client.session)
        self.assertEqual(client.wait(number)["outcome"], "interrupted")

    def test_input(self):
        client = self.session(self.serve())
        number = client.start("import getpass; a = input('name? '); b = getpass.getpass('word? '); c = sys.stdin.readline() if 'sys' in globals() else ''; a, b")
        for prompt, hidden, line in [("name? ", False, "Ann\n"), ("word? ", True, "secret\n")]:
            asked = client.until(lambda event: event["event"] == "need-input" and event["prompt"] == prompt)
            self.assertEqual(asked.get("hidden", False), hidden)
            client.call("input", session=client.session, text=line)
        self.assertEqual(client.wait(number)["outcome"], DONE)
        self.assertIn("('Ann', 'secret')", client.text())

    def test_the_end_of_input_and_of_the_session(self):
        server = self.serve()
        client = self.session(server)
        number = client.start("input()")
        client.until(lambda event: event["event"] == "need-input")
        client.call("input", session=client.session, text=None)
        self.assertEqual(client.wait(number)["outcome"], "raised")
        self.assertIn("EOFError", client.text())
        client.events.clear()
        number = client.start("input()")
        client.until(lambda event: event["event"] == "need-input")
        client.call("close", session=client.session)
        with self.assertRaises(Refused):
            client.wait(number)
        self.assertEqual(self.session(server).eval("1"), (DONE, "1\n"))


class Questions(ServeTest):
    def test_check(self):
        client = self.session(self.serve())
        for source, wanted in [("1", "complete"), ("if 1:", "incomplete"), ("1 +* 2", "invalid"), ("await x", "complete")]:
            checked = client.call("check", session=client.session, source=source)
            self.assertEqual(checked, {"completeness": wanted}, source)

    def test_complete_counts_bytes(self):
        client = self.session(self.serve({"größe": [], "name": 1}))
        completed = client.call("complete", session=client.session, source="'ä'; größ", cursor=len("'ä'; größ".encode()))
        self.assertEqual((completed["start"], completed["end"]), (6, 12))
        self.assertEqual([match["text"] for match in completed["matches"]], ["größe"])
        with self.assertRaises(Refused):
            client.call("complete", session=client.session, source="ä", cursor=1)

    def test_inspect(self):
        def add(first, second=2):
            """Adds."""

        client = self.session(self.serve({"add": add}))

        def ask(what, **fields):
            return client.call("inspect", session=client.session, what=what, **fields)

        self.assertIn("Adds.", ask("doc", source="add")["text"])
        signature = ask("signature", source="add(1, ", cursor=7)
        self.assertEqual(signature["text"][slice(*signature["parameters"][signature["active"]])], "second=2")
        self.assertIn("def add", ask("source", source="add")["text"])
        self.assertIn("add", ask("vars")["text"])
        self.assertTrue(ask("defined", source="add")["found"])
        self.assertFalse(ask("defined", source="sub")["found"])
        self.assertFalse(ask("doc", source="nothing")["found"])

    def test_questions_are_answered_while_a_cell_computes(self):
        client = self.session(self.serve({"name": 1}))
        number = client.start("print('begun')\nwhile True: pass")
        client.until_text("begun")
        completed = client.call("complete", session=client.session, source="nam", cursor=3)
        self.assertEqual(completed["matches"][0]["text"], "name")
        threads = client.call("stacks")["threads"]
        self.assertTrue(threads[0]["is_loop"])
        self.assertEqual(threads[0]["frames"][-1]["text"], "while True: pass")
        client.call("interrupt", session=client.session)
        client.wait(number)

    def test_tasks(self):
        client = self.session(self.serve())
        client.eval(
            textwrap.dedent(
                """
                import asyncio
                async def leaf(): await asyncio.sleep(60)
                async def group(): await asyncio.gather(leaf(), asyncio.shield(leaf()))
                async def waits(): await asyncio.wait([asyncio.ensure_future(leaf())])
                parents = [asyncio.create_task(function(), name=function.__name__) for function in (group, waits)]
                await asyncio.sleep(0); await asyncio.sleep(0); await asyncio.sleep(0)
                """
            )
        )
        tasks = client.call("tasks")["tasks"]
        by_id = {task["id"]: task for task in tasks}
        leaves = [task for task in tasks if task["coroutine"] == "leaf"]
        awaited_by = sorted(by_id[parent]["name"] for leaf in leaves for parent in leaf["awaited_by"])
        self.assertEqual(awaited_by, ["group", "group", "waits"])
        for leaf in leaves:
            for parent in leaf["awaited_by"]:
                self.assertLess(tasks.index(by_id[parent]), tasks.index(leaf))
        self.assertEqual([frame["function"] for frame in leaves[0]["frames"]][0], "leaf")
        if sys.version_info >= (3, 12):
            self.assertEqual(leaves[0]["session"], client.session)
        group = next(task for task in tasks if task["name"] == "group")
        client.call("cancel", task=group["id"])
        self.assertEqual(client.eval("await asyncio.wait(parents[:1]); parents[0].cancelled()")[1].splitlines()[-1], "True")
        for task in tasks:
            self.assertGreaterEqual(task["age_s"], 0)
            self.assertIsNone(task["age_max_s"])  # nobody looked before they were there
        client.eval("later = asyncio.create_task(leaf(), name='later')")
        later = next(task for task in client.call("tasks")["tasks"] if task["name"] == "later")
        self.assertLessEqual(later["age_s"], later["age_max_s"])
        cell = client.send("eval", session=client.session, source="print('begun'); await asyncio.sleep(60)")
        client.until_text("begun")
        own = next(task for task in client.call("tasks")["tasks"] if "-cell-" in task["name"])
        self.assertEqual(own["age_s"], own["age_max_s"])
        client.call("interrupt", session=client.session)
        client.wait(cell)
        with self.assertRaises(Refused) as refused:
            client.call("cancel", task=9999)
        self.assertEqual(refused.exception.args[0], "unknown")
        client.eval("for task in asyncio.all_tasks() - {asyncio.current_task()}: task.cancel()\n")


INTERRUPTED = {
    "busy": "while True: pass",
    "sleep": "time.sleep(60)",
    "recv": "ends = socket.socketpair(); ends[0].recv(1)",
    "lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "regex": "re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "await": "await asyncio.sleep(60)",
    "input": "input()",
}

PROGRAM = """
    import asyncio, re, socket, sys, threading, time
    import keelback

    async def main():
        with keelback.serve(globals(), guard=None) as server:
            print(server.path, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
        print("over", flush=True)

    asyncio.run(main())
"""


class Interrupts(ServeTest):
    def test_the_main_thread(self):
        program = self.program(PROGRAM)
        path = program.stdout.readline().strip()
        with Client(path) as client:
            client.open()
            client.eval("task = asyncio.create_task(asyncio.sleep(600))")
            for name, source in INTERRUPTED.items():
                client.events.clear()
                number = client.start(f"print('begun'); {source}" if name != "busy" else f"print('begun')\n{source}")
                client.until_text("begun")
                if name == "input":
                    client.until(lambda event: event["event"] == "need-input")
                self.assertEqual(client.call("interrupt", session=client.session)["state"], "sent")
                self.assertEqual(client.wait(number)["outcome"], "interrupted", name)
                self.assertTrue(client.text().endswith("KeyboardInterrupt\n"), name)
            self.assertEqual(client.eval("task.done()"), (DONE, "False\n"))
            self.assertEqual(client.call("interrupt", session=client.session)["state"], "idle")
            client.eval("task.cancel(); ends[0].close(); ends[1].close()")
        _, error = program.communicate("\n", timeout=60)
        self.assertEqual((program.returncode, error), (0, ""))

    def test_by_another_client(self):
        server = self.serve({"asyncio": asyncio})
        first, second = self.session(server, name="a"), self.connect(server)
        number = first.start("print('begun'); await asyncio.sleep(60)")
        first.until_text("begun")
        self.assertEqual(second.call("interrupt", session="a", cell=7)["state"], "mismatch")
        self.assertEqual(second.call("interrupt", session="a", cell=1)["state"], "sent")
        self.assertEqual(first.wait(number)["outcome"], "interrupted")

    def test_code_that_refuses_is_let_go_of(self):
        server = self.serve({"asyncio": asyncio, "done": False})
        client = self.session(server)
        client.eval(
            "async def stubborn():\n    while not done:\n        try: await asyncio.sleep(0.01)\n"
            "        except asyncio.CancelledError: print('no')\n"
        )
        number = client.start("await stubborn()")
        client.until(lambda event: event.get("state") == "busy")
        client.call("interrupt", session=client.session)
        client.until_text("no")
        client.call("interrupt", session=client.session)
        (name,) = client.wait(number)["outcome"].values()
        self.assertEqual(client.eval("task = _; task.get_name(), task.done()"), (DONE, f"({name!r}, False)\n"))
        self.assertEqual(client.eval("done = True; await task; task.done()"), (DONE, "True\n"))

    def test_other_code_is_left_alone(self):
        # The loop is held by the program itself while the session's cell awaits.
        async def main():
            async with keelback.serve({"asyncio": asyncio}, guard=None) as server:
                before = signal.getsignal(signal.SIGINT)

                def use():
                    with Client(server.path) as client:
                        client.open()
                        number = client.start("print('begun'); await asyncio.sleep(60)")
                        client.until_text("begun")
                        asked.set()
                        held.wait()
                        client.call("interrupt", session=client.session)
                        free.set()
                        return client.wait(number)["outcome"]

                asked, held, free = threading.Event(), threading.Event(), threading.Event()
                using = asyncio.create_task(asyncio.to_thread(use))
                while not asked.is_set():
                    await asyncio.sleep(0)
                held.set()
                free.wait()
                sum(range(100_000))
                self.assertIs(signal.getsignal(signal.SIGINT), before)
                self.assertEqual(await using, "interrupted")

        self.run_loop(main)

    def test_a_thread_of_the_servers(self):
        client = self.session(self.serve({}))
        number = client.start("print('begun')\nwhile True: pass")
        client.until_text("begun")
        client.call("interrupt", session=client.session)
        self.assertEqual(client.wait(number)["outcome"], "interrupted")
        self.assertEqual(client.eval("1"), (DONE, "1\n"))


    def test_who_interrupts_a_call_is_told_of_it(self):
        # Outside the main thread nothing is raised before the call returns.
        async def main():
            async with keelback.serve(namespace) as server:
                return await asyncio.to_thread(use, server.path, place="thread")

        def use(path, **place):
            with Client(path) as client:
                client.open()
                client.eval("def wait():\n    lock.acquire()  # it waits here\n\n")
                lock.acquire()
                number = client.start("print('begun'); wait()", **place)
                client.until_text("begun")
                client.call("interrupt", session=client.session)
                event = client.until(lambda event: event["event"] == "interrupting")
                lock.release()
                outcome = client.wait(number)["outcome"]
                lock.release()
                frame = event["frames"][-1]
                return event["cell"], frame["line"], frame["function"], frame["text"], outcome

        lock = threading.Lock()
        namespace = {"lock": lock}
        expected = (2, 2, "wait", "lock.acquire()  # it waits here", "interrupted")
        for guard in ("auto", None):
            self.assertEqual(use(self.serve(namespace, guard=guard).path), expected)
        self.assertEqual(self.run_loop(main), expected)

    def test_a_call_that_keeps_the_lock_of_python_is_told_of(self):
        in_thread = """
            import re, sys
            import keelback
            print(keelback.serve(globals()).path, flush=True)
            sys.stdin.readline()
        """
        # Python's own handlers run in no C code that does not ask for them.
        for source, call in (in_thread, "re.match(r'(a+)+$', 'a' * 60 + 'b')"), (PROGRAM, "sum(range(10**15))"):
            program = self.program(source)
            with Client(program.stdout.readline().strip()) as client:
                client.open()
                client.eval(f"def compute():\n    {call}\n\n")
                client.start("print('begun'); compute()")
                client.until_text("begun")
                client.call("interrupt", session=client.session)
                event = client.until(lambda event: event["event"] == "interrupting")
                self.assertIn((2, "compute"), [(frame["line"], frame["function"]) for frame in event["frames"]])
            program.kill()


class Output(ServeTest):
    def test_strings_whose_end_prints(self):
        with Client(self.serve({}).path) as client:
            client.open()
            cell = """
                import sys
                class Loud(str):
                    def __del__(self): print("gone")
                # More than is kept.
                for _ in range(300): _n = sys.stdout.write(Loud("x" * 100_000))
                7
            """
            outcome, text = client.eval(textwrap.dedent(cell))
            self.assertEqual((outcome, text.splitlines()[-1]), (DONE, "7"))

    def test_that_of_the_program_stays_where_it_was(self):
        with contextlib.redirect_stdout(io.StringIO()) as program:
            server = self.serve({})
            client = self.session(server)
            client.eval("import asyncio, threading; print('session')")
            print("program")
            number = client.start("async def later(): await asyncio.sleep(0); print('later')\ntask = asyncio.create_task(later()); await task")
            self.assertEqual(client.wait(number)["outcome"], DONE)
            client.until_text("later")
            client.eval("thread = threading.Thread(target=print, args=('thread',)); thread.start(); thread.join()")
            self.assertEqual(client.text(), "")
            self.assertEqual(program.getvalue(), "program\nthread\n")
            server.close()
            self.assertIs(sys.stdout, program)

    def test_tail(self):
        with contextlib.redirect_stdout(io.StringIO()) as program:
            client = self.session(self.serve({}))
            client.call("tail", on=True)
            client.eval("None")
            print("for both")
            client.until_text("for both")
            self.assertIsNone(client.events[-1].get("session"))
            client.call("tail", on=False)
            client.eval("None")
            print("for one")
            self.assertEqual(client.eval("None"), (DONE, ""))
            self.assertEqual(program.getvalue(), "for both\nfor one\n")

    def test_half_a_pair_of_surrogates(self):
        client = self.session(self.serve({}))
        self.assertEqual(client.eval(r"print('\ud800')"), (DONE, "\\ud800\n"))


class Ends(ServeTest):
    def check_nothing_is_left(self, use):
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        streams = sys.stdout, sys.stderr, sys.stdin, sys.displayhook, sys.excepthook
        use()  # imports, and what Python keeps for good
        gc.collect()
        threads, files = threading.active_count(), processes_open_files()
        native = set(os.listdir("/proc/self/task"))
        for _ in range(3):
            use()
        gc.collect()
        self.assertEqual(threading.active_count(), threads)
        self.assertEqual(processes_open_files().keys(), files.keys())
        self.assertEqual(set(os.listdir("/proc/self/task")) - native, set())
        self.assertEqual({number: signal.getsignal(number) for number in signal.valid_signals()}, handlers)
        self.assertEqual((sys.stdout, sys.stderr, sys.stdin, sys.displayhook, sys.excepthook), streams)
        self.assertEqual((_output._holders, self.entries()), (0, []))

    def use(self, server):
        with Client(server.path) as client:
            client.open()
            client.call("tail", on=True)
            client.call("complete", session=client.session, source="a", cursor=1)
            client.eval("import getpass, asyncio; print(1)")
            number = client.start("print('begun'); await asyncio.sleep(60)")
            client.until_text("begun")
            client.call("interrupt", session=client.session)
            client.wait(number)
            client.start("print('left'); await asyncio.sleep(60)")
            client.until_text("left")

    @unittest.skipUnless(os.path.exists("/proc/self/fd"), "the system does not tell what is open")
    def test_close_leaves_nothing_of_a_thread(self):
        def use():
            with keelback.serve({}) as server:
                self.use(server)

        self.check_nothing_is_left(use)

    @unittest.skipUnless(os.path.exists("/proc/self/fd"), "the system does not tell what is open")
    def test_close_leaves_nothing_of_a_loop(self):
        async def main():
            tasks = asyncio.all_tasks()
            async with keelback.serve({}, guard=None) as server:
                await asyncio.get_running_loop().run_in_executor(None, self.use, server)
            await asyncio.sleep(0)
            self.assertEqual(asyncio.all_tasks(), tasks)

        self.check_nothing_is_left(lambda: self.run_loop(main))

    def test_the_end_of_the_loop_closes(self):
        async def main():
            return keelback.serve({})

        server = self.run_loop(main)
        self.assertTrue(server.is_closed)
        self.assertEqual(self.entries(), [])

    def test_a_cell_may_close_the_server(self):
        namespace = {}
        namespace["server"] = server = self.serve(namespace)
        client = self.session(server)
        with self.assertRaises((Refused, EOFError, ConnectionError)):
            client.eval("server.close()")
            client.eval("1")
        self.assertTrue(server.is_closed)

    def test_the_end_of_the_process(self):
        for source in (
            "server = keelback.serve({}); print(server.path, flush=True); input()",
            "async def main(): keelback.serve({}).path; print(path(), flush=True); await asyncio.to_thread(input)\n"
            "def path(): return keelback._serve._open.copy().pop().path\nasyncio.run(main())",
            "server = keelback.serve({}); print(server.path, flush=True); input(); raise SystemExit(0)",
        ):
            program = self.program("import asyncio, keelback, keelback._serve\n" + source)
            path = program.stdout.readline().strip()
            with Client(path) as client:
                client.open()
                client.call("complete", session=client.session, source="a", cursor=1)
                client.start("print('begun')\nimport time\nwhile True: time.sleep(0.01)")
                client.until_text("begun")
                if "asyncio.run" in source:
                    client.call("interrupt", session=client.session)
                _, error = program.communicate("\n", timeout=60)
                self.assertEqual((program.returncode, error), (0, ""), source)
            self.assertEqual(self.entries(), [])

    def test_a_program_that_was_killed_makes_room(self):
        path = os.path.join(self.folder, "run", "app.sock")
        source = f"import keelback; server = keelback.serve({{}}, {path!r}); print('up', flush=True); input()"
        program = self.program(source)
        program.stdout.readline()
        client = Client(path)
        self.addCleanup(client.close)
        client.open()
        number = client.start("import asyncio; await asyncio.sleep(60)")
        program.kill()
        with self.assertRaises((EOFError, ConnectionError)):
            client.wait(number)
        program.wait()
        self.assertTrue(os.path.exists(path))
        with keelback.serve({}, path) as server:
            self.assertEqual(self.session(server).eval("2"), (DONE, "2\n"))
            with self.assertRaisesRegex(OSError, "another server listens"):
                keelback.serve({}, path)


class Fork(ServeTest):
    @unittest.skipUnless(os.path.exists("/proc/self/fd"), "the system does not tell what is open")
    def test_a_child_closes_what_it_inherited(self):
        source = """
            import os, sys, threading
            import keelback

            server = keelback.serve({"os": os})
            print(server.path, flush=True)
            input()
            child = os.fork()
            if child == 0:
                sockets = []
                for name in os.listdir("/proc/self/fd"):
                    try:
                        sockets.append(os.readlink(f"/proc/self/fd/{name}").startswith("socket"))
                    except OSError:
                        pass  # that of the folder itself
                print("child", sum(sockets), server.is_closed, type(sys.stdout).__module__, flush=True)
                with keelback.serve({}) as own:
                    print(own.path != server.path, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            print("parent", flush=True)
            input()
        """
        program = self.program(source, python=("-W", "ignore"))
        path = program.stdout.readline().strip()
        with Client(path) as client:
            client.open()
            client.eval("1")
            program.stdin.write("\n")
            program.stdin.flush()
            self.assertEqual(program.stdout.readline(), "child 0 True _io\n")
            self.assertEqual(program.stdout.readline(), "True\n")
            self.assertEqual(program.stdout.readline(), "parent\n")
            # The parent goes on.
            self.assertEqual(client.eval("os.getpid()"), (DONE, f"{program.pid}\n"))
        _, error = program.communicate("\n", timeout=60)
        self.assertEqual(error, "")


class Files(ServeTest):
    def test_modes_whatever_the_umask(self):
        for umask in (0, 0o777):
            transcript = os.path.join(self.folder, f"transcript-{umask}")
            before = os.umask(umask)
            try:
                server = keelback.serve({}, name="app", transcript=transcript)
            finally:
                os.umask(before)
            with server:
                stem = server.path.removesuffix(".sock")
                paths = (os.path.dirname(stem), server.path, stem + ".json", transcript)
                modes = [stat.S_IMODE(os.stat(path).st_mode) for path in paths]
                self.assertEqual(modes, [0o700, 0o600, 0o600, 0o600], oct(umask))
                self.assertEqual(self.session(server).eval("1"), (DONE, "1\n"))
            os.rmdir(os.path.dirname(stem))

    def test_the_entry_tells(self):
        with keelback.serve({}, name="app") as server, keelback.serve({}, name="app") as second:
            self.assertEqual(len(self.entries()), 4)
            self.assertNotEqual(server.path, second.path)
            told = json.loads(Path(server.path).with_suffix(".json").read_text())
            self.assertEqual((told["name"], told["pid"], told["socket"]), ("app", os.getpid(), server.path))
            self.assertLessEqual({"program", "argv", "started", "python"}, told.keys())
        self.assertEqual(self.entries(), [])

    def test_a_folder_of_others_is_refused(self):
        os.mkdir(_discovery.folder())
        os.chmod(_discovery.folder(), 0o777)
        with self.assertRaisesRegex(PermissionError, "not for this user alone"):
            keelback.serve({})

    def test_transcript(self):
        path = os.path.join(self.folder, "transcript")
        with keelback.serve({}, transcript=path) as server:
            self.session(server).eval("1 + 1")
        lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
        self.assertIn("1 + 1", [line.get("source") for line in lines])
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        os.chmod(path, 0o640)
        with keelback.serve({}, transcript=path) as server:
            self.session(server).eval("2 + 2")
        self.assertGreater(len(Path(path).read_text().splitlines()), len(lines))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640, "a file that was there keeps its mode")

    def test_arguments(self):
        with self.assertRaisesRegex(ValueError, "a path, or a host"):
            keelback.serve({}, "x", "localhost")
        with self.assertRaisesRegex(ValueError, "together"):
            keelback.serve({}, host="localhost", certificate="x")
        with self.assertRaisesRegex(ValueError, "where is"):
            keelback.serve({}, where="elsewhere")
        with self.assertRaisesRegex(RuntimeError, "running event loop"):
            keelback.serve({}, where="loop")
        with self.assertRaisesRegex(OSError, "has to be asked for"):
            keelback.serve({}, host="0.0.0.0")
        with self.assertRaisesRegex(ValueError, "`grace` is -1"):
            keelback.serve({}, grace=-1.0)
        self.assertEqual(self.entries(), [])

    def test_tcp_has_a_key(self):
        with keelback.serve({}, host="127.0.0.1") as server:
            self.assertIsNone(server.path)
            self.assertRegex(server.address, r"^127\.0\.0\.1:\d+$")
            self.assertTrue(server.key.startswith("kb1-"))
            # What does not speak TLS is not answered.
            with socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2]))) as plain:
                plain.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n1+1")
                with contextlib.suppress(ConnectionError):
                    while plain.recv(1000):
                        pass


class Rules(ServeTest):
    def test_read_only(self):
        server = self.serve({"name": 1}, read_only=True)
        client = self.session(server)
        self.assertTrue(client.welcome["read_only"])
        for op, fields in [("eval", {"source": "1"}), ("input", {"text": ""}), ("interrupt", {})]:
            with self.assertRaises(Refused) as refused:
                client.call(op, session=client.session, **fields)
            self.assertEqual(refused.exception.args[0], "read-only", op)
        self.assertTrue(client.call("complete", session=client.session, source="nam", cursor=3)["matches"])

    def test_audit(self):
        source = """
            import asyncio, sys
            import keelback

            events = []

            def hook(event, arguments):
                if event.startswith("keelback."):
                    events.append((event, arguments))
                    if event == "keelback.eval" and "forbidden" in arguments[2]:
                        raise RuntimeError("not here")

            sys.addaudithook(hook)
            server = keelback.serve({"asyncio": asyncio})
            print(server.path, flush=True)
            input()
            server.close()
            print([event for event, _ in events])
        """
        program = self.program(source)
        path = program.stdout.readline().strip()
        with Client(path) as client:
            client.open()
            outcome, text = client.eval("forbidden = 1")
            self.assertEqual((outcome, text.splitlines()[-1]), ("raised", "RuntimeError: not here"))
            self.assertEqual(client.eval("'forbidden' in globals()")[0], "raised")
            number = client.start("print('begun'); await asyncio.sleep(60)")
            client.until_text("begun")
            client.call("interrupt", session=client.session)
            client.wait(number)
        out, error = program.communicate("\n", timeout=60)
        self.assertEqual(error, "")
        told = out.strip()
        for event in ("keelback.connect", "keelback.eval", "keelback.interrupt"):
            self.assertIn(event, told)

    def test_the_guard_names_the_line(self):
        async def main():
            held = threading.Event()

            def use(path):
                with Client(path) as client:
                    client.open()
                    ready.set()
                    event = client.until(lambda event: event["event"] == "held")
                    held.set()
                    return event

            async with keelback.serve({}, guard=0.05) as server:
                ready = asyncio.Event()
                ready_set, loop = ready.set, asyncio.get_running_loop()
                ready.set = lambda: loop.call_soon_threadsafe(ready_set)
                using = asyncio.create_task(asyncio.to_thread(use, server.path))
                await ready.wait()
                with self.assertLogs("keelback", "WARNING") as logged:
                    held.wait(60)  # it holds the loop
                    event = await using
                    while not logged.output:
                        await asyncio.sleep(0.001)
            return event, logged.output

        event, logged = self.run_loop(main)
        self.assertIn("held.wait(60)  # it holds the loop", [frame["text"] for frame in event["frames"]])
        self.assertGreaterEqual(event["held_s"], 0.05)
        self.assertIn("the event loop was held for", logged[0])


class Where(ServeTest):
    def test_main(self):
        server = self.serve({}, where="main")
        results = []

        def use():
            with Client(server.path) as client:
                client.open()
                results.append(client.eval("import threading, asyncio; threading.current_thread() is threading.main_thread()"))
                results.append(client.eval("await asyncio.sleep(0.01, 5)"))
            over.set()

        over = threading.Event()
        thread = threading.Thread(target=use)
        thread.start()
        while not over.is_set():
            server.pump(0.01)
        thread.join()
        self.assertEqual(results, [(DONE, "True\n"), (DONE, "5\n")])

    def test_the_guard_of_a_program_that_pumps(self):
        server = self.serve({}, where="main", guard=0.05)

        def use():
            with Client(server.path) as client:
                client.open()
                events.append(client.until(lambda event: event["event"] == "held"))
                over.set()

        events, over = [], threading.Event()
        thread = threading.Thread(target=use)
        with self.assertLogs("keelback", "WARNING") as logged:
            thread.start()
            over.wait(60)  # it does not pump
            thread.join()
            server.pump()
        self.assertTrue(events[0]["pumped"])
        self.assertIn("over.wait(60)  # it does not pump", [frame["text"] for frame in events[0]["frames"]])
        self.assertIn("pump() was not called for", logged.output[0])

    def test_only_main_is_pumped(self):
        with self.assertRaisesRegex(RuntimeError, "only a server with"):
            self.serve({}).pump()

    def test_the_loop_that_runs(self):
        async def main():
            async with keelback.serve({"loop": asyncio.get_running_loop()}, guard=None) as server:

                def use():
                    with Client(server.path) as client:
                        client.open()
                        return client.eval("import asyncio; asyncio.get_running_loop() is loop")

                return await asyncio.to_thread(use)

        self.assertEqual(self.run_loop(main), (DONE, "True\n"))

    def test_uvloop(self):
        try:
            import uvloop
        except ImportError:
            return

        async def main():
            async with keelback.serve({"asyncio": asyncio}, guard=None) as server:

                def use():
                    with Client(server.path) as client:
                        client.open()
                        number = client.start("print('begun')\nwhile True: pass")
                        client.until_text("begun")
                        client.call("interrupt", session=client.session)
                        return client.wait(number)["outcome"], client.eval("await asyncio.sleep(0, 1)")

                return await asyncio.to_thread(use)

        self.assertEqual(uvloop.run(main()), ("interrupted", (DONE, "1\n")))


class Leftovers(ServeTest):
    def test_files_of_killed_programs_are_removed(self):
        source = "import keelback; keelback.serve(); print('begun', flush=True); input()"
        killed, living = self.program(source), self.program(source)
        for program in killed, living:
            self.assertEqual(program.stdout.readline(), "begun\n")
        killed.kill()
        killed.communicate(timeout=60)
        before = set(self.entries())
        server = self.serve({})
        after = set(self.entries())
        own = {name for name in after if f"-{os.getpid()}." in name}
        self.assertEqual(before - after, {name for name in before if f"-{killed.pid}." in name})
        self.assertEqual((len(before - after), len(own)), (2, 2), (before, after))
        server.close()
        living.communicate("\n", timeout=60)

    def test_files_of_programs_that_waited_for_a_signal(self):
        source = "import keelback; keelback.arm(name='app'); print('armed', flush=True); input()"
        killed, living = self.program(source), self.program(source)
        for program in killed, living:
            self.assertEqual(program.stdout.readline(), "armed\n")
        killed.kill()
        killed.communicate(timeout=60)
        own = Path(_discovery.folder(), f"app-{living.pid}.json")
        # As if the number of the killed one were used again.
        reused = {**json.loads(own.read_text()), "process": _discovery._identity(os.getpid())}
        Path(_discovery.folder(), "reused-1.json").write_text(json.dumps(reused))
        self.serve({}).close()
        self.assertEqual(self.entries(), [own.name])
        living.communicate("\n", timeout=60)

    def test_what_does_not_refuse_is_left_alone(self):
        # Such as a program of another container, whose process ids mean nothing here.
        folder = _discovery.folder()
        _discovery.make_folder(folder)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(folder, "a-1.sock"))
            listener.listen()
            gone = subprocess.Popen([sys.executable, "-c", ""])
            gone.wait()
            entry = {"pid": gone.pid, "socket": os.path.join(folder, "a-1.sock"), "address": None}
            Path(folder, "a-1.json").write_text(json.dumps(entry))
            Path(folder, "b-1.json").write_text("[]")
            armed = {**entry, "socket": None, "armed": 12}
            Path(folder, "c-1.json").write_text(json.dumps(armed))
            Path(folder, "d-1.json").write_text(json.dumps({**armed, "process": "pid:[1] 5"}))
            self.serve({}).close()
            self.assertEqual(self.entries(), ["a-1.json", "a-1.sock", "b-1.json", "c-1.json", "d-1.json"])


class OnDemand(ServeTest):
    SERVED = """
        import asyncio, logging, sys
        # What the guard says on a slow machine is not looked at.
        logging.getLogger("keelback").addHandler(logging.NullHandler())
        def where(): return asyncio.get_running_loop() is running if running else None
        running = None
        async def main():
            global running
            running = asyncio.get_running_loop()
            print("running", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            running = None
        print("begun", flush=True)
        sys.stdin.readline()
        asyncio.run(main())
        print("over", flush=True)
        sys.stdin.readline()
    """

    def tell(self, program):
        program.stdin.write("\n")
        program.stdin.flush()
        return program.stdout.readline().strip()

    def check_follows(self, program, path):
        with Client(path) as client:
            client.open()
            self.assertEqual(client.eval("where()"), (DONE, ""))
            self.assertEqual(self.tell(program), "running")
            self.assertEqual(client.eval("where()"), (DONE, "True\n"))
            number = client.start("print('begun')\nwhile True: pass")
            client.until_text("begun")
            client.call("interrupt", session=client.session)
            self.assertEqual(client.wait(number)["outcome"], "interrupted")
            self.assertEqual(self.tell(program), "over")
            self.assertEqual(client.eval("x = 1; where()"), (DONE, ""))
        _, error = program.communicate("\n", timeout=60)
        self.assertEqual((program.returncode, error), (0, ""))
        self.assertEqual(self.entries(), [])

    def test_the_variable(self):
        from keelback._pth import LINE

        # As `site` does with the line of a .pth file.
        path = os.path.join(self.folder, "run", "app.sock")
        source = LINE + textwrap.dedent(self.SERVED)
        program = self.program(source, KEELBACK_SERVE=path)
        self.assertEqual(program.stdout.readline(), "begun\n")
        self.check_follows(program, path)

    def test_the_guard_watches_the_loop_that_is_followed(self):
        from keelback._pth import LINE

        source = """
            import asyncio, logging, sys
            logging.basicConfig(stream=sys.stdout, format="%(message)s")
            def hold():
                sys.stdin.readline()
            async def main():
                print("running", flush=True)
                await asyncio.to_thread(sys.stdin.readline)
                hold()
                await asyncio.to_thread(sys.stdin.readline)
            asyncio.run(main())
        """
        path = os.path.join(self.folder, "run", "app.sock")
        program = self.program(LINE + textwrap.dedent(source), KEELBACK_SERVE=path)
        self.assertEqual(program.stdout.readline(), "running\n")
        with Client(path) as client:
            client.open()
            client.eval("asyncio.get_running_loop()")
            program.stdin.write("\n")
            program.stdin.flush()
            is_hold = lambda event: event["event"] == "held" and event["frames"][-1]["function"] == "hold"  # noqa: E731
            client.until(is_hold)
            self.assertRegex(self.tell(program), "the event loop was held for .* in hold")
        _, error = program.communicate("\n", timeout=60)
        self.assertEqual((program.returncode, error), (0, ""))

    def test_the_line_does_nothing_without_the_variable(self):
        from keelback._pth import LINE

        source = f"import sys; before = set(sys.modules)\n{LINE}\nprint(sorted(set(sys.modules) - before))"
        self.assertEqual(self.program(source).communicate(timeout=60), ("[]\n", ""))

    def test_pth(self):
        target = os.path.join(self.folder, "site")
        os.mkdir(target)
        from keelback import _pth

        with mock.patch("sysconfig.get_path", return_value=target), contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(_pth.main(["pth", "install"]), 0)
            self.assertEqual(os.listdir(target), [_pth.NAME])
            source = f"import site; site.addsitedir({target!r})\nimport sys; print('keelback._serve' in sys.modules)"
            out, error = self.program(source, KEELBACK_SERVE="1").communicate(timeout=60)
            self.assertEqual((out, error), ("True\n", ""))
            self.assertEqual(_pth.main(["pth", "remove"]), 0)
            self.assertEqual(os.listdir(target), [])

    def test_a_line_that_is_run_twice_serves_once(self):
        from keelback._pth import LINE

        # In a virtual environment `site` reads its folder twice.
        program = self.program(f"{LINE}\n{LINE}\nprint('begun', flush=True)\ninput()", KEELBACK_SERVE="1")
        self.assertEqual(program.stdout.readline(), "begun\n")
        self.assertEqual(len([name for name in self.entries() if name.endswith(".json")]), 1, self.entries())
        program.communicate("\n", timeout=60)

    def test_a_program_whose_socket_cannot_be_made_goes_on(self):
        from keelback._pth import LINE

        program = self.program(LINE + "print('runs')", KEELBACK_SERVE="/dev/null/x.sock")
        out, error = program.communicate(timeout=60)
        self.assertEqual((out, program.returncode), ("runs\n", 0))
        self.assertIn("keelback: KEELBACK_SERVE: cannot serve", error)

    def test_arm(self):
        armed = """
            import os, signal, sys
            import keelback

            armed = keelback.arm(name="app")
            print("armed", flush=True)
            sys.stdin.readline()
            os.kill(os.getpid(), signal.SIGUSR2)
            print(armed.server.path, flush=True)
        """
        program = self.program(textwrap.dedent(armed) + textwrap.dedent(self.SERVED))
        self.assertEqual(program.stdout.readline(), "armed\n")
        (entry,) = self.entries()
        told = json.loads((Path(_discovery.folder()) / entry).read_text())
        self.assertEqual((told["pid"], told["armed"]), (program.pid, signal.SIGUSR2))
        path = self.tell(program)
        self.assertEqual(self.entries(), [os.path.basename(path).replace(".sock", ".json"), os.path.basename(path)])
        self.assertEqual(program.stdout.readline(), "begun\n")
        self.check_follows(program, path)

    def test_disarm(self):
        before = signal.getsignal(signal.SIGUSR2)
        armed = keelback.arm(name="app")
        self.assertEqual(len(self.entries()), 1)
        armed.disarm()
        self.assertEqual((signal.getsignal(signal.SIGUSR2), self.entries()), (before, []))


if __name__ == "__main__":
    unittest.main()
