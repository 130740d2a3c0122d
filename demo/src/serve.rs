//! What the page is made of, served by the app itself: nothing is loaded from elsewhere.

use std::borrow::Cow;

use spanwire::timer::monitor;
use wry::http::{HeaderValue, Response, StatusCode};

use crate::library::Library;

/// Where the page lives.
// On Windows wry serves a custom scheme as `http`, under a host that begins with its name.
pub(crate) const ORIGIN: &str = if cfg!(windows) {
    "http://lightbox.localhost"
} else {
    "lightbox://localhost"
};

pub(crate) const SCHEME: &str = "lightbox";

pub(crate) fn answer(library: &Library, path: &str) -> Response<Cow<'static, [u8]>> {
    let (kind, text): (_, &[u8]) = match path {
        "/" => (
            "text/html; charset=utf-8",
            include_bytes!("page/index.html"),
        ),
        // For a fault: a document without anything.
        "/empty.html" => ("text/html; charset=utf-8", b"<!doctype html>"),
        "/style.css" => ("text/css; charset=utf-8", include_bytes!("page/style.css")),
        "/wire.js" => (SCRIPT, include_bytes!("page/wire.js")),
        "/library.js" => (SCRIPT, include_bytes!("page/library.js")),
        "/detail.js" => (SCRIPT, include_bytes!("page/detail.js")),
        "/imports.js" => (SCRIPT, include_bytes!("page/imports.js")),
        "/spans.js" => (SCRIPT, include_bytes!("page/spans.js")),
        "/faults.js" => (SCRIPT, include_bytes!("page/faults.js")),
        "/start.js" => (SCRIPT, include_bytes!("page/start.js")),
        // Paths are matched and no file is opened, so a path cannot lead out of a folder.
        _ => return picture(library, path).unwrap_or_else(not_found),
    };
    response(kind, Cow::Borrowed(text))
}

/// `/picture/1234.svg`
fn picture(library: &Library, path: &str) -> Option<Response<Cow<'static, [u8]>>> {
    let id = path.strip_prefix("/picture/")?.strip_suffix(".svg")?;
    let picture = library.picture(id.parse().ok()?)?;
    // Each is timed; a span of each would bury the traces that somebody looks for.
    let draw = monitor("draw_picture").sample_one_in(100);
    let svg = draw.time(|| picture.to_string());
    let mut response = response("image/svg+xml", Cow::Owned(svg.into_bytes()));
    // It never changes.
    response.headers_mut().insert(
        "cache-control",
        HeaderValue::from_static("max-age=86400, immutable"),
    );
    Some(response)
}

fn response(kind: &'static str, body: Cow<'static, [u8]>) -> Response<Cow<'static, [u8]>> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    // The page script needs no exception from a strict policy.
    headers.insert(
        "content-security-policy",
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'",
        ),
    );
    response
}

fn not_found() -> Response<Cow<'static, [u8]>> {
    let mut response = Response::new(Cow::Borrowed(&b""[..]));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_the_page_asks_for_is_there() {
        let library = Library::new();
        let page = answer(&library, "/").into_body();
        let page = String::from_utf8(page.into_owned()).unwrap();
        let mut asked = 0;
        for part in page.split("href=\"").chain(page.split("src=\"")).skip(1) {
            let file = part.split('"').next().unwrap();
            if file.ends_with(".js") || file.ends_with(".css") {
                let status = answer(&library, &format!("/{file}")).status();
                assert_eq!(status, StatusCode::OK, "{file}");
                asked += 1;
            }
        }
        assert_eq!(asked, 8);
    }

    #[test]
    fn a_picture_that_is_not_there_is_not_found() {
        let library = Library::new();
        assert_eq!(answer(&library, "/picture/0.svg").status(), StatusCode::OK);
        for path in [
            "/picture/-1.svg",
            "/picture/99999999.svg",
            "/picture/",
            "/x",
        ] {
            let status = answer(&library, path).status();
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}
