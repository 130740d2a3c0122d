//! From which duration on an operation counts as slow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The threshold of operations that have none of their own; unset is the default.
static GLOBAL: Threshold = Threshold::unset();

const DEFAULT: Duration = Duration::from_secs(1);

/// Sets from which duration on an operation counts as slow, unless it has a threshold of its own.
///
/// The default is 1 s. It holds from the next operation that ends.
pub fn set_slow_threshold(threshold: Duration) {
    GLOBAL.set(Some(threshold));
}

/// The duration from which on an operation counts as slow, unless it has a threshold of its own.
#[must_use]
pub fn slow_threshold() -> Duration {
    GLOBAL.get().unwrap_or(DEFAULT)
}

/// A duration that may be unset and can change while others read it.
#[derive(Debug)]
pub(super) struct Threshold(AtomicU64);

const UNSET: u64 = u64::MAX;

impl Threshold {
    pub(super) const fn unset() -> Self {
        Self(AtomicU64::new(UNSET))
    }

    pub(super) fn set(&self, threshold: Option<Duration>) {
        let nanos = threshold.map_or(UNSET, |threshold| {
            // Five centuries and above are all "never".
            u64::try_from(threshold.as_nanos()).map_or(UNSET - 1, |nanos| nanos.min(UNSET - 1))
        });
        // Relaxed: the value stands alone, it orders no other memory.
        self.0.store(nanos, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn get(&self) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            // Relaxed as well: a run that ends meanwhile is judged by either value.
            UNSET => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_longer_than_the_clock_counts_is_never_and_not_unset() {
        let threshold = Threshold::unset();
        assert_eq!(threshold.get(), None);
        threshold.set(Some(Duration::MAX));
        assert!(threshold.get().unwrap() > Duration::from_secs(500 * 365 * 24 * 3600));
        threshold.set(Some(Duration::ZERO));
        assert_eq!(threshold.get(), Some(Duration::ZERO));
        threshold.set(None);
        assert_eq!(threshold.get(), None);
    }
}
