//! How many operations and messages ended, failed and were slow, by name, in the whole process.
//!
//! A recorder's counters cannot be read back, so what compares shares of failures reads these. To
//! count one that ended well costs one addition.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use super::cardinality::{CappedNames, NameSource};
use crate::semconv::{ErrorType, OTHER};

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Subject {
    Operation,
    /// An event of the wire, whichever webview it belongs to.
    Event,
}

/// Counts under one name. What ended by no failure of the app's (cancelled; of messages also
/// superseded, shut down) is not counted, as the dashboards judge it.
#[derive(Debug)]
pub(crate) struct EndedCounter {
    #[cfg_attr(
        not(any(feature = "prometheus", feature = "otlp")),
        expect(dead_code, reason = "only telemetry reads it")
    )]
    name: Arc<str>,
    total: AtomicU64,
    failed: AtomicU64,
    slow: AtomicU64,
}

impl EndedCounter {
    /// The counter of that name; names beyond the cap share one.
    pub(crate) fn of(subject: Subject, name: &str) -> Arc<Self> {
        let names = names(subject);
        if name == OTHER {
            return Arc::clone(names.other());
        }
        names.get(name, NameSource::Registered, Self::new)
    }

    fn new(name: &Arc<str>) -> Self {
        Self {
            name: Arc::clone(name),
            total: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            slow: AtomicU64::new(0),
        }
    }

    /// Counts one that ended, with the type of its error if it failed.
    #[inline]
    pub(crate) fn count(&self, error_type: Option<&str>, is_slow: bool) {
        // Relaxed throughout: who reads them bears being off by the one that is counted now.
        if let Some(error_type) = error_type {
            if error_type == ErrorType::Cancelled.as_str() {
                return;
            }
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        if is_slow {
            self.slow.fetch_add(1, Ordering::Relaxed);
        }
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts several that failed in the same way.
    pub(crate) fn count_failed(&self, error_type: ErrorType, count: u64) {
        use ErrorType::{Cancelled, Shutdown, Superseded};
        if matches!(error_type, Cancelled | Shutdown | Superseded) {
            return;
        }
        self.failed.fetch_add(count, Ordering::Relaxed);
        self.total.fetch_add(count, Ordering::Relaxed);
    }

    #[cfg(any(feature = "prometheus", feature = "otlp"))]
    fn read(&self) -> Ended {
        Ended {
            failed: self.failed.load(Ordering::Relaxed),
            slow: self.slow.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
        }
    }
}

/// How many ended since the process began.
#[cfg(any(feature = "prometheus", feature = "otlp"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) total: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
}

#[cfg(any(feature = "prometheus", feature = "otlp"))]
impl Ended {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            failed: self.failed.saturating_sub(earlier.failed),
            slow: self.slow.saturating_sub(earlier.slow),
        }
    }
}

/// Every name that has a counter, with what it counted.
#[cfg(any(feature = "prometheus", feature = "otlp"))]
pub(crate) fn every_ended() -> Vec<(Subject, Arc<str>, Ended)> {
    let mut all = Vec::new();
    for subject in [Subject::Operation, Subject::Event] {
        names(subject).for_each(|counter| {
            all.push((subject, Arc::clone(&counter.name), counter.read()));
        });
    }
    all
}

fn names(subject: Subject) -> &'static CappedNames<EndedCounter> {
    match subject {
        Subject::Operation => &OPERATIONS,
        Subject::Event => &EVENTS,
    }
}

static OPERATIONS: LazyLock<CappedNames<EndedCounter>> =
    LazyLock::new(|| CappedNames::new(EndedCounter::new));
static EVENTS: LazyLock<CappedNames<EndedCounter>> =
    LazyLock::new(|| CappedNames::new(EndedCounter::new));

#[cfg(all(test, any(feature = "prometheus", feature = "otlp")))]
mod tests {
    use super::*;

    #[test]
    fn what_is_nobodys_failure_is_not_counted() {
        let counter = EndedCounter::of(Subject::Operation, "ended_test_judged");
        counter.count(None, true);
        counter.count(Some("io::Error"), false);
        counter.count(Some("cancelled"), true);
        counter.count_failed(ErrorType::Superseded, 9);
        counter.count_failed(ErrorType::QueueFull, 2);
        let expected = Ended {
            total: 4,
            failed: 3,
            slow: 1,
        };
        assert_eq!(counter.read(), expected);
        let all = every_ended();
        let found = all
            .iter()
            .find(|(subject, name, _)| {
                *subject == Subject::Operation && **name == *"ended_test_judged"
            })
            .unwrap();
        assert_eq!(found.2, expected);
    }

    #[test]
    fn an_operation_and_an_event_of_one_name_are_counted_apart() {
        let operation = EndedCounter::of(Subject::Operation, "ended_test_apart");
        operation.count(None, false);
        let event = EndedCounter::of(Subject::Event, "ended_test_apart");
        assert_eq!(event.read(), Ended::default());
    }
}
