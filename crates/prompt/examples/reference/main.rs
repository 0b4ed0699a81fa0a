//! Writes `docs/terminal.md` from the tables of the code: `cargo run -p keelback-prompt --example reference`. With
//! `--check` it says whether the file is what the tables give.

mod text;

use std::{env, fs, io, process::ExitCode};

fn main() -> io::Result<ExitCode> {
    let path = text::path();
    if env::args().nth(1).as_deref() == Some("--check") {
        let same = fs::read_to_string(&path)? == text::text();
        return Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    fs::write(path, text::text())?;
    Ok(ExitCode::SUCCESS)
}
