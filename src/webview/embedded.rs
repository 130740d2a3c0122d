//! The files of a page that the app holds itself, served by a custom protocol.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use wry::WebViewBuilder;
use wry::http::{HeaderValue, Method, Request, Response, StatusCode, header};

/// An embedded page.
#[derive(Clone)]
pub(super) struct Embedded {
    scheme: String,
    pub(super) policy: HeaderValue,
    read: Arc<ReadFile>,
}

type ReadFile = dyn Fn(&str) -> Option<Cow<'static, [u8]>> + Send + Sync;

impl Embedded {
    pub(super) fn new(
        scheme: &str,
        read: impl Fn(&str) -> Option<Cow<'static, [u8]>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            scheme: scheme.to_owned(),
            policy: HeaderValue::from_static(STRICT_POLICY),
            read: Arc::new(read),
        }
    }

    pub(super) fn load<'a>(&self, builder: WebViewBuilder<'a>) -> WebViewBuilder<'a> {
        let files = self.clone();
        builder.with_custom_protocol(self.scheme.clone(), move |_, request| {
            files.answer(&request)
        })
    }

    fn answer(&self, request: &Request<Vec<u8>>) -> Response<Cow<'static, [u8]>> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return self.response(StatusCode::METHOD_NOT_ALLOWED, "text/plain", NOTHING);
        }
        // The app's function gets only paths that stay within its files.
        let found = file_of(request.uri().path())
            .and_then(|path| (self.read)(&path).map(|content| (content_type(&path), content)));
        match found {
            Some((kind, content)) => self.response(StatusCode::OK, &kind, content),
            None => self.response(StatusCode::NOT_FOUND, "text/plain", NOTHING),
        }
    }

    fn response(
        &self,
        status: StatusCode,
        kind: &str,
        content: Cow<'static, [u8]>,
    ) -> Response<Cow<'static, [u8]>> {
        let mut response = Response::new(content);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Ok(kind) = HeaderValue::from_str(kind) {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(
            // Without it an engine may guess from the content, and run what was meant as text.
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        // The files are those of this build of the app, and no cache knows when that changes.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

const STRICT_POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; \
                             form-action 'none'; frame-ancestors 'none'";

const NOTHING: Cow<'static, [u8]> = Cow::Borrowed(b"");

/// The file that a path asks for; `None` for one that leads elsewhere or nowhere.
fn file_of(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    let mut rest = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(part) = rest.next() {
        let part = percent_decode_str(part).decode_utf8().ok()?;
        if part.is_empty() && rest.peek().is_none() {
            parts.push("index.html".to_owned());
            break;
        }
        // A colon is a drive or a stream where the app reads from a folder on Windows.
        let leads_away = part.contains(['/', '\\', '\0', ':']);
        // Windows takes dots and spaces off a part's end: `.. ` is `..` there.
        let is_nothing = part.trim_end_matches(['.', ' ']).is_empty();
        if is_nothing || leads_away {
            return None;
        }
        parts.push(part.into_owned());
    }
    Some(parts.join("/"))
}

fn content_type(path: &str) -> String {
    // An address within the page that the app answers with its start page: `settings/colours`.
    let is_route = !path.rsplit('/').next().unwrap_or(path).contains('.');
    let kind = match mime_guess::from_path(path).first() {
        Some(kind) => kind,
        None if is_route => mime_guess::mime::TEXT_HTML,
        // Any type that an engine would show or run could be the wrong one.
        None => mime_guess::mime::APPLICATION_OCTET_STREAM,
    };
    let is_text = kind.type_() == "text"
        || ["javascript", "json", "xml"].contains(&kind.subtype().as_str())
        || kind.suffix().is_some_and(|suffix| suffix == "xml");
    match is_text {
        true => format!("{}; charset=utf-8", kind.essence_str()),
        false => kind.essence_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Embedded {
        Embedded::new("app", |path| {
            (path == "index.html").then_some(Cow::Borrowed(b"<p>"))
        })
    }

    fn ask(page: &Embedded, method: Method, uri: &str) -> Response<Cow<'static, [u8]>> {
        let request = Request::builder().method(method).uri(uri);
        page.answer(&request.body(Vec::new()).unwrap())
    }

    #[test]
    fn a_path_leads_to_a_file_inside_or_nowhere() {
        for (path, file) in [
            ("/", Some("index.html")),
            ("", Some("index.html")),
            ("/a/b.js", Some("a/b.js")),
            ("/docs/", Some("docs/index.html")),
            ("/a%20b/%C3%A9.png", Some("a b/é.png")),
            ("/..", None),
            ("/../secret", None),
            ("/a/../../secret", None),
            ("/..%20/secret", None),
            ("/a/.../secret", None),
            ("/%20", None),
            ("/%2e%2e/secret", None),
            ("/a/.%2e/secret", None),
            ("/a%2f..%2fsecret", None),
            ("/a%5c..%5csecret", None),
            ("/a\\secret", None),
            ("/c:/secret", None),
            ("//etc/passwd", None),
            ("/a//b", None),
            ("/./a", None),
            ("/a%00.png", None),
            ("/%ff", None),
        ] {
            assert_eq!(file_of(path).as_deref(), file, "{path}");
        }
    }

    #[test]
    fn every_answer_has_a_type_that_is_not_guessed_and_a_policy() {
        for (method, path, status) in [
            (Method::GET, "/", StatusCode::OK),
            (Method::GET, "/nothing.js", StatusCode::NOT_FOUND),
            (Method::GET, "/../index.html", StatusCode::NOT_FOUND),
            (Method::POST, "/", StatusCode::METHOD_NOT_ALLOWED),
        ] {
            let response = ask(&page(), method, &format!("app://localhost{path}"));
            assert_eq!(response.status(), status, "{path}");
            let headers = response.headers();
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert_eq!(headers["content-security-policy"], STRICT_POLICY);
            assert!(headers.contains_key("content-type"));
        }
    }

    #[test]
    fn the_content_type_comes_from_the_extension() {
        for (path, kind) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/b.js", "text/javascript; charset=utf-8"),
            ("b.mjs", "application/javascript; charset=utf-8"),
            ("b.css", "text/css; charset=utf-8"),
            ("b.json", "application/json; charset=utf-8"),
            ("b.svg", "image/svg+xml; charset=utf-8"),
            ("b.png", "image/png"),
            ("b.wasm", "application/wasm"),
            ("b.woff2", "font/woff2"),
            ("settings/colours", "text/html; charset=utf-8"),
            ("scene.unheard-of", "application/octet-stream"),
        ] {
            assert_eq!(content_type(path), kind, "{path}");
        }
    }

    #[test]
    fn a_policy_of_the_apps_own_takes_the_strict_ones_place() {
        let mut page = page();
        page.policy = HeaderValue::from_static("default-src 'none'");
        let response = ask(&page, Method::GET, "app://localhost/");
        assert_eq!(response.headers()["content-security-policy"], page.policy);
    }
}
