//! The command `keelback`, for its binary and for the Python package.

mod args;
mod attach;
mod engine;
mod grants;
mod json;
mod mcp;
mod prompt;
mod run;
mod system;
mod terminal;
mod units;
mod web;

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
};

use clap::{CommandFactory, Parser};

use args::{Cli, Command};

/// The sandbox itself failed.
const EXIT_HOST: u8 = 3;

/// Runs the command with these arguments, the first of which is its name; the exit status.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = Cli::parse_from(args::with_separator(args));
    let result = match cli.command {
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Mcp(args)) => mcp::run(&args),
        Some(Command::Prompt(args)) => open_prompt(&args),
        Some(Command::Attach(args)) => attach::run(&args),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "keelback", &mut io::stdout());
            Ok(0)
        }
        Some(Command::Man) => {
            clap_mangen::Man::new(Cli::command()).render(&mut io::stdout()).map(|()| 0).map_err(Into::into)
        }
        None if io::stdin().is_terminal() => {
            open_prompt(&args::PromptArgs { awaiting: cli.awaiting, ..args::PromptArgs::default() })
        }
        None => run::run_stdin(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            let mut stderr = io::stderr();
            let _ = writeln!(stderr, "keelback: error: {error:#}");
            if let Some(hint) = run::hint(&error) {
                let _ = writeln!(stderr, "hint: {hint}");
            }
            match &error {
                error if error.is::<run::Usage>() => 2,
                error if error.is::<attach::Unreachable>() => 1,
                _ => EXIT_HOST,
            }
        }
    }
}

/// The full prompt, or one line by line where the terminal cannot have it or nobody wants it.
fn open_prompt(args: &args::PromptArgs) -> anyhow::Result<u8> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if system::terminal_moves() && !set("PYTHON_BASIC_REPL") && io::stdin().is_terminal() && io::stdout().is_terminal()
    {
        return terminal::open(args);
    }
    prompt::prompt(args)
}
