//! The prompt of a running program, in the terminal.

use std::sync::mpsc::channel;

use anyhow::Result;
use keelback_prompt::{
    backend::Told,
    drive::Driver,
    front::{Flow, Record},
    setup::Setup,
    tty::Tty,
};
use keelback_wire::client::{Address, How};

use super::{
    cannot_open,
    remote::{self, Teller},
    unreachable,
};
use crate::system;

/// Opens the prompt; the exit status.
pub(super) fn run(address: Address, how: &How) -> Result<u8> {
    if !system::terminal_moves() {
        let hint = "--eval CODE and a program on standard input need none";
        return Err(unreachable("this terminal cannot move its cursor (TERM)").hint(hint).into());
    }
    let tty = Tty::open()?;
    let setup = Setup::of_environment(&tty, None);
    let (sender, told) = channel();
    let waker = tty.waker();
    let teller = Teller::new(sender, move || waker.wake());
    let front = remote::open(address.clone(), how, setup.history, setup.options, teller);
    let mut front = front.map_err(|error| cannot_open(&address, error))?;
    for note in &setup.notes {
        front.tell_note(note);
    }
    let mut driver = Driver::new(tty);
    let left = loop {
        match driver.wait(&mut front, &told) {
            Ok(Flow::Run(run)) => front.backend.run(run),
            Ok(Flow::Leave(status)) => break Ok(status),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    driver.release();
    front.record.end();
    let said = front.backend.leave();
    let status = left?;
    // Output that came in the last moment.
    while let Ok(last) = told.try_recv() {
        if let Told::Output(bytes) = last {
            driver.tty().write_all(&bytes)?;
        }
    }
    if let Some(said) = said {
        driver.tty().write_all(format!("{said}\n").as_bytes())?;
    }
    Ok(status)
}
