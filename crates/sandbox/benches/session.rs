//! What a program waits for, in one process: `cargo bench -p keelback-sandbox`. Medians and p99 as a table.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints its table and fails loudly")]

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use keelback_sandbox::{Engine, Image, Parameter, Permissions, Session, SessionOptions, Tool, Value};

fn main() {
    let engine = Engine::new().unwrap();
    let fresh = || engine.session(SessionOptions::default()).unwrap();
    println!("| what | median | p99 |\n| --- | ---: | ---: |");
    row("fresh session to the result of `1+1`", 1000, || {
        let mut session = fresh();
        session.run("1+1").unwrap();
        session
    });
    let mut kept = Vec::new();
    row("the same, all earlier sessions still alive", 300, || {
        let mut session = fresh();
        session.run("1+1").unwrap();
        kept.push(session);
    });
    drop(kept);
    let mut session = fresh();
    row("`1+1` in a live session", 10_000, || session.run("1+1").unwrap());
    tool_call(&engine);
    let mut session = fresh();
    session.run("1+1").unwrap();
    row("fork of a fresh session", 200, || session.fork().unwrap());
    session.run("big = [str(i) for i in range(170_000)]").unwrap();
    row("fork of a session with 10 MB of live objects", 50, || session.fork().unwrap());
    let path = std::env::temp_dir().join(format!("keelback-bench-{}.kbs", std::process::id()));
    row("save of that session", 20, || session.save(&path).unwrap());
    row("load of it", 20, || engine.load(&path, SessionOptions::default()).unwrap());
    let _ = std::fs::remove_file(path);
    memory(&engine, "further live session", &SessionOptions::default());
    imports(&engine);
    threads(&engine);
}

/// Times `f`; what it returns is dropped outside.
fn row<T>(name: &str, count: usize, mut f: impl FnMut() -> T) {
    let mut times: Vec<Duration> = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        let result = black_box(f());
        times.push(started.elapsed());
        drop(result);
    }
    times.sort();
    println!("| {name} | {:.1?} | {:.1?} |", times[count / 2], times[count * 99 / 100]);
}

fn tool_call(engine: &Engine) {
    let add1 = Tool::new("add1", |arguments| match arguments[0] {
        Value::Int(n) => Ok(Value::Int(n + 1)),
        _ => Ok(Value::None),
    })
    .parameter(Parameter::new("x").json_type("integer"));
    let options = SessionOptions::default().permissions(Permissions::none().tool(add1));
    let mut session = engine.session(options).unwrap();
    let mut timed = |cell: &str| {
        let mut times: Vec<Duration> = (0..11)
            .map(|_| {
                let started = Instant::now();
                session.run(cell).unwrap();
                started.elapsed()
            })
            .collect();
        times.sort();
        times[5]
    };
    let with = timed("n = 0\nfor i in range(1000): n += add1(i)");
    let without = timed("n = 0\nfor i in range(1000): n += (i + 1)");
    println!("| one sync tool call from a loop | {:.1?} | |", (with - without) / 1000);
}

/// Private memory of a process from /proc, in KB.
fn private_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Private_Dirty")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// Sessions of an image with imports, from the folder of packages that KEELBACK_BENCH_PACKAGES names: these five.
fn imports(engine: &Engine) {
    let Some(folder) = std::env::var_os("KEELBACK_BENCH_PACKAGES") else {
        return;
    };
    let packages = Permissions::none().packages(folder).unwrap();
    let options = SessionOptions::default().permissions(packages);
    let modules = ["networkx", "jinja2", "rich.console", "attrs", "pygments"];
    row("image with imports of five packages", 3, || Image::with_imports(engine, modules, options.clone()).unwrap());
    let image = Image::with_imports(engine, modules, options).unwrap();
    let options = SessionOptions::default().image(image);
    let fresh = |cell: &str| {
        let mut session = engine.session(options.clone()).unwrap();
        session.run(cell).unwrap();
        session
    };
    row("fresh session of it to the result of `1+1`", 1000, || fresh("1+1"));
    row("fresh session of it to the end of `import networkx`", 1000, || fresh("import networkx"));
    let mut kept = Vec::new();
    row("`1+1`, all earlier sessions of it still alive", 300, || kept.push(fresh("1+1")));
    drop(kept);
    memory(engine, "further live session of it", &options);
}

fn memory(engine: &Engine, what: &str, options: &SessionOptions) {
    let make = |count: usize| -> Vec<Session> {
        let session = || {
            let mut session = engine.session(options.clone()).unwrap();
            session.run("1+1").unwrap();
            session
        };
        (0..count).map(|_| session()).collect()
    };
    let few = make(50); // uses up the instances kept from before
    let before = private_kb();
    let many = make(300);
    println!("| private memory per {what} | {} KB | |", (private_kb() - before) / 300);
    drop((few, many));
}

fn threads(engine: &Engine) {
    let per_second = |count: usize| {
        let started = Instant::now();
        thread::scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| {
                    for _ in 0..3000 {
                        engine.session(SessionOptions::default()).unwrap().run("1+1").unwrap();
                    }
                });
            }
        });
        3000.0 * count as f64 / started.elapsed().as_secs_f64()
    };
    let (one, two) = (per_second(1), per_second(2));
    println!("| fresh sessions a second, 1 thread and 2 | {one:.0} | {two:.0} ({:.2} times) |", two / one);
}
