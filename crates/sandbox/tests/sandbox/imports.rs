//! Images with imports, and the sessions that begin with them.

use std::{fs, sync::OnceLock, thread};

use keelback_sandbox::{
    Cell, Engine, Error, Image, ImageError, Limits, Permissions, Pool, Session, SessionOptions, SnapshotError, Stream,
};
use tempfile::TempDir;

use crate::{brief, check_in, engine, run};

/// Packages as an installed folder has them.
struct Site(TempDir);

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Site(folder)
    }

    fn permissions(&self) -> Permissions {
        Permissions::none().packages(self.0.path()).unwrap()
    }

    fn options(&self) -> SessionOptions {
        SessionOptions::default().permissions(self.permissions())
    }
}

const TINY: &[(&str, &str)] = &[
    (
        "tiny/__init__.py",
        "import os, random, sys, time\nprint('imported')\nstate = {'n': 0}\ntoken = os.urandom(8)\nbegan = time.monotonic()\n",
    ),
    ("tiny/part.py", "rows = [str(n) for n in range(200_000)]\nblock = b'x' * (32 << 20)\n"),
    ("tiny/late.py", "answer = 42\n"),
];

fn site() -> &'static Site {
    static SITE: OnceLock<Site> = OnceLock::new();
    SITE.get_or_init(|| Site::new(TINY))
}

fn image() -> Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| Image::with_imports(engine(), ["tiny.part", "sqlite3"], site().options()).unwrap()).clone()
}

fn with_image(image: &Image) -> SessionOptions {
    SessionOptions::default().image(image.clone())
}

fn session() -> Session {
    engine().session(with_image(&image())).unwrap()
}

#[test]
fn a_session_begins_with_the_modules_and_an_empty_namespace() {
    let mut session = session();
    assert_eq!(image().imports(), ["tiny.part", "sqlite3"]);
    assert!(session.variables().unwrap().is_empty());
    let report = run(
        &mut session,
        "import sys\n[name in sys.modules for name in ('tiny', 'tiny.part', 'sqlite3', 'tiny.late')]",
    );
    assert_eq!(
        (brief(&report.outcome).as_str(), report.text(Stream::Stdout).as_str()),
        ("= [True, True, True, False]", "")
    );
    check_in(
        &mut session,
        &[
            (
                "import tiny.part, time, os\nlen(tiny.part.rows), tiny.__file__",
                "= (200000, '/packages/0/tiny/__init__.py')",
            ),
            ("import tiny.late; tiny.late.answer", "= 42"),
            (
                "time.monotonic() > tiny.began, os.getcwd(), sys.argv, sys.path.count('/packages/0')",
                "= (True, '/work', [''], 1)",
            ),
            (
                "sqlite3.connect(':memory:').execute('select 1 + 1').fetchone()",
                "NameError: name 'sqlite3' is not defined",
            ),
            ("import sqlite3; sqlite3.connect(':memory:').execute('select 1 + 1').fetchone()", "= (2,)"),
        ],
    );
}

#[test]
fn what_one_session_does_to_a_module_no_other_sees() {
    let image = image();
    // Each but the first may get the instance of the one before, and those of the plain image are never mixed up with them.
    for _ in 0..5 {
        let mut session = engine().session(with_image(&image)).unwrap();
        check_in(
            &mut session,
            &[("import tiny; tiny.state['n'] += 1; tiny.left = 'left' * 100_000; tiny.state", "= {'n': 1}")],
        );
        drop(session);
        crate::check(&[("import sys; 'tiny' in sys.modules, '/packages/0' in sys.path", "= (False, False)")]);
    }
    check_in(&mut session(), &[("import tiny; tiny.state, hasattr(tiny, 'left')", "= ({'n': 0}, False)")]);
}

#[test]
fn every_session_has_randomness_of_its_own() {
    let cell = "import random, os, uuid, secrets, tempfile, tiny\n(random.random(), os.urandom(8), uuid.uuid4(), secrets.token_hex(), tempfile.mktemp())";
    let texts: Vec<String> = (0..6).map(|_| brief(&run(&mut session(), cell).outcome)).collect();
    for (index, text) in texts.iter().enumerate() {
        assert!(text.starts_with("= (") && !texts[..index].contains(text), "{texts:?}");
    }
    let pinned = || {
        let mut session = engine().session(with_image(&image()).deterministic(7)).unwrap();
        brief(
            &run(
                &mut session,
                "import random, os, time\nrandom.random(), os.urandom(8), time.time(), time.monotonic()",
            )
            .outcome,
        )
    };
    assert_eq!(pinned(), pinned());
}

#[test]
fn sessions_of_an_image_have_their_own_grants_and_limits() {
    let folder = Site::new(&[("more.py", "word = 'more'"), ("x.txt", "text")]);
    let permissions = folder.permissions().read(folder.0.path(), "/work/data").env("NAME", "value");
    let options = with_image(&image()).permissions(permissions).arguments(["prog"]);
    let mut session = engine().session(options).unwrap();
    check_in(
        &mut session,
        &[
            ("import more, tiny.late, os, sys; more.word, more.__file__", "= ('more', '/packages/1/more.py')"),
            ("open('data/x.txt').read(), os.environ['NAME'], sys.argv", "= ('text', 'value', ['prog'])"),
        ],
    );
    let mut limits = Limits::default();
    limits.memory_bytes = 48 << 20;
    let refused = engine().session(with_image(&image()).limits(limits)).err().unwrap();
    assert!(matches!(refused, Error::Limit { name: "memory_bytes", minimum, .. } if minimum == image().memory_bytes()));
}

#[test]
fn forks_checkpoints_and_stops_go_back_to_the_image() {
    let mut session = session();
    run(&mut session, "import tiny.part; tiny.part.rows.append('x'); seen = iter(tiny.part.rows[-2:])");
    let mut fork = session.fork().unwrap();
    let still = [("next(seen), len(tiny.part.rows)", "= ('199999', 200001)")];
    check_in(&mut fork, &still);
    session.checkpoint().unwrap();
    check_in(&mut session, &still);
    run(&mut session, "tiny.part.rows.clear()");
    session.rollback().unwrap();
    check_in(&mut session, &still);
    let report = session.run(Cell::from("tiny.part.rows.clear(); 1/0").transaction()).unwrap();
    assert!(report.rolled_back);
    check_in(&mut session, &[("len(tiny.part.rows)", "= 200001")]);
    assert_eq!(brief(&run(&mut fork, "import os; os._exit(0)").outcome), "exit 0");
    check_in(&mut fork, &[("import sys, tiny.part; len(tiny.part.rows)", "= 200000")]);
}

#[test]
fn an_image_may_build_upon_another_and_go_before_its_sessions() {
    let folder = Site::new(&[("more.py", "import tiny\nword = tiny.state")]);
    let upon = with_image(&image()).permissions(folder.permissions());
    let both = Image::with_imports(engine(), ["more"], upon).unwrap();
    assert_eq!(both.imports(), ["tiny.part", "sqlite3", "more"]);
    let mut session = engine().session(with_image(&both)).unwrap();
    drop(both);
    check_in(
        &mut session,
        &[("import sys; sys.modules['more'].word, sys.path[-2:]", "= ({'n': 0}, ['/packages/0', '/packages/1'])")],
    );
    drop(session.fork().unwrap());
    check_in(&mut session, &[("sys.modules['more'].word", "= {'n': 0}")]);
}

#[test]
fn a_saved_session_names_its_image() {
    let folder = tempfile::tempdir().unwrap();
    let (saved, kept) = (folder.path().join("session.kbs"), folder.path().join("image.kbi"));
    let mut session = session();
    run(&mut session, "import tiny; tiny.state['n'] = 5; mine = tiny.state");
    session.save(&saved).unwrap();
    image().save(&kept).unwrap();
    let other = Image::with_imports(engine(), ["sqlite3"], SessionOptions::default()).unwrap();
    for options in [SessionOptions::default(), with_image(&other)] {
        let error = engine().load(&saved, options).err().unwrap();
        let Error::Snapshot(error @ SnapshotError::OtherImports { .. }) = error else { panic!("{error}") };
        assert!(error.to_string().contains("(imports of `tiny.part`, `sqlite3`)"), "{error}");
    }
    // As another process does it.
    let engine = Engine::new().unwrap();
    let image = Image::load(&engine, &kept, site().permissions()).unwrap();
    let mut loaded = engine.load(&saved, with_image(&image)).unwrap();
    check_in(
        &mut loaded,
        &[("mine is tiny.state, mine", "= (True, {'n': 5})"), ("import tiny.late; tiny.late.answer", "= 42")],
    );
    let error = Image::load(&engine, &kept, Permissions::none()).err().unwrap();
    assert!(matches!(error, Error::Imports(ImageError::Packages { saved: 1, given: 0 })), "{error}");
    let error = Image::load(&engine, &saved, site().permissions()).err().unwrap();
    assert!(matches!(error, Error::Snapshot(SnapshotError::NoImage { .. })), "{error}");
}

#[test]
fn an_import_that_fails_is_named_with_its_cause() {
    let site = Site::new(&[
        ("wrong.py", "import nothing_of_that_name"),
        ("endless.py", "while True: pass"),
        ("loud.py", "while True: print('x' * 1000)"),
        ("ends.py", "raise SystemExit(3)"),
        ("gone.py", "import os; os._exit(4)"),
        ("open_file.py", "import os; file = open(os.path.dirname(__file__) + '/wrong.py')"),
    ]);
    let mut limits = Limits::default();
    limits.wall_time = Some(std::time::Duration::from_millis(300));
    limits.output_bytes = 10_000;
    let options = site.options().limits(limits);
    for (module, reason) in [
        ("wrong", "importing `wrong` failed: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("nope.part", "importing `nope.part` failed: ModuleNotFoundError: No module named 'nope'"),
        ("endless", "importing `endless` failed: TimeoutError: cell used all 300 ms of wall time"),
        ("loud", "importing `loud` failed: OutputLimitError: cell used all 10000 bytes of output"),
        ("ends", "importing `ends` failed: it ended the program with status 3"),
        ("gone", "importing `gone` failed: it ended the program with status 4"),
        ("open_file", "the imports left `/packages/0/wrong.py` open, and an image holds no open files"),
        ("a b", "`a b` is not the name of a module"),
        ("..os", "`..os` is not the name of a module"),
    ] {
        let Err(Error::Imports(error)) = Image::with_imports(engine(), ["json", module], options.clone()) else {
            panic!("{module}")
        };
        assert_eq!(error.to_string(), reason);
    }
}

#[test]
fn pools_and_threads_share_an_image() {
    let image = image();
    let pool = Pool::new(engine().clone(), with_image(&image), 2).unwrap();
    check_in(&mut pool.session().unwrap(), &[("import sys; 'tiny' in sys.modules", "= True")]);
    thread::scope(|scope| {
        for number in 0..4 {
            let image = &image;
            scope.spawn(move || {
                for round in 0..10 {
                    let options = if round % 3 == 2 { SessionOptions::default() } else { with_image(image) };
                    let mut session = engine().session(options).unwrap();
                    let cell = format!("import sys; tiny = sys.modules.get('tiny'); tiny and tiny.state.update(n={number})\ntiny and tiny.state");
                    let expected = if round % 3 == 2 { "done".to_owned() } else { format!("= {{'n': {number}}}") };
                    check_in(&mut session, &[(&cell, &expected)]);
                }
            });
        }
    });
}
