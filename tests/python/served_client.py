"""A client of served prompts for tests: blocking, one socket, the standard library only."""

import json
import socket
import struct

PREFACE = b"\0keelb\r\n"


class Refused(Exception):
    """The server answered with an error; `args[0]` is its code."""


class Client:
    """A connection that has said hello. Events are kept in `events`, in the order they came in."""

    def __init__(self, path, name="test", session=None, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.socket.sendall(PREFACE)
        self._stream = self.socket.makefile("rb")
        self._last = 0
        self._responses = {}
        self.events = []
        self._greeted = False
        self.welcome = self.call("hello", version=1, client=name)
        self.session = session

    def close(self):
        self._stream.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    # -- requests --------------------------------------------------------------------------------------------------

    def send(self, op, **fields):
        """The number of the request, for `wait`."""
        self._last += 1
        body = json.dumps({"id": self._last, "op": op, **fields}).encode()
        self.socket.sendall(struct.pack(">I", len(body)) + body)
        return self._last

    def wait(self, number):
        while number not in self._responses:
            self._read()
        response = self._responses.pop(number)
        if "error" in response:
            raise Refused(response["error"]["code"], response["error"]["message"])
        return response["ok"]

    def call(self, op, **fields):
        return self.wait(self.send(op, **fields))

    def open(self, name=None, **fields):
        opened = self.call("open", **({} if name is None else {"name": name}), **fields)
        self.session = opened["session"]
        return opened

    def start(self, source, **fields):
        """The number of the request. Events of before are forgotten."""
        self.events.clear()
        return self.send("eval", session=self.session, source=source, **fields)

    def eval(self, source, **fields):
        """`(outcome, text)`: how the cell ended, and all that it showed."""
        evaluated = self.wait(self.start(source, **fields))
        return evaluated["outcome"], self.text()

    # -- events ----------------------------------------------------------------------------------------------------

    def text(self):
        """What the events so far show."""
        return "".join(map(text_of, self.events))

    def until(self, true):
        """Read until an event for which `true(event)`; the event."""
        seen = 0
        while True:
            while seen < len(self.events):
                if true(self.events[seen]):
                    return self.events[seen]
                seen += 1
            self._read()

    def until_text(self, text):
        while text not in self.text():
            self._read()

    def _read(self):
        if not self._greeted:
            # What a server says to people comes before its preface, if the connection was silent for long.
            said = b""
            while not said.endswith(PREFACE):
                said += self._take(1)
            self._greeted = True
        (length,) = struct.unpack(">I", self._take(4))
        message = json.loads(self._take(length))
        if "event" in message:
            self.events.append(message)
        else:
            self._responses[message["id"]] = message

    def _take(self, count):
        data = self._stream.read(count)
        if len(data) < count:
            raise EOFError("the server has closed the connection")
        return data


def text_of(event):
    if event["event"] == "out":
        return event["text"]
    if event["event"] == "value":
        return event["text"] + "\n"
    if event["event"] == "error":
        return event["traceback"]
    return ""
