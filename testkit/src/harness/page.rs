//! What a window shows: a page of the app's own origin, and files of other origins beside it.

use std::borrow::Cow;

use wry::http::{Response, StatusCode, Uri};

/// The app's own origin, and the only one that its wires listen to.
pub(super) const ORIGIN: &str = "app://localhost";

/// `evil` is another origin, which the app serves by accident.
pub(super) const SCHEMES: [&str; 2] = ["app", "evil"];

/// What each document of the app's gets first: a way to say things beside the wire.
const PRELUDE: &str = r#""use strict";
{
  const { stringify } = JSON;
  const { ipc } = window;
  window.say = (what, value = null) => ipc.postMessage(`say ${stringify([what, value])}`);
  window.pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  // What became of a promise: `{ value }`, or the error.
  window.outcome = (promise) => promise.then((value) => ({ value }), (error) => error);
  // Not for events that only have these names, and not where a page breaks itself.
  window.addEventListener("error", ({ isTrusted, message }) =>
    isTrusted && !window.breaks && say("page error", message));
  window.addEventListener("unhandledrejection", ({ promise, reason }) =>
    promise && !window.breaks && say("page error", `${reason}`));
}
"#;

/// A page and what belongs to it.
#[derive(Clone, Debug)]
pub struct Page {
    script: &'static str,
    files: Vec<(&'static str, &'static str)>,
    /// Runs before Spanwire's script.
    pub(super) first: Option<&'static str>,
    /// Run right after it, one by one.
    pub(super) last: Vec<&'static str>,
}

impl Page {
    /// The app's page: it runs this script.
    pub fn new(script: &'static str) -> Self {
        Self {
            script,
            files: Vec::new(),
            first: None,
            last: Vec::new(),
        }
    }

    /// A file at another address, such as `evil://localhost/frame`.
    pub fn with_file(mut self, address: &'static str, text: &'static str) -> Self {
        self.files.push((address, text));
        self
    }

    /// A script that each document runs before Spanwire's.
    pub fn with_first(mut self, script: &'static str) -> Self {
        self.first = Some(script);
        self
    }

    /// A script that each document runs right after Spanwire's.
    pub fn with_last(mut self, script: &'static str) -> Self {
        self.last.push(script);
        self
    }

    pub(super) fn serve(&self, uri: &Uri) -> Response<Cow<'static, [u8]>> {
        let address = uri.to_string();
        let (kind, text) = match address.as_str() {
            "app://localhost/" => (
                "text/html",
                "<!doctype html><body><script src='prelude.js'></script><script src='page.js'></script>",
            ),
            "app://localhost/prelude.js" => ("text/javascript", PRELUDE),
            "app://localhost/page.js" => ("text/javascript", self.script),
            _ => match self.files.iter().find(|(at, _)| *at == address) {
                Some((_, text)) => ("text/html", *text),
                None => ("", ""),
            },
        };
        let mut response = Response::builder();
        if kind.is_empty() {
            response = response.status(StatusCode::NOT_FOUND);
        } else {
            response = response.header("content-type", format!("{kind}; charset=utf-8"));
        }
        response.body(text.as_bytes().into()).unwrap()
    }
}
