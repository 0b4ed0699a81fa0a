//! Raw mode and the way back from it.

use std::{io, os::fd::OwnedFd, sync::Arc};

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use super::{
    ENTER, LEAVE, OutputMode,
    signals::{self, Emergency, Signals},
};

/// Raw mode while it lives; see [`Tty::raw`](super::Tty::raw).
#[derive(Debug)]
pub struct RawMode {
    input: Arc<OwnedFd>,
    output: Arc<OwnedFd>,
    wake: Arc<OwnedFd>,
    before: Termios,
    raw: Termios,
    /// [`ENTER`] is wanted; whether it is in effect is known where a panic finds it.
    entered: bool,
    /// None only while suspended.
    signals: Option<Signals>,
}

impl RawMode {
    pub(super) fn new(
        input: &Arc<OwnedFd>,
        output: &Arc<OwnedFd>,
        wake: Arc<OwnedFd>,
        mode: OutputMode,
    ) -> io::Result<Self> {
        let before = tcgetattr(&**input)?;
        let emergency = Emergency::new(input, output)?;
        let mut raw = before.clone();
        raw.input_modes -= InputModes::IGNBRK
            | InputModes::BRKINT
            | InputModes::PARMRK
            | InputModes::ISTRIP
            | InputModes::INLCR
            | InputModes::IGNCR
            | InputModes::ICRNL
            | InputModes::IXON;
        // Without ISIG, Ctrl-C and Ctrl-Z are keys, and no signal can come between two bytes of output.
        raw.local_modes -=
            LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
        match mode {
            OutputMode::Processed => raw.output_modes |= OutputModes::OPOST | OutputModes::ONLCR,
            OutputMode::Raw => raw.output_modes -= OutputModes::OPOST,
        }
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        let signals = Some(Signals::install(&wake, emergency)?);
        let mode = RawMode {
            input: Arc::clone(input),
            output: Arc::clone(output),
            wake,
            before,
            raw,
            entered: false,
            signals,
        };
        tcsetattr(&*mode.input, OptionalActions::Now, &mode.raw)?;
        Ok(mode)
    }

    /// Writes [`ENTER`], and sees to it that [`LEAVE`] follows wherever raw mode ends.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn enter(&mut self) -> io::Result<()> {
        self.entered = true;
        if !Emergency::set_entered(true) {
            super::write_all(&self.output, ENTER.as_bytes())?;
        }
        Ok(())
    }

    /// Writes [`LEAVE`] if the terminal was entered.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn leave(&mut self) -> io::Result<()> {
        self.entered = false;
        // A panic may have done it already: once too often would end what an outer program has asked for.
        if Emergency::set_entered(false) {
            super::write_all(&self.output, LEAVE.as_bytes())?;
        }
        Ok(())
    }

    /// Stops the process group, as Ctrl-Z does, with the terminal as it was before. Returns when the process goes on,
    /// in raw mode again; the screen is then to be painted anew, the size asked for again.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn suspend(&mut self) -> io::Result<()> {
        let entered = self.entered;
        self.leave()?;
        tcsetattr(&*self.input, OptionalActions::Now, &self.before)?;
        // With the handlers gone the signal does what the owner of the process wants: as a rule, it stops.
        let emergency = self.signals.take().map(Signals::remove);
        signals::stop_group();
        if let Some(emergency) = emergency {
            self.signals = Some(Signals::install(&self.wake, emergency)?);
        }
        self.renew()?;
        if entered {
            self.enter()?;
        }
        Ok(())
    }

    /// Sets raw mode again after another program has changed it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn renew(&mut self) -> io::Result<()> {
        tcsetattr(&*self.input, OptionalActions::Now, &self.raw)?;
        if self.entered {
            // Asked for twice, the protocol would have to be left twice.
            if Emergency::set_entered(true) {
                super::write_all(&self.output, LEAVE.as_bytes())?;
            }
            super::write_all(&self.output, ENTER.as_bytes())?;
        }
        Ok(())
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = self.leave();
        let _ = tcsetattr(&*self.input, OptionalActions::Now, &self.before);
    }
}
