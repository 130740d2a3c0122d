//! Lets so many of a flood through in each second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Stamp;

const SECOND: Duration = Duration::from_secs(1);
/// The interval of which none is ever due.
const NONE: u64 = u64::MAX;

/// Admits so many a second (or a minute), and as many at once: the generic cell rate algorithm, which
/// is one word, so that a flood costs little more than the look at it.
#[derive(Debug)]
pub(crate) struct RateLimit {
    /// Nanoseconds that one takes; [`NONE`] when none is let through. It may change at any time.
    interval: AtomicU64,
    /// What may come at once is as much as comes in this time.
    window: Duration,
    /// When all that was admitted would have been, had it come evenly.
    due: AtomicU64,
}

impl RateLimit {
    pub(crate) fn per_second(rate: u32) -> Self {
        Self::per(SECOND, rate)
    }

    #[cfg_attr(
        not(any(feature = "otlp", feature = "history")),
        expect(
            dead_code,
            reason = "for the sampler of what is exported, and the history"
        )
    )]
    pub(crate) fn per_minute(rate: u32) -> Self {
        Self::per(60 * SECOND, rate)
    }

    fn per(window: Duration, rate: u32) -> Self {
        Self {
            interval: AtomicU64::new(interval(window, rate)),
            window,
            due: AtomicU64::new(0),
        }
    }

    /// Admits that many in its window from now on.
    pub(crate) fn set_rate(&self, rate: u32) {
        // The due time stays, so a new rate does not give a second burst at once.
        self.interval
            .store(interval(self.window, rate), Ordering::Relaxed);
    }

    pub(crate) fn admits(&self, now: Stamp) -> bool {
        let interval = self.interval.load(Ordering::Relaxed);
        // As much as a whole window may come at once, since the due time may run ahead by so much.
        let latest = now.plus(self.window).as_nanos();
        // Relaxed: the word orders nothing but itself.
        self.due
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
                // `max`: idle time is not saved up beyond one window. With `NONE` the sum saturates
                // above `latest`, so nothing is admitted.
                let next = due.max(now.as_nanos()).saturating_add(interval);
                // A refusal leaves the word as it is: a flood does not put off the next admission.
                (next <= latest).then_some(next)
            })
            .is_ok()
    }

    /// Whether as much may come at once as ever.
    #[cfg_attr(
        not(feature = "otlp"),
        expect(dead_code, reason = "for the sampler of what is exported")
    )]
    pub(crate) fn is_whole(&self, now: Stamp) -> bool {
        self.due.load(Ordering::Relaxed) <= now.as_nanos()
    }
}

fn interval(window: Duration, rate: u32) -> u64 {
    let nanos = window.as_nanos() as u64;
    // A rate of 0 gives `NONE`. One above a billion per second gives 0, which admits all.
    nanos.checked_div(rate.into()).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FakeTime;

    #[test]
    fn a_second_may_come_at_once_and_then_it_comes_evenly() {
        let time = FakeTime::start();
        let clock = time.clock();
        let rate = RateLimit::per_second(100);
        let admitted = |tries| (0..tries).filter(|_| rate.admits(clock.now())).count();
        assert_eq!(admitted(1_000), 100);
        time.advance(Duration::from_millis(100));
        assert_eq!(admitted(1_000), 10);
        time.advance(Duration::from_secs(3_600));
        assert_eq!(admitted(1_000), 100, "nothing is saved up for longer");
    }

    #[test]
    fn a_rate_that_is_changed_holds_from_then_on() {
        let time = FakeTime::start();
        let clock = time.clock();
        let rate = RateLimit::per_second(100);
        let admitted = |tries| (0..tries).filter(|_| rate.admits(clock.now())).count();
        rate.set_rate(7);
        assert_eq!(admitted(1_000), 7);
        time.advance(SECOND);
        rate.set_rate(0);
        assert_eq!(admitted(1_000), 0);
        rate.set_rate(50);
        assert_eq!(admitted(1_000), 50);
    }

    #[test]
    fn none_and_all_are_rates_too() {
        let clock = FakeTime::start().clock();
        let none = RateLimit::per_second(0);
        assert!(!none.admits(clock.now()));
        let all = RateLimit::per_second(u32::MAX);
        assert!((0..100_000).all(|_| all.admits(clock.now())));
    }
}
