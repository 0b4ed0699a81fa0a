//! The part of THIRD_PARTY.md on crates: which are in the programs that are given out, and under which licences.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::cargo;

const START: &str = "<!-- crates: written by `cargo xtask licences` -->\n";
const END: &str = "<!-- end of crates -->\n";

/// Writes it.
pub(crate) fn write(root: &Path) -> Result<()> {
    let path = root.join("THIRD_PARTY.md");
    let text = fs::read_to_string(&path)?;
    Ok(fs::write(path, with(&text, &table(root)?)?)?)
}

/// Whether it is what Cargo.lock gives.
pub(crate) fn check(root: &Path) -> Result<()> {
    let text = fs::read_to_string(root.join("THIRD_PARTY.md"))?;
    if with(&text, &table(root)?)? != text {
        bail!("THIRD_PARTY.md does not name the crates of Cargo.lock: run `cargo xtask licences`");
    }
    Ok(())
}

fn with(text: &str, table: &str) -> Result<String> {
    let (before, rest) = text.split_once(START).context("THIRD_PARTY.md has no place for crates")?;
    let (_, after) = rest.split_once(END).context("the crates of THIRD_PARTY.md have no end")?;
    Ok(format!("{before}{START}{table}{END}{after}"))
}

/// The crates that the command and the extension module are built from on the platform that is tested, by licence.
fn table(root: &Path) -> Result<String> {
    let mut command = cargo(root);
    command.args(["tree", "--locked", "--package", "keelback-cli", "--package", "keelback-python"]);
    command.args(["--edges", "normal", "--target", "x86_64-unknown-linux-gnu", "--prefix", "none"]);
    let output = command.args(["--format", "{p}|{l}"]).output().context("cannot start cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut licences: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let text = String::from_utf8(output.stdout)?;
    // An empty line separates the trees.
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (package, licence) = line.split_once('|').with_context(|| format!("cargo tree printed `{line}`"))?;
        let name = package.split(' ').next().unwrap_or_default();
        // A line that repeats a crate ends in ` (*)`.
        let licence = licence.trim_end_matches(" (*)");
        if name.is_empty() || name.starts_with("keelback-") {
            continue;
        }
        if licence.is_empty() {
            bail!("crate `{name}` does not say its licence");
        }
        licences.entry(plain(licence)).or_default().push(name);
    }
    let mut table = String::from("| licence | crates |\n| --- | --- |\n");
    for (licence, mut crates) in licences {
        crates.sort_unstable();
        crates.dedup();
        let _ = writeln!(table, "| {licence} | {} |", crates.join(", "));
    }
    Ok(table)
}

/// Alternatives in one order, so that `MIT OR Apache-2.0`, `Apache-2.0 OR MIT` and the old `MIT/Apache-2.0` are one.
fn plain(licence: &str) -> String {
    if licence.contains(" AND ") {
        return licence.to_owned();
    }
    let spaced = licence.replace(" / ", " OR ").replace('/', " OR ");
    let mut parts: Vec<&str> = spaced.split(" OR ").collect();
    parts.sort_unstable();
    parts.join(" OR ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_have_one_order() {
        for licence in ["MIT OR Apache-2.0", "Apache-2.0 OR MIT", "MIT/Apache-2.0", "Apache-2.0 / MIT"] {
            assert_eq!(plain(licence), "Apache-2.0 OR MIT");
        }
        assert_eq!(plain("(MIT OR Apache-2.0) AND Unicode-3.0"), "(MIT OR Apache-2.0) AND Unicode-3.0");
    }

    #[test]
    fn only_the_table_is_written() {
        let text = format!("before\n{START}old\n{END}after\n");
        assert_eq!(with(&text, "new\n").expect("it has a place"), format!("before\n{START}new\n{END}after\n"));
        assert!(with("no place", "new\n").is_err());
    }
}
