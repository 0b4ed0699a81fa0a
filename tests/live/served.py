"""As console.py, with sessions of a served program over a Unix socket.

  served.py [uvloop]
"""

import asyncio
import builtins
import json
import os
import sys
import tempfile
import threading
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent / "python"), str(TESTS / "python")]

import keelback  # noqa: E402
from keelback._lines import Lines  # noqa: E402
from served_client import Client  # noqa: E402


def type_lines(client, lines):
    """What the cells of *lines* show, the prompts, and the status of an exit."""
    shown, typed, prompts = "", Lines(), ""
    for line in lines:
        prompts += "2" if typed else "1"
        cell = typed.push(line)
        if cell is None:
            continue
        outcome, text = client.eval(cell)
        shown += text
        if isinstance(outcome, dict):
            return shown, prompts, str(outcome["exit"]["status"])
    return shown, prompts, None


def repr_of(value):
    try:
        return repr(value)
    except Exception:
        return "<its repr fails>"


async def run_case(lines, path):
    namespace = {"__name__": "__main__", "asyncio": asyncio, "__builtins__": builtins}
    ended = asyncio.get_running_loop().create_future()

    def use():
        with Client(path) as client:
            client.open("console")
            result = type_lines(client, lines)
        loop.call_soon_threadsafe(ended.set_result, result)

    loop = asyncio.get_running_loop()
    async with keelback.serve(namespace, path):
        # Not a thread of the loop's own executor, which cases look at.
        thread = threading.Thread(target=use, daemon=True)
        thread.start()
        shown, prompts, status = await ended
    thread.join()
    names = {str(name): repr_of(value) for name, value in list(namespace.items())}
    return {"out": shown, "prompts": prompts, "ns": names, "exit": status}


def main():
    if sys.argv[1:] == ["uvloop"]:
        import uvloop

        uvloop.install()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        for lines in json.load(sys.stdin):
            for name in ("last_exc", "last_type", "last_value", "last_traceback"):
                vars(sys).pop(name, None)
            results.append(asyncio.run(run_case(lines, os.path.join(folder, "run", "case.sock"))))
    json.dump(results, sys.stdout)


main()
