//! Packages made available to sessions.

use std::{
    fs::{self, File},
    io::Write,
};

use keelback_sandbox::{Permissions, SessionOptions};
use tempfile::TempDir;

use crate::{brief, check_in, engine, run, session_with};

/// A wheel with a module, a package with data and a namespace package.
fn wheel() -> (TempDir, Permissions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny-1.2-py3-none-any.whl");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    for (name, text) in [
        ("tiny/__init__.py", "from tiny.part import answer\n"),
        ("tiny/part.py", "def answer():\n    return 42\n"),
        ("tiny/data/word.txt", "hello"),
        ("tiny-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"),
        ("tiny-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.2\n"),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    let permissions = Permissions::none().packages(path).unwrap();
    assert_eq!(permissions.package_names(), ["tiny 1.2"]);
    (folder, permissions)
}

#[test]
fn a_wheel_is_imported() {
    let (_folder, permissions) = wheel();
    let mut session = session_with(permissions);
    assert!(session.variables().unwrap().is_empty(), "nothing of the host's is in the namespace");
    check_in(
        &mut session,
        &[
            ("import tiny, importlib.resources, importlib.metadata", "done"),
            ("tiny.answer(), tiny.__file__", "= (42, '/packages/0/tiny/__init__.py')"),
            ("(importlib.resources.files('tiny') / 'data/word.txt').read_text()", "= 'hello'"),
            ("importlib.metadata.version('tiny')", "= '1.2'"),
            (
                "open('/packages/0/tiny/new.py', 'w')",
                "PermissionError: [Errno 2] Permission denied: '/packages/0/tiny/new.py'",
            ),
        ],
    );
    assert!(session.files(100).unwrap().is_empty(), "packages are not the session's files");
    let mut fork = session.fork().unwrap();
    check_in(&mut fork, &[("import tiny.part, sys", "done"), ("sys.path.count('/packages/0')", "= 1")]);
}

#[test]
fn packages_are_there_after_a_stop_and_in_a_resumed_session() {
    let (folder, permissions) = wheel();
    let mut session = session_with(permissions.clone());
    assert_eq!(brief(&run(&mut session, "import os; os._exit(0)").outcome), "exit 0");
    check_in(&mut session, &[("import tiny; tiny.answer()", "= 42")]);
    let path = folder.path().join("saved");
    crate::session().save(&path).unwrap();
    let mut resumed = engine().load(&path, SessionOptions::default().permissions(permissions)).unwrap();
    check_in(
        &mut resumed,
        &[("import tiny; tiny.answer()", "= 42"), ("[n for n in dir() if n != 'tiny' and n[0] != '_']", "= []")],
    );
}

#[test]
fn an_extension_module_among_packages_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mixed")).unwrap();
    let code = "try:\n    from mixed._fast import add\nexcept ImportError:\n    def add(a, b): return a + b\n";
    fs::write(folder.path().join("mixed/__init__.py"), code).unwrap();
    fs::write(folder.path().join("mixed/_fast.cpython-313-x86_64-linux-gnu.so"), "\x7fELF").unwrap();
    fs::write(folder.path().join("whole.abi3.so"), "\x7fELF").unwrap();
    fs::write(folder.path().join("both.abi3.so"), "\x7fELF").unwrap();
    fs::write(folder.path().join("both.py"), "pure = True").unwrap();
    let mut session = session_with(Permissions::none().packages(folder.path()).unwrap());
    check_in(
        &mut session,
        &[
            ("import both; both.pure", "= True"),
            ("import mixed; mixed.add(1, 2)", "= 3"),
            (
                "import whole",
                "ImportError: whole is an extension module (/packages/0/whole.abi3.so), machine code that a sandbox does not \
                 run: use a pure-Python release of the package, or give its functions as a tool",
            ),
            ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ],
    );
}

#[test]
fn the_library_comes_before_packages() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("fractions.py"), "raise SystemExit").unwrap();
    let mut session = session_with(Permissions::none().packages(folder.path()).unwrap());
    check_in(&mut session, &[("import fractions; fractions.Fraction(1, 2)", "= Fraction(1, 2)")]);
}
