//! Scratch files: their limits, and what they do next to a simple model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn bytes_and_names_are_limited_together() {
    let mut fs = scratch_only();
    assert_eq!(fs.put("/work/x", &vec![1; 5 << 20]), Err(Errno::NOSPC));
    fs.unlink("/", "/work/x").expect("it is there");
    assert_eq!(fs.tree.budget.used, 0);
    let mut count = 0;
    while fs.put(&format!("/tmp/{count}"), b"").is_ok() {
        count += 1;
    }
    assert!((7_000..8_192).contains(&count), "{count} empty files in 4 MiB");
    for index in 0..count {
        fs.unlink("/", &format!("/tmp/{index}")).expect("it is there");
    }
    assert_eq!(fs.tree.budget.used, 0);
}

#[test]
fn sparse_files_are_short_too() {
    let mut fs = scratch_only();
    let fd = fs.open(3, "/work/x", WRITE, true).expect("room");
    assert_eq!(fs.set_len(fd, 1 << 40), Err(Errno::FBIG));
    assert_eq!(fs.set_len(fd, 1 << 20), Ok(()));
    assert_eq!(fs.write(fd, Some(1 << 50), b"x"), Err(Errno::FBIG));
    assert_eq!(fs.write(fd, Some(i64::MAX as u64), b"x"), Err(Errno::FBIG));
    assert!(fs.tree.budget.used < 2_000);
}

#[test]
fn a_removed_file_lives_while_it_is_open() {
    let mut fs = scratch_only();
    let fd = fs.open(3, "/work/x", WRITE, true).expect("room");
    fs.unlink("/", "/work/x").expect("it is there");
    assert_eq!(fs.write(fd, None, &[7; 1000]), Ok(1000));
    assert!(fs.tree.budget.used >= 1000);
    assert_eq!(fs.stat_fd(fd).map(|stat| (stat.size, stat.links)), Ok((1000, 0)));
    fs.close(fd).expect("it is open");
    assert_eq!(fs.tree.budget.used, 0);
}

#[test]
fn depth_is_bounded_by_the_length_of_a_path() {
    let mut fs = scratch_only();
    let mut path = "/work".to_owned();
    let error = loop {
        path.push_str("/d");
        if let Err(error) = fs.create_directory("/", &path) {
            break error;
        }
    };
    assert_eq!(error, Errno::NAMETOOLONG);
    assert_eq!(fs.put(&format!("/work/{}", "n".repeat(256)), b""), Err(Errno::NAMETOOLONG));
    assert_eq!(fs.put(&format!("/work/{}", "n".repeat(255)), b""), Ok(()));
    assert_eq!(fs.rename(("/", "/work/d"), ("/", "/work/d/d/x")), Err(Errno::INVAL));
    assert_eq!(fs.rename(("/", "/work/d"), ("/", "/work/e")), Ok(()));
}

#[test]
fn a_large_listing_is_whole_while_names_go_away() {
    let mut fs =
        FileSystem::new(library::sample(), &[], FsLimits { max_scratch_bytes: 64 << 20, ..LIMITS }).expect("ok");
    for index in 0..10_000 {
        fs.put(&format!("/work/{index:05}"), b"").expect("room");
    }
    let fd = fs.open(3, "/work", READ, true).expect("a directory");
    let first = fs.listing(fd, true).expect("a directory");
    for entry in first.iter().take(5_000) {
        fs.unlink("/work", &entry.name).expect("it is there");
    }
    assert_eq!(fs.listing(fd, false).expect("a directory").len(), 10_000);
    assert_eq!(fs.listing(fd, true).expect("a directory").len(), 5_000);
}

#[derive(Debug, Clone)]
enum Step {
    Put(String, Vec<u8>),
    Append(String, Vec<u8>),
    MakeDirectory(String),
    RemoveDirectory(String),
    Unlink(String),
    Rename(String, String),
    Fork,
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
        .prop_map(|names| format!("/work/{}", names.join("/")))
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        (path(), bytes()).prop_map(|(path, bytes)| Step::Put(path, bytes)),
        (path(), bytes()).prop_map(|(path, bytes)| Step::Append(path, bytes)),
        path().prop_map(Step::MakeDirectory),
        path().prop_map(Step::RemoveDirectory),
        path().prop_map(Step::Unlink),
        (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        Just(Step::Fork),
    ]
}

/// Paths and what is there: bytes, or None for a directory.
type Model = BTreeMap<String, Option<Vec<u8>>>;

fn parent_is_directory(model: &Model, path: &str) -> bool {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    parent == "/work" || model.get(parent) == Some(&None)
}

fn below<'a>(model: &'a Model, path: &str) -> Vec<&'a String> {
    let prefix = format!("{path}/");
    model.keys().filter(|key| key.starts_with(&prefix)).collect()
}

/// Whether the step works, and what it does to the model.
fn apply(model: &mut Model, step: &Step) -> bool {
    match step {
        Step::Put(path, bytes) | Step::Append(path, bytes) => {
            if !parent_is_directory(model, path) || model.get(path) == Some(&None) {
                return false;
            }
            let old = model.get(path).cloned().flatten().filter(|_| matches!(step, Step::Append(..)));
            model.insert(path.clone(), Some([old.unwrap_or_default(), bytes.clone()].concat()));
        }
        Step::MakeDirectory(path) => {
            if !parent_is_directory(model, path) || model.contains_key(path) {
                return false;
            }
            model.insert(path.clone(), None);
        }
        Step::RemoveDirectory(path) => {
            if model.get(path) != Some(&None) || !below(model, path).is_empty() {
                return false;
            }
            model.remove(path);
        }
        Step::Unlink(path) => {
            if !matches!(model.get(path), Some(Some(_))) {
                return false;
            }
            model.remove(path);
        }
        Step::Rename(from, to) => {
            let Some(moved) = model.get(from).cloned() else { return false };
            if !parent_is_directory(model, to) || to.starts_with(&format!("{from}/")) {
                return false;
            }
            if from == to {
                return true;
            }
            match (model.get(to), &moved) {
                (Some(None), Some(_)) | (Some(Some(_)), None) => return false,
                (Some(None), None) if !below(model, to).is_empty() => return false,
                _ => {}
            }
            let inside: Vec<String> = below(model, from).into_iter().cloned().collect();
            for path in inside.into_iter().chain([from.clone()]) {
                let node = model.remove(&path).expect("listed above");
                model.insert(format!("{to}{}", &path[from.len()..]), node);
            }
        }
        Step::Fork => {}
    }
    true
}

fn act(fs: &mut FileSystem, step: &Step) -> Result<()> {
    match step {
        Step::Put(path, bytes) => fs.put(path, bytes),
        Step::Append(path, bytes) => {
            let fd = fs.open(3, path, OpenHow { truncate: false, append: true, ..WRITE }, true)?;
            fs.write(fd, None, bytes)?;
            fs.close(fd)
        }
        Step::MakeDirectory(path) => fs.create_directory("/", path),
        Step::RemoveDirectory(path) => fs.remove_directory("/", path),
        Step::Unlink(path) => fs.unlink("/", path),
        Step::Rename(from, to) => fs.rename(("/", from), ("/", to)),
        Step::Fork => Ok(()),
    }
}

fn contents(fs: &mut FileSystem) -> Model {
    let mut model = Model::new();
    let mut waiting = vec!["/work".to_owned()];
    while let Some(directory) = waiting.pop() {
        for name in fs.names(&directory).expect("a directory") {
            let path = format!("{directory}/{name}");
            if fs.stat("/", &path, true).expect("listed").file_type == FileType::Directory {
                model.insert(path.clone(), None);
                waiting.push(path);
            } else {
                let bytes = fs.get(&path).expect("a file");
                model.insert(path, Some(bytes));
            }
        }
    }
    model
}

proptest! {
    #[test]
    fn scratch_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut fs, mut model) = (scratch_only(), Model::new());
        let mut forks = Vec::new();
        for step in &steps {
            let expected = apply(&mut model, step);
            prop_assert_eq!(act(&mut fs, step).is_ok(), expected, "{:?}", step);
            if let Step::Fork = step {
                forks.push((fs.fork().expect("nothing is in the way"), model.clone()));
            }
        }
        forks.push((fs, model));
        for (mut fs, model) in forks {
            prop_assert_eq!(contents(&mut fs), model.clone());
            // Removing everything gives every byte back.
            let mut paths: Vec<_> = model.into_iter().collect();
            paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
            for (path, node) in paths {
                let removed = if node.is_some() { fs.unlink("/", &path) } else { fs.remove_directory("/", &path) };
                prop_assert_eq!(removed, Ok(()));
            }
            prop_assert_eq!(fs.tree.budget.used, 0);
        }
    }
}
