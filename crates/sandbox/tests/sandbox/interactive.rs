//! A session behind a prompt: interactive cells, what is asked while a person types, idling, a terminal.

use std::{
    io,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use keelback_sandbox::{
    Cell, Completeness, CompletionKind, Event, Lines, Outcome, Permissions, Session, SessionOptions, Stdin, Stream,
    TerminalSize,
};

use crate::{brief, engine, session, session_with};

fn shown(session: &mut Session, source: &str) -> (Vec<String>, String) {
    let report = session.run(Cell::interactive(source)).unwrap();
    let texts = report.events.iter().filter_map(|event| match event {
        Event::Shown { text, .. } => Some(text.clone()),
        _ => None,
    });
    (texts.collect(), brief(&report.outcome))
}

#[track_caller]
fn check(cells: &[(&str, &[&str], &str)]) {
    let mut session = session();
    for (source, texts, outcome) in cells {
        let (found, end) = shown(&mut session, source);
        assert_eq!((found, end.as_str()), (texts.iter().map(ToString::to_string).collect(), *outcome), "{source}");
    }
}

fn on_terminal(permissions: Permissions) -> Session {
    let terminal = TerminalSize { columns: 60, lines: 20 };
    engine().session(SessionOptions::default().permissions(permissions).terminal(terminal)).unwrap()
}

fn answering(lines: &'static [&'static str]) -> Permissions {
    let mut left = lines.iter();
    let ask = move |_: &_| Ok(left.next().map_or_else(Vec::new, |line| line.as_bytes().to_vec()));
    Permissions::none().stdin(Stdin::Lines(Lines::new(ask)))
}

#[test]
fn every_expression_statement_is_shown() {
    check(&[
        ("1; 2", &["1", "2"], "done"),
        ("for i in range(2): i", &["0", "1"], "done"),
        ("_ + 41", &["42"], "done"),
        ("import asyncio\nawait asyncio.sleep(0, 'a')\n'b'", &["'a'", "'b'"], "done"),
        ("None", &[], "done"),
        ("(", &[], "incomplete"),
        ("1; 1/0; 2", &["1"], "ZeroDivisionError: division by zero"),
        ("exit(3)", &[], "exit 3"),
        ("import sys; old = sys.displayhook; sys.displayhook = lambda v: old([v])", &[], "done"),
        ("5", &["[5]"], "done"),
    ]);
}

#[test]
fn a_cell_is_whole_or_could_be() {
    let mut session = session();
    let mut check = |source: &str, expected: Completeness| assert_eq!(session.completeness(source).unwrap(), expected);
    check("x = 3; x", Completeness::Complete);
    check("await f()", Completeness::Complete);
    check("if x:", Completeness::Incomplete);
    check("'''", Completeness::Incomplete);
    check("x y", Completeness::Invalid);
    check("return 3", Completeness::Invalid);
    check("\0", Completeness::Invalid);
    // Asking is not running, nor is it an input.
    assert_eq!(shown(&mut session, "x"), (vec![], "NameError: name 'x' is not defined".into()));
    assert_eq!(session.completeness("1/0").unwrap(), Completeness::Complete);
    let report = session.run(Cell::interactive("1/0")).unwrap();
    let Outcome::Raised(raised) = report.outcome else { panic!("{:?}", report.outcome) };
    assert!(raised.traceback.contains("<python-input-1>"), "{}", raised.traceback);
}

#[test]
fn a_synchronous_session_has_no_loop() {
    let mut session = engine().session(SessionOptions::default().synchronous()).unwrap();
    let mut check = |source: &str, texts: &[&str], end: &str| {
        let (found, outcome) = shown(&mut session, source);
        assert_eq!((found, outcome.as_str()), (texts.iter().map(ToString::to_string).collect(), end), "{source}");
    };
    check("await f()", &[], "SyntaxError: 'await' outside function (<python-input-0>, line 1)");
    check("import asyncio; asyncio.get_running_loop()", &[], "RuntimeError: no running event loop");
    check("async def f(): return asyncio.get_running_loop() is not None", &[], "done");
    check("asyncio.run(f())", &["True"], "done");
    check("asyncio.get_running_loop()", &[], "RuntimeError: no running event loop");
    check("with asyncio.Runner() as runner: runner.run(f())", &["True"], "done");
}

#[test]
fn wide_values_come_with_a_text_of_several_lines() {
    let mut session = session();
    let report = session.run(Cell::interactive("[1]\n{'name': 'x' * 50, 'other': 'y' * 50}")).unwrap();
    let [Event::Shown { pretty: None, .. }, Event::Shown { text, pretty: Some(pretty), cut: false, mime }] =
        &report.events[..]
    else {
        panic!("{:?}", report.events)
    };
    assert_eq!(text, "");
    let (x, y) = ("x".repeat(50), "y".repeat(50));
    assert_eq!(*pretty, format!("{{\n    'name': '{x}',\n    'other': '{y}'\n}}"));
    assert!(mime.0.is_empty());
}

#[test]
fn long_values_come_without_their_middle() {
    let mut session = session();
    let report = session.run(Cell::interactive("'x' * 300_000\n_ == 'x' * 300_000")).unwrap();
    let [Event::Shown { pretty: Some(pretty), cut: true, .. }, Event::Shown { text, cut: false, .. }] =
        &report.events[..]
    else {
        panic!("{} events", report.events.len())
    };
    let part = "x".repeat(3918);
    assert_eq!(*pretty, format!("'{part}'\n... 292,164 characters ...\n'{part}'"));
    assert_eq!(text, "True");
}

#[test]
fn output_and_values_are_in_order() {
    let mut session = session();
    let report = session.run(Cell::interactive("print('a'); 1; print('b', end='')")).unwrap();
    let kinds: Vec<bool> = report.events.iter().map(|event| matches!(event, Event::Shown { .. })).collect();
    assert_eq!(kinds, [false, true, false]);
    // A program that reads its own output gets the values as text.
    let source = "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()) as f: 5\nf.getvalue()";
    assert_eq!(shown(&mut session, source).0, ["'5\\n'"]);
}

#[test]
fn inputs_are_numbered_as_at_cpythons_prompt() {
    let mut session = session();
    let traceback = |session: &mut Session, source: &str| match session.run(Cell::interactive(source)).unwrap().outcome
    {
        Outcome::Raised(raised) | Outcome::Invalid(raised) => raised.traceback,
        other => panic!("{other:?}"),
    };
    assert!(traceback(&mut session, "a b c").contains("File \"<python-input-0>\", line 1"));
    session.run(Cell::interactive("def f(): return 1/0")).unwrap();
    session.checkpoint().unwrap();
    let text = traceback(&mut session, "f()");
    assert!(
        text.starts_with("Traceback (most recent call last):\n  File \"<python-input-2>\", line 1, in <module>\n"),
        "{text}"
    );
    assert!(text.contains("def f(): return 1/0"), "{text}");
    session.rollback().unwrap();
    assert!(traceback(&mut session, "f()").contains("<python-input-2>"));
    session.run(Cell::interactive("import sys; sys.excepthook = 1")).unwrap();
    let text = traceback(&mut session, "1/0");
    assert!(
        text.starts_with("Error in sys.excepthook:\n") && text.contains("\nOriginal exception was:\nTraceback"),
        "{text}"
    );
    assert!(!text.contains("_keelback"), "{text}");
}

#[test]
fn completions_and_signatures_count_bytes() {
    let mut session = session();
    session
        .run("import os\nclass C:\n  @property\n  def prop(self): 1/0\nc = C(); größe = 'é'; d = {'key': 1}")
        .unwrap();
    let texts = |session: &mut Session, source: &str| {
        let found = session.complete(source, source.len(), true).unwrap();
        let texts: Vec<String> = found.matches.into_iter().map(|found| found.text).collect();
        (found.range, texts)
    };
    assert_eq!(texts(&mut session, "'é'; grö"), (6..10, vec!["größe".into()]));
    assert_eq!(texts(&mut session, "größe.jo"), (8..10, vec!["join(".into()]));
    assert_eq!(texts(&mut session, "os.getpi").1, ["getpid()"]);
    assert_eq!(texts(&mut session, "c.pr").1, ["prop"]);
    assert_eq!(texts(&mut session, "d['").1, ["key']"]);
    assert_eq!(texts(&mut session, "import jso").1, ["json"]);
    assert_eq!(texts(&mut session, "import importlib.resources.ab").1, ["abc"]);
    assert_eq!(texts(&mut session, "from turtl").1, Vec::<String>::new());
    assert_eq!(texts(&mut session, "from wave import Wave_r").1, ["Wave_read"]);
    assert_eq!(brief(&session.run("import sys; 'wave' in sys.modules").unwrap().outcome), "= False");
    let found = session.complete("impo", 4, true).unwrap();
    assert_eq!((found.matches[0].kind, found.more), (CompletionKind::Keyword, false));
    session.run("open('/work/notes.txt', 'w').close()").unwrap();
    assert_eq!(texts(&mut session, "open('/work/no").1, ["notes.txt"]);
    assert_eq!(session.complete("", 99, true).unwrap().range, 0..0);

    session.run("def f(größe, b=1): 'Does it.'").unwrap();
    let signature = session.signature("f('é', ", 8).unwrap().unwrap();
    let parameters: Vec<&str> = signature.parameters.iter().map(|span| &signature.text[span.clone()]).collect();
    assert_eq!((parameters, signature.active), (vec!["größe", "b=1"], Some(1)));
    assert_eq!((signature.text.as_str(), signature.doc.as_str()), ("f(größe, b=1)", "Does it."));
    assert_eq!(session.signature("c.prop(", 7).unwrap(), None);
    assert_eq!(session.completion_detail("x = f", 4, "f(").unwrap(), ("(größe, b=1)".into(), "Does it.".into()));
}

#[test]
fn values_are_described() {
    let mut session = session();
    session.run(Cell::interactive("def f(a):\n  'Does it.'\nn = [1, 'x' * 90]\nimport json")).unwrap();
    let described = session.describe("f").unwrap().unwrap();
    assert_eq!((described.type_name.as_str(), described.doc.as_str()), ("function", "Does it."));
    assert_eq!((described.signature.as_str(), described.file.as_str()), ("f(a)", "<python-input-0>"));
    assert_eq!(session.describe("nosuch").unwrap(), None);
    let source = session.source_of("f").unwrap().unwrap();
    assert_eq!((source.text.as_str(), source.line), ("def f(a):\n  'Does it.'\n", 1));
    assert!(session.source_of("json.dumps").unwrap().unwrap().text.starts_with("def dumps("));
    assert_eq!(session.source_of("len").unwrap(), None);
    let (text, truncated) = session.pretty("n", 40, Some(10)).unwrap().unwrap();
    assert_eq!((text, truncated), (format!("[\n    1,\n    '{}'\n]", "x".repeat(90)), false));
    assert!(session.pretty("n", 40, Some(2)).unwrap().unwrap().1);
    assert_eq!(session.pretty("f()", 40, None).unwrap(), None);
    assert_eq!(session.defined(&["f", "print", "nosuch"]).unwrap(), [true, true, false]);
}

#[test]
fn prompts_are_asked_for_each_time() {
    let mut session = session();
    assert_eq!(session.prompts().unwrap(), (">>> ".into(), "... ".into()));
    assert_eq!(shown(&mut session, "import sys; sys.ps1").0, ["'>>> '"]);
    session
        .run("class P:\n  n = 0\n  def __str__(self): P.n += 1; return f'[{P.n}] '\nsys.ps1 = P(); sys.ps2 = '.... '")
        .unwrap();
    assert_eq!(session.prompts().unwrap().0, "[1] ");
    assert_eq!(session.prompts().unwrap(), ("[2] ".into(), ".... ".into()));
    assert_eq!(brief(&crate::session().run("import sys; hasattr(sys, 'ps1')").unwrap().outcome), "= False");
}

#[test]
fn input_asks_whoever_the_lines_come_from() {
    let mut session = session_with(answering(&["ada\n", "first\nsecond\n", "é", "\n"]));
    let report = session.run("input('name? ')").unwrap();
    assert_eq!((brief(&report.outcome), report.text(Stream::Stdout)), ("= 'ada'".into(), "name? ".into()));
    assert_eq!(brief(&session.run("input(), input(), input()").unwrap().outcome), "= ('first', 'second', 'é')");
    assert_eq!(brief(&session.run("input()").unwrap().outcome), "EOFError: EOF when reading a line");
    assert_eq!(brief(&session.run("import sys; sys.stdin.readline()").unwrap().outcome), "= ''");
}

#[test]
fn the_question_is_written_before_it_is_answered() {
    let written = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&written);
    let lines = Lines::new(move |_| Ok(format!("saw {:?}\n", seen.lock().unwrap()).into_bytes()));
    let mut session = session_with(Permissions::none().stdin(Stdin::Lines(lines)));
    session.set_sink(Some(Box::new(move |event| {
        if let Event::Output { bytes, .. } = event {
            written.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes));
        }
    })));
    assert_eq!(brief(&session.run("print('a'); input('b? ')").unwrap().outcome), "= 'saw \"a\\\\nb? \"'");
}

#[test]
fn input_is_interrupted() {
    // By whoever is asked.
    let lines = Lines::new(|_| Err(io::ErrorKind::Interrupted.into()));
    let mut session = session_with(Permissions::none().stdin(Stdin::Lines(lines)));
    assert_eq!(brief(&session.run("input()").unwrap().outcome), "KeyboardInterrupt: ");
    assert_eq!(brief(&session.run("1").unwrap().outcome), "= 1");
    // From another thread.
    let (asked, waits) = mpsc::channel();
    let lines = Lines::new(move |asking| {
        asked.send(()).unwrap();
        asking.until(std::future::pending::<Vec<u8>>())
    });
    let mut session = session_with(Permissions::none().stdin(Stdin::Lines(lines)));
    let handle = session.interrupt_handle();
    let interrupting = thread::spawn(move || {
        waits.recv().unwrap();
        handle.interrupt()
    });
    let cell = "try:\n  input()\nexcept KeyboardInterrupt:\n  text = 'interrupted'\ntext";
    assert_eq!(brief(&session.run(cell).unwrap().outcome), "= 'interrupted'");
    assert!(interrupting.join().unwrap());
}

#[test]
fn a_session_on_a_terminal_knows_it() {
    let ask = "import os, sys, shutil; (sys.stdin.isatty(), sys.stdout.isatty(), os.isatty(2), os.isatty(7), \
               tuple(shutil.get_terminal_size()))";
    let mut plain = session();
    assert_eq!(brief(&plain.run(ask).unwrap().outcome), "= (False, False, False, False, (80, 24))");
    assert!(brief(&plain.run("os.get_terminal_size()").unwrap().outcome).starts_with("OSError: "));
    let mut session = on_terminal(answering(&["len\n", "quit\n"]));
    assert_eq!(brief(&session.run(ask).unwrap().outcome), "= (True, True, True, False, (60, 20))");
    session.set_terminal(Some(TerminalSize { columns: 100, lines: 30 })).unwrap();
    assert_eq!(brief(&session.run("tuple(os.get_terminal_size())").unwrap().outcome), "= (100, 30)");
    let mut fork = session.fork().unwrap();
    assert_eq!(brief(&fork.run("tuple(os.get_terminal_size())").unwrap().outcome), "= (100, 30)");
    // Somebody is there to be asked.
    let report = session.run("help()").unwrap();
    assert!(report.text(Stream::Stdout).contains("Return the number of items in a container."), "{report:?}");
    session.set_terminal(None).unwrap();
    assert_eq!(brief(&session.run("sys.stdout.isatty()").unwrap().outcome), "= False");
    let report = session.run("help(len)").unwrap();
    assert!(
        report.text(Stream::Stdout).starts_with("Help on built-in function len in module builtins:\n"),
        "{report:?}"
    );
}

#[test]
fn an_idle_session_without_tasks_returns_at_once() {
    let mut session = session();
    for cell in ["1", "import asyncio; task = asyncio.create_task(asyncio.Event().wait())"] {
        session.run(cell).unwrap();
        let handle = session.idle_handle();
        assert_eq!(session.idle(&handle).unwrap().outcome, Outcome::Done);
    }
}

#[test]
fn tasks_go_on_while_the_prompt_waits() {
    let mut session = session();
    let cell = "import asyncio\nasync def count():\n  for n in range(3):\n    await asyncio.sleep(0.01)\n    print(n)\n\
                task = asyncio.create_task(count())";
    session.run(Cell::interactive(cell)).unwrap();
    let handle = session.idle_handle();
    let report = session.idle(&handle).unwrap();
    assert_eq!((report.outcome, report.events.is_empty()), (Outcome::Done, false));
    assert_eq!(brief(&session.run("task.done()").unwrap().outcome), "= True");
}

/// Idles until something is written, then stops from another thread.
fn idle_until_output(session: &mut Session) -> Outcome {
    let handle = session.idle_handle();
    let stopping = handle.clone();
    let (written, waits) = mpsc::channel();
    session.set_sink(Some(Box::new(move |_| written.send(()).unwrap_or_default())));
    let stopper = thread::spawn(move || {
        waits.recv().unwrap();
        stopping.stop()
    });
    let outcome = session.idle(&handle).unwrap().outcome;
    session.set_sink(None);
    assert!(stopper.join().unwrap());
    outcome
}

#[test]
fn idling_is_ended_from_another_thread() {
    for body in [
        "print('x'); await asyncio.sleep(1000)",            // waits in the host
        "print('x')\n  while True: await asyncio.sleep(0)", // never waits
        "print('x'); await reader()",
    ] {
        let mut session = session();
        let cell = format!(
            "import asyncio\nasync def reader():\n  while True: await asyncio.sleep(0.001)\n\
             async def work():\n  {body}\ntask = asyncio.create_task(starter())"
        )
        .replace("task =", "async def starter():\n  await asyncio.sleep(0.001)\n  await work()\ntask =");
        assert_eq!(session.run(cell.as_str()).unwrap().outcome, Outcome::Done, "{body}");
        assert_eq!(idle_until_output(&mut session), Outcome::Done, "{body}");
        assert_eq!(brief(&session.run("task.done(), 1").unwrap().outcome), "= (False, 1)", "{body}");
    }
}

#[test]
fn a_handle_that_was_used_stays_so() {
    let mut session = session();
    session.run("import asyncio; task = asyncio.create_task(asyncio.sleep(1000))").unwrap();
    let handle = session.idle_handle();
    assert!(!handle.stop());
    assert_eq!(session.idle(&handle).unwrap().outcome, Outcome::Done);
    assert_eq!(session.idle(&handle).unwrap().outcome, Outcome::Done);
    assert_eq!(brief(&session.run("task.done()").unwrap().outcome), "= False");
}

#[test]
fn what_leaves_the_loop_ends_idling() {
    let mut session = session();
    let cell = "import asyncio, sys\nasync def leave():\n  await asyncio.sleep(0.001)\n  sys.exit(3)\n\
                task = asyncio.create_task(leave())";
    session.run(cell).unwrap();
    let handle = session.idle_handle();
    assert_eq!(brief(&session.idle(&handle).unwrap().outcome), "exit 3");
    // A task that never awaits is interrupted as a cell is.
    let cell = "async def spin():\n  await asyncio.sleep(0.001)\n  print('x')\n  while True: pass\n\
                task = asyncio.create_task(spin())";
    session.run(cell).unwrap();
    let interrupt = session.interrupt_handle();
    let (written, waits) = mpsc::channel();
    session.set_sink(Some(Box::new(move |_| written.send(()).unwrap_or_default())));
    let interrupting = thread::spawn(move || {
        waits.recv().unwrap();
        interrupt.interrupt()
    });
    let handle = session.idle_handle();
    let outcome = session.idle(&handle).unwrap().outcome;
    assert!(interrupting.join().unwrap());
    assert_eq!(brief(&outcome), "KeyboardInterrupt: ");
    session.set_sink(None);
    assert_eq!(brief(&session.run("1 + 1").unwrap().outcome), "= 2");
}
