//! Measures the history with 100,000 cells.

use std::{
    fs,
    hint::black_box,
    io::{self, Write as _},
    time::Instant,
};

use keelback_prompt::history::{Format, History};

fn main() -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("history-bench-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let path = folder.join("history");
    let mut text = String::from("keelback history 1\u{1}\0\n");
    const VERBS: [&str; 12] = [
        "import",
        "print",
        "sorted",
        "open",
        "json.loads",
        "np.array",
        "plt.plot",
        "df.groupby",
        "len",
        "set",
        "zip",
        "dict",
    ];
    const NAMES: [&str; 11] =
        ["users", "total", "frame", "paths", "line", "matrix", "config", "x", "response", "tokens", "batch_size"];
    for number in 0..100_000 {
        let (verb, name, other) = (VERBS[number % 12], NAMES[number * 7 % 11], NAMES[number / 12 % 11]);
        text += &format!("{name}_{number} = {verb}({other}, {})\0\n", number * 7919 % 99_991);
    }
    fs::write(&path, &text)?;
    let open = || History::open(&path, Format::Native, None);
    let mut first_shown = || open().older("", None).is_some();
    let measure = |name: &str, what: &mut dyn FnMut() -> bool| -> io::Result<()> {
        let mut times: Vec<_> = (0..21)
            .map(|_| {
                let start = Instant::now();
                assert!(black_box(what()));
                start.elapsed()
            })
            .collect();
        times.sort();
        writeln!(io::stdout(), "{name}: median {:?}, slowest {:?}", times[10], times[20])
    };
    writeln!(io::stdout(), "{} bytes", text.len())?;
    measure("open and Up", &mut first_shown)?;
    measure("open and go through all", &mut || open().entries().count() == 100_000)?;
    measure("open and search to the oldest", &mut || open().search_back("users_0 ", None).is_some())?;
    let mut history = open();
    measure("search to the oldest", &mut || history.search_back("users_0 ", None).is_some())?;
    measure("search for nothing", &mut || history.search_back("nowhere", None).is_none())?;
    measure("suggest from the oldest", &mut || history.suggest("users_0 ").is_some())?;
    for needle in ["r", "plot", "us50000", "frmjson9", "zzz"] {
        measure(&format!("fuzzy {needle}"), &mut || history.fuzzy(needle, 20).len() <= 20)?;
    }
    measure("first fuzzy after opening", &mut || !open().fuzzy("frame", 20).is_empty())?;
    let mut number = 0;
    measure("push with fdatasync", &mut || {
        number += 1;
        history.push(&format!("cell {number}"))
    })?;
    measure("refresh", &mut || {
        history.refresh();
        true
    })?;
    measure("tidy, not needed", &mut || {
        history.tidy();
        true
    })?;
    fs::remove_dir_all(&folder)
}
