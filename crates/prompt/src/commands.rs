//! The commands that begin with a colon, as a table.

/// Those of the prompt itself: name, argument, what it does.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    ("help", "", "this table"),
    ("doc", "NAME", "type, signature and documentation of an object"),
    ("time", "CODE", "run a cell and tell how long it took"),
    ("history", "", "what was entered, in a pager"),
    ("theme", "NAME", "colours: dark, light or none"),
    ("keys", "NAME", "keys: emacs or vi"),
    ("clear", "", "clear the screen"),
    ("quit", "", "leave"),
];

/// Those of a session in this process.
pub const LOCAL: &[(&str, &str, &str)] =
    &[("vars", "", "the variables"), ("src", "NAME", "the source of a function, class or module")];

/// Those of a session in a sandbox.
pub const SANDBOX: &[(&str, &str, &str)] = &[
    ("vars", "", "the variables"),
    ("src", "NAME", "the source of a function, class or module"),
    ("undo", "", "back to before the last cell"),
    ("fork", "NAME", "keep the session as it is now under a name"),
    ("switch", "NAME", "go on with a session that was kept; this one is kept as `last`"),
    ("sessions", "", "the sessions that are kept"),
    ("save", "FILE", "save the session"),
    ("load", "FILE", "go on with a session that was saved"),
    ("limits", "", "what the session may use, and has used"),
];

/// Those of a session of another program, which is served.
pub const SERVED: &[(&str, &str, &str)] = &[
    ("vars", "", "the variables"),
    ("src", "NAME", "the source of a function, class or module"),
    ("tasks", "", "the tasks of the event loop, their ages, and where each waits"),
    ("cancel", "ID", "cancel a task"),
    ("where", "", "what the thread of the event loop does now"),
    ("stacks", "", "what all threads do now"),
    ("tail", "on|off", "show what the program itself prints"),
    ("sessions", "", "the sessions of the program's prompts"),
    ("detach", "", "leave; the session goes on for a while, as after Ctrl-D"),
    ("close", "", "leave, and end the session with all it runs"),
];

/// The table, with the session's own commands.
#[must_use]
pub fn table(own: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    let rows = COMMANDS.iter().chain(own);
    let width = rows.clone().map(|(name, argument, _)| name.len() + argument.len() + 3).max().unwrap_or(0);
    for (name, argument, does) in rows {
        let left = format!(":{name} {argument}");
        text.push_str(&format!("{left:<width$} {does}\n"));
    }
    text
}
