//! The place that a message takes while a handler has it that is not done when it returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
}

impl Drop for HandlerSlot {
    fn drop(&mut self) {
        self.held.count.fetch_sub(1, Ordering::Relaxed);
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
