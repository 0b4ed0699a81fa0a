//! A sandboxed prompt, line by line.

use std::{
    io::{self, BufRead, Write},
    sync::atomic::Ordering,
};

use anyhow::Result;
use keelback_editor::{
    completeness::{Enter, enter, guess},
    text::Text,
};
use keelback_sandbox::{Cell, Outcome, Restored, Session, Stdin};

use crate::{
    args::PromptArgs,
    engine,
    run::{Out, explain},
};

/// Reads cells and runs them until the end of input or `exit()`; the exit status.
pub(crate) fn prompt(args: &PromptArgs) -> Result<u8> {
    let grants = &args.grants;
    let engine = engine::start()?;
    let mut options = grants.options()?;
    options.synchronous = args.awaiting.no_async;
    // A person can press Ctrl-C.
    options.limits.wall_time = grants.timeout;
    options.limits.cpu_time = grants.cpu;
    options.permissions = options.permissions.stdin(Stdin::Inherit);
    let mut session = engine.session(options)?;
    let out = Out::new();
    session.set_sink(Some(out.sink()));
    let pressed = engine::on_ctrl_c(session.interrupt_handle(), || {
        let _ = write!(io::stderr(), "\nKeyboardInterrupt\n>>> ");
    })?;
    let mut stdout = io::stdout();
    writeln!(
        stdout,
        "keelback {}: Python 3.13 in a sandbox that grants nothing. Ctrl-D leaves.",
        env!("CARGO_PKG_VERSION")
    )?;
    let mut lines = io::stdin().lock().lines();
    let mut cell = String::new();
    loop {
        write!(stdout, "{}", if cell.is_empty() { ">>> " } else { "... " })?;
        stdout.flush()?;
        pressed.store(false, Ordering::Relaxed);
        let Some(line) = lines.next() else {
            writeln!(stdout)?;
            return finish(&mut session, &out, 0);
        };
        let line = line?;
        if pressed.swap(false, Ordering::Relaxed) {
            cell.clear(); // Ctrl-C came while this line was typed
        }
        if cell.is_empty() && line.trim().is_empty() {
            continue;
        }
        cell.push_str(&line);
        // A block wants an empty line, as at python3's prompt.
        let text = Text::from(cell.as_str());
        let whole = enter(&text, text.len(), guess(&cell)) == Enter::Run;
        cell.push('\n');
        if !whole {
            continue;
        }
        session.checkpoint()?;
        let report = session.run(cell.as_str())?;
        out.flush();
        match &report.outcome {
            Outcome::Incomplete => continue,
            Outcome::Value { repr, .. } => writeln!(stdout, "{repr}")?,
            Outcome::Exit { code, .. } => {
                explain(&report)?;
                return finish(&mut session, &out, *code);
            }
            Outcome::Stopped { restored, .. } => {
                explain(&report)?;
                if *restored == Restored::Checkpoint {
                    writeln!(io::stderr(), "The session is as it was before the cell.")?;
                }
            }
            _ => explain(&report)?,
        }
        cell.clear();
    }
}

/// Ends the interpreter as python3 does: exit functions run, open files are written.
fn finish(session: &mut Session, out: &Out, code: u8) -> Result<u8> {
    let report = session.run(Cell::finish())?;
    out.flush();
    explain(&report)?;
    Ok(code)
}
