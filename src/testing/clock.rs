//! The clock that a test moves by hand.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, FakeTime, Stamp};

/// A clock that stands still until [`advance`](Self::advance) moves it.
///
/// Clones tell the same time.
///
/// ```
/// use spanwire::testing::FakeClock;
/// use std::time::Duration;
///
/// let clock = FakeClock::new();
/// let start = clock.now();
/// clock.advance(Duration::from_millis(5));
/// assert_eq!(clock.run(spanwire::clock::now).since(start), Duration::from_millis(5));
/// ```
#[derive(Clone, Debug)]
pub struct FakeClock(Arc<FakeTime>);

impl FakeClock {
    /// A clock that starts in the first seconds of 2026.
    #[must_use]
    pub fn new() -> Self {
        Self(FakeTime::start())
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.0.advance(by);
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Stamp {
        self.clock().now()
    }

    /// The clock to hand to something that keeps one.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.0.clock()
    }

    /// Runs `f` with this clock in force on this thread.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.0.run(f)
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}
