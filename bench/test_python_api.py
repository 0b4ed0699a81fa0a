"""The operations of python_api.py for pytest-benchmark: its statistics, and comparisons of one commit with another.

    pytest bench/test_python_api.py [--benchmark-autosave] [--benchmark-compare]

Only times of calls are here; whole processes and memory are measured by python_api.py.
"""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from python_api import GATHERED, OBJECTS, STEP, TEXT, items_cell, records  # noqa: E402  (puts the package on the path)

import keelback  # noqa: E402

CALLS = 1000


def add(a: int, b: int) -> int:
    return a + b


async def wait(n: int) -> int:
    await asyncio.sleep(0.05)
    return n


def search(query: str, limit: int = 10) -> list:
    return []


def fetch(url: str) -> str:
    return url


@pytest.fixture
def box():
    with keelback.Sandbox(tools=[add, wait, search, fetch]) as box:
        assert box.run("1+1").value == 2
        yield box


def test_first_result(benchmark):
    def first():
        with keelback.Sandbox() as box:
            return box.run("1+1").value

    assert benchmark(first) == 2


def test_live(benchmark, box):
    assert benchmark(box.run, "1+1").value == 2


def test_1000_tool_calls(benchmark, box):
    benchmark(lambda: box.run(f"for i in range({CALLS}): add(i, 1)").raise_for_error())


def test_text_in(benchmark, box):
    text = "x" * TEXT
    benchmark(lambda: box.set(text=text))
    assert box.run(f"len(text) == {TEXT}").value is True


def test_text_out(benchmark, box):
    box.run(f"text = 'x' * {TEXT}").raise_for_error()
    assert len(benchmark(box.get, "text")) == TEXT


def test_records_in(benchmark, box):
    data = records()
    benchmark(lambda: box.set(data=data))
    assert box.get("data") == data


def test_records_out(benchmark, box):
    data = records()
    box.set(data=data)
    assert benchmark(box.get, "data") == data


def test_gather(benchmark, box):
    code = f"import asyncio\nawait asyncio.gather(*(wait(n) for n in range({GATHERED})))"
    with asyncio.Runner() as runner:
        result = benchmark.pedantic(lambda: runner.run(box.arun(code)), rounds=7, warmup_rounds=1)
    assert result.value == list(range(GATHERED))


def test_save(benchmark, box, tmp_path):
    box.run(items_cell()).raise_for_error()
    benchmark(box.save, tmp_path / "session")


def test_load(benchmark, box, tmp_path):
    box.run(items_cell()).raise_for_error()
    box.save(tmp_path / "session")

    def load():
        with keelback.load(tmp_path / "session") as again:
            return again.run("items[-1].n").value

    assert benchmark(load) == OBJECTS - 1


def test_check(benchmark, box):
    assert benchmark(box.check, STEP) == []
