//! Cells and what they end in.

use keelback_sandbox::{Event, Mime, Outcome, Stream, Value};

use crate::{brief, check, check_output, run, session};

#[test]
fn a_cell_ends_in_its_value() {
    check(&[
        ("1 + 1", "= 2"),
        ("x = 5", "done"),
        ("x * 2", "= 10"),
        ("_ + 1", "= 11"),
        ("None", "done"),
        ("for i in range(3): pass", "done"),
        ("y = 1; y + 1", "= 2"),
        ("def f():\n    return 7\nf()", "= 7"),
        ("", "done"),
        ("# nothing", "done"),
    ]);
}

#[test]
fn incomplete_and_invalid_sources_are_not_cells() {
    check(&[
        ("def f(:", "SyntaxError: invalid syntax (<cell N>, line 1)"),
        ("(1,", "incomplete"),
        ("if True:", "incomplete"),
        ("'''abc", "incomplete"),
        ("x = = 1", "SyntaxError: invalid syntax (<cell N>, line 1)"),
        ("return 1", "SyntaxError: 'return' outside function (<cell N>, line 1)"),
    ]);
}

#[test]
fn data_crosses_without_loss() {
    #[track_caller]
    fn check(cell: &str, expected: Option<Value>) {
        let report = run(&mut session(), cell);
        let Outcome::Value { data, .. } = report.outcome else { panic!("{:?}", report.outcome) };
        assert_eq!(data, expected, "{cell}");
    }
    check("True", Some(Value::Bool(true)));
    check("-2**63", Some(Value::Int(i64::MIN)));
    check("(1, 'ä', b'\\x00', 1.5)", {
        Some(Value::Tuple(vec![Value::Int(1), "ä".into(), Value::Bytes(vec![0]), Value::Float(1.5)]))
    });
    check("{'a': [1, {2}]}", {
        Some(Value::Dict(vec![("a".into(), Value::List(vec![Value::Int(1), Value::Set(vec![Value::Int(2)])]))]))
    });
    check("float('inf')", Some(Value::Float(f64::INFINITY)));
    check("object()", None);
    check("lambda: 1", None);
    check("compile('1', 'f', 'eval')", None);
    let report = run(&mut session(), "2**70");
    let Outcome::Value { data: Some(data), .. } = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(data.to_json().to_string(), "1180591620717411303424");
    let report = run(&mut session(), "'x' * 100_000_000");
    let Outcome::Value { data: Some(Value::Str(text)), .. } = report.outcome else { panic!("no text") };
    assert_eq!(text.len(), 100_000_000);
}

#[test]
fn values_go_in_and_come_out_by_name() {
    let mut session = session();
    let value = Value::List(vec![Value::Float(0.5), Value::None, "text".into()]);
    session.set("given", value.clone()).unwrap();
    assert_eq!(session.get("given").unwrap(), Some((String::new(), Some(value))));
    assert_eq!(session.get("missing").unwrap(), None);
    assert_eq!(session.variables().unwrap(), [("given".into(), "list".into(), "[0.5, None, 'text']".into())]);
    let text = "x".repeat(100_000_000);
    session.set("long", text.into()).unwrap();
    assert_eq!(brief(&run(&mut session, "len(long)").outcome), "= 100000000");
}

#[test]
fn an_exception_has_the_users_frames_only() {
    let report = run(&mut session(), "def f(x):\n    return 1 / x\n\nf(0)");
    let Outcome::Raised(raised) = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!((raised.module.as_str(), raised.type_name.as_str()), ("builtins", "ZeroDivisionError"));
    assert_eq!(raised.args, [("'division by zero'".into(), Some("division by zero".into()))]);
    assert_eq!(
        raised.traceback,
        "Traceback (most recent call last):\n  \
           File \"<cell 1>\", line 4, in <module>\n    f(0)\n    ~^^^\n  \
           File \"<cell 1>\", line 2, in f\n    return 1 / x\n           ~~^~~\n\
         ZeroDivisionError: division by zero\n"
    );
    let frame = &raised.frames[1];
    assert_eq!((frame.line, frame.column, frame.end_column, frame.name.as_str()), (2, Some(11), Some(16), "f"));
}

#[test]
fn notes_causes_and_groups_are_shown() {
    let cell =
        "try:\n    1/0\nexcept ZeroDivisionError as e:\n    e.add_note('look here')\n    raise ValueError('b') from e";
    let Outcome::Raised(raised) = run(&mut session(), cell).outcome else { panic!("not raised") };
    assert!(raised.traceback.contains("look here") && raised.traceback.contains("direct cause"), "{raised:?}");
    let cell = "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])";
    let Outcome::Raised(raised) = run(&mut session(), cell).outcome else { panic!("not raised") };
    assert!(raised.traceback.contains("+---------------- 2 ----------------"), "{}", raised.traceback);
}

#[test]
fn output_keeps_its_order_also_when_the_cell_fails() {
    let cell = "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c', end='')\nsys.stderr.write('d')\n\
                sys.stdout.buffer.write(b'\\xff')\n1/0";
    let report = run(&mut session(), cell);
    let written = |stream, bytes: &[u8]| Event::Output { stream, bytes: bytes.to_vec() };
    assert_eq!(
        report.events,
        [
            written(Stream::Stdout, b"a\n"),
            written(Stream::Stderr, b"b\n"),
            written(Stream::Stdout, b"c"),
            written(Stream::Stderr, b"d"),
            written(Stream::Stdout, b"\xff"),
        ]
    );
    assert_eq!(report.usage.output_bytes, 7);
}

#[test]
fn a_sink_gets_output_while_the_cell_runs() {
    let mut session = session();
    let (sender, receiver) = std::sync::mpsc::channel();
    let interrupt = session.interrupt_handle();
    session.set_sink(Some(Box::new(move |event| sender.send(event).unwrap())));
    // The cell would run for ever; that it is seen and stopped shows that its output came before its end.
    let stopper = std::thread::spawn(move || {
        let event = receiver.recv().unwrap();
        assert!(interrupt.interrupt());
        event
    });
    let report = run(&mut session, "print('started')\nwhile True: pass");
    assert_eq!(brief(&report.outcome), "KeyboardInterrupt: ");
    let Event::Output { bytes, .. } = stopper.join().unwrap() else { panic!("no output") };
    assert_eq!(bytes, b"started\n");
}

#[test]
fn rich_objects_have_their_mime_forms() {
    let class = "class Plot:\n    def _repr_html_(self): return '<b>'\n    def _repr_png_(self): return b'\\x89PNG'\n\
                 \n    def _repr_json_(self): return {'a': 1}\n    def _repr_svg_(self): 1/0\n";
    let report = run(&mut session(), &format!("{class}Plot()"));
    let Outcome::Value { mime, .. } = report.outcome else { panic!("{:?}", report.outcome) };
    let find = |name: &str| mime.0.iter().find(|(key, _)| key == name).map(|(_, form)| form.clone());
    assert_eq!(find("text/html"), Some(Mime::Text("<b>".into())));
    assert_eq!(find("image/png"), Some(Mime::Bytes(b"\x89PNG".to_vec())));
    assert_eq!(find("application/json"), Some(Mime::Text("{\"a\": 1}".into())));
    assert_eq!(find("image/svg+xml"), None);
    let report = run(&mut session(), &format!("{class}display(Plot())"));
    assert!(matches!(&report.events[..], [Event::Display(bundle)] if bundle.0.len() >= 2), "{:?}", report.events);
}

#[test]
fn await_works_at_top_level_and_tasks_go_on_in_the_next_cell() {
    check(&[
        ("import asyncio", "done"),
        ("await asyncio.sleep(0, 'a')", "= 'a'"),
        ("async def agen():\n    for i in range(3): yield i", "done"),
        ("[x async for x in agen()]", "= [0, 1, 2]"),
        ("total = 0\nasync for x in agen(): total += x\ntotal", "= 3"),
        ("[await asyncio.sleep(0, i) for i in range(3)]", "= [0, 1, 2]"),
        ("async with asyncio.timeout(5) as t: pass", "done"),
        ("seen = []\nasync def later():\n    await asyncio.sleep(0.001)\n    seen.append(1)", "done"),
        ("task = asyncio.create_task(later())", "done"),
        ("await asyncio.sleep(0.01)\nseen", "= [1]"),
        ("task.done()", "= True"),
        ("async def main(): return 5\nasyncio.run(main())", "= 5"),
        ("await main() + asyncio.run(main())", "= 10"),
    ]);
}

#[test]
fn exits_carry_their_status() {
    check(&[
        ("import sys", "done"),
        ("sys.exit(3)", "exit 3"),
        ("exit()", "exit 0"),
        ("sys.exit('text')", "exit 1"),
        ("raise SystemExit", "exit 0"),
        ("import os\nos._exit(4)", "exit 4"),
        ("1", "= 1"),
    ]);
}

#[test]
fn help_and_source_of_a_cell_are_there() {
    check_output(
        "def f(x):\n    'Doubles.'\n    return 2 * x\nhelp(f)",
        "Help on function f in module __main__:\n\nf(x)\n    Doubles.\n\n",
    );
    check_output(
        "def f(x):\n    return 2 * x\nimport inspect\nprint(inspect.getsource(f), end='')",
        "def f(x):\n    return 2 * x\n",
    );
}

#[test]
fn the_traceback_of_a_deep_recursion_is_bounded() {
    let mut session = session();
    let cell = "import sys\nsys.setrecursionlimit(50_000)\ndef f(n): return g(n)\ndef g(n): return f(n - 1) if n else 1 / 0\nf(10_000)";
    let Outcome::Raised(raised) = run(&mut session, cell).outcome else { panic!("it divides by zero") };
    assert!(raised.traceback.contains("frames left out>"), "{}", raised.traceback.len());
    assert!(raised.traceback.lines().count() < 13_000);
    assert!(raised.frames.len() <= 200);
}
