//! Copies that are written back, and the report of changes.

use super::{super::sync::SyncError, *};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("sub")).expect("a folder");
    for name in ["a", "b", "sub/c"] {
        std::fs::write(folder.path().join(name), name).expect("a file");
    }
    folder
}

fn host(folder: &tempfile::TempDir) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut waiting = vec![folder.path().to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder.path()).expect("below it").display().to_string();
            if path.is_dir() {
                files.push((name, "/".into()));
                waiting.push(path);
            } else {
                files.push((name, std::fs::read_to_string(path).expect("text")));
            }
        }
    }
    files.sort();
    files
}

fn files(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
}

fn texts(errors: std::result::Result<(), Vec<SyncError>>) -> Vec<String> {
    errors.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// Writes, makes, removes and moves.
fn change(fs: &mut FileSystem) {
    fs.put("/d/a", b"other").expect("room");
    fs.put("/d/new", b"new").expect("room");
    fs.unlink("/", "/d/b").expect("it is there");
    fs.rename(("/", "/d/sub"), ("/", "/d/moved")).expect("it is there");
    fs.create_directory("/", "/d/empty").expect("room");
}

#[test]
fn a_commit_makes_the_host_as_the_copy_is() {
    let folder = folder();
    let mut fs = with_grants(&[(folder.path(), "/d", Access::WriteSync)]);
    assert_eq!(fs.get("/d/sub/c"), Ok(b"sub/c".to_vec()));
    let before = host(&folder);
    fs.begin_changes();
    change(&mut fs);
    assert_eq!(host(&folder), before);
    let changed: Vec<_> = fs.changes().into_iter().map(|c| (c.guest_path, c.kind, c.bytes)).collect();
    use ChangeKind::{Created, Deleted, Modified};
    let change = |path: &str, kind, bytes| (path.to_owned(), kind, bytes);
    assert_eq!(
        changed,
        [
            change("/d/a", Modified, 5),
            change("/d/b", Deleted, 0),
            change("/d/empty", Created, 0),
            change("/d/moved", Created, 0),
            change("/d/new", Created, 3),
            change("/d/sub", Deleted, 0),
        ]
    );
    assert_eq!(texts(fs.commit()), [""; 0]);
    let after = files(&[("a", "other"), ("empty", "/"), ("moved", "/"), ("moved/c", "sub/c"), ("new", "new")]);
    assert_eq!(host(&folder), after);
    assert_eq!(fs.tree.budget.used, 0);
    // The next cell starts from there.
    fs.put("/d/moved/c", b"again").expect("room");
    assert_eq!(texts(fs.commit()), [""; 0]);
    assert_eq!(fs.get("/d/moved/c"), Ok(b"again".to_vec()));
    assert_eq!(host(&folder)[3], ("moved/c".to_owned(), "again".to_owned()));
}

#[test]
fn a_discard_leaves_the_host_alone() {
    let folder = folder();
    let mut fs = with_grants(&[(folder.path(), "/d", Access::WriteSync)]);
    let before = host(&folder);
    change(&mut fs);
    fs.discard();
    assert_eq!(fs.names("/d"), Ok(vec!["a".into(), "b".into(), "sub".into()]));
    assert_eq!(fs.get("/d/a"), Ok(b"a".to_vec()));
    assert_eq!(texts(fs.commit()), [""; 0]);
    assert_eq!((host(&folder), fs.tree.budget.used), (before, 0));
}

#[test]
fn a_copy_for_good_is_never_written_back() {
    let folder = folder();
    let mut fs = with_grants(&[(folder.path(), "/d", Access::WriteCopy)]);
    let before = host(&folder);
    change(&mut fs);
    assert_eq!(texts(fs.commit()), [""; 0]);
    fs.discard();
    assert_eq!(fs.get("/d/a"), Ok(b"other".to_vec()));
    assert_eq!(host(&folder), before);
}

#[test]
fn what_the_host_changed_meanwhile_is_not_overwritten() {
    let folder = folder();
    let mut fs = with_grants(&[(folder.path(), "/d", Access::WriteSync)]);
    change(&mut fs);
    std::fs::write(folder.path().join("a"), "the host's own").expect("a file");
    std::fs::write(folder.path().join("new"), "the host's own").expect("a file");
    let before = host(&folder);
    assert_eq!(
        texts(fs.commit()),
        [
            "`/d/a` changed on the host since the session read it",
            "`/d/new` changed on the host since the session read it"
        ]
    );
    assert_eq!(host(&folder), before);
}

#[test]
fn a_file_left_open_goes_on_after_a_commit() {
    let folder = folder();
    let mut fs = with_grants(&[(folder.path(), "/d", Access::WriteSync)]);
    let log = fs.open(3, "/d/log", WRITE, true).expect("room");
    fs.write(log, None, b"one ").expect("room");
    assert_eq!(texts(fs.commit()), [""; 0]);
    fs.begin_changes();
    fs.write(log, None, b"two").expect("room");
    assert_eq!(fs.changes().len(), 1);
    assert_eq!(texts(fs.commit()), [""; 0]);
    assert_eq!(std::fs::read_to_string(folder.path().join("log")).expect("text"), "one two");
    fs.close(log).expect("it is open");
}

#[test]
fn names_can_trade_places() {
    let folder = folder();
    let mut fs = with_grants(&[(folder.path(), "/d", Access::WriteSync)]);
    for (from, to) in [("/d/a", "/d/x"), ("/d/b", "/d/a"), ("/d/x", "/d/b")] {
        fs.rename(("/", from), ("/", to)).expect("it is there");
    }
    fs.unlink("/", "/d/sub/c").expect("it is there");
    fs.remove_directory("/", "/d/sub").expect("it is empty");
    fs.put("/d/sub", b"a file now").expect("room");
    assert_eq!(texts(fs.commit()), [""; 0]);
    assert_eq!(host(&folder), files(&[("a", "b"), ("b", "a"), ("sub", "a file now")]));
}

#[test]
fn a_single_file_is_synced_too() {
    let folder = folder();
    let mut fs = with_grants(&[(&folder.path().join("a"), "/one/file", Access::WriteSync)]);
    fs.put("/one/file", b"new").expect("room");
    assert_eq!(std::fs::read(folder.path().join("a")).expect("it is there"), b"a");
    fs.discard();
    assert_eq!(fs.get("/one/file"), Ok(b"a".to_vec()));
    fs.put("/one/file", b"newer").expect("room");
    assert_eq!(texts(fs.commit()), [""; 0]);
    assert_eq!(host(&folder)[0], ("a".to_owned(), "newer".to_owned()));
    assert_eq!(host(&folder).len(), 4);
}

#[test]
fn direct_writes_are_reported_cell_by_cell() {
    let folder = folder();
    let mut fs = with_grants(&[(folder.path(), "/d", Access::Write)]);
    fs.begin_changes();
    fs.put("/d/new", b"12").expect("allowed");
    fs.put("/work/x", b"scratch is not reported").expect("room");
    let fd = fs.open(3, "/d/a", OpenHow { write: true, append: true, ..READ }, true).expect("allowed");
    assert_eq!(fs.changes().len(), 1);
    fs.write(fd, None, b"++").expect("allowed");
    let changes: Vec<_> = fs.changes().into_iter().map(|c| (c.guest_path, c.kind, c.bytes)).collect();
    assert_eq!(changes, [("/d/a".to_owned(), ChangeKind::Modified, 3), ("/d/new".to_owned(), ChangeKind::Created, 2)]);
    fs.begin_changes();
    assert_eq!(fs.changes(), []);
    fs.write(fd, None, b"+").expect("allowed");
    assert_eq!(fs.changes().len(), 1);
}

#[test]
fn copies_count_against_scratch() {
    let folder = folder();
    std::fs::write(folder.path().join("large"), vec![1; 5 << 20]).expect("a file");
    let mut fs = with_grants(&[(folder.path(), "/d", Access::WriteSync)]);
    let fd = fs.open(3, "/d/large", OpenHow { write: true, ..READ }, true).expect("allowed");
    assert_eq!(fs.read(fd, Some(5 << 20), &mut [0; 8]), Ok(0));
    assert_eq!(fs.write(fd, Some(0), b"x"), Err(Errno::NOSPC));
    assert_eq!(fs.tree.budget.used, 0);
}
