//! The place that a message takes while a handler has it that is not done when it returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::semconv::ErrorType;

/// Messages that async handlers and responders of one wire hold, whatever became of their page.
#[derive(Debug, Default)]
pub(super) struct HeldMessages {
    count: AtomicUsize,
    /// Of their payloads.
    bytes: AtomicUsize,
}

impl HeldMessages {
    /// Counts one more, until what is returned is dropped.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize) -> HandlerSlot {
        // Relaxed: the counts order nothing.
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        HandlerSlot {
            held: Arc::clone(self),
            bytes,
            has_timed_out: AtomicBool::new(false),
        }
    }

    /// Whether the message that was counted last is one too many.
    pub(super) fn is_beyond(&self, count_max: usize, bytes_max: usize) -> bool {
        self.count.load(Ordering::Relaxed) > count_max
            || self.bytes.load(Ordering::Relaxed) > bytes_max
    }
}

/// Holds one message among them.
#[derive(Debug)]
pub(super) struct HandlerSlot {
    held: Arc<HeldMessages>,
    bytes: usize,
    /// Whether the page did not wait for its answer any longer.
    // A flag is enough: a page withdraws a call as `timeout` or as `cancelled`.
    has_timed_out: AtomicBool,
}

impl HandlerSlot {
    /// The page withdrew the message, and says why.
    pub(super) fn withdraw(&self, error: ErrorType) {
        // Release: the handler's call is stopped afterwards, and then reads why.
        self.has_timed_out
            .store(error == ErrorType::Timeout, Ordering::Release);
    }

    /// Why the page does not wait for the answer.
    pub(super) fn withdrawn_as(&self) -> ErrorType {
        if self.has_timed_out.load(Ordering::Acquire) {
            ErrorType::Timeout
        } else {
            ErrorType::Cancelled
        }
    }
}

impl Drop for HandlerSlot {
    fn drop(&mut self) {
        // With the slot and not with the call's end: until then the handler may hold the payload.
        self.held.count.fetch_sub(1, Ordering::Relaxed);
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
