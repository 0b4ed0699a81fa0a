"""A drop-in for `dspy.PythonInterpreter` that runs the code in a keelback sandbox: no Deno, no Pyodide, no downloads.

    import dspy, keelback.dspy
    dspy.configure(interpreter_factory=keelback.dspy.PythonInterpreter)

Constructor, methods, results and exceptions are dspy's; `docs/dspy.md` shows its use, `docs/divergences.md` lists where
it differs on purpose. dspy itself need not be installed.
"""

from ._interpreter import PythonInterpreter
from ._types import CodeExecutionError, CodeInterpreterError, FinalOutput

__all__ = ["CodeExecutionError", "CodeInterpreterError", "FinalOutput", "PythonInterpreter"]
