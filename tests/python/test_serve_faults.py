"""What goes wrong around a served program: clients that stall, die or come in crowds, forks, ends; over real sockets."""

import asyncio
import contextlib
import math
import os
import signal
import socket
import struct
import sys
import threading
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import keelback  # noqa: E402
import test_serve  # noqa: E402
from keelback import _discovery  # noqa: E402
from served_client import PREFACE, Client, Refused  # noqa: E402
from test_serve import DONE, setUpModule  # noqa: E402, F401


class PlainClient:
    """A person with `nc -U`."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)

    def send(self, text):
        self.socket.sendall(text.encode())

    def until(self, end):
        """What is said until *end* is."""
        said = b""
        while not said.endswith(end.encode()):
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError(said.decode())
            said += data
        return said.decode()

    def rest(self):
        """What is said until the server closes the connection."""
        return b"".join(iter(lambda: self.socket.recv(1 << 16), b"")).decode()


class Plain(test_serve.ServeTest):
    def person(self, server):
        person = PlainClient(server.path)
        self.addCleanup(person.socket.close)
        person.until(">>> ")
        return person

    def say(self, person, text, end=">>> "):
        person.send(text)
        return person.until(end).removesuffix(end)

    def test_a_person_types(self):
        person = self.person(self.serve({}))
        for typed, said, end in [
            ("def f():\n", "", "... "),
            ("    return 5\n", "", "... "),
            ("\n", "", ">>> "),
            ("f()\n", "5\n", ">>> "),
            ("x = input('name? ')\n", "", "name? "),
            ("Bob\n", "", ">>> "),
            ("x\n", "'Bob'\n", ">>> "),
            ("\n", "", ">>> "),
            ("'''a\n", "", "... "),
            ("\n", "", "... "),
            ("b'''\n", "'a\\n\\nb'\n", ">>> "),
            ("import asyncio; await asyncio.sleep(0, 'é')\r\n", "'é'\n", ">>> "),
        ]:
            self.assertEqual(self.say(person, typed, end), said, typed)
        self.assertTrue(self.say(person, "1 / 0\n").endswith("ZeroDivisionError: division by zero\n"))
        self.assertIn("SyntaxError", self.say(person, "x x\n"))

    def test_a_paste(self):
        person = self.person(self.serve({}))
        person.send("def h():\n    return 1\n\nh()\nfor i in range(2):\n    i\n\nprint('end')\n")
        self.assertEqual(person.until("end\n>>> "), "... ... >>> 1\n>>> ... ... 0\n1\n>>> end\n>>> ")

    def test_exit_is_the_sessions(self):
        server = self.serve({"x": 1})
        for words, said in [("exit()\n", ""), ("quit(3)\n", ""), ("raise SystemExit('bye')\n", "bye\n")]:
            person, other = self.person(server), self.person(server)
            person.send(words)
            self.assertEqual(person.rest(), said)
            self.assertEqual(self.say(other, "x\n"), "1\n")
        with Client(server.path) as client:
            sessions = client.call("list")["sessions"]
        self.assertEqual(len(sessions), 3)

    def test_the_end_of_input_ends_the_session(self):
        server = self.serve({})
        for typed, said in [
            ("1", "1\n>>> "),
            ("def f():\n    return 3", "... ... >>> "),
            ("import time; time.sleep(0.01)\nprint('after')\n", ">>> after\n>>> "),
            ("input()\n", "EOFError: EOF when reading a line\n>>> "),
        ]:
            person = self.person(server)
            person.send(typed)
            person.socket.shutdown(socket.SHUT_WR)
            self.assertTrue(person.rest().endswith(said), typed)
        with Client(server.path) as client:
            self.assertEqual(client.call("list")["sessions"], [])

    def test_http_is_no_code(self):
        namespace = {}
        server = self.serve(namespace)
        for request in ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nx = 1", "GET /x HTTP/1.0\n\nx = 1\n"):
            person = self.person(server)
            person.send(request)
            with contextlib.suppress(ConnectionError):
                self.assertEqual(person.rest(), "")
        self.assertNotIn("x", namespace)


class Clients(test_serve.ServeTest):
    def test_ten_megabytes_at_once_arrive(self):
        client = self.session(self.serve({}))
        _, text = client.eval("print('é' * 5_000_000)")
        self.assertEqual(len(text), 5_000_001)
        self.assertEqual(sum(event.get("dropped", 0) for event in client.events), 0)
        person = PlainClient(self.serve({}).path)
        self.addCleanup(person.socket.close)
        person.until(">>> ")
        person.send("print('x' * 10_000_000)\n")
        self.assertEqual(len(person.until("x\n>>> ")), 10_000_005)

    def test_one_that_does_not_read(self):
        # The cell is over, other sessions answer, and what is kept for it is bounded.
        server = self.serve({})
        lazy, other = self.session(server), self.session(server)
        lazy.start("for _ in range(10): print('x' * 10_000_000)\nover = True\n")
        while other.eval("globals().get('over')")[1] != "True\n":
            pass
        lazy.send("list")
        lazy.until(lambda event: event.get("state") == "idle")
        outs = [event for event in lazy.events if event["event"] == "out"]
        kept, lost = sum(len(event["text"]) for event in outs), sum(event["dropped"] for event in outs)
        self.assertEqual(kept + lost, 10 * 10_000_001)
        self.assertLess(kept, 50 << 20)
        self.assertGreater(lost, 0)

    def test_one_that_is_killed_in_the_middle_of_output(self):
        async def main():
            tasks = asyncio.all_tasks()
            with mock.patch("logging.Logger.handle") as logged:
                async with keelback.serve({"asyncio": asyncio}, guard=None) as server:
                    await asyncio.to_thread(self.die_in_output, server.path)
            self.assertEqual((logged.mock_calls, asyncio.all_tasks()), ([], tasks))

        self.run_loop(main)

    def die_in_output(self, path):
        for _ in range(5):
            dying = Client(path)
            dying.open("kept") if _ == 0 else dying.call("attach", session="kept")
            dying.session = "kept"
            dying.start("for i in range(10): print('x' * 1_000_000)")
            dying.until_text("x")
            # What is not read makes the end a reset.
            dying.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            dying.close()
        with Client(path) as client:
            client.call("attach", session="kept")
            client.session = "kept"
            self.assertEqual(client.eval("6 * 7"), (DONE, "42\n"))

    def test_a_program_that_dies_of_sigpipe_does_not(self):
        source = """
            import signal
            import keelback

            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            server = keelback.serve({"name": 1})
            print(server.path, flush=True)
            input()
        """
        program = self.program(source)
        path = program.stdout.readline().strip()
        for _ in range(3):
            with Client(path) as client:
                client.open()
                client.start("for i in range(10): print('x' * 1_000_000)")
                client.until_text("x")
        with Client(path) as client:
            client.open()
            self.assertEqual(client.eval("name"), (DONE, "1\n"))
        _, error = program.communicate("\n", timeout=60)
        self.assertEqual((program.returncode, error), (0, ""))

    def test_a_connection_that_ends_during_a_cell(self):
        async def main():
            async with keelback.serve({"asyncio": asyncio}, grace=0.05, guard=None) as server:

                def use():
                    with Client(server.path) as gone:
                        gone.open("a")
                        gone.start("task = asyncio.current_task(); print('on'); await asyncio.sleep(3600)")
                        gone.until_text("on")
                    with Client(server.path) as client:
                        client.open()
                        client.eval("1")
                        # The session ends with its grace, and the cell with it.
                        client.eval("await asyncio.wait([task])")
                        return client.eval("task.done()")

                return await asyncio.to_thread(use)

        self.assertEqual(self.run_loop(main), (DONE, "True\n"))

    def test_a_session_is_kept_without_a_grace(self):
        for grace in (None, math.inf):
            with keelback.serve({}, where="thread", grace=grace) as server:
                with Client(server.path) as gone:
                    gone.open("a")
                    gone.start("import asyncio; print('on'); await asyncio.sleep(3600)")
                    gone.until_text("on")
                with Client(server.path) as client:
                    # Until the server has seen the other one leave.
                    while (session := client.call("list")["sessions"][0])["clients"]:
                        pass
                    self.assertEqual((session["running"], session["expires_s"]), (1, None))
                    client.call("attach", session="a")

    def test_a_hundred_at_once(self):
        async def main():
            results = []
            async with keelback.serve({}, guard=None) as server:

                def use(number):
                    with Client(server.path) as client:
                        try:
                            client.open()
                        except Refused as refused:
                            client.call("attach", session=client.call("list")["sessions"][0]["name"])
                            results.append(refused.args[0])
                            return
                        results.append(client.eval(f"print({number}); {number}")[1])
                        arrived.wait()

                arrived = threading.Barrier(64)
                threads = [threading.Thread(target=use, args=(number,)) for number in range(100)]
                for thread in threads:
                    thread.start()
                while any(thread.is_alive() for thread in threads):
                    await asyncio.sleep(0.001)
            return results

        results = self.run_loop(main)
        self.assertEqual((len(results), results.count("limit")), (100, 36))
        for text in set(results) - {"limit"}:
            first, second = text.split()
            self.assertEqual(first, second)

    def test_nonsense_ends_one_connection(self):
        server = self.serve({})
        client = self.session(server)
        frames = [b"\xff\xff\xff\xff", struct.pack(">I", 5000) + b"x" * 5000, struct.pack(">I", 3) + b"\xff{]", struct.pack(">I", 2) + b"{}"]
        frames += [struct.pack(">I", 100_000) + b"[" * 100_000, struct.pack(">I", 0)]
        for frame in frames:
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.settimeout(60)
                stranger.connect(server.path)
                with contextlib.suppress(ConnectionError):
                    stranger.sendall(PREFACE + frame)
                    self.assertIn(PREFACE, b"".join(iter(lambda: stranger.recv(1 << 16), b"")))
        self.assertEqual(client.eval("1"), (DONE, "1\n"))

    def test_another_version(self):
        server = self.serve({})
        client = Client.__new__(Client)
        with mock.patch.object(Client, "call", lambda *_, **__: None):
            client.__init__(server.path)
        self.addCleanup(client.close)
        with self.assertRaisesRegex(Refused, "speaks version 1 of the protocol, not 99"):
            client.call("hello", version=99, client="test")


class Names(test_serve.ServeTest):
    def test_a_name_is_no_path(self):
        with keelback.serve({}, name="../a/\x1b[2J") as server:
            self.assertEqual(os.path.basename(server.path), f"..-a---2J-{os.getpid()}.sock")
            self.assertEqual(os.path.dirname(server.path), _discovery.folder())
            self.assertEqual(server.name, "../a/\x1b[2J")
            self.assertEqual(self.session(server).eval("1"), (DONE, "1\n"))
        self.assertEqual(self.entries(), [])


class Transcript(test_serve.ServeTest):
    @unittest.skipUnless(os.path.exists("/dev/full"), "there is no disk that is full")
    def test_a_full_disk(self):
        async def main():
            with self.assertLogs("keelback", "WARNING") as logged:
                async with keelback.serve({}, transcript="/dev/full", guard=None) as server:

                    def use():
                        with Client(server.path) as client:
                            client.open()
                            return [client.eval(str(number)) for number in range(20)]

                    results = await asyncio.to_thread(use)
                    while not logged.output:
                        await asyncio.sleep(0.001)
            return results, logged.output

        results, logged = self.run_loop(main)
        self.assertEqual(results, [(DONE, f"{number}\n") for number in range(20)])
        self.assertEqual(len(logged), 1)
        self.assertIn("No space left on device", logged[0])


class Forks(test_serve.ServeTest):
    PROGRAM = """
        import asyncio, os, sys
        import multiprocessing as processes
        import keelback

        def work(number):
            print("worker", flush=True)
            return number * 2, len(keelback._serve._open), len(os.listdir("/proc/self/task")), type(sys.stdout).__module__

        async def main():
            async with keelback.serve(globals(), guard=None) as server:
                print(server.path, flush=True)
                await asyncio.to_thread(os.read, 0, 1)
            print("over", flush=True)

        asyncio.run(main())
    """

    def forking(self):
        program = self.program(self.PROGRAM, python=("-W", "ignore"))
        client = Client(program.stdout.readline().strip())
        self.addCleanup(client.close)
        client.open()
        return program, client

    @unittest.skipUnless(os.path.exists("/proc/self/task"), "the system does not tell what threads there are")
    def test_workers(self):
        program, client = self.forking()
        cell = "with processes.get_context('fork').Pool(1) as pool: pool.map(work, [7])\n"
        self.assertEqual(client.eval(cell), (DONE, "[(14, 0, 1, '_io')]\n"))
        cell = "child = processes.get_context('fork').Process(target=print, args=('child',)); child.start(); child.join()"
        self.assertEqual(client.eval(cell), (DONE, ""))
        self.assertEqual(client.eval("child.exitcode"), (DONE, "0\n"))
        self.assertEqual(program.communicate("\n", timeout=60), ("worker\nchild\nover\n", ""))

    def test_the_end_of_a_cell_that_forked_is_the_end_of_the_child(self):
        program, client = self.forking()
        for ends, status in [("print('in child')", 0), ("sys.exit(4)", 4), ("1 / 0", 1), ("os._exit(5)", 5)]:
            cell = f"pid = os.fork()\nif pid == 0:\n    {ends}\nelse:\n    os.waitpid(pid, 0)[1] >> 8\n"
            self.assertEqual(client.eval(cell), (DONE, f"{status}\n"), ends)
        out, error = program.communicate("\n", timeout=60)
        self.assertEqual(out, "in child\nover\n")
        self.assertTrue(error.endswith("ZeroDivisionError: division by zero\n"), error)
        self.assertEqual(error.count("Traceback"), 1)


class Endings(test_serve.ServeTest):
    def test_the_end_of_the_process_during_a_cell(self):
        source = """
            import os
            import keelback

            server = keelback.serve({}, guard=None)
            print(server.path, flush=True)
            os.read(0, 1)
        """
        for cell in ("input()", "while True: pass", "await asyncio.sleep(60)", "while True:\n    try: input()\n    except EOFError: pass\n"):
            program = self.program(source)
            with Client(program.stdout.readline().strip()) as client:
                client.open()
                client.start(f"import asyncio; print('on')\n{cell}")
                client.until_text("on")
                if "input" in cell:
                    client.until(lambda event: event["event"] == "need-input")
                _, error = program.communicate("\n", timeout=60)
            self.assertEqual((program.returncode, error), (0, ""), cell)
        self.assertEqual(self.entries(), [])

    def test_a_second_one_that_asks_is_refused(self):
        asked = threading.Event()
        client = self.session(self.serve({"asked": asked, "asyncio": asyncio, "sys": sys}))
        number = client.start(
            "first = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))\n"
            "await asyncio.to_thread(asked.wait)\n"
            "try: sys.stdin.readline()\nexcept OSError as error: print(error)\n"
            "print(await first)\n"
        )
        client.until(lambda event: event["event"] == "need-input")
        asked.set()
        client.until_text("waits for a line already")
        client.call("input", session=client.session, text="one\n")
        self.assertEqual(client.wait(number)["outcome"], DONE)
        self.assertTrue(client.text().endswith("one\n\n"))


STEADY = """
    import asyncio, os, re, time
    import keelback

    beats = 0

    async def beat():
        global beats
        while True:
            await asyncio.sleep(0)
            beats += 1
            # Code of the program's own, in Python and in C.
            sum(i * i for i in range(100)), re.match("(a+)+$", "a" * 10 + "b"), sorted(range(200), key=lambda x: -x)

    async def main():
        beating = [asyncio.create_task(beat()) for _ in range(3)]
        async with keelback.serve(globals(), guard=None) as server:
            print(server.path, flush=True)
            stopped = asyncio.create_task(asyncio.to_thread(os.read, 0, 1))
            await asyncio.wait([stopped, *beating], return_when=asyncio.FIRST_COMPLETED)
            print([task for task in beating if task.done()], flush=True)
        for task in beating:
            task.cancel()

    asyncio.run(main())
"""


class Storms(test_serve.ServeTest):
    def test_no_interrupt_leaves_its_cell(self):
        program = self.program(STEADY)
        path = program.stdout.readline().strip()
        cells = [
            "None",
            "while True: pass",
            "time.sleep(60)",
            "await asyncio.sleep(60)",
            "for _ in range(10**9): await asyncio.sleep(0)\n",
            "re.match('(a+)+$', 'a' * 40 + 'b')",
            "await asyncio.gather(*[asyncio.sleep(0.0001) for _ in range(50)])",
            "def f(n): return f(n - 1) if n else 0\nf(200)",
            "print('x' * 1000); 1 / 0",
        ]
        outcomes = set()
        with Client(path) as client, Client(path) as other:
            client.open("a")
            for number in range(300):
                sent = client.start(cells[number % len(cells)])
                while other.call("interrupt", session="a")["state"] == "sent" and number % 2:
                    pass
                outcome = client.wait(sent)["outcome"]
                outcomes.add(outcome if isinstance(outcome, str) else next(iter(outcome)))
                self.assertLessEqual(len([event for event in client.events if event["event"] == "error"]), 1)
            client.eval("for task in asyncio.all_tasks():\n    if task.get_name().startswith('a-cell'): task.cancel()\n")
            self.assertEqual(client.eval("beats > 0"), (DONE, "True\n"))
        out, error = program.communicate("\n", timeout=60)
        self.assertEqual((program.returncode, out, error), (0, "[]\n", ""))
        self.assertIn("interrupted", outcomes)

    def test_ctrl_c_is_the_programs(self):
        source = """
            import asyncio, os, signal, sys
            import keelback

            async def main():
                async with keelback.serve({}, guard=None) as server:
                    print(server.path, flush=True)
                    await asyncio.to_thread(os.read, 0, 1)
                    print("ready", flush=True)
                    # CPython misses a signal just before the system call that waits, until that is over.
                    while True:
                        await asyncio.sleep(0.05)

            HANDLER
            try:
                asyncio.run(main())
            except KeyboardInterrupt:
                print("interrupted")
        """
        for handler, out in [
            ("", "interrupted\n"),
            ("signal.signal(signal.SIGINT, lambda *_: (print('own'), sys.exit()))", "own\n"),
        ]:
            program = self.program(source.replace("HANDLER", handler))
            path = program.stdout.readline().strip()
            with Client(path) as client:
                client.open()
                number = client.start("print('on')\nwhile True: pass")
                client.until_text("on")
                client.call("interrupt", session=client.session)
                self.assertEqual(client.wait(number)["outcome"], "interrupted")
                program.stdin.write("\n")
                program.stdin.flush()
                # Code of the program runs now: a handler that comes in a cell would print to its session.
                self.assertEqual(program.stdout.readline(), "ready\n")
                program.send_signal(signal.SIGINT)
                said, error = program.communicate(timeout=60)
            self.assertEqual((said, error), (out, ""))
        self.assertEqual(self.entries(), [])
