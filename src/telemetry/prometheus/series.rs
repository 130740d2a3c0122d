//! The series of a metric as they are now, each with the labels that Prometheus has for it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use metrics::Label;
use metrics::atomics::AtomicU64;

use super::exemplar::Exemplar;
use super::labels::label_text;
use super::recorder::Buckets;
use crate::telemetry::metrics::metadata::bounds;
use crate::telemetry::metrics::registry::Family;

/// The series of one metric by their labels' text.
pub(super) enum Values {
    Counter(BTreeMap<String, u64>),
    Gauge(BTreeMap<String, f64>),
    Histogram(BTreeMap<String, Distribution>),
}

/// What was recorded under one name of the app's.
pub(super) enum Recorded {
    Counter(Arc<Family<AtomicU64>>),
    /// The bits of each value.
    Gauge(Arc<Family<AtomicU64>>),
    Histogram(Arc<Family<Buckets>>),
}

impl Recorded {
    /// The app's name for it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Counter(family) | Self::Gauge(family) => &family.name,
            Self::Histogram(family) => &family.name,
        }
    }

    /// No series yet.
    pub(super) fn no_values(&self) -> Values {
        match self {
            Self::Counter(_) => Values::Counter(BTreeMap::new()),
            Self::Gauge(_) => Values::Gauge(BTreeMap::new()),
            Self::Histogram(_) => Values::Histogram(BTreeMap::new()),
        }
    }

    /// The bounds of a histogram; empty otherwise.
    pub(super) fn bounds(&self) -> &'static [f64] {
        match self {
            Self::Counter(_) | Self::Gauge(_) => &[],
            Self::Histogram(family) => bounds(&family.name),
        }
    }

    /// Adds its series to `values`, which are of the same kind and have the same bounds; `false`
    /// when some had to be left out.
    ///
    /// Counters and histograms whose labels become the same are summed. Gauges have no sum, and
    /// the first stays.
    #[must_use]
    pub(super) fn add_to(&self, values: &mut Values) -> bool {
        let mut complete = true;
        match (self, values) {
            (Self::Counter(family), Values::Counter(sums)) => family.for_each(|labels, cell| {
                let sum = sums.entry(text(labels)).or_default();
                // Acquire: pairs with the facade's release, though a scrape needs no more than a
                // value of the near past.
                *sum = sum.saturating_add(cell.load(Ordering::Acquire));
            }),
            (Self::Gauge(family), Values::Gauge(gauges)) => family.for_each(|labels, cell| {
                let value = f64::from_bits(cell.load(Ordering::Acquire));
                match gauges.entry(text(labels)) {
                    Entry::Vacant(entry) => {
                        entry.insert(value);
                    }
                    // Within one metric this does not happen, since gauges are registered under
                    // translated labels: it is another metric of the app's with the same name in
                    // Prometheus.
                    Entry::Occupied(_) => complete = false,
                }
            }),
            (Self::Histogram(family), Values::Histogram(distributions)) => {
                family.for_each(|labels, buckets| {
                    let new = Distribution::of(buckets);
                    match distributions.entry(text(labels)) {
                        Entry::Vacant(entry) => {
                            entry.insert(new);
                        }
                        Entry::Occupied(mut entry) => entry.get_mut().add(new),
                    }
                });
            }
            _ => complete = false,
        }
        complete
    }
}

fn text(labels: &[Label]) -> String {
    label_text(labels.iter().map(|label| (label.key(), label.value())))
}

/// A histogram's series as it is now.
pub(super) struct Distribution {
    /// Each bound with the number of values up to it.
    pub(super) buckets: Vec<(f64, u64)>,
    pub(super) count: u64,
    pub(super) sum: f64,
    /// That of each bucket; empty when there is none at all.
    pub(super) exemplars: Vec<Option<Exemplar>>,
}

impl Distribution {
    fn of(buckets: &Buckets) -> Self {
        // Before the counts, so that none is of a bucket that looks empty.
        let exemplars = buckets.exemplars();
        let (counts, count) = buckets.cumulative();
        Self {
            buckets: counts,
            count,
            sum: buckets.sum(),
            exemplars,
        }
    }

    /// `other` has the same bounds.
    fn add(&mut self, other: Self) {
        // In the order of the bounds, which are the same, so cumulative counts can be added.
        for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
            *count = count.saturating_add(*more);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        if self.exemplars.is_empty() {
            self.exemplars = other.exemplars;
        } else {
            // The newer one, since an exemplar that is older than the last is refused.
            for (kept, other) in self.exemplars.iter_mut().zip(other.exemplars) {
                let times = (
                    kept.map(|kept| kept.millis),
                    other.map(|other| other.millis),
                );
                if times.1 > times.0 {
                    *kept = other;
                }
            }
        }
    }
}
