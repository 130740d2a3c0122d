//! The script that measures a page whose messages another layer carries.

use std::fmt;
use std::sync::Arc;

use super::page_report::{REPORT_BYTES_MAX, REPORT_LEN_MAX};
use crate::ipc::builder::PageMarks;
use crate::ipc::nonce::nonce;

/// The script that measures a page whose messages another layer carries: calls and listeners as the
/// page sees them, spans, vitals, errors and values of its own.
///
/// The message layer puts it into each document, with a small script of its own that knows the
/// transport, and hands what comes back to [`Observer::page_report`](super::Observer::page_report).
/// One script may serve several webviews, with an observer each.
///
/// ```
/// use spanwire::ipc::observe::{Observer, PageScript};
///
/// let script = PageScript::new();
/// let observer = Observer::builder("main").page_script(&script).build();
///
/// // What the webview runs before each document's own scripts, in its main frame.
/// let adapter = r#"(observe) => {
///     const post = window.ipc.postMessage.bind(window.ipc);
///     const page = observe((report) => post(report));
///     window.ask = (question) => page.call((call) => send(question, call.posted()));
/// }"#;
/// let init = format!("({adapter})({})", script.expression());
/// # let _ = (observer, init);
/// ```
#[derive(Clone)]
pub struct PageScript {
    pub(super) nonce: Arc<str>,
    marks: PageMarks,
}

impl PageScript {
    /// A script, with a secret of its own.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nonce: nonce().into(),
            marks: PageMarks::Ignored,
        }
    }

    /// Whether performance marks and measures of the page are recorded. Default: not.
    #[must_use]
    pub fn page_marks(self, marks: PageMarks) -> Self {
        Self { marks, ..self }
    }

    /// What the page's reports prove themselves with. Give it to nothing but the script.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The script as an expression: a function that takes the adapter's `send` and returns the
    /// page's functions.
    ///
    /// Call it once for each document, before the document's own scripts; later, code of the page
    /// may have replaced what it uses.
    #[must_use]
    pub fn expression(&self) -> String {
        let Self { nonce, marks } = self;
        let marks = *marks == PageMarks::Recorded;
        // Hex digits, numbers and booleans alone, so nothing needs an escape.
        format!(
            r#"((send)=>({PAGE_SCRIPT})({{"nonce":"{nonce}","bytes":{REPORT_BYTES_MAX},"messages":{REPORT_LEN_MAX},"marks":{marks},send}}))"#
        )
    }
}

impl Default for PageScript {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PageScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageScript")
            .field("marks", &self.marks)
            .finish_non_exhaustive()
    }
}

/// An expression that is a function of its configuration.
const PAGE_SCRIPT: &str = include_str!("../../../page/observe.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_an_expression_and_debug_keeps_its_secret() {
        let script = PageScript::new();
        let text = script.expression();
        assert!(text.contains("\n(config)=>{"));
        assert!(text.contains(script.nonce()));
        assert!(!format!("{script:?}").contains(script.nonce()));
        assert_ne!(PageScript::new().nonce(), script.nonce());
    }
}
