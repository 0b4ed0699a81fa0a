//! Ways out of a grant. Each refusal stands beside the same call where it is allowed.

use std::os::unix::fs::symlink;

use super::*;

/// A secret, and a granted folder beside it.
fn folders() -> tempfile::TempDir {
    let top = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(top.path().join("in/sub")).expect("a folder");
    std::fs::write(top.path().join("secret"), "secret").expect("a file");
    std::fs::write(top.path().join("in/open"), "open").expect("a file");
    top
}

#[test]
fn dots_stay_in_the_virtual_tree() {
    let top = folders();
    let mut fs = with_grants(&[(&top.path().join("in"), "/data", Access::Read)]);
    assert_eq!(fs.get("/data/sub/../open"), Ok(b"open".to_vec()));
    assert_eq!(fs.get("/data/../secret"), Err(Errno::NOENT));
    assert_eq!(fs.get("/data/sub/../../secret"), Err(Errno::NOENT));
    assert_eq!(fs.get("/data/sub/../../data/open"), Ok(b"open".to_vec()));
    assert_eq!(fs.get("/data/missing/../open"), Err(Errno::NOENT));
    assert_eq!(fs.get("/data/open/../open"), Err(Errno::NOTDIR));
}

#[test]
fn symlinks_of_the_host_stay_in_the_grant() {
    let top = folders();
    symlink(top.path().join("secret"), top.path().join("in/absolute")).expect("a symlink");
    symlink("../secret", top.path().join("in/relative")).expect("a symlink");
    symlink("sub/../open", top.path().join("in/inside")).expect("a symlink");
    symlink("..", top.path().join("in/sub/up")).expect("a symlink");
    symlink("..", top.path().join("in/out")).expect("a symlink");
    for access in [Access::Read, Access::Write] {
        let mut fs = with_grants(&[(&top.path().join("in"), "/data", access)]);
        assert_eq!(fs.get("/data/inside"), Ok(b"open".to_vec()));
        assert_eq!(fs.get("/data/sub/up/open"), Ok(b"open".to_vec()));
        // `..` after a symlink is the parent of its target, and above the grant that is the guest's own root.
        assert_eq!(fs.get("/data/sub/up/../data/open"), Ok(b"open".to_vec()));
        for path in ["/data/absolute", "/data/relative", "/data/out/secret"] {
            assert_eq!(fs.get(path), Err(Errno::ACCES), "{path}");
        }
        assert!(fs.get("/data/out/../secret").is_err());
        assert!(fs.names("/data/out").is_err());
        assert!(fs.put("/data/relative", b"x").is_err());
    }
    let mut fs = with_grants(&[(&top.path().join("in"), "/data", Access::WriteCopy)]);
    assert_eq!(fs.get("/data/inside"), Ok(b"open".to_vec()));
    assert_eq!(fs.get("/data/absolute"), Err(Errno::NOENT));
    assert_eq!(fs.get("/data/relative"), Err(Errno::NOENT));
    assert_eq!(std::fs::read(top.path().join("secret")).expect("it is there"), b"secret");
}

#[test]
fn a_guest_cannot_plant_a_way_out() {
    let top = folders();
    for access in [Access::Write, Access::WriteSync] {
        let mut fs = with_grants(&[(&top.path().join("in"), "/data", access)]);
        assert_eq!(fs.symlink("open", "/", "/data/good"), Ok(()));
        assert_eq!(fs.get("/data/good"), Ok(b"open".to_vec()));
        assert_eq!(fs.symlink("../open", "/", "/data/sub/good"), Ok(()));
        assert_eq!(fs.symlink("../secret", "/", "/data/bad"), Err(Errno::ACCES));
        assert_eq!(fs.symlink("/etc/passwd", "/", "/data/bad"), Err(Errno::ACCES));
        assert_eq!(fs.symlink("../../secret", "/", "/data/sub/bad"), Err(Errno::ACCES));
        // Made where it is harmless, moved to where it leads out.
        assert_eq!(fs.symlink("../secret", "/", "/data/sub/trick"), Ok(()));
        assert_eq!(fs.rename(("/", "/data/sub/trick"), ("/", "/data/trick")), Ok(()));
        assert!(fs.get("/data/trick").is_err());
        fs.unlink("/", "/data/trick").expect("it is there");
        fs.unlink("/", "/data/good").expect("it is there");
        fs.unlink("/", "/data/sub/good").expect("it is there");
    }
    // In scratch any target is fine, for all of it is the guest's own tree.
    let mut fs = with_grants(&[(&top.path().join("in"), "/data", Access::Read)]);
    assert_eq!(fs.symlink("/data/open", "/", "/work/link"), Ok(()));
    assert_eq!(fs.get("/work/link"), Ok(b"open".to_vec()));
    assert_eq!(fs.symlink("/data/../../../secret", "/", "/work/bad"), Ok(()));
    assert_eq!(fs.get("/work/bad"), Err(Errno::NOENT));
    assert_eq!(fs.symlink("loop", "/", "/work/loop"), Ok(()));
    assert_eq!(fs.get("/work/loop"), Err(Errno::LOOP));
}

#[test]
fn names_cannot_leave_by_links_or_renames() {
    let top = folders();
    let mut fs = with_grants(&[
        (&top.path().join("in"), "/data", Access::Write),
        (&top.path().join("in/sub"), "/other", Access::Write),
    ]);
    assert_eq!(fs.link(("/", "/data/open"), false, ("/", "/data/second")), Ok(()));
    assert_eq!(fs.link(("/", "/data/open"), false, ("/", "/other/x")), Err(Errno::XDEV));
    assert_eq!(fs.rename(("/", "/data/open"), ("/", "/other/x")), Err(Errno::XDEV));
    assert_eq!(fs.rename(("/", "/data/second"), ("/", "/data/../second")), Err(Errno::ACCES));
    assert_eq!(fs.rename(("/", "/data/second"), ("/", "/other")), Err(Errno::BUSY));
    assert_eq!(fs.rename(("/", "/other"), ("/", "/data/x")), Err(Errno::BUSY));
    assert_eq!(fs.remove_directory("/", "/other"), Err(Errno::BUSY));
    assert_eq!(fs.rename(("/", "/data/second"), ("/", "/data/third")), Ok(()));
    symlink("../secret", top.path().join("in/link")).expect("a symlink");
    assert_eq!(fs.link(("/", "/data/link"), false, ("/", "/data/sub/link")), Err(Errno::PERM));
}

#[test]
fn a_read_grant_changes_nothing() {
    let top = folders();
    type Call = fn(&mut FileSystem) -> Result<()>;
    let calls: [(&str, Call); 9] = [
        ("times", |fs| fs.set_times("/", "/data/open", Times { modified: Some(0), ..Times::default() }, true)),
        ("directory times", |fs| fs.set_times("/", "/data/sub", Times { modified: Some(0), ..Times::default() }, true)),
        ("append", |fs| fs.open(3, "/data/open", OpenHow { write: true, append: true, ..READ }, true).map(drop)),
        ("write", |fs| fs.put("/data/open", b"x")),
        ("create", |fs| fs.put("/data/new", b"x")),
        ("mkdir", |fs| fs.create_directory("/", "/data/dir")),
        ("rename", |fs| fs.rename(("/", "/data/new"), ("/", "/data/newer"))),
        ("unlink", |fs| fs.unlink("/", "/data/newer")),
        ("rmdir", |fs| fs.remove_directory("/", "/data/dir")),
    ];
    for (name, call) in calls {
        let mut fs = with_grants(&[(&top.path().join("in"), "/data", Access::Write)]);
        if name == "rename" || name == "unlink" {
            std::fs::write(top.path().join(if name == "rename" { "in/new" } else { "in/newer" }), "").expect("a file");
        }
        let mut reader = with_grants(&[(&top.path().join("in"), "/data", Access::Read)]);
        assert_eq!(call(&mut reader), Err(Errno::ACCES), "{name}");
        assert_eq!(call(&mut fs), Ok(()), "{name}");
    }
}

#[test]
fn pipes_are_refused_without_waiting() {
    let top = folders();
    let pipe = top.path().join("in/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).expect("a pipe");
    for access in [Access::Write, Access::WriteCopy] {
        let mut fs = with_grants(&[(&top.path().join("in"), "/data", access)]);
        assert_eq!(fs.get("/data/pipe"), Err(Errno::ACCES));
        assert_eq!(fs.put("/data/pipe", b"x"), Err(Errno::ACCES));
        assert_eq!(fs.stat("/", "/data/pipe", true).map(|stat| stat.file_type), Ok(FileType::Special));
        assert_eq!(fs.get("/data/open"), Ok(b"open".to_vec()));
    }
    let grant = Grant { host: pipe, guest: "/p".into(), access: Access::Read };
    assert!(matches!(FileSystem::new(library::sample(), &[grant], LIMITS), Err(GrantError::Special { .. })));
}

#[test]
fn a_file_alone_shows_nothing_beside_it() {
    let top = folders();
    let file = top.path().join("in/open");
    let mut fs = with_grants(&[(&file, "/etc/file.txt", Access::Write)]);
    assert_eq!(fs.names("/etc"), Ok(vec!["file.txt".into()]));
    assert_eq!(fs.get("/etc/file.txt"), Ok(b"open".to_vec()));
    assert_eq!(fs.put("/etc/file.txt", b"new"), Ok(()));
    assert_eq!(std::fs::read(&file).expect("it is there"), b"new");
    assert_eq!(fs.get("/etc/sub"), Err(Errno::NOENT));
    assert_eq!(fs.get("/etc/file.txt/x"), Err(Errno::NOTDIR));
    assert_eq!(fs.get("/etc/file.txt/../file.txt"), Ok(b"new".to_vec()));
    assert_eq!(fs.put("/etc/other", b""), Err(Errno::ACCES));
    assert_eq!(fs.unlink("/", "/etc/file.txt"), Err(Errno::BUSY));
    // The host swaps it for a symlink later.
    std::fs::remove_file(&file).expect("it is there");
    symlink("../secret", &file).expect("a symlink");
    assert!(fs.get("/etc/file.txt").is_err());
    assert!(fs.put("/etc/file.txt", b"x").is_err());
    std::fs::remove_file(&file).expect("it is there");
    std::fs::write(&file, "again").expect("a file");
    assert_eq!(fs.get("/etc/file.txt"), Ok(b"again".to_vec()));
    assert_eq!(std::fs::read(top.path().join("secret")).expect("it is there"), b"secret");
}

#[test]
fn grants_inside_grants_have_their_own_rights() {
    let top = folders();
    std::fs::create_dir(top.path().join("out")).expect("a folder");
    let mut fs = with_grants(&[
        (&top.path().join("in"), "/data", Access::Read),
        (&top.path().join("out"), "/data/results/here", Access::Write),
        (&top.path().join("in"), "/work/a/b", Access::Read),
    ]);
    assert_eq!(fs.names("/data"), Ok(vec!["open".into(), "results".into(), "sub".into()]));
    assert_eq!(fs.names("/data/results"), Ok(vec!["here".into()]));
    assert_eq!(fs.put("/data/results/here/x", b"1"), Ok(()));
    assert_eq!(fs.put("/data/results/x", b"1"), Err(Errno::ACCES));
    assert_eq!(fs.put("/data/x", b"1"), Err(Errno::ACCES));
    assert_eq!(fs.put("/work/a/x", b"1"), Ok(()));
    assert_eq!(fs.names("/work/a"), Ok(vec!["b".into(), "x".into()]));
    assert_eq!(fs.get("/work/a/b/open"), Ok(b"open".to_vec()));
    assert_eq!(fs.remove_directory("/", "/work/a"), Err(Errno::BUSY));
    assert_eq!(fs.rename(("/", "/work/a"), ("/", "/work/c")), Err(Errno::BUSY));
}
