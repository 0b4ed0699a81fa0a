//! The script and the style sheet of `keelback attach --web`: built from `crates/cli/web` with packages from npm, or checked
//! against it.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::check as run;

const SOURCES: &str = "crates/cli/web";
const ASSETS: &str = "crates/cli/assets/web";
/// Sources that the command holds as they are: nothing is built of them.
const AS_THEY_ARE: [&str; 2] = ["icon.svg", "index.html"];
/// Packages whose code is in the page.
const PACKAGES: [&str; 2] = ["@xterm/xterm", "@xterm/addon-fit"];
/// What the page is built with.
const BUILDER: &str = "esbuild";

/// Installs the packages of package-lock.json in a folder of its own, and writes the assets.
pub(crate) fn build(root: &Path) -> Result<()> {
    let (sources, assets) = (root.join(SOURCES), root.join(ASSETS));
    let work = crate::target(root).join("web");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work)?;
    for name in names(&sources)? {
        fs::copy(sources.join(&name), work.join(&name))?;
    }
    let mut npm = Command::new("npm");
    run(npm.current_dir(&work).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]))
        .context("npm is needed to build the page")?;
    let _ = fs::remove_dir_all(&assets);
    fs::create_dir_all(&assets)?;
    let mut bundle = Command::new(work.join("node_modules/.bin/esbuild"));
    bundle.current_dir(&work).args(["page.js", "page.css", "--bundle", "--minify", "--format=esm"]);
    bundle.args(["--target=es2022,safari16", "--legal-comments=none", "--log-level=warning"]);
    run(bundle.arg(format!("--outdir={}", assets.display())))?;
    fs::write(assets.join("VERSIONS"), versions(&work)?)?;
    fs::write(assets.join("LICENCES"), licences(&work)?)?;
    fs::write(assets.join("SHA256SUMS"), sums(root)?)?;
    Ok(())
}

/// Whether the assets are what was built, and from these sources.
pub(crate) fn check(root: &Path) -> Result<()> {
    let then = fs::read_to_string(root.join(ASSETS).join("SHA256SUMS"))?;
    if sums(root)? != then {
        bail!("{ASSETS} was made from other sources than {SOURCES}, or changed by hand: run `cargo xtask web`");
    }
    let licences = fs::read_to_string(root.join(ASSETS).join("LICENCES"))?;
    if !fs::read_to_string(root.join("THIRD_PARTY.md"))?.contains(licences.trim()) {
        bail!("THIRD_PARTY.md does not hold {ASSETS}/LICENCES as it is");
    }
    writeln!(io::stdout(), "{ASSETS} was made from these sources")?;
    Ok(())
}

/// The hashes of the assets and of what they are built of.
fn sums(root: &Path) -> Result<String> {
    let mut command = Command::new("sha256sum");
    command.current_dir(root);
    for folder in [SOURCES, ASSETS] {
        let others = |name: &String| name != "SHA256SUMS" && !AS_THEY_ARE.contains(&name.as_str());
        for name in names(&root.join(folder))?.into_iter().filter(others) {
            command.arg(format!("{folder}/{name}"));
        }
    }
    let output = command.output().context("cannot run sha256sum")?;
    if !output.status.success() {
        bail!("sha256sum failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The files of a folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn versions(work: &Path) -> Result<String> {
    let mut text =
        String::from("The page is built from crates/cli/web by `cargo xtask web`, with these npm packages:\n\n");
    for package in PACKAGES.into_iter().chain([BUILDER]) {
        let part = if package == BUILDER { ", which builds it; no part of it" } else { "" };
        text.push_str(&format!("{package} {}{part}\n", version(work, package)?));
    }
    Ok(text)
}

/// The version that package.json of an installed package states.
fn version(work: &Path, package: &str) -> Result<String> {
    let path = work.join("node_modules").join(package).join("package.json");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let version = text.lines().find_map(|line| line.trim().strip_prefix("\"version\": \"")?.split('"').next());
    Ok(version.with_context(|| format!("`{package}` does not state its version"))?.to_owned())
}

fn licences(work: &Path) -> Result<String> {
    let mut text = String::new();
    for package in PACKAGES {
        let licence = fs::read_to_string(work.join("node_modules").join(package).join("LICENSE"))?;
        text.push_str(&format!("{package} {}\n\n{}\n\n", version(work, package)?, licence.trim()));
    }
    Ok(text)
}
