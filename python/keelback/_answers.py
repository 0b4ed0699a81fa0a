"""What a prompt asks of the session it stands before, and how it shows values."""

import sys


class Answers:
    """The owner of a `_native.Terminal`, its attribute `native`; `session` is what cells run in.

    The prompt asks only while no cell runs.
    """

    def __init__(self, namespace):
        self.namespace = namespace
        self._assist = None
        self._compiled = None
        self._cut = False

    def answer_for(self, session):
        """Show the values of *session*, and compile its cells once."""
        session.show = self.show
        session.pretty = self.pretty
        session.compile_interactive = self._compile

    def filename(self):
        """What tracebacks call the next cell."""
        return f"<python-input-{self.session.inputs}>"

    # -- values ----------------------------------------------------------------------------------------------------

    def show(self, text, pretty, mime):
        """What `Session.displayhook` calls."""
        png = None if mime is None else mime.get("image/png")
        if isinstance(png, str):
            import base64

            png = base64.b64decode(png)
        cut, self._cut = self._cut, False
        sys.stdout.write(self.native.format_value(text, pretty, cut and pretty is not None, png))
        self.streams.flush()

    def pretty(self, value, width):
        from ._pretty import pretty

        text, self._cut = pretty(value, width)
        return text

    # -- questions -------------------------------------------------------------------------------------------------

    def names(self):
        """The names that cells see, as a plain dict."""
        known = getattr(self.namespace, "known", None)
        return self.namespace if known is None else known()

    @property
    def assist(self):
        if self._assist is None:
            from . import _assist

            self._assist = _assist
        return self._assist

    def is_complete(self, source):
        """True, False, or None for what no further line makes valid."""
        import warnings

        session = self.session
        self._compiled = None
        filename, flags = self.filename(), session.flags
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                code = type(session).compile_interactive(session, source, filename)
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
            return None
        else:
            # What warns is compiled again when it is run: it is to warn then.
            if code is not None and not warned:
                self._compiled = (source, filename, flags), (session.flags, code)
            return code is not None
        finally:
            session.flags = flags

    def compile_ahead(self, source):
        """The code of a cell that is about to be run, or None where running it says what is wrong with it."""
        session = self.session
        filename, flags = self.filename(), session.flags
        try:
            code = self._compile(source, filename)
        except Exception:
            return None
        if code is not None:
            self._compiled = (source, filename, flags), (session.flags, code)
        session.flags = flags
        return code

    def _compile(self, source, filename):
        """`Session.compile_interactive` for a cell that was most likely compiled
        a moment ago, to see whether it is whole."""
        session = self.session
        compiled, self._compiled = self._compiled, None
        if compiled is not None and compiled[0] == (source, filename, session.flags):
            session.flags, code = compiled[1]
            return code
        return type(session).compile_interactive(session, source, filename)

    def complete(self, source, cursor, seconds=None, details=0.005):
        """What could stand at *cursor*, looked for *seconds*; *details* seconds more for what is said of each."""
        from time import monotonic

        deadline = None if seconds is None else monotonic() + seconds
        start, end, matches, more = self.assist.complete(self.names(), source, cursor, deadline)
        # A key waits for this: what is not told in time is left at what it is.
        deadline = monotonic() + details
        told = []
        for text, kind, detail in matches:
            if monotonic() < deadline:
                short, doc = self.assist.detail(self.names(), source, start, text, deadline)
                detail = "  ".join(filter(None, (short, doc))) or detail
            told.append((text, kind, detail))
        return start, end, told, more

    def signature(self, source, cursor):
        return self.assist.signature(self.names(), source, cursor)

    def describe(self, expression):
        known = self.assist.describe(self.names(), expression)
        if known is None:
            return None
        lines = [known[name] for name in ("signature", "type", "file") if known.get(name)]
        if known.get("doc"):
            lines += ["", known["doc"]]
        return "\n".join(lines)

    def defined(self, name):
        return name in self.names()

    def command(self, name, argument):
        """A command of the session's own: `(True, text)` or `(False, message)`."""
        if name == "vars":
            return True, self._variables()
        if name == "src":
            source = self.assist.source_of(self.names(), argument)
            return (False, f"there is no source of `{argument}`") if source is None else (True, source[0])
        return False, f"`:{name}` is not a command"

    def _variables(self):
        rows = []
        for name, value in list(self.names().items()):
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
