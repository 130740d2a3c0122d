//! The series as Prometheus reads them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use metrics::atomics::AtomicU64;
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use super::conflicts::Warned;
use super::exemplar::{BucketExemplars, Exemplar};
use super::labels::translated_key;
use crate::telemetry::metrics::metadata::{Descriptions, bounds};
use crate::telemetry::metrics::registry::{Family, Series};

/// Records into atomics that [`Exposition`](super::Exposition) renders.
///
/// Names that become the same in Prometheus are told apart here and brought together at a scrape.
/// Values of histograms that are not finite are not recorded.
#[derive(Debug)]
pub(crate) struct PrometheusRecorder(Arc<State>);

/// Everything recorded, each metric under the name that the app has for it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) counters: Series<AtomicU64>,
    /// The bits of a gauge's value.
    pub(super) gauges: Series<AtomicU64>,
    pub(super) histograms: Series<Buckets>,
    pub(super) descriptions: Descriptions,
    pub(super) warned: Warned,
}

impl Default for State {
    fn default() -> Self {
        Self {
            counters: Series::new(),
            gauges: Series::new(),
            histograms: Series::new(),
            descriptions: Descriptions::default(),
            warned: Warned::default(),
        }
    }
}

impl PrometheusRecorder {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self(state)
    }
}

impl Recorder for PrometheusRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.descriptions.add(name, unit, text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.descriptions.add(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.descriptions.add(name, unit, text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let zero = || Family::new(key.name(), |_| AtomicU64::new(0));
        let (family, _) = self.0.counters.family(key.name(), zero);
        // By the app's labels: those that become the same for Prometheus are summed at a scrape.
        Counter::from_arc(family.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let zero = || Family::new(key.name(), |_| AtomicU64::new(0));
        let (family, _) = self.0.gauges.family(key.name(), zero);
        // Gauges cannot be summed at a scrape, so labels that become the same share one from the
        // start: then the last value that is set holds, and increments add up.
        Gauge::from_arc(family.cell(&translated_key(key)))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let empty = || {
            let bounds = bounds(key.name());
            Family::new(key.name(), move |_| Buckets::new(bounds))
        };
        let (family, _) = self.0.histograms.family(key.name(), empty);
        Histogram::from_arc(family.cell(key))
    }
}

/// A histogram's series: a count for each bucket, and the sum.
#[derive(Debug)]
pub(super) struct Buckets {
    bounds: &'static [f64],
    /// One more than bounds, for what lies above the last.
    // Not cumulative, so that a value touches one cell; the sums over them are made at a scrape.
    counts: Box<[AtomicU64]>,
    /// The bits of the sum.
    sum: AtomicU64,
    exemplars: BucketExemplars,
}

impl Buckets {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            exemplars: BucketExemplars::default(),
        }
    }

    fn add(&self, value: f64, count: u64) {
        // One such value would spoil the sum for ever.
        if !value.is_finite() {
            return;
        }
        if let Some(cell) = self.counts.get(self.bucket(value)) {
            // Relaxed: a scrape that sees the count before the sum is off by one record for once.
            cell.fetch_add(count, Ordering::Relaxed);
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "nobody records one value 2^53 times"
        )]
        // The facade's loop of exchanges, since there is no atomic addition of floats.
        GaugeFn::increment(&self.sum, value * count as f64);
    }

    /// A bucket holds what is at most its bound, as OpenTelemetry has it too.
    fn bucket(&self, value: f64) -> usize {
        self.bounds.partition_point(|bound| *bound < value)
    }

    /// Keeps `exemplar` with its bucket, if that has counted anything; `now` in its milliseconds.
    ///
    /// A span's times are not the ones that were recorded, but read a moment apart, so its value
    /// may be on the other side of a bound.
    #[cfg(feature = "otlp")]
    pub(super) fn keep(&self, exemplar: Exemplar, now: u64) {
        let bucket = self.bucket(exemplar.value);
        let has_counted = |cell: &AtomicU64| cell.load(Ordering::Relaxed) > 0;
        // A bucket without values would show an exemplar of something that it did not count.
        if exemplar.value.is_finite() && self.counts.get(bucket).is_some_and(has_counted) {
            self.exemplars
                .keep(bucket, self.counts.len(), exemplar, now);
        }
    }

    /// The exemplar of each bucket; empty when there is none at all.
    pub(super) fn exemplars(&self) -> Vec<Option<Exemplar>> {
        self.exemplars.all()
    }

    /// Each bound with the number of values up to it, then the number of all.
    pub(super) fn cumulative(&self) -> (Vec<(f64, u64)>, u64) {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(self.bounds.len());
        let mut bounds = self.bounds.iter();
        for cell in &self.counts {
            // The total is the sum of what was read, so `+Inf` and `_count` agree whatever is
            // recorded meanwhile.
            count += cell.load(Ordering::Relaxed);
            if let Some(bound) = bounds.next() {
                buckets.push((*bound, count));
            }
        }
        (buckets, count)
    }

    pub(super) fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Ordering::Relaxed))
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        self.add(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.add(value, count as u64);
    }
}
