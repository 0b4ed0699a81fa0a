use std::{
    io::Read as _,
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::{
    process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, OutputModes, Winsize, tcgetattr, tcsetwinsize},
};

use super::{super::exit_status, *};

/// Raw mode and signals are of the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Pty {
    master: OwnedFd,
    path: std::ffi::CString,
}

impl Pty {
    fn new() -> Pty {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let path = ptsname(&master, Vec::new()).expect("a name");
        Pty { master, path }
    }

    fn tty(&self) -> Tty {
        open(&self.path)
    }

    fn type_keys(&self, bytes: &[u8]) {
        write_all(&self.master, bytes).expect("the terminal is open");
    }

    /// What the terminal shows once `length` bytes have come.
    fn shown(&self, length: usize) -> String {
        let mut bytes = vec![0; length];
        let mut master = std::fs::File::from(self.master.try_clone().expect("a descriptor"));
        master.read_exact(&mut bytes).expect("output");
        String::from_utf8(bytes).expect("text")
    }
}

fn open(path: &std::ffi::CStr) -> Tty {
    let slave =
        rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("a slave");
    Tty::from_fds(slave.try_clone().expect("a descriptor"), slave).expect("a terminal")
}

fn is_raw(terminal: impl std::os::fd::AsFd) -> bool {
    let modes = tcgetattr(terminal).expect("a terminal");
    !modes.local_modes.intersects(LocalModes::ICANON | LocalModes::ISIG | LocalModes::ECHO)
}

const SECONDS: Option<Duration> = Some(Duration::from_secs(20));

#[test]
fn raw_mode_ends_with_its_guard() {
    let (_one, pty) = (alone(), Pty::new());
    let tty = pty.tty();
    assert!(!is_raw(&*tty.input));
    {
        let _raw = tty.raw(OutputMode::Processed).expect("raw mode");
        let modes = tcgetattr(&*tty.input).expect("a terminal");
        assert!(is_raw(&*tty.input) && modes.output_modes.contains(OutputModes::OPOST));
        assert!(!modes.input_modes.contains(rustix::termios::InputModes::IXON));
        assert_eq!(tty.raw(OutputMode::Raw).expect_err("one at a time").kind(), io::ErrorKind::ResourceBusy);
        assert!(is_raw(&*tty.input));
    }
    assert!(!is_raw(&*tty.input));
    let _raw = tty.raw(OutputMode::Raw).expect("raw mode");
    assert!(!tcgetattr(&*tty.input).expect("a terminal").output_modes.contains(OutputModes::OPOST));
}

#[test]
fn what_was_entered_is_left() {
    let (_one, pty) = (alone(), Pty::new());
    let tty = pty.tty();
    let mut raw = tty.raw(OutputMode::Raw).expect("raw mode");
    raw.enter().expect("entered");
    raw.enter().expect("entered once");
    tty.write_all(b"x").expect("written");
    drop(raw);
    drop(tty.raw(OutputMode::Raw).expect("raw mode"));
    tty.write_all(b"y").expect("written");
    let want = format!("{ENTER}x{LEAVE}y");
    assert_eq!(pty.shown(want.len()), want);
}

#[test]
fn a_panic_puts_the_terminal_back_before_its_message() {
    let (_one, pty) = (alone(), Pty::new());
    let tty = pty.tty();
    let panicked = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut raw = tty.raw(OutputMode::Raw).expect("raw mode");
                raw.enter().expect("entered");
                // Caught with the guard alive, so that the hook alone is seen.
                let panicked = std::panic::catch_unwind(|| panic!("for a test")).is_err();
                let restored = !is_raw(&*tty.input);
                assert_eq!(pty.shown(ENTER.len() + LEAVE.len()), format!("{ENTER}{LEAVE}"));
                raw.renew().expect("raw mode again");
                panicked && restored && is_raw(&*tty.input)
            })
            .join()
            .is_ok_and(|seen| seen)
    });
    assert!(panicked && !is_raw(&*tty.input));
}

#[test]
fn keys_come_as_they_are() {
    let (_one, pty) = (alone(), Pty::new());
    let mut tty = pty.tty();
    let _raw = tty.raw(OutputMode::Raw).expect("raw mode");
    let mut buffer = [0; 64];
    assert_eq!(tty.read(&mut buffer).expect("nothing yet"), 0);
    pty.type_keys(b"a\r\x03\x1a\x11");
    let mut read = Vec::new();
    while read.len() < 5 {
        assert!(tty.wait(SECONDS).expect("ready").input);
        let length = tty.read(&mut buffer).expect("keys");
        read.extend_from_slice(&buffer[..length]);
    }
    assert_eq!(read, b"a\r\x03\x1a\x11");
}

#[test]
fn a_wait_ends_by_timeout_and_by_waker() {
    let (_one, pty) = (alone(), Pty::new());
    let mut tty = pty.tty();
    assert_eq!(tty.wait(Some(Duration::ZERO)).expect("a timeout"), Ready::default());
    assert_eq!(tty.wait(Some(Duration::from_millis(2))).expect("a timeout"), Ready::default());
    let waker = tty.waker();
    waker.wake();
    waker.clone().wake();
    assert!(tty.wait(None).expect("woken").woken);
    assert!(!tty.wait(Some(Duration::ZERO)).expect("once").woken);
    for _ in 0..200 {
        let waker = waker.clone();
        let thread = std::thread::spawn(move || waker.wake());
        assert!(tty.wait(SECONDS).expect("woken").woken);
        thread.join().expect("woke");
    }
}

#[test]
fn a_byte_of_somebody_elses_handler_ends_the_wait() {
    let (_one, pty) = (alone(), Pty::new());
    let mut tty = pty.tty();
    let waker = tty.waker();
    rustix::io::write(&waker, b"\x0a").expect("the pipe takes a byte");
    assert_eq!(tty.wait(None).expect("waits"), Ready { interrupted: true, ..Ready::default() });
    assert_eq!(tty.wait(Some(Duration::ZERO)).expect("waits"), Ready::default());
}

#[test]
fn a_new_size_is_told() {
    let (_one, pty) = (alone(), Pty::new());
    let mut tty = pty.tty();
    assert_eq!(tty.size(), Size { columns: 80, rows: 24 });
    let _raw = tty.raw(OutputMode::Raw).expect("raw mode");
    let size = Winsize { ws_col: 100, ws_row: 40, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&pty.master, size).expect("resized");
    // The terminal does not control this process, so the signal is sent by hand.
    kill_process(getpid(), Signal::WINCH).expect("sent");
    assert!(tty.wait(SECONDS).expect("ready").resized);
    assert_eq!(tty.size(), Size { columns: 100, rows: 40 });
    assert_eq!(tty.wait(Some(Duration::ZERO)).expect("told once"), Ready::default());
}

#[test]
fn requests_to_stop_and_to_end_are_told() {
    let (_one, pty) = (alone(), Pty::new());
    let mut tty = pty.tty();
    let raw = tty.raw(OutputMode::Raw).expect("raw mode");
    kill_process(getpid(), Signal::TSTP).expect("sent");
    assert!(tty.wait(SECONDS).expect("ready").stop);
    kill_process(getpid(), Signal::CONT).expect("sent");
    assert!(tty.wait(SECONDS).expect("ready").resumed);
    kill_process(getpid(), Signal::TERM).expect("sent");
    let ready = tty.wait(SECONDS).expect("ready");
    assert_eq!(ready.terminated.map(exit_status), Some(143));
    drop(raw);
    let _raw = tty.raw(OutputMode::Raw).expect("raw mode");
    assert_eq!(tty.wait(Some(Duration::ZERO)).expect("a fresh start"), Ready::default());
}

#[test]
fn a_terminal_that_goes_away_is_told() {
    let (_one, pty) = (alone(), Pty::new());
    let mut tty = pty.tty();
    let _raw = tty.raw(OutputMode::Raw).expect("raw mode");
    drop(pty);
    assert!(tty.wait(SECONDS).expect("ready").hangup);
    assert_eq!(tty.read(&mut [0; 8]).expect_err("gone").kind(), io::ErrorKind::UnexpectedEof);
    assert!(tty.write_all(b"x").is_err());
}

/// Not a test by itself: what the tests below run as a process of its own.
#[test]
#[ignore = "run by other tests"]
fn child() {
    let path = std::env::var("KEELBACK_TEST_TTY").expect("run by another test");
    let mut tty = open(&std::ffi::CString::new(path).expect("a path"));
    let mut raw = tty.raw(OutputMode::Raw).expect("raw mode");
    raw.enter().expect("entered");
    let mut buffer = [0; 8];
    loop {
        let ready = tty.wait(None).expect("ready");
        if ready.stop {
            raw.suspend().expect("suspended");
            tty.write_all(b"again").expect("written");
        }
        if ready.input {
            let length = tty.read(&mut buffer).expect("keys");
            match &buffer[..length] {
                b"t" => {
                    // Busy for ever: signals are seen by the handler alone.
                    tty.write_all(b"busy").expect("written");
                    loop {
                        std::thread::park();
                    }
                }
                b"z" => {
                    raw.suspend().expect("suspended");
                    tty.write_all(b"again").expect("written");
                }
                _ => return,
            }
        }
    }
}

fn spawn_child(pty: &Pty) -> (std::process::Child, Pid) {
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["tty::unix::tests::child", "--exact", "--ignored", "--nocapture"])
        .env("KEELBACK_TEST_TTY", pty.path.to_str().expect("text"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a child");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    assert_eq!(pty.shown(ENTER.len()), ENTER);
    (child, pid)
}

#[test]
fn suspending_gives_the_terminal_back_for_the_time() {
    let pty = Pty::new();
    let slave = pty.tty();
    let (mut child, pid) = spawn_child(&pty);
    let rounds: [&dyn Fn(); 2] =
        [&|| pty.type_keys(b"z"), &|| kill_process(pid, Signal::TSTP).expect("sent to the child")];
    for ask in rounds {
        assert!(is_raw(slave.input.as_fd()));
        ask();
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).expect("a child").expect("a status");
        assert!(status.stopped());
        assert_eq!(pty.shown(LEAVE.len()), LEAVE);
        assert!(!is_raw(slave.input.as_fd()));
        kill_process(pid, Signal::CONT).expect("sent");
        let want = format!("{ENTER}again");
        assert_eq!(pty.shown(want.len()), want);
    }
    pty.type_keys(b"q");
    assert!(child.wait().expect("a status").success());
    assert!(!is_raw(slave.input.as_fd()));
}

#[test]
fn a_second_request_to_end_is_heeded_by_the_handler() {
    let pty = Pty::new();
    let slave = pty.tty();
    let (mut child, pid) = spawn_child(&pty);
    pty.type_keys(b"t");
    assert_eq!(pty.shown(4), "busy");
    // Two of the same may be delivered as one, and SIGHUP may be ignored since before this test.
    let status = loop {
        kill_process(pid, Signal::TERM).expect("sent");
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        std::thread::yield_now();
    };
    assert_eq!(pty.shown(LEAVE.len()), LEAVE);
    assert!(std::os::unix::process::ExitStatusExt::signal(&status).is_some());
    assert!(!is_raw(slave.input.as_fd()));
}
