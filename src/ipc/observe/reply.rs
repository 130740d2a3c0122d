//! A reply that leaves here and now, and is recorded a moment later.

use std::fmt;

use super::handling::Handling;
use crate::clock::Stamp;
use crate::instrument::later::later;
use crate::instrument::record_sink;
use crate::ipc::series::Outcome;
use crate::ipc::spans::parent::TraceParent;
use crate::semconv::ErrorType;

/// A reply that the message layer hands to the webview; made by
/// [`Handling::replying`](super::Handling::replying).
///
/// One that is dropped ends as `cancelled`.
#[must_use = "a reply that is dropped ends as cancelled"]
pub struct Reply {
    /// None once it ended.
    leaving: Option<Leaving>,
}

/// What is known of it when its message ended.
pub(super) struct Leaving {
    pub(super) handling: Handling,
    /// How the handlers ended the message.
    pub(super) outcome: Outcome,
    pub(super) bytes: usize,
    pub(super) parent: TraceParent,
    pub(super) at: Stamp,
    /// Whether this thread records it: a record of the history tells of its thread.
    pub(super) is_recorded_here: bool,
}

impl Leaving {
    /// A history is kept, or nothing needs to be recorded on this thread.
    pub(super) fn is_recorded_here() -> bool {
        record_sink::is_on()
    }

    fn handed_over(self, at: Stamp) {
        let Self {
            handling,
            outcome,
            bytes,
            parent,
            at: began,
            ..
        } = self;
        let delivery = handling.reply_at(outcome, bytes, &parent, began);
        delivery.handed_over_at(began, at);
    }
}

impl Reply {
    pub(super) fn new(leaving: Leaving) -> Self {
        Self {
            leaving: Some(leaving),
        }
    }

    /// The webview took it: as [`Delivery::handed_over`](super::Delivery::handed_over).
    pub fn handed_over(mut self) {
        let Some(leaving) = self.leaving.take() else {
            return;
        };
        let at = leaving.handling.now();
        if leaving.is_recorded_here {
            leaving.handed_over(at);
        } else {
            later(move || leaving.handed_over(at));
        }
    }

    /// It did not reach the page.
    pub fn failed(mut self, error: ErrorType) {
        self.fail(error);
    }

    // Seldom, so the caller records it.
    fn fail(&mut self, error: ErrorType) {
        if let Some(leaving) = self.leaving.take() {
            let Leaving {
                handling,
                outcome,
                bytes,
                parent,
                at,
                ..
            } = leaving;
            handling.reply_at(outcome, bytes, &parent, at).failed(error);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.fail(ErrorType::Cancelled);
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leaving = self.leaving.as_ref();
        f.debug_struct("Reply")
            .field("handling", &leaving.map(|leaving| &leaving.handling))
            .field("bytes", &leaving.map(|leaving| leaving.bytes))
            .finish_non_exhaustive()
    }
}
