"""The Python package, beside other sandboxes that a Python program can hold in its own process or next to it.

    python bench/python_api.py [--rivals] [--rounds N]

Medians of several rounds. Each rival runs in a process of its own (this file with --measure), so that one's threads and
memory are not another's. Rivals are measured when they give a first result under this Python (pip install
pydantic-monty pyeryx dspy deno; `cargo xtask bench python --rivals` does that) and skipped with the reason when not;
what one cannot do is a dash.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PACKAGE = Path(__file__).resolve().parents[1] / "python"
sys.path.insert(0, str(PACKAGE))

TEXT = 10_000_000
RECORDS = 20_000
OBJECTS = 100_000
ALIVE = 100
GATHERED = 20

# name, label, target, unit, what a second is in that unit
ROWS = [
    ("first", "new sandbox + first `1+1`", 0.35, "ms", 1e3),
    ("live", "`1+1`, live", 25, "us", 1e6),
    ("tool", "sync tool call", 25, "us", 1e6),
    ("start", "process start + import + first result", 30, "ms", 1e3),
    ("import", "`import keelback`", 20, "ms", 1e3),
    ("memory", f"private memory per further sandbox ({ALIVE} alive)", 0.6, "MB", 1),
    ("text_in", "10 MB string in", 10, "ms", 1e3),
    ("text_out", "10 MB string out", 10, "ms", 1e3),
    ("records_in", f"{RECORDS:,} records in", 60, "ms", 1e3),
    ("records_out", f"{RECORDS:,} records out", 60, "ms", 1e3),
    ("gather", f"gather of {GATHERED} async tools of 50 ms", 55, "ms", 1e3),
    ("save", f"save a session of {OBJECTS:,} objects", 10, "ms", 1e3),
    ("load", f"load it, first cell included", 10, "ms", 1e3),
    ("check", "`Sandbox.check`, 40 lines", 1, "ms", 1e3),
    ("pool", "`Pool.run('1+1')`", None, "ms", 1e3),
    ("memory_pool", "private memory per sandbox, 1,000 alive, each ran a cell", None, "MB", 1),
]

STEP = '''import json
import re
from collections import Counter, defaultdict

WORD = re.compile(r"[a-z]+")


def words(text):
    """The words of a text."""
    return WORD.findall(text.lower())


hits = search("sandbox", limit=5)
pages = {}
for hit in hits:
    url = hit["url"]
    if url in pages:
        continue
    try:
        pages[url] = fetch(url)
    except RuntimeError as error:
        print("skipped", url, error)

counts = Counter()
by_page = defaultdict(list)
for url, text in pages.items():
    found = words(text)
    counts.update(found)
    for word in set(found):
        by_page[word].append(url)

top = []
for word, count in counts.most_common(20):
    if len(word) > 3:
        top.append((word, count))

for word, count in top[:5]:
    print(f"{word:10} {count}")
json.dumps(top)
'''


def records():
    return [
        {"id": n, "name": f"name {n}", "score": n / 7, "active": n % 3 == 0, "group": f"g{n % 10}"} for n in range(RECORDS)
    ]


def items_cell():
    """A cell that fills a session."""
    return f"class Item:\n    def __init__(self, n): self.n = n\nitems = [Item(n) for n in range({OBJECTS})]"


def timed(action, rounds, warm_up=2):
    """The median of *rounds*, in seconds."""
    for _ in range(warm_up):
        action()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return median(times)


def private_memory(pid="self"):
    """Private bytes of a process, in MB."""
    total = 0
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Private_Dirty:"):
                total += int(line.split()[1]) * 1024
    return total / 1e6


def of_tree():
    """Private memory of this process and its children: some rivals keep their sandboxes there."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    total, todo = 0.0, [os.getpid()]
    while todo:
        pid = todo.pop()
        todo += parents.get(pid, [])
        try:
            total += private_memory(pid)
        except OSError:
            pass
    return total


def memory_of(make, count):
    """MB per sandbox with *count* alive, the first one apart."""
    kept = [make() for _ in range(3)]
    before = of_tree()
    kept += [make() for _ in range(count)]
    return (of_tree() - before) / count


# -- peers: a function each, that gives figures by name ----------------------------------------------------------------


def keelback_figures(rounds):
    import keelback

    def ok(result):
        return result.raise_for_error().value

    def one():
        box = keelback.Sandbox()
        assert ok(box.run("1+1")) == 2
        return box

    def first():
        one().close()

    yield "first", timed(first, 40 * rounds, 20)
    box = one()
    yield "live", timed(lambda: box.run("1+1"), 400 * rounds, 100)

    def add(a: int, b: int) -> int:
        return a + b

    calls = 1000
    with keelback.Sandbox(tools=[add]) as tools:
        code = f"for i in range({calls}): add(i, 1)"
        yield "tool", timed(lambda: ok(tools.run(code)), rounds * 2) / calls
    yield "memory", memory_of(one, ALIVE)

    text = "x" * TEXT
    yield "text_in", timed(lambda: box.set(text=text), rounds)
    yield "text_out", timed(lambda: box.get("text"), rounds)
    data = records()
    yield "records_in", timed(lambda: box.set(data=data), rounds)
    yield "records_out", timed(lambda: box.get("data"), rounds)
    assert box.get("data") == data
    box.close()

    async def wait(n: int) -> int:
        await asyncio.sleep(0.05)
        return n

    with keelback.Sandbox(tools=[wait]) as tools:
        code = f"import asyncio\nawait asyncio.gather(*(wait(n) for n in range({GATHERED})))"

        async def gather():
            assert ok(await tools.arun(code)) == list(range(GATHERED))

        async def gathers():
            await gather()
            times = []
            for _ in range(rounds):
                start = time.perf_counter()
                await gather()
                times.append(time.perf_counter() - start)
            return median(times)

        yield "gather", asyncio.run(gathers())

    with tempfile.TemporaryDirectory() as folder, keelback.Sandbox() as box:
        path = os.path.join(folder, "session")
        ok(box.run(items_cell()))
        yield "save", timed(lambda: box.save(path), rounds)

        def load():
            with contextlib.closing(keelback.load(path)) as again:
                assert ok(again.run("items[-1].n")) == OBJECTS - 1

        yield "load", timed(load, rounds)

    def search(query: str, limit: int = 10) -> list:
        return []

    def fetch(url: str) -> str:
        return url

    with keelback.Sandbox(tools=[search, fetch]) as box:
        assert box.check(STEP) == []
        yield "check", timed(lambda: box.check(STEP), 10 * rounds)

    with keelback.Pool(4) as pool:
        yield "pool", timed(lambda: pool.run("1+1"), 20 * rounds)
    with keelback.Pool(1000) as pool, contextlib.ExitStack() as stack:
        before = private_memory()
        for _ in range(1000):
            stack.enter_context(pool.sandbox()).run("1+1")
        yield "memory_pool", (private_memory() - before) / 1000


def monty_figures(rounds):
    from pydantic_monty import Monty

    with contextlib.ExitStack() as stack:
        monty = stack.enter_context(Monty())

        def session():
            return stack.enter_context(monty.checkout(limits={"max_suspensions": 10_000_000}))

        def first():
            with monty.checkout() as one:
                assert one.feed_run("1+1") == 2

        yield "first", timed(first, 10 * rounds)
        box = session()
        yield "live", timed(lambda: box.feed_run("1+1"), 100 * rounds, 50)
        calls = 1000
        tools = {"add": lambda a, b: a + b}
        code = f"for i in range({calls}):\n    add(i, 1)"
        yield "tool", timed(lambda: box.feed_run(code, external_lookup=tools), rounds) / calls
        text, data = "x" * TEXT, records()
        yield "text_in", timed(lambda: box.feed_run("len(text)", inputs={"text": text}), rounds)
        yield "text_out", timed(lambda: box.feed_run(f"'x' * {TEXT}"), rounds)
        yield "records_in", timed(lambda: box.feed_run("len(data)", inputs={"data": data}), rounds)
        box.feed_run("kept = data", inputs={"data": data})
        yield "records_out", timed(lambda: box.feed_run("kept"), rounds)
        box.feed_run(f"items = [[n] for n in range({OBJECTS})]")
        yield "save", timed(box.dump, rounds)
    with contextlib.ExitStack() as stack:
        monty = stack.enter_context(Monty(max_processes=ALIVE + 8))

        def make():
            one = stack.enter_context(monty.checkout())
            one.feed_run("1+1")
            return one

        yield "memory", memory_of(make, ALIVE)


def eryx_figures(rounds):
    import eryx

    def first():
        assert "2" in eryx.Sandbox().execute("print(1+1)").stdout_text

    yield "first", timed(first, rounds)

    async def add(a, b):
        return {"sum": a + b}

    box = eryx.Session(callbacks=[{"name": "add", "fn": lambda a, b: a + b, "description": "add"}])
    yield "live", timed(lambda: box.execute("print(1+1)"), 10 * rounds)
    calls = 200
    code = f"for i in range({calls}): await add(a=i, b=1)"
    yield "tool", timed(lambda: box.execute(code), rounds) / calls

    async def wait(n):
        await asyncio.sleep(0.05)
        return n

    with contextlib.suppress(Exception):
        waits = eryx.Session(callbacks=[{"name": "wait", "fn": wait, "description": "wait"}])
        code = f"import asyncio\nawait asyncio.gather(*(wait(n=n) for n in range({GATHERED})))"
        yield "gather", timed(lambda: waits.execute(code), rounds)
    data = json.dumps(records())
    yield "records_in", timed(lambda: box.execute(f"import json; data = json.loads({data!r})"), rounds)
    yield "records_out", timed(lambda: json.loads(box.execute("print(json.dumps(data))").stdout_text), rounds)
    yield "text_out", timed(lambda: box.execute(f"print('x' * {TEXT})").stdout_text, rounds)
    saved = eryx.Session()
    saved.execute(f"items = [[n] for n in range({OBJECTS})]")
    yield "save", timed(saved.snapshot_state, rounds)

    def make():
        one = eryx.Session()
        one.execute("1+1")
        return one

    yield "memory", memory_of(make, 20)


def dspy_figures(rounds):
    from dspy import PythonInterpreter

    def first():
        with PythonInterpreter() as one:
            assert str(one.execute("1+1")) == "2"

    yield "first", timed(first, rounds, 1)

    def add(a: int, b: int) -> int:
        return a + b

    with PythonInterpreter(tools={"add": add}) as box:
        yield "live", timed(lambda: box.execute("1+1"), 10 * rounds)
        calls = 200
        code = f"for i in range({calls}): add(i, 1)"
        yield "tool", timed(lambda: box.execute(code), rounds) / calls

    def make():
        one = PythonInterpreter()
        one.execute("1+1")
        return one

    yield "memory", memory_of(make, 5)


STARTS = {
    "keelback": "import keelback; assert keelback.Sandbox().run('1+1').value == 2",
    "monty": "from pydantic_monty import Monty\nwith Monty() as m, m.checkout() as s: assert s.feed_run('1+1') == 2",
    "eryx": "import eryx; assert '2' in eryx.Sandbox().execute('print(1+1)').stdout_text",
    "dspy": "from dspy import PythonInterpreter\nwith PythonInterpreter() as p: assert str(p.execute('1+1')) == '2'",
}
FIGURES = {"keelback": keelback_figures, "monty": monty_figures, "eryx": eryx_figures, "dspy": dspy_figures}
# The first use of dspy's fetches Pyodide.
PROBE_SECONDS = 120


def start_figures(peer, rounds):
    """Whole processes. The interpreter's own start is in them, so it is measured in turn and shown below the table."""
    with tempfile.TemporaryDirectory() as bytecode:
        # Compiled once, as an installer does it, whatever the caller's environment says.
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def process(code):
            command = [sys.executable, "-c", code]
            return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout

        yield "start", timed(lambda: process(STARTS[peer]), 3 * rounds)
        if peer == "keelback":
            yield "bare", timed(lambda: process("pass"), 3 * rounds)
            code = "import time; s = time.perf_counter(); import keelback; print(time.perf_counter() - s)"
            yield "import", median(float(process(code)) for _ in range(3 * rounds))


def measure(peer, rounds):
    """Figures of *peer* as JSON lines; what fails says so on standard error and leaves the rest to be seen."""
    for figures in (start_figures(peer, rounds), FIGURES[peer](rounds)):
        try:
            for name, value in figures:
                print(json.dumps([name, value]), flush=True)
        except Exception as error:
            print(f"{peer}: {type(error).__name__}: {str(error):.200}", file=sys.stderr)


def why_not(peer):
    """Why *peer* gives no first result under this Python, or None when it does."""
    try:
        probe = subprocess.run(
            [sys.executable, "-c", STARTS[peer]], capture_output=True, text=True, timeout=PROBE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"no first result within {PROBE_SECONDS} s"
    if probe.returncode == 0:
        return None
    plain = re.sub(r"\x1b\[[0-9;]*m", "", probe.stderr)
    lines = [line.strip() for line in plain.splitlines() if re.search(r"[Ee]rror: ", line)]
    return f"{lines[0]:.200}" if lines else f"its process ended with {probe.returncode}"


def measured(peer, rounds):
    """Figures of *peer*, from a process of its own."""
    output = subprocess.run(
        [sys.executable, __file__, "--measure", peer, "--rounds", str(rounds)], stdout=subprocess.PIPE, text=True
    ).stdout
    return dict(json.loads(line) for line in output.splitlines() if line.startswith("["))


def shown(value, scale):
    if value is None:
        return "—"
    value *= scale
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rivals", action="store_true", help="measure the other sandboxes too")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--measure", choices=FIGURES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        return measure(arguments.measure, arguments.rounds)
    peers = ["keelback"]
    # Deno comes as a package of Python's too, and is looked for on the search path.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    for peer in [peer for peer in FIGURES if peer != "keelback"] if arguments.rivals else []:
        reason = why_not(peer)
        if reason is None:
            peers.append(peer)
        else:
            print(f"{peer} is skipped: {reason}", file=sys.stderr)
    figures = {peer: measured(peer, arguments.rounds) for peer in peers}
    print(f"| median of rounds | target | {' | '.join(peers)} |")
    print(f"| --- | ---: | {' | '.join('---:' for _ in peers)} |")
    for name, label, target, unit, scale in ROWS:
        goal = "" if target is None else f"{target:g} {unit}"
        row = [shown(figures[peer].get(name), scale) for peer in peers]
        row[0] = f"{row[0]} {unit}"
        if target is not None and figures["keelback"].get(name, 0) * scale > target:
            row[0] += " (missed)"
        print(f"| {label} | {goal} | {' | '.join(row)} |")
    if "bare" in figures["keelback"]:
        print(f"\nOf a process's start, {figures['keelback']['bare'] * 1e3:.1f} ms are the interpreter's own.")


if __name__ == "__main__":
    main()
