"""dspy's own classes where dspy is installed, classes of the same names and shape where it is not.

`isinstance` and `except` then mean the same in both worlds: nothing here wraps or copies a class of dspy.
"""

import functools
import logging
import uuid

try:
    import dspy.primitives.code_interpreter as _dspy
except ImportError:
    _dspy = None

__all__ = ["CodeExecutionError", "CodeInterpreterError", "FinalOutput", "with_callbacks"]

if _dspy is not None:
    CodeInterpreterError = _dspy.CodeInterpreterError
    FinalOutput = _dspy.FinalOutput
else:

    class CodeInterpreterError(RuntimeError):
        """What the submitted code cannot repair: a wrong set-up, a lost session."""

    class FinalOutput:
        """What `execute` returns when the code called SUBMIT; the fields are in `output`."""

        def __init__(self, output):
            self.output = output

        def __repr__(self):
            return f"FinalOutput({self.output!r})"

        def __eq__(self, other):
            return self.output == other.output if isinstance(other, FinalOutput) else NotImplemented

        __hash__ = None


if hasattr(_dspy, "CodeExecutionError"):
    CodeExecutionError = _dspy.CodeExecutionError
else:  # no dspy, or one from before 3.4

    class CodeExecutionError(CodeInterpreterError):
        """The submitted code raised; the session goes on."""


# The word dspy's callbacks have for each method.
_OPERATIONS = {"execute": "execute", "invoke_tool": "tool_call", "start": "startup", "shutdown": "shutdown"}

_logger = logging.getLogger(__name__)


def _own_with_callbacks(method):
    """Tell the handlers in `self.callbacks` before and after *method*, as dspy's decorator does."""
    operation = _OPERATIONS[method.__name__]
    names = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    defaults = dict(zip(reversed(names), reversed(method.__defaults__ or ()), strict=False))

    def tell(handlers, moment, **details):
        for handler in handlers:
            try:
                getattr(handler, f"on_interpreter_{operation}_{moment}")(**details)
            except Exception as error:  # a handler never decides what happens to the code
                _logger.warning("callback %r failed: %s", handler, error)

    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        handlers = self.callbacks
        if not handlers:
            return method(self, *args, **kwargs)
        call_id = uuid.uuid4().hex
        inputs = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
        tell(handlers, "start", call_id=call_id, instance=self, inputs=inputs)
        outputs = exception = None
        try:
            outputs = method(self, *args, **kwargs)
            return outputs
        except BaseException as error:
            exception = error
            raise
        finally:
            tell(handlers, "end", call_id=call_id, outputs=outputs, exception=exception)

    return wrapper


with_callbacks = _own_with_callbacks
if hasattr(_dspy, "CodeExecutionError"):
    # Since 3.4 dspy tells its handlers of interpreters too, the global ones of `dspy.configure` included.
    from dspy.utils.callback import with_callbacks
