"""The terminal prompt on the interpreter this package is installed in: what `keelback` and `python -m keelback` open.

The prompt itself (keys, history, screen) is native; this file runs cells, in the main thread and in one event loop
that lives as long as the prompt, and answers what the prompt asks of the session. A program's own use of the terminal
(`input()`, `pdb`, full-screen programs) finds it as it was before the prompt.

The prompt is shown before what runs cells is imported: that costs more than all else at the start, and is done while
the user begins to type. So modules are imported where they are used here.
"""

import io
import os
import sys

_PROMPTS = {"ps1": ">>> ", "ps2": "... "}


def _new_session(namespace, run_awaitable=None):
    from ._session import Session, hide_frames_of

    hide_frames_of(__file__)
    hide_frames_of(_new_session.__code__.co_filename)
    return Session(namespace, run_awaitable)


def _prompts():
    """The texts of `sys.ps1` and `sys.ps2`, which are made if they are not there."""
    if not hasattr(sys, "ps1") and not hasattr(sys, "ps2"):
        vars(sys).update(_PROMPTS)
        return tuple(_PROMPTS.values())
    from ._session import prompts, set_prompts

    set_prompts()
    return prompts()


def _in_main_thread():
    import threading

    return threading.current_thread() is threading.main_thread()


class _Ahead:
    """Imports what the first cell and the first completion need, while the prompt waits without the lock.

    A thread below `threading`, which it must not import: up to Python 3.12 that takes its first importer for the main
    thread.
    """

    def __init__(self):
        import _thread

        self._done = _thread.allocate_lock()
        self._done.acquire()
        _thread.start_new_thread(self._run, ())

    def _run(self):
        try:
            from . import _assist, _session  # noqa: F401
        except BaseException:
            pass  # whoever needs it imports it again, and is told
        finally:
            self._done.release()

    def join(self):
        with self._done:
            pass


class _Above(io.RawIOBase):
    """What stdout and stderr write to: the terminal, above the prompt while one waits there."""

    def __init__(self, fd, terminal):
        self._fd = fd
        self._terminal = terminal

    def writable(self):
        return True

    def fileno(self):
        return self._fd

    def isatty(self):
        return os.isatty(self._fd)

    def write(self, data):
        terminal = self._terminal
        data = bytes(data)
        if terminal.waiting and os.getpid() == terminal.pid:
            terminal.native.above(data)
            return len(data)
        return os.write(self._fd, data)


def _stream(old, fd, terminal):
    """A text stream as *old* that writes above the prompt; *old* itself when it is not the process's own."""
    if not isinstance(old, io.TextIOWrapper) or old.closed:
        return old
    try:
        if old.fileno() != fd or not os.isatty(fd):
            return old
    except (OSError, ValueError):
        return old
    old.flush()
    buffer = io.BufferedWriter(_Above(fd, terminal))
    return io.TextIOWrapper(buffer, encoding=old.encoding, errors=old.errors, line_buffering=True)


class Terminal:
    """A prompt in this process's terminal, before *namespace*."""

    def __init__(self, namespace, banner=None, top_level_await=True):
        from . import _native

        self.pid = os.getpid()
        self.waiting = False
        self.loop = None
        self.namespace = namespace
        self.top_level_await = top_level_await
        self._session = None
        self._assist = None
        self._cut = False
        self.native = _native.Terminal(self, banner)
        self.streams = sys.stdout, sys.stderr
        self.used = _stream(sys.stdout, 1, self), _stream(sys.stderr, 2, self)

    @property
    def session(self):
        if self._session is None:
            self._session = _new_session(self.namespace, self.run_awaitable)
            self._session.top_level_await = self.top_level_await
            self._session.show = self.show
            self._session.pretty = self.pretty
        return self._session

    # -- the main loop ---------------------------------------------------------------------------------------------

    def run(self):
        """Show the prompt and run cells until the user leaves; the exit status."""
        sys.stdout, sys.stderr = self.used
        ahead = None
        try:
            self.native.begin(*_prompts())
            flow = self.native.step()
            ahead = _Ahead()
            while True:
                try:
                    if flow is None:
                        flow = self.wait()
                    # A cell may fork, which must not be while another thread imports.
                    ahead.join()
                    if flow[0] == "leave":
                        return flow[1]
                    code = self.run_cell(*flow[1:])
                    if code is not None:
                        return code
                except KeyboardInterrupt:
                    # SIGINT from elsewhere, or Ctrl-C on the way from the prompt to the cell or back.
                    self.native.interrupt()
                flow = None
        finally:
            self.native.close()
            if ahead is not None:
                ahead.join()
            for stream in self.used:
                try:
                    stream.flush()
                except (OSError, ValueError):
                    pass
            if (sys.stdout, sys.stderr) == self.used:
                sys.stdout, sys.stderr = self.streams
            self.close_loop()

    def wait(self):
        self.waiting = True
        woken = self._wake_on_signals()
        try:
            if self.loop is None or not self._tasks():
                return self.native.wait()
            return self._wait_in_loop()
        finally:
            self.waiting = False
            if woken:
                self._wake_no_more()

    def _wake_on_signals(self):
        """Let signals end the wait: one that comes just before it begins would have its handler called after the next
        key only. Where the user has something else woken that stays, and in other threads there are no handlers."""
        import _signal

        try:
            before = _signal.set_wakeup_fd(self.native.wake_fd(), warn_on_full_buffer=False)
        except ValueError:
            return False
        if before in (-1, self.native.wake_fd()):
            return True
        try:
            _signal.set_wakeup_fd(before)
            return False
        except OSError:
            return True  # it was closed since

    def _wake_no_more(self):
        import _signal

        now = _signal.set_wakeup_fd(-1)
        if now != self.native.wake_fd():
            _signal.set_wakeup_fd(now)

    def _tasks(self):
        import asyncio

        return bool(asyncio.all_tasks(self.loop)) or bool(getattr(self.loop, "_scheduled", None))

    def _wait_in_loop(self):
        """Wait for a cell while the tasks of earlier cells go on."""
        loop = self.loop
        flow = loop.create_future()
        flush = None

        def step(pause=False):
            nonlocal flush
            if flush is not None:
                flush.cancel()
                flush = None
            if flow.done():
                return
            try:
                result = self.native.pause() if pause else self.native.step()
            except BaseException as error:
                flow.set_exception(error)
                return
            if result is not None:
                flow.set_result(result)
            elif (pending := self.native.pending()) is not None:
                flush = loop.call_later(pending, step, True)

        fds = self.native.fds()
        for fd in fds:
            loop.add_reader(fd, step)
        try:
            step()
            return loop.run_until_complete(flow)
        finally:
            for fd in fds:
                loop.remove_reader(fd)
            if flush is not None:
                flush.cancel()

    # -- cells -----------------------------------------------------------------------------------------------------

    def run_cell(self, source, hidden):
        """Run a cell, tell the prompt how it ended; an exit status when the user leaves by it."""
        from time import perf_counter, process_time

        wall, cpu = perf_counter(), process_time()
        self.session.width = self.native.columns()
        try:
            if hidden:
                outcome = self._run_hidden(source)
            else:
                outcome = self.session.run(source, mode="interactive")
            self._flush()
        except KeyboardInterrupt as error:
            # Ctrl-C between the cell and here.
            outcome = self.session.failed(error)
        took = perf_counter() - wall, process_time() - cpu
        kind = outcome[0]
        text = code = None
        if kind in ("raised", "invalid"):
            text = outcome[1]["traceback"]
        elif kind == "incomplete":
            text = "SyntaxError: the cell is not complete\n"
        elif kind == "exit":
            if outcome[2] is not None:
                print(outcome[2], file=sys.stderr)
            return outcome[1]
        if text:
            try:
                sys.stderr.write(self.native.color_traceback(text))
                self._flush()
            except (OSError, ValueError):
                pass
        self.native.ended(_prompts(), took)
        return code

    def _run_hidden(self, source):
        try:
            exec(source, {"__builtins__": __builtins__})
        except BaseException as error:
            return self.session.failed(error)
        return ("none",)

    def _flush(self):
        for stream in (sys.stdout, sys.stderr):
            flush = getattr(stream, "flush", None)
            if flush is not None:
                try:
                    flush()
                except (OSError, ValueError):
                    pass

    def run_awaitable(self, coroutine):
        """Run *coroutine* in the prompt's loop; Ctrl-C cancels it and leaves the other tasks alone."""
        import asyncio
        import signal

        if self.loop is None:
            self.loop = asyncio.new_event_loop()
            import contextvars

            self.context = contextvars.copy_context()
        loop = self.loop
        self.announce(loop)
        task = self.context.run(loop.create_task, coroutine)
        interrupted = False

        def interrupt(number, frame):
            nonlocal interrupted
            if interrupted or loop._ready is None:
                raise KeyboardInterrupt
            interrupted = True
            loop.call_soon_threadsafe(task.cancel)

        handler = signal.getsignal(signal.SIGINT)
        # A handler of the user's own stays. In other threads there is none to set.
        ours = handler is signal.default_int_handler and _in_main_thread()
        if ours:
            signal.signal(signal.SIGINT, interrupt)
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            if interrupted:
                raise KeyboardInterrupt from None
            raise
        finally:
            if ours and signal.getsignal(signal.SIGINT) is interrupt:
                signal.signal(signal.SIGINT, handler)

    def close_loop(self):
        """Cancel what still runs, as `asyncio.run` does at its end."""
        loop, self.loop = self.loop, None
        if loop is None or loop.is_closed():
            return
        import asyncio

        try:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            self.announce(None)
            loop.close()

    def announce(self, loop):
        """Make *loop* the one that `asyncio.get_event_loop` finds in cells without `await`."""
        import asyncio

        asyncio.set_event_loop(loop)

    # -- values ----------------------------------------------------------------------------------------------------

    def show(self, text, pretty, mime):
        """What `Session.displayhook` calls."""
        png = None if mime is None else mime.get("image/png")
        if isinstance(png, str):
            import base64

            png = base64.b64decode(png)
        cut, self._cut = self._cut, False
        sys.stdout.write(self.native.format_value(text, pretty, cut and pretty is not None, png))
        self._flush()

    def pretty(self, value, width):
        from ._pretty import pretty

        text, self._cut = pretty(value, width)
        return text

    # -- what the prompt asks; never called while a cell runs --------------------------------------------------------

    @property
    def assist(self):
        if self._assist is None:
            from . import _assist

            self._assist = _assist
        return self._assist

    def is_complete(self, source):
        """True, False, or None for what no further line makes valid."""
        return self.session.is_whole(source)

    def complete(self, source, cursor):
        from time import monotonic

        start, end, matches, more = self.assist.complete(self.namespace, source, cursor)
        # A key waits for this: what is not told in time is left at what it is.
        deadline = monotonic() + 0.005
        told = []
        for text, kind, detail in matches:
            if monotonic() < deadline:
                short, doc = self.assist.detail(self.namespace, source, start, text, deadline)
                detail = "  ".join(filter(None, (short, doc))) or detail
            told.append((text, kind, detail))
        return start, end, told, more

    def signature(self, source, cursor):
        return self.assist.signature(self.namespace, source, cursor)

    def describe(self, expression):
        known = self.assist.describe(self.namespace, expression)
        if known is None:
            return None
        lines = [known[name] for name in ("signature", "type", "file") if known.get(name)]
        if known.get("doc"):
            lines += ["", known["doc"]]
        return "\n".join(lines)

    def defined(self, name):
        return name in self.namespace

    def command(self, name, argument):
        """A command of the session's own: `(True, text)` or `(False, message)`."""
        if name == "vars":
            return True, self._variables()
        if name == "src":
            source = self.assist.source_of(self.namespace, argument)
            return (False, f"there is no source of `{argument}`") if source is None else (True, source[0])
        return False, f"`:{name}` is not a command"

    def _variables(self):
        rows = []
        for name, value in list(self.namespace.items()):
            if isinstance(name, str) and not name.startswith("_"):
                # A repr of the user's own is code: only those of plain values are shown.
                plain = type(value) in (int, float, complex, bool, str, bytes, type(None))
                text = repr(value) if plain else ""
                if type(value) in (list, tuple, dict, set, frozenset):
                    text = f"{len(value)} items"
                rows.append((name, type(value).__name__, text if len(text) <= 60 else text[:57] + "..."))
        if not rows:
            return "no variables"
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        return "\n".join(f"{name:{widths[0]}}  {kind:{widths[1]}}  {text}".rstrip() for name, kind, text in rows)


# -- the command line ----------------------------------------------------------------------------------------------


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


def _banner():
    return f"keelback {_version()}, Python {sys.version.split()[0]}; :help lists commands, Ctrl-D leaves"


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
    session = _new_session(namespace)
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
            print(f"keelback: error: cannot read `{filename}`: {error}", file=sys.stderr)
            return 2
        name = filename
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
    outcome = _new_session(namespace).run(source, path, mode="program")
    namespace.pop("__file__", None)
    if outcome[0] in ("raised", "invalid"):
        sys.stderr.write(outcome[1]["traceback"])


def _basic(namespace, quiet, top_level_await):
    """A prompt line by line, for terminals without a cursor and for pipes."""
    session = _new_session(namespace)
    session.top_level_await = top_level_await
    _prompts()
    if not quiet:
        print(_banner())
    lines = []
    while True:
        first, second = _prompts()
        try:
            line = input(second if lines else first)
        except EOFError:
            print()
            return 0
        except KeyboardInterrupt:
            print("\nKeyboardInterrupt")
            lines.clear()
            continue
        if not lines and line.strip() in ("exit", "quit") and line.strip() not in namespace:
            return 0
        lines.append(line)
        source = "\n".join(lines)
        if not source.strip():
            lines.clear()
            continue
        # As codeop: a block is over at an empty line.
        import codeop

        try:
            if codeop.compile_command(source, "<input>", "single") is None and line.strip():
                continue
            if codeop.compile_command(source + "\n", "<input>", "single") is None:
                continue
        except (SyntaxError, ValueError, OverflowError):
            pass
        lines.clear()
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
