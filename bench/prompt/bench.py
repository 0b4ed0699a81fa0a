#!/usr/bin/env python3
"""What one waits for at a prompt, in milliseconds: ours beside CPython's, IPython and ptpython, in one run.

  cargo xtask bench prompt [TOPIC ...] [-p PROMPT ...] [--runs N] [--json FILE]

Topics: startup echo paste history menu idle. Every program has a fresh home and a terminal of 80 by 24. A rival that is
not installed is left out and named. Of several runs each figure is the median. Python >= 3.11 on Linux or macOS (idle
and memory: Linux).
"""

import argparse
import json
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from terminal import Session, strip

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KEYS = b"qzj"  # typed characters: no prompt, tool bar or text of ours has them
MENU = rb"0\d\d[^\d]+\d*0\d\d"  # two of its names, wherever they are
FUNCTION = '''def f{i}(a, b):
    # add or take away, {i}
    total = 0
    for n in range(10):
        if n % 2:
            total += n * a
        else:
            total -= n * b
    return {{"total": total, "n": [a, b]}}

'''


def block(lines):
    """Python in functions of ten lines, with a last line that prints."""
    body = "".join(FUNCTION.format(i=i) for i in range(lines // 10))
    return (body + 'print("E" + "ND", 40 + 2)  # ' + KEYS.decode()).encode()


def literal(lines):
    """An unfinished list of as many lines: the cursor is at the end of a long cell."""
    row = '    {"aab": [1, 2, 3.5], "bab": "ba ab"},  # aab\n'
    return ("x = [\n" + row * (lines - 2) + "    0, ").encode()


def history(kind, path, count):
    items = ['needle = "f" + "ound"  # qzj'] + [f"value_{i} = {i} * {i % 97}  # entry" for i in range(count - 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "native":
        path.write_text("keelback history 1\1\0\n" + "".join(f"{item}\0\n" for item in items))
    elif kind == "cpython":
        path.write_text("".join(f"{item}\n" for item in items))
    elif kind == "ptk":
        path.write_text("".join(f"\n# 2026-01-01 00:00:00.0\n+{item}\n" for item in items))
    elif kind == "ipython":
        with sqlite3.connect(path) as db:
            db.executescript(
                "CREATE TABLE sessions (session integer primary key autoincrement, start timestamp,"
                " end timestamp, num_cmds integer, remark text);"
                "CREATE TABLE history (session integer, line integer, source text, source_raw text,"
                " PRIMARY KEY (session, line));"
                "CREATE TABLE output_history (session integer, line integer, output text,"
                " PRIMARY KEY (session, line));"
            )
            db.execute("INSERT INTO sessions VALUES (1,'2026-01-01','2026-01-01',?, '')", (count,))
            db.executemany("INSERT INTO history VALUES (1,?,?,?)", ((i + 1, x, x) for i, x in enumerate(items)))


class Prompt:
    """A kind of prompt, from prompts.toml."""

    def __init__(self, name, told, places):
        self.name, self.told, self.places = name, told, places

    def fill(self, text, tmp=""):
        for name, place in self.places.items():
            text = text.replace("{" + name + "}", str(place))
        return text.replace("{tmp}", tmp)

    def is_there(self):
        package = self.told.get("package", "")
        installed = any(Path(self.places["venv"]).glob(f"lib/*/site-packages/{package}/__init__.py"))
        return shutil.which(self.fill(self.told["cmd"][0])) is not None and (installed or not package)

    def warm(self):
        """Do what is done once on a machine, not at each start."""
        if command := self.told.get("warm"):
            env = os.environ | {name: self.fill(value) for name, value in self.told["env"].items()}
            subprocess.run([self.fill(word) for word in command], env=env, check=True)

    def spawn(self, entries=0, before=b""):
        tmp = tempfile.mkdtemp(prefix="prompt-bench-")
        strange = ("PYTHON", "IPYTHON", "PTPYTHON", "TMUX", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "KEELBACK")
        env = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        env |= {"HOME": tmp, "XDG_CONFIG_HOME": tmp + "/c", "XDG_DATA_HOME": tmp + "/d", "XDG_STATE_HOME": tmp + "/s",
                "XDG_CACHE_HOME": tmp + "/k", "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        env |= {name: self.fill(value, tmp) for name, value in self.told.get("env", {}).items()}
        if entries:
            history(self.told["history"], Path(self.fill(self.told["history_path"], tmp)), entries)
        session = Session([self.fill(word, tmp) for word in self.told["cmd"]], env, cwd=tmp)
        session.home = tmp
        if before:
            os.write(session.fd, before)
        return session

    def shown(self, session, start=0):
        return session.wait_for(self.told["prompt"].encode(), 60, start)

    def ready(self, **options):
        session = self.spawn(**options)
        self.shown(session)
        session.settle(0.4)
        return session

    def end(self, session):
        session.close()
        shutil.rmtree(session.home, ignore_errors=True)


def ms(seconds):
    return round(seconds * 1000, 2)


def median(values):
    return statistics.median(values)


def most(values):
    """The 99th of a hundred."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


# -- topics: each takes all prompts, and returns for each a dict of figures ----------------------------------------


def startup(prompts, args):
    """In turn, so that a change of the machine's speed hits all."""
    shown, answered, memory = ({p.name: [] for p in prompts} for _ in range(3))
    for turn in range(args.rounds + 1):
        for p in prompts:
            s = p.spawn()
            try:
                at = p.shown(s)
                mark = len(s.buf)
                s.write(b"6*7\r")
                result = s.wait_for(rb"(?<!\d)42(?!\d)", 10, start=mark)
                if turn:  # the first warms the disk's cache
                    shown[p.name].append(at - s.t_spawn)
                    answered[p.name].append(result - s.t_spawn)
                    s.settle(0.05)
                    memory[p.name].append(s.rss_kib() / 1024)
            finally:
                p.end(s)
    figures = {}
    for p in prompts:
        s = p.spawn(before=b"6*7\r")
        try:
            s.wait_for(rb"(?<!\d)42(?!\d)", 10)
            early = True
        except TimeoutError:
            early = False
        finally:
            p.end(s)
        figures[p.name] = {"prompt_ms": ms(median(shown[p.name])), "result_ms": ms(median(answered[p.name])),
                           "memory_mib": round(median(memory[p.name]), 1), "typed_ahead_is_kept": early}
    return figures


def key(s, char):
    """Send one key: seconds to its echo, seconds to the last output, bytes of output."""
    mark = len(s.buf)
    start = time.perf_counter()
    os.write(s.fd, char)
    while True:
        _, at = s.read(5)
        if char in strip(bytes(s.buf[mark:])):
            break
        if at - start > 20 or s.eof:
            raise TimeoutError("no echo")
    return at - start, max(at, s.settle(0.02)) - start, len(s.buf) - mark


def rest(s, limit):
    """Wait until the program neither writes nor computes."""
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        used = s.cpu_s()
        last = s.settle(0.7, timeout=limit)
        if s.cpu_s() - used < 0.05 and time.perf_counter() - last >= 0.7:
            return
    raise TimeoutError(f"the cell does not stand after {limit:g} s")


def echo_in(p, args, text):
    s = p.ready()
    try:
        if text:
            s.paste(text, timeout=args.limit)
            rest(s, args.limit)
        echo, last, size, used = [], [], [], []
        end = time.perf_counter() + args.limit
        for turn in range(args.keys):
            if time.perf_counter() > end:
                break  # a slow one: fewer keys tell as much
            before = s.cpu_s()
            times = key(s, KEYS[turn % 3 : turn % 3 + 1])
            for values, value in zip((echo, last, size), times):
                values.append(value)
            used.append(s.cpu_s() - before)
            s.write(b"\x7f")
            s.settle(0.02)
        return {"median_ms": ms(median(echo)), "p99_ms": ms(most(echo)),
                "last_output_ms": ms(median(last)), "bytes": int(median(size)), "most_bytes": max(size), "keys": len(echo),
                "computing_ms": ms(median(used)), "computing_p99_ms": ms(most(used))}
    except TimeoutError as trouble:
        return {"error": str(trouble)[:80]}
    finally:
        p.end(s)


def echo(prompts, args):
    figures = {p.name: {} for p in prompts}
    cells = {"empty": b"", "string": b'x = "', "200": literal(200), "10000": literal(10_000)}
    for label, text in cells.items():
        for p in prompts:
            figures[p.name][label] = echo_in(p, args, text)
    return figures


def enter(s, wanted, limit):
    """Enter, then output until `wanted` or until the program is quiet: seconds, and whether it came."""
    mark, start = len(s.buf), time.perf_counter()
    last, used = start, s.cpu_s()
    s.write(b"\r")
    while time.perf_counter() - start < limit and not s.eof:
        data, now = s.read(0.5)
        if re.search(wanted, strip(bytes(s.buf[max(mark, len(s.buf) - 4000) :]))):
            return now - start, True
        if data:
            last = now
        elif s.cpu_s() - used < 0.1:
            return last - start, False
        else:
            used = s.cpu_s()
    raise TimeoutError("nothing after Enter")


def paste_in(p, args, lines):
    shown, run, enters = [], [], 0
    for _ in range(args.pastes if p.told.get("ours") else 1):
        s = p.ready()
        start = time.perf_counter()
        try:
            mark = len(s.buf)
            s.paste(block(lines), timeout=args.limit)
            shown.append(s.wait_for(KEYS, args.limit, start=mark) - start)
            s.settle(0.1)
            mark = len(s.buf)
            took, done, enters = 0.0, False, 0
            while not done and enters < 6:
                seconds, done = enter(s, rb"END 42", args.limit)
                took, enters = took + seconds, enters + 1
            run.append(took)
            text = strip(bytes(s.buf))
            all_there = all(b"take away, %d" % i in text for i in range(lines // 10))
        except TimeoutError:
            return {"error": f"not done after {time.perf_counter() - start:.0f} s"}
        finally:
            p.end(s)
    return {"shown_ms": ms(median(shown)), "enter_to_output_ms": ms(median(run)), "enters": enters,
            "all_in_scrollback": all_there}


def paste(prompts, args):
    return {p.name: {str(n): paste_in(p, args, n) for n in args.lines} for p in prompts}


def past(prompts, args):
    """What entries add is the difference of the fastest starts: all others are longer by what else the machine did."""
    shown = {(p.name, n): [] for p in prompts for n in (0, args.entries)}
    figures = {p.name: {} for p in prompts}
    for turn in range(args.rounds + 1):
        for p in prompts:
            for entries in (0, args.entries):
                s = p.spawn(entries=entries)
                try:
                    at = p.shown(s)
                    if turn:
                        shown[p.name, entries].append(at - s.t_spawn)
                    if entries and turn <= 5:
                        s.settle(0.4)
                        search(s, figures[p.name])
                finally:
                    p.end(s)
    for p in prompts:
        found = figures[p.name].pop("found", [])
        figures[p.name] = {
            "first_prompt_ms": ms(median(shown[p.name, args.entries])),
            "beyond_none_ms": ms(min(shown[p.name, args.entries]) - min(shown[p.name, 0])),
            "search_to_oldest_ms": ms(median(found)) if found else None,
        }
    return figures


def search(s, figures):
    s.write(b"\x12")
    s.settle(0.2)
    mark, start = len(s.buf), time.perf_counter()
    s.write(b"needle")
    try:
        figures.setdefault("found", []).append(s.wait_for(KEYS, 15, start=mark) - start)
    except TimeoutError:
        pass  # some search only what they have read so far


def menu(prompts, args):
    """Each in a session of its own, so what is loaded at the first is counted."""
    opened = {p.name: [] for p in prompts}
    for _ in range(args.menus):
        for p in prompts:
            s = p.ready()
            try:
                s.write(b'o = type("O", (), {f"name_{i:04}": i for i in range(1000)})()\r')
                s.settle(0.3)
                s.write(b"o.name_0")
                s.settle(0.3)
                mark, start = len(s.buf), time.perf_counter()
                s.write(b"\t" * p.told.get("tabs", 1))
                opened[p.name].append(s.wait_for(MENU, 10, start=mark) - start)
            except TimeoutError:
                pass
            finally:
                p.end(s)
    return {name: {"median_ms": ms(median(times)) if times else None} for name, times in opened.items()}


def idle(prompts, args):
    figures = {}
    for p in prompts:
        s = p.ready()
        try:
            s.settle(1)
            used, woken, size = s.cpu_s(), s.switches(), len(s.buf)
            end = time.perf_counter() + args.idle
            while time.perf_counter() < end:
                s.read(end - time.perf_counter())
            figures[p.name] = {"wake_ups": s.switches() - woken, "computing_ms": ms(s.cpu_s() - used),
                               "bytes": len(s.buf) - size}
        finally:
            p.end(s)
    return figures


TOPICS = {"startup": startup, "echo": echo, "paste": paste, "history": past, "menu": menu, "idle": idle}

# -- the table -----------------------------------------------------------------------------------------------------

# Name, where it is in the figures, what it is to be at most ("cpython": what CPython needs in the same run).
ROWS = [
    ("process start to a prompt, ms", ("startup", "prompt_ms"), "cpython"),
    ("process start to the result of what is typed at it, ms", ("startup", "result_ms"), None),
    ("what is typed before is kept", ("startup", "typed_ahead_is_kept"), True),
    ("memory at the prompt, MiB", ("startup", "memory_mib"), None),
    *(
        (f"key to echo, {where}: {what}", ("echo", label, field), most)
        for label, where in (("empty", "empty line"), ("string", "in a string"), ("200", "200 lines"), ("10000", "10,000 lines"))
        for field, what, most in (("median_ms", "median, ms", 0.3), ("p99_ms", "p99, ms", 2),
                                  ("computing_p99_ms", "computing alone, p99, ms", None), ("bytes", "bytes", 40))
    ),
    ("paste of 1,000 lines until shown, ms", ("paste", "1000", "shown_ms"), 30),
    ("... its Enter to the output, ms", ("paste", "1000", "enter_to_output_ms"), None),
    ("paste of 10,000 lines until shown, ms", ("paste", "10000", "shown_ms"), 300),
    ("... its Enter to the output, ms", ("paste", "10000", "enter_to_output_ms"), None),
    ("... Enter keys it takes", ("paste", "10000", "enters"), 1),
    ("... all in the scrollback", ("paste", "10000", "all_in_scrollback"), True),
    ("first prompt with 100,000 entries, beyond none, ms", ("history", "beyond_none_ms"), 2),
    ("Ctrl-R to the oldest of 100,000 entries, ms", ("history", "search_to_oldest_ms"), 5),
    ("menu of 1,000 names, ms", ("menu", "median_ms"), 10),
    ("wake-ups of an idle prompt", ("idle", "wake_ups"), 0),
]


def table(figures, prompts, out):
    names = [p.name for p in prompts]
    print("| what | target | " + " | ".join(names) + " |", file=out)
    print("| --- | ---: |" + " ---: |" * len(names), file=out)
    for what, (topic, *path), most in ROWS:
        if topic not in figures:
            continue
        cells = []
        for name in names:
            value = figures[topic].get(name, {})
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            cells.append("-" if value is None else {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:g}")
        said = "" if most is None else "yes" if most is True else "CPython's" if most == "cpython" else f"{most:g}"
        print(f"| {what} | {said} | " + " | ".join(cells) + " |", file=out)


def middle(runs):
    """The medians of the figures of some runs; of answers the worst, of errors one."""
    first = next((run for run in runs if isinstance(run, str)), runs[0])
    if isinstance(first, dict):
        names = dict.fromkeys(name for run in runs for name in run)
        return {name: middle([run[name] for run in runs if name in run]) for name in names}
    if isinstance(first, bool):
        return all(runs)
    numbers = [run for run in runs if isinstance(run, (int, float))]
    return median(numbers) if numbers else first


def load():
    return " ".join(f"{part:.1f}" for part in os.getloadavg())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topics", nargs="*", help="all when none is named", metavar="TOPIC")
    parser.add_argument("-p", "--prompt", action="append", help="only this one (repeatable)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of keelback and cpython")
    parser.add_argument("--target", type=Path, default=ROOT / "target", help="what cargo has built, and the rivals")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=11, help="starts of each prompt")
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--menus", type=int, default=5)
    parser.add_argument("--pastes", type=int, default=5)
    parser.add_argument("--lines", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--idle", type=float, default=5, help="seconds")
    parser.add_argument("--limit", type=float, default=60, help="seconds before a paste counts as failed")
    parser.add_argument("--json", help="also write the figures to this file")
    args = parser.parse_args()
    if unknown := set(args.topics) - set(TOPICS):
        parser.error(f"no such topic: {', '.join(sorted(unknown))}")
    places = {"root": ROOT, "python": args.python, "target": args.target, "venv": args.target / "prompt-bench"}
    told = tomllib.loads((HERE / "prompts.toml").read_text())
    prompts = [Prompt(name, told[name], places) for name in told if not args.prompt or name in args.prompt]
    for p in prompts:
        if not p.is_there():
            print(f"{p.name}: not installed, left out", file=sys.stderr)
    prompts = [p for p in prompts if p.is_there()]
    for p in prompts:
        p.warm()
    runs = []
    for run in range(args.runs):
        print(f"run {run + 1} of {args.runs}, load average {load()}", file=sys.stderr, flush=True)
        runs.append({})
        for topic in args.topics or TOPICS:
            runs[-1][topic] = TOPICS[topic](prompts, args)
            for p in prompts:
                print(f"{topic:8} {p.name:9} {json.dumps(runs[-1][topic].get(p.name))}", file=sys.stderr, flush=True)
    print(f"done, load average {load()}", file=sys.stderr)
    figures = middle(runs)
    table(figures, prompts, sys.stdout)
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
