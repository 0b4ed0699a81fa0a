"""The command line of `keelback` on the installed interpreter: the arguments of `python3`, and the prompt after them."""

import os
import sys

from ._front import new_session, prompt_texts
from ._terminal import Terminal


def main(arguments, *, use_startup=True):
    """As `python3 ARGUMENTS`, with our prompt; the exit status.

    *arguments* are those after the program's name: [-i] [-q] [--no-async] [-c CODE | -m MODULE | FILE | -] [ARGUMENT ...].
    """
    quiet, top_level_await = False, True
    inspect = bool(os.environ.get("PYTHONINSPECT"))
    code = module = filename = None
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        option = rest.pop(0)
        if option == "--":
            break
        if option in ("--async", "--no-async"):
            top_level_await = option == "--async"
            continue
        if option in ("-c", "-m"):
            if not rest:
                print(f"keelback: error: {option} wants an argument", file=sys.stderr)
                return 2
            if option == "-c":
                code = rest.pop(0)
            else:
                module = rest.pop(0)
            break
        for letter in option[1:]:
            if letter == "i":
                inspect = True
            elif letter == "q":
                quiet = True
            else:
                print(f"keelback: error: `{option}` is not an option: see `keelback --help`", file=sys.stderr)
                return 2
    if code is None and module is None and rest:
        filename = rest.pop(0)
    main_module = type(sys)("__main__")
    namespace = main_module.__dict__
    namespace.update(__builtins__=sys.modules["builtins"], __annotations__={})
    sys.modules["__main__"] = main_module
    terminal = sys.stdin is not None and sys.stdin.isatty()
    status = 0
    if code is not None or module is not None or filename is not None or not terminal:
        status = _run_program(namespace, code, module, filename, rest)
        if not inspect and not os.environ.get("PYTHONINSPECT"):
            return status
    else:
        sys.argv = [""]
        _first_path("")
    if filename is None and code is None and module is None and use_startup:
        _run_startup(namespace)
    if not terminal and not inspect:
        return status
    if _is_basic():
        return _basic(namespace, quiet, top_level_await)
    banner = None if quiet or filename is not None or code is not None else _banner()
    return Terminal(namespace, banner, top_level_await).run()


def _first_path(entry):
    # In the place of the folder that the command itself is in.
    if not getattr(sys.flags, "safe_path", False):
        sys.path[:1] = [entry]


def _banner(hint=":help lists commands, "):
    return f"keelback {_version()}, Python {sys.version.split()[0]}; {hint}Ctrl-D leaves"


def _version():
    from ._native import VERSION

    return VERSION


def _is_basic():
    """Whether the terminal cannot have the full prompt, or nobody wants it."""
    if os.environ.get("PYTHON_BASIC_REPL") or not sys.stdin.isatty() or not sys.stdout.isatty():
        return True
    if os.environ.get("TERM", "") in ("", "dumb"):
        print("keelback: this terminal cannot move its cursor (TERM): a plain prompt, line by line", file=sys.stderr)
        return True
    return False


def _run_program(namespace, code, module, filename, rest):
    """Run what the command line names as `__main__`; the exit status."""
    session = new_session(namespace)
    if module is not None:
        sys.argv = ["-m", *rest]
        _first_path(os.getcwd())
        source, name = f"import runpy; runpy._run_module_as_main({module!r})", "<string>"
    elif code is not None:
        sys.argv = ["-c", *rest]
        _first_path("")
        source, name = code, "<string>"
    elif filename in (None, "-"):
        sys.argv = ["-" if filename else "", *rest]
        _first_path("")
        source, name = sys.stdin.read(), "<stdin>"
    else:
        sys.argv = [filename, *rest]
        _first_path(os.path.dirname(os.path.realpath(filename)))
        try:
            import tokenize

            with tokenize.open(filename) as file:
                source = file.read()
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            print(f"keelback: error: cannot read `{filename}`: {reason}", file=sys.stderr)
            return 2
        # As python3 has it, so that `__file__` and tracebacks are right after os.chdir().
        name = os.path.join(os.getcwd(), filename)
    outcome = session.run(source, name, mode="program")
    sys.stdout.flush()
    if outcome[0] in ("raised", "invalid"):
        sys.stderr.write(outcome[1]["traceback"])
        return 1
    if outcome[0] == "exit":
        if outcome[2] is not None:
            print(outcome[2], file=sys.stderr)
        return outcome[1]
    return 0


def _run_startup(namespace):
    """Run the file that PYTHONSTARTUP names, in the prompt's namespace."""
    path = os.environ.get("PYTHONSTARTUP")
    if not path:
        return
    try:
        import tokenize

        with tokenize.open(path) as file:
            source = file.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        print(f"Could not open PYTHONSTARTUP\n{type(error).__name__}: {error}", file=sys.stderr)
        return
    outcome = new_session(namespace).run(source, path, mode="program")
    namespace.pop("__file__", None)
    if outcome[0] in ("raised", "invalid"):
        sys.stderr.write(outcome[1]["traceback"])


def _basic(namespace, quiet, top_level_await):
    """A prompt line by line, for terminals without a cursor and for pipes."""
    from ._lines import Lines

    session = new_session(namespace)
    session.top_level_await = top_level_await
    lines = Lines()
    if not quiet:
        print(_banner(hint=""))  # commands are the full prompt's
    while True:
        try:
            line = input(prompt_texts()[bool(lines)])
        except EOFError:
            print()
            return 0
        except KeyboardInterrupt:
            print("\nKeyboardInterrupt")
            lines.clear()
            continue
        if not lines and line.strip() in ("exit", "quit") and line.strip() not in namespace:
            return 0
        source = lines.push(line)
        if source is None:
            continue
        try:
            outcome = session.run(source, mode="interactive")
        except KeyboardInterrupt as error:
            outcome = session.failed(error)
        if outcome[0] in ("raised", "invalid"):
            sys.stderr.write(outcome[1]["traceback"])
        elif outcome[0] == "exit":
            if outcome[2] is not None:
                print(outcome[2], file=sys.stderr)
            return outcome[1]
