//! Forks and saved states.

use proptest::prelude::*;

use super::*;

fn roundtrip(fs: &FileSystem) -> FilesSnapshot {
    let bytes = postcard::to_stdvec(&fs.to_snapshot().expect("nothing is in the way")).expect("it can be written");
    postcard::from_bytes(&bytes).expect("it can be read")
}

fn read(fs: &mut FileSystem, fd: u32) -> Vec<u8> {
    let mut bytes = [0; 64];
    let len = fs.read(fd, None, &mut bytes).expect("it is open");
    bytes[..len].to_vec()
}

#[test]
fn forks_and_saved_states_go_on_by_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("h"), "host bytes").expect("a file");
    let grants = [(folder.path(), "/d", Access::Read), (folder.path(), "/c", Access::WriteCopy)];
    let mut fs = with_grants(&grants);
    fs.put("/work/x", b"0123456789").expect("room");
    fs.put("/c/h", b"changed").expect("room");
    let fds = ["/work/x", "/d/h", "/usr/lib/python3.13/os.py", "/c/h"].map(|path| {
        let fd = fs.open(3, path, READ, true).expect("it is there");
        fs.seek(fd, 4, 0).expect("a file");
        fd
    });
    let gone = fs.open(3, "/work/gone", WRITE, true).expect("room");
    fs.write(gone, None, b"still here").expect("room");
    fs.unlink("/", "/work/gone").expect("it is there");
    fs.seek(gone, 0, 0).expect("a file");

    let saved = roundtrip(&fs);
    let loaded = with_grants(&grants).with_snapshot(&saved).expect("the same grants");
    assert_eq!(loaded.tree.budget, fs.tree.budget);
    assert_eq!(roundtrip(&loaded), saved);
    for mut other in [fs.fork().expect("nothing is in the way"), loaded] {
        fs.put("/work/x", b"parent").expect("room");
        other.put("/work/y", b"child").expect("room");
        assert_eq!(fs.get("/work/y"), Err(Errno::NOENT));
        let texts = fds.map(|fd| String::from_utf8(read(&mut other, fd)).expect("text"));
        assert_eq!(texts, ["456789", " bytes", "rt abc\n", "ged"]);
        assert_eq!(read(&mut other, gone), b"still here");
        assert_eq!(other.get("/work/x"), Ok(b"0123456789".to_vec()));
        other.close(gone).expect("it is open");
        fs.put("/work/x", b"0123456789").expect("room");
    }
}

#[test]
fn a_host_file_open_for_writing_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut fs = with_grants(&[(folder.path(), "/d", Access::Write)]);
    let fd = fs.open(3, "/d/log", WRITE, true).expect("allowed");
    let text = "`/d/log` is open for writing on the host, which cannot be in two places";
    assert_eq!(fs.fork().err().map(|error| error.to_string()).as_deref(), Some(text));
    assert_eq!(fs.to_snapshot().err().map(|error| error.to_string()).as_deref(), Some(text));
    fs.close(fd).expect("it is open");
    assert!(fs.fork().is_ok());
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("h"), "x").expect("a file");
    let mut fs = with_grants(&[(folder.path(), "/d", Access::Read)]);
    fs.open(3, "/d/h", READ, true).expect("it is there");
    let saved = roundtrip(&fs);
    let error = scratch_only().with_snapshot(&saved).err().expect("no grant").to_string();
    assert!(error.contains("`/d/h` was open"), "{error}");
    let mut fs = with_grants(&[(folder.path(), "/d", Access::WriteCopy)]);
    fs.put("/d/new", b"").expect("room");
    let error = scratch_only().with_snapshot(&roundtrip(&fs)).err().expect("no grant").to_string();
    assert!(error.contains("`/d` was granted"), "{error}");
}

#[test]
fn a_saved_state_that_does_not_fit_is_refused() {
    let mut fs = scratch_only();
    fs.put("/work/x", &[1; 100_000]).expect("room");
    let limits = FsLimits { max_scratch_bytes: 50_000, ..LIMITS };
    let small = FileSystem::new(library::sample(), &[], limits).expect("no grants");
    assert!(matches!(small.with_snapshot(&roundtrip(&fs)), Err(FilesError::Room { limit: 50_000 })));
}

proptest! {
    #[test]
    fn damaged_states_are_refused_or_work(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut fs = scratch_only();
        fs.create_directory("/", "/work/d").expect("room");
        fs.put("/work/d/x", b"0123456789").expect("room");
        fs.symlink("x", "/", "/work/d/l").expect("room");
        fs.open(3, "/work/d/x", READ, true).expect("it is there");
        fs.open(3, "/work/d", READ, true).expect("it is there");
        let mut bytes = postcard::to_stdvec(&fs.to_snapshot().expect("allowed")).expect("it can be written");
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let Ok(saved) = postcard::from_bytes::<FilesSnapshot>(&bytes) else { return Ok(()) };
        let Ok(mut fs) = scratch_only().with_snapshot(&saved) else { return Ok(()) };
        for path in ["/work/d/x", "/work/d/l", "/work", "/tmp"] {
            let _ = fs.get(path);
            let _ = fs.names(path);
            let _ = fs.unlink("/", path);
        }
        for fd in 0..10 {
            let _ = fs.read(fd, None, &mut [0; 4]);
            let _ = fs.listing(fd, true);
            let _ = fs.close(fd);
        }
        let _ = fs.rename(("/", "/work/d"), ("/", "/work/e"));
        let _ = fs.fork();
    }
}
