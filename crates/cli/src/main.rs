//! The command `keelback`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(keelback_cli::main(std::env::args_os()))
}
