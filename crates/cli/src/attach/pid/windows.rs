//! A process that does not serve yet is left alone on Windows: there are no signals to wake one, and the way into another
//! Python leads over a socket that does not tell who connects.

use anyhow::Result;
use keelback_wire::{client::Address, discover::Served};

use super::unreachable;
use crate::args::AttachArgs;

const FAR: &str = "a program elsewhere that serves on TCP is reached by HOST:PORT and --key";

pub(super) fn serve(pid: u32, _: &AttachArgs) -> Result<Address> {
    Err(unreachable(format!("process {pid} does not serve, and cannot be told to on Windows")).hint(FAR).into())
}

pub(super) fn wake(served: &Served, _: i32, _: &AttachArgs) -> Result<Address> {
    let pid = served.pid;
    Err(unreachable(format!("process {pid} waits for a signal, which Windows does not have")).hint(FAR).into())
}
