"""The command `keelback` of the installed package.

Its commands are those of the binary. Without one it is a prompt on this interpreter, which takes the arguments that
`python3` takes: `keelback -i script.py`, `keelback -c CODE`, `keelback -m MODULE`. `--sandbox` opens the sandbox's.
`keelback pth install` lets programs be served that do not know of it.
"""

import os
import sys

# The binary's commands, and options that are its own.
_COMMANDS = {"run", "attach", "mcp", "prompt", "completions", "man", "help"}
_COMMANDS |= {"--help", "-h", "--version", "-V", "--sandbox"}


def main():
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _COMMANDS:
        from ._native import command

        if arguments[0] == "--sandbox":
            arguments[0] = "prompt"
        if arguments[0] == "attach":
            # A program whose Python does not have this package takes it from here.
            arguments[1:1] = ["--package", os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
        sys.exit(command(["keelback", *arguments]))
    if arguments and arguments[0] == "pth":
        from ._pth import main
    else:
        from ._main import main

    sys.exit(main(arguments))
