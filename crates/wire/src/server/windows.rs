//! Windows has no fork and no signals of threads, and its Unix sockets do not tell who is at their other end.

/// Descriptors that a forked child inherits: there are none.
pub(super) mod descriptors {
    #[derive(Debug)]
    pub(in super::super) struct Descriptors;

    impl Descriptors {
        pub(in super::super) fn new(_: usize) -> Self {
            Descriptors
        }

        pub(in super::super) fn add<T>(&self, _: T) {}

        pub(in super::super) fn remove<T>(&self, _: T) {}

        pub(in super::super) fn close_all(&self) {}
    }
}

/// Who is at the other end of a Unix socket: nobody.
pub(super) mod peer {
    use std::io;

    use crate::system::UnixStream;

    pub(in super::super) fn admit(stream: &UnixStream) -> io::Result<Result<String, String>> {
        match *stream {}
    }
}

/// Signals: none is delivered to a thread.
pub(super) mod signals {
    pub(in super::super) fn block_all() {}
}

/// Unix sockets that listen: they are refused.
pub(super) mod socket {
    use std::{io, os::windows::io::AsSocket, os::windows::io::BorrowedSocket, path::Path};

    use super::super::listen::ListenError;
    use crate::system::UnixStream;

    /// As on Unix, for its message.
    pub(in super::super) const PATH_MAX: usize = 103;

    #[derive(Debug)]
    pub(in super::super) enum UnixListener {}

    #[derive(Debug)]
    pub(in super::super) enum SocketFile {}

    impl UnixListener {
        pub(in super::super) fn accept(&self) -> io::Result<(UnixStream, ())> {
            match *self {}
        }
    }

    impl AsSocket for UnixListener {
        fn as_socket(&self) -> BorrowedSocket<'_> {
            match *self {}
        }
    }

    impl SocketFile {
        pub(in super::super) fn path(&self) -> &Path {
            match *self {}
        }

        pub(in super::super) fn remove(&self) {
            match *self {}
        }
    }

    pub(in super::super) fn listen(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
        Err(ListenError::Unsupported { path: path.into() })
    }
}
