//! Granted files and folders.

use std::{fs, path::Path};

use keelback_sandbox::{Cell, ChangeKind, Permissions, Report, Stream};

use crate::{brief, check_in, run, session_with};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("a.txt"), "alpha").unwrap();
    fs::write(folder.path().join("sub/b.txt"), "beta").unwrap();
    folder
}

fn read(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

fn changes(report: &Report) -> Vec<(String, ChangeKind)> {
    let mut changes: Vec<_> = report.files.iter().map(|change| (change.guest_path.clone(), change.kind)).collect();
    changes.sort_by(|a, b| a.0.cmp(&b.0));
    changes
}

#[test]
fn a_read_grant_reads_and_does_not_write() {
    let folder = folder();
    let mut session = session_with(Permissions::none().read(folder.path(), "/data"));
    check_in(
        &mut session,
        &[
            ("import os, pathlib\nopen('/data/a.txt').read()", "= 'alpha'"),
            ("sorted(os.listdir('/data')), os.listdir('/data/sub')", "= (['a.txt', 'sub'], ['b.txt'])"),
            ("pathlib.Path('/data/sub/b.txt').read_text()", "= 'beta'"),
            ("os.stat('/data/a.txt').st_size, os.path.isdir('/data/sub')", "= (5, True)"),
            ("'data' in os.listdir('/')", "= True"),
        ],
    );
    for cell in [
        "open('/data/new', 'w')",
        "open('/data/a.txt', 'a')",
        "open('/data/a.txt', 'r+')",
        "os.remove('/data/a.txt')",
        "os.mkdir('/data/d')",
        "os.rmdir('/data/sub')",
        "os.rename('/data/a.txt', '/data/c.txt')",
        "os.link('/data/a.txt', '/data/c.txt')",
        "os.symlink('a.txt', '/data/c.txt')",
        "os.utime('/data/a.txt')",
        "os.truncate('/data/a.txt', 0)",
    ] {
        let outcome = brief(&run(&mut session, cell).outcome);
        assert!(outcome.starts_with("PermissionError") || outcome.starts_with("OSError"), "{cell}: {outcome}");
    }
    assert_eq!(read(folder.path(), "a.txt").as_deref(), Some("alpha"));
}

#[test]
fn a_write_grant_changes_the_host_and_is_reported() {
    let folder = folder();
    let mut session = session_with(Permissions::none().write(folder.path(), "/data"));
    let report = run(
        &mut session,
        "import os\nopen('/data/new.txt', 'w').write('x')\nos.remove('/data/a.txt')\nos.mkdir('/data/d')",
    );
    assert_eq!(brief(&report.outcome), "done");
    assert_eq!((read(folder.path(), "new.txt").as_deref(), read(folder.path(), "a.txt")), (Some("x"), None));
    let changed: Vec<String> = changes(&report).into_iter().map(|(path, _)| path).collect();
    assert!(
        changed.contains(&"/data/new.txt".to_owned()) && changed.contains(&"/data/a.txt".to_owned()),
        "{changed:?}"
    );
    assert!(run(&mut session, "1").files.is_empty());
}

#[test]
fn a_synced_grant_reaches_the_host_when_the_cell_ends_well() {
    let folder = folder();
    let mut session = session_with(Permissions::none().write_synced(folder.path(), "/data"));
    let change = "import os\nopen('/data/new.txt', 'w').write('x')\nopen('/data/sub/b.txt', 'a').write('!')\nos.remove('/data/a.txt')";
    let report = run(&mut session, &format!("{change}\nassert open('/data/new.txt').read() == 'x'\n1/0"));
    assert_eq!(changes(&report).len(), 3);
    assert_eq!((read(folder.path(), "new.txt"), read(folder.path(), "a.txt").as_deref()), (None, Some("alpha")));
    check_in(&mut session, &[("os.path.exists('/data/new.txt'), os.path.exists('/data/a.txt')", "= (False, True)")]);
    let report = run(&mut session, change);
    assert_eq!(report.sync_errors, Vec::<String>::new());
    assert_eq!((read(folder.path(), "new.txt").as_deref(), read(folder.path(), "a.txt")), (Some("x"), None));
    assert_eq!(read(folder.path(), "sub/b.txt").as_deref(), Some("beta!"));
}

#[test]
fn a_copy_never_reaches_the_host() {
    let folder = folder();
    let mut session = session_with(Permissions::none().write_copy(folder.path(), "/data"));
    check_in(
        &mut session,
        &[("open('/data/a.txt', 'w').write('changed')", "= 7"), ("open('/data/a.txt').read()", "= 'changed'")],
    );
    assert_eq!(read(folder.path(), "a.txt").as_deref(), Some("alpha"));
}

#[test]
fn a_single_file_can_be_granted_at_any_path() {
    let folder = folder();
    let permissions = Permissions::none()
        .read(folder.path().join("a.txt"), "/in/first.txt")
        .write(folder.path().join("sub/b.txt"), "/work/deep/second, with comma.txt");
    let mut session = session_with(permissions);
    check_in(
        &mut session,
        &[
            ("open('/in/first.txt').read()", "= 'alpha'"),
            ("import os\nos.listdir('/in')", "= ['first.txt']"),
            ("open('deep/second, with comma.txt', 'a').write('!')", "= 1"),
        ],
    );
    assert_eq!(read(folder.path(), "sub/b.txt").as_deref(), Some("beta!"));
}

#[test]
fn a_large_folder_is_listed_whole() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..3000 {
        fs::write(folder.path().join(format!("file-with-a-longer-name-{i}")), "").unwrap();
    }
    let mut session = session_with(Permissions::none().read(folder.path(), "/data"));
    check_in(&mut session, &[("import os\nlen(set(os.listdir('/data')))", "= 3000")]);
}

#[test]
fn grants_that_cannot_be_are_refused_with_the_path() {
    let options = |permissions| keelback_sandbox::SessionOptions::default().permissions(permissions);
    let chain = |error: keelback_sandbox::Error| {
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    };
    let folder = folder();
    for (permissions, part) in [
        (Permissions::none().read("/no/such/folder", "/data"), "/no/such/folder"),
        (Permissions::none().read(folder.path(), "/"), "`/`"),
        (Permissions::none().read(folder.path(), "data"), "`data`"),
        (Permissions::none().read(folder.path(), "/usr/lib/python3.13/json"), "/usr/lib/python3.13"),
        (Permissions::none().read(folder.path(), "/data").write(folder.path(), "/data"), "/data"),
    ] {
        let error = chain(crate::engine().session(options(permissions)).err().unwrap());
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_end_writes_what_open_files_hold_and_runs_finalisers() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session_with(Permissions::none().write_synced(folder.path(), "/out"));
    let program = "import atexit, io\nclass A:\n    def __del__(self): print('gone', helper())\n\
        def helper(): return 'with help'\na = A()\natexit.register(print, 'exit')\n\
        f = open('/out/a.txt', 'w'); f.write('text')\nlist_of_itself = [open('/out/b.bin', 'wb')]\n\
        list_of_itself.append(list_of_itself); list_of_itself[0].write(b'bytes')";
    assert_eq!(session.run(Cell::program(program, "p.py")).unwrap().text(Stream::Stdout), "");
    assert_eq!(read(folder.path(), "a.txt").unwrap_or_default(), "");
    let end = session.run(Cell::finish()).unwrap();
    assert_eq!((brief(&end.outcome), end.text(Stream::Stdout)), ("done".into(), "exit\ngone with help\n".into()));
    assert_eq!(read(folder.path(), "a.txt").unwrap(), "text");
    assert_eq!(read(folder.path(), "b.bin").unwrap(), "bytes");
    // Nothing is left to end after os._exit.
    let mut other = session_with(Permissions::none());
    other.run("import atexit, os; atexit.register(print, 'never'); os._exit(3)").unwrap();
    assert_eq!(other.run(Cell::finish()).unwrap().text(Stream::Stdout), "");
}

#[test]
fn a_database_is_locked_against_other_sessions_and_not_within_one() {
    let folder = tempfile::tempdir().unwrap();
    let open = || session_with(Permissions::none().write(folder.path(), "/db"));
    let (mut first, mut second) = (open(), open());
    let set_up = "import sqlite3\na = sqlite3.connect('/db/x.db', timeout=0, isolation_level=None)\n\
        b = sqlite3.connect('/db/x.db', timeout=0, isolation_level=None)";
    for session in [&mut first, &mut second] {
        assert_eq!(brief(&run(session, set_up).outcome), "done");
    }
    run(&mut first, "a.execute('create table t(x)'); a.execute('insert into t values (7)')");
    assert_eq!(brief(&run(&mut first, "b.execute('select x from t').fetchone()").outcome), "= (7,)");
    run(&mut first, "a.execute('begin immediate')");
    let locked = "OperationalError: database is locked";
    assert_eq!(brief(&run(&mut first, "b.execute('begin immediate')").outcome), locked);
    assert_eq!(brief(&run(&mut second, "a.execute('begin immediate')").outcome), locked);
    run(&mut first, "a.execute('commit')");
    assert_eq!(brief(&run(&mut second, "a.execute('begin immediate').fetchall()").outcome), "= []");
    // Its locks go with a session.
    drop(second);
    assert_eq!(brief(&run(&mut first, "b.execute('begin immediate').fetchall()").outcome), "= []");
}

#[test]
fn holes_take_no_room_in_scratch_nor_on_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session_with(Permissions::none().write_synced(folder.path(), "/out"));
    let cell = "f = open('/out/hole', 'wb'); f.seek(3 << 30); f.write(b'x'); f.close()\n\
        f = open('/out/hole', 'rb'); f.seek((3 << 30) - 1); f.read()";
    assert_eq!(brief(&run(&mut session, cell).outcome), "= b'\\x00x'");
    let metadata = fs::metadata(folder.path().join("hole")).unwrap();
    assert_eq!(metadata.len(), (3 << 30) + 1);
    assert!(std::os::unix::fs::MetadataExt::blocks(&metadata) < 1000);
    let too_far = "f = open('/out/hole', 'r+b'); f.seek(17 << 30); f.write(b'x'); f.flush()";
    assert_eq!(brief(&run(&mut session, too_far).outcome), "OSError: [Errno 22] File too large");
}
