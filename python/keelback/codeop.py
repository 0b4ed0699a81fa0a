"""Compile commands as they are typed, and tell when one goes on: the standard module `codeop`, replaced.

`compile_command(source)` gives a code object for a whole command, None for one that further lines could finish, and
raises SyntaxError, ValueError or OverflowError for one that none could. `CommandCompiler()` makes a callable that does
the same and keeps the `from __future__` statements it has seen; `Compile()` one that does so in place of `compile`.

What differs between versions of Python is as in the standard module of the one that runs.
"""

import __future__
import sys
import warnings

__all__ = ["compile_command", "Compile", "CommandCompiler"]

# `compile` takes these bits beside the public ones of `ast`.
PyCF_DONT_IMPLY_DEDENT = 0x200
PyCF_ALLOW_INCOMPLETE_INPUT = 0x4000
_PARTIAL = PyCF_DONT_IMPLY_DEDENT | PyCF_ALLOW_INCOMPLETE_INPUT

# Since 3.14 the parser alone may be asked for.
_HAS_FLAGS = sys.version_info >= (3, 14)
if _HAS_FLAGS:
    PyCF_ONLY_AST = 0x400
# Since 3.11 a command known to be whole is compiled without those bits.
_HAS_WHOLE = sys.version_info >= (3, 11)

_features = [getattr(__future__, name) for name in __future__.all_feature_names]

if sys.version_info >= (3, 13):

    def _is_incomplete(error):
        return isinstance(error, _IncompleteInputError)  # noqa: F821, a builtin

else:

    def _is_incomplete(error):
        return "incomplete input" in str(error)


def _is_blank(source):
    """Whether there is nothing but comments in *source*."""
    lines = map(str.strip, source.split("\n"))
    return all(not line or line.startswith("#") for line in lines)


# The names of this function and of `_compile` are seen in tracebacks that a custom `sys.excepthook` gets.
def _maybe_compile(compiler, source, filename, symbol, flags=0):
    if symbol != "eval" and _is_blank(source):
        source = "pass"
    options = {"flags": flags} if _HAS_FLAGS else {}
    # A command is compiled up to three times; only the last, whose result counts, may warn.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (SyntaxWarning, DeprecationWarning))
        try:
            compiler(source, filename, symbol, **options)
        except SyntaxError:
            # Whole with one more line end, or in want of something else: further lines may come.
            try:
                compiler(source + "\n", filename, symbol, **options)
                return None
            except SyntaxError as error:
                if _is_incomplete(error):
                    return None
    if _HAS_WHOLE:
        return compiler(source, filename, symbol, incomplete_input=False)
    return compiler(source, filename, symbol)


if _HAS_FLAGS:

    def _compile(source, filename, symbol, incomplete_input=True, *, flags=0):
        return compile(source, filename, symbol, flags | _PARTIAL if incomplete_input else flags)

    def compile_command(source, filename="<input>", symbol="single", flags=0):
        """Compile a command: a code object, or None when further lines could finish it.

        *filename* is told in tracebacks; *symbol* is "single" (what a prompt runs), "exec" or "eval"; *flags* are
        those of `compile`. Raises SyntaxError, ValueError or OverflowError when no further line could make it valid.
        """
        return _maybe_compile(_compile, source, filename, symbol, flags)

else:

    def _compile(source, filename, symbol, incomplete_input=True):
        return compile(source, filename, symbol, _PARTIAL if incomplete_input else 0)

    def compile_command(source, filename="<input>", symbol="single"):
        """Compile a command: a code object, or None when further lines could finish it.

        *filename* is told in tracebacks; *symbol* is "single" (what a prompt runs), "exec" or "eval".
        Raises SyntaxError, ValueError or OverflowError when no further line could make it valid.
        """
        return _maybe_compile(_compile, source, filename, symbol)


class Compile:
    """As the builtin `compile`, with a memory: `from __future__` statements hold for all that is compiled after them.

    `flags` are those of `compile`, as far as it has learned them.
    """

    def __init__(self):
        self.flags = _PARTIAL

    def _learn(self, code):
        for feature in _features:
            if code.co_flags & feature.compiler_flag:
                self.flags |= feature.compiler_flag
        return code

    if _HAS_FLAGS:

        def __call__(self, source, filename, symbol, flags=0, **kwargs):
            flags |= self.flags
            if kwargs.get("incomplete_input", True) is False:
                flags &= ~_PARTIAL
            made = compile(source, filename, symbol, flags, True)
            return made if flags & PyCF_ONLY_AST else self._learn(made)

    elif _HAS_WHOLE:

        def __call__(self, source, filename, symbol, **kwargs):
            flags = self.flags
            if kwargs.get("incomplete_input", True) is False:
                flags &= ~_PARTIAL
            return self._learn(compile(source, filename, symbol, flags, True))

    else:

        def __call__(self, source, filename, symbol):
            return self._learn(compile(source, filename, symbol, self.flags, True))


class CommandCompiler:
    """As `compile_command`, with a memory: `from __future__` statements hold for all commands after them.

    `compiler` is the `Compile` it uses.
    """

    def __init__(self):
        self.compiler = Compile()

    def __call__(self, source, filename="<input>", symbol="single"):
        """Compile a command: a code object, or None when further lines could finish it.

        Raises SyntaxError, ValueError or OverflowError when no further line could make it valid.
        """
        flags = self.compiler.flags if _HAS_FLAGS else 0
        return _maybe_compile(self.compiler, source, filename, symbol, flags)
