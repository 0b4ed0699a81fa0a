//! Makes the guest image: runs `wizer-initialize` once and writes the module that remembers it, and packs the library.
//! Compression and checksums are build.sh's.

mod pack;

use anyhow::{Context as _, Result, bail};
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["preinit", module, library, image] => {
            let read = |path: &str| std::fs::read(path).with_context(|| format!("cannot read `{path}`"));
            let bytes = keelback_sandbox::preinitialise(&read(module)?, read(library)?, std::io::stderr())?;
            std::fs::write(image, bytes).with_context(|| format!("cannot write `{image}`"))
        }
        ["pack", root, archive] => pack::pack(Path::new(root), Path::new(archive)),
        _ => bail!("usage: preinit MODULE LIBRARY IMAGE | pack ROOT ARCHIVE"),
    }
}
