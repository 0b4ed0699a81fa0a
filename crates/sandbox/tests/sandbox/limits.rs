//! Limits and interrupts: each names itself and leaves the session alive.

use std::time::Duration;

use keelback_sandbox::{Limit, Outcome, Restored, SessionOptions, Stream};

use crate::{brief, check_in, engine, limited, run, session};

const SHORT: Duration = Duration::from_millis(60);

#[test]
fn wall_time_raises_and_finally_runs() {
    let mut session = limited(|limits| limits.wall_time = Some(SHORT));
    run(&mut session, "x = 1");
    let report = run(&mut session, "try:\n    while True: x += 1\nfinally:\n    print('cleaned up')");
    assert_eq!(brief(&report.outcome), "TimeoutError: cell used all 60 ms of wall time");
    let Outcome::Raised(raised) = &report.outcome else { panic!("not raised") };
    assert_eq!(raised.limit, Some(Limit::WallTime(SHORT)));
    assert_eq!(report.text(Stream::Stdout), "cleaned up\n");
    check_in(&mut session, &[("x > 1", "= True")]);
}

#[test]
fn wall_time_ends_waits() {
    for wait in ["import time; time.sleep(99)", "import asyncio; await asyncio.sleep(99)", "await asyncio.Future()"] {
        let mut session = limited(|limits| limits.wall_time = Some(SHORT));
        run(&mut session, "import asyncio\nx = 1");
        let outcome = run(&mut session, wait).outcome;
        assert_eq!(brief(&outcome), "TimeoutError: cell used all 60 ms of wall time", "{wait}");
        check_in(&mut session, &[("x", "= 1"), ("await asyncio.sleep(0, 2)", "= 2")]);
    }
}

#[test]
fn cpu_time_counts_work_and_not_waits() {
    let mut session = limited(|limits| limits.cpu_time = Some(SHORT));
    check_in(
        &mut session,
        &[
            ("import time\ntime.sleep(0.15)\n5", "= 5"),
            ("while True: pass", "TimeoutError: cell used all 60 ms of CPU time"),
            ("6", "= 6"),
        ],
    );
}

#[test]
fn a_guest_that_does_not_react_is_stopped_and_goes_on() {
    let cells = [
        "sum(range(10**12))",
        "import collections, itertools\ncollections.deque(itertools.repeat(1), maxlen=0)",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass",
        "class D:\n    def __del__(self):\n        while True: pass\nd = D()\ndel d\nwhile True: pass",
    ];
    for cell in cells {
        let mut session = limited(|limits| {
            limits.wall_time = Some(SHORT);
            limits.grace = SHORT;
        });
        run(&mut session, "x = 1");
        session.checkpoint().unwrap();
        run(&mut session, "x = 2");
        let outcome = run(&mut session, cell).outcome;
        let Outcome::Stopped { limit, reason, restored } = outcome else { panic!("{cell}: {outcome:?}") };
        assert_eq!((limit, restored), (Some(Limit::WallTime(SHORT)), Restored::Checkpoint));
        assert_eq!(reason, "the cell used all 60 ms of wall time, did not react within 60 ms and was stopped");
        check_in(&mut session, &[("x", "= 1")]);
    }
}

#[test]
fn a_stopped_session_without_a_checkpoint_starts_again() {
    let mut session = limited(|limits| {
        limits.wall_time = Some(SHORT);
        limits.grace = Duration::ZERO;
    });
    run(&mut session, "x = 1");
    let outcome = run(&mut session, "sum(range(10**12))").outcome;
    assert!(matches!(outcome, Outcome::Stopped { restored: Restored::Start, .. }), "{outcome:?}");
    check_in(&mut session, &[("x", "NameError: name 'x' is not defined")]);
}

#[test]
fn an_interrupt_raises_in_loops_sleeps_and_awaits() {
    let cells = ["while True: pass", "import time; time.sleep(99)", "import asyncio; await asyncio.sleep(99)"];
    for cell in cells {
        let mut session = session();
        run(&mut session, "x = 1");
        let (sender, started) = std::sync::mpsc::channel();
        session.set_sink(Some(Box::new(move |_| _ = sender.send(()))));
        let handle = session.interrupt_handle();
        assert!(!handle.interrupt(), "nothing runs yet");
        let interrupter = std::thread::spawn(move || {
            started.recv().unwrap();
            assert!(handle.interrupt());
        });
        let outcome = run(&mut session, &format!("print('on')\n{cell}")).outcome;
        assert_eq!(brief(&outcome), "KeyboardInterrupt: ", "{cell}");
        interrupter.join().unwrap();
        check_in(&mut session, &[("x", "= 1")]);
    }
}

#[test]
fn memory_runs_out_as_memory_error() {
    let mut session = limited(|limits| limits.memory_bytes = 100 << 20);
    run(&mut session, "x = 1");
    for cell in ["'x' * 10**9", "[0] * 10**8", "bytearray(200_000_000)", "l = []\nwhile True: l.append('x' * 10**6)"] {
        let Outcome::Raised(raised) = run(&mut session, cell).outcome else { panic!("{cell}") };
        assert_eq!(
            (raised.type_name.as_str(), raised.limit),
            ("MemoryError", Some(Limit::Memory(100 << 20))),
            "{cell}"
        );
        check_in(&mut session, &[("l = None\nx", "= 1")]);
    }
}

#[test]
fn memory_freed_in_one_size_serves_another() {
    let mut session = limited(|limits| limits.memory_bytes = 100 << 20);
    run(
        &mut session,
        "def fill(size):
    kept = []
    try:
        while True: kept.append(bytearray(size))
    except MemoryError:
        return sum(map(len, kept)) >> 20",
    );
    for size in [700, 5_000, 14_000, 60_000, 600_000, 9_000, 2_000_000] {
        check_in(&mut session, &[(&format!("fill({size}) > 50"), "= True")]);
    }
}

#[test]
fn output_has_an_end() {
    let mut session = limited(|limits| limits.output_bytes = 1000);
    let report = run(&mut session, "while True: print('x' * 99)");
    assert_eq!(brief(&report.outcome), "OutputLimitError: cell used all 1000 bytes of output");
    let Outcome::Raised(raised) = &report.outcome else { panic!("not raised") };
    assert_eq!(raised.limit, Some(Limit::Output(1000)));
    assert_eq!(report.text(Stream::Stdout).len(), 1000);
    assert_eq!(run(&mut session, "print('again')").text(Stream::Stdout), "again\n");
}

#[test]
fn recursion_ends_in_recursion_error() {
    let mut session = session();
    run(
        &mut session,
        "import sys, json, re, pickle\ndef f(n): return f(n + 1)\nnested = []\nfor _ in range(100_000): nested = [nested]",
    );
    for limit in ["", "sys.setrecursionlimit(10**9)\n"] {
        for cell in [
            "f(0)",
            "repr(nested)",
            "json.dumps(nested)",
            "json.loads('[' * 100_000)",
            "pickle.dumps(nested)",
            "eval('(' * 5000 + ')' * 5000)",
            "compile('-' * 100_000 + '1', 'f', 'eval')",
            "re.compile('(' * 20_000)",
            "import ast; ast.literal_eval('[' * 5000 + ']' * 5000)",
            "eval('+'.join(['x'] * 50_000))",
        ] {
            let report = run(&mut session, &format!("{limit}{cell}"));
            let outcome = &report.outcome;
            let Outcome::Raised(raised) = outcome else {
                panic!("{cell}: {} {}", brief(outcome), report.text(keelback_sandbox::Stream::Stderr))
            };
            let expected = ["RecursionError", "MemoryError", "SystemError", "SyntaxError", "NameError", "PatternError"];
            assert!(expected.contains(&raised.type_name.as_str()), "{cell}: {}", brief(outcome));
        }
    }
    check_in(&mut session, &[("1 + 1", "= 2")]);
}

#[test]
fn open_files_have_a_maximum() {
    let mut session = limited(|limits| limits.open_files = 16);
    let cell = "files = []\nwhile True: files.append(open('f', 'w'))";
    assert!(brief(&run(&mut session, cell).outcome).starts_with("OSError: [Errno 33]"), "EMFILE in WASI is 33");
    check_in(&mut session, &[("files.clear()\nopen('f', 'w').write('x')", "= 1")]);
}

#[test]
fn scratch_space_has_a_maximum() {
    let mut session = limited(|limits| limits.scratch_bytes = 1 << 20);
    let cell = "with open('f', 'wb') as f:\n    while True: f.write(bytes(10_000))";
    assert!(brief(&run(&mut session, cell).outcome).contains("[Errno 51]"), "ENOSPC in WASI is 51");
    let cell = "import os\nos.remove('f')\nfor i in range(10**6): open(str(i), 'w').close()";
    assert!(brief(&run(&mut session, cell).outcome).contains("[Errno 51]"), "names count too");
    check_in(&mut session, &[("1", "= 1")]);
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let mut limits = keelback_sandbox::Limits::default();
    limits.memory_bytes = 1 << 20;
    let error = engine().session(SessionOptions::default().limits(limits)).err().unwrap();
    assert_eq!(error.to_string(), "limit `memory_bytes` is 1048576; it must be at least 50331648");
}
