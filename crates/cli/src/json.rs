//! Events and reports as JSON lines (docs/json-events.md).

use keelback_sandbox::{
    ChangeKind, Event, Frame, Limit, Mime, MimeBundle, Outcome, Raised, Report, Restored, Stream, Value,
};
use serde_json::{Map, Value as Json, json};

/// One event while the program runs.
pub(crate) fn event(event: Event) -> Json {
    match event {
        Event::Output { stream, bytes } => {
            let name = if stream == Stream::Stdout { "stdout" } else { "stderr" };
            match String::from_utf8(bytes) {
                Ok(text) => json!({"event": name, "text": text}),
                Err(error) => json!({"event": name, "data": Value::Bytes(error.into_bytes()).to_json()}),
            }
        }
        Event::Display(bundle) => json!({"event": "display", "mime": mime(&bundle)}),
        _ => json!({"event": "unknown"}),
    }
}

/// The last line.
pub(crate) fn report(report: &Report, exit_status: u8) -> Json {
    let mut line = Map::new();
    line.insert("event".into(), "outcome".into());
    outcome(&report.outcome, &mut line);
    line.insert("exit_status".into(), exit_status.into());
    let usage = &report.usage;
    line.insert(
        "usage".into(),
        json!({
            "wall_seconds": usage.wall.as_secs_f64(),
            "cpu_seconds": usage.cpu.as_secs_f64(),
            "peak_memory_bytes": usage.peak_memory_bytes,
            "output_bytes": usage.output_bytes,
            "tool_calls": usage.tool_calls,
        }),
    );
    let files = report.files.iter().map(|change| {
        let kind = match change.kind {
            ChangeKind::Created => "created",
            ChangeKind::Modified => "modified",
            ChangeKind::Deleted => "deleted",
        };
        json!({"path": change.guest_path, "change": kind, "bytes": change.bytes})
    });
    line.insert("files".into(), files.collect());
    line.insert("sync_errors".into(), json!(report.sync_errors));
    Json::Object(line)
}

fn outcome(outcome: &Outcome, line: &mut Map<String, Json>) {
    let mut set = |key: &str, value: Json| _ = line.insert(key.into(), value);
    match outcome {
        Outcome::Done => set("outcome", "done".into()),
        Outcome::Value { repr, type_name, data, mime: bundle } => {
            set("outcome", "value".into());
            set("repr", repr.as_str().into());
            set("type", type_name.as_str().into());
            if let Some(data) = data {
                set("data", data.to_json());
            }
            set("mime", mime(bundle));
        }
        Outcome::Raised(info) => {
            set("outcome", "raised".into());
            set("exception", raised(info));
        }
        Outcome::Invalid(info) => {
            set("outcome", "invalid".into());
            set("exception", raised(info));
        }
        Outcome::Exit { code, message, .. } => {
            set("outcome", "exit".into());
            set("code", (*code).into());
            set("message", json!(message));
        }
        Outcome::Final { tool, value } => {
            set("outcome", "final".into());
            set("tool", tool.as_str().into());
            set("data", value.to_json());
        }
        Outcome::Incomplete => set("outcome", "incomplete".into()),
        Outcome::Stopped { limit, reason, restored } => {
            set("outcome", "stopped".into());
            set("reason", reason.as_str().into());
            set("limit", limit_json(*limit));
            set("restored", if *restored == Restored::Checkpoint { "checkpoint" } else { "start" }.into());
        }
        _ => set("outcome", "unknown".into()),
    }
}

fn raised(raised: &Raised) -> Json {
    let frame = |frame: &Frame| {
        json!({
            "filename": frame.filename, "line": frame.line, "end_line": frame.end_line, "column": frame.column,
            "end_column": frame.end_column, "name": frame.name, "source": frame.source,
        })
    };
    let argument = |(repr, data): &(String, Option<Value>)| match data {
        Some(data) => json!({"repr": repr, "data": data.to_json()}),
        None => json!({"repr": repr}),
    };
    json!({
        "type": raised.type_name,
        "module": raised.module,
        "message": raised.message,
        "args": raised.args.iter().map(argument).collect::<Vec<_>>(),
        "notes": raised.notes,
        "frames": raised.frames.iter().map(frame).collect::<Vec<_>>(),
        "traceback": raised.traceback,
        "limit": limit_json(raised.limit),
    })
}

fn limit_json(limit: Option<Limit>) -> Json {
    match limit {
        Some(Limit::WallTime(limit)) => json!({"name": "wall_time", "seconds": limit.as_secs_f64()}),
        Some(Limit::CpuTime(limit)) => json!({"name": "cpu_time", "seconds": limit.as_secs_f64()}),
        Some(Limit::Memory(limit)) => json!({"name": "memory", "bytes": limit}),
        Some(Limit::Output(limit)) => json!({"name": "output", "bytes": limit}),
        Some(Limit::ToolCalls(limit)) => json!({"name": "tool_calls", "count": limit}),
        Some(Limit::Connections(limit)) => json!({"name": "connections", "count": limit}),
        Some(Limit::NetworkSent(limit)) => json!({"name": "network_sent", "bytes": limit}),
        Some(Limit::NetworkReceived(limit)) => json!({"name": "network_received", "bytes": limit}),
        Some(Limit::ConnectTime(limit)) => json!({"name": "connect_time", "seconds": limit.as_secs_f64()}),
        _ => Json::Null,
    }
}

fn mime(bundle: &MimeBundle) -> Json {
    let entry = |(name, form): &(String, Mime)| {
        let form = match form {
            Mime::Text(text) => text.as_str().into(),
            Mime::Bytes(bytes) => Value::Bytes(bytes.clone()).to_json(),
            Mime::Data(data) => data.to_json(),
        };
        (name.clone(), form)
    };
    Json::Object(bundle.0.iter().map(entry).collect())
}
