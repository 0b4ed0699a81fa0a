"""A console of one's own: a subclass that reads and writes a socket, for one client at a time.

    python examples/console_socket.py /run/user/1000/console.sock
    nc -U /run/user/1000/console.sock       # in another terminal

Whoever can connect can do whatever this program can: the socket belongs in a folder that only its owner may enter.
"""

import contextlib
import os
import socket
import sys

from keelback import code


class SocketConsole(code.InteractiveConsole):
    def __init__(self, reader, writer, namespace):
        super().__init__(namespace)
        self.reader, self.writer = reader, writer

    def raw_input(self, prompt=""):
        self.write(prompt)
        line = self.reader.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")

    def write(self, data):
        self.writer.write(data)
        self.writer.flush()

    def runcode(self, code):
        # What cells print goes to the client; other threads print there too, meanwhile.
        with contextlib.redirect_stdout(self.writer), contextlib.redirect_stderr(self.writer):
            super().runcode(code)


def serve(path, namespace):
    """Serve consoles on the Unix socket *path*, one after the other, until one of them ends the program."""
    before = os.umask(0o177)  # for its owner only
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
    finally:
        os.umask(before)
    try:
        listener.listen()
        while True:
            connection, _ = listener.accept()
            # Two files, as one for both would drop lines read ahead when it writes.
            reader, writer = (connection.makefile(mode, encoding="utf-8", errors="replace") for mode in "rw")
            # A client may go away in the middle of an answer.
            with contextlib.suppress(ConnectionError), connection, reader, writer:
                SocketConsole(reader, writer, namespace).interact("hello", exitmsg="bye")
    finally:
        listener.close()
        os.unlink(path)


if __name__ == "__main__":
    serve(sys.argv[1], {"__name__": "__console__"})
