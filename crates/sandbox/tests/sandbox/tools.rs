//! Tools: host functions that guest code calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use keelback_sandbox::{Limit, Outcome, Parameter, ParameterKind, Permissions, SessionOptions, Tool, ToolError, Value};

use crate::{brief, check_in, engine, run, session, session_with};

fn tools() -> Permissions {
    let add = Tool::new("add", |arguments| match arguments.as_slice() {
        [Value::Int(a), Value::Int(b)] => Ok(Value::Int(a + b)),
        other => Err(ToolError::new("TypeError", format!("{other:?}"))),
    })
    .doc("Adds two numbers.")
    .parameter(Parameter::new("a").json_type("integer"))
    .parameter(Parameter::new("b").json_type("integer").default(10));
    let echo = Tool::new("echo", |mut arguments| Ok(arguments.remove(0))).parameter(Parameter::new("value"));
    let fail = Tool::new("fail", |arguments| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Err(ToolError::new(text(&arguments[0]), text(&arguments[1])))
    })
    .parameter(Parameter::new("kind"))
    .parameter(Parameter::new("message"));
    let broken = Tool::new("broken", |_| panic!("a bug of the host"));
    Permissions::none().tool(add).tool(echo).tool(fail).tool(broken)
}

#[test]
fn tools_are_called_like_functions_and_awaited_like_coroutines() {
    check_in(
        &mut session_with(tools()),
        &[
            ("add(1, 2)", "= 3"),
            ("add(1)", "= 11"),
            ("add(b=1, a=2)", "= 3"),
            ("await add(1, b=5)", "= 6"),
            ("def f(): return add(4, 4)\nf()", "= 8"),
            ("[add(i) for i in range(3)]", "= [10, 11, 12]"),
            ("async def g(): return await add(5)\nawait g()", "= 15"),
            ("import asyncio\nsum(await asyncio.gather(*(add(i, 0) for i in range(20))))", "= 190"),
            ("asyncio.run(g())", "= 15"),
            ("x = add(1, 1)\ny = await add(x, 1)\ny", "= 3"),
        ],
    );
}

#[test]
fn arguments_are_checked_before_the_call() {
    let mut session = session_with(tools());
    for cell in ["add()", "add(1, 2, 3)", "add(1, c=2)", "add(1, a=2)", "add('1')", "echo(object())", "echo(lambda: 1)"]
    {
        let outcome = run(&mut session, cell).outcome;
        assert!(brief(&outcome).starts_with("TypeError: "), "{cell}: {}", brief(&outcome));
    }
    let text = brief(&run(&mut session, "add('1')").outcome);
    assert!(text.contains("'a'") && text.contains("integer") && text.contains("str"), "{text}");
    check_in(&mut session, &[("unknown(1)", "NameError: name 'unknown' is not defined")]);
}

#[test]
fn values_go_through_a_tool_unchanged() {
    check_in(
        &mut session_with(tools()),
        &[
            ("v = [2**70, -1, 1.5, None, True, 'ä', b'\\xff', (1, {2}), {'k': [1]}, {3: 4}]\necho(v) == v", "= True"),
            ("[type(x) for x in echo(v)] == [type(x) for x in v]", "= True"),
            ("import math\nmath.isnan(echo(math.nan)), echo(-math.inf)", "= (True, -inf)"),
            ("len(echo('x' * 100_000_000))", "= 100000000"),
        ],
    );
}

#[test]
fn errors_of_a_tool_arrive_as_exceptions() {
    check_in(
        &mut session_with(tools()),
        &[
            ("fail('KeyError', 'k')", "KeyError: 'k'"),
            ("await fail('ValueError', 'bad')", "ValueError: bad"),
            ("fail('MyOwnError', 'x')", "ToolError: MyOwnError: x"),
            ("fail('SystemExit', 'x')", "ToolError: SystemExit: x"),
            ("fail('__import__', 'x')", "ToolError: __import__: x"),
            ("broken()", "RuntimeError: the tool panicked"),
            ("await broken()", "RuntimeError: the tool panicked"),
            (
                "try:\n    fail('LookupError', 'x')\nexcept LookupError as e:\n    r = repr(e)\nr",
                "= \"LookupError('x')\"",
            ),
        ],
    );
}

#[test]
fn help_shows_signature_and_text() {
    let mut session = session_with(tools());
    let text = run(&mut session, "help(add)").text(keelback_sandbox::Stream::Stdout);
    assert!(text.contains("add(a: int, b: int = 10)") && text.contains("Adds two numbers."), "{text}");
}

#[test]
fn awaited_calls_run_at_once() {
    // Each call waits until all twenty are there: one after the other would never end.
    let barrier = Arc::new(std::sync::Barrier::new(20));
    let meet = Tool::new("meet", move |_| {
        barrier.wait();
        Ok(Value::Int(1))
    });
    let mut session = session_with(Permissions::none().tool(meet));
    check_in(&mut session, &[("import asyncio\nsum(await asyncio.gather(*(meet() for _ in range(20))))", "= 20")]);
}

#[test]
fn async_tools_are_polled_together() {
    let running = Arc::new(AtomicUsize::new(0));
    let tool = Tool::new_async("both", move |_| {
        let running = Arc::clone(&running);
        async move {
            running.fetch_add(1, Ordering::SeqCst);
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if running.load(Ordering::SeqCst) == 20 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            Ok(Value::Int(1))
        }
    });
    let mut session = session_with(Permissions::none().tool(tool));
    check_in(&mut session, &[("import asyncio\nsum(await asyncio.gather(*(both() for _ in range(20))))", "= 20")]);
}

#[test]
fn a_wait_for_a_tool_can_end_early() {
    let never = Tool::new_async("never", |_| std::future::pending());
    let mut limits = keelback_sandbox::Limits::default();
    limits.wall_time = Some(Duration::from_millis(60));
    let options = SessionOptions::default().permissions(Permissions::none().tool(never)).limits(limits);
    let mut session = engine().session(options).unwrap();
    check_in(
        &mut session,
        &[
            ("import asyncio\nawait asyncio.wait_for(never(), 0.01)", "TimeoutError: "),
            ("await never()", "TimeoutError: cell used all 60 ms of wall time"),
            ("never()", "TimeoutError: cell used all 60 ms of wall time"),
            ("7", "= 7"),
        ],
    );
}

/// A tool that never ends, and how many calls of it are under way.
fn endless() -> (Tool, Arc<AtomicUsize>) {
    struct UnderWay(Arc<AtomicUsize>);
    impl Drop for UnderWay {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let tool = Tool::new_async("never", move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        let under_way = UnderWay(Arc::clone(&counter));
        async move {
            std::future::pending::<()>().await;
            drop(under_way);
            Ok(Value::None)
        }
    });
    (tool, count)
}

#[test]
fn a_cell_that_does_not_end_well_takes_its_calls_with_it() {
    let (never, under_way) = endless();
    let submit = Tool::new("submit", |_| Ok(Value::Int(7))).ends_cell();
    let mut limits = keelback_sandbox::Limits::default();
    limits.wall_time = Some(Duration::from_millis(500));
    let options = SessionOptions::default().permissions(Permissions::none().tool(never).tool(submit)).limits(limits);
    let mut session = engine().session(options).unwrap();
    let start = "import asyncio\ntasks = [asyncio.create_task(never()) for _ in range(3)]\nawait asyncio.sleep(0)";
    for end in ["1/0", "submit()", "raise SystemExit(3)", "await asyncio.sleep(60)", "while True: pass"] {
        run(&mut session, &format!("{start}\n{end}"));
        assert_eq!(under_way.load(Ordering::SeqCst), 0, "{end}");
        // Those who wait for them are told.
        let states = "await asyncio.wait(tasks)\n[task.cancelled() for task in tasks]";
        check_in(&mut session, &[(states, "= [True, True, True]")]);
    }
    // A cell that ends well leaves them to the tasks that wait; what a later cell does is not their affair.
    run(&mut session, start);
    run(&mut session, "more = asyncio.create_task(never())\n1/0");
    assert_eq!(under_way.load(Ordering::SeqCst), 3);
    check_in(
        &mut session,
        &[("await asyncio.wait([more])\n[task.done() for task in tasks]", "= [False, False, False]")],
    );
    drop(session);
    assert_eq!(under_way.load(Ordering::SeqCst), 0);
}

#[test]
fn an_interrupt_takes_the_calls_with_it() {
    let (never, under_way) = endless();
    let handle = Arc::new(std::sync::Mutex::new(None::<keelback_sandbox::InterruptHandle>));
    let slot = Arc::clone(&handle);
    // Interrupts while the guest is between the call and what waits for it.
    let interrupt = Tool::new("interrupt", move |_| {
        slot.lock().unwrap().as_ref().unwrap().interrupt();
        Ok(Value::None)
    });
    let mut session = session_with(Permissions::none().tool(never).tool(interrupt));
    *handle.lock().unwrap() = Some(session.interrupt_handle());
    let cell = "import asyncio\ncall = asyncio.create_task(never())\nawait asyncio.sleep(0)\ninterrupt()";
    assert_eq!(brief(&run(&mut session, cell).outcome), "KeyboardInterrupt: ");
    assert_eq!(under_way.load(Ordering::SeqCst), 0);
}

#[test]
fn calls_are_counted() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let tool = Tool::new("count", move |_| Ok(Value::Int(counter.fetch_add(1, Ordering::SeqCst) as i64)));
    let mut limits = keelback_sandbox::Limits::default();
    limits.tool_calls = 5;
    let options = SessionOptions::default().permissions(Permissions::none().tool(tool)).limits(limits);
    let mut session = engine().session(options).unwrap();
    let report = run(&mut session, "while True: count()");
    assert_eq!(brief(&report.outcome), "RuntimeError: cell used all 5 tool calls");
    assert!(matches!(report.outcome, Outcome::Raised(raised) if raised.limit == Some(Limit::ToolCalls(5))));
    assert_eq!((count.load(Ordering::SeqCst), report.usage.tool_calls), (5, 5));
    check_in(&mut session, &[("count()", "= 5")]);
}

#[test]
fn a_tool_needs_a_name_that_python_can_say() {
    let options =
        SessionOptions::default().permissions(Permissions::none().tool(Tool::new("a b", |_| Ok(Value::None))));
    assert_eq!(
        engine().session(options).err().unwrap().to_string(),
        "tool `a b` cannot be offered: its name is not a Python identifier"
    );
}

#[test]
fn a_session_that_waits_holds_no_thread() {
    // Both run on this thread: the first could not wait for the second if it blocked.
    let (sender, receiver) = futures_util::future::AbortHandle::new_pair();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let wait = Tool::new_async("wait", move |_| {
        let receiver = receiver.lock().unwrap().take().unwrap();
        async move {
            let never = futures_util::future::Abortable::new(std::future::pending::<()>(), receiver);
            Ok(Value::Bool(never.await.is_err()))
        }
    });
    let wake = Tool::new("wake", move |_| {
        sender.abort();
        Ok(Value::None)
    });
    let mut first = session_with(Permissions::none().tool(wait));
    let mut second = session_with(Permissions::none().tool(wake));
    let both = futures_util::future::join(first.run_async("await wait()"), second.run_async("wake()"));
    let (first, second) = pollster::block_on(both);
    assert_eq!((brief(&first.unwrap().outcome).as_str(), brief(&second.unwrap().outcome).as_str()), ("= True", "done"));
}

#[test]
fn a_cell_whose_future_is_dropped_is_over_and_the_session_goes_on() {
    let never = Tool::new_async("never", |_| std::future::pending());
    let mut session = session_with(Permissions::none().tool(never));
    run(&mut session, "x = 1");
    session.checkpoint().unwrap();
    assert!(futures_util::FutureExt::now_or_never(session.run_async("x = 2\nawait never()")).is_none());
    check_in(&mut session, &[("x", "= 1")]);
}

/// On tokio, with one thread: neither a sleep of the guest nor an async tool of the runtime's own holds it.
#[test]
fn sessions_run_on_tokio() {
    let wait = Tool::new_async("wait", |_| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Value::from("waited"))
    });
    let sleeper = "import time\nstart = time.monotonic()\ntime.sleep(0.2)\ntime.monotonic() - start < 2";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (mut first, mut second) = (session(), session_with(Permissions::none().tool(wait)));
        let (asleep, calls) = (first.run_async(sleeper), async {
            let mut outcomes = Vec::new();
            for cell in ["wait()", "await wait()"] {
                outcomes.push((brief(&second.run_async(cell).await.unwrap().outcome), std::time::Instant::now()));
            }
            outcomes
        });
        let both = futures_util::future::join(
            async {
                let report = asleep.await.unwrap();
                (brief(&report.outcome), std::time::Instant::now())
            },
            calls,
        );
        let ((asleep, woke), calls) = both.await;
        assert_eq!((asleep.as_str(), calls[0].0.as_str(), calls[1].0.as_str()), ("= True", "= 'waited'", "= 'waited'"));
        assert!(calls[1].1 < woke, "the calls were done while the other session slept");
    });
}

#[test]
fn a_tool_that_ends_the_cell_cannot_be_swallowed_or_faked() {
    let submit = || {
        Tool::new("submit", |call| match &call[0] {
            Value::Tuple(args) if matches!(args[0], Value::Int(_)) => Ok(args[0].clone()),
            _ => Err(ToolError::new("TypeError", "an int is wanted")),
        })
        .unbound()
        .ends_cell()
        .parameter(Parameter::new("value"))
        .parameter(Parameter::new("more").kind(ParameterKind::VarKeyword))
    };
    let mut session = session_with(Permissions::none().tool(submit()));
    let ended = Outcome::Final { tool: "submit".into(), value: Value::Int(7) };
    for cell in [
        "submit(7)",
        "await submit(7)",
        "try:\n    submit(7)\nexcept:\n    trace = 'caught'\ntrace = 'after'",
        "try:\n    submit(7)\nfinally:\n    trace = 'finally'",
        "while True:\n    try:\n        submit(7)\n    except BaseException: pass",
        "def f():\n    try: submit(7)\n    except BaseException: return g()\ndef g(): global trace; trace = 'called'\nf()",
        "import asyncio\nasync def f(): submit(7)\nasync def main():\n    t = asyncio.create_task(f())\n    for _ in range(9): await asyncio.sleep(0)\n    global trace; trace = 'went on'\nawait main()",
        "class A:\n    def __enter__(self): pass\n    def __exit__(self, *a): return True\nwith A(): submit(7)\ntrace = 'suppressed'",
    ] {
        let report = run(&mut session, &format!("trace = None\n{cell}"));
        assert_eq!(report.outcome, ended, "{cell}");
        assert_eq!(brief(&run(&mut session, "trace").outcome), "done", "{cell}");
    }
    // A refusal is an exception like any other, and the session is as good as before.
    let cells = [
        ("try: submit('x')\nexcept TypeError as e: r = str(e)\nr", "= 'an int is wanted'"),
        ("class CellEnd(BaseException): pass\nraise CellEnd", "CellEnd: "),
        ("sum(i for i in range(10))", "= 45"),
        ("submit(1, x=[2])", "Final { tool: \"submit\", value: Int(1) }"),
        ("import inspect\nstr(inspect.signature(submit))", "= '(value, **more)'"),
    ];
    check_in(&mut session, &cells);
}
