//! What there is to attach to.

use std::io::{self, Write};

use anyhow::Result;
use keelback_wire::discover::Served;

use super::{printable::line, say};
use crate::{args::AttachArgs, units::age};

/// Lists the programs. The exit status is 1 where there is none and one was wanted.
pub(super) fn show(served: &[Served], args: &AttachArgs) -> Result<u8> {
    let mut out = io::stdout().lock();
    if args.json {
        for served in served {
            writeln!(out, "{}", serde_json::to_string(served)?)?;
        }
        return Ok(0);
    }
    if served.is_empty() {
        say("no program of yours is served; `import keelback; keelback.serve()` in one does that");
        return Ok(u8::from(!args.list));
    }
    out.write_all(table(served).as_bytes())?;
    Ok(0)
}

/// The programs as rows, with a head.
pub(super) fn table(served: &[Served]) -> String {
    let head = ["NAME", "PID", "PROGRAM", "PYTHON", "AGE"].map(String::from);
    let row = |served: &Served| {
        let state = if served.armed.is_some() { ", waits for its signal" } else { "" };
        let age = age(served.age()) + state;
        let program = served.program.rsplit('/').next().unwrap_or_default();
        [line(&served.name), served.pid.to_string(), line(program), line(&served.python), age]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(served.iter().map(row)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut shown = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            shown.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(shown.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned() {
        let web = Served {
            name: "web".into(),
            pid: 7,
            program: "/srv/app.py".into(),
            python: "3.13.0".into(),
            ..Served::default()
        };
        let odd = Served { name: "a\x1b[2J".into(), pid: 12345, armed: Some(12), ..web.clone() };
        let text = table(&[web, odd]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "NAME   PID    PROGRAM  PYTHON  AGE");
        assert!(lines[1].starts_with("web    7      app.py   3.13.0  "), "{text}");
        assert!(lines[2].starts_with("a?[2J  12345  app.py   3.13.0  ") && lines[2].ends_with("waits for its signal"));
    }
}
