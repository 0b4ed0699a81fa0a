//! Makes the guest image: runs `wizer-initialize` once and writes the module that remembers it, packs the library, and
//! times programs in the result. Compression and checksums are build.sh's.

mod guest;
mod pack;

use anyhow::{Context as _, Result, bail};
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Python recurses deeply on the native stack as well, see docs/guest-abi.md.
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(guest::NATIVE_STACK_BYTES + (32 << 20))
            .spawn_scoped(scope, || run(&arguments))
            .context("no thread")?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["preinit", module, root, image] => guest::preinitialise(Path::new(module), Path::new(root), Path::new(image)),
        ["pack", root, archive] => pack::pack(Path::new(root), Path::new(archive)),
        ["bench", image, root, programs @ ..] => guest::bench(Path::new(image), Path::new(root), programs),
        _ => bail!(
            "usage: preinit MODULE ROOT IMAGE | pack ROOT ARCHIVE | bench IMAGE ROOT [PROGRAM.py...]"
        ),
    }
}
