//! Files as resources: what they are called, and how their bytes travel.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use keelback_sandbox::FileInfo;
use rmcp::model::{Resource, ResourceContents};

/// What a URI names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A file, by its guest path: `keelback:///work/a.txt`.
    File(String),
    /// A text that was too long for a result, by its number: `keelback://output/3`.
    Output(u64),
}

pub(super) fn parse(uri: &str) -> Option<Target> {
    let rest = uri.strip_prefix("keelback://")?;
    match rest.strip_prefix("output/") {
        Some(number) => number.parse().ok().map(Target::Output),
        None if rest.starts_with('/') => decode(rest).map(Target::File),
        None => None,
    }
}

pub(super) fn file_uri(path: &str) -> String {
    let mut uri = "keelback://".to_owned();
    for byte in path.bytes() {
        match byte {
            // RFC 3986: unreserved characters, and the separator.
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte.into()),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push((digit()? * 16 + digit()?) as u8);
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn output_uri(number: u64) -> String {
    format!("keelback://output/{number}")
}

pub(super) fn file(info: &FileInfo) -> Resource {
    let resource = Resource::new(file_uri(&info.path), info.path.clone()).with_size(info.bytes);
    match mime_type(&info.path) {
        Some(mime_type) => resource.with_mime_type(mime_type),
        None => resource,
    }
}

pub(super) fn output(number: u64, text: &str) -> Resource {
    Resource::new(output_uri(number), format!("output {number}"))
        .with_description("Everything the cell printed, with its value or traceback")
        .with_mime_type("text/plain")
        .with_size(text.len() as u64)
}

/// A file's bytes: as text when they are UTF-8.
pub(super) fn contents(uri: &str, path: &str, bytes: Vec<u8>) -> ResourceContents {
    let known = mime_type(path);
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => {
            ResourceContents::text(text, uri).with_mime_type(known.unwrap_or("text/plain"))
        }
        Ok(text) => blob(uri, known, text.as_bytes()),
        Err(error) => blob(uri, known, error.as_bytes()),
    }
}

fn blob(uri: &str, known: Option<&str>, bytes: &[u8]) -> ResourceContents {
    let contents = ResourceContents::blob(BASE64_STANDARD.encode(bytes), uri);
    contents.with_mime_type(known.unwrap_or("application/octet-stream"))
}

/// The type of a file by its name, for what models and their clients can show.
fn mime_type(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next()?;
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "txt" | "log" => "text/plain",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "md" => "text/markdown",
        "py" => "text/x-python",
        "json" => "application/json",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, uri: &str) {
        assert_eq!(file_uri(path), uri);
        assert_eq!(parse(uri), Some(Target::File(path.to_owned())));
    }

    #[test]
    fn a_path_comes_back_from_its_uri() {
        check("/work/a.txt", "keelback:///work/a.txt");
        check("/work/a b%#?.txt", "keelback:///work/a%20b%25%23%3F.txt");
        check("/tmp/naïve", "keelback:///tmp/na%C3%AFve");
        assert_eq!(parse("keelback://output/7"), Some(Target::Output(7)));
        for bad in
            ["file:///work/a.txt", "keelback://work/a.txt", "keelback:///%f", "keelback:///%FF", "keelback://output/x"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn text_is_text_and_the_rest_a_blob() {
        let is_text =
            |bytes: &[u8]| matches!(contents("u", "/f", bytes.to_vec()), ResourceContents::TextResourceContents { .. });
        assert!(is_text("naïve".as_bytes()));
        assert!(!is_text(b"\xff\xfe"));
        assert!(!is_text(b"a\0b"));
    }
}
