"""`keelback.dspy`, with dspy's own classes where dspy is installed and with the package's where it is not."""

import asyncio
import contextvars
import copy
import dataclasses
import datetime
import enum
import json
import math
import runpy
import shutil
import subprocess
import sys
import threading
import typing
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from keelback.dspy import CodeExecutionError, CodeInterpreterError, FinalOutput, PythonInterpreter  # noqa: E402

@pytest.fixture
def make():
    made = []

    def make(**options):
        made.append(PythonInterpreter(**options))
        return made[-1]

    yield make
    for interpreter in made:
        interpreter.shutdown()


@pytest.fixture
def run(make):
    return make().execute


# -- results -----------------------------------------------------------------------------------------------------------


def test_value_or_output(run):
    assert run("print('a')") == "a\n"
    assert run("x = 1") == ""
    assert run("x + 1") == 2
    assert run("None") == ""
    assert run("(1, [(2,)], {'k': (3,)})") == [1, [[2]], {"k": [3]}]


def test_values_keep_their_meaning(run):
    assert run("2**70") == 2**70
    assert run("b'abc'") == b"abc"
    assert math.isnan(run("float('nan')"))
    assert run("{1, 2}") == {1, 2}
    assert run("{1: 'a'}") == {1: "a"}
    assert run("object()").startswith("<object object at")


def test_what_was_printed_is_kept(make):
    interpreter = make()
    value = interpreter.execute("print('seen')\n5")
    assert value == 5 and value + 1 == 6 and str(value) == "seen\n5"
    text = interpreter.execute("print('seen')\n'it'")
    assert text == "it" and str(text) == "seen\nit"
    assert str(interpreter.execute("print('seen')\n{1}")) == "seen\n{1}"
    rows = interpreter.execute("print('seen')\n[1, [2]]")
    assert rows == [1, [2]] and str(rows) == "seen\n[1, [2]]" and "\n".join(map(str, rows)) == "seen\n1\n[2]"
    assert json.dumps([value, text, rows]) == '[5, "it", [1, [2]]]' and copy.deepcopy(rows) == rows
    assert interpreter.execute("print('seen')\nTrue") is True
    assert interpreter.last_result.stdout == "seen\n"
    final = interpreter.execute("print('seen')\nSUBMIT(5)")
    assert final == FinalOutput({"output": 5}) and final.stdout == "seen\n"


def test_stderr_is_kept_in_order(make):
    interpreter = make()
    assert interpreter.execute("import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')") == "a\nb\nc\n"
    assert interpreter.last_result.stderr == "b\n"


# -- errors ------------------------------------------------------------------------------------------------------------


def test_syntax_errors_say_what_and_where(run):
    with pytest.raises(SyntaxError, match="Invalid Python syntax") as caught:
        run("x = 1\ndef f(:\n    pass")
    assert caught.value.lineno == 2
    assert "invalid syntax" in str(caught.value) and "\n    def f(:\n          ^\n" in str(caught.value)
    with pytest.raises(SyntaxError):
        run("  x = 1\ny")


def test_runtime_errors_carry_type_args_and_traceback(run):
    with pytest.raises(CodeExecutionError, match=r"^ValueError: \['bad', 3\]\n") as caught:
        run("def f():\n    raise ValueError('bad', 3)\nprint('before')\nf()")
    error = caught.value
    assert (error.error_type, error.error_args, error.stdout) == ("ValueError", ["bad", 3], "before\n")
    assert "line 2, in f" in str(error) and "before" in str(error)
    assert run("1") == 1


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import sys; sys.exit(0)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class CodeInterpreterError(Exception): pass\nraise CodeInterpreterError", "CodeInterpreterError"),
    ],
)
def test_no_exception_of_the_guest_is_more_than_that(run, code, name):
    with pytest.raises(CodeExecutionError, match=name):
        run(code)
    assert run("1") == 1


def test_second_thread_is_told(make):
    interpreter = make()
    interpreter.start()
    interpreter.execute("1")
    errors = []

    def use():
        try:
            interpreter.execute("1")
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(errors) == 1 and "cannot be shared across threads" in errors[0]


def test_shutdown_is_final_and_start_is_idempotent(make):
    interpreter = make()
    interpreter.start()
    interpreter.execute("x = 1")
    interpreter.start()
    assert interpreter.execute("x") == 1
    interpreter.shutdown()
    interpreter.shutdown()
    for again in (interpreter.start, lambda: interpreter.execute("1")):
        with pytest.raises(CodeInterpreterError, match="session has ended") as caught:
            again()
        assert type(caught.value) is CodeInterpreterError


def test_lost_session_is_not_restarted(make):
    interpreter = make()
    interpreter.execute("x = 1")
    interpreter._box.close()
    with pytest.raises(CodeInterpreterError, match="interpreter state was lost"):
        interpreter.execute("x")
    with pytest.raises(CodeInterpreterError, match="session has ended"):
        interpreter.start()


def test_deno_command():
    with pytest.warns(DeprecationWarning, match="ignored"):
        assert PythonInterpreter(["deno", "run"]).deno_command == ["deno", "run"]
    with pytest.raises(TypeError, match="must be a list"):
        PythonInterpreter({"deno": "run"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PythonInterpreter()


# -- variables ---------------------------------------------------------------------------------------------------------


class Color(enum.Enum):
    RED = "red"


class Point(typing.NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Box:
    corner: Point
    color: Color


def test_variables(run):
    values = {
        "none": None, "big": 2**70, "inf": -math.inf, "raw": b"\xff", "pair": (1, (2,)), "several": {3, 1, 2},
        "mixed": {1, "a"}, "color": Color.RED, "day": datetime.date(2026, 1, 2), "box": Box(Point(1, 2), Color.RED),
        "keys": {1: {(1, 2): "t"}}, "self": "me",
    }  # fmt: skip
    assert run("(none, big, inf, raw, pair, several)", values) == [
        None, 2**70, -math.inf, b"\xff", [1, [2]], [1, 2, 3],
    ]  # fmt: skip
    assert set(run("mixed", values)) == {1, "a"}
    assert run("(color, day)", values) == ["red", "2026-01-02"]
    assert run("box['color']", values) == "red"
    assert run("keys[1][1, 2] + self", values) == "tme"
    assert math.isnan(run("n", {"n": math.nan}))


@pytest.mark.parametrize("name", ["for", "None", "1x", "a b", ""])
def test_variable_names(run, name):
    with pytest.raises(CodeInterpreterError, match="Invalid variable name"):
        run("1", {name: 1})


def test_a_variable_that_cannot_cross_is_refused_before_anything_starts(make):
    interpreter = make()
    loop = []
    loop.append(loop)
    for value in (object(), {"k": [object()]}, loop):
        with pytest.raises(CodeInterpreterError, match="Unsupported value"):
            interpreter.execute("1", {"x": value})
    assert interpreter._box is None


def test_models(run):
    pydantic = pytest.importorskip("pydantic")

    class Hit(pydantic.BaseModel):
        title: str
        when: datetime.datetime

    class Odd(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        value: object

    hit = Hit(title="t", when=datetime.datetime(2026, 1, 2))
    assert run("[h['when'] for h in hits['all']]", {"hits": {"all": [hit]}}) == ["2026-01-02T00:00:00"]
    with pytest.raises(CodeInterpreterError, match="Unable to serialize Odd as JSON"):
        run("1", {"x": Odd(value=object())})


def test_a_large_string(run):
    assert run("len(x), x[-1]", {"x": "x" * (100 << 20) + "y"})[1] == "y"


# -- files, environment, network ---------------------------------------------------------------------------------------


def test_files(make, tmp_path):
    (tmp_path / "in,put.txt").write_text("text")
    (tmp_path / "out.txt").write_text("old")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("in dir")
    box = make(
        enable_read_paths=[tmp_path / "in,put.txt", f"{tmp_path}/dir/"],
        enable_write_paths=[tmp_path / "out.txt", str(tmp_path / "new.txt")],
    )
    assert box.execute("open('/sandbox/in,put.txt').read() + open('/sandbox/dir/a.txt').read()") == "textin dir"
    box.execute("for name in ('out', 'new'): open(f'/sandbox/{name}.txt', 'w').write(name)")
    assert [(tmp_path / f"{name}.txt").read_text() for name in ("out", "new")] == ["out", "new"]


def test_files_are_never_written_back_without_sync(make, tmp_path):
    (tmp_path / "out.txt").write_text("old")
    interpreter = make(enable_write_paths=[tmp_path / "out.txt"], sync_files=False)
    interpreter.execute("open('/sandbox/out.txt', 'w').write('new')")
    assert (tmp_path / "out.txt").read_text() == "old"


def test_missing_file_to_read(make, tmp_path):
    interpreter = make(enable_read_paths=[tmp_path / "absent"])
    with pytest.raises(FileNotFoundError, match="absent"):
        interpreter.execute("1")


def test_basenames(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a" / "x")
    with pytest.raises(CodeInterpreterError, match="unique basenames"):
        PythonInterpreter(enable_read_paths=[tmp_path / "a/x"], enable_write_paths=[tmp_path / "b/x"])
    both = PythonInterpreter(enable_read_paths=["", tmp_path / "a/x"], enable_write_paths=[tmp_path / "a/x"])
    assert (both._read, both._write) == ({}, {str(tmp_path / "a/x"): "/sandbox/x"})
    names = PythonInterpreter(enable_read_paths=[tmp_path / "a/x", tmp_path / "link"])
    assert sorted(names._read.values()) == ["/sandbox/link", "/sandbox/x"]


def test_failure_to_write_back_is_reported(make, tmp_path):
    (tmp_path / "gone").mkdir()
    interpreter = make(enable_write_paths=[tmp_path / "gone" / "out.txt"])
    interpreter.start()
    shutil.rmtree(tmp_path / "gone")
    with pytest.raises(CodeInterpreterError, match=r"could not be written back: .*/sandbox/out\.txt"):
        interpreter.execute("open('/sandbox/out.txt', 'w').write('new')")


def test_environment(make, monkeypatch):
    monkeypatch.setenv("GIVEN", "1")
    monkeypatch.setenv("KEPT", "2")
    code = "import os\n[os.environ.get(name) for name in ('GIVEN', 'KEPT', 'ABSENT')]"
    assert make(enable_env_vars=["GIVEN", " ABSENT "]).execute(code) == ["1", None, None]


def test_grants_hold(make, tmp_path):
    (tmp_path / "in.txt").write_text("text")
    interpreter = make(enable_read_paths=[tmp_path / "in.txt"])
    with pytest.raises(CodeExecutionError, match="PermissionError|OSError"):
        interpreter.execute("open('/sandbox/in.txt', 'w').write('x')")
    with pytest.raises(CodeExecutionError, match="FileNotFoundError"):
        interpreter.execute(f"open({str(tmp_path / 'in.txt')!r})")
    assert (tmp_path / "in.txt").read_text() == "text"


# -- tools -------------------------------------------------------------------------------------------------------------


def test_calls(make):
    def search(query: str, limit: int = 10, *, tags: list = [None], **more):  # noqa: B006
        return [query, limit, tags, more]

    def odd(first, /, *rest):
        return [first, *rest]

    run = make(tools={"search": search, "odd": odd, "size": len}).execute
    assert run("search('q')") == ["q", 10, [None], {}]
    assert run("search(limit=1, query='q', tags=[2], other=3)") == ["q", 1, [2], {"other": 3}]
    assert run("odd(1, 2, 3) + odd(4)") == [1, 2, 3, 4]
    assert run("size([1, 2])") == 2
    with pytest.raises(CodeExecutionError, match="TypeError.*missing 1 required positional argument"):
        run("search()")
    with pytest.raises(CodeExecutionError, match="TypeError"):
        run("search('q', limit='many')")


def test_defaults_that_say_more_than_their_annotation(make):
    marker = object()

    def tool(limit: int = None, where=marker, deep: dict = {"a": {"b": None}}):  # noqa: B006
        return [limit, where is marker, deep]

    assert make(tools={"tool": tool}).execute("tool()") == [None, True, {"a": {"b": None}}]


def test_string_annotations_and_parameters():
    def tool(a: "str", b: "list[int]" = (), c: "int | None" = None):
        pass

    assert PythonInterpreter()._extract_parameters(tool) == [
        {"name": "a", "type": "str"}, {"name": "b", "default": ()}, {"name": "c", "default": None},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""), ("s", "s"), (4, 4), (True, True), ([None, (1,)], [None, [1]]), ({1: 2}, {"1": 2}),
        (math.nan, "nan"), (Point(1, 2), {"x": 1, "y": 2}), (Box(Point(1, 2), Color.RED), {"corner": [1, 2]}),
        (datetime.date(2026, 1, 2), "2026-01-02"), ({3}, [3]), (2**70, 2**70),
    ],
)  # fmt: skip
def test_results(make, value, expected):
    result = make(tools={"tool": lambda: value}).execute("[tool()]")[0]
    assert result == expected or (isinstance(value, Box) and result["color"] == "red")


def test_a_result_without_json_is_its_str(make):
    class Custom:
        def __str__(self):
            return "custom"

    assert make(tools={"tool": Custom}).execute("tool()") == "custom"


def test_async_tools(make):
    async def tool(x):
        await asyncio.sleep(0)
        return x + 1

    interpreter = make(tools={"tool": tool})
    assert interpreter.execute("tool(1)") == 2

    async def inside():
        return interpreter.execute("tool(2)")

    assert asyncio.run(inside()) == 3


def test_tool_errors(make, tmp_path):
    def tool(kind):
        if kind == "file":
            (tmp_path / "absent").read_text()
        raise ValueError("bad value")

    interpreter = make(tools={"tool": tool})
    code = "try: tool('x')\nexcept RuntimeError as error: said = str(error)\nsaid"
    assert interpreter.execute(code) == "ValueError: bad value"
    with pytest.raises(CodeExecutionError, match="RuntimeError.*FileNotFoundError") as caught:
        interpreter.execute("tool('file')")
    assert str(tmp_path) not in str(caught.value) and __file__ not in str(caught.value)


def test_a_tool_cannot_reenter(make):
    interpreter = make()
    interpreter.tools["again"] = lambda: interpreter.execute("1")
    with pytest.raises(CodeExecutionError, match="cannot execute recursively"):
        interpreter.execute("again()")
    assert interpreter.execute("1") == 1


def test_tools_may_change(make):
    tools = {"one": lambda: 1}
    interpreter = make(tools=tools)
    tools["two"] = lambda: 2
    assert "two" not in interpreter.tools
    assert interpreter.execute("one()") == 1
    interpreter.tools.update(two=lambda: 22, one=lambda x: x)
    assert interpreter.execute("one(5) + two()") == 27
    del interpreter.tools["one"]
    with pytest.raises(CodeExecutionError, match="NameError"):
        interpreter.execute("one(5)")
    interpreter.output_fields = [{"name": "answer", "type": "str"}]
    interpreter._tools_registered = False
    assert interpreter.execute("SUBMIT(answer='a')").output == {"answer": "a"}


# -- SUBMIT ------------------------------------------------------------------------------------------------------------

FIELDS = [{"name": "answer", "type": "str"}, {"name": "score", "type": "float"}, {"name": "any"}]


def test_submit(make):
    run = make(output_fields=FIELDS).execute
    expected = FinalOutput({"answer": "a", "score": 1, "any": [1, 2]})
    assert run("SUBMIT('a', 1, any=(1, 2))\nprint('not reached')") == expected
    assert run("def f(): SUBMIT('a', 1, (1, 2))\nf()") == expected
    with pytest.raises(CodeExecutionError, match="TypeError.*missing 1 required positional argument: 'any'"):
        run("SUBMIT('a', 1.5)")
    with pytest.raises(CodeExecutionError, match="TypeError"):
        run("SUBMIT('a', 'high', 2)")
    with pytest.raises(CodeExecutionError, match="TypeError"):
        run("SUBMIT('a', 1.5, 2, more=1)")
    assert run("try: SUBMIT(1, 1, 1)\nexcept TypeError: said = 'caught'\nsaid") == "caught"


def test_submit_of_one_value(run):
    assert run("SUBMIT([1, None])") == FinalOutput({"output": [1, None]})
    with pytest.raises(CodeExecutionError, match="TypeError"):
        run("SUBMIT(1, 2)")


def test_submit_is_not_swallowed_and_not_faked(run):
    assert run("try: SUBMIT(1)\nexcept: pass") == FinalOutput({"output": 1})
    with pytest.raises(CodeExecutionError, match="FinalOutput"):
        run("class FinalOutput(BaseException): pass\nraise FinalOutput({'output': 2})")


def test_submit_ends_the_code_at_once(make, tmp_path):
    run = make(tools={"tell": (told := []).append}).execute
    assert run("while True:\n  try: SUBMIT(1)\n  except: pass\n  finally: tell('still here')").output == {"output": 1}
    assert told == []


def test_submit_names(make):
    with pytest.raises(CodeInterpreterError, match="Invalid output field name"):
        make(output_fields=[{"name": "class"}]).execute("1")


# -- callbacks and dspy itself -----------------------------------------------------------------------------------------


class Handler:
    def __init__(self):
        self.seen = []

    def __getattr__(self, name):
        if not name.startswith("on_interpreter_"):
            raise AttributeError(name)
        return lambda **details: self.seen.append((name.removeprefix("on_interpreter_"), details))


def test_callbacks(make):
    handler = Handler()
    interpreter = make(tools={"tool": lambda x=1: x}, callbacks=[handler])
    interpreter.execute("tool()", variables={"y": 1})
    interpreter.shutdown()
    names = [name for name, _ in handler.seen]
    assert names == [
        "execute_start", "startup_start", "startup_end", "tool_call_start", "tool_call_end", "execute_end",
        "shutdown_start", "shutdown_end",
    ]  # fmt: skip
    started, ended = handler.seen[0][1], handler.seen[5][1]
    assert started["inputs"] == {"code": "tool()", "variables": {"y": 1}} and started["instance"] is interpreter
    assert ended["call_id"] == started["call_id"] and ended["outputs"] == 1 and ended["exception"] is None
    assert handler.seen[3][1]["inputs"] == {"tool_name": "tool", "kwargs": {"x": 1}}


def test_callbacks_hear_of_exceptions_and_cannot_break_anything(make):
    class Broken(Handler):
        def on_interpreter_execute_start(self, **details):
            raise ValueError

    handler = Broken()
    with pytest.raises(CodeExecutionError) as caught:
        make(callbacks=[handler]).execute("1/0")
    assert handler.seen[-1][1]["exception"] is caught.value


def test_with_dspy_installed_its_classes_are_used():
    dspy = pytest.importorskip("dspy")
    from dspy.primitives import code_interpreter

    assert (CodeExecutionError, CodeInterpreterError, FinalOutput) == (
        code_interpreter.CodeExecutionError, code_interpreter.CodeInterpreterError, code_interpreter.FinalOutput,
    )  # fmt: skip
    assert isinstance(PythonInterpreter(), dspy.CodeInterpreter)
    with dspy.context(interpreter_factory=PythonInterpreter):
        assert code_interpreter.resolve_interpreter_factory() is PythonInterpreter


def test_the_example_of_rlm(capsys):
    """A whole dspy.RLM: its prompts, its tools, its SUBMIT."""
    pytest.importorskip("dspy")
    main = runpy.run_path(str(ROOT / "examples" / "rlm.py"))["main"]
    result = main()
    assert (result.month, result.total, len(result.trajectory)) == ("November", 7765, 4)
    printed = capsys.readouterr().out
    assert "KeyError: '2026-01'" in printed and "sub-model is asked: Name of month 2026-11?" in printed


def test_dspys_settings_reach_tools_in_another_thread(make):
    """The sandbox may call tools from a thread of its own."""
    variable = contextvars.ContextVar("variable", default="unset")
    interpreter = make(tools={"tool": lambda: variable.get()})
    interpreter._owner_thread = -1
    variable.set("set")
    interpreter._context = contextvars.copy_context()
    tool = interpreter._tool("tool", interpreter.tools["tool"])
    heard = []
    thread = threading.Thread(target=lambda: heard.append(tool.function()))
    thread.start()
    thread.join()
    assert heard == ["set"]


def test_without_dspy_the_shape_is_the_same():
    code = (
        "import sys; sys.modules['dspy'] = None; sys.path[:0] = sys.argv[1:]\n"
        "import keelback.dspy as k\n"
        "assert issubclass(k.CodeExecutionError, k.CodeInterpreterError)\n"
        "assert issubclass(k.CodeInterpreterError, RuntimeError)\n"
        "assert repr(k.FinalOutput(1)) == 'FinalOutput(1)'\n"
        "assert k.FinalOutput(1) == k.FinalOutput(1) != k.FinalOutput(2)\n"
        "seen = []\n"
        "class Handler:\n"
        "    def __getattr__(self, name): return lambda **details: seen.append((name, details))\n"
        "with k.PythonInterpreter(callbacks=[Handler()]) as p: assert p.execute('1 + 1') == 2\n"
        "assert [name for name, _ in seen][:2] == ['on_interpreter_execute_start', 'on_interpreter_startup_start']\n"
        "assert seen[0][1]['inputs'] == {'code': '1 + 1', 'variables': None}\n"
        "assert not [name for name in sys.modules if name.startswith('pydantic')]\n"
    )
    here = Path(__file__).parent
    subprocess.run([sys.executable, "-c", code, str(ROOT / "python"), str(here)], check=True)
