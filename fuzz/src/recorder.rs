//! A `metrics` recorder that adds up counters, and tells how many series there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// One for the process: Spanwire knows recorders by their address.
#[derive(Debug, Default)]
pub struct Sums(Mutex<BTreeMap<Key, Arc<Sum>>>);

#[derive(Debug, Default)]
struct Sum(AtomicU64);

impl CounterFn for Sum {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

impl Sums {
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Forgets everything, so that what follows begins at nothing.
    pub fn clear(&self) {
        self.series().clear();
    }

    /// The sum over all series of a counter that have these labels.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |key: &Key, name: &str, value: &str| {
            key.labels()
                .any(|label| label.key() == name && label.value() == value)
        };
        self.series()
            .iter()
            .filter(|(key, _)| key.name() == name)
            .filter(|(key, _)| labels.iter().all(|(name, value)| has(key, name, value)))
            .map(|(_, sum)| sum.0.load(Ordering::Relaxed))
            .sum()
    }

    /// Each value that a label has, in any metric.
    pub fn values(&self, label: &str) -> BTreeSet<String> {
        let series = self.series();
        let labels = series.keys().flat_map(|key| key.labels());
        labels
            .filter(|known| known.key() == label)
            .map(|known| known.value().to_owned())
            .collect()
    }

    fn sum(&self, key: &Key) -> Arc<Sum> {
        Arc::clone(self.series().entry(key.clone()).or_default())
    }

    fn series(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Sum>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.sum(key))
    }

    // Of the others the labels alone count.
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.sum(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.sum(key);
        Histogram::noop()
    }
}
