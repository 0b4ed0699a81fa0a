//! What the tools say of themselves: written from the grants, so that a model knows what it may use.

use std::sync::Arc;

use anyhow::Result;
use keelback_sandbox::SessionOptions;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value as Json, json};

use crate::{args::GrantArgs, grants::split_grant};

pub(super) fn tools(grants: &GrantArgs, options: &SessionOptions, max_text: usize) -> Result<Vec<Tool>> {
    let run = format!(
        "Run Python code and return what it printed, the value of its last expression, or its traceback. \
         {}",
        instructions(grants, options, max_text)?
    );
    let none = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let named = |description: &str, required: bool| {
        let name = json!({"type": "string", "description": description});
        let required = if required { json!(["name"]) } else { json!([]) };
        json!({"type": "object", "properties": {"name": name}, "required": required, "additionalProperties": false})
    };
    let code = json!({
        "type": "object",
        "properties": {"code": {"type": "string", "description": "Python source, any number of lines"}},
        "required": ["code"],
        "additionalProperties": false,
    });
    let outward = !grants.allow_write.is_empty();
    Ok(vec![
        tool("run_python", &run, &code, Hints { read_only: false, destructive: outward })
            .with_raw_output_schema(object(&run_output())),
        tool(
            "reset",
            "Start a fresh session: variables, scratch files and checkpoints are gone.",
            &none,
            Hints { read_only: false, destructive: true },
        ),
        tool(
            "list_variables",
            "List the session's variables: name, type and a short repr of each.",
            &none,
            Hints { read_only: true, destructive: false },
        ),
        tool(
            "checkpoint",
            "Remember the whole session (variables, functions, imports, files in /work and /tmp) under a name, to go back \
             to it with rollback. Returns the name.",
            &named("A name for it; without one it gets a number", false),
            Hints { read_only: false, destructive: false },
        ),
        tool(
            "rollback",
            "Put the session back to a checkpoint. Granted host files stay as they are.",
            &named("The checkpoint's name", true),
            Hints { read_only: false, destructive: true },
        ),
    ])
}

struct Hints {
    read_only: bool,
    destructive: bool,
}

fn tool(name: &'static str, description: &str, input: &Json, hints: Hints) -> Tool {
    let annotations =
        ToolAnnotations::new().read_only(hints.read_only).destructive(hints.destructive).open_world(false);
    Tool::new(name, description.to_owned(), object(input)).with_annotations(annotations)
}

fn object(schema: &Json) -> Arc<JsonObject> {
    Arc::new(schema.as_object().cloned().unwrap_or_default())
}

fn run_output() -> Json {
    let number = json!({"type": "number"});
    json!({
        "type": "object",
        "properties": {
            "stdout": {"type": "string"},
            "stderr": {"type": "string"},
            "value": {"type": ["string", "null"], "description": "repr of the last expression's value"},
            "error": {
                "type": ["object", "null"],
                "properties": {
                    "type": {"type": "string"}, "message": {"type": "string"}, "traceback": {"type": "string"},
                },
                "required": ["type", "message", "traceback"],
            },
            "usage": {
                "type": "object",
                "properties": {
                    "wall_seconds": number, "cpu_seconds": number, "memory_bytes": number, "output_bytes": number,
                },
            },
        },
        "required": ["stdout", "stderr", "value", "error", "usage"],
    })
}

/// What the sandbox is, what it was granted and what a cell may use.
pub(super) fn instructions(grants: &GrantArgs, options: &SessionOptions, max_text: usize) -> Result<String> {
    let mut text = String::from(
        "This is CPython 3.13 with its standard library in a sandbox without network, subprocesses and threads. Variables, \
         imports and files in /work (the working directory) and /tmp stay from call to call. An image is shown when it is \
         the value or given to display(), as an object with _repr_png_ or _repr_jpeg_. ",
    );
    let paths = |listed: &[String]| -> Result<String> {
        let guest: Result<Vec<String>> = listed.iter().map(|grant| Ok(split_grant(grant)?.1)).collect();
        Ok(guest?.join(", "))
    };
    let mut granted = Vec::new();
    if !grants.allow_read.is_empty() {
        granted.push(format!("host files to read: {}", paths(&grants.allow_read)?));
    }
    if !grants.allow_write.is_empty() {
        granted.push(format!("host files to read and change: {}", paths(&grants.allow_write)?));
    }
    if !grants.allow_env.is_empty() {
        granted.push(format!("environment variables: {}", grants.allow_env.join(", ")));
    }
    let packages = options.permissions.package_names();
    if !grants.packages.is_empty() {
        granted.push(match packages.as_slice() {
            [] => "packages below /packages".to_owned(),
            names => format!("packages: {}", names.join(", ")),
        });
    }
    match granted.as_slice() {
        [] => text.push_str("It was granted no host files, environment variables or packages. "),
        granted => text.push_str(&format!("Granted: {}. ", granted.join("; "))),
    }
    let limits = &options.limits;
    let time =
        |limit: Option<std::time::Duration>| limit.map_or_else(|| "any".to_owned(), |limit| format!("{limit:?}"));
    text.push_str(&format!(
        "Limits of a call: {} of wall time, {} of CPU time, {} MiB of memory, {} kB of text.",
        time(limits.wall_time),
        time(limits.cpu_time),
        limits.memory_bytes >> 20,
        max_text / 1000,
    ));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn text(args: &[&str]) -> String {
        let cli = Cli::try_parse_from([&["keelback", "mcp"], args].concat()).expect("arguments");
        let Some(Command::Mcp(args)) = cli.command else { panic!("another command") };
        let options = args.grants.options().expect("grants");
        let tools = tools(&args.grants, &options, 100_000).expect("tools");
        tools[0].description.clone().unwrap_or_default().into_owned()
    }

    #[test]
    fn a_model_is_told_what_is_granted() {
        let nothing = text(&[]);
        assert!(nothing.contains("granted no host files"), "{nothing}");
        assert!(nothing.contains("60s of wall time, 60s of CPU time, 1024 MiB of memory, 100 kB"), "{nothing}");
        let some = text(&["--allow-read", "/srv/private:/data", "--allow-write", "out", "--timeout", "5s"]);
        assert!(
            some.contains("files to read: /data; host files to read and change: /work/out. Limits of a call: 5s"),
            "{some}"
        );
        assert!(!some.contains("/srv"), "host paths stay on the host: {some}");
    }
}
