//! The command in a terminal that is emulated.

use std::{
    fs::File,
    io::{Read, Write},
    num::NonZero,
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

/// Long: only a test that fails waits for it.
pub(crate) const LONG: Duration = Duration::from_secs(60);
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// The command with an environment of its own.
pub(crate) fn keelback(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keelback"));
    command.env_clear().env("HOME", folder).env("XDG_RUNTIME_DIR", folder).env("TERM", "xterm-256color");
    command.current_dir(folder).arg("attach");
    command
}

pub(crate) struct Window {
    child: Child,
    master: File,
    slave: OwnedFd,
    written: Receiver<Vec<u8>>,
    emulator: vt100::Parser,
}

impl Window {
    pub(crate) fn open(mut command: Command) -> Window {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        tcsetwinsize(&slave, Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let master = File::from(master);
        let mut reader = master.try_clone().unwrap();
        let (sender, written) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let size = |count| NonZero::new(count).unwrap();
        let emulator = vt100::Parser::new(size(ROWS), size(COLUMNS), 0);
        Window { child, master, slave, written, emulator }
    }

    pub(crate) fn text(&self) -> String {
        let rows = self.emulator.screen().rows(0, COLUMNS);
        let text = rows.map(|row| row.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
        text.trim_end().to_owned()
    }

    /// Types, and waits until the screen ends so.
    #[track_caller]
    pub(crate) fn keys(&mut self, keys: &str, end: &str) -> &mut Self {
        self.master.write_all(keys.as_bytes()).unwrap();
        self.ends(end)
    }

    #[track_caller]
    pub(crate) fn ends(&mut self, end: &str) -> &mut Self {
        while !self.text().ends_with(end) {
            match self.written.recv_timeout(LONG) {
                Ok(bytes) => self.emulator.process(&bytes),
                Err(_) => panic!("the screen does not end with {end:?}:\n{}", self.text()),
            }
        }
        self
    }

    /// Whether the terminal is as the shell wants it.
    pub(crate) fn is_restored(&self) -> bool {
        tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Waits for the end of the command, with the terminal as it was; its exit status and the whole screen.
    #[track_caller]
    pub(crate) fn status(mut self) -> (i32, String) {
        let status = self.child.wait().unwrap();
        assert!(self.is_restored());
        self.child_wrote_all();
        (status.code().unwrap(), self.text())
    }

    fn child_wrote_all(&mut self) {
        // A mark of our own behind all that the command wrote.
        File::from(self.slave.try_clone().unwrap()).write_all(b"\x00END").unwrap();
        self.ends("END");
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // One that has ended cannot be ended again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
