"""`python -m keelback`: the command `keelback`."""

from ._command import main

if __name__ == "__main__":
    main()
