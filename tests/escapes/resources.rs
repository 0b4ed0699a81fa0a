//! Ways to use up the host, or never to end.

use std::time::Duration;

use keelback_sandbox::{Limits, Permissions};

use crate::{outcome, session};

fn tight() -> Limits {
    let mut limits = Limits::default();
    limits.wall_time = Some(Duration::from_millis(400));
    limits.grace = Duration::from_millis(100);
    limits.memory_bytes = 128 << 20;
    limits.output_bytes = 1 << 20;
    limits.scratch_bytes = 4 << 20;
    limits
}

/// The cell ends in one of `ends`, and the session goes on.
#[track_caller]
fn bounded(cell: &str, ends: &[&str]) {
    let mut limits = tight();
    if !ends.contains(&"TimeoutError") {
        // Another limit has to end it, however slow the machine is.
        limits.wall_time = Some(Duration::from_secs(30));
    }
    let mut session = session(Permissions::none(), limits);
    let end = outcome(&mut session, cell);
    assert!(ends.contains(&end.as_str()), "{cell}: {end}");
    assert_eq!(outcome(&mut session, "1 + 1"), "= 2", "after {cell}");
}

const TIME: &[&str] = &["TimeoutError", "stopped"];

#[test]
fn endless_loops_in_python_end() {
    bounded("while True: pass", TIME);
    bounded("try:\n    while True: pass\nfinally:\n    while True: pass", TIME);
    bounded(
        "while True:\n    try:\n        while True: pass\n    except (KeyboardInterrupt, TimeoutError): pass",
        TIME,
    );
    bounded(
        "class D:\n    def __del__(self):\n        while True: pass\nd = D()\ndel d",
        &["TimeoutError", "stopped", "done"],
    );
    bounded(
        "import gc\nclass D:\n    def __del__(self): self.me = self; globals()['d'] = D()\nd = D()\nwhile True: d = D()",
        TIME,
    );
    bounded("import time\nwhile True: time.sleep(10)", TIME);
    bounded("import asyncio\nasync def spin():\n    while True: await asyncio.sleep(0)\nawait spin()", TIME);
    bounded("def g():\n    while True: yield\nfor _ in g(): pass", TIME);
}

#[test]
fn endless_work_in_c_ends() {
    bounded("sum(range(10**12))", TIME);
    bounded("10 ** 10 ** 8", TIME);
    bounded("pow(3, 10**4000, 10**4000 + 1)", TIME);
    bounded("import re\nre.match('(a+)+$', 'a' * 40 + 'b')", TIME);
    bounded("'a' * 10**6 in ('a' * (10**6 - 1) + 'b') * 20", &["TimeoutError", "stopped", "= False"]);
    bounded("class K:\n    def __lt__(self, other):\n        while True: pass\nsorted([K(), K()])", TIME);
    bounded("max(iter(int, 1))", TIME);
    bounded("import itertools\nall(itertools.repeat(True))", TIME);
    bounded("import sys\nsys.set_int_max_str_digits(0)\nstr(7 ** 10_000_000)", TIME);
    bounded("import zlib\nd = zlib.compress(bytes(10**7))\nwhile True: zlib.decompress(d)", TIME);
    bounded(
        "import hashlib\nhashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)",
        &["TimeoutError", "stopped", "AttributeError"],
    );
    bounded(
        "import sqlite3\nsqlite3.connect(':memory:').execute('with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t').fetchall()",
        TIME,
    );
}

#[test]
fn memory_is_bounded() {
    bounded("l = []\nwhile True: l.append(l[:] or [0] * 1000)", &["MemoryError"]);
    bounded("'x' * 2**31", &["MemoryError", "OverflowError"]);
    bounded("[0] * 10**9", &["MemoryError"]);
    bounded("bytearray(10**9)", &["MemoryError"]);
    bounded("d = {}\ni = 0\nwhile True:\n    d[i] = str(i) * 100\n    i += 1", &["MemoryError"]);
    bounded("a = 'x'\nwhile True: a += a", &["MemoryError", "OverflowError"]);
    bounded(
        "import zlib\nzlib.decompress(zlib.compress(bytes(10**7)) , bufsize=2**31 - 1)",
        &["MemoryError", "OverflowError"],
    );
    bounded(
        "def f(): return f()\nimport sys\nsys.setrecursionlimit(10**9)\nf()",
        &["RecursionError", "MemoryError", "SystemError", "TimeoutError", "stopped"],
    );
}

#[test]
fn output_is_bounded() {
    bounded("while True: print('x' * 1000)", &["OutputLimitError"]);
    bounded("print('x' * 50_000_000)", &["OutputLimitError"]);
    bounded("import os\nwhile True: os.write(1, b'x' * 1000)", &["OutputLimitError", "OSError"]);
    bounded("import sys\nwhile True: sys.stderr.write('x' * 1000)", &["OutputLimitError"]);
    bounded("while True:\n    try: print('x' * 10_000)\n    except BaseException as e: pass", TIME);
    bounded("while True: display('x' * 10_000)", &["OutputLimitError"]);
    bounded("print('allowed')", &["done"]);
}

#[test]
fn scratch_files_are_bounded() {
    bounded("f = open('f', 'wb')\nwhile True: f.write(bytes(10_000))", &["OSError"]);
    bounded("f = open('f', 'wb')\nf.truncate(10**12)\nf.seek(10**12)\nf.write(b'x')", &["OSError", "done", "= 1"]);
    bounded("for i in range(10**6): open(f'f{i}', 'w').close()", &["OSError", "TimeoutError"]);
    bounded("import os\nwhile True:\n    os.mkdir('d')\n    os.chdir('d')", &["OSError", "TimeoutError"]);
    bounded("import os\ni = 0\nwhile True:\n    os.symlink('x' * 1000, f'l{i}')\n    i += 1", &["OSError"]);
    bounded("files = []\nwhile True: files.append(open('f', 'w'))", &["OSError"]);
    bounded("import os\nos.symlink('a', 'b')\nos.symlink('b', 'a')\nopen('a')", &["OSError"]);
    bounded("open('f', 'wb').write(bytes(1_000_000))", &["= 1000000"]);
}

#[test]
fn recursion_ends_everywhere() {
    // SystemError: CPython runs out of memory for frames and has none left to say so.
    let ends = &[
        "RecursionError",
        "MemoryError",
        "SystemError",
        "SyntaxError",
        "IndentationError",
        "PatternError",
        "NameError",
        "ValueError",
        "TimeoutError",
    ];
    for limit in ["", "sys.setrecursionlimit(10**9)\n"] {
        for cell in [
            "f = lambda: f()\nf()",
            "class A:\n    def __repr__(self): return repr(self)\nrepr(A())",
            "class A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\nA().x",
            "l = []\nfor _ in range(10**5): l = [l]\nrepr(l)",
            "l = []\nfor _ in range(10**5): l = [l]\nl == [l]\nhash(str(l))",
            "t = ()\nfor _ in range(10**5): t = (t,)\nhash(t)",
            "import json\njson.loads('[' * 10**5)",
            "import pickle\nl = []\nfor _ in range(10**5): l = [l]\npickle.dumps(l)",
            "import copy\nl = []\nfor _ in range(3000): l = [l]\ncopy.deepcopy(l)",
            "import marshal\nl = []\nfor _ in range(10**5): l = [l]\nmarshal.dumps(l)",
            "eval('(' * 5000 + ')' * 5000)",
            "eval('-' * 10**6 + '1')",
            "exec('if 1:\\n' + ''.join(' ' * i + 'if 1:\\n' for i in range(1, 200)))",
            "import re\nre.compile('(' * 10**5)",
            "import xml.etree.ElementTree as e\ne.tostring(e.fromstring('<a>' * 10**5 + '</a>' * 10**5))",
            "import ast\nast.dump(ast.parse('+'.join(['1'] * 10**5)))",
            "isinstance(1, type('M', (type,), {'__instancecheck__': lambda c, i: isinstance(i, c)})('X', (), {}))",
        ] {
            let mut limits = tight();
            limits.wall_time = Some(Duration::from_secs(10));
            limits.memory_bytes = 256 << 20;
            let mut session = session(Permissions::none(), limits);
            let end = outcome(&mut session, &format!("import sys\n{limit}{cell}"));
            let known =
                ends.contains(&end.as_str()) || end.starts_with("= ") || end == "done" || end.contains("Invalid");
            assert!(known, "{limit}{cell}: {end}");
            assert_eq!(outcome(&mut session, "1 + 1"), "= 2", "after {limit}{cell}");
        }
    }
}
