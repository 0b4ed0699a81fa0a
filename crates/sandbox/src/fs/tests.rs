//! What holds across the modules of the file system.

mod copies;
mod escapes;
mod saved;
mod scratch;

use std::path::Path;

use super::*;

const LIMITS: FsLimits = FsLimits { max_scratch_bytes: 4 << 20, max_open_files: 32 };

const READ: OpenHow = OpenHow {
    read: true,
    write: false,
    append: false,
    create: false,
    exclusive: false,
    truncate: false,
    directory: false,
};
const WRITE: OpenHow = OpenHow { write: true, create: true, truncate: true, ..READ };

fn scratch_only() -> FileSystem {
    with_grants(&[])
}

fn with_grants(grants: &[(&Path, &str, Access)]) -> FileSystem {
    let grant = |(host, guest, access): &(&Path, &str, Access)| Grant {
        host: host.to_path_buf(),
        guest: (*guest).to_owned(),
        access: *access,
    };
    let grants: Vec<Grant> = grants.iter().map(grant).collect();
    FileSystem::new(library::sample(), &grants, LIMITS).expect("grants are in order")
}

impl FileSystem {
    fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        let fd = self.open(3, path, READ, true)?;
        let mut bytes = vec![0; 1 << 20];
        let len = self.read(fd, None, &mut bytes);
        self.close(fd)?;
        bytes.truncate(len?);
        Ok(bytes)
    }

    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let fd = self.open(3, path, WRITE, true)?;
        let written = self.write(fd, None, bytes);
        self.close(fd)?;
        if written? == bytes.len() { Ok(()) } else { Err(Errno::NOSPC) }
    }

    fn names(&mut self, path: &str) -> Result<Vec<String>> {
        Ok(self.list(path)?.into_iter().map(|entry| entry.name).collect())
    }
}

#[test]
fn the_root_shows_mounts_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut fs = with_grants(&[(folder.path(), "/srv/in/data", Access::Read)]);
    assert_eq!(fs.names("/"), Ok(vec!["srv".into(), "tmp".into(), "usr".into(), "work".into()]));
    assert_eq!(fs.names("/srv/in"), Ok(vec!["data".into()]));
    assert_eq!(
        fs.stat("/", "srv/in/data/../..", true).map(|stat| stat.inode),
        fs.stat("/", "/srv", true).map(|s| s.inode)
    );
    assert_eq!(fs.get("usr/lib/python3.13/os.py"), Ok(b"import abc\n".to_vec()));
    for path in ["/etc/passwd", "/srv/x", "/usr/lib/x", "/usr/lib/python3.13/x", "/../../etc/passwd"] {
        assert_eq!(fs.get(path), Err(Errno::NOENT), "{path}");
    }
}

#[test]
fn nothing_changes_outside_scratch() {
    let mut fs = scratch_only();
    for path in ["/x", "/usr/x", "/usr/lib/python3.13/x", "/usr/lib/python3.13/os.py"] {
        assert_eq!(fs.put(path, b""), Err(Errno::ACCES), "{path}");
    }
    assert_eq!(fs.create_directory("/", "/x"), Err(Errno::ACCES));
    assert_eq!(fs.create_directory("/", "/work"), Err(Errno::EXIST));
    assert_eq!(fs.unlink("/", "/usr/lib/python3.13/os.py"), Err(Errno::ACCES));
    assert_eq!(fs.remove_directory("/", "/work"), Err(Errno::BUSY));
    assert_eq!(fs.rename(("/", "/work"), ("/", "/tmp/w")), Err(Errno::BUSY));
    assert_eq!(fs.put("/work/x", b""), Ok(()));
    assert_eq!(fs.rename(("/", "/work/x"), ("/", "/tmp/x")), Err(Errno::XDEV));
    assert_eq!(fs.rename(("/", "/work/x"), ("/", "/work")), Err(Errno::BUSY));
}

#[test]
fn grants_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("f"), "").expect("a file");
    let refuse = |grants: &[(&str, &str)]| {
        let grant = |(host, guest): &(&str, &str)| Grant {
            host: folder.path().join(host),
            guest: (*guest).into(),
            access: Access::Read,
        };
        let grants: Vec<Grant> = grants.iter().map(grant).collect();
        FileSystem::new(library::sample(), &grants, LIMITS).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(refuse(&[("", "/data")]), "");
    assert!(refuse(&[("", "/")]).contains("taken by the sandbox"));
    assert!(refuse(&[("", "/usr/lib/python3.13/json")]).contains("taken by the sandbox"));
    assert!(refuse(&[("", "/usr/lib/python3.13")]).contains("taken by the sandbox"));
    assert!(refuse(&[("", "data")]).contains("must be absolute"));
    assert!(refuse(&[("", "/a/../b")]).contains("must be absolute"));
    assert!(refuse(&[("missing", "/data")]).contains("cannot open"));
    assert!(refuse(&[("", "/data"), ("f", "//data/")]).contains("granted twice"));
    assert!(refuse(&[("f", "/data"), ("", "/data/x")]).contains("is a file"));
}

#[test]
fn open_files_are_bounded_and_numbers_used_again() {
    let mut fs = scratch_only();
    fs.put("/work/x", b"").expect("room");
    let mut open = Vec::new();
    let error = loop {
        match fs.open(3, "/work/x", READ, true) {
            Ok(fd) => open.push(fd),
            Err(error) => break error,
        }
    };
    assert_eq!((error, open.len()), (Errno::MFILE, LIMITS.max_open_files - 4));
    fs.close(open[3]).expect("it is open");
    assert_eq!(fs.open(3, "/work/x", READ, true), Ok(open[3]));
    assert_eq!(fs.close(3), Err(Errno::NOTSUP));
    assert_eq!(fs.close(u32::MAX), Err(Errno::BADF));
}
