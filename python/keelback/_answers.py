"""What a prompt asks of the session it stands before, and how it shows values."""

import sys


class Answers:
    """The owner of a `_native.Terminal`, its attribute `native`; `session` is what cells run in.

    The prompt asks only while no cell runs.
    """

    def __init__(self, namespace):
        self.namespace = namespace
        self._assist = None
        self._cut = False

    def answer_for(self, session):
        """Show the values of *session*."""
        session.show = self.show
        session.lay_out = self.lay_out

    def filename(self):
        """What tracebacks call the next cell."""
        return self.session.filename()

    # -- values ----------------------------------------------------------------------------------------------------

    def show(self, text, pretty, mime):
        """What `Session.displayhook` calls."""
        png = None if mime is None else mime.get("image/png")
        if isinstance(png, str):
            import base64

            png = base64.b64decode(png)
        sys.stdout.write(self.native.format_value(text, pretty, self._cut, png))
        self.streams.flush()

    def lay_out(self, value, width):
        from ._pretty import shown
        from ._session import hide_frames_of

        hide_frames_of(shown.__code__.co_filename)
        text, pretty, self._cut = shown(value, width)
        return text, pretty

    # -- questions -------------------------------------------------------------------------------------------------

    @property
    def assist(self):
        if self._assist is None:
            from . import _assist

            self._assist = _assist
        return self._assist

    def is_complete(self, source):
        """True, False, or None for what no further line makes valid."""
        return self.session.is_whole(source, self.filename())

    def complete(self, source, cursor, seconds=None):
        """What could stand at *cursor*, looked for *seconds*."""
        from time import monotonic

        deadline = None if seconds is None else monotonic() + seconds
        return self.assist.complete(self.namespace, source, cursor, deadline)

    def details(self, source, start, texts, seconds=0.05):
        """What is said of each of *texts* that could stand at *start*; of the first ones, when *seconds* are over."""
        from time import monotonic

        deadline = monotonic() + seconds
        told = []
        for text in texts:
            if monotonic() >= deadline:
                break
            told.append("  ".join(filter(None, self.assist.detail(self.namespace, source, start, text, deadline))))
        return told

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
