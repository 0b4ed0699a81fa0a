//! Runs Python that nobody has read.
//!
//! CPython 3.13, compiled to one WebAssembly module and started beforehand, runs in this process. A [`Session`] keeps
//! its namespace from cell to cell and reaches nothing but what its [`Permissions`] grant, within its [`Limits`]. It can
//! be forked, put back to a checkpoint, saved to a file and loaded elsewhere.
//!
//! ```
//! use keelback_sandbox::{Engine, Outcome, SessionOptions};
//!
//! let engine = Engine::new()?;
//! let mut session = engine.session(SessionOptions::default())?;
//! session.run("squares = [n * n for n in range(10)]")?;
//! let mut other = session.fork()?;
//! other.run("squares.clear()")?;
//! let report = session.run("sum(squares)")?;
//! assert!(matches!(report.outcome, Outcome::Value { repr, .. } if repr == "285"));
//!
//! let report = session.run("open('/etc/passwd')")?;
//! let Outcome::Raised(raised) = report.outcome else { panic!("nothing is granted") };
//! assert_eq!(raised.type_name, "FileNotFoundError");
//! # Ok::<(), keelback_sandbox::Error>(())
//! ```

mod cache;
mod cpu_clock;
mod engine;
mod error;
mod file_id;
mod fs;
mod guest;
mod guest_memory;
mod host;
mod image;
mod imports;
mod limiter;
mod limits;
mod mapped;
mod marshal;
mod net;
mod options;
mod outcome;
mod output;
mod packages;
mod pages;
mod permissions;
mod pool;
#[cfg(feature = "preinit")]
mod preinit;
mod report;
mod session;
mod snapshot;
mod stdin;
mod stop;
mod tool;
mod transfer;
mod wasi;
mod watch;

pub use engine::Engine;
pub use error::Error;
pub use fs::{Change, ChangeKind, FileInfo, FilesError, GrantError, ReadError};
pub use image::Progress;
pub use imports::{Image, ImageError};
pub use keelback_session::{
    Cell, CellKind, Completeness, Completion, CompletionKind, Completions, Description, Event, Frame, Limit, Mime,
    MimeBundle, Outcome, Raised, Restored, Signature, SourceText, Stream, Usage, Value,
};
pub use limits::Limits;
pub use net::NetGrantError;
pub use options::{SessionOptions, TerminalSize};
pub use output::Sink;
pub use packages::PackagesError;
pub use permissions::{Permissions, Stdin};
pub use pool::Pool;
#[cfg(feature = "preinit")]
pub use preinit::preinitialise;
pub use report::Report;
pub use session::{IdleHandle, InterruptHandle, Session};
pub use snapshot::SnapshotError;
pub use stdin::{Asking, Lines};
pub use tool::{Arguments, Parameter, ParameterKind, Tool, ToolError};
pub use transfer::{Binding, Build, Found, FoundError, Named, Scalar, Sequence, build};
