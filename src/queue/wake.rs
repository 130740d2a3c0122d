//! Wakes a consumer once per burst.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The consumer's waker, and whether it was called since the consumer last looked.
#[derive(Default)]
pub(super) struct Wake {
    set: AtomicBool,
    outstanding: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

type Waker = Arc<dyn Fn() + Send + Sync>;

impl Wake {
    /// Sets the waker in place of an earlier one. Signal afterwards if messages wait already.
    pub(super) fn set(&self, waker: Waker) {
        let earlier = self
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(waker);
        // Outside the lock, since dropping it may run code of the app.
        drop(earlier);
        // A call of the earlier waker may be outstanding, and its consumer may never come.
        self.rearm();
        // SeqCst here, at the load in `signal` and at the queue's count: a push that does not see
        // the waker is one that the setter sees in the queue.
        self.set.store(true, Ordering::SeqCst);
    }

    /// Calls the waker unless a call is outstanding. To be called after publishing.
    #[inline]
    pub(super) fn signal(&self) {
        if self.set.load(Ordering::SeqCst) {
            self.signal_set();
        }
    }

    fn signal_set(&self) {
        // A read-modify-write on both sides puts this one before or after the consumer's: if it
        // reads true, the consumer's comes later and makes the consumer see the message. A plain
        // load could read an old true while the consumer is already past its look.
        if self.outstanding.swap(true, Ordering::AcqRel) {
            return;
        }
        let waker = self
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(waker) = waker {
            waker();
        }
    }

    pub(super) fn rearm(&self) {
        self.outstanding.swap(false, Ordering::AcqRel);
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wake")
            .field("set", &self.set)
            .field("outstanding", &self.outstanding)
            .finish_non_exhaustive()
    }
}
