"""A program on a terminal of its own, driven and timed: for the benchmark and the tests of the prompt.

Standard library only, Linux and macOS.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

ESC = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"              # CSI
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"   # OSC
    rb"|\x1b[PX^_][^\x1b]*\x1b\\"            # DCS/SOS/PM/APC
    rb"|\x1b[ -/]+[0-~]|\x1b[0-~]"           # two-byte escapes
)
# Terminal queries that a front end may block on, and plausible answers.
QUERIES = [
    (re.compile(rb"\x1b\[6n"), None),                     # cursor position: see _answer
    (re.compile(rb"\x1b\[5n"), b"\x1b[0n"),
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[>0?c"), b"\x1b[>0;276;0c"),
    (re.compile(rb"\x1b\[\?u"), b""),                     # kitty keyboard: not supported
    (re.compile(rb"\x1b\]10;\?(?:\x07|\x1b\\)"), b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\"),
    (re.compile(rb"\x1b\]11;\?(?:\x07|\x1b\\)"), b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
]


def strip(data: bytes) -> bytes:
    """Text of some output: colours removed, every other escape sequence a NUL byte."""
    if b"\x1b" not in data:
        return data
    data = ESC.sub(lambda m: b"" if m[0][-1:] == b"m" else b"\0", data)
    return re.sub(rb"\x1b[^\x1b]{0,16}\Z", b"", data)


class Session:
    """A program on its own pty. All times are time.perf_counter() seconds.

    `queries` are the questions that the terminal answers, and how.
    """

    def __init__(self, argv, env=None, rows=24, cols=80, cwd=None, queries=QUERIES):
        self.queries = queries
        self.rows, self.cols, self.buf, self.row = rows, cols, bytearray(), 1
        self.bytes_out, self.bracketed = 0, False
        self.t_spawn = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGHUP):
                    signal.signal(sig, signal.SIG_DFL)   # a background shell leaves them ignored
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
                if cwd:
                    os.chdir(cwd)
                os.execvpe(argv[0], argv, env or os.environ)
            except OSError:
                pass
            finally:
                os._exit(127)
        os.set_blocking(self.fd, False)
        self.eof, self.status = False, None

    # -- io -----------------------------------------------------------------
    def _answer(self, chunk):
        if b"\x1b" not in chunk:
            self.row = min(self.rows, self.row + chunk.count(b"\n"))
            return
        for pat, reply in self.queries:
            for m in pat.finditer(chunk):
                if reply is None:   # row estimated by newlines seen: enough to place a prompt
                    row = min(self.rows, self.row + chunk[: m.start()].count(b"\n"))
                    reply_b = b"\x1b[%d;1R" % row
                else:
                    reply_b = reply
                if reply_b:
                    os.write(self.fd, reply_b)
        self.row = min(self.rows, self.row + chunk.count(b"\n"))

    def read(self, timeout):
        """Read what is there within timeout; returns (bytes, time of arrival)."""
        r, _, _ = select.select([self.fd], [], [], max(0, timeout))
        if not r:
            return b"", time.perf_counter()
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return b"", time.perf_counter()
        except OSError:
            data = b""
        now = time.perf_counter()
        if not data:
            self.eof = True
        self.bytes_out += len(data)
        on, off = data.rfind(b"\x1b[?2004h"), data.rfind(b"\x1b[?2004l")
        if on != off:                     # the program switched bracketed paste on or off
            self.bracketed = on > off
        self._answer(data)
        self.buf += data
        return data, now

    def write(self, data, timeout=120):
        """Write everything, draining output meanwhile (a pty buffer is only 4 KiB)."""
        end, view = time.perf_counter() + timeout, memoryview(data)
        while view:
            r, w, _ = select.select([self.fd], [self.fd], [], max(0, end - time.perf_counter()))
            if r:
                self.read(0)
                if self.eof:
                    return
            if w:
                try:
                    view = view[os.write(self.fd, view[:4096]):]
                except BlockingIOError:
                    pass
            if time.perf_counter() > end:
                raise TimeoutError("write")

    def paste(self, data, timeout=120):
        """Send text the way a terminal pastes it: newlines as CR, in brackets if asked for."""
        data = data.replace(b"\n", b"\r")
        self.write(b"\x1b[200~" + data + b"\x1b[201~" if self.bracketed else data, timeout)

    def wait_for(self, pattern, timeout=60, start=None):
        """Wait until regex `pattern` (bytes, under 1 KB) is in the stripped output since `start`."""
        pat = re.compile(pattern) if isinstance(pattern, bytes) else pattern
        start = scan = len(self.buf) if start is None else start
        end = time.perf_counter() + timeout
        now = time.perf_counter()
        while not pat.search(strip(bytes(self.buf[max(start, scan - 3000):]))):
            scan = len(self.buf)
            data, now = self.read(end - time.perf_counter())
            if self.eof or now >= end:
                raise TimeoutError(f"waiting for {pat.pattern!r}; tail {strip(bytes(self.buf[-400:]))!r}")
        return now

    def settle(self, quiet=0.05, timeout=30):
        """Read until nothing came for `quiet` seconds; returns time of the last byte."""
        last, end = time.perf_counter(), time.perf_counter() + timeout
        while time.perf_counter() < end:
            data, now = self.read(quiet)
            if data:
                last = now
            elif self.eof or now - last >= quiet:
                break
        return last

    def resize(self, rows, cols):
        self.rows, self.cols = rows, cols
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def rss_kib(self):
        """Resident memory of the program and its descendants (Linux)."""
        total, todo = 0, [self.pid]
        while todo:
            p = todo.pop()
            try:
                with open(f"/proc/{p}/status") as f:
                    total += next((int(line.split()[1]) for line in f if line.startswith("VmRSS")), 0)
                with open(f"/proc/{p}/task/{p}/children") as f:
                    todo += [int(x) for x in f.read().split()]
            except OSError:
                pass
        return total

    def cpu_s(self):
        """CPU seconds used so far by all threads of the program (Linux; ns resolution)."""
        total = 0
        try:
            for t in os.listdir(f"/proc/{self.pid}/task"):
                with open(f"/proc/{self.pid}/task/{t}/schedstat") as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
        return total / 1e9

    def switches(self):
        """Times that any thread of the program began to wait so far, from each of which it was woken (Linux)."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/status") as f:
                total += sum(int(n) for n in re.findall(r"voluntary_ctxt_switches:\s+(\d+)", f.read())[:1])
        return total

    def wait(self, timeout=20):
        """Read to the end of the program's output; its exit status as `os.waitstatus_to_exitcode` gives it."""
        end = time.perf_counter() + timeout
        while self.status is None:
            if time.perf_counter() > end:
                raise TimeoutError(f"still running; tail {strip(bytes(self.buf[-400:]))!r}")
            if not self.eof:
                self.read(0.2)
            self._reap(0 if not self.eof else 0.01)
        while not self.eof and self.read(0)[0]:
            pass
        return self.status

    def _reap(self, pause):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(pause)
        return self.status is not None

    def close(self):
        """End the program, kindly at first."""
        for sig in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
            if self._reap(0):
                break
            os.kill(self.pid, sig)
            for _ in range(25):
                if self._reap(0.02):
                    break
        try:
            os.close(self.fd)
        except OSError:
            pass
