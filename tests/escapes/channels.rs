//! Ways to other processes, and lies told to the host over the channels it reads.

use keelback_sandbox::{Limits, Parameter, Permissions, Tool, Value};

use crate::{outcome, session};

#[test]
fn there_are_no_processes_signals_or_native_calls() {
    let mut session = session(Permissions::none(), Limits::default());
    for cell in [
        "os.fork()",
        "os.system('true')",
        "os.popen('true')",
        "os.execv('/bin/true', ['true'])",
        "os.spawnv(os.P_WAIT, '/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.kill(1, 9)",
        "os.kill(os.getppid(), 9)",
        "import subprocess\nsubprocess.run(['true'])",
        "import ctypes\nctypes.CDLL('libc.so.6')",
        "import _ctypes",
        "import socket\nsocket.create_connection(('127.0.0.1', 1))",
        "import socket\nsocket.getaddrinfo('localhost', 80)",
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1/')",
        "import asyncio\nawait asyncio.open_connection('127.0.0.1', 1)",
        "import asyncio\nawait asyncio.create_subprocess_exec('true')",
        "import multiprocessing\nmultiprocessing.Pool(1)",
        "import threading\nthreading.Thread(target=print).start()",
        "import pty\npty.spawn('true')",
        "os.setuid(0)",
        "os.chroot('/')",
        "os.mkfifo('/work/f')",
    ] {
        let end = outcome(&mut session, &format!("import os\n{cell}"));
        assert!(end.ends_with("Error") || end == "gaierror", "{cell}: {end}");
    }
    assert_eq!(outcome(&mut session, "1 + 1"), "= 2");
}

/// The guest can reach the module that makes host calls; whatever it sends is an error of its own.
#[test]
fn forged_host_calls_are_the_guests_own_trouble() {
    for cell in [
        "_host.call(b'')",
        "_host.call(b'garbage')",
        "_host.call(b'(' * 100_000)",
        "_host.call(b'[\\xff\\xff\\xff\\x7f')",
        "_host.call(marshal.dumps(('wait',), 2))",
        "_host.call(marshal.dumps(('start', 'x', 1, 2, 3), 2))",
        "_host.call(marshal.dumps(('start', 1, 'tool', ((),), {1: 2}), 2))",
        "_host.call(marshal.dumps(('tool', 'unknown', (), {}), 2))",
        "_host.call(marshal.dumps(('tool', 'add', (1, 2, 3, 4), {}), 2))",
        "_host.call(marshal.dumps(('tool', 'add', 7, None), 2))",
        "_host.call(marshal.dumps(('cancel', 99), 2))",
        "_host.call(marshal.dumps(('nonsense',), 2))",
        "_host.call(marshal.dumps([[[]]], 2))",
        "_host.emit(99, b'x')",
        "_host.emit(3, b'not a value')",
        "_host.emit(1, b'\\xff\\xfe')",
    ] {
        let add = Tool::new("add", |arguments| Ok(Value::List(arguments)))
            .parameter(Parameter::new("a"))
            .parameter(Parameter::new("b"));
        let mut session = session(Permissions::none().tool(add), Limits::default());
        outcome(&mut session, &format!("import _host, marshal\n{cell}"));
        assert_eq!(outcome(&mut session, "1 + 1"), "= 2", "after {cell}");
    }
}

/// A cell that replaces the guest's own machinery breaks its own session at most.
#[test]
fn a_guest_that_forges_outcomes_harms_itself_only() {
    for cell in [
        "import _keelback_guest\n_keelback_guest.request = lambda r: ('value',)",
        "import sys\nsys.modules.clear()",
        "import builtins\nfor n in list(vars(builtins)): delattr(builtins, n)",
        "import sys\nsys.stdout = None\nsys.stderr = 5\nsys.displayhook = 1\nsys.excepthook = 2",
        "import os\nos.close(1); os.close(2); os.close(0); os.close(3)",
        "class E(Exception):\n    def __str__(self): raise self\n    __repr__ = __str__\nraise E",
        "class V:\n    def __repr__(self): raise SystemExit(9)\nV()",
        "class V:\n    def _repr_mimebundle_(self, **k): return {1: 2, 'a': object(), 'b': [self]}\nV()",
        "raise type('x' * 100_000, (Exception,), {})('y' * 1_000_000)",
        "import gc\nfor o in gc.get_objects():\n    if isinstance(o, dict) and len(o) > 50: o.clear()",
        "import os\nos.abort()",
        "import signal, os\nsignal.raise_signal(signal.SIGTERM)",
        "import faulthandler\nfaulthandler._sigsegv()",
    ] {
        let mut one = session(Permissions::none(), Limits::default());
        let _ = one.run(cell);
        let _ = one.run("1 + 1");
        drop(one);
        assert_eq!(outcome(&mut session(Permissions::none(), Limits::default()), "1 + 1"), "= 2", "after {cell}");
    }
}

#[test]
fn results_of_tools_are_data_and_nothing_else() {
    let odd = Tool::new("odd", |_| {
        let deep = (0..900).fold(Value::None, |value, _| Value::List(vec![value]));
        Ok(Value::Dict(vec![
            ("__class__".into(), "os.system".into()),
            (Value::Tuple(vec![Value::Int(1)]), deep),
            ("text".into(), "\u{0}\u{202e}'); import os".into()),
        ]))
    });
    let mut session = session(Permissions::none().tool(odd), Limits::default());
    assert_eq!(
        outcome(&mut session, "r = odd()\ntype(r), sorted(map(str, r))"),
        "= (<class 'dict'>, ['(1,)', '__class__', 'text'])"
    );
}
