//! A `metrics` recorder that keeps sums and prints them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use super::text;

/// Keeps each series of one [`Capture`](super::Capture).
#[derive(Debug, Default)]
pub(super) struct MemoryRecorder {
    series: Mutex<BTreeMap<Series, Value>>,
}

/// A metric's name and its labels in alphabetical order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    name: String,
    labels: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Value {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<GaugeCell>),
    Histogram(Arc<HistogramCell>),
}

impl MemoryRecorder {
    /// A recorder whose address no other will ever have.
    ///
    /// `Instruments` tells recorders apart by their address and keeps handles for each. Were this
    /// memory given back, the next capture could get the same address and with it handles that
    /// write into this one's series. So it is leaked: a few hundred bytes and the series, per
    /// capture, in a test process.
    pub(super) fn leaked() -> &'static Self {
        Box::leak(Box::default())
    }

    /// A line for each series that something was recorded in.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for (series, value) in self.lock().iter() {
            let Some(value) = value.text() else { continue };
            out.push_str(&series.name);
            if !series.labels.is_empty() {
                let labels: Vec<String> = series
                    .labels
                    .iter()
                    .map(|(name, value)| format!("{name}={value:?}"))
                    .collect();
                let _ = write!(out, "{{{}}}", labels.join(","));
            }
            let _ = writeln!(out, " {value}");
        }
        out
    }

    pub(super) fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        // Several series may have these labels and others beside them; they are added up.
        self.matching(name, labels)
            .map(|value| match value {
                Value::Counter(sum) => sum.load(Ordering::Relaxed),
                Value::Gauge(_) | Value::Histogram(_) => 0,
            })
            .sum()
    }

    pub(super) fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.matching(name, labels)
            .filter_map(|value| match value {
                Value::Gauge(cell) => *lock(&cell.0),
                Value::Counter(_) | Value::Histogram(_) => None,
            })
            .reduce(|a, b| a + b)
    }

    pub(super) fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> (u64, f64) {
        self.matching(name, labels)
            .map(|value| match value {
                Value::Histogram(cell) => *lock(&cell.0),
                Value::Counter(_) | Value::Gauge(_) => (0, 0.0),
            })
            .fold((0, 0.0), |(n, sum), (m, more)| (n + m, sum + more))
    }

    pub(super) fn names(&self) -> BTreeSet<String> {
        self.recorded(|series, names| {
            names.insert(series.name.clone());
        })
    }

    pub(super) fn label_names(&self) -> BTreeSet<String> {
        self.recorded(|series, names| {
            names.extend(series.labels.iter().map(|(name, _)| name.clone()));
        })
    }

    fn recorded(&self, add: impl Fn(&Series, &mut BTreeSet<String>)) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (series, value) in self.lock().iter() {
            // A handle that was registered and never used is no metric that the app emits.
            if value.text().is_some() {
                add(series, &mut names);
            }
        }
        names
    }

    /// The series of that name that carry all of these labels.
    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = Value> {
        let found: Vec<Value> = self
            .lock()
            .iter()
            .filter(|(series, _)| series.name == name && series.has(labels))
            .map(|(_, value)| value.clone())
            // The values are shared cells, so the lock is free again before they are read.
            .collect();
        found.into_iter()
    }

    fn entry(&self, key: &Key, make: fn() -> Value) -> Value {
        let mut labels: Vec<(String, String)> = key
            .labels()
            .map(|label| (label.key().to_owned(), label.value().to_owned()))
            .collect();
        // `metrics` takes labels in any order for one series, too.
        labels.sort();
        let series = Series {
            name: key.name().to_owned(),
            labels,
        };
        self.lock().entry(series).or_insert_with(make).clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Series, Value>> {
        lock(&self.series)
    }
}

impl Recorder for MemoryRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    // A name that is already taken by another kind of instrument gets a handle that does nothing,
    // as with the recorders that apps use.
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.entry(key, || Value::Counter(Arc::default())) {
            Value::Counter(cell) => Counter::from_arc(cell),
            Value::Gauge(_) | Value::Histogram(_) => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.entry(key, || Value::Gauge(Arc::default())) {
            Value::Gauge(cell) => Gauge::from_arc(cell),
            Value::Counter(_) | Value::Histogram(_) => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.entry(key, || Value::Histogram(Arc::default())) {
            Value::Histogram(cell) => Histogram::from_arc(cell),
            Value::Counter(_) | Value::Gauge(_) => Histogram::noop(),
        }
    }
}

impl Series {
    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| {
            self.labels
                .iter()
                .any(|(own, its)| own == name && its == value)
        })
    }
}

impl Value {
    /// `None` when nothing was recorded: handles are often registered before they are needed.
    fn text(&self) -> Option<String> {
        match self {
            Value::Counter(sum) => Some(sum.load(Ordering::Relaxed))
                .filter(|sum| *sum != 0)
                .map(|sum| sum.to_string()),
            Value::Gauge(cell) => lock(&cell.0).map(text::number),
            Value::Histogram(cell) => Some(*lock(&cell.0))
                .filter(|(count, _)| *count != 0)
                .map(|(count, sum)| format!("count={count} sum={}", text::number(sum))),
        }
    }
}

/// The value, once it was set.
#[derive(Debug, Default)]
struct GaugeCell(Mutex<Option<f64>>);

impl GaugeCell {
    fn add(&self, value: f64) {
        let mut now = lock(&self.0);
        // The facade has no first value, so a gauge that is changed before it is set begins at 0.
        *now = Some(now.unwrap_or(0.0) + value);
    }
}

impl GaugeFn for GaugeCell {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        *lock(&self.0) = Some(value);
    }
}

/// How many values there were, and their sum.
#[derive(Debug, Default)]
struct HistogramCell(Mutex<(u64, f64)>);

impl HistogramFn for HistogramCell {
    fn record(&self, value: f64) {
        let mut cell = lock(&self.0);
        cell.0 += 1;
        cell.1 += value;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
