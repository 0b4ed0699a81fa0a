"""Clients of the served prompts, as lean as each protocol allows, so that the servers are what is timed.

Each has `attach()`, `run(source)` which returns when the cell is over, `send(source)` and `finish()` for the two halves
of that, `complete(text)` where the protocol has it, and `close()`.
"""

import json
import re
import socket
import struct

PREFACE = b"\0keelb\r\n"  # of both directions
LONG = 60.0  # seconds until a server counts as dead


class Lines:
    """A prompt on a stream: aioconsole, manhole."""

    complete = None

    def __init__(self, address, prompt=b">>> "):
        self.address, self.prompt = address, prompt

    def attach(self):
        kind = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        self.socket = socket.socket(kind)
        self.socket.settimeout(LONG)
        self.socket.connect(self.address)
        self.finish()

    def send(self, source):
        self.socket.sendall(source.encode() + b"\n")

    def finish(self):
        tail = b""
        while not tail.endswith(self.prompt):
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError(tail[-200:])
            tail = (tail + data)[-4096:]

    def run(self, source):
        self.send(source)
        self.finish()

    def close(self):
        self.socket.close()


class Telnet(Lines):
    """aiomonitor: options are negotiated, and the cursor's place is asked for."""

    def send(self, source):
        self.socket.sendall(source.encode() + b"\r")

    def finish(self):
        tail = b""
        prompt = rb"(^|\n|\r)(\x1b\[[0-9;?]*[a-zA-Z])*" + re.escape(self.prompt)
        while not re.search(prompt, tail):
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError(tail[-200:])
            for command, option in re.findall(rb"\xff([\xfb\xfd])(.)", data, re.S):
                if (command, option) == (b"\xfd", b"\x18"):
                    self.socket.sendall(b"\xff\xfb\x18\xff\xfa\x18\x00xterm\xff\xf0")
                elif (command, option) == (b"\xfd", b"\x1f"):
                    self.socket.sendall(b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0")
            if b"\x1b[6n" in data:
                self.socket.sendall(b"\x1b[1;1R")
            tail = (tail + data)[-65536:]

    def console(self):
        """Its Python prompt, which is a command of the monitor's."""
        self.send("console")
        self.prompt = b">>> "
        self.finish()


class Frames:
    """keelback (docs/protocol.md)."""

    def __init__(self, path):
        self.path, self.count = path, 0

    def attach(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LONG)
        self.socket.connect(self.path)
        self.file = self.socket.makefile("rb", buffering=1 << 20)
        # All at once: what is refused is said in the answers.
        self.socket.sendall(PREFACE + self.frame("hello", version=1, client="bench") + self.frame("open"))
        if self.file.read(len(PREFACE)) != PREFACE:
            raise RuntimeError("not keelback's protocol")
        self.session = self.answer()["session"]

    def frame(self, op, **fields):
        self.count += 1
        data = json.dumps({"id": self.count, "op": op, **fields}).encode()
        return struct.pack(">I", len(data)) + data

    def post(self, op, **fields):
        self.socket.sendall(self.frame(op, **fields))

    def answer(self):
        while True:
            head = self.file.read(4)
            if len(head) < 4:
                raise EOFError
            data = self.file.read(struct.unpack(">I", head)[0])
            if data.startswith(b'{"id"'):
                message = json.loads(data)
                if message["id"] == self.count:
                    if "error" in message:
                        raise RuntimeError(message["error"]["message"])
                    return message["ok"]

    def call(self, op, **fields):
        self.post(op, **fields)
        return self.answer()

    def send(self, source):
        self.post("eval", session=self.session, source=source)

    def finish(self):
        return self.answer()

    def run(self, source):
        self.send(source)
        return self.finish()

    def complete(self, text):
        return self.call("complete", session=self.session, source=text, cursor=len(text))["matches"]

    def interrupt(self):
        """Without waiting for the answer: `finish` waits for the cell."""
        evaluation = self.count
        self.post("interrupt", session=self.session)
        self.count = evaluation

    def close(self):
        self.file.close()
        self.socket.close()


class Jupyter:
    """ipykernel."""

    def __init__(self, connection_file):
        self.connection_file = connection_file

    def attach(self):
        from jupyter_client import BlockingKernelClient

        self.client = BlockingKernelClient()
        self.client.load_connection_file(self.connection_file)
        self.client.start_channels()
        self.client.wait_for_ready(timeout=30)

    def send(self, source):
        self.sent = self.client.execute(source, store_history=False)

    def finish(self):
        def ours(message):
            return message["parent_header"].get("msg_id") == self.sent

        while True:
            message = self.client.get_iopub_msg(timeout=LONG)
            if ours(message) and message["content"].get("execution_state") == "idle":
                break
        while not ours(self.client.get_shell_msg(timeout=LONG)):
            pass

    def run(self, source):
        self.send(source)
        self.finish()

    def complete(self, text):
        return self.client.complete(text, reply=True, timeout=30)["content"]["matches"]

    def close(self):
        self.client.stop_channels()
