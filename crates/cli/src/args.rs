//! The command line.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::units;

/// Runs Python that nobody has read, in a sandbox; opens prompts inside programs.
#[derive(Parser)]
#[command(name = "keelback", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(after_help = "Without a command: a sandboxed prompt, or the program on stdin. From pip: a\n\
    prompt on that Python, as python3 (-i, -c, -m, FILE); --sandbox for the other.\n\n\
    Example: keelback run --allow-read data --timeout 5s report.py")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) awaiting: AwaitArgs,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a program, a module or code from the command line
    Run(Box<RunArgs>),
    /// Open a prompt on a sandboxed session
    Prompt(Box<PromptArgs>),
    /// Serve sessions to models (MCP), over stdio or HTTP
    Mcp(Box<McpArgs>),
    /// Open a prompt inside a running program
    Attach(Box<AttachArgs>),
    /// Print completions for a shell
    #[command(after_help = "Example: keelback completions bash > ~/.local/share/bash-completion/completions/keelback")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example: keelback man | man -l -")]
    Man,
}

#[derive(Args)]
#[command(
    override_usage = "keelback run [OPTIONS] [FILE | - | -c CODE | -m MODULE] [ARGS]...",
    after_help = "Example: keelback run --allow-read data --timeout 5s report.py",
    after_long_help = "\
Exit status: the program's own; 1 after an uncaught exception; 2 for a wrong
command line; 3 when the sandbox itself failed; 124 when the time limit and 137
when the memory limit ended the program; 130 after Ctrl-C; 141 when nobody reads
the output any more.

Example: keelback run --allow-read data --allow-write out:/out report.py -v"
)]
pub(crate) struct RunArgs {
    /// Run CODE, as python3 -c does
    #[arg(short = 'c', value_name = "CODE", conflicts_with = "module")]
    pub(crate) code: Option<String>,
    /// Run library module MODULE, as python3 -m does
    #[arg(short = 'm', value_name = "MODULE")]
    pub(crate) module: Option<String>,
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// Hand on standard input
    #[arg(long, help_heading = GRANTS)]
    pub(crate) stdin: bool,
    /// Save the session when the program has ended
    ///
    /// Also after an exception. The file holds the program's memory and scratch files, but no grants.
    #[arg(long, value_name = "FILE", help_heading = SESSION, hide_short_help = true)]
    pub(crate) save: Option<PathBuf>,
    /// Start from a saved session
    #[arg(long, value_name = "FILE", help_heading = SESSION, hide_short_help = true)]
    pub(crate) resume: Option<PathBuf>,
    /// Write events as JSON, one a line
    ///
    /// docs/json-events.md lists them.
    #[arg(long, help_heading = SESSION, hide_short_help = true)]
    pub(crate) json: bool,
    /// A program, or - for standard input; then its arguments
    #[arg(value_name = "FILE [ARGS]", trailing_var_arg = true, hide_short_help = true)]
    pub(crate) program: Vec<String>,
}

const GRANTS: &str = "Grants (nothing is granted by default)";
const LIMITS: &str = "Limits";
const SESSION: &str = "Session";

/// A prompt and what it may reach.
#[derive(Args, Default)]
pub(crate) struct PromptArgs {
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    #[command(flatten)]
    pub(crate) awaiting: AwaitArgs,
}

/// Whether a prompt's cells can await.
#[derive(Args, Default)]
pub(crate) struct AwaitArgs {
    /// Let cells use await outside of functions; the default
    #[arg(long = "async", overrides_with = "no_async")]
    with_async: bool,
    /// No await outside of functions and no event loop, as in python3
    #[arg(long, overrides_with = "with_async")]
    pub(crate) no_async: bool,
}

/// What a session may reach and use: the same options wherever one is started.
#[derive(Args, Default)]
pub(crate) struct GrantArgs {
    /// Read a file or folder
    ///
    /// The program finds it at its own path, a relative one below /work, or at GUEST, an absolute path. May be repeated.
    #[arg(long, value_name = "PATH[:GUEST]", help_heading = GRANTS)]
    pub(crate) allow_read: Vec<String>,
    /// Read and write a file or folder
    ///
    /// What is written changes the files of this machine at once. May be repeated.
    #[arg(long, value_name = "PATH[:GUEST]", help_heading = GRANTS)]
    pub(crate) allow_write: Vec<String>,
    /// Connect to a host, over TCP
    ///
    /// A name, *.NAME for all names below it, an address, a network such as 10.0.0.0/8, or * for all that is public;
    /// without PORT every port. Addresses that are not public need a grant as address or network. Several are separated
    /// by commas.
    #[arg(long, value_name = "HOST[:PORT]", value_delimiter = ',', help_heading = GRANTS)]
    pub(crate) allow_net: Vec<String>,
    /// Trust the root certificates in FILE (PEM) too
    #[arg(long, value_name = "FILE", help_heading = GRANTS, hide_short_help = true)]
    pub(crate) ca_file: Vec<PathBuf>,
    /// Hand on environment variables
    ///
    /// Several names are separated by commas. One that is not set is left out.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = GRANTS)]
    pub(crate) allow_env: Vec<String>,
    /// Import pure-Python packages from a folder
    ///
    /// A site-packages folder, a wheel or a folder of wheels. May be repeated.
    #[arg(long, value_name = "DIR", help_heading = GRANTS)]
    pub(crate) packages: Vec<PathBuf>,
    /// Wall time the program may take; default 60s (prompt: none)
    ///
    /// A number with ms, s, m or h. CPU time may then be as long, unless --cpu says otherwise.
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = LIMITS)]
    pub(crate) timeout: Option<Duration>,
    /// CPU time the program may take; default 60s (prompt: none)
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = LIMITS, hide_short_help = true)]
    pub(crate) cpu: Option<Duration>,
    /// Memory the program may take; default 1GiB
    #[arg(long, value_name = "SIZE", value_parser = units::size, help_heading = LIMITS)]
    pub(crate) memory: Option<u64>,
    /// Bytes the program may write to stdout and stderr; default 64MiB
    #[arg(long, value_name = "SIZE", value_parser = units::size, help_heading = LIMITS, hide_short_help = true)]
    pub(crate) max_output: Option<u64>,
    /// Pin clock and randomness
    ///
    /// The same program then gives the same output, and sleeping takes no time.
    #[arg(long, value_name = "SEED", help_heading = SESSION, hide_short_help = true)]
    pub(crate) deterministic: Option<u64>,
}

/// How a model reaches a session.
#[derive(Args)]
#[command(after_help = "\
Speaks on stdin and stdout, unless there is --http. A client has one session, which keeps its variables from call to
call; the limits are those of a call. docs/mcp.md has the configuration of clients.

Example: keelback mcp --allow-read data --timeout 30s
Example: keelback mcp --http 127.0.0.1:8765")]
pub(crate) struct McpArgs {
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// Bytes of text a result may have; of longer output the middle is left out. Default 100kB
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) max_text: Option<u64>,
    /// Serve streamable HTTP at http://ADDRESS/mcp in place of stdio; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<SocketAddr>,
    /// Answer HTTP requests for this host name, too; loopback names are always allowed
    #[arg(long, value_name = "NAME", requires = "http")]
    pub(crate) allow_host: Vec<String>,
    /// Ask HTTP clients for the bearer token in FILE; other addresses than loopback need it
    #[arg(long, value_name = "FILE", requires = "http")]
    pub(crate) bearer_token_file: Option<PathBuf>,
    /// HTTP clients that may have a session at a time; default 16
    #[arg(long, value_name = "N", requires = "http")]
    pub(crate) max_sessions: Option<usize>,
    /// End an HTTP client's session when nothing came from it for so long; default 30m
    #[arg(long, value_name = "TIME", value_parser = units::duration, requires = "http")]
    pub(crate) idle_timeout: Option<Duration>,
}

/// Which program, which session there, and what to do in it.
#[derive(Args)]
#[command(after_help = "\
A program is served by keelback.serve() or KEELBACK_SERVE; one that runs Python 3.14 or later need not be prepared.
Ctrl-D and :detach leave, and the session goes on for a while; :close ends it. docs/attach.md is the guide.

Exit status: 0; 1 after an exception of --eval or a program, or when the program cannot be reached or has ended; 2 for
a wrong command line; 130 after Ctrl-C; that of SystemExit.

Example: keelback attach
Example: keelback attach web --eval 'len(cache)'
Example: keelback attach web --web
Example: keelback attach 10.0.0.7:4411 --key key.txt")]
pub(crate) struct AttachArgs {
    /// A process id, a name from the list, the path of a socket or HOST:PORT
    ///
    /// Without one: the only program there is, or else the list.
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<String>,
    /// List the programs that can be attached to
    #[arg(long, conflicts_with_all = ["target", "eval", "session", "new"])]
    pub(crate) list: bool,
    /// Go on with session NAME, or open one of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,
    /// Open a session of its own, also when one of the name is there
    #[arg(long)]
    pub(crate) new: bool,
    /// Run CODE instead of opening a prompt; its input() reads standard input
    ///
    /// Without it, a program on standard input is run as one cell.
    #[arg(short = 'e', long, value_name = "CODE")]
    pub(crate) eval: Option<String>,
    /// Write the events of --eval, of a program or the list as JSON, one a line (docs/protocol.md)
    #[arg(long)]
    pub(crate) json: bool,
    /// Serve the prompt, the tasks and the output as a page on 127.0.0.1 and open it
    #[arg(long, conflicts_with_all = ["eval", "json", "list", "new"])]
    pub(crate) web: bool,
    /// The port of --web; without it a free one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, requires = "web")]
    pub(crate) port: u16,
    /// Only print the address of --web
    #[arg(long, requires = "web")]
    pub(crate) no_open: bool,
    /// The file with the key that a server on TCP shows; else KEELBACK_KEY is the key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Send a prepared program its signal without asking
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// The folder that holds the package keelback, for a program whose Python does not have it
    #[arg(long, value_name = "DIR", overrides_with = "package")]
    pub(crate) package: Option<PathBuf>,
}

/// Options of `run` that take the next word as their value.
const WITH_VALUE: [&str; 13] = [
    "--allow-read",
    "--allow-write",
    "--allow-net",
    "--ca-file",
    "--allow-env",
    "--packages",
    "--timeout",
    "--cpu",
    "--memory",
    "--max-output",
    "--deterministic",
    "--save",
    "--resume",
];

/// As python3 has it: what stands behind the program belongs to the program, also what looks like an option. Puts a
/// `--` there.
pub(crate) fn with_separator(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_none_or(|command| command != "run") {
        return args;
    }
    let mut index = 2;
    while let Some(word) = args.get(index).and_then(|word| word.to_str()) {
        match word {
            "--" => return args,
            "-c" | "-m" => {
                args.insert((index + 2).min(args.len()), "--".into());
                return args;
            }
            _ if WITH_VALUE.contains(&word) => index += 2,
            _ if word.starts_with("-c") || word.starts_with("-m") => {
                args.insert(index + 1, "--".into());
                return args;
            }
            _ if word.starts_with('-') && word != "-" => index += 1,
            _ => {
                args.insert(index, "--".into());
                return args;
            }
        }
    }
    args
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[track_caller]
    fn check(args: &str, expected: &str) {
        let args = args.split(' ').map(OsString::from);
        let separated: Vec<String> =
            with_separator(args).into_iter().map(|word| word.into_string().expect("UTF-8")).collect();
        assert_eq!(separated.join(" "), expected);
    }

    #[test]
    fn the_programs_arguments_are_its_own() {
        check("keelback run --json f.py --json", "keelback run --json -- f.py --json");
        check("keelback run --packages p f.py --json", "keelback run --packages p -- f.py --json");
        check("keelback run --timeout 5s f.py -v", "keelback run --timeout 5s -- f.py -v");
        check("keelback run -c code --json", "keelback run -c code -- --json");
        check("keelback run - -x", "keelback run -- - -x");
        check("keelback run --help", "keelback run --help");
        check("keelback man", "keelback man");
    }

    #[test]
    fn the_help_fits_a_screen() {
        Cli::command().debug_assert();
        let help = Cli::command().term_width(80).render_help().to_string();
        assert!(help.lines().count() <= 24, "{help}");
        let mut cli = Cli::command().term_width(80);
        cli.build();
        let run = cli.find_subcommand_mut("run").expect("it is above");
        let help = run.render_help().to_string();
        assert!(help.lines().count() <= 24 && help.lines().all(|line| line.chars().count() <= 80), "{help}");
        // The long form leaves nothing out.
        let long = run.render_long_help().to_string();
        assert!(long.lines().all(|line| line.chars().count() <= 80), "{long}");
        for option in run.get_opts().filter_map(clap::Arg::get_long) {
            assert!(long.contains(&format!("--{option}")), "{option}");
        }
        assert!(long.contains("Exit status"), "{long}");
    }
}
