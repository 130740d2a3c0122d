//! What became of a request.

use crate::semconv::ExportErrorType;

/// Why a collector did not get a request.
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

    /// Nothing is sent or written now.
    pub(crate) fn paused() -> Self {
        // A temporary error, so the request is kept and not given up.
        Self::new(ExportErrorType::Unavailable, PAUSED)
    }

    /// Whether the same request may be taken later. A certificate that is not trusted stays so until
    /// a person changes it.
    pub(crate) fn is_temporary(&self) -> bool {
        use ExportErrorType::{Connection, Throttled, Timeout, Unavailable};
        matches!(self.kind, Connection | Throttled | Timeout | Unavailable)
    }
}

/// A text for a person. It is seen only where something is still on its way.
pub(crate) const PAUSED: &str = "telemetry is paused";

/// What became of the items of one request. Each request ends in exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The collector took it.
    Exported(Acceptance),
    /// It waits on disk, since this keeps it from the collector for now.
    Spooled(ExportError),
    /// The collector has not got it, and will not.
    Lost(ExportError),
    /// It was deleted, since telemetry is or was paused.
    Discarded,
}

impl Outcome {
    /// Taken with all items.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self, Self::Exported(Acceptance { rejected: 0, .. }))
    }
}

/// What a collector said that took a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acceptance {
    /// Items that it refused all the same.
    pub(crate) rejected: u64,
    /// Why, in its words; with nothing rejected a warning of the collector's.
    pub(crate) message: String,
}

impl Acceptance {
    /// What was refused, and why, for a person.
    pub(crate) fn complaint(&self) -> String {
        match self.message.as_str() {
            "" => "the collector rejected it".to_owned(),
            reason => format!("the collector rejected it: {reason}"),
        }
    }
}

/// One request: how many items it carried, and what became of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) items: u64,
    pub(crate) outcome: Outcome,
}
