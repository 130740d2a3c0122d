//! The series of a recorder: a cell for each set of labels, bounded for each metric.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use metrics::{Key, Label};

use crate::semconv::{self, ErrorType, Metric, OTHER_NAMES_MAX, REGISTERED_NAMES_MAX};
use crate::startup::Phase;

/// Every metric of one kind.
///
/// Metrics of the app's own are bounded in their series, not in their names: names come from code.
pub(in crate::telemetry) struct Series<C> {
    families: RwLock<BTreeMap<String, Arc<Family<C>>>>,
}

impl<C> Series<C> {
    pub(in crate::telemetry) const fn new() -> Self {
        Self {
            families: RwLock::new(BTreeMap::new()),
        }
    }

    /// The metric of that name, and whether it is new.
    ///
    /// `make` runs without a lock of ours, and its result may be thrown away when another thread
    /// was faster: so it may wait for locks of the SDK, which runs our callbacks under them.
    pub(in crate::telemetry) fn family(
        &self,
        name: &str,
        make: impl FnOnce() -> Family<C>,
    ) -> (Arc<Family<C>>, bool) {
        let families = self.families.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = families.get(name) {
            return (Arc::clone(family), false);
        }
        drop(families);
        let made = Arc::new(make());
        let mut families = self
            .families
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let family = families
            .entry(name.to_owned())
            .or_insert_with(|| Arc::clone(&made));
        (Arc::clone(family), Arc::ptr_eq(family, &made))
    }

    /// The metric of that name, if there is one.
    #[cfg(all(feature = "prometheus", feature = "otlp"))]
    pub(in crate::telemetry) fn existing(&self, name: &str) -> Option<Arc<Family<C>>> {
        let families = self.families.read().unwrap_or_else(PoisonError::into_inner);
        families.get(name).cloned()
    }

    /// Every metric, by name.
    #[cfg(feature = "prometheus")]
    pub(in crate::telemetry) fn families(&self) -> Vec<(String, Arc<Family<C>>)> {
        let families = self.families.read().unwrap_or_else(PoisonError::into_inner);
        families
            .iter()
            .map(|(name, family)| (name.clone(), Arc::clone(family)))
            .collect()
    }
}

impl<C> fmt::Debug for Series<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = self.families.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(families.keys()).finish()
    }
}

/// The series of one metric.
pub(in crate::telemetry) struct Family<C> {
    /// The metric's name as it was registered.
    #[cfg(feature = "prometheus")]
    pub(in crate::telemetry) name: String,
    series_max: usize,
    make: Make<C>,
    cells: Mutex<BTreeMap<Vec<Label>, Arc<C>>>,
}

type Make<C> = Box<dyn Fn(&[Label]) -> C + Send + Sync>;

impl<C> Family<C> {
    pub(in crate::telemetry) fn new(
        name: &str,
        make: impl Fn(&[Label]) -> C + Send + Sync + 'static,
    ) -> Self {
        Self {
            #[cfg(feature = "prometheus")]
            name: name.to_owned(),
            series_max: series_max(name),
            make: Box::new(make),
            cells: Mutex::new(BTreeMap::new()),
        }
    }

    /// The cell of these labels, in whatever order they come.
    ///
    /// Once the metric has all the series it may have, new ones share that of [`OVERFLOW`], as
    /// OpenTelemetry has it: sums stay right, only their split is lost.
    pub(in crate::telemetry) fn cell(&self, key: &Key) -> Arc<C> {
        let mut labels = BTreeMap::new();
        for label in key.labels() {
            // A label that comes twice has its last value.
            labels.insert(label.key(), label);
        }
        let labels: Vec<Label> = labels.into_values().cloned().collect();
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(&labels) {
            return Arc::clone(cell);
        }
        let labels = if cells.len() < self.series_max {
            labels
        } else {
            vec![Label::from_static_parts(OVERFLOW, "true")]
        };
        // The lock is held here. `make` binds a histogram at most, which takes that instrument's
        // own lock and none under which the SDK calls us back.
        let cell = cells
            .entry(labels)
            .or_insert_with_key(|labels| Arc::new((self.make)(labels)));
        Arc::clone(cell)
    }

    /// The cell of these labels, which are sorted by name, if there is one.
    #[cfg(all(feature = "prometheus", feature = "otlp"))]
    pub(in crate::telemetry) fn existing(&self, labels: &[Label]) -> Option<Arc<C>> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.get(labels).cloned()
    }

    /// Calls `f` with each series.
    pub(in crate::telemetry) fn for_each(&self, mut f: impl FnMut(&[Label], &C)) {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        // Registering a series of this metric waits meanwhile; recording to one does not.
        for (labels, cell) in cells.iter() {
            f(labels, cell);
        }
    }
}

/// The one label of the series that those beyond the limit share.
pub(in crate::telemetry) const OVERFLOW: &str = "otel.metric.overflow";

/// Series that a metric of the app's own may have, beside that of [`OVERFLOW`].
///
/// One less than the SDK's default, which then never makes an overflow series itself.
pub(in crate::telemetry) const APP_SERIES_MAX: usize = 1_999;

/// Series that a metric may have, beside that of [`OVERFLOW`].
///
/// For ours it is the product over the attributes of the values that each can have, so a limit is
/// only ever reached by an app with more webviews or queues than are counted here. `spanwire.ipc.direction`
/// and `spanwire.outcome` add no factor beside `error.type`, which determines them but for the two
/// directions of `ok`. Operations fail with types that the app names, and those are capped.
pub(in crate::telemetry) fn series_max(name: &str) -> usize {
    semconv::metric(name).map_or(APP_SERIES_MAX, series_max_of)
}

fn series_max_of(metric: &Metric) -> usize {
    let has_error_type = metric.attributes.contains(&semconv::ERROR_TYPE);
    let values = |attribute: &&str| match *attribute {
        semconv::IPC_EVENT | semconv::OPERATION_NAME => NAMES,
        // Name, category and unit are capped together.
        semconv::MEASUREMENT_NAME => NAMES,
        semconv::CATEGORY | semconv::MEASUREMENT_UNIT => 1,
        semconv::ERROR_TYPE if metric.attributes.contains(&semconv::OPERATION_NAME) => {
            OPERATION_ERRORS
        }
        semconv::ERROR_TYPE => ErrorType::ALL.len() + 2,
        semconv::IPC_DIRECTION | semconv::OUTCOME if has_error_type => 1,
        semconv::QUEUE_NAME => QUEUES,
        // Each part of the SDK has one name, and each exporter one server.
        semconv::OTEL_COMPONENT_NAME | semconv::SERVER_ADDRESS | semconv::SERVER_PORT => 1,
        // As `system` caps them, and `_OTHER`.
        semconv::THREAD_NAME => 17,
        semconv::STARTUP_PHASE => Phase::ALL.len(),
        // Eight webviews, and at most eight values of the closed sets.
        _ => 8,
    };
    metric.attributes.iter().map(values).product()
}

/// Values of an attribute whose names are capped.
const NAMES: usize = REGISTERED_NAMES_MAX + OTHER_NAMES_MAX + 1;
/// The capped types of errors, `_OTHER`, `panic`, `cancelled`, and none.
const OPERATION_ERRORS: usize = OTHER_NAMES_MAX + 4;
/// Queues that an app may have.
const QUEUES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::atomics::AtomicU64;
    use std::sync::atomic::Ordering;

    fn family(name: &str) -> Family<AtomicU64> {
        Family::new(name, |_| AtomicU64::new(0))
    }

    #[test]
    fn labels_in_any_order_are_one_series_and_the_last_of_a_twice_given_label_holds() {
        let family = family("app.metric");
        let one = family.cell(&Key::from(("m", &[("a", "1"), ("b", "2")])));
        let same = family.cell(&Key::from(("m", &[("b", "0"), ("b", "2"), ("a", "1")])));
        assert!(Arc::ptr_eq(&one, &same));
    }

    #[test]
    fn series_beyond_the_limit_are_summed_in_one() {
        let family = family("app.metric");
        for n in 0..APP_SERIES_MAX + 10 {
            family
                .cell(&Key::from_parts("m", vec![Label::new("n", n.to_string())]))
                .fetch_add(1, Ordering::Relaxed);
        }
        let mut count = 0;
        let mut overflow = 0;
        family.for_each(|labels, cell| {
            count += 1;
            if labels[0].key() == OVERFLOW {
                overflow = cell.load(Ordering::Relaxed);
            }
        });
        assert_eq!((count, overflow), (APP_SERIES_MAX + 1, 10));
    }

    #[test]
    fn a_metric_is_made_once_however_many_ask() {
        let series = Series::new();
        let (first, new) = series.family("m", || family("m"));
        assert!(new);
        let (again, new) = series.family("m", || unreachable!());
        assert!(!new);
        assert!(Arc::ptr_eq(&first, &again));
    }

    #[test]
    fn limits_follow_from_the_caps() {
        assert_eq!(series_max("process.uptime"), 1);
        assert_eq!(series_max("spanwire.queue.size"), QUEUES);
        assert_eq!(series_max("spanwire.startup.duration"), Phase::ALL.len());
        assert_eq!(
            series_max("spanwire.operation.duration"),
            NAMES * (OTHER_NAMES_MAX + 4)
        );
        let most = semconv::METRICS
            .iter()
            .map(|metric| series_max(metric.name));
        let outcomes = ErrorType::ALL.len() + 2;
        assert_eq!(most.max(), Some(8 * NAMES * outcomes));
        assert_eq!(series_max("app.metric"), APP_SERIES_MAX);
    }
}
