#!/usr/bin/env python3
"""Runs cases.toml. Python >= 3.11, for the file.

  run_cases.py [--console 'python3.10 console.py'] [-k SUBSTRING]

The console is a program as console.py; the Python of its cases is asked for its version. Exit status 0 when all hold.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent


def differences(case, result):
    """What is not as *case* says."""
    out, place = result["out"], 0
    if "out" in case and out != case["out"]:
        yield f"shows {out[-500:]!r} instead of {case['out']!r}"
    for text in case.get("has", ()):
        found = out.find(text, place)
        if found < 0:
            yield f"lacks {text!r} in {out[-500:]!r}"
            break
        place = found
    for text in case.get("not", ()):
        if text in out:
            yield f"shows {text!r}"
    for name, wanted in case.get("ns", {}).items():
        if result["ns"].get(name) != wanted:
            yield f"{name} is {result['ns'].get(name)} instead of {wanted}"
    for name in case.get("absent", ()):
        if name in result["ns"]:
            yield f"{name} is in the namespace"
    if "prompts" in case and result["prompts"][: len(case["lines"])] != case["prompts"]:
        yield f"prompts {result['prompts']} instead of {case['prompts']}"
    if "exit" in case and result["exit"] != case["exit"]:
        yield f"ends with {result['exit']} instead of {case['exit']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--console", default=f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'console.py'))}")
    parser.add_argument("-k", default="")
    arguments = parser.parse_args()
    command = shlex.split(arguments.console)
    asked = subprocess.run([command[0], "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=True)
    version = tuple(map(int, asked.stdout.split()))

    cases = tomllib.loads((HERE / "cases.toml").read_text())["case"]
    cases = [case for case in cases if arguments.k in case["id"]]
    newer = [case["id"] for case in cases if version < tuple(map(int, re.findall(r"\d+", case.get("pyver", "3.0"))))]
    cases = [case for case in cases if case["id"] not in newer]
    typed = [[line.replace("<U+D800>", "\ud800") for line in case["lines"]] for case in cases]
    done = subprocess.run(command, input=json.dumps(typed).encode(), stdout=subprocess.PIPE, timeout=120, check=True)

    failed = 0
    for case, result in zip(cases, json.loads(done.stdout), strict=True):
        found = list(differences(case, result))
        if found:
            failed += 1
            print(f"{case['id']}: {'; '.join(found)}")
    if newer:
        print("need a newer Python:", ", ".join(newer))
    print(f"{len(cases) - failed} of {len(cases)} cases hold")
    sys.exit(failed > 0)


main()
