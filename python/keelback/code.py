"""A Python console to embed: the standard module `code`, replaced.

`InteractiveInterpreter` runs commands in a namespace; `InteractiveConsole` puts lines together to commands, and reads
them with prompts. `interact()` does it all. Names, arguments, messages and exceptions are those of the standard module
of the Python that runs, so `from keelback import code` is all there is to change. `keelback.interact` is the console
with the full prompt.

The classes are plain Python and look `sys` and `input` up in this module, as the original's users and tests expect.
"""

import builtins
import sys
import traceback

from .codeop import CommandCompiler, compile_command

__all__ = ["InteractiveInterpreter", "InteractiveConsole", "interact", "compile_command"]

# What changed between versions.
_HAS_LAST_EXC = sys.version_info >= (3, 12)
_HAS_LOCAL_EXIT = sys.version_info >= (3, 13)
_TAKES_PROMPTS_BACK = sys.version_info >= (3, 14)
# What `compile` may raise and be shown for it.
_REFUSALS = Exception if sys.version_info >= (3, 14) else (OverflowError, SyntaxError, ValueError)
# 3.13.0 alone falls over errors without a line, such as the one for a NUL.
_NEEDS_LINE_NUMBER = sys.version_info[:3] == (3, 13, 0)

_COPYRIGHT = 'Type "help", "copyright", "credits" or "license" for more information.'


class InteractiveInterpreter:
    """Runs commands in the dict `locals`, and shows what they raise with `write`.

    Without *locals* the dict is new and its `__name__` is "__console__". `compile` is what compiles commands, a
    `CommandCompiler`.
    """

    def __init__(self, locals=None):
        self.locals = {"__name__": "__console__", "__doc__": None} if locals is None else locals
        self.compile = CommandCompiler()

    def runsource(self, source, filename="<input>", symbol="single"):
        """Run *source* if it is a whole command; True means that it is not, and that nothing was done.

        What no further line can make valid is shown by `showsyntaxerror`. Arguments are those of `compile_command`.
        Raises SystemExit when the command does.
        """
        try:
            code = self.compile(source, filename, symbol)
        except _REFUSALS:
            if _HAS_LOCAL_EXIT:
                self.showsyntaxerror(filename, source=source)
            else:
                self.showsyntaxerror(filename)
            return False
        if code is None:
            return True
        self.runcode(code)
        return False

    def runcode(self, code):
        """Run a code object. What it raises is shown by `showtraceback`, but for SystemExit, which is raised.

        A KeyboardInterrupt can also come when the code has ended: callers are to expect one.
        """
        try:
            exec(code, self.locals)
        except SystemExit:
            raise
        except:  # noqa: E722, as the interpreter's own prompt
            self.showtraceback()

    def write(self, data):
        """Write *data* to `sys.stderr`. Subclasses may write elsewhere."""
        sys.stderr.write(data)

    if _HAS_LOCAL_EXIT:

        def showsyntaxerror(self, filename=None, **kwargs):
            """Show the error that `compile` raised, without a traceback, as one in *filename* if that is given.

            *source* is where the line of the error is taken from, when the error has none.
            """
            kind, error, _ = sys.exc_info()
            try:
                if filename and issubclass(kind, SyntaxError):
                    error.filename = filename
                self._showtraceback(kind, error, None, kwargs.get("source", ""))
            finally:
                del error, _

        def showtraceback(self):
            """Show the exception that is being handled, without the first frame of its traceback, which is ours."""
            kind, error, trace = sys.exc_info()
            try:
                self._showtraceback(kind, error, trace.tb_next, "")
            finally:
                del error, trace

        def _showtraceback(self, typ, value, tb, source):
            # Subclasses override this one and the next, those of CPython among them.
            sys.last_type, sys.last_traceback = typ, tb
            value = value.with_traceback(tb)
            lines = source.splitlines()
            if source and typ is SyntaxError and not value.text:
                _fill_in_line(value, lines)
            sys.last_exc = sys.last_value = value
            if sys.excepthook is sys.__excepthook__:
                self._excepthook(typ, value, tb)
                return
            try:
                sys.excepthook(typ, value, tb)
            except SystemExit:
                raise
            except BaseException as failed:
                failed.__context__ = None
                failed = failed.with_traceback(failed.__traceback__.tb_next)
                print("Error in sys.excepthook:", file=sys.stderr)
                sys.__excepthook__(type(failed), failed, failed.__traceback__)
                print(file=sys.stderr)
                print("Original exception was:", file=sys.stderr)
                sys.__excepthook__(typ, value, tb)

        def _excepthook(self, typ, value, tb):
            self.write("".join(traceback.format_exception(typ, value, tb)))

    else:

        def showsyntaxerror(self, filename=None):
            """Show the error that `compile` raised, without a traceback, as one in *filename* if that is given."""
            kind, error, trace = sys.exc_info()
            _set_last(kind, error, trace)
            if filename and kind is SyntaxError:
                # Errors of the parser itself, which have more than these items, know their file.
                try:
                    message, (_, line_number, offset, text) = error.args
                except ValueError:
                    pass
                else:
                    error = SyntaxError(message, (filename, line_number, offset, text))
                    _set_last(kind, error, trace)
            if sys.excepthook is sys.__excepthook__:
                self.write("".join(traceback.format_exception_only(kind, error)))
            else:
                sys.excepthook(kind, error, trace)

        def showtraceback(self):
            """Show the exception that is being handled, without the first frame of its traceback, which is ours."""
            kind, error, trace = sys.exc_info()
            _set_last(kind, error, trace)
            try:
                lines = traceback.format_exception(kind, error, trace.tb_next)
                if sys.excepthook is sys.__excepthook__:
                    self.write("".join(lines))
                else:
                    sys.excepthook(kind, error, trace)
            finally:
                del error, trace


def _set_last(kind, error, trace):
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    if _HAS_LAST_EXC:
        sys.last_exc = error


def _fill_in_line(error, lines):
    """Give a SyntaxError the line it is in; those found after parsing come without."""
    if error.lineno is None and not _NEEDS_LINE_NUMBER:
        return
    if len(lines) >= error.lineno:
        error.text = lines[error.lineno - 1]


class InteractiveConsole(InteractiveInterpreter):
    """Reads lines with the prompts `sys.ps1` and `sys.ps2`, and runs the commands they make.

    `filename` is what tracebacks call the input, `buffer` the lines of a command that is not whole yet. From 3.13 on
    *local_exit* keeps `exit()`, `quit()` and SystemExit from ending more than the console.
    """

    if _HAS_LOCAL_EXIT:

        def __init__(self, locals=None, filename="<console>", *, local_exit=False):
            InteractiveInterpreter.__init__(self, locals)
            self.filename = filename
            self.local_exit = local_exit
            self.resetbuffer()

        def push(self, line, filename=None, _symbol="single"):
            """Add a line, without its line end; True when the command wants more lines, otherwise it has run.

            *filename* stands in for that of the console. The line may be several lines.
            """
            self.buffer.append(line)
            if filename is None:
                filename = self.filename
            more = self.runsource("\n".join(self.buffer), filename, symbol=_symbol)
            if not more:
                self.resetbuffer()
            return more

    else:

        def __init__(self, locals=None, filename="<console>"):
            InteractiveInterpreter.__init__(self, locals)
            self.filename = filename
            self.resetbuffer()

        def push(self, line):
            """Add a line, without its line end; True when the command wants more lines, otherwise it has run.

            The line may be several lines.
            """
            self.buffer.append(line)
            more = self.runsource("\n".join(self.buffer), self.filename)
            if not more:
                self.resetbuffer()
            return more

    def resetbuffer(self):
        """Forget the lines of a command that is not whole yet."""
        self.buffer = []

    def raw_input(self, prompt=""):
        """Ask with *prompt* for a line, by the builtin `input`; EOFError at the end. Subclasses may read elsewhere."""
        return input(prompt)

    def interact(self, banner=None, exitmsg=None):
        """Read and run commands until the input ends.

        *banner* comes first: without one, what `python` prints and the name of the class. *exitmsg* comes last:
        without one, a line that says what is left. "" stands for none, for both.

        Raises SystemExit when a command does, unless the console has `local_exit`.
        """
        made = _make_prompts()
        if banner is None:
            self.write(f"Python {sys.version} on {sys.platform}\n{_COPYRIGHT}\n({self.__class__.__name__})\n")
        elif banner:
            self.write("%s\n" % str(banner))
        if not _HAS_LOCAL_EXIT:
            self._read_and_run()
            self._leave(exitmsg)
            return
        changed = _change_quitters() if self.local_exit else {}
        try:
            self._read_and_run()
        finally:
            vars(builtins).update(changed)
            if _TAKES_PROMPTS_BACK:
                for name in made:
                    delattr(sys, name)
            self._leave(exitmsg)

    def _read_and_run(self):
        more = False
        while True:
            try:
                try:
                    line = self.raw_input(sys.ps2 if more else sys.ps1)
                except EOFError:
                    self.write("\n")
                    return
                more = self.push(line)
            except KeyboardInterrupt:
                self.write("\nKeyboardInterrupt\n")
                self.resetbuffer()
                more = False
            except SystemExit:
                if not (_HAS_LOCAL_EXIT and self.local_exit):
                    raise
                self.write("\n")
                return

    def _leave(self, message):
        if message is None:
            self.write(f"now exiting {self.__class__.__name__}...\n")
        elif message != "":
            self.write("%s\n" % message)


def _make_prompts():
    """Make `sys.ps1` and `sys.ps2` where they are missing; the names of those that were."""
    missing = [name for name in ("ps1", "ps2") if not hasattr(sys, name)]
    for name in missing:
        setattr(sys, name, {"ps1": ">>> ", "ps2": "... "}[name])
    return missing


class Quitter:
    """What `exit` and `quit` are in a console: unlike those of `site`, they leave `sys.stdin` open."""

    def __init__(self, name):
        self.name = name
        self.eof = "Ctrl-Z plus Return" if sys.platform == "win32" else "Ctrl-D (i.e. EOF)"

    def __repr__(self):
        return f"Use {self.name} or {self.eof} to exit"

    def __call__(self, code=None):
        raise SystemExit(code)


def _change_quitters():
    """Put our `exit` and `quit` in the place of those there are; the old ones by their names."""
    old = {name: getattr(builtins, name) for name in ("exit", "quit") if hasattr(builtins, name)}
    for name in old:
        setattr(builtins, name, Quitter(name))
    return {name: value for name, value in old.items() if value is not None}


def _console(banner, readfunc, exitmsg, console):
    if readfunc is not None:
        console.raw_input = readfunc
    else:
        try:
            import readline  # noqa: F401, `input` is better with it
        except ImportError:
            pass
    console.interact(banner, exitmsg)


if _HAS_LOCAL_EXIT:

    def interact(banner=None, readfunc=None, local=None, exitmsg=None, local_exit=False):
        """Open an `InteractiveConsole` on the dict *local*, and read lines with *readfunc* instead of `input`.

        *banner* and *exitmsg* are those of `InteractiveConsole.interact`, *local_exit* is that of the class. Without
        *readfunc* lines are edited by `readline`, where that is installed.
        """
        _console(banner, readfunc, exitmsg, InteractiveConsole(local, local_exit=local_exit))

else:

    def interact(banner=None, readfunc=None, local=None, exitmsg=None):
        """Open an `InteractiveConsole` on the dict *local*, and read lines with *readfunc* instead of `input`.

        *banner* and *exitmsg* are those of `InteractiveConsole.interact`. Without *readfunc* lines are edited by
        `readline`, where that is installed.
        """
        _console(banner, readfunc, exitmsg, InteractiveConsole(local))


def _main():
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("-q", action="store_true", help="don't print version and copyright messages")
    quiet = parser.parse_args().q or sys.flags.quiet
    interact("" if quiet else None)


if __name__ == "__main__":
    _main()
