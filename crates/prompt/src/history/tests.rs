use std::{fs, io::Write as _, path::PathBuf, sync::Barrier};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const BOTH: [Format; 2] = [Format::Native, Format::CPython];

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("history");
    (folder, path)
}

fn open(path: &Path, format: Format) -> History {
    let mut history = History::open(path, format, None);
    assert_eq!(history.take_trouble(), None);
    history
}

/// The cells, the oldest first.
fn cells(history: &History) -> Vec<String> {
    let mut cells: Vec<String> = history.entries().map(|cursor| history.text(cursor).into_owned()).collect();
    cells.reverse();
    cells
}

/// What Up shows, key by key.
fn walk(history: &History, prefix: &str) -> Vec<String> {
    let mut shown = Vec::new();
    let mut places = Vec::new();
    let mut place = history.older(prefix, None);
    while let Some(now) = place {
        shown.push(history.at(now).into_owned());
        places.push(now);
        place = history.older(prefix, Some(now));
    }
    // Down goes the same way.
    for pair in places.windows(2) {
        assert_eq!(history.newer(prefix, pair[1]), Some(pair[0]));
    }
    if let Some(newest) = places.first() {
        assert_eq!(history.newer(prefix, *newest), None);
    }
    shown
}

#[test]
fn cells_are_kept() {
    for format in BOTH {
        let (_folder, path) = folder();
        let mut history = open(&path, format);
        for cell in ["a = 1", "def f():\n    pass\n\n\nf()", "é漢😀"] {
            assert!(history.push(cell));
        }
        assert_eq!(cells(&history), ["a = 1", "def f():\n    pass\n\n\nf()", "é漢😀"]);
        assert_eq!(cells(&open(&path, format)), cells(&history), "{format:?}");
    }
}

#[test]
fn the_file_of_cpython_is_as_cpython_writes_it() {
    let (_folder, path) = folder();
    let mut history = open(&path, Format::CPython);
    assert_eq!(fs::read(&path).expect("made"), b"");
    history.push("1");
    assert_eq!(fs::read(&path).expect("there"), b"1\n");
    history.push("if x:\n    y");
    assert_eq!(fs::read(&path).expect("there"), b"1\nif x:\r\n    y\n");
    fs::write(&path, b"_HiStOrY_V2_\nold\n\na\r\n\nno end").expect("written");
    let mut history = open(&path, Format::CPython);
    assert_eq!(cells(&history), ["old", "a\n"]);
    history.push("new");
    assert_eq!(fs::read(&path).expect("there"), b"_HiStOrY_V2_\nold\n\na\r\n\nno end\nnew\n");
    assert_eq!(cells(&history), ["old", "a\n", "no end", "new"]);
}

#[test]
fn some_cells_are_not_recorded() {
    for format in BOTH {
        let (_folder, path) = folder();
        let mut history = open(&path, format);
        for (cell, recorded) in [
            ("", false),
            (" \n", false),
            (" secret", false),
            ("a", true),
            ("a", false),
            ("a\n", false),
            ("b", true),
            ("a", true),
        ] {
            assert_eq!(history.push(cell), recorded, "{cell:?}");
        }
        assert_eq!(cells(&history), ["a", "b", "a"]);
        assert!(!open(&path, format).push("a"), "the last one of the file counts");
    }
}

#[test]
fn what_has_a_meaning_in_the_file_is_replaced() {
    for format in BOTH {
        let (_folder, path) = folder();
        let mut history = open(&path, format);
        history.push("a\0\nb\u{1}");
        history.push("c\r\nd\re");
        assert_eq!(cells(&open(&path, format)), ["a\u{fffd}\nb\u{fffd}", "c\nd\ne"]);
    }
}

#[test]
fn up_walks_the_own_session_first_and_then_what_was_there() {
    for format in BOTH {
        let (_folder, path) = folder();
        let mut earlier = open(&path, format);
        earlier.push("old 1");
        earlier.push("old 2");
        let mut history = open(&path, format);
        earlier.push("other");
        history.push("own");
        assert_eq!(walk(&history, ""), ["own", "old 2", "old 1"]);
        assert_eq!(walk(&history, "old"), ["old 2", "old 1"]);
        assert_eq!(walk(&history, "x"), [""; 0]);
        assert_eq!(cells(&history), ["old 1", "old 2", "other", "own"]);
        earlier.push("later");
        assert_eq!(history.search_back("later", None), None);
        history.refresh();
        assert!(history.search_back("later", None).is_some());
    }
}

#[test]
fn searches_find_whole_cells() {
    for format in BOTH {
        let (_folder, path) = folder();
        let mut history = open(&path, format);
        for cell in ["import os", "def f():\n    return os", "print(1)", "import os", "import sys", "importer"] {
            history.push(cell);
        }
        let text = |cursor: Option<Cursor>| cursor.map(|cursor| history.text(cursor).into_owned());
        let first = history.search_back("os", None);
        assert_eq!(text(first).as_deref(), Some("import os"));
        let second = history.search_back("os", first);
        assert_eq!(text(second).as_deref(), Some("def f():\n    return os"));
        assert_eq!(text(history.search_forward("os", second.expect("found"))).as_deref(), Some("import os"));
        assert_eq!(text(history.search_back("():\n    r", None)).as_deref(), Some("def f():\n    return os"));
        assert_eq!(text(history.search_back("keelback", None)), None);
        assert_eq!(text(history.search_back("\0", None)), None);
        let mut search = Search::new("import");
        let mut found: Vec<_> = std::iter::from_fn(|| text(search.back(&history))).collect();
        assert_eq!(found, ["importer", "import sys", "import os"]);
        found.clear();
        found.extend(std::iter::from_fn(|| text(search.forward())));
        assert_eq!(found, ["import sys", "importer"]);
        assert_eq!(history.suggest("import").as_deref(), Some("importer"));
        assert_eq!(history.suggest("import ").as_deref(), Some("import sys"));
        assert_eq!(history.suggest("importer"), None);
        assert_eq!(history.suggest("    return"), None, "only the start of a cell");
        assert_eq!(history.suggest("def f():\n ").as_deref(), Some("def f():\n    return os"));
        let best: Vec<_> = history.fuzzy("imos", 5).into_iter().map(|cursor| history.text(cursor)).collect();
        assert_eq!(best, ["import os", "import sys"]);
        assert_eq!(history.fuzzy("im", 2).len(), 2);
    }
}

#[test]
fn a_history_of_cpython_is_taken_over_once() {
    let (folder, path) = folder();
    let old = folder.path().join("python_history");
    fs::write(&old, b"a\ndef f():\r\n    pass\nb\nb\nlast").expect("written");
    let history = History::open(&path, Format::Native, Some(&old));
    assert_eq!(cells(&history), ["a", "def f():\n    pass", "b", "last"]);
    fs::write(&old, b"_HiStOrY_V2_\nprint(1,\\0402)\\134\n").expect("written");
    assert_eq!(cells(&History::open(&path, Format::Native, Some(&old))).len(), 4);
    let history = History::open(&folder.path().join("other"), Format::Native, Some(&old));
    assert_eq!(cells(&history), ["print(1, 2)\\"]);
}

#[test]
fn a_history_that_cannot_be_kept_is_in_memory() {
    let (folder, path) = folder();
    fs::write(&path, "something else\n").expect("written");
    for path in [folder.path().join("no/history"), folder.path().to_owned(), path.clone()] {
        let mut history = History::open(&path, Format::Native, None);
        assert!(history.take_trouble().is_some_and(|trouble| trouble.contains(path.to_str().expect("text"))));
        assert_eq!(history.take_trouble(), None);
        assert!(history.push("a") && history.push("b"));
        history.refresh();
        history.tidy();
        assert_eq!(
            (walk(&history, ""), cells(&history)),
            (vec!["b".to_owned(), "a".to_owned()], vec!["a".to_owned(), "b".to_owned()])
        );
    }
    assert_eq!(fs::read(&path).expect("there"), b"something else\n");
}

#[test]
fn a_file_that_is_cut_short_anywhere_loses_only_what_was_cut() {
    for format in BOTH {
        let (_folder, path) = folder();
        let mut history = open(&path, format);
        let mut ends = Vec::new();
        for cell in ["a = 1", "if a:\n    b\n\n    c", "é", "x"] {
            history.push(cell);
            ends.push(fs::metadata(&path).expect("there").len());
        }
        let (all, whole) = (cells(&history), fs::read(&path).expect("there"));
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).expect("written");
            let kept = ends.iter().filter(|end| **end <= length as u64).count();
            let mut history = open(&path, format);
            assert!(cells(&history).starts_with(&all[..kept]), "{format:?} cut at {length}");
            assert!(history.push("new"));
            for history in [history, open(&path, format)] {
                let now = cells(&history);
                assert!(now.starts_with(&all[..kept]) && now.ends_with(&["new".to_owned()]), "{length}: {now:?}");
                assert!(format == Format::CPython || now.len() == kept + 1, "cut at {length}: {now:?}");
            }
        }
    }
}

#[test]
fn concurrent_prompts_lose_nothing() {
    for format in BOTH {
        let (_folder, path) = folder();
        let barrier = Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    let mut history = open(path, format);
                    barrier.wait();
                    for number in 0..50 {
                        assert!(history.push(&format!("thread {thread}\ncell {number}")));
                        if format == Format::Native && number % 20 == thread {
                            // As if the file had grown too long.
                            let shared = history.shared.as_mut().expect("a file");
                            let new = shared.tidy(&mut history.current, number * 4 + 1000).expect("tidied");
                            history.replace(new);
                        }
                    }
                    assert_eq!(history.take_trouble(), None);
                });
            }
        });
        let mut all = cells(&open(&path, format));
        for thread in 0..4 {
            let own: Vec<_> = all.iter().filter(|cell| cell.starts_with(&format!("thread {thread}\n"))).collect();
            let want: Vec<_> = (0..50).map(|number| format!("thread {thread}\ncell {number}")).collect();
            assert_eq!(own, want.iter().collect::<Vec<_>>());
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 200);
    }
}

#[test]
fn tidying_keeps_the_newest_of_each_and_other_prompts_follow() {
    let (folder, path) = folder();
    let mut other = open(&path, Format::Native);
    other.push("first");
    let mut history = open(&path, Format::Native);
    for number in 0..30 {
        history.push(&format!("cell {}", number % 20));
    }
    let before = walk(&history, "");
    let shared = history.shared.as_mut().expect("a file");
    let new = shared.tidy(&mut history.current, 25).expect("tidied");
    assert!(new.is_some());
    history.replace(new);
    assert_eq!(cells(&history).len(), 20);
    assert_eq!(cells(&history).last().map(String::as_str), Some("cell 9"));
    assert_eq!(walk(&history, ""), before, "the walk is of the file that was found");
    assert!(other.push("from another") && history.push("after"));
    assert_eq!(cells(&open(&path, Format::Native)).len(), 22);
    assert_eq!(walk(&other, ""), ["from another", "first"]);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    history.tidy();
    assert_eq!(cells(&history).len(), 22, "not worth it");
}

#[test]
fn a_file_that_was_deleted_or_emptied_is_begun_anew() {
    for format in BOTH {
        let (_folder, path) = folder();
        let mut history = open(&path, format);
        history.push("a");
        fs::remove_file(&path).expect("removed");
        assert!(history.push("b"));
        assert_eq!(cells(&open(&path, format)), ["b"]);
        fs::write(&path, b"").expect("emptied");
        assert!(history.push("c"));
        assert_eq!(cells(&open(&path, format)), ["c"]);
        assert_eq!(walk(&history, ""), ["c", "b", "a"]);
    }
}

#[test]
fn a_long_file_is_read_from_its_end() {
    for format in BOTH {
        let (_folder, path) = folder();
        let mut bytes = format.header().to_vec();
        for number in 0..20_000 {
            bytes.extend(format.record(&format!("value_{number} = {number}\nprint(value_{number})")));
        }
        fs::write(&path, &bytes).expect("written");
        let mut history = open(&path, format);
        assert!(history.current.end() == bytes.len() as u64);
        assert_eq!(
            history.older("", None).map(|place| history.at(place).into_owned()).as_deref(),
            Some("value_19999 = 19999\nprint(value_19999)")
        );
        assert_eq!(walk(&history, "").len(), 20_000);
        let oldest = history.search_back("value_0 =", None).expect("found");
        assert_eq!(history.search_forward("value_19999", oldest), history.entries().next());
        assert_eq!(history.suggest("value_0").as_deref(), Some("value_0 = 0\nprint(value_0)"));
        assert_eq!(
            history.fuzzy("value_12345=", 1),
            history.search_back("value_12345 =", None).into_iter().collect::<Vec<_>>()
        );
        history.push(&"x".repeat(200_000));
        let history = open(&path, format);
        assert_eq!(history.entries().count(), 20_001, "a last cell that is longer than what is read first");
    }
}

fn a_cell() -> impl Strategy<Value = String> {
    "[ab\n\r]{0,6}|[a-c]{1,3}"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn searches_agree_with_a_list(input in proptest::collection::vec(a_cell(), 0..30), needle in "[ab\n]{0,3}") {
        for format in BOTH {
            let (_folder, path) = folder();
            let mut bytes = format.header().to_vec();
            let mut want = Vec::new();
            for cell in &input {
                let cell = format::normalized(cell);
                if !cell.trim().is_empty() {
                    bytes.extend(format.record(&cell));
                    want.push(cell.into_owned());
                }
            }
            fs::File::create(&path).expect("made").write_all(&bytes).expect("written");
            let history = open(&path, format);
            prop_assert_eq!(&cells(&history), &want);
            let has: Vec<_> = want.iter().filter(|cell| cell.contains(&needle)).cloned().collect();
            let mut found = Vec::new();
            let mut at = None;
            while let Some(cursor) = history.search_back(&needle, at) {
                found.insert(0, history.text(cursor).into_owned());
                at = Some(cursor);
            }
            prop_assert_eq!(&found, &has, "{:?}", format);
            let mut starts = walk(&history, &needle);
            starts.reverse();
            let begin: Vec<_> = want.iter().filter(|cell| cell.starts_with(&needle)).cloned().collect();
            prop_assert_eq!(&starts, &begin, "{:?}", format);
            let longer = begin.iter().rev().find(|cell| cell.len() > needle.len());
            let suggested = history.suggest(&needle);
            prop_assert_eq!(suggested.as_deref(), longer.map(String::as_str));
        }
    }
}
