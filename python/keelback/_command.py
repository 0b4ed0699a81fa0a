"""The command `keelback` of the installed package: the same as the binary's."""

import sys

from ._native import command


def main():
    sys.exit(command(["keelback", *sys.argv[1:]]))
