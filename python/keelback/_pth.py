"""`keelback pth`: the file by which every program of this Python can be served."""

import os
import sys
import sysconfig

__all__ = ["LINE", "main"]

NAME = "keelback-serve.pth"
# `site` runs this line at the start of every program: it imports nothing when the variable is not set.
LINE = 'import os; "KEELBACK_SERVE" in os.environ and __import__("keelback._arm")._arm.serve_main()\n'

_USAGE = """\
usage: keelback pth install | remove

Writes (or removes) the file {path}.
With it, KEELBACK_SERVE=1 python app.py serves app.py, for `keelback attach`; KEELBACK_SERVE=PATH on the socket PATH.
Without the variable the file does nothing.
"""


def main(arguments):
    """The exit status of `keelback pth ...`."""
    path = os.path.join(sysconfig.get_path("purelib"), NAME)
    try:
        if arguments[1:] == ["install"]:
            with open(path, "w", encoding="utf-8") as file:
                file.write(LINE)
            print(f"wrote {path}")
            return 0
        if arguments[1:] == ["remove"]:
            os.unlink(path)
            print(f"removed {path}")
            return 0
    except OSError as error:
        print(f"keelback: error: {error}", file=sys.stderr)
        return 1
    print(_USAGE.format(path=path), end="", file=sys.stderr)
    return 2
