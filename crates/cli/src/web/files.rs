//! What is served: the page from `crates/cli/web`, its script and style sheet as `cargo xtask web` has built them, with the
//! headers that keep everything else out of it.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};

const INDEX: &str = include_str!("../../web/index.html");
const SCRIPT: &str = include_str!("../../assets/web/page.js");
const STYLE: &str = include_str!("../../assets/web/page.css");
const ICON: &str = include_str!("../../web/icon.svg");

/// Where index.html wants the nonce for the style elements that xterm.js makes.
const NONCE: &str = "{{nonce}}";

/// A response with the headers that all have.
fn respond(status: StatusCode, kind: &'static str, body: String, policy: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = HeaderValue::from_str(policy).expect("built of literals and hexadecimal digits");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// What all have that needs nothing.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page; None if there is none of this name. `nonce` is for this response only.
pub(super) fn file(name: &str, nonce: &str) -> Option<Response<Body>> {
    let (kind, text) = match name {
        "" => ("text/html; charset=utf-8", INDEX),
        "page.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "page.css" => ("text/css; charset=utf-8", STYLE),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return None,
    };
    if !name.is_empty() {
        return Some(respond(StatusCode::OK, kind, text.to_owned(), NOTHING));
    }
    let policy = format!(
        "{NOTHING}; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; connect-src 'self'; \
         require-trusted-types-for 'script'"
    );
    Some(respond(StatusCode::OK, kind, text.replace(NONCE, nonce), &policy))
}

/// Sets the cookie and goes on to the page.
///
/// This is no redirect: browsers leave a strict cookie out of one that began elsewhere, as in a mail or a file. The
/// refresh begins here.
pub(super) fn enter(cookie: &str, folder: &str) -> Response<Body> {
    let body = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0;url=/{folder}/\">\
         <title>keelback</title>"
    );
    let mut response = respond(StatusCode::OK, "text/html; charset=utf-8", body, NOTHING);
    let cookie = HeaderValue::from_str(cookie).expect("built of literals and hexadecimal digits");
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// The same for all who may not come in, whatever they asked for.
pub(super) fn forbidden() -> Response<Body> {
    let text = "This page opens with the address that `keelback attach --web` printed, once. Press Enter there for \
                another one.\n";
    respond(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", text.into(), NOTHING)
}

/// For who may come in.
pub(super) fn not_found() -> Response<Body> {
    respond(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "There is no such file.\n".into(), NOTHING)
}
