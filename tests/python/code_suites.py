"""CPython's own tests of `code` and `codeop`, and those of what is built on them, against `keelback.code`.

    python3.13 code_suites.py [SUITE ...]

The tests are those installed with the interpreter, unchanged. They run in a virtual environment made for the purpose,
in which every interpreter, so each child that the tests start, finds our modules under the names `code` and `codeop`;
an import of the standard ones fails there.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parents[1] / "python"
MODULES = {"codeop": "keelback.codeop", "code": "keelback.code"}


def _interact(name):
    return "interact" in name


# Suite: the test module, which of its tests concern us, and the first version that has them.
SUITES = {
    "code": ("test.test_code_module", None, (3, 10)),
    "codeop": ("test.test_codeop", None, (3, 10)),
    "repl": ("test.test_repl", None, (3, 10)),
    "pdb": ("test.test_pdb", _interact, (3, 13)),
    "sqlite": ("test.test_sqlite3.test_cli", None, (3, 12)),
    "pyrepl": ("test.test_pyrepl", None, (3, 13)),
}


class _Refuse:
    """Finds no module of a name that is ours, and lets nobody else find one."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in MODULES:
            raise ImportError(f"the standard module `{name}` was imported")


def substitute():
    """Let `import code` find our module; the environment calls this at the start of each interpreter."""
    sys.path.insert(0, str(PACKAGE))
    sys.meta_path.insert(0, _Refuse)
    for name, ours in MODULES.items():
        sys.modules[name] = importlib.import_module(ours)


def _chosen(tests, wanted):
    if isinstance(tests, unittest.TestSuite):
        return unittest.TestSuite(_chosen(test, wanted) for test in tests)
    return tests if wanted(tests.id()) else unittest.TestSuite()


def _load(names):
    found = unittest.TestSuite()
    for name in names:
        module, wanted, since = SUITES[name]
        if sys.version_info < since:
            continue
        if importlib.util.find_spec(module.rpartition(".")[0]) is None or importlib.util.find_spec(module) is None:
            sys.exit(f"Python {sys.version.split()[0]} is installed without `{module}`")
        tests = unittest.defaultTestLoader.loadTestsFromName(module)
        if wanted is not None:
            tests = _chosen(tests, wanted)
        if not tests.countTestCases():
            sys.exit(f"`{module}` has none of the tests that were looked for")
        print(f"{name}: {tests.countTestCases()} tests", file=sys.stderr)
        found.addTest(tests)
    return found


def _run_inside(names):
    for name, ours in MODULES.items():
        if sys.modules[name].__name__ != ours:
            sys.exit(f"`{name}` is not ours")
    done = unittest.TextTestRunner(verbosity=0).run(_load(names))
    return 0 if done.wasSuccessful() else 1


def _run(names):
    with tempfile.TemporaryDirectory(prefix="code-suites-") as folder:
        venv.create(folder, symlinks=True)
        (packages,) = Path(folder, "lib").glob("python*/site-packages")
        hook = f"import sys; sys.path.append({str(HERE)!r}); import code_suites; code_suites.substitute()\n"
        (packages / "code_suites.pth").write_text(hook)
        python = Path(folder, "bin/python")
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONSTARTUP"):
            env.pop(name, None)
        return subprocess.run([python, __file__, "--inside", *names], env=env, cwd=folder).returncode


def main():
    names = sys.argv[1:]
    if names[:1] == ["--inside"]:
        return _run_inside(names[1:] or list(SUITES))
    return _run(names)


if __name__ == "__main__":
    sys.exit(main())
