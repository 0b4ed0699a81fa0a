//! Writes `library.pack`; its format is in docs/guest-abi.md.

use anyhow::{Context as _, Result};
use std::path::Path;

struct Record {
    path: String,
    directory: bool,
    data: Vec<u8>,
}

/// Packs everything under `root/usr` into `archive`.
pub(crate) fn pack(root: &Path, archive: &Path) -> Result<()> {
    let mut records = Vec::new();
    collect(root, "usr", &mut records)?;
    records.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));

    let header_bytes = 12 + 20 * records.len();
    let mut paths: Vec<u8> = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    let data_start = header_bytes + records.iter().map(|record| record.path.len()).sum::<usize>();
    let mut out = Vec::with_capacity(data_start);
    out.extend(b"KBLIB001");
    push(&mut out, records.len())?;
    for record in &records {
        push(&mut out, header_bytes + paths.len())?;
        push(&mut out, record.path.len())?;
        push(&mut out, usize::from(record.directory))?;
        push(&mut out, data_start + data.len())?;
        push(&mut out, record.data.len())?;
        paths.extend(record.path.as_bytes());
        data.extend(&record.data);
    }
    out.extend(paths);
    out.extend(data);
    std::fs::write(archive, out).with_context(|| format!("cannot write `{}`", archive.display()))
}

fn push(out: &mut Vec<u8>, value: usize) -> Result<()> {
    out.extend(u32::try_from(value).context("the library exceeds 4 GiB")?.to_le_bytes());
    Ok(())
}

fn collect(root: &Path, path: &str, records: &mut Vec<Record>) -> Result<()> {
    let full = root.join(path);
    let directory = full.is_dir();
    let data = if directory { Vec::new() } else { std::fs::read(&full)? };
    records.push(Record { path: path.to_owned(), directory, data });
    if directory {
        for entry in std::fs::read_dir(&full)? {
            let name = entry?.file_name();
            let name = name.to_str().context("a name in the library is not UTF-8")?.to_owned();
            collect(root, &format!("{path}/{name}"), records)?;
        }
    }
    Ok(())
}
