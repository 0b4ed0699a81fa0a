//! Ways to files that were not granted.

use std::{fs, os::unix::fs::symlink};

use keelback_sandbox::{Limits, Permissions};

use crate::{outcome, pair, session};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("inside")).unwrap();
    fs::write(folder.path().join("inside/file"), "granted").unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    folder
}

fn read(folder: &tempfile::TempDir) -> Permissions {
    Permissions::none().read(folder.path().join("inside"), "/data")
}

fn write(folder: &tempfile::TempDir) -> Permissions {
    Permissions::none().write(folder.path().join("inside"), "/data")
}

#[test]
fn host_files_need_a_grant() {
    let folder = folder();
    pair("open('/data/file').read()", "FileNotFoundError", read(&folder), "= 'granted'");
    pair(
        "open('/etc/hosts').read() != ''",
        "FileNotFoundError",
        Permissions::none().read("/etc/hosts", "/etc/hosts"),
        "= True",
    );
}

#[test]
fn no_host_path_is_there_without_one() {
    let mut session = session(Permissions::none(), Limits::default());
    for path in [
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/null",
        "/dev/mem",
        "/sys",
        "/root",
        "/home",
        "/bin/sh",
        "/../etc/passwd",
        "../../../../etc/passwd",
        "//etc/passwd",
        "/usr/lib/python3.13/../../../etc/passwd",
        "/tmp/../etc/passwd",
        "/work/../proc/1/maps",
    ] {
        assert_eq!(outcome(&mut session, &format!("open({path:?})")), "FileNotFoundError", "{path}");
    }
    assert_eq!(outcome(&mut session, "import os\nsorted(os.listdir('/'))"), "= ['tmp', 'usr', 'work']");
    assert_eq!(outcome(&mut session, "os.listdir('/usr'), os.listdir('/usr/lib')"), "= (['lib'], ['python3.13'])");
}

#[test]
fn the_library_cannot_be_changed() {
    let mut session = session(Permissions::none(), Limits::default());
    for cell in [
        "open('/usr/lib/python3.13/os.py', 'a')",
        "import os\nos.remove('/usr/lib/python3.13/os.py')",
        "import os\nos.mkdir('/usr/x')",
        "open('/x', 'w')",
        "import os\nos.rename('/usr/lib/python3.13/os.py', '/work/os.py')",
    ] {
        let end = outcome(&mut session, cell);
        assert!(end == "PermissionError" || end == "OSError", "{cell}: {end}");
    }
    assert_eq!(outcome(&mut session, "open('/work/x', 'w').write('scratch is writable')"), "= 19");
}

#[test]
fn dots_lead_around_inside_only() {
    let folder = folder();
    for path in
        ["/data/../secret", "/data/inside/../../secret", "/data/./.././secret", "/data/../../../../../../etc/passwd"]
    {
        assert_eq!(
            outcome(&mut session(write(&folder), Limits::default()), &format!("open({path:?})")),
            "FileNotFoundError"
        );
    }
    let mut session = session(read(&folder), Limits::default());
    assert_eq!(outcome(&mut session, "open('/data/../data/file').read()"), "= 'granted'");
}

#[test]
fn a_symlink_of_the_host_does_not_lead_out() {
    let folder = folder();
    for (name, target) in [
        ("absolute", folder.path().join("secret")),
        ("relative", "../secret".into()),
        ("up", "..".into()),
        ("etc", "/etc".into()),
        ("good", "file".into()),
    ] {
        symlink(target, folder.path().join("inside").join(name)).unwrap();
    }
    let mut session = session(write(&folder), Limits::default());
    for path in ["/data/absolute", "/data/relative", "/data/up/secret", "/data/etc/passwd"] {
        let end = outcome(&mut session, &format!("open({path:?}).read()"));
        assert!(end.ends_with("Error"), "{path}: {end}");
        let end = outcome(&mut session, &format!("open({path:?}, 'w').write('x')"));
        assert!(end.ends_with("Error"), "{path}: {end}");
    }
    assert_eq!(outcome(&mut session, "open('/data/good').read()"), "= 'granted'");
    assert_eq!(fs::read_to_string(folder.path().join("secret")).unwrap(), "secret");
}

#[test]
fn a_symlink_planted_by_the_guest_does_not_lead_out() {
    let folder = folder();
    let mut session = session(write(&folder), Limits::default());
    for target in ["/etc/passwd", "../secret", "../../../../../../etc/passwd", "/data/../../etc/passwd"] {
        let cell = format!(
            "import os\nif os.path.lexists('/data/l'): os.remove('/data/l')\nos.symlink({target:?}, '/data/l')\nopen('/data/l').read()"
        );
        let end = outcome(&mut session, &cell);
        assert!(end.ends_with("Error"), "{target}: {end}");
    }
    let cell = "import os\nos.symlink('file', '/data/inner')\nopen('/data/inner').read()";
    assert_eq!(outcome(&mut session, cell), "= 'granted'");
}

#[test]
fn hard_links_and_renames_stay_inside() {
    let folder = folder();
    let mut session = session(write(&folder), Limits::default());
    for cell in [
        "os.link('/data/../secret', '/data/x')",
        "os.link('/data/file', '/work/x')",
        "os.rename('/data/file', '/work/x')",
        "os.rename('/work', '/data/w')",
        "os.rename('/data', '/moved')",
        "os.rename('/data/file', '/data/../../out')",
    ] {
        let end = outcome(&mut session, &format!("import os\n{cell}"));
        assert!(end.ends_with("Error"), "{cell}: {end}");
    }
    assert_eq!(
        outcome(&mut session, "import os\nos.rename('/data/file', '/data/other')\nopen('/data/other').read()"),
        "= 'granted'"
    );
}

#[test]
fn special_files_are_not_opened() {
    let folder = folder();
    let fifo = folder.path().join("inside/fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("inside/socket")).unwrap();
    let mut session = session(write(&folder), Limits::default());
    for path in ["/data/fifo", "/data/socket"] {
        for mode in ["r", "w"] {
            let end = outcome(&mut session, &format!("open({path:?}, {mode:?})"));
            assert!(end.ends_with("Error"), "{path}: {end}");
        }
    }
    assert_eq!(outcome(&mut session, "open('/data/file').read()"), "= 'granted'");
}

#[test]
fn a_granted_file_does_not_show_its_neighbours() {
    let folder = folder();
    let grant = Permissions::none().write(folder.path().join("inside/file"), "/data/file");
    fs::write(folder.path().join("inside/neighbour"), "secret").unwrap();
    let mut session = session(grant, Limits::default());
    assert_eq!(outcome(&mut session, "import os\nos.listdir('/data')"), "= ['file']");
    for cell in [
        "open('/data/neighbour')",
        "open('/data/file/../neighbour')",
        "open('/data/new', 'w')",
        "os.rename('/data/file', '/data/new')",
    ] {
        let end = outcome(&mut session, cell);
        assert!(end.ends_with("Error"), "{cell}: {end}");
    }
    assert_eq!(outcome(&mut session, "open('/data/file').read()"), "= 'granted'");
}

#[test]
fn environment_needs_a_grant() {
    pair("import os\nos.environ['TOKEN']", "KeyError", Permissions::none().env("TOKEN", "t"), "= 't'");
    let mut session = session(Permissions::none(), Limits::default());
    assert_eq!(
        outcome(&mut session, "import os\ndict(os.environ), os.getenv('PATH'), os.getenv('HOME')"),
        "= ({}, None, None)"
    );
}

#[test]
fn standard_input_needs_a_grant() {
    let stdin = keelback_sandbox::Stdin::Reader(std::sync::Arc::new(std::sync::Mutex::new(&b"line\n"[..])));
    pair("input()", "EOFError", Permissions::none().stdin(stdin), "= 'line'");
}
