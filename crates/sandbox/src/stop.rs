//! How a guest that does not react is stopped by another thread.

#[cfg(any(windows, test))]
mod epochs;
#[cfg(unix)]
mod unix;

#[cfg(windows)]
pub(crate) use self::epochs::{Stopper, configure, install};
#[cfg(unix)]
pub(crate) use self::unix::{Stopper, configure, install};
