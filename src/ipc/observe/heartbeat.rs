//! How long the UI thread takes to come, where another message layer owns its event loop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Stamp};
use crate::ipc::waker::Waker;

/// Wakes the UI thread now and then, and measures how long it takes to come.
#[derive(Debug)]
pub(super) struct Heartbeat {
    pub(super) waker: Waker,
    /// When it was woken last, in nanoseconds; 0 before the first time.
    woken_at: AtomicU64,
}

/// Who reads the metrics comes each second or so, and may be early by a little.
const EVERY: Duration = Duration::from_millis(900);

impl Heartbeat {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            waker: Waker::new(clock),
            woken_at: AtomicU64::new(0),
        }
    }

    /// Asks the UI thread for a sign of life, unless that was done a moment ago.
    pub(super) fn beat(&self, now: Stamp) {
        // Relaxed: of two that look at once, the second finds a wake that was sent.
        let before = self.woken_at.load(Ordering::Relaxed);
        let before = Stamp::NONE.plus(Duration::from_nanos(before));
        if before == Stamp::NONE || now.since(before) >= EVERY {
            self.woken_at.store(now.as_nanos(), Ordering::Relaxed);
            // It calls the app's closure only if the last wake was answered or forgotten.
            self.waker.wake();
        }
    }

    /// Since when the UI thread has not come.
    pub(super) fn unanswered_since(&self) -> Option<Stamp> {
        self.waker.unanswered_since()
    }
}
