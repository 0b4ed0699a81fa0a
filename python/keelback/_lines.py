"""Cells typed line by line, by the rules of `codeop`: a block is over at an empty line."""

import ast
import codeop

__all__ = ["Lines", "is_whole"]


def is_whole(source, flags):
    """Whether lines are a cell (True), or want more (False). Raises what compiling raises. *flags* are of the compiler."""
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | flags
    return compiler(source, "<input>", "single") is not None


class Lines:
    """Lines that are not a cell yet."""

    def __init__(self):
        self._lines = []
        self._compiler = codeop.CommandCompiler()
        self._compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    def __bool__(self):
        return bool(self._lines)

    def push(self, line):
        """Add a line without its newline. The cell, or None while it wants more lines."""
        self._lines.append(line)
        source = "\n".join(self._lines)
        flags = self._compiler.compiler.flags
        try:
            if self._compiler(source, "<input>", "single") is None:
                return None
        except Exception:
            pass  # no further line makes it valid: whoever runs it says why
        finally:
            self._compiler.compiler.flags = flags
        self._lines.clear()
        return source

    def clear(self):
        self._lines.clear()
