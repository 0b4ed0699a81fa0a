//! Forks, checkpoints, transactions and files of sessions.

use keelback_sandbox::{Cell, Error, Outcome, Permissions, SessionOptions, Tool, Value};

use crate::{brief, check_in, engine, run, session, session_with};

/// State that no serializer keeps: a generator under way, a closure, a suspended coroutine, an open scratch file.
const ALIVE: &str = "
import asyncio
def count():
    n = 0
    while True:
        n += 1
        yield n
numbers = count()
next(numbers)
def counter():
    n = 0
    def step():
        nonlocal n
        n += 1
        return n
    return step
step = counter()
step()
file = open('notes.txt', 'w+')
file.write('abc')
log = []
async def work():
    for i in range(1000):
        await asyncio.sleep(0)
        log.append(i)
task = asyncio.create_task(work())
await asyncio.sleep(0)
";

const STILL: &[(&str, &str)] = &[
    ("next(numbers)", "= 2"),
    ("step()", "= 2"),
    ("file.write('d')\nfile.seek(0)\nfile.read()", "= 'abcd'"),
    ("await task\nlen(log)", "= 1000"),
];

#[test]
fn both_sides_of_a_fork_go_on() {
    let mut parent = session();
    run(&mut parent, ALIVE);
    let mut child = parent.fork().unwrap();
    check_in(&mut child, STILL);
    check_in(&mut parent, STILL);
    let mut grandchild = child.fork().unwrap();
    check_in(&mut grandchild, &[("next(numbers)", "= 3"), ("numbers = None", "done")]);
    drop(child);
    check_in(&mut parent, &[("next(numbers)", "= 3")]);
}

#[test]
fn a_checkpoint_can_be_gone_back_to_again_and_again() {
    let mut session = session();
    run(&mut session, ALIVE);
    session.checkpoint().unwrap();
    for _ in 0..3 {
        check_in(&mut session, STILL);
        run(&mut session, "del numbers, step");
        session.rollback().unwrap();
    }
    check_in(&mut session, STILL);
}

#[test]
fn a_transaction_that_fails_leaves_nothing() {
    let mut session = session();
    run(&mut session, "rows = [1]");
    let failing = "rows.append(2)\nopen('new.txt', 'w').write('x')\n1/0";
    let report = session.run(Cell::from(failing).transaction()).unwrap();
    assert_eq!((brief(&report.outcome).as_str(), report.rolled_back), ("ZeroDivisionError: division by zero", true));
    check_in(&mut session, &[("rows", "= [1]"), ("import os\nos.path.exists('new.txt')", "= False")]);
    let report = session.run(Cell::from("rows.append(3)").transaction()).unwrap();
    assert!(!report.rolled_back);
    check_in(&mut session, &[("rows", "= [1, 3]")]);
    run(&mut session, failing);
    check_in(&mut session, &[("rows", "= [1, 3, 2]")]);
}

#[test]
fn a_saved_session_goes_on_in_another_engine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.kbs");
    let mut saved = session();
    run(&mut saved, ALIVE);
    saved.save(&path).unwrap();
    drop(saved);
    let mut loaded = engine().load(&path, SessionOptions::default()).unwrap();
    check_in(&mut loaded, STILL);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = engine().load(&path, SessionOptions::default()).err().unwrap();
    assert!(matches!(error, Error::Snapshot(_)), "{error}");
}

#[test]
fn what_cannot_be_in_two_places_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session_with(Permissions::none().write(folder.path(), "/data"));
    run(&mut session, "f = open('/data/out.txt', 'w')");
    let Err(Error::Snapshot(error)) = session.fork() else { panic!("it was forked") };
    assert!(error.to_string().contains("/data/out.txt"), "{error}");
    run(&mut session, "f.close()");
    assert!(session.fork().is_ok());

    let never = Tool::new_async("never", |_| std::future::pending());
    let mut session = session_with(Permissions::none().tool(never));
    run(
        &mut session,
        "import asyncio\nasync def call(): await never()\nt = asyncio.create_task(call())\nawait asyncio.sleep(0)\nawait asyncio.sleep(0)",
    );
    let Err(Error::Snapshot(error)) = session.fork() else { panic!("it was forked") };
    assert!(error.to_string().contains("`never`"), "{error}");
}

#[test]
fn no_two_sessions_have_the_same_randomness() {
    let cell = "import random, uuid, secrets, tempfile\n(random.random(), str(uuid.uuid4()), secrets.token_hex(), random.SystemRandom().random())";
    let mut parent = session();
    let mut seen = vec![run(&mut parent, cell).outcome];
    seen.push(run(&mut session(), cell).outcome);
    let mut child = parent.fork().unwrap();
    seen.push(run(&mut parent, cell).outcome);
    seen.push(run(&mut child, cell).outcome);
    parent.checkpoint().unwrap();
    parent.rollback().unwrap();
    seen.push(run(&mut parent, cell).outcome);
    parent.rollback().unwrap();
    seen.push(run(&mut parent, cell).outcome);
    let tuples: Vec<Vec<Value>> = seen
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Value { data: Some(Value::Tuple(items)), .. } => items,
            other => panic!("{other:?}"),
        })
        .collect();
    for (i, a) in tuples.iter().enumerate() {
        for b in &tuples[i + 1..] {
            assert!(a.iter().zip(b).all(|(a, b)| a != b), "{a:?} {b:?}");
        }
    }
}

#[test]
fn a_pinned_session_repeats_itself() {
    let cell = "import random, uuid, time, datetime, os\n\
                a = time.time(); time.sleep(3600); b = time.time()\n\
                (random.random(), str(uuid.uuid4()), str(datetime.datetime.now()), os.urandom(8), time.monotonic(), b - a >= 3600)";
    let outcome = |seed| {
        let mut session = engine().session(SessionOptions::default().deterministic(seed)).unwrap();
        brief(&run(&mut session, cell).outcome)
    };
    assert_eq!(outcome(7), outcome(7));
    assert_ne!(outcome(7), outcome(8));
    assert!(outcome(7).ends_with("True)"));
}

#[test]
fn a_session_leaves_nothing_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), "secret").unwrap();
    for _ in 0..20 {
        let mut first = session_with(Permissions::none().read(folder.path(), "/data").env("TOKEN", "secret-token"));
        let cell = "import builtins, sys, os, json\nbuiltins.left = json.left = sys.left = 'left-behind' * 1000\n\
                    open('/tmp/left', 'w').write('left-behind')\nf = open('/data/x')\nf.read()";
        check_in(&mut first, &[(cell, "= 'secret'")]);
        drop(first);
        let cells = [
            ("left", "NameError: name 'left' is not defined"),
            ("import json, sys, os\nhasattr(json, 'left'), hasattr(sys, 'left')", "= (False, False)"),
            ("os.listdir('/tmp'), os.environ.get('TOKEN'), os.path.exists('/data')", "= ([], None, False)"),
        ];
        check_in(&mut session(), &cells);
    }
}
