//! What the doctor found.

use serde::Serialize;

use super::probe_error::ProbeError;
use crate::text::shown;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// Not looked at, or not there and not needed.
    Skip,
    /// Something will be missing or misleading.
    Warn,
    /// Something that should work does not.
    Fail,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Finding {
    pub(super) status: Status,
    pub(super) what: &'static str,
    pub(super) detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn new(
        status: Status,
        what: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        // Empty is none, so that callers with a text to choose need no `Option`.
        let remedy = Some(remedy.into()).filter(|remedy| !remedy.is_empty());
        Self {
            status,
            what,
            detail: detail.into(),
            remedy,
        }
    }

    pub(super) fn ok(what: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Status::Ok, what, detail, "")
    }

    pub(super) fn skip(
        what: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(Status::Skip, what, detail, remedy)
    }

    pub(super) fn warn(
        what: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(Status::Warn, what, detail, remedy)
    }

    pub(super) fn fail(
        what: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(Status::Fail, what, detail, remedy)
    }
}

/// A query that Prometheus does not answer. A server that speaks its API need not have all of it.
pub(super) fn unanswered(what: &'static str, error: &ProbeError) -> Finding {
    Finding::skip(what, format!("Prometheus does not say: {error}"), "")
}

/// A server's words, after ours.
pub(super) fn quoted(ours: &str, theirs: &str) -> String {
    match shown(theirs).as_str() {
        "" => ours.to_owned(),
        theirs => format!("{ours}: {theirs}"),
    }
}
