//! Runs a prompt in a terminal: one loop that waits for keys, the session and signals, and for nothing else.

use std::{io, sync::mpsc::Receiver, time::Duration};

use keelback_editor::edit::Size;

use crate::{
    backend::Backend,
    front::{Flow, Front, Record},
    programs,
    tty::{OutputMode, RawMode, Ready, Tty, exit_status},
    unmarked::{self, PAUSE, Unmarked},
};

pub use crate::backend::Told;

/// A terminal that a prompt stands in.
#[derive(Debug)]
pub struct Driver {
    tty: Tty,
    raw: Option<RawMode>,
    buffer: Vec<u8>,
    unmarked: Unmarked,
    /// A signal came that the caller has a handler for: not to be waited over.
    interrupted: bool,
}

impl Driver {
    /// A driver of `tty`, which is left as it is for now.
    #[must_use]
    pub fn new(tty: Tty) -> Self {
        Driver { tty, raw: None, buffer: vec![0; 64 << 10], unmarked: Unmarked::default(), interrupted: false }
    }

    /// The terminal.
    #[must_use]
    pub fn tty(&self) -> &Tty {
        &self.tty
    }

    /// Gives the terminal back to programs that expect it as the user's shell has it.
    pub fn release(&mut self) {
        self.raw = None;
    }

    /// Waits until there is a cell to run, or the user leaves. Whoever sends something to `told` wakes the terminal with
    /// its waker.
    ///
    /// # Errors
    /// Those of the terminal.
    pub fn wait<B: Backend, R: Record>(&mut self, front: &mut Front<B, R>, told: &Receiver<Told>) -> io::Result<Flow> {
        loop {
            if let Some(flow) = self.wait_once(front, told)? {
                return Ok(flow);
            }
        }
    }

    /// As [`wait`](Self::wait), but also returns after anything else has happened, a signal for example.
    ///
    /// # Errors
    /// Those of the terminal.
    pub fn wait_once<B: Backend, R: Record>(
        &mut self,
        front: &mut Front<B, R>,
        told: &Receiver<Told>,
    ) -> io::Result<Option<Flow>> {
        let flow = self.step(front, told)?;
        if flow.is_some() || std::mem::take(&mut self.interrupted) {
            return Ok(flow);
        }
        let pending = self.pending(front);
        let ready = self.tty.wait(pending)?;
        if ready == Ready::default() && pending.is_some() {
            self.flush(front);
        }
        let flow = self.take(front, &ready);
        self.interrupted = false; // told by coming back
        flow
    }

    /// How long to wait for a further byte before [`flush`](Self::flush) is to be called; None for no such need.
    #[must_use]
    pub fn pending<B: Backend, R: Record>(&self, front: &Front<B, R>) -> Option<Duration> {
        front.pending().or(self.unmarked.is_holding().then_some(PAUSE))
    }

    /// No byte came for as long as [`pending`](Self::pending) says: an Escape is an Escape, and a paste without marks is over.
    pub fn flush<B: Backend, R: Record>(&mut self, front: &mut Front<B, R>) {
        if self.unmarked.is_holding() {
            front.input(&self.unmarked.release());
        }
        front.flush();
    }

    /// Does all there is to do without waiting; a cell to run, or that the user leaves.
    ///
    /// # Errors
    /// Those of the terminal.
    pub fn step<B: Backend, R: Record>(
        &mut self,
        front: &mut Front<B, R>,
        told: &Receiver<Told>,
    ) -> io::Result<Option<Flow>> {
        self.enter(front)?;
        loop {
            while let Ok(told) = told.try_recv() {
                let flow = front.tell(told);
                if let Some(flow) = self.handle(front, flow)? {
                    return Ok(Some(flow));
                }
            }
            if let Some(flow) = front.advance() {
                if let Some(flow) = self.handle(front, Some(flow))? {
                    return Ok(Some(flow));
                }
                continue;
            }
            front.paint();
            self.write(front)?;
            let ready = self.tty.wait(Some(Duration::ZERO))?;
            if ready == Ready::default() {
                // Nobody waits for the echo of a key: the time for what takes longer.
                front.idle();
                front.paint();
                self.write(front)?;
                return Ok(None);
            }
            if let Some(flow) = self.take(front, &ready)? {
                return Ok(Some(flow));
            }
        }
    }

    fn write<B: Backend, R: Record>(&mut self, front: &mut Front<B, R>) -> io::Result<()> {
        let bytes = front.take_output();
        if bytes.is_empty() { Ok(()) } else { self.tty.write_all(&bytes) }
    }

    fn take<B: Backend, R: Record>(&mut self, front: &mut Front<B, R>, ready: &Ready) -> io::Result<Option<Flow>> {
        self.interrupted |= ready.interrupted;
        if ready.resized {
            front.resized(self.size());
        }
        if let Some(signal) = ready.terminated {
            self.release();
            return Ok(Some(Flow::Leave(exit_status(signal) as u8)));
        }
        if ready.stop {
            return self.handle(front, Some(Flow::Suspend));
        }
        if ready.resumed {
            // Somebody stopped the process without asking: the shell has had the terminal.
            if let Some(raw) = &mut self.raw {
                raw.renew()?;
            }
            front.resumed(self.size());
        }
        if ready.input {
            let count = self.tty.read(&mut self.buffer)?;
            let (answers, bytes) = self.buffer[..count].split_at(unmarked::answers(&self.buffer[..count]));
            if !answers.is_empty() {
                front.input(answers);
            }
            let begun = self.unmarked.is_holding();
            if !(begun || front.is_between_keys()) || !self.unmarked.hold(bytes) {
                if begun {
                    front.input(&self.unmarked.release());
                }
                front.input(bytes);
            }
        } else if ready.hangup {
            self.release();
            return Ok(Some(Flow::Leave(129))); // as a shell tells of SIGHUP
        }
        Ok(None)
    }

    fn handle<B: Backend, R: Record>(
        &mut self,
        front: &mut Front<B, R>,
        flow: Option<Flow>,
    ) -> io::Result<Option<Flow>> {
        let Some(flow) = flow else { return Ok(None) };
        self.write(front)?;
        match flow {
            Flow::Run(_) => return Ok(Some(flow)),
            Flow::Leave(_) => {
                self.release();
                return Ok(Some(flow));
            }
            Flow::Suspend => {
                if let Some(raw) = &mut self.raw {
                    raw.suspend()?;
                }
            }
            Flow::Page(text) => {
                self.release();
                let tty = &mut self.tty;
                programs::page(&text, |text| tty.write_all(text.as_bytes()))?;
            }
            Flow::Edit(text) => {
                self.release();
                match programs::edit(&text) {
                    Ok(text) => front.edited(Some(&text)),
                    Err(message) => front.tell_note(&message),
                }
            }
        }
        self.enter(front)?;
        front.resumed(self.size());
        Ok(None)
    }

    fn enter<B: Backend, R: Record>(&mut self, front: &mut Front<B, R>) -> io::Result<()> {
        if self.raw.is_none() {
            // Threads and programs of the session may write to the terminal too.
            let mut raw = self.tty.raw(OutputMode::Processed)?;
            raw.enter()?;
            self.raw = Some(raw);
            // What was typed before the prompt stands here are keys, however many lines, and no paste.
            if let Ok(count) = self.tty.read(&mut self.buffer) {
                front.input(&self.buffer[..count]);
            }
        }
        Ok(())
    }

    /// Columns and rows of the terminal.
    #[must_use]
    pub fn size(&self) -> Size {
        self.tty.size()
    }
}
