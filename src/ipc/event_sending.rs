//! How the events of one name are sent to the page.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whether the events of one name replace each other in the queue, and how many there were.
#[derive(Debug, Default)]
pub(super) struct EventSending {
    coalesced: AtomicBool,
    emitted: AtomicU64,
}

// Relaxed throughout: each value stands alone and orders no other memory.
impl EventSending {
    #[inline]
    pub(super) fn is_coalesced(&self) -> bool {
        self.coalesced.load(Ordering::Relaxed)
    }

    /// Sets it; returns whether that changed it.
    pub(super) fn set_coalesced(&self, coalesced: bool) -> bool {
        self.coalesced.swap(coalesced, Ordering::Relaxed) != coalesced
    }

    #[inline]
    pub(super) fn count(&self) {
        self.emitted.fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(feature = "system")]
    pub(super) fn emitted(&self) -> u64 {
        self.emitted.load(Ordering::Relaxed)
    }
}
