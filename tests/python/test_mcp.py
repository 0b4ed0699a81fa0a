"""`keelback mcp` as a real client sees it: the package `mcp` from PyPI, over stdio and over streamable HTTP.

`cargo xtask test` runs this in a virtual environment of its own; KEELBACK names the program.
"""

import asyncio
import base64
import contextlib
import logging
import os
import pathlib
import tempfile
import unittest

try:
    import httpx2
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters
    from mcp.client.streamable_http import streamable_http_client
except ImportError:
    raise unittest.SkipTest("needs the packages of requirements.txt") from None

# It warns of an answer to DELETE that is 202 and not 200.
logging.getLogger("mcp").setLevel(logging.ERROR)

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEELBACK = os.environ.get("KEELBACK", str(ROOT / "target/release/keelback"))
ENVIRONMENT = {name: os.environ[name] for name in ("HOME", "KEELBACK_CACHE") if name in os.environ}
# The smallest picture there is: what matters is that its bytes arrive.
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
WITH_PICTURE = f"class Picture:\n    def _repr_png_(self): return {PICTURE!r}\n"


class Seen:
    """A client and what came to it besides answers."""

    def __init__(self):
        self.changes = asyncio.Queue()
        self.client = None

    async def on_message(self, message):
        if type(message).__name__ == "ResourceListChangedNotification":
            self.changes.put_nowait(message)

    async def run(self, code):
        return await self.client.call_tool("run_python", {"code": code})


@contextlib.asynccontextmanager
async def stdio(*args):
    seen = Seen()
    server = StdioServerParameters(command=KEELBACK, args=["mcp", *args], env=ENVIRONMENT)
    async with Client(server, message_handler=seen.on_message) as seen.client:
        yield seen


@contextlib.asynccontextmanager
async def http_server(*args):
    process = await asyncio.create_subprocess_exec(
        KEELBACK, "mcp", "--http", "127.0.0.1:0", *args, env=ENVIRONMENT, stderr=asyncio.subprocess.PIPE
    )
    try:
        line = ""
        while "listening on" not in line:
            line = (await process.stderr.readline()).decode()
            assert line, "the server ended"
        yield line.split()[-1]
    finally:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def http_client(url, **headers):
    seen = Seen()
    async with httpx2.AsyncClient(headers=headers, timeout=60) as plain:
        transport = streamable_http_client(url, http_client=plain)
        async with Client(transport, message_handler=seen.on_message) as seen.client:
            yield seen


@contextlib.asynccontextmanager
async def http(*args):
    async with http_server(*args) as url, http_client(url) as seen:
        yield seen


def text(result):
    return "\n".join(block.text for block in result.content if block.type == "text")


class Common:
    """What holds over both transports."""

    async def test_a_session_keeps_its_variables_and_says_what_it_did(self):
        async with self.connect() as seen:
            result = await seen.run("import sys\nprint('out')\nprint('err', file=sys.stderr)\nx = 6\nx * 7")
            self.assertFalse(result.is_error)
            self.assertEqual(text(result), "out\nerr\n42")
            data = result.structured_content
            self.assertEqual((data["stdout"], data["stderr"], data["value"]), ("out\n", "err\n", "42"))
            self.assertIsNone(data["error"])
            self.assertGreater(data["usage"]["memory_bytes"], 1 << 20)
            self.assertEqual(text(await seen.run("x + 1")), "7")

    async def test_a_traceback_is_an_error_and_the_session_lives_on(self):
        async with self.connect() as seen:
            await seen.run("kept = 1")
            result = await seen.run("print('before')\n1/0")
            self.assertTrue(result.is_error)
            self.assertTrue(text(result).startswith("before\nTraceback (most recent call last):"), text(result))
            self.assertTrue(text(result).endswith("ZeroDivisionError: division by zero"), text(result))
            error = result.structured_content["error"]
            self.assertEqual((error["type"], error["message"]), ("ZeroDivisionError", "division by zero"))
            for code, message in (("x =", "SyntaxError: invalid syntax"), ("f(", "code is incomplete"), ("exit(3)", "status 3")):
                result = await seen.run(code)
                self.assertTrue(result.is_error)
                self.assertIn(message, text(result))
            self.assertEqual(text(await seen.run("kept")), "1")

    async def test_a_limit_names_itself_and_the_session_lives_on(self):
        async with self.connect("--timeout", "300ms") as seen:
            await seen.run("kept = 1")
            result = await seen.run("while True: pass")
            self.assertTrue(result.is_error)
            self.assertEqual(result.structured_content["error"]["type"], "TimeoutError")
            self.assertIn("300ms", text(result))
            self.assertIn("session lives on", text(result))
            self.assertEqual(text(await seen.run("kept")), "1")

    async def test_a_cell_that_will_not_end_takes_only_itself(self):
        async with self.connect("--timeout", "300ms") as seen:
            await seen.run("kept = 1")
            result = await seen.run("kept = 2\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass")
            self.assertTrue(result.is_error)
            self.assertIn("as it was before this cell", text(result))
            self.assertEqual(text(await seen.run("kept")), "1")

    async def test_pictures_are_image_content(self):
        async with self.connect() as seen:
            result = await seen.run(WITH_PICTURE + "display(Picture())\nprint('between')\nPicture()")
            images = [block for block in result.content if block.type == "image"]
            self.assertEqual([image.mime_type for image in images], ["image/png"] * 2)
            self.assertEqual([base64.b64decode(image.data) for image in images], [PICTURE] * 2)
            self.assertIn("between", text(result))

    async def test_long_output_is_cut_and_can_be_read_whole(self):
        async with self.connect("--max-text", "1000") as seen:
            result = await seen.run("print('a' * 5000); print('z' * 5000)")
            self.assertLess(len(text(result)), 1200)
            self.assertTrue(text(result).startswith("aaa") and text(result).endswith("zzz\n"))
            self.assertIn("9002 bytes left out", text(result))
            self.assertLess(len(result.structured_content["stdout"]), 1200)
            (link,) = [block for block in result.content if block.type == "resource_link"]
            read = await seen.client.read_resource(link.uri)
            self.assertEqual(read.contents[0].text, "a" * 5000 + "\n" + "z" * 5000 + "\n")

    async def test_files_are_resources(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "given.csv").write_text("a,b\n")
            async with self.connect("--allow-read", f"{folder}:/data") as seen:
                await seen.run("open('/work/a b.txt', 'w').write('hello')\nopen('/tmp/raw.bin', 'wb').write(b'\\xff\\0')")
                await asyncio.wait_for(seen.changes.get(), 30)
                listed = {str(item.uri): item for item in (await seen.client.list_resources()).resources}
                self.assertEqual(
                    set(listed), {"keelback:///work/a%20b.txt", "keelback:///tmp/raw.bin", "keelback:///data/given.csv"}
                )
                given = listed["keelback:///data/given.csv"]
                self.assertEqual((given.mime_type, given.size, given.name), ("text/csv", 4, "/data/given.csv"))
                read = (await seen.client.read_resource("keelback:///work/a%20b.txt")).contents[0]
                self.assertEqual((read.text, read.mime_type), ("hello", "text/plain"))
                read = (await seen.client.read_resource("keelback:///tmp/raw.bin")).contents[0]
                self.assertEqual(base64.b64decode(read.blob), b"\xff\0")
                for wrong in ("keelback:///etc/passwd", "keelback:///data/../../etc/passwd", "file:///etc/passwd"):
                    with self.assertRaises(Exception) as caught:
                        await seen.client.read_resource(wrong)
                    self.assertIn(wrong.partition("//")[2].lstrip("/").split("/")[-1], str(caught.exception))
                await seen.run("open('/work/big', 'wb').truncate(11 << 20)")
                with self.assertRaisesRegex(Exception, "more than the 10485760"):
                    await seen.client.read_resource("keelback:///work/big")

    async def test_checkpoint_rollback_reset_and_variables(self):
        async with self.connect() as seen:
            call = seen.client.call_tool
            await seen.run("x = 1\nopen('note', 'w').write('one')")
            self.assertEqual((await call("checkpoint", {"name": "one"})).structured_content, {"name": "one"})
            named = (await call("checkpoint", {})).structured_content["name"]
            await seen.run("x = 2\ndef f(): return x\nopen('note', 'w').write('two')")
            for name in ("one", named, "one"):
                self.assertFalse((await call("rollback", {"name": name})).is_error)
                self.assertEqual(text(await seen.run("x, open('note').read(), 'f' in globals()")), "(1, 'one', False)")
                await seen.run("x = 3")
            result = await call("rollback", {"name": "none"})
            self.assertTrue(result.is_error)
            self.assertIn(f"there are: one, {named}", text(result))
            await seen.run("long = 'y' * 1000")
            rows = (await call("list_variables", {})).structured_content["variables"]
            self.assertEqual(rows[0], {"name": "x", "type": "int", "repr": "3"})
            self.assertEqual((rows[1]["name"], len(rows[1]["repr"])), ("long", 203))
            self.assertFalse((await call("reset", {})).is_error)
            self.assertEqual(text(await call("list_variables", {})), "(no variables)")
            self.assertEqual(text(await seen.run("import os; os.listdir()")), "[]")

    async def test_a_cancelled_call_interrupts_its_cell(self):
        with tempfile.TemporaryDirectory() as folder:
            async with self.connect("--allow-write", f"{folder}:/out") as seen:
                code = "try:\n    open('/out/began', 'w').close()\n    while True: pass\nfinally:\n    ended = True"
                running = asyncio.ensure_future(seen.run(code))
                later = asyncio.ensure_future(seen.run("1"))  # waits for its turn, and is not meant
                while not pathlib.Path(folder, "began").exists():
                    await seen.client.list_tools()  # the server answers while the cell runs
                running.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await running
                self.assertEqual(text(await asyncio.wait_for(later, 30)), "1")
                self.assertEqual(text(await seen.run("ended")), "True")

    async def test_a_call_may_ask_for_progress(self):
        async def progress(*_): pass

        async with self.connect() as seen:
            result = await seen.client.call_tool("run_python", {"code": "1"}, progress_callback=progress)
            self.assertEqual(text(result), "1")

    async def test_tools_say_what_is_granted(self):
        with tempfile.TemporaryDirectory() as folder:
            async with self.connect("--allow-read", f"{folder}:/data", "--timeout", "7s") as seen:
                tools = {tool.name: tool for tool in (await seen.client.list_tools()).tools}
                self.assertEqual(set(tools), {"run_python", "reset", "list_variables", "checkpoint", "rollback"})
                description = tools["run_python"].description
                self.assertIn("host files to read: /data.", description)
                self.assertIn("7s of wall time", description)
                self.assertNotIn(folder, description)
                self.assertIn("/data", seen.client.instructions)
                result = await seen.run("open('/etc/passwd')")
                self.assertEqual(result.structured_content["error"]["type"], "FileNotFoundError")
                result = await seen.run("open('/data/new', 'w')")
                self.assertEqual(result.structured_content["error"]["type"], "PermissionError")

    async def test_wrong_calls_are_refused(self):
        async with self.connect() as seen:
            for name, arguments in (("shell", {}), ("run_python", {}), ("run_python", {"code": 7}), ("rollback", {})):
                with self.assertRaises(Exception):
                    await seen.client.call_tool(name, arguments)
            self.assertEqual(text(await seen.run("1")), "1")


class StdioTest(Common, unittest.IsolatedAsyncioTestCase):
    connect = staticmethod(stdio)

    async def test_the_server_ends_with_its_input(self):
        process = await asyncio.create_subprocess_exec(
            KEELBACK, "mcp", env=ENVIRONMENT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        process.stdin.close()
        self.assertEqual(await asyncio.wait_for(process.wait(), 30), 0)


class HttpTest(Common, unittest.IsolatedAsyncioTestCase):
    connect = staticmethod(http)

    async def test_clients_do_not_share_a_session(self):
        async with http_server() as url, http_client(url) as one, http_client(url) as two:
            await one.run("x = 1")
            self.assertEqual((await two.run("x")).structured_content["error"]["type"], "NameError")

    async def test_a_client_that_leaves_gives_its_session_back(self):
        async with http_server("--max-sessions", "1") as url:
            async with http_client(url) as one, http_client(url) as two:
                self.assertFalse((await one.run("1")).is_error)
                refused = await two.run("1")
                self.assertTrue(refused.is_error)
                self.assertIn("all sessions of this server are taken", text(refused))
                # It leaves while its cell runs.
                running = asyncio.ensure_future(one.run("while True: pass"))
                await one.client.list_tools()
                running.cancel()
            async with http_client(url) as three:
                async with asyncio.timeout(30):
                    while (await three.run("1")).is_error:
                        pass  # each try is a round trip; the cell has a second to end

    async def test_pages_from_elsewhere_are_refused(self):
        async with http_server() as url, httpx2.AsyncClient() as plain:
            message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            accept = {"Accept": "application/json, text/event-stream"}
            for header, value in (("Host", "evil.example"), ("Origin", "http://evil.example"), ("Origin", "null")):
                response = await plain.post(url, json=message, headers={**accept, header: value})
                self.assertEqual(response.status_code, 403, (header, value))
            response = await plain.post(url, json=message, headers={**accept, "Origin": "http://localhost:3000"})
            self.assertNotEqual(response.status_code, 403)

    async def test_a_named_host_is_let_in(self):
        async with http_server("--allow-host", "box.example") as url, http_client(url, Host="box.example") as seen:
            self.assertEqual(text(await seen.run("1")), "1")

    async def test_a_token_is_asked_for(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("0123456789abcdef0123456789abcdef\n")
            file.flush()
            async with http_server("--bearer-token-file", file.name) as url:
                async with httpx2.AsyncClient() as plain:
                    for headers in ({}, {"Authorization": "Bearer wrong"}):
                        response = await plain.post(url, json={}, headers=headers)
                        self.assertEqual(response.status_code, 401)
                async with http_client(url, Authorization="Bearer 0123456789abcdef0123456789abcdef") as seen:
                    self.assertEqual(text(await seen.run("1")), "1")

    async def test_other_machines_need_a_token(self):
        process = await asyncio.create_subprocess_exec(
            KEELBACK, "mcp", "--http", "0.0.0.0:0", env=ENVIRONMENT, stderr=asyncio.subprocess.PIPE
        )
        _, error = await process.communicate()
        self.assertEqual(process.returncode, 2)
        self.assertIn(b"--bearer-token-file", error)


if __name__ == "__main__":
    unittest.main()
