#!/usr/bin/env python3
"""A prompt served by a running program: what it costs who attaches and what it costs the program.

  cargo xtask bench remote [TOPIC ...] [-s SERVER ...] [--rounds N] [--json FILE]

Topics: serve (start, attach, round trips, completion, stalls of the program's loop), command (from the shell to the
first prompt), interrupt. Rivals that are not installed are left out and named. The stall of a phase is the longest
distance between two beats of a heartbeat of 1 ms in the program; compare it with that of the phase `idle` of the same
run, and with the server `none`. Linux, Python >= 3.11.
"""

import argparse
import array
import contextlib
import fcntl
import importlib.util
import json
import os
import pty
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

from clients import Frames, Jupyter, Lines, Telnet

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVERS = ["none", "keelback", "aioconsole", "aiomonitor", "manhole", "ipykernel"]
BIG = "print('x' * 10_000_000)"
MANY = "_ = [print(i) for i in range(20000)]"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def client_of(server, folder):
    """The endpoint of *server*, and a maker of clients."""
    path = os.path.join(folder, "s.sock")
    if server == "keelback":
        return path, lambda: Frames(path)
    if server in ("aioconsole", "manhole"):
        return path, lambda: Lines(path)
    if server == "aiomonitor":
        ports = [free_port() for _ in range(3)]
        return ",".join(map(str, ports)), lambda: Telnet(("127.0.0.1", ports[0]), b"monitor >>> ")
    if server == "ipykernel":
        path = os.path.join(folder, "kernel.json")
        return path, lambda: Jupyter(path)
    return "-", None


@contextlib.contextmanager
def application(server, endpoint, folder):
    """The program with *server*: its process, and what it told of the start."""
    arguments = [sys.executable, str(HERE / "application.py"), server, endpoint, os.path.join(folder, "beats")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "python"), "IPYTHONDIR": folder}
    # Compiled once, as an installed package is.
    environment |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(ROOT / "target/remote-bench-cache")}
    with open(os.path.join(folder, "log"), "w+") as log:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        try:
            line = "-"
            while line and not line.startswith("{"):
                line = process.stdout.readline()
            if not line:
                log.seek(0)
                raise RuntimeError(f"{server} did not start: {log.read()[-300:]}")
            # Read on, so that a full pipe never holds the program.
            threading.Thread(target=lambda: list(process.stdout), daemon=True).start()
            yield process, json.loads(line)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def stall(beats, begin, end):
    """The longest distance between two beats that touches the time from *begin* to *end*, in milliseconds."""
    pairs = zip(beats, beats[1:])
    return max((b - a for a, b in pairs if b >= begin and a <= end), default=float("nan")) * 1e3


def milliseconds(call, *arguments):
    begin = time.monotonic()
    call(*arguments)
    return (time.monotonic() - begin) * 1e3


def serve_round(server):
    """One life of the program: a dict of figures."""
    figures, windows = {}, {}

    @contextlib.contextmanager
    def phase(name):
        time.sleep(0.1)  # so that no distance between beats touches two phases
        begin = time.monotonic()
        yield
        windows[name] = begin, time.monotonic()

    with tempfile.TemporaryDirectory() as folder:
        endpoint, make = client_of(server, folder)
        with application(server, endpoint, folder) as (process, start):
            if make:
                figures |= start
            with phase("idle"):
                time.sleep(2)
            if make:
                client = make()
                with phase("attach"):
                    figures["attach_ms"] = milliseconds(client.attach)
                if server == "aiomonitor":
                    figures["attach_ms"] += milliseconds(client.console)
                with phase("200 cells"):
                    times = [milliseconds(client.run, "1+1") for _ in range(200)]
                figures["cell_ms"] = statistics.median(times)
                figures["cell_p95_ms"] = sorted(times)[int(len(times) * 0.95)]
                # Idle processors of a virtual machine take some hundred wake-ups to learn not to sleep deeply between two.
                for _ in range(800):
                    times.append(milliseconds(client.run, "1+1"))
                figures["cell_settled_ms"] = statistics.median(times[-200:])
                if client.complete:
                    with phase("20 completions"):
                        times = [milliseconds(client.complete, "name_1") for _ in range(20)]
                    figures["complete_ms"] = statistics.median(times)
                # What it costs to have the text, whoever prints it.
                with phase("10 MB made, not printed"):
                    client.run("_n = len('x' * 10_000_000)")
                with phase("10 MB printed"):
                    client.run(BIG)
                with phase("20,000 prints"):
                    client.run(MANY)
                with phase("10 MB, client does not read"):
                    client.send(BIG)
                    time.sleep(2)
                with contextlib.suppress(EOFError, OSError):
                    client.finish()
                client.close()
                again = []
                for _ in range(5):
                    time.sleep(0.1)
                    client = make()
                    again.append(milliseconds(client.attach))
                    client.close()
                figures["attach_again_ms"] = statistics.median(again)
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            beats = array.array("d")
            beats.frombytes(Path(folder, "beats").read_bytes())
    figures |= {f"stall: {name}": stall(beats, *window) for name, window in windows.items()}
    return figures


def command_round(server, target):
    """From the shell to the first prompt, with the server's own client in a terminal."""
    binary = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        endpoint, _ = client_of(server, folder)
        wanted = b">>> "
        if server == "keelback":
            command = [str(target / "release/keelback"), "attach", endpoint]
        elif server == "manhole":
            endpoint = f"/tmp/manhole-{os.getpid()}"  # the only form of path its client takes
            command = [str(binary / "manhole-cli"), str(os.getpid())]
        elif server == "aiomonitor":
            command = [sys.executable, "-m", "aiomonitor.cli", "-p", endpoint.split(",")[0]]
            wanted = b"monitor >>> "
        elif server == "ipykernel":
            command = [str(binary / "jupyter-console"), "--existing", endpoint]
            wanted = b"In ["
        else:
            return {}
        with application(server, endpoint, folder):
            times = [until_prompt(command, wanted, folder) for _ in range(7)]
        if server == "manhole":
            Path(endpoint).unlink(missing_ok=True)
        return {"command_ms": statistics.median(times)}


def until_prompt(command, wanted, home):
    """Milliseconds until *command* in a new terminal shows *wanted*."""
    environment = os.environ | {"TERM": "xterm", "HOME": home, "XDG_STATE_HOME": home, "IPYTHONDIR": home}
    begin = time.monotonic()
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.execvpe(command[0], command, environment)
    try:
        seen = b""
        while wanted not in seen:
            if not select.select([fd], [], [], 20)[0]:
                raise TimeoutError(seen[-200:])
            data = os.read(fd, 65536)
            if b"\x1b[6n" in data:
                os.write(fd, b"\x1b[1;1R")
            seen += data
        return (time.monotonic() - begin) * 1e3
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(fd)
        os.waitpid(pid, 0)


HELD = {
    "await": "await asyncio.sleep(30)",
    "busy loop": "while True: pass",
    "time.sleep": "time.sleep(30)",
    "socket.recv": "SILENT.recv(1)",
    "Lock.acquire": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "regex": "import re; re.match('(a+)+$', 'a' * 32 + 'b')",
}


def interrupt_round():
    """From the request until the cell is over, for each kind of cell."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        endpoint, make = client_of("keelback", folder)
        with application("keelback", endpoint, folder):
            client = make()
            client.attach()
            for name, source in HELD.items():
                times = []
                for _ in range(5):
                    client.send(source)
                    time.sleep(0.2)
                    begin = time.monotonic()
                    client.interrupt()
                    client.finish()
                    times.append((time.monotonic() - begin) * 1e3)
                figures[f"interrupt: {name}"] = statistics.median(times)
            client.close()
    return figures


def is_there(server):
    module = {"none": "asyncio", "keelback": None}.get(server, server)
    return module is None or importlib.util.find_spec(module) is not None


def table(results):
    """The medians of all rounds, one column a server."""
    servers = list(results)
    rows = dict.fromkeys(key for rounds in results.values() for figures in rounds for key in figures)
    print("| what | " + " | ".join(servers) + " |")
    print("| --- |" + " ---: |" * len(servers))
    for row in rows:
        cells = []
        for server in servers:
            found = [figures[row] for figures in results[server] if row in figures]
            cells.append(f"{statistics.median(found):.3g}" if found else "")
        print(f"| {row} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help="serve, command, interrupt; without one, all")
    parser.add_argument("-s", "--server", action="append", choices=SERVERS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--target", type=Path, default=ROOT / "target", help="the folder of the built command")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    topics = options.topics or ["serve", "command", "interrupt"]
    results = {}
    for server in options.server or SERVERS:
        if is_there(server):
            results[server] = []
        else:
            print(f"{server} is not installed: left out", file=sys.stderr)
    # Round by round, so that a change of the machine's speed hits all.
    for _ in range(options.rounds):
        for server, rounds in results.items():
            try:
                if "serve" in topics:
                    rounds.append(serve_round(server))
                if "command" in topics and (server != "manhole" or shutil.which("manhole-cli", path=Path(sys.executable).parent)):
                    rounds.append(command_round(server, options.target))
                if "interrupt" in topics and server == "keelback":
                    rounds.append(interrupt_round())
            except Exception as error:
                print(f"{server}: {type(error).__name__}: {error}"[:400], file=sys.stderr)
    print(f"load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, medians of {options.rounds} rounds\n")
    table(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
