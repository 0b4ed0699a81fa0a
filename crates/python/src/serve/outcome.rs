//! What became of a cell, as it is told to clients.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keelback_wire::{
    event::{Body, Frame, Raised, Shown},
    message::CellNumber,
    reply::{Evaluated, Outcome},
};
use pyo3::{prelude::*, types::PyDict};

use super::sink::text_of;

/// The end of a cell. The kinds are those of `_session.py`, "interrupted", and "stubborn" with the name of the task.
pub(super) fn ended(
    cell: CellNumber,
    (kind, status, text): (String, u8, Option<String>),
    took: (f64, f64),
    prompts: (String, String),
) -> Evaluated {
    let outcome = match kind.as_str() {
        "raised" => Outcome::Raised,
        "interrupted" => Outcome::Interrupted,
        "stubborn" => Outcome::Stubborn(text.unwrap_or_default()),
        "exit" => Outcome::Exit { status, message: text },
        "incomplete" => Outcome::Incomplete,
        "invalid" => Outcome::Invalid,
        _ => Outcome::Done,
    };
    Evaluated { cell, outcome, wall_s: took.0, cpu_s: took.1, prompts: Some(prompts) }
}

/// A value, cut to `quota` bytes. `shortened` says that `pretty` is not all of it.
pub(super) fn shown(
    cell: CellNumber,
    quota: usize,
    text: &str,
    pretty: Option<&str>,
    shortened: bool,
    png: Option<Vec<u8>>,
) -> Body {
    let short = |text: &str| text[..floor_boundary(text, quota)].to_owned();
    let cut = text.len() > quota || pretty.is_some_and(|pretty| pretty.len() > quota);
    // An image is whole or not at all.
    let png = png.filter(|png| png.len() <= quota).map(|png| STANDARD.encode(png));
    Body::Shown(Shown { cell, text: short(text), pretty: pretty.map(short), cut, shortened, png })
}

/// The nearest character boundary at or before `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

/// A frame of `exception_info`: file, line, end line, column, end column, function, text.
type Told<'py> = (
    Bound<'py, PyAny>,
    Option<u32>,
    Option<u32>,
    Option<u32>,
    Option<u32>,
    Bound<'py, PyAny>,
    Option<Bound<'py, PyAny>>,
);

/// An exception.
pub(super) fn raised(cell: CellNumber, info: &Bound<'_, PyDict>) -> PyResult<Body> {
    let text = |name: &str| -> PyResult<String> {
        Ok(info.get_item(name)?.map(|text| text_of(&text).into_owned()).unwrap_or_default())
    };
    let mut frames = Vec::new();
    if let Some(told) = info.get_item("frames")? {
        for frame in told.try_iter()? {
            let (file, line, _, _, _, function, source): Told<'_> = frame?.extract()?;
            frames.push(Frame {
                file: text_of(&file).into_owned(),
                line: line.unwrap_or(0),
                function: text_of(&function).into_owned(),
                text: source.map(|source| text_of(&source).into_owned()).unwrap_or_default(),
            });
        }
    }
    Ok(Body::Raised(Raised {
        cell,
        kind: text("type")?,
        module: text("module")?,
        message: text("message")?,
        traceback: text("traceback")?,
        frames,
    }))
}
