"""`python -m keelback`: the command `keelback`."""

from ._command import main

main()
