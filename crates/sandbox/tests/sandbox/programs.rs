//! Whole programs, as `python3 FILE` runs them, and what they find around them.

use keelback_sandbox::{Cell, Outcome, Permissions, SessionOptions, Stdin, Stream};

use crate::{brief, check, check_in, check_output, engine, run, session, session_with};

#[test]
fn a_program_is_main() {
    let source = "import sys\nif __name__ == '__main__':\n    print(sys.argv, __file__)\n    sys.exit(len(sys.argv))\n";
    let options = SessionOptions::default().arguments(["prog.py", "a", "--b"]);
    let mut session = engine().session(options).unwrap();
    let report = session.run(Cell::program(source, "prog.py")).unwrap();
    assert_eq!(report.text(Stream::Stdout), "['prog.py', 'a', '--b'] prog.py\n");
    assert_eq!(brief(&report.outcome), "exit 3");
}

#[test]
fn a_program_fails_as_under_python() {
    let report = session().run(Cell::program("def f():\n    raise KeyError('k')\nf()\n", "prog.py")).unwrap();
    let Outcome::Raised(raised) = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(
        raised.traceback,
        "Traceback (most recent call last):\n  File \"prog.py\", line 3, in <module>\n    f()\n    ~^^\n  \
         File \"prog.py\", line 2, in f\n    raise KeyError('k')\nKeyError: 'k'\n"
    );
    let report = session().run(Cell::program("x = (\n", "prog.py")).unwrap();
    assert!(
        matches!(&report.outcome, Outcome::Invalid(raised) | Outcome::Raised(raised) if raised.type_name == "SyntaxError")
    );
}

#[test]
fn a_module_is_run_by_name() {
    let options = SessionOptions::default().arguments(["json.tool"]).permissions(stdin("{\"a\":1}"));
    let report = engine().session(options).unwrap().run(Cell::module("json.tool")).unwrap();
    assert_eq!(report.text(Stream::Stdout), "{\n    \"a\": 1\n}\n");
}

fn stdin(text: &'static str) -> Permissions {
    Permissions::none().stdin(Stdin::Reader(std::sync::Arc::new(std::sync::Mutex::new(text.as_bytes()))))
}

#[test]
fn input_comes_from_where_it_is_granted() {
    check_in(
        &mut session_with(stdin("first\nsecond\nthird")),
        &[
            ("input('? ')", "= 'first'"),
            ("import sys\nsys.stdin.readline()", "= 'second\\n'"),
            ("sys.stdin.read()", "= 'third'"),
            ("input()", "EOFError: EOF when reading a line"),
        ],
    );
    check(&[("input()", "EOFError: EOF when reading a line")]);
}

#[test]
fn the_surroundings_are_those_of_python() {
    check(&[
        ("import sys, os, platform", "done"),
        ("sys.version_info[:2], sys.version.startswith('3.13')", "= ((3, 13), True)"),
        ("sys.implementation.name, sys.byteorder, sys.maxsize", "= ('cpython', 'little', 2147483647)"),
        ("platform.python_version() == sys.version.split()[0]", "= True"),
        ("isinstance(platform.platform(), str), isinstance(sys.executable, str)", "= (True, True)"),
        ("sys.flags.utf8_mode in (0, 1), sys.flags.optimize", "= (True, 0)"),
        ("__name__", "= '__main__'"),
        ("import __main__\n__main__.sys is sys", "= True"),
        ("os.getcwd()", "= '/work'"),
        ("open('a.txt', 'w').write('hello'), open('a.txt').read()", "= (5, 'hello')"),
        ("import tempfile\nwith tempfile.NamedTemporaryFile('w+') as f: f.write('x')", "done"),
        ("with tempfile.TemporaryDirectory() as d: os.mkdir(d + '/sub')", "done"),
        ("print('x', flush=True)", "done"),
        ("dict(os.environ)", "= {}"),
    ]);
    let outcome = run(&mut session(), "breakpoint()").outcome;
    assert!(brief(&outcome).contains("not available in the sandbox"), "{}", brief(&outcome));
}

#[test]
fn environment_variables_are_granted_by_name() {
    let mut session = session_with(Permissions::none().env("LANG", "de_DE.UTF-8"));
    check_in(&mut session, &[("import os\ndict(os.environ), os.getenv('HOME')", "= ({'LANG': 'de_DE.UTF-8'}, None)")]);
}

#[test]
fn the_library_travels_inside_the_image() {
    let modules = "zlib bz2 lzma sqlite3 hashlib decimal unicodedata zoneinfo json pickle struct array csv \
                   xml.etree.ElementTree xml.parsers.expat asyncio contextvars datetime statistics random heapq bisect \
                   binascii email http.client urllib.request logging.config unittest concurrent.futures threading \
                   multiprocessing subprocess socket selectors pydoc difflib pprint tomllib graphlib ipaddress shelve \
                   configparser argparse gettext locale calendar sched queue imaplib ftplib smtplib mailbox turtle.x";
    for module in modules.split_whitespace().filter(|module| *module != "turtle.x") {
        check(&[(&format!("import {module}"), "done")]);
    }
    check(&[
        (
            "import zlib, bz2, lzma\n[m.decompress(m.compress(b'abc' * 99)) == b'abc' * 99 for m in (zlib, bz2, lzma)]",
            "= [True, True, True]",
        ),
        (
            "import sqlite3\nsqlite3.connect(':memory:').execute('select sum(value) from json_each(?)', ['[1,2,3]']).fetchone()",
            "= (6,)",
        ),
        (
            "db = sqlite3.connect('x.db')\ndb.execute('create table t(a)'); db.execute('insert into t values (1)'); db.commit(); db.close()\nsqlite3.connect('x.db').execute('select * from t').fetchall()",
            "= [(1,)]",
        ),
        (
            "import hashlib\n[hashlib.new(n, b'x').hexdigest()[:4] for n in ('md5', 'sha1', 'sha256', 'sha512', 'sha3_256', 'blake2b')]",
            "= ['9dd4', '11f6', '2d71', 'a4ab', '741e', '0909']",
        ),
        ("hashlib.sha256(b'abc' * 10**6).hexdigest()[:8]", "= 'f4096a13'"),
        (
            "from zoneinfo import ZoneInfo\nimport datetime\ndatetime.datetime(2026, 7, 1, tzinfo=ZoneInfo('Europe/Berlin')).utcoffset().seconds",
            "= 7200",
        ),
        ("from decimal import Decimal\nDecimal(1) / 7", "= Decimal('0.1428571428571428571428571429')"),
        ("'日本'.encode('shift_jis')", "= b'\\x93\\xfa\\x96{'"),
        ("import inspect, json\ninspect.getsource(json.dumps).startswith('def dumps(')", "= True"),
        ("json.__file__", "= '/usr/lib/python3.13/json/__init__.py'"),
    ]);
}

#[test]
fn what_cannot_exist_says_so() {
    for cell in [
        "import threading\nthreading.Thread(target=print).start()",
        "import subprocess\nsubprocess.run(['ls'])",
        "import os\nos.system('ls')",
        "import os\nos.fork()",
        "import socket\nsocket.create_connection(('127.0.0.1', 80))",
        "import socket\nsocket.socket()",
        "import multiprocessing\nmultiprocessing.Process(target=print).start()",
        "import ctypes\nctypes.CDLL('libc.so.6')",
        "import curses",
        "import tkinter",
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1/')",
    ] {
        let outcome = run(&mut session(), cell).outcome;
        assert!(brief(&outcome).contains("not available in the sandbox"), "{cell}: {}", brief(&outcome));
    }
}

#[test]
fn print_flushes_in_pieces_and_large_output_is_whole() {
    check_output("for i in range(3): print(i, end=' ', flush=True)\nprint()", "0 1 2 \n");
    let report = run(&mut session(), "for i in range(100_000): print('x' * 99)");
    assert_eq!(report.text(Stream::Stdout).len(), 10_000_000);
}
