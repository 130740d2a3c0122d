//! What became of a request.

use crate::semconv::ExportErrorType;

/// Why a collector did not get a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportError {
    pub(crate) kind: ExportErrorType,
    pub(crate) message: String,
}

impl ExportError {
    pub(crate) fn new(kind: ExportErrorType, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// What became of a request that is off our hands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExportResponse {
    /// Why the collector has not got it and it waits on disk; `None` when the collector took it.
    pub(crate) spooled: Option<ExportError>,
    /// Items that the collector refused all the same.
    pub(crate) rejected: u64,
    /// Why, in the collector's words.
    pub(crate) reason: String,
}

impl ExportResponse {
    /// What was refused, and why, for a person.
    pub(crate) fn complaint(&self) -> String {
        match self.reason.as_str() {
            "" => "the collector rejected it".to_owned(),
            reason => format!("the collector rejected it: {reason}"),
        }
    }
}
