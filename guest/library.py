"""Stages the guest's root folder: library.py SOURCE BUILD TZDATA_WHEEL GUEST SHARED ROOT

SOURCE is CPython's unpacked source, BUILD the folder it was configured in, GUEST this folder, SHARED
the folder with the files that are also used in process.
Every file gets the same time; every .pyc names its guest path and is never checked against its source.
"""

import compileall
import os
import py_compile
import shutil
import sys
import zipfile
from pathlib import Path

BUILD_TIME = 1749600000  # 2025-06-11 00:00 UTC, as docs/guest-abi.md says
LIBRARY = "usr/lib/python3.13"

SHARED = ("_session.py", "_assist.py", "_pretty.py")

# Tests, editors, and what needs a screen, a terminal or foreign code.
LEFT_OUT = {
    "test", "tests", "idlelib", "turtledemo", "turtle.py", "tkinter", "lib2to3", "ensurepip", "venv", "curses", "ctypes",
    "pty.py", "tty.py", "__phello__", "__pycache__", "pydoc_data/__pycache__",
}


def stage(source, build, tzdata, guest, shared, root):
    if root.exists():
        shutil.rmtree(root)
    library = root / LIBRARY
    library.parent.mkdir(parents=True)
    shutil.copytree(
        source / "Lib",
        library,
        ignore=lambda folder, names: [name for name in names if name in LEFT_OUT or not _wanted(folder, name)],
    )
    (root / "work").mkdir()
    (root / "tmp").mkdir()
    with zipfile.ZipFile(tzdata) as wheel:
        for name in sorted(wheel.namelist()):
            if name.startswith("tzdata/") and not name.endswith("/"):
                target = library / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(wheel.read(name))
    _write_sysconfig(build, library)
    shutil.copy(source / "LICENSE", library / "LICENSE.txt")
    for path in sorted((guest / "lib").rglob("*.py")):
        target = library / path.relative_to(guest / "lib")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    for name in SHARED:
        (library / f"_keelback{name}").write_bytes((shared / name).read_bytes())
    _compile(library)
    for path in sorted(root.rglob("*"), reverse=True):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (BUILD_TIME, BUILD_TIME))
    os.utime(root, (BUILD_TIME, BUILD_TIME))


def _wanted(folder, name):
    path = Path(folder, name)
    return path.is_dir() or path.suffix in {".py", ".txt", ".md", ".toml", ".css", ".lib", ".xml"} or path.suffix == ""


def _write_sysconfig(build, library):
    """The values of the build without the paths of the machine that ran it."""
    folder = build / (build / "pybuilddir.txt").read_text().strip()
    (file,) = folder.glob("_sysconfigdata_*.py")
    namespace = {}
    exec(file.read_text(), namespace)
    machine_paths = (
        (namespace["build_time_vars"]["PYTHON_FOR_FREEZE"], "python3.13"),
        (str(Path(__file__).resolve().parent), "/guest"),
        (str(build.parent), "/build"),
    )
    values = {}
    for name, value in sorted(namespace["build_time_vars"].items()):
        if isinstance(value, str):
            for machine_path, shown in machine_paths:
                value = value.replace(machine_path, shown)
        values[name] = value
    lines = ["# system configuration generated and used by the sysconfig module", "build_time_vars = {"]
    lines += [f"    {name!r}: {value!r}," for name, value in values.items()]
    (library / file.name).write_text("\n".join([*lines, "}", ""]))


def _compile(library):
    compiled = compileall.compile_dir(
        library,
        maxlevels=20,
        ddir="/" + LIBRARY,
        quiet=1,
        workers=min(4, os.cpu_count() or 1),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        sys.exit("some files did not compile")


if __name__ == "__main__":
    if sys.version_info[:2] != (3, 13):
        sys.exit("library.py must run on CPython 3.13, whose .pyc files the guest reads")
    stage(*(Path(argument).resolve() for argument in sys.argv[1:]))
