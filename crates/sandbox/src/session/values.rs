//! What a session holds: its names and its files.

use keelback_session::Value;

use super::{Session, no_guest};
use crate::{
    Error,
    fs::{FileInfo, FileSystem},
    marshal,
    transfer::{Binding, Found, FoundError},
};

impl Session {
    /// Binds a name in the namespace.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), Error> {
        self.simple_revived(marshal::tuple([Value::from("set"), Value::from(name), value])).map(drop)
    }

    /// As [`Session::set`], for a value that was written into the request.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn bind(&mut self, binding: Binding) -> Result<(), Error> {
        self.simple_revived(binding.into_request()).map(drop)
    }

    /// What a name is bound to: the value where it is plain data, else its repr (which is empty beside a value). None
    /// when it is not bound.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn get(&mut self, name: &str) -> Result<Option<(String, Option<Value>)>, Error> {
        self.get_with(name, |found| found.build(&mut marshal::Values))?.map_err(|error| match error {
            FoundError::Protocol(text) => Error::Protocol(text),
            FoundError::Build(never) => match never {},
        })
    }

    /// As [`Session::get`]; `read` builds the value.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn get_with<T>(&mut self, name: &str, read: impl FnOnce(Found<'_>) -> T) -> Result<T, Error> {
        let request = marshal::tuple([Value::from("get"), Value::from(name)]);
        pollster::block_on(async {
            self.revive().await?;
            self.simple_read(request, |bytes| read(Found(bytes))).await
        })
    }

    /// The user's names, each with the name of its type and its repr.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn variables(&mut self) -> Result<Vec<(String, String, String)>, Error> {
        let response = self.simple_revived(marshal::tuple([Value::from("vars")]))?;
        let (Value::List(items) | Value::Tuple(items)) = response else {
            return Err(Error::Protocol("`vars` gave no list".into()));
        };
        let row = |item| match item {
            Value::Tuple(row) => match <[Value; 3]>::try_from(row) {
                Ok([Value::Str(name), Value::Str(type_name), Value::Str(repr)]) => Ok((name, type_name, repr)),
                _ => Err(Error::Protocol("`vars` gave a row of another shape".into())),
            },
            _ => Err(Error::Protocol("`vars` gave something else than rows".into())),
        };
        items.into_iter().map(row).collect()
    }

    /// The files of the session: what is in `/work` and `/tmp` and below granted paths, at most `max` of them, sorted by
    /// path within each folder. Symlinks are left out.
    ///
    /// # Errors
    /// [`Error::SessionLost`] when it cannot be brought back.
    pub fn files(&mut self, max: usize) -> Result<Vec<FileInfo>, Error> {
        Ok(self.file_system_now()?.files(max))
    }

    /// The bytes of one of the session's files, by its guest path, when they are at most `max`.
    ///
    /// # Errors
    /// [`Error::Read`] when there is no such file or it is longer; [`Error::SessionLost`] as for a cell.
    pub fn read_file(&mut self, path: &str, max: u64) -> Result<Vec<u8>, Error> {
        Ok(self.file_system_now()?.read_file(path, max)?)
    }

    fn file_system_now(&mut self) -> Result<&mut FileSystem, Error> {
        pollster::block_on(self.revive())?;
        let guest = self.guest.as_mut().ok_or_else(no_guest)?;
        Ok(&mut guest.store.data_mut().wasi.fs)
    }

    pub(super) fn simple_revived(&mut self, request: Vec<u8>) -> Result<Value, Error> {
        pollster::block_on(async {
            self.revive().await?;
            self.simple(request).await
        })
    }
}
