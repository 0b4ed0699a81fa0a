"""A program with tasks and output, served by hand: as much of the protocol as a page needs.

program.py SOCKET; lines on stdin are run in the program itself, outside of any session.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import sys

PREFACE = b"\0keelb\r\n"


class Server:
    def __init__(self):
        self.namespace = {"asyncio": asyncio}
        self.connections = []
        self.sessions = {}
        self.ids = {}

    def printed(self, stream, text):
        event = {"event": "out", "stream": stream, "text": text, "dropped": 0}
        for connection in self.connections:
            if connection.tails:
                connection.send(event)

    def tasks(self):
        found = []
        for task in asyncio.all_tasks():
            number = self.ids.setdefault(id(task), len(self.ids) + 1)
            frames = [{"file": frame.f_code.co_filename, "line": frame.f_lineno, "function": frame.f_code.co_name,
                       "text": ""} for frame in task.get_stack()]
            if task.get_coro().__name__ in ("work", "rest"):
                found.append({"id": number, "name": task.get_name(), "coroutine": task.get_coro().__name__,
                              "awaited_by": [], "session": None, "frames": frames, "age_s": 0.0, "age_max_s": None})
        return sorted(found, key=lambda task: task["name"])

    def cancel(self, number):
        for task in asyncio.all_tasks():
            if self.ids.get(id(task)) == number:
                return task.cancel()


class Connection:
    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer, self.tails = server, reader, writer, False
        self.attached = set()
        server.connections.append(self)

    def send(self, message):
        data = json.dumps(message).encode()
        self.writer.write(len(data).to_bytes(4, "big") + data)

    async def serve(self):
        self.writer.write(PREFACE)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            assert await self.reader.readexactly(len(PREFACE)) == PREFACE
            while True:
                length = int.from_bytes(await self.reader.readexactly(4), "big")
                request = json.loads(await self.reader.readexactly(length))
                self.send({"id": request["id"], "ok": await self.answer(request)})
        self.server.connections.remove(self)
        self.writer.close()

    async def answer(self, request):
        server, name = self.server, request.get("session")
        match request["op"]:
            case "hello":
                return {"version": 1, "client": id(self), "program": "shop.py", "pid": os.getpid(), "python": "3.13.0",
                        "banner": "", "read_only": False, "has_loop": True, "frame_max": 1 << 20}
            case "open" | "attach":
                name = name or request.get("name") or f"s{len(server.sessions) + 1}"
                server.sessions[name] = server.sessions.get(name, 0)
                self.attached.add(name)
                return {"session": name, "seq": 0, "missed": 0, "running": None, "needs_input": None,
                        "prompts": [">>> ", "... "]}
            case "check":
                return {"completeness": "complete"}
            case "complete":
                return {"start": request["cursor"], "end": request["cursor"], "matches": [], "more": False}
            case "inspect":
                return {"found": False, "text": ""}
            case "list":
                return {"sessions": []}
            case "tasks":
                return {"tasks": server.tasks(), "more": False}
            case "cancel":
                server.cancel(request["task"])
            case "tail":
                self.tails = request["on"]
            case "eval":
                return await self.run(name, request["source"])
        return {}

    async def run(self, session, source):
        server = self.server
        server.sessions[session] += 1
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            value = await run(source, server.namespace)
        for event in ({"event": "out", "stream": "out", "text": printed.getvalue(), "dropped": 0},
                      {"event": "value", "cell": server.sessions[session], "text": repr(value)}):
            if event.get("text") not in ("", "None"):
                self.send(event | {"session": session, "seq": 1})
        return {"cell": server.sessions[session], "outcome": "done", "wall_s": 0.0, "cpu_s": 0.0, "prompts": None}


async def run(source, namespace):
    """The value of a cell."""
    tree = ast.parse(source)
    value = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    result = eval(compile(tree, "<cell>", "exec", flags), namespace)
    if inspect.isawaitable(result):
        await result
    if value is not None:
        result = eval(compile(ast.Expression(value.value), "<cell>", "eval", flags), namespace)
        return await result if inspect.isawaitable(result) else result


async def main(path):
    server = Server()

    async def work():
        await asyncio.Event().wait()

    async def rest():
        await asyncio.sleep(3600)

    server.namespace |= {"server": server, "work": work, "rest": rest}
    tasks = [asyncio.create_task(work(), name="order 1841"), asyncio.create_task(rest(), name="nightly")]
    listener = await asyncio.start_unix_server(lambda *streams: Connection(server, *streams).serve(), path)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        await run(line, server.namespace)
    listener.close()
    await asyncio.wait(tasks, timeout=0)


asyncio.run(main(sys.argv[1]))
