"""What a prompt asks of a session besides running its cells, and how its values are shown."""

import sys
from marshal import dumps
from time import monotonic

import _host
import _keelback_assist as assist
import _keelback_session as session_module
from _keelback_pretty import pretty, shown

_SHOWN = 4
_SECONDS = 0.05


def prepare(session):
    from . import terminal

    cut = False

    def lay_out(value, width):
        nonlocal cut
        if sys.stdout is not sys.__stdout__:
            return session_module.text_of(value), None  # the program reads its own output
        if terminal.size is not None:
            width = terminal.size[0]
        text, laid_out, cut = shown(value, width)
        return text, laid_out

    def show(text, laid_out, mime):
        if sys.stdout is not sys.__stdout__:
            print(text)
        else:
            _host.emit(_SHOWN, dumps((text, laid_out, mime, cut), 2))

    session.show, session.lay_out = show, lay_out


def handlers(session):
    namespace = session.namespace

    def timed(function):
        return lambda *args: function(namespace, *args, deadline=monotonic() + _SECONDS)

    def complete(source, cursor, paths):
        return assist.complete(namespace, source, cursor, monotonic() + _SECONDS, paths)

    def pretty_text(expression, width, lines):
        found, value = assist.lookup(namespace, expression)
        if not found:
            return None
        return _guarded(lambda: pretty(value, width, lines))

    def prompts():
        return _guarded(session_module.prompts)

    def _guarded(function):
        """What *function* returns, which runs code of the user's; None when it fails or is interrupted."""
        session.running = True
        try:
            return function()
        except BaseException:
            return None
        finally:
            session.running = False

    return {
        "complete": complete,
        "whole": session.is_whole,
        "detail": timed(assist.detail),
        "signature": timed(assist.signature),
        "describe": timed(assist.describe),
        "source": timed(assist.source_of),
        "pretty": pretty_text,
        "defined": lambda names: assist.defined(namespace, names),
        "prompts": prompts,
    }
