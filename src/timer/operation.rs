//! Operations by name, and the instruments of each.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::text::cut;
use super::threshold::{self, Threshold};
use crate::clock::Stamp;
use crate::instrument::cardinality::{CappedNames, NameSource};
use crate::instrument::ended::{EndedCounter, Subject};
use crate::instrument::handles::{self, GaugeSums, Instruments, Publish};
use crate::instrument::open_work::{OpenWork, WorkName};
use crate::semconv::{self, ERROR_TYPE, OPERATION_NAME};

/// Longer names are cut: they become a label of every series and the name of every span.
const NAME_MAX: usize = 128;

/// A handle to the operation of that name, which spares its users the look-up.
///
/// ```
/// use spanwire::timer::operation;
///
/// let stroke = operation("brush_stroke");
/// for _ in 0..3 {
///     stroke.monitor().time(|| { /* … */ });
/// }
/// ```
#[must_use]
pub fn operation(name: &str) -> Operation {
    // Cut before the look-up, so that all texts with one beginning are one operation.
    let name = valid_name(name);
    Operation(
        OPERATIONS
            .names
            .get(name, NameSource::Registered, OperationState::new),
    )
}

/// Sets the threshold of one operation; `None` takes it back.
///
/// It beats the code's [`Monitor::slow_after`](super::Monitor::slow_after), so a running app can be
/// told to look closer. It holds from the next time that the operation ends.
///
/// ```
/// use spanwire::timer::set_slow_threshold_of;
/// use std::time::Duration;
///
/// set_slow_threshold_of("load_scene", Duration::from_millis(200));
/// set_slow_threshold_of("load_scene", None);
/// ```
pub fn set_slow_threshold_of(operation_name: &str, threshold: impl Into<Option<Duration>>) {
    operation(operation_name).set_slow_threshold(threshold);
}

/// The name as it is used: not too long, and not empty, since an empty label is the same as none.
pub(super) fn valid_name(name: &str) -> &str {
    match cut(name, NAME_MAX) {
        "" => semconv::OTHER,
        name => name,
    }
}

/// A named operation. Clones are the same operation.
#[derive(Clone)]
pub struct Operation(Arc<OperationState>);

impl Operation {
    /// Its name; `_OTHER` when it came after the 200 names that have series of their own.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn shared_name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The same for spans, which then copy no text.
    pub(super) fn static_name(&self) -> &'static str {
        self.0.static_name
    }

    /// How many of it are running, as far as they are measured.
    #[must_use]
    pub fn active(&self) -> u64 {
        u64::try_from(self.0.active.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// As [`set_slow_threshold_of`](super::set_slow_threshold_of).
    pub fn set_slow_threshold(&self, threshold: impl Into<Option<Duration>>) {
        self.0.slow_after.set(threshold.into());
    }

    /// The threshold in force, when the code asks for `in_code`.
    #[inline]
    pub(super) fn slow_after(&self, in_code: Option<Duration>) -> Duration {
        self.0
            .slow_after
            .get()
            // What was set at run time goes first: it is how a person looks closer at a running
            // app.
            .or(in_code)
            .unwrap_or_else(threshold::slow_threshold)
    }

    /// Whether it is this one's turn when one in `n` gets a span.
    #[inline]
    pub(super) fn is_sampled(&self, n: u32) -> bool {
        match n {
            0 => false,
            1 => true,
            n => {
                let turn = self.0.turns.fetch_add(1, Ordering::Relaxed);
                // Turns begin at 0, so the first run of an operation has a span.
                turn.is_multiple_of(u64::from(n))
            }
        }
    }

    /// Shows the history that a run is open, until what is returned is dropped.
    #[inline]
    pub(super) fn open_work(&self, began: Stamp) -> OpenWork {
        self.0.work.begin(began)
    }

    /// Counts one more that runs, and makes sure that its gauge exists.
    #[inline]
    pub(super) fn run_started(&self) {
        self.handles();
        self.0.active.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn run_ended(&self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts one that ended; `slow` when it took its threshold or longer.
    #[inline]
    pub(super) fn record_ended(&self, elapsed: Duration, error_type: Option<&str>, slow: bool) {
        // The count precedes the look for a recorder: thresholds and reports count without one.
        self.0.ended.count(elapsed, error_type, slow);
        let Some(handles) = self.handles() else {
            return;
        };
        let seconds = elapsed.as_secs_f64();
        match error_type {
            None => handles.ok.record(seconds),
            // Failures are series of the same metric, so its count is all runs, and a rate of
            // failures is a share of it.
            Some(error_type) => handles
                .of_failures(&self.0.name, error_type)
                .record(seconds),
        }
        if slow {
            handles.slow.increment(1);
        }
    }

    /// Its runs are events that the app handled.
    #[cfg(feature = "system")]
    pub(super) fn counts_as_event(&self) {
        self.0.ended.counts_as_event();
    }

    #[inline]
    fn handles(&self) -> Option<&Handles> {
        self.0.instruments.get(|| Handles::register(&self.0.name))
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("name", &self.0.name)
            .field("active", &self.active())
            .finish_non_exhaustive()
    }
}

struct OperationState {
    name: Arc<str>,
    static_name: &'static str,
    /// Set at run time, see `set_slow_threshold_of`.
    slow_after: Threshold,
    // The operation keeps this count, not the gauge: setting a gauge costs more, and several
    // recorders may have one each.
    active: AtomicI64,
    turns: AtomicU64,
    work: WorkName,
    ended: Arc<EndedCounter>,
    instruments: Instruments<Handles>,
}

impl OperationState {
    fn new(name: &Arc<str>) -> Self {
        Self {
            name: Arc::clone(name),
            // Operations are kept for as long as the process runs anyway, and they are few.
            static_name: Box::leak(Box::from(&**name)),
            slow_after: Threshold::unset(),
            active: AtomicI64::new(0),
            turns: AtomicU64::new(0),
            work: WorkName::of_operation(name),
            ended: EndedCounter::of(Subject::Operation, name),
            instruments: Instruments::new(),
        }
    }
}

struct Handles {
    ok: Histogram,
    slow: Counter,
    active: Gauge,
    /// By error type. Failing is rare, and there are few types: a list under a lock will do.
    failed: Mutex<Vec<(String, Histogram)>>,
}

impl Handles {
    fn register(name: &str) -> Self {
        // The gauge belongs to the app, but it is published only where operations are measured.
        publish_slow_threshold();
        let labels = [(OPERATION_NAME, name)];
        Self {
            ok: handles::histogram(&semconv::OPERATION_DURATION, &labels),
            slow: handles::counter(&semconv::OPERATION_SLOW, &labels),
            active: handles::gauge(&semconv::OPERATION_ACTIVE, &labels),
            failed: Mutex::default(),
        }
    }

    fn failed(&self) -> MutexGuard<'_, Vec<(String, Histogram)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The histogram of failures of that type, which `failure.rs` keeps few.
    #[cold]
    fn of_failures(&self, name: &str, error_type: &str) -> Histogram {
        if let Some(histogram) = find(&self.failed(), error_type) {
            return histogram;
        }
        // Without the lock, since a recorder may be code of the app. Two threads may both register,
        // which gives two handles to one series.
        let labels = [(OPERATION_NAME, name), (ERROR_TYPE, error_type)];
        let histogram = handles::histogram(&semconv::OPERATION_DURATION, &labels);
        let mut failed = self.failed();
        if find(&failed, error_type).is_none() {
            // At most 53 types can be here: those that `failure.rs` keeps, `_OTHER`, `panic` and
            // `cancelled`.
            failed.push((error_type.to_owned(), histogram.clone()));
        }
        histogram
    }
}

fn find(failed: &[(String, Histogram)], error_type: &str) -> Option<Histogram> {
    let known = failed.iter().find(|(known, _)| known == error_type);
    known.map(|(_, histogram)| histogram.clone())
}

/// Every operation of the process: names are few, and dashboards know them by name alone.
struct Operations {
    names: CappedNames<OperationState>,
    /// Keeps the registration alive.
    _gauges: Arc<dyn Publish>,
}

static OPERATIONS: LazyLock<Operations> = LazyLock::new(|| {
    let gauges: Arc<dyn Publish> = Arc::new(Gauges);
    let weak: Weak<dyn Publish> = Arc::downgrade(&gauges);
    handles::register_everywhere(weak);
    Operations {
        names: CappedNames::new(OperationState::new),
        _gauges: gauges,
    }
});

/// The operations that are running, with how many of each; those of most first.
#[cfg(feature = "system")]
pub(crate) fn running_now() -> Vec<(String, u64)> {
    let mut running = Vec::new();
    OPERATIONS.names.for_each(|state| {
        let active = u64::try_from(state.active.load(Ordering::Relaxed)).unwrap_or(0);
        if active > 0 {
            running.push((state.name.to_string(), active));
        }
    });
    running.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
    running
}

static THRESHOLD: Instruments<Gauge> = Instruments::new();

/// Writes the threshold in force to its gauge.
pub(crate) fn publish_slow_threshold() {
    let register = || handles::gauge(&semconv::OPERATION_SLOW_THRESHOLD, &[]);
    if let Some(gauge) = THRESHOLD.get(register) {
        gauge.set(threshold::slow_threshold().as_secs_f64());
    }
}

/// Publishes the gauges of operations, at recorders where operations were measured.
struct Gauges;

impl Publish for Gauges {
    fn publish(&self, _: &mut GaugeSums) {
        // Each publishing writes the threshold again, since it may be set at any time.
        if THRESHOLD.existing().is_some() {
            publish_slow_threshold();
        }
        OPERATIONS.names.for_each(|state| {
            // The gauge is set and not summed up: an operation is one in the process, so its gauge
            // has one source.
            if let Some(handles) = state.instruments.existing() {
                // Exact up to 2^53, which is more than can run at once.
                handles
                    .active
                    .set(state.active.load(Ordering::Relaxed) as f64);
            }
        });
    }
}
