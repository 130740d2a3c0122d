//! What is measured, by its names.

/// What is measured: all records of one kind, name and webview.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Series {
    /// `operation`, `call`, `event_in`, `event_out`, `reply`, `startup`, `page_error` or `system`.
    pub kind: String,
    /// The operation's or message's name.
    pub name: String,
    /// The webview; empty where there is none.
    pub webview: String,
}
