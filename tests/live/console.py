"""Types the lines of cases at sessions in this process: a JSON list of cases on stdin, one of results on stdout.

  console.py [uvloop]

A case is a list of lines; a result is {"out", "prompts", "ns", "exit"}, as cases.toml has it.
"""

import asyncio
import builtins
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from keelback._lines import Lines  # noqa: E402
from keelback._live import Live  # noqa: E402


async def type_lines(lines):
    namespace = {"__name__": "__main__", "asyncio": asyncio, "__builtins__": builtins}
    written = []
    live = Live(namespace, name="console")
    live.route(lambda name, text: written.append(text))
    typed, prompts, status = Lines(), "", None
    for line in lines:
        prompts += "2" if typed else "1"
        cell = typed.push(line)
        if cell is None:
            continue
        outcome = await live.run(cell)
        if outcome[0] in ("raised", "invalid"):
            written.append(outcome[1]["traceback"])
        elif outcome[0] == "exit":
            status = str(outcome[1])
            break
    live.close()
    shown = {str(name): repr_of(value) for name, value in list(namespace.items())}
    return {"out": "".join(written), "prompts": prompts, "ns": shown, "exit": status}


def repr_of(value):
    try:
        return repr(value)
    except Exception:
        return "<its repr fails>"


def main():
    if sys.argv[1:] == ["uvloop"]:
        import uvloop

        uvloop.install()
    results = []
    for lines in json.load(sys.stdin):
        for name in ("last_exc", "last_type", "last_value", "last_traceback"):
            vars(sys).pop(name, None)
        results.append(asyncio.run(type_lines(lines)))
    json.dump(results, sys.stdout)


main()
