//! How many traces that failed in one way are kept: a flood of one failure must not bury the others.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::clock::Stamp;
use crate::instrument::rate_limit::RateLimit;

/// In which way a span failed: its name and its `error.type`, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Failure(u64);

impl Failure {
    pub(super) fn of(name: &str, error: Option<&str>) -> Self {
        // A number, so that a class is copied and compared without its texts. With fixed keys: the
        // greater of two failures rules a trace, and must always be the same one.
        let mut hasher = DefaultHasher::new();
        (name, error).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The budget of each way to fail.
#[derive(Debug)]
pub(super) struct Failures {
    per_minute: u32,
    kinds: HashMap<Failure, RateLimit, foldhash::fast::RandomState>,
    /// Of those for which there is no room, together.
    others: RateLimit,
}

/// Ways to fail that have a budget of their own at the same time.
const KINDS_MAX: usize = 256;

impl Failures {
    /// As many a minute of each, which may come at once.
    pub(super) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            kinds: HashMap::default(),
            others: RateLimit::per_minute(per_minute),
        }
    }

    /// Whether a trace that failed so is within the budget of its like.
    pub(super) fn admits(&mut self, failure: Failure, now: Stamp) -> bool {
        if let Some(budget) = self.kinds.get(&failure) {
            return budget.admits(now);
        }
        if self.kinds.len() >= KINDS_MAX {
            // One that is whole again is as good as new.
            // At the bound only, and 256 at most, so that a flood of new failures costs little
            // each.
            self.kinds.retain(|_, budget| !budget.is_whole(now));
        }
        if self.kinds.len() >= KINDS_MAX {
            // Not refused: what is new may matter more than what is known, within one budget for
            // all.
            return self.others.admits(now);
        }
        let budget = RateLimit::per_minute(self.per_minute);
        let is_admitted = budget.admits(now);
        self.kinds.insert(failure, budget);
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FakeTime;
    use std::time::Duration;

    fn kept(failures: &mut Failures, name: &str, tries: u32, now: Stamp) -> usize {
        let failure = Failure::of(name, Some("handler_error"));
        (0..tries).filter(|_| failures.admits(failure, now)).count()
    }

    #[test]
    fn a_flood_of_one_failure_takes_nothing_from_the_others() {
        let time = FakeTime::start();
        let clock = time.clock();
        let mut failures = Failures::new(60);
        assert_eq!(kept(&mut failures, "flood", 10_000, clock.now()), 60);
        assert_eq!(kept(&mut failures, "rare", 3, clock.now()), 3);
        time.advance(Duration::from_secs(5));
        assert_eq!(kept(&mut failures, "flood", 10_000, clock.now()), 5);
        assert_ne!(Failure::of("a", None), Failure::of("a", Some("panic")));
    }

    #[test]
    fn ways_to_fail_beyond_the_bound_share_a_budget_until_others_are_forgotten() {
        let time = FakeTime::start();
        let clock = time.clock();
        let mut failures = Failures::new(60);
        let now = clock.now();
        for kind in 0..KINDS_MAX {
            assert_eq!(kept(&mut failures, &kind.to_string(), 1, now), 1);
        }
        let beyond: usize = (0..100)
            .map(|kind| kept(&mut failures, &format!("beyond {kind}"), 1, now))
            .sum();
        assert_eq!((beyond, failures.kinds.len()), (60, KINDS_MAX));
        time.advance(Duration::from_secs(60));
        assert_eq!(kept(&mut failures, "beyond 0", 61, clock.now()), 60);
        assert_eq!(failures.kinds.len(), 1);
    }
}
