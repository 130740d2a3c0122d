//! How many operations and messages ended, failed and were slow, by name, in the whole process.
//!
//! A recorder's counters cannot be read back, so what compares shares of failures, and what reports
//! how much an app did, reads these, with or without a recorder. To count one that ended well costs
//! one addition, and one more while durations are read. Messages are counted only while something
//! reads how many: an app without such a reader pays for a look at a flag.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
#[cfg(feature = "system")]
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

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
    /// How long those took that ended while durations were read.
    nanos: AtomicU64,
    /// What it had counted when its runs became events that the app handled; see
    /// [`counts_as_event`](Self::counts_as_event).
    #[cfg(feature = "system")]
    event_since: OnceLock<Ended>,
    /// Held to set `event_since`, and to read with it: else a reader could count as work what is an
    /// event's a moment later, and its next total would be smaller.
    #[cfg(feature = "system")]
    turn: Mutex<()>,
}

impl EndedCounter {
    /// The counter of that name; names beyond the cap share one.
    pub(crate) fn of(subject: Subject, name: &str) -> Arc<Self> {
        let names = names(subject);
        // Through the map, `_OTHER` would get a second counter of that name.
        if name == OTHER {
            return Arc::clone(names.other());
        }
        // `Registered` for all: both callers pass names that they have capped already.
        names.get(name, NameSource::Registered, Self::new)
    }

    fn new(name: &Arc<str>) -> Self {
        Self {
            name: Arc::clone(name),
            total: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            #[cfg(feature = "system")]
            event_since: OnceLock::new(),
            #[cfg(feature = "system")]
            turn: Mutex::new(()),
        }
    }

    /// Counts one that ended after `took`, with the type of its error if it failed.
    #[inline]
    pub(crate) fn count(&self, took: Duration, error_type: Option<&str>, is_slow: bool) {
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
        if are_durations_read() {
            // As it is summed only for a reader, a sum means nothing but as a difference between
            // two reads.
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.nanos.fetch_add(nanos, Ordering::Relaxed);
        }
        // Readers bound the failures by the total, since relaxed operations may be seen in any
        // order.
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts several that failed in the same way.
    pub(crate) fn count_failed(&self, error_type: ErrorType, count: u64) {
        use ErrorType::{Cancelled, Shutdown, Superseded};
        if matches!(error_type, Cancelled | Shutdown | Superseded) {
            return;
        }
        // No duration: `operations_ended` alone reads durations, and these are messages.
        self.failed.fetch_add(count, Ordering::Relaxed);
        self.total.fetch_add(count, Ordering::Relaxed);
    }

    /// From now on its runs are events that the app handled outside of the wire.
    #[cfg(feature = "system")]
    pub(crate) fn counts_as_event(&self) {
        self.counts_as_event_since(|| self.read());
    }

    #[cfg(feature = "system")]
    fn counts_as_event_since(&self, read: impl FnOnce() -> Ended) {
        // Each event asks this, so it takes no lock once it is said.
        if self.event_since.get().is_none() {
            let _turn = self.turn();
            self.event_since.get_or_init(read);
        }
    }

    #[cfg(feature = "system")]
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "system")]
    fn work_and_events(&self) -> (Ended, Ended) {
        let _turn = self.turn();
        let all = self.read();
        match self.event_since.get() {
            // The split is by time: what ended before the name was that of an event stays work.
            Some(before) => (*before, all.since(*before)),
            None => (all, Ended::default()),
        }
    }

    #[cfg(any(feature = "prometheus", feature = "otlp", feature = "system"))]
    fn read(&self) -> Ended {
        Ended {
            failed: self.failed.load(Ordering::Relaxed),
            slow: self.slow.load(Ordering::Relaxed),
            nanos: self.nanos.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
        }
    }
}

/// How many ended since the process began.
#[cfg(any(feature = "prometheus", feature = "otlp", feature = "system"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) total: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
    /// How long those took that ended while durations were read.
    pub(crate) nanos: u64,
}

/// Something is counted as long as one of these is there.
#[cfg(any(feature = "prometheus", feature = "otlp", feature = "system"))]
#[derive(Debug)]
pub(crate) struct Reader(&'static AtomicUsize);

#[cfg(any(feature = "prometheus", feature = "otlp", feature = "system"))]
impl Reader {
    /// Of how long operations took.
    #[cfg(feature = "system")]
    pub(crate) fn of_durations() -> Self {
        Self::of(&DURATION_READERS)
    }

    /// Of how many messages ended.
    #[cfg(any(feature = "prometheus", feature = "otlp"))]
    pub(crate) fn of_events() -> Self {
        Self::of(&EVENT_READERS)
    }

    fn of(readers: &'static AtomicUsize) -> Self {
        readers.fetch_add(1, Ordering::Relaxed);
        Self(readers)
    }
}

#[cfg(any(feature = "prometheus", feature = "otlp", feature = "system"))]
impl Drop for Reader {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether anything reads how long they took.
#[inline]
pub(crate) fn are_durations_read() -> bool {
    DURATION_READERS.load(Ordering::Relaxed) != 0
}

/// Whether anything reads how many messages ended.
#[inline]
pub(crate) fn are_events_read() -> bool {
    EVENT_READERS.load(Ordering::Relaxed) != 0
}

/// The operations of all names together: those that are work, and those that are events which the
/// app handled outside of the wire.
#[cfg(feature = "system")]
pub(crate) fn operations_ended() -> (Ended, Ended) {
    let (mut work, mut events) = (Ended::default(), Ended::default());
    OPERATIONS.for_each(|counter| {
        let (of_work, of_events) = counter.work_and_events();
        work.add(of_work);
        events.add(of_events);
    });
    (work, events)
}

#[cfg(any(feature = "prometheus", feature = "otlp", feature = "system"))]
impl Ended {
    #[cfg(feature = "system")]
    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.failed += other.failed;
        self.slow += other.slow;
        self.nanos = self.nanos.saturating_add(other.nanos);
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            failed: self.failed.saturating_sub(earlier.failed),
            slow: self.slow.saturating_sub(earlier.slow),
            nanos: self.nanos.saturating_sub(earlier.nanos),
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

static DURATION_READERS: AtomicUsize = AtomicUsize::new(0);
static EVENT_READERS: AtomicUsize = AtomicUsize::new(0);
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
        counter.count(Duration::ZERO, None, true);
        counter.count(Duration::ZERO, Some("io::Error"), false);
        counter.count(Duration::ZERO, Some("cancelled"), true);
        counter.count_failed(ErrorType::Superseded, 9);
        counter.count_failed(ErrorType::QueueFull, 2);
        let expected = Ended {
            total: 4,
            failed: 3,
            slow: 1,
            // Another test of the process may read durations, and these took none.
            nanos: 0,
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

    #[cfg(feature = "system")]
    #[test]
    fn durations_are_summed_up_while_they_are_read() {
        let counter = EndedCounter::of(Subject::Operation, "ended_test_durations");
        let reader = Reader::of_durations();
        let before = counter.read();
        counter.count(Duration::from_nanos(7), None, false);
        counter.count(Duration::from_nanos(9), Some("cancelled"), false);
        assert_eq!(counter.read().since(before).nanos, 7);
        assert!(are_durations_read());
        drop(reader);
    }

    #[cfg(feature = "system")]
    #[test]
    fn what_ended_before_its_name_was_an_events_stays_work() {
        let counter = EndedCounter::of(Subject::Operation, "ended_test_became_event");
        counter.count(Duration::ZERO, None, false);
        counter.counts_as_event();
        counter.count(Duration::ZERO, None, false);
        counter.count(Duration::ZERO, Some("io::Error"), false);
        counter.counts_as_event();
        let (work, events) = counter.work_and_events();
        assert_eq!((work.total, work.failed), (1, 0));
        assert_eq!((events.total, events.failed), (2, 1));
    }

    #[cfg(feature = "system")]
    #[test]
    fn work_is_not_read_while_its_name_becomes_an_events() {
        let counter = EndedCounter::new(&Arc::from("ended_test_turn"));
        let (found, work) = std::sync::mpsc::sync_channel(1);
        std::thread::scope(|scope| {
            counter.counts_as_event_since(|| {
                let before = counter.read();
                counter.count(Duration::ZERO, None, false);
                scope.spawn(|| found.send(counter.work_and_events().0.total).unwrap());
                // A reader that does not wait counts one as work that is an event's at once after.
                assert!(work.recv_timeout(Duration::from_millis(200)).is_err());
                before
            });
            assert_eq!(work.recv(), Ok(0));
        });
    }

    #[test]
    fn an_operation_and_an_event_of_one_name_are_counted_apart() {
        let operation = EndedCounter::of(Subject::Operation, "ended_test_apart");
        operation.count(Duration::ZERO, None, false);
        let event = EndedCounter::of(Subject::Event, "ended_test_apart");
        assert_eq!(event.read(), Ended::default());
    }
}
