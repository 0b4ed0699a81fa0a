//! The state of a session: to go back to, to go on from twice, to save, to make an image of.

use std::{path::Path, sync::Arc};

use super::{Session, no_guest};
use crate::{
    Error,
    fs::FileSystem,
    host::State,
    imports::ImageError,
    net::Net,
    snapshot::{Checkpoint, MemoryImage, Saved, SnapshotError},
    wasi::Time,
};

impl Session {
    /// Brings a stopped session back to its last checkpoint, or to its start.
    pub(super) async fn revive(&mut self) -> Result<(), Error> {
        if self.guest.is_some() {
            return Ok(());
        }
        let Some(checkpoint) = &self.checkpoint else {
            let fs = self.file_system()?;
            let wasi = self.wasi(fs);
            return self.begin(wasi).await;
        };
        let memory = Arc::clone(&checkpoint.memory);
        let mut wasi = self.wasi(checkpoint.fs.fork().map_err(SnapshotError::Files)?);
        wasi.set_time(checkpoint.time);
        self.cells = checkpoint.cells;
        self.go_on(wasi, MemoryImage { map: &memory.0, bytes: &memory.1 }).await
    }

    /// The host's side of the guest, with nothing under way in it that the guest's memory knows of.
    fn at_rest(&self) -> Result<&State, Error> {
        let state = self.guest.as_ref().ok_or_else(no_guest)?.store.data();
        if let Some(name) = state.host.call_under_way() {
            return Err(SnapshotError::ToolCall { name: name.to_owned() }.into());
        }
        if let Some(name) = state.host.net.as_ref().and_then(Net::open_connection) {
            return Err(SnapshotError::Connection { name: name.to_owned() }.into());
        }
        Ok(state)
    }

    /// The files of the session as they are now, and its time.
    fn settled(&self) -> Result<(FileSystem, Time), Error> {
        let wasi = &self.at_rest()?.wasi;
        Ok((wasi.fs.fork().map_err(SnapshotError::Files)?, wasi.time()))
    }

    /// The state of the session now.
    pub(super) fn capture(&mut self) -> Result<Checkpoint, Error> {
        let (fs, time) = self.settled()?;
        let guest = self.guest.as_mut().ok_or_else(no_guest)?;
        let memory = Arc::new(guest.capture(&self.engine.0));
        Ok(Checkpoint { memory, fs, time, cells: self.cells })
    }

    /// What an image is made of: linear memory, the stack pointer, the time.
    pub(crate) fn whole(&mut self) -> Result<(&[u8], i32, Time), Error> {
        let wasi = &self.at_rest()?.wasi;
        if let Some(path) = wasi.fs.open_path() {
            return Err(ImageError::OpenFile { path: path.to_owned() }.into());
        }
        let time = wasi.time();
        let (memory, stack_pointer) = self.guest.as_mut().ok_or_else(no_guest)?.whole();
        Ok((memory, stack_pointer, time))
    }

    /// A second session in the same state: functions, generators, tasks, modules and open scratch files alive. Both go
    /// on by themselves, with the same grants and limits.
    ///
    /// # Errors
    /// [`Error::Snapshot`] naming what cannot be in two places: a host file open for writing, a tool call under way, an
    /// open network connection.
    pub fn fork(&mut self) -> Result<Session, Error> {
        pollster::block_on(self.fork_async())
    }

    async fn fork_async(&mut self) -> Result<Session, Error> {
        self.revive().await?;
        let state = self.capture()?;
        let mut fork = Session::without_guest(&self.engine, self.options.clone())?;
        let mut wasi = fork.wasi(state.fs);
        wasi.set_time(state.time);
        fork.cells = self.cells;
        fork.go_on(wasi, MemoryImage { map: &state.memory.0, bytes: &state.memory.1 }).await?;
        Ok(fork)
    }

    /// Remembers the state of the session, in place of an earlier checkpoint.
    ///
    /// # Errors
    /// As [`Session::fork`].
    pub fn checkpoint(&mut self) -> Result<(), Error> {
        pollster::block_on(self.revive())?;
        self.checkpoint = Some(self.capture()?);
        Ok(())
    }

    /// Goes back to the last checkpoint, or to the start when there is none. The checkpoint stays.
    ///
    /// # Errors
    /// [`Error::SessionLost`] when it cannot be brought back.
    pub fn rollback(&mut self) -> Result<(), Error> {
        self.guest = None;
        pollster::block_on(self.revive())
    }

    /// Writes the session to a file, from which [`Engine::load`](crate::Engine::load) brings it back in any process of
    /// this version. Grants, tools, limits and the [`Image`](crate::Image) are not in it.
    ///
    /// # Errors
    /// [`Error::Snapshot`] as [`Session::fork`], and when the file cannot be written.
    pub fn save(&mut self, path: &Path) -> Result<(), Error> {
        pollster::block_on(self.revive())?;
        let (fs, time) = self.settled()?;
        let files = fs.to_snapshot().map_err(SnapshotError::Files)?;
        let image = self.options.image.as_ref().map(|image| image.name());
        let (map, memory) = self.guest.as_mut().ok_or_else(no_guest)?.changed(&self.engine.0);
        Ok(Saved { map, memory, files, time, cells: self.cells, image }.write(path)?)
    }
}
